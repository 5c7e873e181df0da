"""The calls of tests/ops/torch_cases.py with inputs that they were not written for: every one ends in a result or in an
exception of Python's or PyTorch's, gradients too, and changes no input unless it says so."""

from __future__ import annotations

import ast
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
import torch_cases as cases

import corten

TABLES = ("SMOOTH", "MATRIX", "BATCH", "SQUARE", "FOURIER", "INTEGER", "HALF", "SECOND", "ERRORS")
SHAPES = [(), (0,), (1,), (3,), (4,), (17,), (3, 4), (4, 3), (0, 4), (1, 4), (3, 3), (2, 3, 4), (2, 0, 3), (2, 1, 1, 5)]
DTYPES = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool", "complex64"]
REFUSALS = (TypeError, ValueError, RuntimeError, IndexError, OverflowError)
TRIALS = 6


def random_tensor(rng: np.random.Generator) -> Any:
    """A tensor of any of the shapes and dtypes, perhaps strided, transposed, repeated, or with NaN and infinities in it."""
    shape, dtype = SHAPES[rng.integers(len(SHAPES))], DTYPES[min(rng.integers(12), 8)]
    values = rng.integers(0, 6, (*shape, 2)) if rng.random() < 0.5 else rng.uniform(-3, 3, (*shape, 2))
    if values.dtype.kind == "f" and rng.random() < 0.2:
        values[rng.random(values.shape) < 0.3] = [np.nan, np.inf, -np.inf][rng.integers(3)]
        dtype = "float32" if dtype in ("int64", "int32", "uint8", "bool") else dtype
    x = corten.tensor(values).to(getattr(corten, dtype))
    x = x[..., 0] if rng.random() < 0.5 else x[..., 0].clone()
    if x.ndim > 1 and rng.random() < 0.3:
        x = x.transpose(0, -1)
    if x.ndim and rng.random() < 0.2:
        x = x[:1].expand(shape) if x.shape == shape and shape[0] else x
    return x.detach().requires_grad_(x.is_floating_point() and bool(rng.random() < 0.5))


def tensors_of(result: Any) -> list[Any]:
    if isinstance(result, (tuple, list)):
        return [x for r in result for x in tensors_of(r)]
    return [result] if hasattr(result, "detach") else []


def names_of(call: str) -> list[str]:
    """The variables of a call, without the library and what the call binds itself."""
    nodes = list(ast.walk(ast.parse(call, mode="eval")))
    bound = {n.arg for n in nodes if isinstance(n, ast.arg)}
    bound |= {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    found = {n.id for n in nodes if isinstance(n, ast.Name)} - bound - {"L"}
    return sorted(n for n in found if len(n) == 1)


@pytest.mark.parametrize("table", TABLES)
def test_calls_with_inputs_of_any_kind(table: str) -> None:
    refused = answered = 0
    for call in cases.calls(getattr(cases, table)):
        rng = np.random.default_rng(zlib.crc32(call.encode()))
        code = compile(call, call, "eval")
        for _ in range(TRIALS):
            inputs = {name: random_tensor(rng) for name in names_of(call)}
            before = [x.detach().clone() for x in inputs.values()]
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    results = tensors_of(eval(code, {"L": corten, **inputs}))
                    for out in results:
                        if out.requires_grad:
                            (out.abs() if out.is_complex() else out).sum().backward(retain_graph=True)
            except REFUSALS:
                refused += 1
            else:
                answered += 1
                for out in results:
                    assert np.asarray(out.detach().tolist(), dtype=object).size == out.numel(), call
            if "_(" in call or "out=" in call:
                continue  # writes into an input, as it says
            for kept, x in zip(before, inputs.values(), strict=True):
                same = (kept == x) | ((kept != kept) & (x != x))
                assert bool(same.all()), f"{call} changed an input"
    assert answered and refused


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_iterations_that_would_not_end_are_refused(bad: float) -> None:
    x = corten.ones(3, 4)
    x[0, 2] = bad
    for call in (corten.linalg.svdvals, corten.linalg.svd, corten.linalg.pinv):
        with pytest.raises(corten.linalg.LinAlgError, match="NaN or infinities"):
            call(x)
    lower = corten.eye(3)
    lower[2, 0] = bad
    with pytest.raises(corten.linalg.LinAlgError, match="NaN or infinities"):
        corten.linalg.eigvalsh(lower)
    upper = corten.eye(3)
    upper[0, 2] = bad  # not read
    np.testing.assert_array_equal(corten.linalg.eigvalsh(upper).numpy(), [1, 1, 1])
    with pytest.raises(ValueError, match="NaN or infinite"):
        corten.special.chebyshev_polynomial_t(corten.ones(2), corten.tensor(bad))
