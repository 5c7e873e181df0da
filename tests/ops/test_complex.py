"""Complex forms of elementary functions and products beside PyTorch's: values and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import corten

torch = pytest.importorskip("torch")
Z = np.array([1 + 2j, 0.3 - 0.2j, -1.5 + 0.1j, -0.4 - 2j])


@pytest.mark.parametrize("name", ["tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "expm1", "log1p",
                                  "log2", "log10", "exp2", "rsqrt", "exp", "log", "sqrt", "sin", "cos",
                                  "square", "reciprocal"])  # fmt: skip
def test_elementary(name: str) -> None:
    ours, theirs = corten.tensor(Z, requires_grad=True), torch.tensor(Z, requires_grad=True)
    a, b = getattr(ours, name)(), getattr(theirs, name)()
    (a * (1 + 2j)).real.sum().backward()
    (b * (1 + 2j)).real.sum().backward()
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-10, atol=1e-13)
    assert getattr(corten.tensor(Z.astype(np.complex64)), name)().dtype is corten.complex64


def test_comparison_choice_and_products() -> None:
    a, b = Z, np.array([1 + 2j, 0, -1.5 + 0.1j, 1j])
    ours, theirs = (corten.tensor(a), corten.tensor(b)), (torch.tensor(a), torch.tensor(b))
    for run in (lambda m, x, y: x == y, lambda m, x, y: x != y, lambda m, x, y: m.where(x == y, x, y),
                lambda m, x, y: m.where(x == y, x, 0.0), lambda m, x, y: m.outer(x, y) @ m.outer(y, x),
                lambda m, x, y: m.where(x != 1, x, 2 + 1j)):  # fmt: skip
        np.testing.assert_allclose(run(corten, *ours).numpy(), run(torch, *theirs).numpy(), rtol=1e-12)
    x, t = corten.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
    for m, v, w in ((corten, x, ours[1]), (torch, t, theirs[1])):
        m.where(v == w, v * 2, w).abs().sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), rtol=1e-12)


def test_determinant_of_one_matrix_is_a_number() -> None:
    x = np.random.default_rng(0).standard_normal((3, 3))
    assert corten.linalg.det(corten.tensor(x)).shape == ()
    assert corten.linalg.slogdet(corten.tensor(x)).logabsdet.shape == ()
    np.testing.assert_allclose(float(corten.tensor(x).det()), np.linalg.det(x))
