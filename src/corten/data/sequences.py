"""Series and sequences: windows of a long one, and random changes of short ones.

Random choices are drawn from :func:`corten.data.batch_generator`: they are the same for any number of loader workers.
"""

from __future__ import annotations

from typing import Any

import corten

from .dataset import Dataset
from .workers import batch_generator


class Windows(Dataset[tuple[Any, Any]]):
    """Stretches of a series, each with what comes after it.

    Sample ``i`` is ``series[i * stride : i * stride + length]`` and the ``horizon`` values behind it.

    Parameters
    ----------
    series : Tensor
        Shape (T,) or (T, C).
    length : int
        Steps to look at.
    horizon : int
        Steps to predict; 0 gives the window alone.
    stride : int
        Steps from one window to the next.
    target : int, optional
        Predict this channel alone.

    Raises
    ------
    ValueError
        When the series is too short for one window.

    Examples
    --------
    >>> import corten
    >>> x, y = Windows(corten.arange(6), length=3)[1]
    >>> x.tolist(), y.tolist()
    ([1, 2, 3], [4])
    """

    def __init__(self, series: Any, length: int, horizon: int = 1, stride: int = 1, target: int | None = None) -> None:
        if series.dim() not in (1, 2):
            raise ValueError(f"[Windows] a series of shape {tuple(series.shape)}, expected (T,) or (T, C)")
        if length < 1 or horizon < 0 or stride < 1:
            raise ValueError(
                f"[Windows] length {length}, horizon {horizon}, stride {stride}, expected >= 1, >= 0, >= 1"
            )
        if series.shape[0] < length + horizon:
            raise ValueError(f"[Windows] {series.shape[0]} steps, expected at least {length + horizon} for one window")
        if target is not None and series.dim() == 1:
            raise ValueError("[Windows] target needs a series of shape (T, C)")
        self.series, self.length, self.horizon, self.stride, self.target = series, length, horizon, stride, target

    def __len__(self) -> int:
        return (int(self.series.shape[0]) - self.length - self.horizon) // self.stride + 1

    def __getitem__(self, index: int) -> Any:
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"[Windows] index {index} is out of range for {n} windows")
        start = (index + n if index < 0 else index) * self.stride
        x = self.series[start : start + self.length]
        if self.horizon == 0:
            return (x,)
        y = self.series[start + self.length : start + self.length + self.horizon]
        return x, (y if self.target is None else y[:, self.target])

    def take(self, indices: Any) -> tuple[Any, ...]:
        """As :class:`~corten.data.Dataset` says."""
        steps = (indices * self.stride).reshape(-1, 1) + corten.arange(self.length + self.horizon)
        rows = self.series.index_select(0, steps.reshape(-1)).reshape(len(indices), -1, *self.series.shape[1:])
        if self.horizon == 0:
            return (rows,)
        y = rows[:, self.length :]
        return rows[:, : self.length].contiguous(), (y if self.target is None else y[:, :, self.target]).contiguous()


class Jitter:
    """Add normal noise of deviation ``std``.

    Parameters
    ----------
    std : float
    """

    def __init__(self, std: float) -> None:
        if not std >= 0:
            raise ValueError(f"[Jitter] std is {std}, expected at least 0")
        self.std = std

    def __call__(self, x: Any) -> Any:
        return x + self.std * corten.randn(*x.shape, generator=batch_generator())


class Scaling:
    """Multiply each channel of a sequence (T, C), or the sequence (T,), by a normal number about 1.

    Parameters
    ----------
    std : float
    """

    def __init__(self, std: float) -> None:
        if not std >= 0:
            raise ValueError(f"[Scaling] std is {std}, expected at least 0")
        self.std = std

    def __call__(self, x: Any) -> Any:
        return x * (1 + self.std * corten.randn(*x.shape[1:], generator=batch_generator()))


class RandomWindow:
    """A stretch of ``length`` steps at a random place of a sequence (T, ...).

    Parameters
    ----------
    length : int
    """

    def __init__(self, length: int) -> None:
        self.length = length

    def __call__(self, x: Any) -> Any:
        if x.shape[0] < self.length:
            raise ValueError(f"[RandomWindow] a sequence of {x.shape[0]} steps, expected at least {self.length}")
        start = int(corten.randint(0, x.shape[0] - self.length + 1, (1,), generator=batch_generator()).item())
        return x[start : start + self.length]


class TimeMask:
    """Set a random stretch of at most ``width`` steps of a sequence (T, ...) to ``value`` (Park et al., "SpecAugment", 2019).

    Parameters
    ----------
    width : int
    value : float
    """

    def __init__(self, width: int, value: float = 0.0) -> None:
        if width < 0:
            raise ValueError(f"[TimeMask] width is {width}, expected at least 0")
        self.width, self.value = width, value

    def __call__(self, x: Any) -> Any:
        steps = int(x.shape[0])
        u = corten.rand(2, generator=batch_generator()).tolist()
        width = min(steps, int(u[0] * (self.width + 1)))
        start = int(u[1] * (steps - width + 1))
        out = x.clone()
        out[start : start + width] = self.value
        return out
