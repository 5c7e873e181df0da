"""Checkpoints: the whole state of a training in one file, written whole or not at all.

A checkpoint is a file of :func:`corten.save` (safetensors, with a JSON document in its header; nothing in it is code) that
holds ``{"kind": "training", "version": 1, "architecture", "model", "optimizer", "scheduler", "generators", "loader",
"valid", "callbacks", "progress", "history"}``.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import corten
import corten._core.optim as native
from corten.atomic import atomic_write
from corten.train.callback import Callback, Record, checked_mode, figure_of, is_better
from corten.train.errors import DivergedError, TrainingWarning

if TYPE_CHECKING:
    from corten.train.trainer import Trainer

KIND, VERSION = "training", 1
PARTS = {"architecture", "model", "optimizer", "scheduler", "generators", "loader", "valid", "callbacks", "progress", "history"}
_NAME = re.compile(r"step-(\d{8,})\.safetensors\Z")


def architecture(weights: Mapping[str, Any]) -> list[list[Any]]:
    """Name, shape and dtype of every tensor of a state dict."""
    return [[k, list(v.shape), v.dtype.name] for k, v in weights.items() if isinstance(v, corten.Tensor)]


def check_architecture(model: Any, found: list[list[Any]], name: str) -> None:
    """Raise ValueError, saying what differs, unless a model (or its state dict) has the tensors of a checkpoint."""
    weights = model if isinstance(model, Mapping) else model.state_dict()
    mine = {k: (tuple(s), d) for k, s, d in architecture(weights)}
    theirs = {k: (tuple(s), d) for k, s, d in found}
    if mine == theirs:
        return
    parts = []
    for text, keys in (("lacks", mine.keys() - theirs.keys()), ("has also", theirs.keys() - mine.keys())):
        if keys:
            parts.append(f"{text} {', '.join(sorted(keys)[:5])}{' ...' if len(keys) > 5 else ''}")
    for key in [k for k in mine if k in theirs and mine[k] != theirs[k]][:5]:
        (shape, dtype), (expected, expected_dtype) = theirs[key], mine[key]
        parts.append(f"{key} is {dtype} {shape}, expected {expected_dtype} {expected}")
    raise ValueError(f"[load_checkpoint] {name}: of another architecture: {'; '.join(parts)}")


def not_finite(weights: Mapping[str, Any]) -> str | None:
    """The name of a floating tensor that has an infinite or NaN element, or None."""
    for name, t in weights.items():
        if isinstance(t, corten.Tensor) and t.is_floating_point() and t.numel():
            if t.dtype in (corten.float32, corten.float64) and t.is_contiguous():
                most = native.max_abs([t.detach()])
            else:
                most = float(t.detach().float().abs().amax().item())
            if not math.isfinite(most):
                return name
    return None


def write_checkpoint(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write a trainer's state; after an error what was there before is untouched. Raises OSError on a full disk."""
    corten.save({"kind": KIND, "version": VERSION, **state}, path)


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a trainer's state.

    Raises
    ------
    ValueError
        When the file is truncated or damaged, of another kind, or of another version.
    OSError
        When it cannot be read.
    """
    state = corten.load(path)
    name = os.fspath(path)
    if not isinstance(state, dict) or state.get("kind") != KIND:
        raise ValueError(f"[load_checkpoint] {name}: not a checkpoint of a training")
    if state.get("version") != VERSION:
        raise ValueError(f"[load_checkpoint] {name}: version {state.get('version')}, expected {VERSION}")
    if lacking := PARTS - state.keys():
        raise ValueError(f"[load_checkpoint] {name}: damaged, without {', '.join(sorted(lacking))}")
    return state


def numbered(folder: str | os.PathLike[str]) -> list[Path]:
    """The checkpoints of a folder that carry the number of their step, the oldest first."""
    if not Path(folder).is_dir():
        return []
    found = [(int(m.group(1)), p) for p in Path(folder).iterdir() if (m := _NAME.match(p.name))]
    return [p for _, p in sorted(found)]


def newest(path: str | os.PathLike[str]) -> Path | None:
    """The checkpoint that a path means: a file itself, or the newest of a folder; None for a folder without any.

    Raises FileNotFoundError for what looks like a file and is not there.
    """
    path = Path(path)
    if path.is_file():
        return path
    if path.suffix == ".safetensors" and not path.is_dir():
        raise FileNotFoundError(f"[load_checkpoint] there is no {path}")
    found = numbered(path)
    return found[-1] if found else None


class Checkpoint(Callback):
    """Keep checkpoints of a training in a folder.

    ``step-00001234.safetensors`` are the last ``keep`` ones, ``best.safetensors`` is the one of the epoch with the best
    figure. Each is written to a temporary file, brought to the disk and renamed. Where the disk is full the older ones stay,
    a :class:`TrainingWarning` says so, and the training goes on.

    Parameters
    ----------
    folder : path
        Made when absent.
    every_epochs : int or None
        Write after so many epochs; None does not.
    every_steps : int or None
        Write after so many steps.
    keep : int
        How many numbered ones stay.
    monitor : str or None
        Figure that decides which is best; None keeps no best one. Without validation ``"loss"`` is the one to take.
    mode : {'min', 'max'}
        Which way is better.

    Examples
    --------
    >>> import tempfile
    >>> Checkpoint(tempfile.mkdtemp(), every_steps=100, keep=2).keep
    2
    """

    order = 100  # the last: it saves the state of the others

    def __init__(
        self,
        folder: str | os.PathLike[str],
        every_epochs: int | None = 1,
        every_steps: int | None = None,
        keep: int = 3,
        monitor: str | None = "valid_loss",
        mode: str = "min",
    ) -> None:
        for name, value in (("every_epochs", every_epochs), ("every_steps", every_steps), ("keep", keep)):
            if value is not None and value < 1:
                raise ValueError(f"[Checkpoint] got {name} {value}, expected a positive int")
        self.folder = Path(folder)
        self.every_epochs, self.keep, self.monitor = every_epochs, keep, monitor
        self.mode = checked_mode("Checkpoint", mode)
        self.best: float | None = None
        self.newest: Path | None = None
        if every_steps is not None:
            self._every = every_steps
            self.on_step = self._after_step  # type: ignore[method-assign]

    @property
    def best_path(self) -> Path:
        """Where the best checkpoint is kept."""
        return self.folder / "best.safetensors"

    def on_fit_start(self, trainer: Trainer) -> None:
        """Make the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for part in self.folder.glob(".*.part"):  # what a killed run had not finished
            if part.name.startswith((".best.", ".step-")):
                part.unlink(missing_ok=True)
        found = numbered(self.folder)
        if trainer.anew:
            self.best = None
        if found and trainer.anew:
            warnings.warn(
                f"[Checkpoint] {self.folder} has checkpoints of an earlier run up to {found[-1].name}; they are set aside as "
                "step-*.earlier. Go on with them by resume=True", TrainingWarning, stacklevel=2,
            )  # fmt: skip
            for path in found:
                path.rename(path.with_suffix(".earlier"))
        self.newest = newest(self.folder)
        if self.newest is None or self.monitor is None or trainer.batches or not trainer.history:
            return
        if trainer.history[-1].get(self.monitor) == self.best:
            self._link(self.newest)  # the run may have ended between the file and its second name

    def _after_step(self, trainer: Trainer) -> None:
        if trainer.steps % self._every == 0:
            self._write(trainer)

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        """Write where this epoch is due or the best so far."""
        improved = False
        if self.monitor is not None and (trainer.valid is not None or not self.monitor.startswith("valid_")):
            value = figure_of("Checkpoint", record, self.monitor)
            improved = is_better(value, self.best, self.mode)
            if improved:
                self.best = value
        due = self.every_epochs is not None and trainer.epoch % self.every_epochs == 0
        if due or improved or trainer.stopped or trainer.epoch == trainer.epochs:
            written = self._write(trainer)
            if improved and written is not None:
                self._link(written)

    def _write(self, trainer: Trainer) -> Path | None:
        path = self.folder / f"step-{trainer.steps:08d}.safetensors"
        state = trainer.state_dict()
        if (name := not_finite(state["model"])) is not None:
            kept = f". The last good checkpoint is {self.newest}" if self.newest is not None else ""
            raise DivergedError(f"[Checkpoint] {name} is not finite after step {trainer.steps} of epoch {trainer.epoch + 1}{kept}")
        try:
            write_checkpoint(path, state)
        except OSError as error:
            kept = f"{self.newest.name} stays" if self.newest is not None else "there is none yet"
            warnings.warn(f"[Checkpoint] {path} could not be written ({error}); {kept}, the training goes on",
                          TrainingWarning, stacklevel=2)  # fmt: skip
            return None
        self.newest = path
        for old in numbered(self.folder)[: -self.keep]:
            with suppress(OSError):
                old.unlink()
        return path

    def _link(self, path: Path) -> None:
        """Let ``best.safetensors`` be this checkpoint, without writing it twice where the file system can."""
        part = self.folder / f".best.{os.getpid()}.part"
        try:
            with suppress(FileNotFoundError):
                part.unlink()
            os.link(path, part)
            os.replace(part, self.best_path)
            part.unlink(missing_ok=True)  # renaming one name of a file to another of its names does nothing
        except OSError:
            with suppress(OSError):
                part.unlink()
            try:
                with open(path, "rb") as source, atomic_write(self.best_path) as target:
                    shutil.copyfileobj(source, target, 1 << 20)
            except OSError as error:
                warnings.warn(f"[Checkpoint] {self.best_path} could not be written ({error}), the training goes on",
                              TrainingWarning, stacklevel=2)  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """The best figure."""
        return {"best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.best = state["best"]
