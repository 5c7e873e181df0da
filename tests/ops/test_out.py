"""``out=`` beside PyTorch's: values, shapes, dtypes, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import corten

torch = pytest.importorskip("torch")
X = np.random.default_rng(0).uniform(0.2, 2, (3, 4))

CALLS = {
    "exp": lambda m, x, **k: m.exp(x, **k), "add": lambda m, x, **k: m.add(x, x, alpha=2, **k), "sub": lambda m, x, **k: m.sub(x, 1, **k),
    "div": lambda m, x, **k: m.div(x, x, rounding_mode="floor", **k), "mul": lambda m, x, **k: m.mul(x, 3, **k),
    "pow": lambda m, x, **k: m.pow(x, 2, **k), "where": lambda m, x, **k: m.where(x > 1, x, -x, **k),
    "clamp": lambda m, x, **k: m.clamp(x, 0.5, 1, **k), "round": lambda m, x, **k: m.round(x, decimals=1, **k),
    "abs": lambda m, x, **k: m.abs(x, **k), "sum": lambda m, x, **k: m.sum(x, 1, **k), "mean": lambda m, x, **k: m.mean(x, 0, **k),
    "amax": lambda m, x, **k: m.amax(x, 1, **k), "std": lambda m, x, **k: m.std(x, 0, correction=0, **k),
    "all": lambda m, x, **k: m.all(x, 1, **k), "matmul": lambda m, x, **k: m.matmul(x, x.T, **k), "mm": lambda m, x, **k: m.mm(x, x.T, **k),
    "stack": lambda m, x, **k: m.stack([x, x], 1, **k), "cat": lambda m, x, **k: m.cat([x, x], **k),
    "tril": lambda m, x, **k: m.tril(x, **k),
    "logical": lambda m, x, **k: m.logical_and(x, x - 1, **k), "lt": lambda m, x, **k: m.lt(x, 1, **k),
    "norm": lambda m, x, **k: m.norm(x, **k),
    "cumsum": lambda m, x, **k: m.cumsum(x, 1, **k), "entr": lambda m, x, **k: m.special.entr(x, **k),
    "gather": lambda m, x, **k: m.gather(x, 1, m.tensor([[0], [3], [1]]), **k),
    "take_along_dim": lambda m, x, **k: m.take_along_dim(x, m.tensor([[0], [3], [1]]), 1, **k),
    "index_select": lambda m, x, **k: m.index_select(x, 0, m.tensor([2, 0]), **k),
    "index_add": lambda m, x, **k: m.index_add(x, 0, m.tensor([2, 0]), m.ones(2, 4, dtype=x.dtype), alpha=2, **k),
    "masked_select": lambda m, x, **k: m.masked_select(x, x > 1, **k), "nonzero": lambda m, x, **k: m.nonzero(x > 1, **k),
    "polygamma": lambda m, x, **k: m.polygamma(2, x, **k), "mvlgamma": lambda m, x, **k: m.mvlgamma(x + 1, 2, **k),
    "normalize": lambda m, x, **k: m.nn.functional.normalize(x, dim=1, **k),
    "ones": lambda m, x, **k: m.ones(3, **k),
    "full": lambda m, x, **k: m.full((2,), 7.0, **k), "zeros": lambda m, x, **k: m.zeros(2, 2, **k),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_out_takes_the_result(name: str) -> None:
    run = CALLS[name]
    plain, want = run(corten, corten.tensor(X)), run(torch, torch.tensor(X))
    kept = corten.empty(0, dtype=plain.dtype)
    peer = torch.empty(0, dtype=want.dtype)
    assert run(corten, corten.tensor(X), out=kept) is kept
    run(torch, torch.tensor(X), out=peer)
    assert tuple(kept.shape) == tuple(peer.shape)
    np.testing.assert_allclose(kept.numpy(), peer.numpy(), rtol=1e-12)
    fitting = corten.empty(tuple(plain.shape), dtype=plain.dtype)
    address = fitting.data_ptr()
    run(corten, corten.tensor(X), out=fitting)
    assert fitting.data_ptr() == address
    np.testing.assert_array_equal(fitting.numpy(), plain.numpy())


def test_dtypes_shapes_and_gradients() -> None:
    for m in (corten, torch):
        x = m.tensor(X)
        wide = m.empty(3, 4, dtype=m.float64)
        m.add(m.ones(3, 4), 1, out=wide)
        assert float(wide.sum()) == 24
        with pytest.raises(RuntimeError, match="cast"):
            m.exp(x, out=m.empty(3, 4, dtype=m.int64))
        with pytest.raises(RuntimeError, match=r"out=|requires grad"):
            m.exp(x.requires_grad_(), out=m.empty(3, 4, dtype=m.float64))
        with pytest.warns(UserWarning, match="resized"):
            m.exp(x.detach(), out=m.empty(2, dtype=m.float64))
        for wrong in ("x", 3):
            with pytest.raises(TypeError, match="out"):
                m.exp(x.detach(), out=wrong)
        with pytest.raises(TypeError, match="out"):
            m.sort(x.detach(), out=m.empty(3))
    view = corten.zeros(3, 8, dtype=corten.float64)
    corten.exp(corten.tensor(X), out=view[:, ::2])
    np.testing.assert_allclose(view[:, ::2].numpy(), np.exp(X))
    with pytest.raises(TypeError, match="unexpected argument 'out'"):
        corten.tensor(X).exp_(out=view)


def test_parameters_have_pytorchs_names() -> None:
    x = corten.tensor(X)
    assert corten.broadcast_to(x, shape=(2, 3, 4)).shape == (2, 3, 4)
    assert corten.swapaxes(x, axis0=0, axis1=1).shape == (4, 3)
    assert corten.promote_types(type1=corten.int8, type2=corten.float32) is corten.float32
    a: Any
    for a, b in ((1, 2.0), (x, 1), (1, x.float()), (x.float(), x[:2]), (x.float(), x[0, 0])):
        theirs = [torch.tensor(v.numpy()) if isinstance(v, corten.Tensor) else v for v in (a, b)]
        assert str(corten.result_type(tensor1=a, tensor2=b)).rpartition(".")[2] == str(torch.result_type(*theirs)).rpartition(".")[2]
    copy = corten.from_dlpack(x, copy=True)
    assert copy.data_ptr() != x.data_ptr() and corten.from_dlpack(x).data_ptr() == x.data_ptr()


def test_searching_integers_of_any_size() -> None:
    rows = np.array([[-(2**62), 2**53, 2**53 + 1, 2**53 + 2], [1, 2, 2**60, 2**60 + 1]])
    wanted = np.array([[2**53 + 1, 0], [2**60 + 1, 2**60]])
    for right in (False, True):
        ours = corten.searchsorted(corten.tensor(rows), corten.tensor(wanted), right=right)
        theirs = torch.searchsorted(torch.tensor(rows), torch.tensor(wanted), right=right)
        assert ours.tolist() == theirs.tolist()
        assert corten.bucketize(corten.tensor(wanted), corten.tensor(rows[0]), right=right).tolist() == torch.bucketize(
            torch.tensor(wanted), torch.tensor(rows[0]), right=right).tolist()  # fmt: skip


@pytest.mark.parametrize("half", ["bfloat16", "float16"])
def test_half_storage_rounds_as_pytorch_does(half: str) -> None:
    """Values are computed in float32 and rounded once: at most one step from PyTorch's, whose sums are float32 too."""
    x = np.random.default_rng(0).standard_normal((6, 50)).astype(np.float32)
    ours, theirs = corten.tensor(x).to(getattr(corten, half)), torch.tensor(x).to(getattr(torch, half))
    step = {"bfloat16": 2.0**-7, "float16": 2.0**-10}[half]
    np.testing.assert_array_equal(ours.float().numpy(), theirs.float().numpy())
    for run in (lambda m, t: t.exp(), lambda m, t: t * t + t, lambda m, t: t.sum(1), lambda m, t: t.mean(0), lambda m, t: t.softmax(1),
                lambda m, t: t.cumsum(0), lambda m, t: t.sort(1)[0], lambda m, t: t.tanh(), lambda m, t: t.std(1), lambda m, t: t.amax(1),
                lambda m, t: t @ t.T, lambda m, t: m.cat([t, t]), lambda m, t: m.where(t > 0, t, 0.5 * t), lambda m, t: t.reshape(50, 6)[3],
                lambda m, t: m.nn.functional.layer_norm(t, (50,)), lambda m, t: t / 3, lambda m, t: t.to(m.int32),
                lambda m, t: t.clamp(-1, 1),
                lambda m, t: m.nn.functional.gelu(t), lambda m, t: t.float() + t):  # fmt: skip
        a, b = run(corten, ours), run(torch, theirs)
        assert str(a.dtype).rpartition(".")[2] == str(b.dtype).rpartition(".")[2]
        np.testing.assert_allclose(a.float().numpy(), b.float().numpy(), rtol=2 * step, atol=step)
