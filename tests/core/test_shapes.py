"""Shapes, views and broadcasting, against NumPy and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import corten

torch = pytest.importorskip("torch")


@settings(max_examples=100, deadline=None)
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=5, max_side=4, min_side=0))
def test_broadcasting_equals_numpys(shapes: Any) -> None:
    a, b = (np.arange(np.prod(s), dtype=np.float64).reshape(s) + 1 for s in shapes.input_shapes)
    x, y = corten.from_numpy(a).requires_grad_(), corten.from_numpy(b).requires_grad_()
    z = x * y - y
    np.testing.assert_array_equal(z.detach().numpy(), a * b - b)
    z.sum().backward()
    ones = np.ones(shapes.result_shape)
    for t, full in ((x, ones * b), (y, ones * a - 1)):
        expected = full
        while expected.ndim > t.ndim:
            expected = expected.sum(0)
        for d, size in enumerate(t.shape):
            if size == 1:
                expected = expected.sum(d, keepdims=True)
        assert t.grad.shape == t.shape
        np.testing.assert_allclose(t.grad.numpy(), expected)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=4), st.lists(st.integers(0, 3), max_size=4))
def test_shapes_that_do_not_broadcast_raise(a: list[int], b: list[int]) -> None:
    try:
        expected: Any = np.broadcast_shapes(tuple(a), tuple(b))
    except ValueError:
        with pytest.raises(RuntimeError, match="do not broadcast"):
            corten.zeros(a) + corten.zeros(b)
        return
    assert tuple((corten.zeros(a) + corten.zeros(b)).shape) == expected


VIEWS = st.one_of(
    st.tuples(st.just("permute"), st.randoms(use_true_random=False)), st.tuples(st.just("reshape"), st.integers(1, 6)),
    st.tuples(st.just("slice"), st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(1, 2))),
    st.tuples(st.just("unsqueeze"), st.integers(0, 3)), st.tuples(st.just("squeeze"), st.none()),
    st.tuples(st.just("transpose"), st.tuples(st.integers(0, 3), st.integers(0, 3))),
    st.tuples(st.just("expand"), st.integers(1, 3)))  # fmt: skip


def step(t: Any, kind: str, arg: Any, order: list[int]) -> Any:
    n = t.ndim
    if kind == "permute":
        return t.permute(order[:n] if sorted(order[:n]) == list(range(n)) else list(range(n))[::-1])
    if kind == "reshape":
        total = t.numel()
        return t.reshape(arg, -1) if total and total % arg == 0 else t.reshape(-1)
    if kind == "slice" and n:
        return t[(slice(None),) * (arg[0] % n) + (slice(arg[1], None, arg[2]),)]
    if kind == "unsqueeze" and n < 6:
        return t.unsqueeze(arg % (n + 1))
    if kind == "squeeze":
        return t.squeeze()
    if kind == "transpose" and n:
        return t.transpose(arg[0] % n, arg[1] % n)
    if kind == "expand" and n < 6:
        return t.expand(arg, *t.shape)
    return t


@settings(max_examples=100, deadline=None)
@given(st.lists(VIEWS, max_size=6), st.permutations(range(6)))
def test_chains_of_views_equal_pytorchs(views: list[Any], order: list[int]) -> None:
    found = []
    for lib in (corten, torch):
        t = x = lib.arange(24.0, dtype=lib.float64).reshape(2, 3, 4).requires_grad_()
        for kind, arg in views:
            t = step(t, kind, arg, order)
        (t * t * 0.5).sum().backward()
        found.append((tuple(t.shape), t.is_contiguous(), t.detach().numpy(), x.grad.numpy()))
    assert found[0][:2] == found[1][:2]
    np.testing.assert_array_equal(found[0][2], found[1][2])
    np.testing.assert_array_equal(found[0][3], found[1][3])


def test_view_refuses_a_copy_and_reshape_makes_it() -> None:
    x = corten.arange(6).reshape(2, 3).t()
    with pytest.raises(RuntimeError, match="reshape"):
        x.view(6)
    assert x.reshape(6).tolist() == [0, 3, 1, 4, 2, 5]
    assert x.view(3, 2, 1).data_ptr() == x.data_ptr()


@pytest.mark.parametrize(
    ("call", "error"),
    [(lambda x: x.reshape(4, 2), RuntimeError), (lambda x: x.reshape(-1, -1), RuntimeError), (lambda x: x.permute(0, 0), RuntimeError),
     (lambda x: x.transpose(0, 2), IndexError), (lambda x: x[2], IndexError), (lambda x: x[0, 0, 0], IndexError),
     (lambda x: x.unsqueeze(4), IndexError), (lambda x: x.expand(3, 3), RuntimeError), (lambda x: x.sum(2), IndexError),
     (lambda x: x[::-1], ValueError), (lambda x: x @ x, RuntimeError), (lambda x: x.narrow(0, 1, 2), RuntimeError),
     (lambda x: x.reshape("a"), TypeError),
     (lambda x: x["a"], (IndexError, TypeError)), (lambda x: x[1.5], (IndexError, TypeError)), (lambda x: x.view(-2, -3), RuntimeError)])
def test_impossible_shapes_raise_pytorchs_types(call: Any, error: Any) -> None:
    for lib in (corten, torch):
        with pytest.raises(error):
            call(lib.zeros(2, 3))


@pytest.mark.parametrize("shape", [(2**62,), (2**31, 2**31), (2**40, 2**40), (10**9, 10**9)])
def test_sizes_beyond_memory_raise(shape: tuple[int, ...]) -> None:
    with pytest.raises((MemoryError, RuntimeError)):
        corten.empty(shape)
    with pytest.raises((MemoryError, RuntimeError)):
        corten.zeros(1).expand(shape).clone()


def test_sizes_are_tuples() -> None:
    shape = corten.zeros(2, 3).shape
    assert shape == (2, 3)
    assert isinstance(shape, tuple)
    assert shape.numel() == 6
    assert isinstance(shape[:1], corten.Size)
    assert hash(shape) == hash((2, 3))
    assert corten.zeros(()).shape == ()


def test_a_shape_function_is_asked_once_for_each_shape() -> None:
    """Layers of several sizes take turns in every step: their outcomes must not push each other out."""
    from corten._core import core

    asked = []
    probe = core.Op("shape_probe(input) -> out", shape=lambda x: asked.append(x) or x, kernel="relu")
    try:
        inputs = [corten.ones(n, 3) for n in (1, 2, 5, 64, 100, 1000)]
        for _ in range(8):
            for x in inputs:
                assert probe(x).shape == x.shape
        settled = len(asked)
        for _ in range(8):
            for x in inputs:
                probe(x)
        assert len(asked) == settled
        assert set(asked) == {(n, 3) for n in (1, 2, 5, 64, 100, 1000)}
    finally:
        del core.REGISTRY["shape_probe"]
