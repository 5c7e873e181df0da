"""Covariance and random projections against float64 and scikit-learn."""

import numpy as np
import pytest
import sklearn.decomposition as theirs

import corten
from corten.learn import decomposition as ours
from corten.learn.linear_model._moments import moments
from corten.learn.linear_model._thin import times, transposed_times

SHAPES = [(1, 1, 1), (7, 3, 2), (500, 61, 17), (2100, 9, 33), (130, 700, 5), (3000, 200, 30)]


def strided(X, layout):
    """The same numbers, laid out otherwise."""
    if layout == "C":
        return X
    if layout == "F":
        return np.asfortranarray(X)
    wide = np.full((X.shape[0], X.shape[1] + 3), np.nan, X.dtype)
    wide[:, 1:-2] = X
    return wide[:, 1:-2]


@pytest.mark.parametrize("layout", ["C", "F", "slice"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_thin_products(shape, dtype, layout):
    n, p, K = shape
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p)).astype(dtype)
    Q, Y = rng.standard_normal((p, K)).astype(dtype), rng.standard_normal((n, K)).astype(dtype)
    mean = rng.standard_normal(p).astype(dtype)
    eps = 20 * np.finfo(dtype).eps
    for shift in (None, mean):
        exact = X.astype(float) - (0 if shift is None else shift)
        size = np.abs(exact)
        given = strided(X, layout)
        assert np.all(np.abs(times(given, shift, Q) - exact @ Q) <= eps * (1 + size @ np.abs(Q)) * (1 + np.log(p)))
        assert np.all(
            np.abs(transposed_times(given, shift, Y) - exact.T @ Y) <= eps * (3 + size.T @ np.abs(Y)) * (1 + np.log(n))
        )


@pytest.mark.parametrize("layout", ["C", "slice"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 1), (200, 5), (1500, 24), (900, 101), (4000, 37)], ids=str)
def test_moments(shape, dtype, layout):
    n, p = shape
    rng = np.random.default_rng(1)
    X = (rng.standard_normal((n, p)) * rng.uniform(0.1, 3, p) + 5).astype(dtype)
    Y, w = rng.standard_normal((n, 3)).astype(dtype), rng.uniform(0, 2, n).astype(dtype)
    rtol = 50 * np.finfo(dtype).eps
    for weights in (None, w):
        for targets in (None, Y):
            m = moments(strided(X, layout), targets, weights)
            one = np.ones(n) if weights is None else w.astype(float)
            centre = np.average(X.astype(float), axis=0, weights=one)
            Z = X - centre
            np.testing.assert_allclose(m.x_mean, centre, rtol=rtol)
            np.testing.assert_allclose(m.xx, Z.T @ (Z * one[:, None]), rtol=rtol, atol=rtol * n * 10)
            np.testing.assert_allclose(m.weight, one.sum(), rtol=rtol)
            np.testing.assert_allclose(m.sums, one @ X, rtol=rtol)
            if targets is not None:
                np.testing.assert_allclose(m.xy, Z.T @ (Y * one[:, None]), rtol=rtol, atol=rtol * n * 10)


def test_not_finite_reaches_the_diagonal():
    X = np.ones((300, 30), np.float32)
    X[299, 29] = np.nan
    assert not moments(X).finite()
    X[299, 29], X[0, 0] = 1, np.inf
    assert not moments(X).finite()


@pytest.mark.parametrize("n_components", [1, 4, 10, 20, 0.7, None])
def test_pca_by_covariance(n_components):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((900, 41)) @ rng.standard_normal((41, 41)) + 3
    a, b = (m.PCA(n_components, svd_solver="covariance_eigh").fit(X) for m in (ours, theirs))
    for name in (
        "components_",
        "explained_variance_",
        "explained_variance_ratio_",
        "singular_values_",
        "mean_",
        "noise_variance_",
    ):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-8, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("shape", [(800, 300), (250, 600)], ids=str)
def test_pca_by_random_projection(shape):
    rng = np.random.default_rng(3)
    X = (
        rng.standard_normal((shape[0], 12)) @ rng.standard_normal((12, shape[1]))
        + 0.01 * rng.standard_normal(shape)
        + 2
    )
    a, b = (m.PCA(8, svd_solver="randomized", random_state=0).fit(X) for m in (ours, theirs))
    for name in ("components_", "explained_variance_", "singular_values_", "mean_", "noise_variance_"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-7, atol=1e-7, err_msg=name)
    before = corten.get_num_threads()
    try:
        corten.set_num_threads(1)
        again = ours.PCA(8, svd_solver="randomized", random_state=0).fit(X)
    finally:
        corten.set_num_threads(before)
    assert (again.components_ == a.components_).all()
