"""Inputs for every declared op: the common test runs over these."""

from __future__ import annotations

from typing import Any

import numpy as np
import samples_order
from samples_indexing import SAMPLES as INDEXING

RNG = np.random.default_rng(7)


def real(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Random values, away from the kinks at 0 by at least 0.05."""
    x = RNG.uniform(low, high, shape)
    return np.where(np.abs(x) < 0.05, 0.3, x)


def distinct(*shape: int) -> np.ndarray:
    """Values that differ by at least 0.1, in random order: no ties for extremes."""
    n = int(np.prod(shape))
    return (RNG.permutation(n) * 0.1 - n * 0.05 + 0.033).reshape(shape)


PAIRS = [((3, 4), (3, 4)), ((3, 4), (4,)), ((2, 1, 4), (3, 1)), ((3, 1), ()), ((), ()), ((0, 4), (4,))]


def unary(low: float = -2.0, high: float = 2.0) -> list[dict[str, Any]]:
    return [{"args": [real(*s, low=low, high=high)]} for s in ((3, 4), (17,), (), (2, 0, 3), (2, 3, 5))]


def binary(low: float = -2.0, high: float = 2.0) -> list[dict[str, Any]]:
    return [{"args": [real(*a, low=low, high=high), real(*b, low=low, high=high)]} for a, b in PAIRS]


def reduction(make: Any = real, empty: bool = True) -> list[dict[str, Any]]:
    cases = [((3, 4), None, False), ((3, 4), 0, False), ((3, 4), -1, True), ((2, 3, 5), (0, 2), False), ((7,), 0, False),
             ((), None, False), ((2, 3, 4), 1, True)]  # fmt: skip
    if empty:
        cases.append(((0, 4), 0, False))
    return [{"args": [make(*s)], "attrs": {"dim": d, "keepdim": k}} for s, d, k in cases]


def ints(*shape: int, low: int = 0, high: int = 5) -> np.ndarray:
    return RNG.integers(low, high, shape)


UNARY_DOMAINS = {
    "acosh": (1.1, 3.0), "asin": (-0.9, 0.9), "acos": (-0.9, 0.9), "atanh": (-0.9, 0.9), "sqrt": (0.1, 3.0),
    "rsqrt": (0.1, 3.0), "log": (0.1, 3.0), "log2": (0.1, 3.0), "log10": (0.1, 3.0), "log1p": (-0.9, 3.0),
    "erfinv": (-0.9, 0.9), "lgamma": (0.2, 4.0), "digamma": (0.2, 4.0), "reciprocal": (0.2, 3.0), "tan": (-1.3, 1.3),
}  # fmt: skip
UNARY = [
    "neg", "abs", "sign", "square", "reciprocal", "floor", "ceil", "round", "trunc", "frac", "sqrt", "rsqrt", "exp",
    "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh",
    "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "erfinv", "lgamma", "digamma", "relu", "sigmoid", "gelu",
    "gelu_tanh", "silu", "mish", "isnan_op", "isinf_op", "isfinite_op",
]  # fmt: skip
SAMPLES: dict[str, list[dict[str, Any]]] = {n: unary(*UNARY_DOMAINS.get(n, (-2.0, 2.0))) for n in UNARY}
for _n in ["add", "sub", "mul", "maximum", "minimum", "hypot", "copysign", "atan2", "eq", "ne", "lt", "le", "gt", "ge"]:
    SAMPLES[_n] = binary()
for _n in ["div", "floor_divide", "remainder", "fmod"]:
    SAMPLES[_n] = [{"args": [real(*a), real(*b, low=0.4, high=2.0)]} for a, b in PAIRS]
SAMPLES["pow"] = [{"args": [real(*a, low=0.2, high=2.0), real(*b)]} for a, b in PAIRS] + [
    {"args": [real(3, 4), 2.0]}, {"args": [real(3, 4), 3.0]}, {"args": [real(3, low=0.2), 0.5]}]  # fmt: skip
SAMPLES["add_scaled"] = [{"args": [real(3, 4), real(4)], "attrs": {"alpha": 0.5}}]
SAMPLES["clamp_range"] = [{"args": [real(3, 4)], "attrs": {"min": -0.51, "max": 0.77}}]
SAMPLES["nan_to_num_op"] = [{"args": [real(3, 4)], "attrs": {"nan": 0.0, "posinf": 1.0, "neginf": -1.0}}]
SAMPLES["where"] = [
    {"args": [RNG.random(s) > 0.5, real(3, 4), real(*o)]} for s, o in (((3, 4), (3, 4)), ((4,), (3, 1)))
]
SAMPLES["lerp"] = [{"args": [real(3, 4), real(4), real(3, 1)]}]
SAMPLES["addcmul"] = [{"args": [real(3, 4), real(4), real(3, 1)], "attrs": {"value": 0.5}}]
SAMPLES["addcdiv"] = [{"args": [real(3, 4), real(4), real(3, 1, low=0.4)], "attrs": {"value": 0.5}}]
SAMPLES["softplus"] = [{"args": [real(3, 4)], "attrs": {"beta": 2.0, "threshold": 20.0}}]
SAMPLES["elu"] = [{"args": [real(3, 4)], "attrs": {"alpha": 1.3}}]
SAMPLES["leaky_relu"] = [{"args": [real(3, 4)], "attrs": {"negative_slope": 0.1}}]
SAMPLES["hardtanh"] = [{"args": [real(3, 4)], "attrs": {"min_val": -0.51, "max_val": 0.77}}]
for _n in ["bitwise_and", "bitwise_or", "bitwise_xor"]:
    SAMPLES[_n] = [{"args": [ints(3, 4), ints(4)], "integer": True}]
for _n in ["bitwise_left_shift", "bitwise_right_shift"]:
    SAMPLES[_n] = [{"args": [ints(3, 4), ints(4, high=3)], "integer": True}]
SAMPLES["bitwise_not"] = [{"args": [ints(3, 4)], "integer": True}]
SAMPLES["sum"] = SAMPLES["logsumexp"] = reduction()
SAMPLES["logsumexp"] = reduction(empty=False)
SAMPLES["mean"] = SAMPLES["prod_op"] = reduction(empty=False)
SAMPLES["count_op"] = SAMPLES["any_op"] = SAMPLES["all_op"] = reduction()
SAMPLES["amax_op"] = SAMPLES["amin_op"] = reduction(distinct, empty=False)
for _n in ("argmax_op", "argmin_op"):
    SAMPLES[_n] = [{"args": [distinct(*s)], "attrs": {"dim": d, "keepdim": k}}
                   for s, d, k in (((3, 4), None, False), ((3, 4), 1, False), ((2, 3, 5), 1, True))]  # fmt: skip
for _n in ("softmax_op", "log_softmax_op"):
    SAMPLES[_n] = [
        {"args": [real(*s)], "attrs": {"dim": d}} for s, d in (((3, 4), 1), ((3, 4), 0), ((2, 3, 70), -1), ((5,), 0))
    ]
for _n in ("softmax_grad", "log_softmax_grad"):
    SAMPLES[_n] = [{"args": [real(3, 4), real(3, 4, low=-2.0, high=-0.1)], "attrs": {"dim": 1}}]
SAMPLES["matmul_op"] = [{"args": [real(*a), real(*b)]} for a, b in (
    ((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 1, 3, 4), (3, 4, 2)), ((1, 4), (4, 1)), ((0, 4), (4, 2)), ((3, 0), (0, 2)),
    ((40, 70), (70, 33)))]  # fmt: skip
SAMPLES["linear"] = [{"args": [real(*x), real(5, 4), b]} for x, b in (
    ((3, 4), real(5)), ((2, 3, 4), real(5)), ((4,), None), ((0, 4), real(5)))]  # fmt: skip
SAMPLES["linear_activated"] = [{"args": [real(3, 4), real(5, 4), real(5)], "attrs": {"activation": a}} for a in (1, 2, 3)]
SAMPLES["transpose"] = [{"args": [real(2, 3, 4)], "attrs": {"dim0": 0, "dim1": -1}}]
SAMPLES["permute_op"] = [{"args": [real(2, 3, 4)], "attrs": {"dims": (2, 0, 1)}}]
SAMPLES["view_op"] = [{"args": [real(2, 6)], "attrs": {"size": (3, 4)}}]
SAMPLES["unsqueeze"] = [{"args": [real(2, 3)], "attrs": {"dim": 1}}]
SAMPLES["squeeze"] = [{"args": [real(2, 1, 3)], "attrs": {"dim": 1}}]
SAMPLES["select"] = [{"args": [real(2, 3)], "attrs": {"dim": 1, "index": -1}}]
SAMPLES["diagonal"] = [{"args": [real(3, 4)], "attrs": {"offset": 1, "dim1": 0, "dim2": 1}}]
SAMPLES["clone"] = [{"args": [real(2, 3)], "attrs": {"memory_format": None}}]
for _n in ["relu6", "hardsigmoid", "hardswish", "softsign", "tanhshrink", "logsigmoid", "selu"]:
    SAMPLES[_n] = unary()
SAMPLES["celu"] = [{"args": [real(3, 4)], "attrs": {"alpha": 1.3}}]
for _n in ("softshrink", "hardshrink"):
    SAMPLES[_n] = [{"args": [real(3, 4)], "attrs": {"lambd": 0.47}}]
SAMPLES["threshold"] = [{"args": [real(3, 4)], "attrs": {"threshold": 0.17, "value": 0.4}}]
SAMPLES["conv"] = [
    {"args": [real(2, 4, 7), real(6, 2, 3), real(6)],
     "attrs": {"nd": 1, "stride": (2,), "padding": (1,), "dilation": (1,), "groups": 2, "activation": 0}},
    {"args": [real(2, 3, 6, 5), real(4, 3, 3, 2), None],
     "attrs": {"nd": 2, "stride": (1, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 1, "activation": 0}},
]  # fmt: skip
SAMPLES.update(INDEXING)
SAMPLES.update(samples_order.SAMPLES)
