"""Samples of sorting, scanning, moving, moments and norms."""

from __future__ import annotations

from typing import Any

import numpy as np

RNG = np.random.default_rng(11)


def real(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Random values away from 0."""
    x = RNG.uniform(low, high, shape)
    return np.where(np.abs(x) < 0.05, 0.3, x)


def reductions(**attrs: Any) -> list[dict[str, Any]]:
    """A reduction over all, one, several and kept dimensions, and of long rows."""
    cases = [((3, 4), None, False), ((3, 4), 0, False), ((3, 4), -1, True), ((2, 3, 5), (0, 2), False), ((7,), 0, False),
             ((3, 70), 1, False), ((70, 3), 0, False)]  # fmt: skip
    return [{"args": [real(*s)], "attrs": {"dim": d, "keepdim": k, **attrs}} for s, d, k in cases]


PAIRS = [((3, 4), (3, 4)), ((3, 4), (4,)), ((2, 1, 4), (3, 1)), ((3, 1), ()), ((), ()), ((0, 4), (4,))]
SAMPLES: dict[str, list[dict[str, Any]]] = {
    "cumsum_op": [{"args": [real(*s)], "attrs": {"dim": d, "reverse": r}}
                  for s, d, r in (((3, 4), 0, False), ((3, 4), -1, False), ((19, 5), 1, True), ((2, 3, 4), 1, True), ((), 0, False))],
    "cumprod_op": [{"args": [real(*s)], "attrs": {"dim": d}} for s, d in (((3, 4), 0), ((17, 4), 1), ((2, 3, 4), 1))],
    "picked": [{"args": [real(3, 4), RNG.integers(0, 3, (2, 4))], "attrs": {"dim": 0}}],
    "flip_op": [{"args": [real(3, 4)], "attrs": {"mask": m}} for m in (1, 2, 3)] + [{"args": [real(2, 3, 4)], "attrs": {"mask": 5}}],
    "roll_op": [{"args": [real(3, 4)], "attrs": {"dim": d, "shift": s}} for d, s in ((0, 1), (1, -2), (-1, 7))],
    "triu_op": [{"args": [real(*s)], "attrs": {"diagonal": d}} for s, d in (((3, 4), 0), ((4, 3), -1), ((2, 3, 3), 1))],
    "tril_op": [{"args": [real(*s)], "attrs": {"diagonal": d}} for s, d in (((3, 4), 0), ((4, 3), -1), ((2, 3, 3), 1))],
    "fmax": [{"args": [real(*a), real(*b)]} for a, b in PAIRS],
    "fmin": [{"args": [real(*a), real(*b)]} for a, b in PAIRS],
    "logit_op": [{"args": [real(*s, low=0.1, high=0.9)]} for s in ((3, 4), (17,), ())],
    "trigamma": [{"args": [real(*s, low=0.2, high=4.0)]} for s in ((3, 4), (17,), ())],
    "var_op": reductions(correction=1),
    "std_op": reductions(correction=0),
    "square_sum": reductions(),
    "absolute_sum": reductions(),
}  # fmt: skip
