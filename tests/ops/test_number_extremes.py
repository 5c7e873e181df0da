"""Gradients of fmax and fmin at ties and NaN beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import corten

torch = pytest.importorskip("torch")
NAN = float("nan")
A = np.array([1.0, 2.0, 3.0, NAN, 1.0, NAN, -0.0, np.inf] * 3)
B = np.array([2.0, 1.0, 3.0, 1.0, NAN, NAN, 0.0, np.inf] * 3)


@pytest.mark.parametrize("name", ["fmax", "fmin"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_at_ties_and_nan(name: str, dtype: str) -> None:
    found = []
    for m in (corten, torch):
        a, b = (m.tensor(v.astype(dtype)).requires_grad_() for v in (A, B))
        g = m.tensor(np.arange(1, A.size + 1).astype(dtype))
        out = getattr(m, name)(a, b)
        second = m.autograd.grad((out * out).sum(), (a, b), create_graph=True)
        found.append([out.detach().numpy(), *(x.detach().numpy() for x in second)])
        out.backward(g)
        found[-1] += [a.grad.numpy(), b.grad.numpy()]
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("values", [[3, 1, 3, -2], [5], [2**62, -(2**62), 2**62], [7, 7, 7], [True, False, True],
                                    [1.5, -0.5, 1.5, NAN]])
def test_unique(values: list[float]) -> None:
    for dtype in ("int64", "uint8", "int32", "float32", "bool"):
        if not values or (max(map(abs, values)) > 200 and dtype != "int64") or (dtype == "uint8" and min(values) < 0):
            continue
        if values[-1] != values[-1] and dtype != "float32":
            continue
        ours, theirs = (m.unique(m.tensor(values).to(getattr(m, dtype)), return_inverse=True, return_counts=True) for m in (corten, torch))
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
            assert str(a.dtype).rpartition(".")[2] == str(b.dtype).rpartition(".")[2]
        np.testing.assert_array_equal(corten.unique(corten.tensor(values).to(getattr(corten, dtype))).numpy(), theirs[0].numpy())
    assert corten.unique(corten.tensor([], dtype=corten.int64)).shape == (0,)
