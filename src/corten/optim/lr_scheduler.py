"""Learning rates that change with time, by PyTorch's names and formulas.

A scheduler sets ``lr`` of every parameter group when it is made and at each ``step()``, which is called after the
optimizer's. Those written as a change of the present rate can be chained.
"""

from __future__ import annotations

import math
import types
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from corten._core import core
from corten.optim.optimizer import Optimizer

__all__ = ["ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "ExponentialLR",
           "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "PolynomialLR", "ReduceLROnPlateau",
           "SequentialLR", "StepLR", "CyclicLR", "OneCycleLR"]  # fmt: skip


def per_group(name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """One value for each parameter group."""
    n = len(optimizer.param_groups)
    if isinstance(value, (list, tuple)):
        if len(value) != n:
            raise ValueError(f"[lr_scheduler] got {len(value)} values of {name} for {n} parameter groups")
        return list(value)
    return [value] * n


class LRScheduler:
    """Base class: ``get_lr`` gives the rate of every group at ``last_epoch``.

    Parameters
    ----------
    optimizer : Optimizer
    last_epoch : int
        -1 to begin; otherwise groups must have ``initial_lr``.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"[{type(self).__name__}] got {type(optimizer).__name__}, expected an Optimizer")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _number(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(f"[{type(self).__name__}] parameter group {i} has no 'initial_lr' to resume from")
        self.base_lrs: list[float] = [g["initial_lr"] for g in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._last_lr: list[float] = []
        optimizer._step_called = False
        self.step()

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {k: v for k, v in self.__dict__.items() if k != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state dict."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[float]:
        """The rates that were set last."""
        return self._last_lr

    def get_lr(self) -> Any:
        """The rates of the groups; every scheduler defines it."""
        raise NotImplementedError(f"[{type(self).__name__}] get_lr is not defined")

    def rates(self) -> list[float]:
        """The present rate of every group."""
        return [_number(g["lr"]) for g in self.optimizer.param_groups]

    def step(self, epoch: int | None = None) -> None:
        """Go to the next (or to a given) epoch and set the rates."""
        if self._step_count == 1 and not self.optimizer._step_called:
            warnings.warn("[lr_scheduler] step() was called before optimizer.step(): the first rate is skipped", stacklevel=2)
        self._step_count += 1
        if epoch is None:
            self.last_epoch += 1
            values = self.get_lr()
        else:
            self.last_epoch = epoch
            closed = getattr(self, "closed_form", None)
            values = self.get_lr() if closed is None else closed()
        for group, lr in zip(self.optimizer.param_groups, values, strict=True):
            _set(group, lr)
        self._last_lr = self.rates()


def _number(lr: Any) -> Any:
    return lr.item() if isinstance(lr, core.TensorBase) else lr


def _set(group: dict[str, Any], lr: Any) -> None:
    if isinstance(group["lr"], core.TensorBase):
        core._fill(group["lr"], _number(lr))
    else:
        group["lr"] = _number(lr)


_LRScheduler = LRScheduler


class LambdaLR(LRScheduler):
    """The initial rate times ``lr_lambda(epoch)``, a function or one for each group.

    Examples
    --------
    >>> import corten
    >>> opt = corten.optim.SGD([corten.nn.Parameter(corten.ones(1))], lr=0.5)
    >>> schedule = corten.optim.lr_scheduler.LambdaLR(opt, lambda epoch: 0.5**epoch)
    >>> opt.step(); schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1) -> None:
        self.lr_lambdas = per_group("lr_lambda", lr_lambda, optimizer)
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer; functions are left out, callable objects give their attributes."""
        state = {k: v for k, v in super().state_dict().items() if k != "lr_lambdas"}
        state["lr_lambdas"] = [None if isinstance(f, (types.FunctionType, types.BuiltinFunctionType, types.MethodType))
                               else dict(f.__dict__) for f in self.lr_lambdas]  # fmt: skip
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state dict; functions stay those given here."""
        self.__dict__.update({k: v for k, v in state_dict.items() if k != "lr_lambdas"})
        for f, saved in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if saved is not None:
                f.__dict__.update(saved)

    def get_lr(self) -> Any:
        """Rates of this epoch."""
        return [base * f(self.last_epoch) for f, base in zip(self.lr_lambdas, self.base_lrs, strict=True)]


class MultiplicativeLR(LambdaLR):
    """The present rate times ``lr_lambda(epoch)``."""

    def get_lr(self) -> Any:
        """Rates of this epoch."""
        if self.last_epoch <= 0:
            return self.rates()
        return [lr * f(self.last_epoch) for f, lr in zip(self.lr_lambdas, self.rates(), strict=True)]


