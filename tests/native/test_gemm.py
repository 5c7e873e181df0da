"""Matrix products of every shape class, through the public matmul, against float64 NumPy."""

import numpy as np
import pytest

import corten
from corten._core import native

SHAPES = ([(n, n, n) for n in range(1, 70)] + [(1, 64, 784), (64, 1, 784), (64, 784, 1), (1, 1, 20000), (5, 3, 30000),
          (1, 5000, 700), (5000, 1, 700), (300, 310, 290), (513, 257, 700), (200, 2100, 40), (2100, 30, 30), (3, 700, 900),
          (40, 100, 5000), (16, 16, 9000), (256, 256, 256), (97, 70, 200), (33, 64, 784),
          (8, 512, 500), (3, 900, 300), (64, 3000, 64), (40, 600, 1100), (200, 2100, 400), (2100, 300, 40),
          (7, 3, 0), (0, 3, 3), (1, 9, 0), (33, 1, 2)])  # fmt: skip


def stored(array, transposed):
    """The same values with the columns contiguous instead of the rows."""
    t = corten.tensor(np.ascontiguousarray(array.T if transposed else array))
    return t.transpose(0, 1) if transposed else t


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
def test_every_shape_class(dtype, ta, tb):
    rng = np.random.default_rng(1)
    before = native.get_num_threads()
    try:
        for m, n, k in SHAPES:
            a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
            exact = a.astype("float64") @ b.astype("float64")
            scale = np.abs(a).astype("float64") @ np.abs(b).astype("float64") + 1e-300
            native.set_num_threads(1)
            one = corten.matmul(stored(a, ta), stored(b, tb)).numpy()
            for threads in (2,) if m == n else (2, 3, 4):
                native.set_num_threads(threads)
                several = corten.matmul(stored(a, ta), stored(b, tb)).numpy()
                assert np.array_equal(one, several), (m, n, k, threads)
            if m * n:
                assert (np.abs(one - exact) / scale).max() < (3e-6 if dtype == "float32" else 1e-14), (m, n, k)
    finally:
        native.set_num_threads(before)


@pytest.mark.parametrize("activation", [None, "relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("shape", [(1, 10, 64), (7, 33, 20), (130, 50, 300), (3, 5, 0)])
def test_bias_and_activation(shape, activation):
    m, n, k = shape
    rng = np.random.default_rng(2)
    x, w, b = rng.standard_normal((m, k)), rng.standard_normal((n, k)) / max(k, 1) ** 0.5, rng.standard_normal(n)
    y = x @ w.T + b
    y = {None: y, "relu": np.maximum(y, 0), "tanh": np.tanh(y), "sigmoid": 1 / (1 + np.exp(-y))}[activation]
    got = corten.nn.functional.linear(*map(corten.tensor, (x, w, b)), activation=activation).numpy()
    np.testing.assert_allclose(got, y, rtol=1e-12, atol=1e-12)


def test_nan_and_infinity_stay_in_their_row():
    a, b = np.ones((40, 40), "float32"), np.ones((40, 40), "float32")
    a[3, 5], a[7, 2] = np.nan, np.inf
    out = corten.matmul(corten.tensor(a), corten.tensor(b)).numpy()
    assert np.isnan(out[3]).all() and np.isinf(out[7]).all()
    assert np.isfinite(np.delete(out, (3, 7), 0)).all()
