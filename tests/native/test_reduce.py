"""Reductions over any axes and layouts: against NumPy in extended precision, bit by bit on one and two threads."""

import itertools

import numpy as np
import pytest

import corten

SHAPES = [(1,), (16,), (1000,), (70001,), (7, 10), (1000, 10), (10, 1000), (300, 700), (4, 3, 5), (20, 6, 7, 9), (5, 1, 33, 2),
          (30000, 3), (3, 100000)]  # fmt: skip
REFERENCES = {
    "sum": lambda x, a: x.sum(a),
    "mean": lambda x, a: x.mean(a),
    "amax": lambda x, a: x.max(a),
    "amin": lambda x, a: x.min(a),
    "logsumexp": lambda x, a: np.log(np.exp(x).sum(a)),
    "count_nonzero": lambda x, a: (x != 0).sum(a),
}


def layouts(x):
    """The same numbers in several memory layouts."""
    yield x
    yield np.ascontiguousarray(x.T).T
    holes = np.zeros([2 * n for n in x.shape], x.dtype)[tuple(slice(None, None, 2) for _ in x.shape)]
    holes[...] = x
    yield holes


def axes_of(ndim):
    for n in range(1, ndim + 1):
        yield from itertools.combinations(range(ndim), n)


@pytest.fixture
def threads():
    before = corten.get_num_threads()
    yield corten.set_num_threads
    corten.set_num_threads(before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_reductions(shape, dtype, threads):
    rng = np.random.default_rng(len(shape))
    x = rng.standard_normal(shape).astype(dtype)
    x[rng.random(shape) < 0.1] = 0
    wide = x.astype(np.longdouble)
    eps = np.finfo(dtype).eps
    for a in layouts(x):
        t = corten.from_numpy(a)
        for axes in axes_of(len(shape)) if x.size < 300000 else [(0,), (1,)]:
            for name, reference in REFERENCES.items():
                want = np.asarray(reference(wide, axes))
                seen = set()
                for n in (1, 2):
                    threads(n)
                    got = getattr(t, name)(axes).numpy()
                    seen.add(got.tobytes())
                assert len(seen) == 1, (name, axes)
                if name in ("sum", "mean"):
                    room = 4 * eps * reference(np.abs(wide), axes)
                elif name == "logsumexp":
                    room = 8 * eps * (np.abs(want) + 1)
                else:
                    room = 0
                assert np.all(np.abs(got - want) <= room), (name, axes, a.strides)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_long_sums_do_not_drift(dtype):
    x = (np.random.default_rng(0).standard_normal(3_000_000) + 1000).astype(dtype)
    exact = x.astype(np.longdouble).sum()
    assert abs(corten.from_numpy(x).sum().item() - exact) <= np.finfo(dtype).eps * exact
    column = np.repeat(x[:1_000_000, None], 2, 1)
    want = x[:1_000_000].astype(np.longdouble).sum().astype(dtype)
    assert np.allclose(corten.from_numpy(column).sum(0).numpy(), want, rtol=np.finfo(dtype).eps)


@pytest.mark.parametrize("n", [3, 17, 1000, 300000])
@pytest.mark.parametrize("name", ["amax", "amin", "sum", "mean", "logsumexp"])
def test_nan_comes_through(name, n):
    for position in (0, n // 2, n - 1):
        x = np.random.default_rng(n).standard_normal(n).astype(np.float32)
        x[position] = np.nan
        assert np.isnan(getattr(corten.from_numpy(x), name)(0).item())
        y = np.stack([x, np.ones_like(x), x], 1)
        assert np.isnan(getattr(corten.from_numpy(y), name)(0).numpy()).tolist() == [True, False, True]


@pytest.mark.parametrize("n", [2, 40, 5000])
def test_infinities(n):
    x = np.zeros(n, np.float32)
    x[0], x[1] = np.inf, -np.inf
    t = corten.from_numpy(x)
    assert t.amax(0).item() == np.inf and t.amin(0).item() == -np.inf
    assert np.isnan(t.sum().item()) and t.logsumexp(0).item() == np.inf
    assert corten.full((n,), -np.inf).logsumexp(0).item() == -np.inf


def test_empty():
    x = corten.zeros((0, 3))
    assert x.sum(0).tolist() == [0, 0, 0] and x.prod(0).tolist() == [1, 1, 1]
    assert np.isnan(x.mean(0).numpy()).all() and x.sum(1).shape == (0,)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_arguments_are_the_first_of_equals(shape, threads):
    rng = np.random.default_rng(1)
    for fill in ("ties", "nan"):
        x = np.round(rng.standard_normal(shape)).astype(np.float32)
        if fill == "nan":
            x[rng.random(shape) < 0.02] = np.nan
        for a in layouts(x):
            t = corten.from_numpy(a)
            for axis in (None, *range(len(shape))):
                for n in (1, 2):
                    threads(n)
                    assert np.array_equal(t.argmax(axis).numpy(), np.argmax(x, axis))
                    assert np.array_equal(t.argmin(axis).numpy(), np.argmin(x, axis))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.bool_])
def test_integers(dtype):
    rng = np.random.default_rng(2)
    x = rng.integers(0, 2 if dtype == np.bool_ else 100, (6, 50, 7)).astype(dtype)
    for a in layouts(x):
        t = corten.from_numpy(a)
        for axes in axes_of(3):
            assert np.array_equal(t.sum(axes).numpy(), x.sum(axes, dtype=np.int64))
            assert np.array_equal(t.any(axes).numpy(), x.any(axes))
            assert np.array_equal(t.all(axes).numpy(), x.all(axes))
            if dtype != np.bool_:
                assert np.array_equal(t.amax(axes).numpy(), x.max(axes))
                assert np.array_equal(t.amin(axes).numpy(), x.min(axes))
        if dtype != np.bool_:
            assert np.array_equal(t.argmax(1).numpy(), x.argmax(1))
