"""Averages of weights: stochastic weight averaging (Izmailov et al., arXiv:1803.05407) and exponential averages."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

import corten._core.optim as native
from corten._core import core
from corten.autograd import no_grad
from corten.nn.module import Module
from corten.nn.normalization import BatchNorm
from corten.optim.lr_scheduler import LRScheduler, per_group
from corten.optim.optimizer import Optimizer

__all__ = ["SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn", "get_swa_multi_avg_fn",
           "update_bn"]  # fmt: skip


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[list[Any], list[Any], Any], None]:
    """Averages move by 1 - decay towards the parameters."""
    if not 0 <= decay <= 1:
        raise ValueError(f"[get_ema_multi_avg_fn] got decay={decay}, expected a number of [0, 1]")

    @no_grad()
    def average(averages: list[Any], params: list[Any], n: Any) -> None:
        _lerp(averages, params, 1 - decay)

    return average


def get_swa_multi_avg_fn() -> Callable[[list[Any], list[Any], Any], None]:
    """Averages are the mean of all."""

    @no_grad()
    def average(averages: list[Any], params: list[Any], n: Any) -> None:
        _lerp(averages, params, 1 / (float(n) + 1))

    return average


def _lerp(averages: list[Any], params: list[Any], weight: float) -> None:
    together: dict[Any, tuple[list[Any], list[Any]]] = {}
    for a, p in zip(averages, params, strict=True):
        if a.dtype.name in ("float32", "float64") and a.dtype is p.dtype and a.is_contiguous():
            pair = together.setdefault(a.dtype, ([], []))
            pair[0].append(a.detach())
            pair[1].append(p.detach())
        else:
            a.copy_(a + (p - a) * weight if a.is_floating_point() else p)
    for first, second in together.values():
        native.lerp(first, second, weight)


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, Any], Any]:
    """The new average of one parameter: decay times the old one and the rest of the parameter."""
    if not 0 <= decay <= 1:
        raise ValueError(f"[get_ema_avg_fn] got decay={decay}, expected a number of [0, 1]")

    @no_grad()
    def average(mean: Any, param: Any, n: Any) -> Any:
        return decay * mean + (1 - decay) * param

    return average


def get_swa_avg_fn() -> Callable[[Any, Any, Any], Any]:
    """The new mean of one parameter."""

    @no_grad()
    def average(mean: Any, param: Any, n: Any) -> Any:
        return mean + (param - mean) / (n + 1)

    return average


class AveragedModel(Module):
    """A copy of a model, as ``module``, whose parameters are averages over calls of ``update_parameters``.

    Parameters
    ----------
    model : Module
    avg_fn, multi_avg_fn : callable, optional
        ``avg_fn(average, parameter, n)`` gives a new average; ``multi_avg_fn(averages, parameters, n)`` changes all in
        place. By default the mean of all.
    use_buffers : bool
        Whether to average buffers too; otherwise they are copied.

    Examples
    --------
    >>> import corten
    >>> net = corten.nn.Linear(1, 1)
    >>> mean = corten.optim.swa_utils.AveragedModel(net)
    >>> mean.update_parameters(net)
    >>> int(mean.n_averaged)
    1
    """

    def __init__(self, model: Module, device: Any = None, avg_fn: Callable[[Any, Any, Any], Any] | None = None,
                 multi_avg_fn: Callable[[list[Any], list[Any], Any], None] | None = None, use_buffers: bool = False) -> None:  # fmt: skip
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("[AveragedModel] give avg_fn or multi_avg_fn, not both")
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", core.tensor(0, dtype=core._dtype_by_name("int64")))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the averaged model."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the model's parameters into the averages."""
        mine, theirs = list(self.module.parameters()), list(model.parameters())
        if self.use_buffers:
            mine, theirs = mine + list(self.module.buffers()), theirs + list(model.buffers())  # type: ignore[arg-type]
        n = int(self.n_averaged.item())
        if n == 0:
            for a, p in zip(mine, theirs, strict=True):
                a.copy_(p.detach())
        elif self.avg_fn is not None:
            for a, p in zip(mine, theirs, strict=True):
                a.copy_(self.avg_fn(a.detach(), p.detach(), n))
        else:
            (self.multi_avg_fn or get_swa_multi_avg_fn())(mine, theirs, n)
        if not self.use_buffers:
            for a, b in zip(self.module.buffers(), model.buffers(), strict=True):
                a.copy_(b.detach())
        self.n_averaged.add_(1)


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of BatchNorm layers anew, in one pass over a loader."""
    layers = [m for m in model.modules() if isinstance(m, BatchNorm) and m.running_mean is not None]
    if not layers:
        return
    momenta = [m.momentum for m in layers]
    was_training = model.training
    model.train()
    for m in layers:
        m.reset_running_stats()
        m.momentum = None
    for batch in loader:
        model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    for m, momentum in zip(layers, momenta, strict=True):
        m.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """To a constant rate in ``anneal_epochs``, by a line or half a cosine."""

    def __init__(self, optimizer: Optimizer, swa_lr: Any, anneal_epochs: int = 10, anneal_strategy: str = "cos",
                 last_epoch: int = -1) -> None:  # fmt: skip
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"[SWALR] got anneal_strategy={anneal_strategy!r}, expected 'cos' or 'linear'")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"[SWALR] got anneal_epochs={anneal_epochs}, expected an int of at least 0")
        for group, lr in zip(optimizer.param_groups, per_group("swa_lr", swa_lr, optimizer), strict=True):
            group["swa_lr"] = lr
        self._anneal, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, t: float) -> float:
        return t if self._anneal == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> Any:
        """Rates of this epoch."""
        step = self._step_count - 1
        total = max(1, self.anneal_epochs)
        if self.anneal_epochs == 0:
            step = max(1, step)
        before = self._share(max(0, min(1, (step - 1) / total)))
        now = self._share(max(0, min(1, step / total)))
        rates = []
        for group, lr in zip(self.optimizer.param_groups, self.rates(), strict=True):
            start = group["swa_lr"] if before == 1 else (lr - before * group["swa_lr"]) / (1 - before)
            rates.append(group["swa_lr"] * now + start * (1 - now))
        return rates
