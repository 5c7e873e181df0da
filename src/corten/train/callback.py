"""Callbacks: what is done beside the steps of a training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from corten.train.trainer import Trainer

Record = dict[str, Any]


class Callback:
    """Base of callbacks: each method is called at its moment and does nothing unless overridden.

    ``on_step`` costs only the callbacks that define it. State that a resumed run needs goes through ``state_dict`` and
    ``load_state_dict``; it is part of every checkpoint. Callbacks run by ascending ``order``, those with the same in the
    order in which they were given.

    Examples
    --------
    >>> class Announce(Callback):
    ...     def on_epoch_end(self, trainer, record):
    ...         print(record["epoch"])
    """

    order = 0

    def on_fit_start(self, trainer: Trainer) -> None:
        """Before the first step; a resumed run has its state back by then."""

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Before an epoch's first step (also where a resumed run enters an epoch)."""

    def on_step(self, trainer: Trainer) -> None:
        """After each update of the weights."""

    def on_validation_start(self, trainer: Trainer) -> None:
        """Before the model is judged within ``fit``."""

    def on_validation_end(self, trainer: Trainer) -> None:
        """After it was judged, also when that failed."""

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        """After an epoch, with its figures; ``trainer.stop(reason)`` ends the training here."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """After the last epoch."""

    def on_exception(self, trainer: Trainer, error: BaseException) -> None:
        """When the training ends by an exception, Ctrl-C among them; it is raised on afterwards."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs: numbers, strings, tensors, and lists and dicts of them."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""


def is_better(value: float, best: float | None, mode: str, least: float = 0.0) -> bool:
    """Whether a figure improves on the best one by more than ``least``; NaN never does."""
    if math.isnan(value):
        return False
    if best is None:
        return True
    return value < best - least if mode == "min" else value > best + least


def checked_mode(owner: str, mode: str) -> str:
    """``mode`` itself. Raises ValueError unless it is 'min' or 'max'."""
    if mode not in ("min", "max"):
        raise ValueError(f"[{owner}] got mode {mode!r}, expected 'min' or 'max'")
    return mode


def figure_of(owner: str, record: Record, monitor: str) -> float:
    """The monitored figure of a record. Raises KeyError naming those there are."""
    if monitor not in record:
        raise KeyError(f"[{owner}] there is no figure {monitor!r}, expected one of {', '.join(record)}")
    return float(record[monitor])


class EarlyStopping(Callback):
    """End the training when a figure has not improved for some epochs.

    Parameters
    ----------
    monitor : str
        Name of a figure of the epoch, such as ``"valid_loss"``.
    patience : int
        So many epochs without improvement are borne; the next one ends the training.
    min_delta : float
        An improvement is more than this.
    mode : {'min', 'max'}
        Which way is better.
    restore : bool
        Put the weights of the best epoch back into the model at the end.

    Examples
    --------
    >>> EarlyStopping("valid_loss", patience=3).monitor
    'valid_loss'
    """

    def __init__(self, monitor: str = "valid_loss", patience: int = 5, min_delta: float = 0.0, mode: str = "min",
                 restore: bool = False) -> None:  # fmt: skip
        if patience < 0 or min_delta < 0:
            raise ValueError(f"[EarlyStopping] got patience {patience} and min_delta {min_delta}, expected none negative")
        self.monitor, self.patience, self.min_delta, self.restore = monitor, patience, min_delta, restore
        self.mode = checked_mode("EarlyStopping", mode)
        self._begin()

    def _begin(self) -> None:
        self.best: float | None = None
        self.best_epoch = 0
        self.waited = 0
        self.weights: dict[str, Any] = {}

    def on_fit_start(self, trainer: Trainer) -> None:
        """Forget an earlier training."""
        if trainer.anew:
            self._begin()

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        """Judge the epoch."""
        value = figure_of("EarlyStopping", record, self.monitor)
        if is_better(value, self.best, self.mode, self.min_delta):
            self.best, self.best_epoch, self.waited = value, record["epoch"], 0
            if self.restore:
                self.weights = {k: v.clone() for k, v in trainer.weights().items()}
            return
        self.waited += 1
        if self.waited > self.patience:
            trainer.stop(f"{self.monitor} has not improved on {self.best} of epoch {self.best_epoch}")

    def on_fit_end(self, trainer: Trainer) -> None:
        """Put the best weights back."""
        if self.restore and self.weights:
            trainer.load_weights(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """The best figure, when it was, and with ``restore`` the weights."""
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited, "weights": dict(self.weights)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.best, self.best_epoch, self.waited = state["best"], state["best_epoch"], state["waited"]
        self.weights = dict(state["weights"])


class LearningRateMonitor(Callback):
    """Note the learning rate of each parameter group in the figures of the epoch, as ``lr`` or ``lr/0``, ``lr/1`` ...

    Parameters
    ----------
    every_step : bool
        Keep the rate of every step too, in ``rates``: a list of (step, rate of the first group).
    """

    order = -10  # before those who write the record down

    def __init__(self, every_step: bool = False) -> None:
        self.rates: list[tuple[int, float]] = []
        if every_step:
            self.on_step = self._note  # type: ignore[method-assign]

    def on_fit_start(self, trainer: Trainer) -> None:
        """Forget an earlier training."""
        if trainer.anew:
            self.rates = []

    def _note(self, trainer: Trainer) -> None:
        self.rates.append((trainer.steps, trainer.step_rates[0]))

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        """Add the rates that the epoch's last step was taken with."""
        rates = trainer.step_rates
        if len(rates) == 1:
            record["lr"] = rates[0]
        else:
            record |= {f"lr/{i}": rate for i, rate in enumerate(rates)}

    def state_dict(self) -> dict[str, Any]:
        """The rates so far."""
        return {"rates": list(self.rates)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take them back."""
        self.rates = [(int(s), float(r)) for s, r in state["rates"]]
