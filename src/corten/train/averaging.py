"""Averages of the weights over a training: exponential (EMA) and stochastic weight averaging (SWA)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import corten
import corten._core.optim as native
from corten._core import core
from corten.train.callback import Callback, Record

if TYPE_CHECKING:
    from corten.train.trainer import Trainer


class Averages:
    """Running averages of a state dict; what is not floating is copied.

    Attributes
    ----------
    weights : dict of str to Tensor
        The averages; empty before the first.
    count : int
        How many were averaged.
    """

    def __init__(self) -> None:
        self.weights: dict[str, Any] = {}
        self.count = 0

    def add(self, current: dict[str, Any], share: float) -> None:
        """``average += (current - average) * share``, in one native pass; the first is a copy."""
        if not self.weights:
            self.weights = {k: v.detach().clone() for k, v in current.items()}
        else:
            groups: dict[Any, tuple[list[Any], list[Any]]] = {}
            for key, value in current.items():
                mean, value = self.weights[key], value.detach()
                if mean.dtype in (corten.float32, corten.float64) and value.is_contiguous():
                    means, values = groups.setdefault(mean.dtype, ([], []))
                    means.append(mean)
                    values.append(value)
                elif mean.is_floating_point():
                    mean.lerp_(value, share)
                else:
                    core._copy_into(mean, value)
            for means, values in groups.values():
                native.lerp(means, values, share)
        self.count += 1

    def state_dict(self) -> dict[str, Any]:
        """Averages and count."""
        return {"weights": dict(self.weights), "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take them back."""
        self.weights, self.count = dict(state["weights"]), state["count"]


@contextmanager
def averaged(model: Any, averages: Averages) -> Iterator[None]:
    """Within the block the model has the averaged weights; a block before the first average changes nothing."""
    if not averages.weights:
        yield
        return
    own = {k: v.detach().clone() for k, v in model.state_dict().items()}
    model.load_state_dict(averages.weights)
    try:
        yield
    finally:
        model.load_state_dict(own)


class _Swap:
    """Puts averages into a trainer's model for a validation, and takes them out."""

    def __init__(self) -> None:
        self.own: dict[str, Any] = {}

    def put(self, trainer: Trainer, averages: Averages) -> None:
        if averages.weights:
            self.own = {k: v.detach().clone() for k, v in trainer.weights().items()}
            trainer.load_weights(averages.weights)

    def back(self, trainer: Trainer) -> None:
        if self.own:
            trainer.load_weights(self.own)
            self.own = {}


class EMA(Callback):
    """Exponential moving average of the weights: :math:`\\bar w \\leftarrow \\beta \\bar w + (1 - \\beta) w` after each step.

    With ``warm_up`` the decay is :math:`\\min(\\beta, (1 + t) / (10 + t))` in step t, so that a short training is not ruled by
    its random start.

    Parameters
    ----------
    decay : float
        In [0, 1).
    warm_up : bool
    judge : bool
        Validate with the averaged weights.
    keep : bool
        Leave the averaged weights in the model at the end of the training.

    Examples
    --------
    >>> EMA(0.99).decay
    0.99
    """

    def __init__(self, decay: float = 0.999, warm_up: bool = True, judge: bool = True, keep: bool = False) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"[EMA] got decay {decay}, expected a number of [0, 1)")
        self.decay, self.warm_up, self.judge, self.keep = decay, warm_up, judge, keep
        self.averages = Averages()
        self._swap = _Swap()

    def on_fit_start(self, trainer: Trainer) -> None:
        """Forget an earlier training."""
        if trainer.anew:
            self.averages = Averages()

    def on_step(self, trainer: Trainer) -> None:
        """Add the weights."""
        t = self.averages.count
        decay = min(self.decay, (1 + t) / (10 + t)) if self.warm_up else self.decay
        self.averages.add(trainer.weights(), 1 - decay)

    def on_validation_start(self, trainer: Trainer) -> None:
        """Put the averages in."""
        if self.judge:
            self._swap.put(trainer, self.averages)

    def on_validation_end(self, trainer: Trainer) -> None:
        """Take them out."""
        self._swap.back(trainer)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Leave them in, with ``keep``."""
        if self.keep and self.averages.weights:
            trainer.load_weights(self.averages.weights)

    def state_dict(self) -> dict[str, Any]:
        """The averages."""
        return self.averages.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take them back."""
        self.averages.load_state_dict(state)


class SWA(Callback):
    """Stochastic weight averaging (Izmailov et al., arXiv:1803.05407): the plain mean of the weights after each late epoch.

    Normalisation layers must see the training data once with the averaged weights: :func:`update_norms`.

    Parameters
    ----------
    start : int
        The first epoch whose weights count, from 1.
    lr : float, optional
        A constant learning rate from that epoch on; give no scheduler that acts then.
    keep : bool
        Leave the mean in the model at the end of the training, with the statistics of normalisation layers updated.

    Examples
    --------
    >>> SWA(start=8, lr=0.05).start
    8
    """

    def __init__(self, start: int, lr: float | None = None, keep: bool = True) -> None:
        if start < 1:
            raise ValueError(f"[SWA] got start {start}, expected a positive int")
        self.start, self.lr, self.keep = start, lr, keep
        self.averages = Averages()

    def on_fit_start(self, trainer: Trainer) -> None:
        """Forget an earlier training."""
        if trainer.anew:
            self.averages = Averages()

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Set the rate."""
        if self.lr is not None and trainer.epoch + 1 >= self.start:
            for group in trainer.optimizer.param_groups:
                group["lr"] = self.lr

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        """Add the weights."""
        if record["epoch"] >= self.start:
            self.averages.add(trainer.weights(), 1 / (self.averages.count + 1))

    def on_fit_end(self, trainer: Trainer) -> None:
        """Leave the mean in the model."""
        if self.keep and self.averages.weights:
            trainer.load_weights(self.averages.weights)
            update_norms(trainer.model, trainer.loader)

    def state_dict(self) -> dict[str, Any]:
        """The averages."""
        return self.averages.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take them back."""
        self.averages.load_state_dict(state)


def update_norms(model: Any, data: Iterable[Any]) -> None:
    """Compute the running statistics of batch normalisation anew, as plain means over the batches of ``data``."""
    norms = [m for m in model.modules() if getattr(m, "running_mean", None) is not None]
    if not norms:
        return
    before = [(m, m.momentum, m.training) for m in norms]
    modes = [(m, m.training) for m in model.modules()]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # a cumulative mean
    model.train()
    try:
        with corten.no_grad():
            for batch in data:
                inputs = list(batch) if isinstance(batch, (list, tuple)) else [batch]
                model(*(inputs[:-1] if len(inputs) > 1 else inputs))
    finally:
        for m, momentum, _ in before:
            m.momentum = momentum
        for m, mode in modes:
            m.training = mode
