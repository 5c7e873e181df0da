"""Learning rates that go up and down, and the momentum with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from corten.optim.lr_scheduler import LRScheduler, _set, per_group
from corten.optim.optimizer import Optimizer

__all__ = ["CyclicLR", "OneCycleLR"]


def _set_momentum(group: dict[str, Any], value: float) -> None:
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def _check_momentum(name: str, optimizer: Optimizer) -> None:
    if not ("momentum" in optimizer.defaults or "betas" in optimizer.defaults):
        raise ValueError(f"[{name}] cycle_momentum needs an optimizer with 'momentum' or 'betas'")


class CyclicLR(LRScheduler):
    """Between ``base_lr`` and ``max_lr`` and back, again and again. Smith, arXiv:1506.01186.

    Parameters
    ----------
    step_size_up, step_size_down : int
        Steps up, and down (by default as many).
    mode : {'triangular', 'triangular2', 'exp_range'}
        The same height every cycle, half of the last one's, or times ``gamma`` every step.
    scale_fn, scale_mode : callable, {'cycle', 'iterations'}
        A height of one's own, of the number of the cycle or of the step.
    cycle_momentum : bool
        Whether momentum (or the first beta) goes from ``max_momentum`` to ``base_momentum`` and back.
    """

    def __init__(self, optimizer: Optimizer, base_lr: Any, max_lr: Any, step_size_up: int = 2000,
                 step_size_down: int | None = None, mode: str = "triangular", gamma: float = 1.0,
                 scale_fn: Callable[[float], float] | None = None, scale_mode: str = "cycle", cycle_momentum: bool = True,
                 base_momentum: Any = 0.8, max_momentum: Any = 0.9, last_epoch: int = -1) -> None:  # fmt: skip
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(f"[CyclicLR] got mode={mode!r}, expected 'triangular', 'triangular2', 'exp_range' or a scale_fn")
        for group, lr in zip(optimizer.param_groups, per_group("base_lr", base_lr, optimizer), strict=True):
            if last_epoch == -1:
                _set(group, lr)
        self.max_lrs = per_group("max_lr", max_lr, optimizer)
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.mode, self.gamma, self.cycle_momentum = mode, gamma, cycle_momentum
        self._scale_fn = scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        if cycle_momentum:
            _check_momentum("CyclicLR", optimizer)
            self.base_momentums = per_group("base_momentum", base_momentum, optimizer)
            self.max_momentums = per_group("max_momentum", max_momentum, optimizer)
            if last_epoch == -1:
                for group, high in zip(optimizer.param_groups, self.max_momentums, strict=True):
                    _set_momentum(group, high)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = per_group("base_lr", base_lr, optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and a scale_fn of one's own."""
        return {k: v for k, v in super().state_dict().items() if k != "_scale_fn"}

    def scale_fn(self, x: float) -> float:
        """The height of cycle or step x."""
        if self._scale_fn is not None:
            return self._scale_fn(x)
        return 1.0 if self.mode == "triangular" else 1 / 2.0 ** (x - 1) if self.mode == "triangular2" else self.gamma**x

    def get_lr(self) -> Any:
        """Rates of this step; it sets the momentum too."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        share = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True):
                _set_momentum(group, high - (high - low) * share * scale)
        return [low + (high - low) * share * scale for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]


class OneCycleLR(LRScheduler):
    """Up to ``max_lr``, then down below the start, in one cycle. Smith and Topin, arXiv:1708.07120.

    Parameters
    ----------
    max_lr : float or list
    total_steps, epochs, steps_per_epoch : int
        The length: all steps, or epochs and the steps of each.
    pct_start : float
        Share of the steps that go up.
    anneal_strategy : {'cos', 'linear'}
    cycle_momentum, base_momentum, max_momentum
        Momentum (or the first beta) goes the other way.
    div_factor, final_div_factor : float
        The rate begins at max_lr / div_factor and ends at that / final_div_factor.
    three_phase : bool
        Whether to go down as long as up first, and to the end then.
    """

    def __init__(self, optimizer: Optimizer, max_lr: Any, total_steps: int | None = None, epochs: int | None = None,
                 steps_per_epoch: int | None = None, pct_start: float = 0.3, anneal_strategy: str = "cos",
                 cycle_momentum: bool = True, base_momentum: Any = 0.85, max_momentum: Any = 0.95,
                 div_factor: float = 25.0, final_div_factor: float = 1e4, three_phase: bool = False,
                 last_epoch: int = -1) -> None:  # fmt: skip
        name = "OneCycleLR"
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(f"[{name}] give total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if total_steps <= 0 or not isinstance(total_steps, int):
            raise ValueError(f"[{name}] got {total_steps} steps, expected a positive int")
        if not 0 <= pct_start <= 1 or anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"[{name}] got pct_start={pct_start}, anneal_strategy={anneal_strategy!r}, expected a number of "
                             "[0, 1], 'cos' or 'linear'")  # fmt: skip
        self.total_steps, self._anneal, self.cycle_momentum = total_steps, anneal_strategy, cycle_momentum
        up = float(pct_start * total_steps) - 1
        if three_phase:
            self._phases = [(up, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                            (float(2 * pct_start * total_steps) - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                            (total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum")]  # fmt: skip
        else:
            self._phases = [(up, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                            (total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")]  # fmt: skip
        if last_epoch == -1:
            for group, high in zip(optimizer.param_groups, per_group("max_lr", max_lr, optimizer), strict=True):
                group["initial_lr"], group["max_lr"] = high / div_factor, high
                group["min_lr"] = group["initial_lr"] / final_div_factor
        if cycle_momentum:
            _check_momentum(name, optimizer)
            lows, highs = per_group("base_momentum", base_momentum, optimizer), per_group("max_momentum", max_momentum, optimizer)
            if last_epoch == -1:
                for group, low, high in zip(optimizer.param_groups, lows, highs, strict=True):
                    _set_momentum(group, high)
                    group["base_momentum"], group["max_momentum"] = low, high
        super().__init__(optimizer, last_epoch)

    def _between(self, start: float, end: float, share: float) -> float:
        if self._anneal == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2 * (math.cos(math.pi * share) + 1)

    def get_lr(self) -> Any:
        """Rates of this step; it sets the momentum too."""
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"[OneCycleLR] got step {step}, expected at most {self.total_steps}")
        rates, start = [], 0.0
        for i, (end, lr0, lr1, m0, m1) in enumerate(self._phases):
            if step <= end or i == len(self._phases) - 1:
                share = (step - start) / (end - start)
                for group in self.optimizer.param_groups:
                    rates.append(self._between(group[lr0], group[lr1], share))
                    if self.cycle_momentum:
                        _set_momentum(group, self._between(group[m0], group[m1], share))
                break
            start = end
        return rates
