"""Result dtypes, against PyTorch's table."""

from __future__ import annotations

import itertools
import operator
from typing import Any

import pytest

import corten

torch = pytest.importorskip("torch")

NAMES = ["float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "bool"]
OPERATORS = [operator.add, operator.mul, operator.truediv, operator.lt]


def text(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.").removeprefix("corten.")


def test_promote_types_equals_pytorchs() -> None:
    for a, b in itertools.product([*NAMES, "complex64", "complex128"], repeat=2):
        mine = corten.promote_types(getattr(corten, a), getattr(corten, b))
        assert text(mine) == text(torch.promote_types(getattr(torch, a), getattr(torch, b))), (a, b)


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("dims", [(1, 1), (1, 0), (0, 1), (0, 0)])
def test_tensors_of_two_dtypes(op: Any, dims: tuple[int, int]) -> None:
    for a, b in itertools.product(NAMES, repeat=2):
        found = []
        for lib in (corten, torch):
            x, y = (lib.ones((2,) * n, dtype=getattr(lib, d)) for n, d in zip(dims, (a, b), strict=True))
            found.append(text(op(x, y).dtype))
        assert found[0] == found[1], (a, b)


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("number", [2, 2.5, True])
def test_python_numbers_are_weak(op: Any, number: Any) -> None:
    for name in NAMES:
        for n in (0, 1):
            mine = op(corten.ones((2,) * n, dtype=getattr(corten, name)), number)
            theirs = op(torch.ones((2,) * n, dtype=getattr(torch, name)), number)
            assert text(mine.dtype) == text(theirs.dtype), (name, n)


@pytest.mark.parametrize("reduction", ["sum", "prod", "cumsum"])
def test_reductions_of_integers_widen(reduction: str) -> None:
    for name in NAMES:
        found = []
        for lib in (corten, torch):
            x = lib.ones(3, dtype=getattr(lib, name))
            fn = getattr(x, reduction, None)
            if fn is None:
                pytest.skip(f"no {reduction} yet")
            found.append(text((fn(0) if reduction == "cumsum" else fn()).dtype))
        assert found[0] == found[1], name


def test_integers_become_the_default_floating_dtype() -> None:
    x = corten.arange(3)
    assert x.exp().dtype is corten.float32
    corten.set_default_dtype(corten.float64)
    try:
        assert x.exp().dtype is corten.float64
        assert (x * 1.5).dtype is corten.float64
        assert corten.tensor(1.0).dtype is corten.float64
    finally:
        corten.set_default_dtype(corten.float32)


def test_in_place_work_keeps_the_dtype_or_refuses() -> None:
    x = corten.ones(2, dtype=corten.int64)
    with pytest.raises(RuntimeError, match="cannot be cast"):
        x.add_(1.5)
    y = corten.ones(2, dtype=corten.float32)
    y.add_(corten.ones(2, dtype=corten.float64))
    assert y.dtype is corten.float32
