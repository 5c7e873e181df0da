"""``torch.testing``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from corten._core import core

_TOLERANCE = {"float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


def assert_close(actual: Any, expected: Any, *, rtol: float | None = None, atol: float | None = None, equal_nan: bool = False,
                 check_device: bool = True, check_dtype: bool = True, check_stride: bool = False, msg: Any = None) -> None:  # fmt: skip
    """Raise AssertionError unless tensors, numbers, or sequences and mappings of them, are close.

    Tolerances are those of the dtype unless both are given.
    """
    kwargs: dict[str, Any] = {"rtol": rtol, "atol": atol, "equal_nan": equal_nan, "check_dtype": check_dtype, "msg": msg}
    if isinstance(expected, Mapping):
        if not isinstance(actual, Mapping) or set(actual) != set(expected):
            raise AssertionError(msg or "[assert_close] the keys differ")
        for key in expected:
            assert_close(actual[key], expected[key], **kwargs)
        return
    if isinstance(expected, Sequence) and not isinstance(expected, str):
        if len(actual) != len(expected):
            raise AssertionError(msg or f"[assert_close] got {len(actual)} items, expected {len(expected)}")
        for a, b in zip(actual, expected, strict=True):
            assert_close(a, b, **kwargs)
        return
    a, b = core.as_tensor(actual).detach(), core.as_tensor(expected).detach()
    if a.shape != b.shape:
        raise AssertionError(msg or f"[assert_close] got shape {tuple(a.shape)}, expected {tuple(b.shape)}")
    if check_dtype and a.dtype is not b.dtype:
        raise AssertionError(msg or f"[assert_close] got {a.dtype}, expected {b.dtype}")
    if (rtol is None) != (atol is None):
        raise ValueError("[assert_close] give both rtol and atol, or neither")
    usual = [_TOLERANCE.get(t.dtype.name, (0.0, 0.0)) for t in (a, b)]
    relative, absolute = (max(u[0] for u in usual), max(u[1] for u in usual)) if rtol is None or atol is None else (rtol, atol)
    x, y = (np.asarray(t.double().numpy() if t.is_floating_point() else t.numpy()) for t in (a, b))
    good = np.isclose(x, y, rtol=relative, atol=absolute, equal_nan=equal_nan)
    if not good.all():
        worst = np.unravel_index(np.nanargmax(np.where(good, -1, np.abs(x - y.astype(x.dtype)))), x.shape)
        raise AssertionError(msg if isinstance(msg, str) else f"[assert_close] {int((~good).sum())} of {good.size} elements differ; "
                             f"most at {tuple(map(int, worst))}: {x[worst]} and {y[worst]} (rtol {relative}, atol {absolute})")  # fmt: skip
