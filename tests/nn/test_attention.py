"""Attention against PyTorch: forms, sizes, masks, dropout, groups of heads, caches, second derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import corten
from corten import nn
from corten.nn import functional as F

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(3)


def real(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def both(arrays: list[np.ndarray], dtype: str) -> tuple[list[Any], list[Any]]:
    ours = [corten.tensor(a.astype(dtype)).requires_grad_() for a in arrays]
    return ours, [torch.tensor(a.astype(dtype)).requires_grad_() for a in arrays]


def close(a: Any, b: Any, dtype: str) -> None:
    tol = {"float64": (1e-9, 1e-10), "float32": (1e-4, 1e-5)}[dtype]
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tol[0], atol=tol[1])


def same(ours: Any, theirs: Any, mine: list[Any], other: list[Any], dtype: str) -> None:
    close(ours, theirs, dtype)
    g = real(*theirs.shape).astype(dtype)
    ours.backward(corten.tensor(g))
    theirs.backward(torch.tensor(g))
    for m, o in zip(mine, other, strict=True):
        close(m.grad, o.grad, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 8), (2, 3, 97, 97, 20), (1, 2, 150, 64, 8), (2, 1, 33, 129, 72), (1, 1, 5, 200, 256)])
def test_sizes(sizes: tuple[int, ...], causal: bool, dtype: str) -> None:
    b, h, t, s, d = sizes
    mine, other = both([real(b, h, t, d), real(b, h, s, d), real(b, h, s, d + 3)], dtype)
    if causal and s < t:
        mask = torch.ones(t, s, dtype=torch.bool).tril()
        theirs = torch.nn.functional.scaled_dot_product_attention(*other, attn_mask=mask)
    else:
        theirs = torch.nn.functional.scaled_dot_product_attention(*other, is_causal=causal)
    same(F.scaled_dot_product_attention(*mine, is_causal=causal), theirs, mine, other, dtype)


@pytest.mark.parametrize("form", ["bool", "float", "keys", "float keys", "strided"])
def test_masks(form: str) -> None:
    b, h, t, s = 2, 3, 70, 90
    mask = {"bool": RNG.random((b, 1, t, s)) < 0.7, "float": real(h, t, s), "keys": RNG.random((b, 1, 1, s)) < 0.6,
            "float keys": real(b, 1, 1, s), "strided": (RNG.random((s, t)) < 0.7).T}[form]  # fmt: skip
    mine, other = both([real(b, h, t, 16), real(b, h, s, 16), real(b, h, s, 16)], "float64")
    given = corten.tensor(np.ascontiguousarray(mask.T)).t() if form == "strided" else corten.tensor(mask)
    expected = torch.tensor(mask)
    if form.startswith("float"):  # numbers have a gradient, added up where they are repeated
        mine.append(given.requires_grad_())
        other.append(expected.requires_grad_())
    theirs = torch.nn.functional.scaled_dot_product_attention(*other[:3], attn_mask=expected)
    same(F.scaled_dot_product_attention(*mine[:3], given), theirs, mine, other, "float64")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("queries", [1, 20])
def test_a_row_of_the_lowest_finite_mask_weighs_all_alike(queries: int, dtype: str) -> None:
    rng = np.random.default_rng(8)
    mask = rng.standard_normal((1, 1, queries, 40)).astype(dtype)
    mask[:, :, -1] = np.finfo(dtype).min
    mine, other = both([rng.standard_normal((1, 2, n, 8)) for n in (queries, 40, 40)], dtype)
    theirs = torch.nn.functional.scaled_dot_product_attention(*other, attn_mask=torch.tensor(mask))
    close(F.scaled_dot_product_attention(*mine, corten.tensor(mask)), theirs, dtype)


@pytest.mark.parametrize("groups", [(6, 2), (4, 1)])
def test_groups_of_heads_share_keys(groups: tuple[int, int]) -> None:
    heads, shared = groups
    mine, other = both([real(2, heads, 60, 16), real(2, shared, 60, 16), real(2, shared, 60, 16)], "float64")
    theirs = torch.nn.functional.scaled_dot_product_attention(*other, is_causal=True, enable_gqa=True, scale=0.3)
    same(F.scaled_dot_product_attention(*mine, is_causal=True, enable_gqa=True, scale=0.3), theirs, mine, other, "float64")


def test_strided_heads() -> None:
    mine, other = both([real(2, 50, 3, 16) for _ in range(3)], "float64")
    theirs = torch.nn.functional.scaled_dot_product_attention(*(x.transpose(1, 2) for x in other), is_causal=True)
    same(F.scaled_dot_product_attention(*(x.transpose(1, 2) for x in mine), is_causal=True), theirs, mine, other, "float64")


@pytest.mark.parametrize("shape", [(0, 2, 3, 4), (2, 2, 0, 4)])
def test_empty(shape: tuple[int, ...]) -> None:
    x = corten.zeros(*shape).requires_grad_()
    out = F.scaled_dot_product_attention(x, x, x)
    out.sum().backward()
    assert tuple(out.shape) == tuple(x.grad.shape) == shape


def test_no_keys_give_zeros() -> None:
    q, k = corten.ones(1, 1, 2, 4).requires_grad_(), corten.zeros(1, 1, 0, 4)
    out = F.scaled_dot_product_attention(q, k, k)
    out.sum().backward()
    assert not out.detach().numpy().any()
    assert not q.grad.numpy().any()


def test_not_a_number_is_not_hidden() -> None:
    q = corten.ones(1, 1, 3, 4)
    k = corten.tensor(np.array([1.0, np.nan, 1.0], np.float32)).reshape(1, 1, 3, 1).expand(1, 1, 3, 4)
    assert np.isnan(F.scaled_dot_product_attention(q, k, q).numpy()).all()


def test_dropout_keeps_the_mean_and_its_gradient_fits() -> None:
    v = corten.ones(1, 4, 100, 8)
    q = corten.tensor(real(1, 4, 100, 8).astype("float32"))
    corten.manual_seed(1)
    out = F.scaled_dot_product_attention(q, q, v, dropout_p=0.3).numpy()
    assert abs(out.mean() - 1) < 0.01
    assert 0.05 < out.std() < 0.2
    arrays = [real(1, 2, 20, 4) for _ in range(3)]

    def value(*leaves: Any) -> Any:
        corten.manual_seed(5)
        return F.scaled_dot_product_attention(*leaves, dropout_p=0.4, is_causal=len(leaves) == 3)

    assert corten.autograd.gradcheck(value, [corten.tensor(a).requires_grad_() for a in arrays])
    assert corten.autograd.gradcheck(value, [corten.tensor(a).requires_grad_() for a in [*arrays, real(20, 20)]])


@pytest.mark.parametrize("form", ["plain", "causal", "mask", "added", "group"])
def test_second_derivatives(form: str) -> None:
    arrays = [real(1, 2, 4, 3), real(1, 1 if form == "group" else 2, 4, 3), real(1, 1 if form == "group" else 2, 4, 3)]
    mask = [corten.tensor(RNG.random((4, 4)) < 0.8)] if form == "mask" else []
    arrays += [real(2, 4, 4)] if form == "added" else []

    def value(*leaves: Any) -> Any:
        return F.scaled_dot_product_attention(*leaves, *mask, is_causal=form == "causal", enable_gqa=form == "group")

    assert corten.autograd.gradgradcheck(value, [corten.tensor(a).requires_grad_() for a in arrays])


@pytest.mark.parametrize("form", ["plain", "causal", "mask", "padding"])
@pytest.mark.parametrize("strided", [False, True])
def test_packed_projections(form: str, strided: bool) -> None:
    b, t, heads, d = 3, 70, 2, 12
    array = real(b, t, 3 * heads * d)
    mask = {"mask": real(t, t), "padding": RNG.random((b, 1, 1, t)) < 0.8}.get(form)
    ours = corten.tensor(array.transpose(1, 0, 2).copy() if strided else array).requires_grad_()
    theirs = torch.tensor(array).requires_grad_()
    given, theirs_mask = (None, None) if mask is None else (corten.tensor(mask), torch.tensor(mask))
    if form == "mask":
        for leaf in (given, theirs_mask):
            leaf.requires_grad_()
    qkv = ours.transpose(0, 1) if strided else ours
    out = F.packed_attention(qkv, heads, given, is_causal=form == "causal")
    parts = (x.view(b, t, heads, d).transpose(1, 2) for x in theirs.chunk(3, 2))
    want = torch.nn.functional.scaled_dot_product_attention(*parts, attn_mask=theirs_mask, is_causal=form == "causal")
    want = want.transpose(1, 2).reshape(b, t, -1)
    close(out, want, "float64")
    g = real(b, t, heads * d)
    out.backward(corten.tensor(g))
    want.backward(torch.tensor(g))
    grad = ours.grad.numpy()
    np.testing.assert_allclose(grad.transpose(1, 0, 2) if strided else grad, theirs.grad.numpy(), rtol=1e-9, atol=1e-10)
    if form == "mask":
        close(given.grad, theirs_mask.grad, "float64")


def test_packed_second_derivatives() -> None:
    x = corten.tensor(real(1, 3, 12)).requires_grad_()
    assert corten.autograd.gradgradcheck(lambda y: F.packed_attention(y, 2, is_causal=True), [x])


@pytest.mark.parametrize("steps", [(5, 1, 1, 1), (1, 60, 3, 20), (64, 1, 15)])
def test_cache_gives_what_one_pass_gives(steps: tuple[int, ...]) -> None:
    heads, d, total = 3, 10, sum(steps)
    qkv = corten.tensor(real(2, total, 3 * heads * d).astype("float32"))
    whole = F.packed_attention(qkv, heads, is_causal=True).numpy()
    cache, at = nn.KeyValueCache(1, total), 0
    for n in steps:
        out = cache.attend(0, qkv[:, at : at + n], heads).numpy()
        cache.advance(n)
        np.testing.assert_allclose(out, whole[:, at : at + n], rtol=1e-5, atol=1e-6)
        at += n
    with pytest.raises(ValueError, match=r"\[KeyValueCache\]"):
        cache.attend(0, qkv[:, :1], heads)
    cache.clear()
    k, v = cache.update(0, qkv[:, :4].reshape(2, 4, 3, 30)[:, :, 0].reshape(2, 4, heads, d).transpose(1, 2), corten.ones(2, heads, 4, d))
    assert tuple(k.shape) == tuple(v.shape) == (2, heads, 4, d)
    with pytest.raises(ValueError, match="batch of 1"):
        cache.attend(0, qkv[:1, :1], heads) if cache.advance(4) is None else None


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("bits", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_causal_masks_of_an_encoder(bits: bool, padded: bool) -> None:
    def stack(lib: Any) -> Any:
        return lib.nn.TransformerEncoder(lib.nn.TransformerEncoderLayer(8, 2, 12, 0.0, batch_first=True), 2).double()

    theirs, ours = stack(torch), stack(corten)
    ours.load_state_dict({k: corten.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x, later = real(3, 6, 8), np.triu(np.ones((6, 6), bool), 1)
    mask = later if bits else np.where(later, -np.inf, 0.0)
    padding = np.array([[False] * 6, [False] * 5 + [True], [False] * 3 + [True] * 3]) if padded else None
    if padded and not bits:  # PyTorch wants both masks of one kind
        padding = np.where(padding, -np.inf, 0.0)
    for hint in (None, True):
        given = [None if padding is None else lib.tensor(padding) for lib in (corten, torch)]
        a = ours(corten.tensor(x), corten.tensor(mask), given[0], is_causal=hint)
        b = theirs(torch.tensor(x), torch.tensor(mask), given[1], is_causal=hint)
        seen = np.ones((3, 6), bool) if padding is None else (padding == 0)
        np.testing.assert_allclose(a.detach().numpy()[seen], b.detach().numpy()[seen], rtol=1e-9, atol=1e-10)


def test_bits_are_the_same_for_any_number_of_threads() -> None:
    arrays = [real(1, 2, 400, 24).astype("float32") for _ in range(4)]

    def run() -> list[bytes]:
        q, k, v = (corten.tensor(a).requires_grad_() for a in arrays[:3])
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        out.backward(corten.tensor(arrays[3]))
        return [out.detach().numpy().tobytes(), *(x.grad.numpy().tobytes() for x in (q, k, v))]

    before = corten.get_num_threads()
    try:
        corten.set_num_threads(1)
        one = run()
        corten.set_num_threads(2)
        assert run() == one
    finally:
        corten.set_num_threads(before)


@pytest.mark.parametrize(("args", "kwargs", "error"), [
    (((2, 3), (2, 3), (3, 3)), {}, RuntimeError), (((2, 3), (2, 3), (2, 3)), {"dropout_p": 1.5}, ValueError),
    (((1, 3, 2, 4), (1, 2, 2, 4), (1, 2, 2, 4)), {"enable_gqa": True}, RuntimeError)])  # fmt: skip
def test_errors(args: Any, kwargs: Any, error: Any) -> None:
    with pytest.raises(error, match=r"\[scaled_dot_product_attention\]"):
        F.scaled_dot_product_attention(*(corten.zeros(*s) for s in args), **kwargs)


def test_packed_errors() -> None:
    with pytest.raises(RuntimeError, match=r"\[packed_attention\]"):
        F.packed_attention(corten.zeros(1, 2, 10), 2)
