"""Mixed precision, as far as it means something on a CPU.

float32 is the fastest type of the kernels here: half types are stored, and computed in float32. So ``autocast`` changes
no dtype; it only keeps track of being on, and a script written with it runs in float32 and gives the more exact result.
``GradScaler`` scales losses as it says, which float32 does not need but does not mind.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

from corten._core import core

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

_stack: list[tuple[str, bool, Any]] = []


def is_autocast_available(device_type: str) -> bool:
    """Whether the device is there: the CPU is."""
    return device_type == "cpu"


def is_autocast_enabled(device_type: str = "cpu") -> bool:
    """Whether the innermost autocast of the device is on."""
    return next((on for kind, on, _ in reversed(_stack) if kind == device_type), False)


def get_autocast_dtype(device_type: str = "cpu") -> Any:
    """The dtype that the innermost autocast asked for."""
    return next((d for kind, _, d in reversed(_stack) if kind == device_type), core._dtype_by_name("bfloat16"))


class autocast:  # noqa: N801
    """A context manager and decorator that changes nothing: computations stay in float32.

    Parameters
    ----------
    device_type : str
        ``'cpu'``; for another device it warns and is off, as there is none.
    dtype : dtype, optional
    enabled : bool
    """

    def __init__(self, device_type: str = "cpu", dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"[autocast] got {device_type!r}, expected the name of a device type")
        if device_type != "cpu" and enabled:
            warnings.warn(f"[autocast] there is no device {device_type!r}: it is off", stacklevel=2)
            enabled = False
        self.device, self._enabled = device_type, enabled
        self.fast_dtype = core._dtype_by_name("bfloat16") if dtype is None else dtype

    def __enter__(self) -> autocast:
        _stack.append((self.device, self._enabled, self.fast_dtype))
        return self

    def __exit__(self, *exc: Any) -> None:
        _stack.pop()

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return fn(*args, **kwargs)

        return inside


def custom_fwd(fwd: Any = None, *, device_type: str = "cpu", cast_inputs: Any = None) -> Any:
    """The forward of a Function, as it is: nothing is cast."""
    return fwd if fwd is not None else lambda fn: fn


def custom_bwd(bwd: Any = None, *, device_type: str = "cpu") -> Any:
    """The backward of a Function, as it is: nothing is cast."""
    return bwd if bwd is not None else lambda fn: fn


class GradScaler:
    """Scales losses so that small gradients do not become 0 in a half type, and takes the scale out before a step.

    A step whose gradients are not finite is left out, and the scale made smaller.

    Parameters
    ----------
    device : str
        ``'cpu'``; for another one it warns and is off.
    init_scale, growth_factor, backoff_factor : float
    growth_interval : int
        Steps without overflow after which the scale grows.
    """

    def __init__(self, device: str = "cpu", init_scale: float = 2.0**16, growth_factor: float = 2.0, backoff_factor: float = 0.5,
                 growth_interval: int = 2000, enabled: bool = True) -> None:  # fmt: skip
        if device != "cpu" and enabled:
            warnings.warn(f"[GradScaler] there is no device {device!r}: it is off", stacklevel=2)
            enabled = False
        self._enabled, self._scale = enabled, float(init_scale)
        self.growth_factor, self.backoff_factor, self.growth_interval = growth_factor, backoff_factor, growth_interval
        self._growth_tracker = 0
        self._finite: dict[int, bool] = {}

    def scale(self, outputs: Any) -> Any:
        """Losses times the scale."""
        if not self._enabled:
            return outputs
        return outputs * self._scale if isinstance(outputs, core.TensorBase) else type(outputs)(self.scale(o) for o in outputs)

    def unscale_(self, optimizer: Any) -> None:
        """Take the scale out of an optimizer's gradients, so that they can be clipped."""
        if not self._enabled:
            return
        if id(optimizer) in self._finite:
            raise RuntimeError("[GradScaler] unscale_ was called before for this optimizer since the last update")
        finite = True
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    g = p.grad.detach()
                    g.mul_(1 / self._scale)
                    finite = finite and math.isfinite(float(g.sum().item()))
        self._finite[id(optimizer)] = finite

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """Step, unless a gradient is not finite."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if id(optimizer) not in self._finite:
            self.unscale_(optimizer)
        return optimizer.step(*args, **kwargs) if self._finite[id(optimizer)] else None

    def update(self, new_scale: float | None = None) -> None:
        """Adapt the scale."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        elif not all(self._finite.values()):
            self._scale *= self.backoff_factor
            self._growth_tracker = 0
        else:
            self._growth_tracker += 1
            if self._growth_tracker == self.growth_interval:
                self._scale *= self.growth_factor
                self._growth_tracker = 0
        self._finite.clear()

    def get_scale(self) -> float:
        """The scale."""
        return self._scale if self._enabled else 1.0

    def is_enabled(self) -> bool:
        """Whether it is on."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on."""
        if not self._enabled:
            return {}
        return {"scale": self._scale, "growth_factor": self.growth_factor, "backoff_factor": self.backoff_factor,
                "growth_interval": self.growth_interval, "_growth_tracker": self._growth_tracker}  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state dict."""
        if self._enabled:
            self._scale = state_dict["scale"]
            self._growth_tracker = state_dict["_growth_tracker"]
            for key in ("growth_factor", "backoff_factor", "growth_interval"):
                setattr(self, key, state_dict[key])