class StepLR(LRScheduler):
    """Times gamma every ``step_size`` epochs."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Any:
        """Rates of this epoch."""
        hold = self.last_epoch == 0 or self.last_epoch % self.step_size
        return self.rates() if hold else [lr * self.gamma for lr in self.rates()]

    def closed_form(self) -> list[float]:
        """Rates of any epoch."""
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Times gamma at each milestone."""

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Any:
        """Rates of this epoch."""
        times = self.milestones.get(self.last_epoch, 0)
        return [lr * self.gamma**times for lr in self.rates()] if times else self.rates()

    def closed_form(self) -> list[float]:
        """Rates of any epoch."""
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [base * self.gamma**passed for base in self.base_lrs]


class ConstantLR(LRScheduler):
    """The initial rate times ``factor`` for ``total_iters`` epochs, then the initial rate."""

    def __init__(self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"[ConstantLR] got factor={factor}, expected a number of [0, 1]")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Any:
        """Rates of this epoch."""
        if self.last_epoch == 0:
            return [lr * self.factor for lr in self.rates()]
        return [lr / self.factor for lr in self.rates()] if self.last_epoch == self.total_iters else self.rates()

    def closed_form(self) -> list[float]:
        """Rates of any epoch."""
        return [base * (self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor)) for base in self.base_lrs]


class LinearLR(LRScheduler):
    """The initial rate times a factor that goes from ``start_factor`` to ``end_factor`` in ``total_iters`` epochs."""

    def __init__(self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5,
                 last_epoch: int = -1) -> None:  # fmt: skip
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(f"[LinearLR] got factors {start_factor} and {end_factor}, expected numbers of (0, 1] and [0, 1]")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Any:
        """Rates of this epoch."""
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in self.rates()]
        if self.last_epoch > self.total_iters:
            return self.rates()
        rise = self.end_factor - self.start_factor
        return [lr * (1 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)) for lr in self.rates()]

    def closed_form(self) -> list[float]:
        """Rates of any epoch."""
        done = min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * (self.start_factor + (self.end_factor - self.start_factor) * done) for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Times gamma every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Any:
        """Rates of this epoch."""
        return self.rates() if self.last_epoch == 0 else [lr * self.gamma for lr in self.rates()]

    def closed_form(self) -> list[float]:
        """Rates of any epoch."""
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """To 0 in ``total_iters`` epochs: :math:`\\eta_0 (1 - t / T)^p`."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Any:
        """Rates of this epoch."""
        t, total = self.last_epoch, self.total_iters
        if t == 0 or t > total:
            return self.rates()
        factor = ((1 - t / total) / (1 - (t - 1) / total)) ** self.power
        return [lr * factor for lr in self.rates()]

    def closed_form(self) -> list[float]:
        """Rates of any epoch."""
        return [base * (1 - min(self.total_iters, self.last_epoch) / self.total_iters) ** self.power for base in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the initial rate to ``eta_min`` in ``T_max`` epochs, and back. Loshchilov and Hutter 2017."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:  # noqa: N803
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Any:
        """Rates of this epoch."""
        t, low = self.last_epoch, self.eta_min
        if t == 0:
            return self.rates()
        if self._step_count == 1 and t > 0:
            return [low + (base - low) * (1 + math.cos(t * math.pi / self.T_max)) / 2 for base in self.base_lrs]
        if (t - 1 - self.T_max) % (2 * self.T_max) == 0:  # from the bottom there is no ratio to go by
            return [lr + (base - low) * (1 - math.cos(math.pi / self.T_max)) / 2
                    for base, lr in zip(self.base_lrs, self.rates(), strict=True)]  # fmt: skip
        ratio = (1 + math.cos(math.pi * t / self.T_max)) / (1 + math.cos(math.pi * (t - 1) / self.T_max))
        return [ratio * (lr - low) + low for lr in self.rates()]

    def closed_form(self) -> list[float]:
        """Rates of any epoch."""
        share = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half cosines of ``T_0``, ``T_0 T_mult``, ... epochs, each from the initial rate. Loshchilov and Hutter 2017."""

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0,  # noqa: N803
                 last_epoch: int = -1) -> None:  # fmt: skip
        if T_0 <= 0 or not isinstance(T_0, int) or T_mult < 1 or not isinstance(T_mult, int):
            raise ValueError(f"[CosineAnnealingWarmRestarts] got T_0={T_0}, T_mult={T_mult}, expected ints of at least 1")
        self.T_0, self.T_i, self.T_mult, self.eta_min, self.T_cur = T_0, T_0, T_mult, eta_min, last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> Any:
        """Rates of this epoch."""
        share = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go to the next epoch, or to a given (also fractional) one, and set the rates."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(f"[CosineAnnealingWarmRestarts] got epoch={epoch}, expected at least 0")
        elif epoch >= self.T_0 and self.T_mult > 1:
            n = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)  # type: ignore[assignment]
            self.T_i = self.T_0 * self.T_mult**n
        else:
            self.T_i, self.T_cur = self.T_0, epoch % self.T_0  # type: ignore[assignment]
        self.last_epoch = math.floor(epoch)
        self._step_count += 1
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            _set(group, lr)
        self._last_lr = self.rates()


