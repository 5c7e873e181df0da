"""The figures of each epoch in a file: CSV, or JSON lines."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corten.atomic import atomic_write
from corten.train.callback import Callback, Record
from corten.train.errors import TrainingWarning

if TYPE_CHECKING:
    from corten.train.trainer import Trainer


class _Table(Callback):
    """Base of loggers whose file holds one line an epoch; a resumed run begins with the lines of its checkpoint.

    Where the file cannot be written, one warning says so and the training goes on; the lines are written as soon as that
    works again.
    """

    order = 10

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._written = 0  # records that are in the file; -1 when all must be written anew
        self._warned = False

    def on_fit_start(self, trainer: Trainer) -> None:
        """Begin the file with what a resumed run has behind it."""
        self._written = -1
        self._update(trainer)

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        """Add a line."""
        self._update(trainer)

    def _update(self, trainer: Trainer) -> None:
        try:
            if self._written < 0 or self._must_begin_anew(trainer.history):
                with atomic_write(self.path) as file:
                    file.write(self._text(trainer.history, whole=True).encode())
            else:
                with open(self.path, "ab") as file:
                    file.write(self._text(trainer.history[self._written :], whole=False).encode())
            self._written = len(trainer.history)
        except OSError as error:
            self._written = -1
            if not self._warned:
                self._warned = True
                warnings.warn(f"[{type(self).__name__}] {self.path} cannot be written ({error}); the training goes on",
                              TrainingWarning, stacklevel=2)  # fmt: skip

    def _must_begin_anew(self, history: list[Record]) -> bool:
        return False

    def _text(self, records: list[Record], whole: bool) -> str:
        raise NotImplementedError


class CSVLogger(_Table):
    """Write the figures of each epoch as a row of a CSV file, with a header.

    Parameters
    ----------
    path : path

    Examples
    --------
    >>> CSVLogger("run.csv").path.name
    'run.csv'
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self._names: list[str] = []

    def _must_begin_anew(self, history: list[Record]) -> bool:
        return list(dict.fromkeys(n for r in history for n in r)) != self._names

    def _text(self, records: list[Record], whole: bool) -> str:
        if whole:
            self._names = list(dict.fromkeys(n for r in records for n in r))
        out = io.StringIO()
        writer = csv.DictWriter(out, self._names, lineterminator="\n")
        if whole and self._names:
            writer.writeheader()
        writer.writerows(records)
        return out.getvalue()


class JSONLLogger(_Table):
    """Write the figures of each epoch as one JSON object a line; a figure that is not finite is null.

    Parameters
    ----------
    path : path
    """

    def _text(self, records: list[Record], whole: bool) -> str:
        finite = [{k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in r.items()} for r in records]
        return "".join(json.dumps(record) + "\n" for record in finite)


def settings_of(trainer: Any) -> dict[str, Any]:
    """What a run was set to, for a tracker: model, optimizer and its settings, and those of the trainer."""
    found: dict[str, Any] = {
        "model": type(trainer.model).__name__,
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "loss": type(trainer.loss).__name__ if not callable(getattr(trainer.loss, "__name__", None)) else trainer.loss.__name__,
        "epochs": trainer.epochs,
        "accumulate": trainer.accumulate,
        "precision": trainer.precision,
    }
    for name in ("clip_norm", "clip_value", "seed"):
        if getattr(trainer, name) is not None:
            found[name] = getattr(trainer, name)
    if (size := getattr(trainer.loader, "batch_size", None)) is not None:
        found["batch_size"] = size
    if trainer.optimizer is not None:
        found["optimizer"] = type(trainer.optimizer).__name__
        group = trainer.optimizer.param_groups[0]
        found |= {f"optimizer/{k}": v for k, v in group.items() if isinstance(v, (bool, int, float, str))}
    if trainer.scheduler is not None:
        found["scheduler"] = type(trainer.scheduler).__name__
    return found
