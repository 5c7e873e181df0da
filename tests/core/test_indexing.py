"""Indexing, gathering and scattering, against PyTorch."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import corten

torch = pytest.importorskip("torch")

SHAPE = (4, 5, 3)


def number(lib: ModuleType, value: Any) -> Any:
    """A key of plain Python and NumPy values for a library: arrays become its tensors."""
    if isinstance(value, tuple):
        return tuple(number(lib, v) for v in value)
    return lib.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value


def at(*values: Any) -> np.ndarray:
    return np.array(values, dtype=np.int64)


rng = np.random.default_rng(0)
MASK = rng.random(SHAPE) > 0.5
KEYS: dict[str, Any] = {
    "one tensor": at(0, 3, 3, -1),
    "a matrix of indices": at([0, 1], [2, 2]),
    "an empty tensor": np.zeros(0, np.int64),
    "two tensors": (at(0, 1, 2), at(4, 4, 0)),
    "two that broadcast": (at([0], [1]), at(2, 3)),
    "three": (at(0, 1), at(1, 1), at(2, 0)),
    "slice, tensor": (slice(1, None), at(0, 2)),
    "tensor, slice": (at(0, 2), slice(1, 4, 2)),
    "slice, tensor, slice": (slice(None), at([0], [1]), slice(0, 2)),
    "apart": (at(0, 1), slice(None), at(2, 0)),
    "apart with None": (at(0, 1), None, at(2, 0)),
    "int, tensor": (1, at(0, 4)),
    "int, slice, tensor": (1, slice(None), at(0, 2)),
    "tensor, int": (at(0, 1), 2),
    "ellipsis, tensor": (Ellipsis, at(0, 0, 2)),
    "tensor, ellipsis": (at(3), Ellipsis),
    "None, tensor": (None, at(0, 1)),
    "tensor, None": (at(0, 1), None),
    "whole mask": MASK,
    "mask of rows": MASK[:, 0, 0],
    "mask of two dimensions": MASK[:, :, 0],
    "slice, mask": (slice(None), MASK[0, :, 0]),
    "mask, int": (MASK[:, :, 1], 1),
    "mask, tensor": (np.array([True, False, True, True]), at(0, 1, 4)),
    "mask of nothing": np.zeros(SHAPE, bool),
    "list": [0, 2],
    "list in a tuple": (slice(None), [0, 2]),
    "list of bools": [True, False, False, True],
    "0-d tensor": np.array(2),
    "True": True,
    "False": False,
}


def base(lib: ModuleType, grad: bool = True) -> Any:
    x = lib.from_numpy(np.random.default_rng(1).standard_normal(SHAPE))
    return x.requires_grad_() if grad else x


@pytest.mark.parametrize("name", KEYS)
def test_reading(name: str) -> None:
    found = []
    for lib in (corten, torch):
        x = base(lib)
        y = x[number(lib, KEYS[name])]
        weight = lib.arange(y.numel(), dtype=lib.float64).reshape(y.shape) + 1
        (y * y * weight).sum().backward()
        found.append((y.detach().numpy(), x.grad.numpy()))
    assert found[0][0].shape == found[1][0].shape
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_allclose(found[0][1], found[1][1])


@pytest.mark.parametrize("name", [k for k in KEYS if k not in ("one tensor",)])
@pytest.mark.parametrize("number_only", [False, True])
def test_writing(name: str, number_only: bool) -> None:
    found = []
    for lib in (corten, torch):
        x = base(lib)
        z = x * 1
        key = number(lib, KEYS[name])
        shape = z[key].shape
        value: Any = 2.5
        if not number_only:
            value = lib.arange(int(np.prod(shape)), dtype=lib.float64).reshape(shape).requires_grad_()
        z[key] = value
        (z * z).sum().backward()
        found.append((z.detach().numpy(), x.grad.numpy(), np.zeros(shape) if number_only or value.grad is None else value.grad.numpy()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b)


def test_writing_through_a_view_reaches_the_base() -> None:
    x = corten.zeros(4, 6)
    view = x.t()[1:4]
    view[corten.tensor([0, 2])] = 7.0
    assert x[:, [1, 3]].tolist() == [[7, 7]] * 4
    assert x.sum().item() == 56


def test_the_last_of_repeated_writes_counts() -> None:
    x = corten.zeros(3)
    x[corten.tensor([1, 1, 1])] = corten.tensor([1.0, 2.0, 3.0])
    assert x.tolist() == [0, 3, 0]


def test_accumulating_adds_repeated_indices() -> None:
    for dtype in ("float32", "float64", "int32", "int64", "float16"):
        found = []
        for lib in (corten, torch):
            x = lib.ones(3, 2, dtype=getattr(lib, dtype))
            x.index_put_((lib.tensor([0, 0, 2]),), lib.ones(3, 2, dtype=getattr(lib, dtype)) * 2, accumulate=True)
            found.append(x.tolist())
        assert found[0] == found[1], dtype


@pytest.mark.parametrize("key", [at(4), at(-5), (slice(None), at(0, 5)), (at(0, 1), at(0, 1, 2)), (at(0),) * 4, np.ones(3, bool),
                                 np.ones((4, 4), bool), np.ones(2, np.float32)])  # fmt: skip
def test_bad_keys_raise_index_errors(key: Any) -> None:
    for lib in (corten, torch):
        x = base(lib, grad=False)
        with pytest.raises(IndexError):
            x[number(lib, key)]
        with pytest.raises(IndexError):
            x[number(lib, key)] = 0.0


def test_values_that_do_not_fit_raise() -> None:
    for lib in (corten, torch):
        x = base(lib, grad=False)
        with pytest.raises(RuntimeError):
            x[lib.tensor([0, 1])] = lib.ones(3, 5, 3, dtype=lib.float64)
        with pytest.raises(RuntimeError):
            x[lib.tensor([0, 1])] = lib.ones(2, 5, 3, dtype=lib.float32)


def test_an_index_changed_before_backward_is_noticed() -> None:
    x = corten.ones(4, requires_grad=True)
    index = corten.tensor([0, 1])
    y = x[index]
    index.add_(1)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()


def test_nothing_outside_is_read_or_written_for_any_index() -> None:
    x = corten.zeros(3)
    for bad in (3, -4, 2**62, -(2**62)):
        index = corten.tensor([bad])
        for call in (lambda i: x[i], lambda i: x.gather(0, i), lambda i: x.scatter(0, i, 1.0), lambda i: x.index_select(0, i),
                     lambda i: x.scatter_add(0, i, corten.ones(1)), lambda i: x.index_add(0, i, corten.ones(1)),
                     lambda i: x.take(i), lambda i: x.put_(i, corten.ones(1)), lambda i: x.index_fill(0, i, 1.0),
                     lambda i: corten.nn.functional.embedding(i, x.reshape(3, 1)), lambda i: x.index_put_((i,), corten.ones(1)),
                     lambda i: x.index_copy(0, i, corten.ones(1))):  # fmt: skip
            with pytest.raises(IndexError):
                call(index)
    assert x.tolist() == [0, 0, 0]


# ---- random keys

index_parts = st.one_of(
    st.just(slice(None)), st.slices(3), st.none(), st.integers(-2, 1),
    st.lists(st.integers(-2, 1), min_size=1, max_size=3).map(lambda v: np.array(v, np.int64)),
    st.lists(st.booleans(), min_size=2, max_size=2).map(lambda v: np.array(v)))  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(index_parts, min_size=1, max_size=4))
def test_random_keys_agree(parts: list[Any]) -> None:
    found: list[Any] = []
    for lib in (corten, torch):
        x = lib.arange(8.0).reshape(2, 2, 2)
        try:
            key = number(lib, tuple(parts))
            y = x[key]
            z = x.clone()
            z[key] = -1.0
            found.append((tuple(y.shape), y.tolist(), z.tolist()))
        except (IndexError, ValueError) as error:
            found.append(type(error).__name__)
    assert found[0] == found[1]


# ---- functions

X = np.random.default_rng(2).standard_normal((4, 5))
I = np.random.default_rng(3).integers(0, 4, (3, 5))  # noqa: E741
S = np.random.default_rng(4).standard_normal((3, 5))
CALLS: dict[str, Any] = {
    "gather": lambda lib, x, s, i: x.gather(0, i),
    "gather along the last": lambda lib, x, s, i: x.gather(-1, i[:, :2]),
    "scatter": lambda lib, x, s, i: x.scatter(1, lib.tensor([4, 3, 0, 2, 1]).expand(3, 5), s),
    "scatter a number": lambda lib, x, s, i: x.scatter(0, i, 2.5),
    "scatter_add": lambda lib, x, s, i: x.scatter_add(0, i, s),
    "scatter_add of a part": lambda lib, x, s, i: x.scatter_add(1, i[:2, :3], s[:2, :3] * 1),
    "index_select": lambda lib, x, s, i: x.index_select(1, i[0]),
    "index_select of a transpose": lambda lib, x, s, i: x.t().index_select(1, i[0]),
    "index_add": lambda lib, x, s, i: x.index_add(0, i[:, 0], s, alpha=2),
    "index_add along the last": lambda lib, x, s, i: x.index_add(1, i[:, 0], s.t()[:4].contiguous()),
    "index_copy": lambda lib, x, s, i: x.index_copy(0, lib.tensor([2, 0, 3]), s),
    "index_fill": lambda lib, x, s, i: x.index_fill(1, i[0, :2], -1.0),
    "index_put": lambda lib, x, s, i: x.index_put((i[0, :3], i[1, :3]), s[0, :3], accumulate=True),
    "take": lambda lib, x, s, i: x.take(i),
    "put": lambda lib, x, s, i: x.put(lib.tensor([3, 7, 19]), s[0, :3]),
    "put and add": lambda lib, x, s, i: x.put(i[0], s[0], accumulate=True),
    "take_along_dim": lambda lib, x, s, i: lib.take_along_dim(x, i[:1] * 0 + lib.arange(4).reshape(4, 1), 1),
    "masked_select": lambda lib, x, s, i: x.masked_select(x > 0),
    "masked_select that broadcasts": lambda lib, x, s, i: x.masked_select(x[0] > 0),
    "masked_fill": lambda lib, x, s, i: x.masked_fill(x > 0, 3.0),
    "masked_scatter": lambda lib, x, s, i: x.masked_scatter(x > 0.3, s),
    "masked_scatter of exactly enough": lambda lib, x, s, i: x[:3].masked_scatter(x[:3] == x[:3], s),
    "embedding": lambda lib, x, s, i: lib.nn.functional.embedding(i, x, padding_idx=2),
    "embedding by frequency": lambda lib, x, s, i: lib.nn.functional.embedding(i, x, scale_grad_by_freq=True),
}  # fmt: skip
for _reduce in ("sum", "prod", "mean", "amax", "amin"):
    for _include in (True, False):
        CALLS[f"scatter_reduce {_reduce}{'' if _include else ' without self'}"] = (
            lambda lib, x, s, i, r=_reduce, k=_include: x.scatter_reduce(0, i, s, r, include_self=k))  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_functions(name: str) -> None:
    found = []
    for lib in (corten, torch):
        x, s, i = lib.from_numpy(X.copy()).requires_grad_(), lib.from_numpy(S.copy()).requires_grad_(), lib.from_numpy(I)
        y = CALLS[name](lib, x, s, i)
        weight = lib.arange(y.numel(), dtype=lib.float64).reshape(y.shape) / 10 + 1
        gx, gs = lib.autograd.grad((y * y * weight).sum(), [x, s], allow_unused=True)
        found.append([y.detach().numpy(), gx.numpy(), np.zeros(1) if gs is None else gs.numpy()])
    for a, b in zip(*found, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", [k for k in CALLS if "freq" not in k and "padding" not in k and k != "embedding"])
def test_second_derivatives_by_differences(name: str) -> None:
    x, s = (corten.from_numpy(v.copy()).requires_grad_() for v in (X, S))
    i = corten.from_numpy(I)
    assert corten.autograd.gradgradcheck(lambda a, b: CALLS[name](corten, a, b, i) ** 2, [x, s])


def test_products_with_zeros_have_the_right_gradient() -> None:
    found = []
    for lib in (corten, torch):
        x = lib.tensor([2.0, 0.0, 3.0], dtype=lib.float64, requires_grad=True)
        s = lib.tensor([0.0, 4.0, 0.0, 0.0, 5.0], dtype=lib.float64, requires_grad=True)
        x.scatter_reduce(0, lib.tensor([0, 0, 1, 1, 2]), s, "prod").sum().backward()
        found.append(s.grad.tolist())
    assert found[0] == found[1]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64", "bool", "float16", "bfloat16", "complex64"])
def test_moves_of_every_dtype(dtype: str) -> None:
    found = []
    for lib in (corten, torch):
        x = lib.from_numpy(np.arange(12) % 2 if dtype == "bool" else np.arange(12)).to(getattr(lib, dtype)).reshape(3, 4)
        i = lib.from_numpy(np.array([[0, 2, 1, 0]]))
        z = x.clone()
        z[i[0, :2], 1] = x[0, 0]
        mask = lib.tensor([[True, False, True, True]]).expand(3, 4)
        picks = [x.gather(0, i), x[i[0]], x.index_select(1, i[0]), x[mask], x.scatter(0, i, x[:1]), z,
                 x.take(i), x.index_fill(0, i[0, :1], 1)]  # fmt: skip
        if dtype != "complex64":
            picks.append(x.masked_fill(mask, 1))
        found.append([p.to(lib.complex64).tolist() if dtype == "complex64" else p.tolist() for p in picks])
    assert found[0] == found[1]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64"])
@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
def test_reductions_of_integers(dtype: str, reduce: str) -> None:
    found = []
    for lib in (corten, torch):
        x = lib.tensor([[5, 7], [1, 2]], dtype=getattr(lib, dtype))
        i, s = lib.tensor([[0, 1], [0, 1], [1, 1]]), lib.tensor([[2, 3], [4, 5], [9, 90]], dtype=getattr(lib, dtype))
        found.append([x.scatter_reduce(0, i, s, reduce, include_self=k).tolist() for k in (True, False)]
                     + [x.index_add(1, i[1], x).tolist(), x.scatter_add(1, i[:2], s).tolist()])  # fmt: skip
    assert found[0] == found[1]


def test_in_place_forms_return_the_tensor_itself() -> None:
    i = corten.tensor([1, 0])
    x = corten.zeros(2, 2)
    for out in (x.index_add_(0, i, corten.ones(2, 2)), x.index_copy_(0, i, corten.ones(2, 2)), x.index_fill_(1, i, 2.0),
                x.scatter_(0, i.reshape(1, 2), 3.0), x.scatter_add_(0, i.reshape(1, 2), corten.ones(1, 2)),
                x.masked_fill_(x > 3, 0.0), x.masked_scatter_(x > 2, corten.ones(4)),
                x.scatter_reduce_(0, i.reshape(1, 2), corten.ones(1, 2), "amax")):  # fmt: skip
        assert out is x


def test_wrong_arguments_raise_pytorchs_types() -> None:
    for lib in (corten, torch):
        x, i = lib.zeros(3, 3), lib.tensor([[0, 1]])
        with pytest.raises(RuntimeError):
            x.gather(0, i[0])
        with pytest.raises(RuntimeError):
            x.gather(0, i.to(lib.float32))
        with pytest.raises(IndexError):
            x.gather(2, i)
        with pytest.raises(RuntimeError):
            x.scatter(0, i, lib.ones(1, 2, dtype=lib.float64))
        with pytest.raises((RuntimeError, IndexError)):
            x.index_add(0, lib.tensor([0, 1]), lib.ones(3, 3))
        with pytest.raises(RuntimeError):
            x.masked_fill(i, 1.0)
        with pytest.raises(IndexError):
            x.index_select(0, i)
        with pytest.raises(RuntimeError):
            x.masked_scatter(x == 0, lib.ones(2))


def test_nonzero_equals_pytorchs() -> None:
    for array in (X > 0, X.T > 1, np.zeros((2, 0)), np.array(3.0), np.array(0.0), np.arange(5)):
        mine, theirs = corten.from_numpy(array), torch.from_numpy(np.asarray(array))
        np.testing.assert_array_equal(mine.nonzero().numpy(), theirs.nonzero().numpy())
        for a, b in zip(mine.nonzero(as_tuple=True), theirs.nonzero(as_tuple=True), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_sums_over_repeated_indices_do_not_depend_on_threads() -> None:
    g = np.random.default_rng(5).standard_normal((50_000, 64)).astype(np.float32)
    index = corten.from_numpy(np.random.default_rng(6).integers(0, 100, 50_000))
    ends = set()
    before = corten.get_num_threads()
    try:
        for threads in (1, 2, 3):
            corten.set_num_threads(threads)
            ends.add(corten.zeros(100, 64).index_add(0, index, corten.from_numpy(g)).numpy().tobytes())
    finally:
        corten.set_num_threads(before)
    assert len(ends) == 1