class SequentialLR(LRScheduler):
    """One scheduler after the other; the i-th ends at the i-th milestone."""

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int],
                 last_epoch: int = -1) -> None:  # fmt: skip
        if not schedulers or len(milestones) != len(schedulers) - 1:
            raise ValueError(f"[SequentialLR] got {len(schedulers)} schedulers and {len(milestones)} milestones, expected one less")
        if any(s.optimizer is not optimizer for s in schedulers):
            raise ValueError("[SequentialLR] got a scheduler of another optimizer")
        self._schedulers, self._milestones, self.optimizer = list(schedulers), list(milestones), optimizer
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            _set(group, group["initial_lr"])
        for s in self._schedulers:  # all of them took their first step; only the first one should have
            s.last_epoch -= 1
        self._schedulers[0]._step_count = 0
        self._schedulers[0].step()
        self._last_lr = self._schedulers[0].get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Go to the next epoch and set the rates."""
        self.last_epoch += 1
        at = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[at]
        if at > 0 and self._milestones[at - 1] == self.last_epoch:
            scheduler.step(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        state = {k: v for k, v in self.__dict__.items() if k not in ("optimizer", "_schedulers")}
        return {**state, "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state dict."""
        self.__dict__.update({k: v for k, v in state_dict.items() if k != "_schedulers"})
        for s, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            s.load_state_dict(state)


class ChainedScheduler(LRScheduler):
    """Several schedulers that all take each step, one after the other."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        if not schedulers:
            raise ValueError("[ChainedScheduler] got no schedulers")
        self.optimizer = optimizer or schedulers[0].optimizer
        if any(s.optimizer is not self.optimizer for s in schedulers):
            raise ValueError("[ChainedScheduler] got a scheduler of another optimizer")
        self._schedulers = list(schedulers)
        self._last_lr = self.rates()

    def step(self) -> None:  # type: ignore[override]
        """One step of each."""
        for s in self._schedulers:
            s.step()
        self._last_lr = self.rates()

    state_dict = SequentialLR.state_dict
    load_state_dict = SequentialLR.load_state_dict


class ReduceLROnPlateau(LRScheduler):
    """Times ``factor`` when a metric has not become better for ``patience`` epochs.

    Parameters
    ----------
    mode : {'min', 'max'}
        Which metrics are better.
    threshold, threshold_mode : float, {'rel', 'abs'}
        By how much one is to be better to count.
    cooldown : int
        Epochs to wait after a reduction.
    min_lr : float or list
    eps : float
        Smaller changes of the rate are not made.
    """

    def __init__(self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10,
                 threshold: float = 1e-4, threshold_mode: str = "rel", cooldown: int = 0, min_lr: Any = 0,
                 eps: float = 1e-8) -> None:  # fmt: skip
        if factor >= 1 or mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(f"[ReduceLROnPlateau] got factor={factor}, mode={mode!r}, threshold_mode={threshold_mode!r}, "
                             "expected a factor below 1, 'min' or 'max', 'rel' or 'abs'")  # fmt: skip
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"[ReduceLROnPlateau] got {type(optimizer).__name__}, expected an Optimizer")
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown, self.eps = threshold, threshold_mode, cooldown, eps
        self.min_lrs = per_group("min_lr", min_lr, optimizer)
        self.last_epoch = 0
        self._last_lr = self.rates()
        self._reset()

    def _reset(self) -> None:
        self.best = math.inf if self.mode == "min" else -math.inf
        self.cooldown_counter = self.num_bad_epochs = 0

    @property
    def in_cooldown(self) -> bool:
        """Whether it waits after a reduction."""
        return self.cooldown_counter > 0

    def is_better(self, a: float, best: float) -> bool:
        """Whether a metric is better than the best by the threshold."""
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "rel":
            return sign * a < sign * best * (1 - sign * self.threshold)
        return sign * a < sign * best - self.threshold

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take note of this epoch's metric."""
        value = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.is_better(value, self.best):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, low in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                old = _number(group["lr"])
                new = max(old * self.factor, low)
                if old - new > self.eps:
                    _set(group, new)
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self.rates()


def __getattr__(name: str) -> Callable[..., Any]:
    if name in ("CyclicLR", "OneCycleLR"):
        from corten.optim import cyclic

        return getattr(cyclic, name)  # type: ignore[no-any-return]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
