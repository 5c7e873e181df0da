"""Tables of vectors against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import corten
from corten import nn

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(5)


def check(kind: str, kwargs: dict[str, Any], *inputs: Any) -> None:
    weight = RNG.standard_normal((11, 5))
    ours, theirs = getattr(nn, kind)(11, 5, **kwargs).double(), getattr(torch.nn, kind)(11, 5, **kwargs).double()
    ours.load_state_dict({"weight": corten.tensor(weight)})
    theirs.load_state_dict({"weight": torch.tensor(weight)})
    mine = [None if x is None else corten.tensor(x) for x in inputs]
    other = [None if x is None else torch.tensor(x) for x in inputs]
    for m, o in zip(mine, other, strict=True):
        if o is not None and o.is_floating_point():
            m.requires_grad_(), o.requires_grad_()
    a, b = ours(*mine), theirs(*other)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)
    g = RNG.standard_normal(b.shape)
    a.backward(corten.tensor(g))
    b.backward(torch.tensor(g))
    np.testing.assert_allclose(ours.weight.grad.numpy(), theirs.weight.grad.numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.weight.detach().numpy(), rtol=1e-6)
    for m, o in zip(mine, other, strict=True):
        if o is not None and o.requires_grad:
            np.testing.assert_allclose(m.grad.numpy(), o.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("kwargs", [{}, {"padding_idx": 3}, {"padding_idx": -1}, {"max_norm": 1.0}, {"scale_grad_by_freq": True}])
@pytest.mark.parametrize("shape", [(7,), (3, 4), (), (0,)])
def test_embedding(kwargs: dict[str, Any], shape: tuple[int, ...]) -> None:
    check("Embedding", kwargs, RNG.integers(0, 11, shape))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("kwargs", [{}, {"padding_idx": 3}, {"max_norm": 1.0}])
def test_bags(mode: str, kwargs: dict[str, Any]) -> None:
    flat = np.array([3, 3, 1, 5, 3, 9, 10, 0, 3, 2])
    check("EmbeddingBag", {"mode": mode, **kwargs}, flat, np.array([0, 2, 2, 7]))
    check("EmbeddingBag", {"mode": mode, **kwargs}, flat.reshape(2, 5))
    check("EmbeddingBag", {"mode": mode, "include_last_offset": True, **kwargs}, flat, np.array([0, 4, 10]))


def test_weighted_bags() -> None:
    flat = np.array([3, 3, 1, 5, 3, 9])
    check("EmbeddingBag", {"mode": "sum", "padding_idx": 3}, flat, np.array([0, 2]), RNG.standard_normal(6))
    check("EmbeddingBag", {"mode": "sum"}, flat.reshape(3, 2), None, RNG.standard_normal((3, 2)))


def test_embedding_derivatives() -> None:
    w = corten.tensor(RNG.standard_normal((4, 3))).requires_grad_()
    index = corten.tensor([0, 2, 2, 3])
    assert corten.autograd.gradgradcheck(lambda w: (nn.functional.embedding(index, w) ** 3).sum(0), [w])


def test_from_pretrained() -> None:
    table = corten.tensor(RNG.standard_normal((4, 3)))
    assert not nn.EmbeddingBag.from_pretrained(table).weight.requires_grad
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad


@pytest.mark.parametrize("call", [
    lambda: nn.EmbeddingBag(4, 2, mode="median"), lambda: nn.EmbeddingBag(4, 2)(corten.tensor([1, 2])),
    lambda: nn.EmbeddingBag(4, 2)(corten.tensor([1, 2]), corten.tensor([1])),
    lambda: nn.EmbeddingBag(4, 2)(corten.tensor([[1, 2]]), None, corten.ones(1, 2)),
    lambda: nn.EmbeddingBag(4, 2)(corten.tensor([1, 2]), corten.tensor([0, 3]))])  # fmt: skip
def test_bad_bags(call: Any) -> None:
    with pytest.raises(ValueError, match=r"\[[eE]mbedding_?[bB]ag\]"):
        call()


@pytest.mark.parametrize("kind", ["Embedding", "EmbeddingBag"])
def test_sparse_gradients_raise(kind: str) -> None:
    with pytest.raises(NotImplementedError, match=rf"\[{kind}\] sparse"):
        getattr(nn, kind)(4, 2, sparse=True)


def test_index_out_of_range() -> None:
    with pytest.raises(IndexError, match=r"\[embedding\] index 4"):
        nn.Embedding(4, 2)(corten.tensor([1, 4]))
