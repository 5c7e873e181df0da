"""Samples of the ops that index."""

from __future__ import annotations

from typing import Any

import numpy as np

SAMPLES: dict[str, list[dict[str, Any]]] = {}
_rng = np.random.default_rng(11)


def real(*shape: int) -> np.ndarray:
    """Normal numbers."""
    return _rng.standard_normal(shape)


def index(high: int, *shape: int) -> np.ndarray:
    """Indices of [0, high)."""
    return _rng.integers(0, high, shape)


SAMPLES["index_select"] = [{"args": [real(3, 4, 2), index(n, 5)], "attrs": {"dim": d}} for d, n in ((0, 3), (1, 4), (2, 2))]
SAMPLES["gather"] = [{"args": [real(3, 4), index(3, 2, 4)], "attrs": {"dim": 0}},
                     {"args": [real(3, 4), index(4, 3, 6)], "attrs": {"dim": 1}},
                     {"args": [real(5), index(5, 7)], "attrs": {"dim": 0}}]  # fmt: skip
