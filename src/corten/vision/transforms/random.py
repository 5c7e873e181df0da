"""Random choices of transforms: the same for any number of loader workers."""

from __future__ import annotations

from typing import Any

import corten
from corten.data import batch_generator


def uniform(count: int) -> list[float]:
    """Numbers from [0, 1), from the generator of the sample that is being loaded."""
    drawn: list[float] = corten.rand(count, generator=batch_generator()).tolist()
    return drawn


def between(u: float, low: float, high: float) -> float:
    """A number of [0, 1) as one of [low, high)."""
    return low + (high - low) * u


def integer(u: float, low: int, high: int) -> int:
    """A number of [0, 1) as an int of low ... high."""
    return min(high, low + int(u * (high - low + 1)))


def permutation(count: int) -> list[int]:
    """0 ... count - 1 in random order."""
    drawn: list[int] = corten.randperm(count, generator=batch_generator()).tolist()
    return drawn


def beta(alpha: float) -> float:
    """A number of the distribution Beta(alpha, alpha)."""
    if alpha == 1:
        return uniform(1)[0]
    import numpy as np

    seed = corten.randint(0, 2**62, (1,), dtype=corten.int64, generator=batch_generator()).item()
    return float(np.random.Generator(np.random.Philox(int(seed))).beta(alpha, alpha))


def pair(value: Any, name: str, who: str) -> tuple[int, int]:
    """One int as (n, n); a sequence of one or two likewise."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value, value
    if isinstance(value, (list, tuple)) and len(value) in (1, 2) and all(isinstance(v, int) for v in value):
        return int(value[0]), int(value[-1])
    raise ValueError(f"[{who}] {name} is {value!r}, expected an int or two")
