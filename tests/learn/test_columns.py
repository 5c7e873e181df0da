"""Decomposition, scaling and naive Bayes against scikit-learn and NumPy."""

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.decomposition as sk_decomposition
import sklearn.naive_bayes as sk_bayes
import sklearn.preprocessing as sk_preprocessing
from real_data import california, letters, mnist, polarity

from corten.learn import covariance, decomposition, naive_bayes, preprocessing

LOOSE = {np.float64: 1e-9, np.float32: 1e-4}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "parameters", [{"svd_solver": "covariance_eigh"}, {"svd_solver": "full"}, {"svd_solver": "randomized"}, {}]
)
@pytest.mark.parametrize("whiten", [False, True])
def test_pca(parameters, whiten, dtype):
    X = mnist(1500)[0][:, 300:400].astype(dtype) + dtype(3)
    p = {"n_components": 5, "whiten": whiten, "random_state": 0, **parameters}
    a, b = decomposition.PCA(**p).fit(X), sk_decomposition.PCA(**p).fit(X.astype(np.float64))
    assert a.components_.dtype == a.transform(X).dtype == dtype
    for name in ("explained_variance_", "explained_variance_ratio_", "singular_values_", "mean_", "noise_variance_"):
        np.testing.assert_allclose(
            getattr(a, name), getattr(b, name), rtol=10 * LOOSE[dtype], atol=LOOSE[dtype], err_msg=name
        )
    np.testing.assert_allclose(a.components_, b.components_, atol=30 * LOOSE[dtype])
    np.testing.assert_allclose(a.transform(X), b.transform(X.astype(np.float64)), atol=200 * LOOSE[dtype])
    np.testing.assert_allclose(a.fit_transform(X), b.fit_transform(X.astype(np.float64)), atol=200 * LOOSE[dtype])


def test_pca_far_from_the_origin_and_by_share_of_variance():
    X = california()[0][:2000] + 1e7
    a, b = decomposition.PCA(0.9).fit(X), sk_decomposition.PCA(0.9, svd_solver="full").fit(X)
    assert a.n_components_ == b.n_components_
    np.testing.assert_allclose(a.explained_variance_, b.explained_variance_, rtol=1e-6)


def test_truncated_svd():
    X, _ = polarity(400)
    a = decomposition.TruncatedSVD(8, random_state=0).fit(X)
    b = sk_decomposition.TruncatedSVD(8, random_state=0).fit(X)
    np.testing.assert_allclose(a.singular_values_, b.singular_values_, rtol=1e-8)
    np.testing.assert_allclose(a.transform(X), b.transform(X), atol=1e-6)
    np.testing.assert_allclose(a.explained_variance_ratio_, b.explained_variance_ratio_, rtol=1e-6)
    dense = decomposition.TruncatedSVD(8, random_state=0).fit(X[:, :500].toarray())
    assert dense.components_.shape == (8, 500)


def with_holes(X):
    X = X.copy()
    X[np.random.default_rng(0).uniform(size=X.shape) < 0.1] = np.nan
    X[:, 2] = 7.25  # constant
    return X


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ["StandardScaler", "MinMaxScaler", "RobustScaler"])
def test_scalers(name, dtype):
    X = with_holes(california()[0][:3001] * np.arange(1, 9) + 100 * np.arange(8)).astype(dtype)
    a, b = getattr(preprocessing, name)().fit(X), getattr(sk_preprocessing, name)().fit(X)
    out = a.transform(X)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, b.transform(X), atol=1e-10 if dtype == np.float64 else 2e-3)
    np.testing.assert_allclose(a.inverse_transform(out), X, rtol=0, atol=1e-10 if dtype == np.float64 else 1e-3)
    for attribute in ("mean_", "var_", "scale_", "min_", "center_", "n_samples_seen_"):
        if hasattr(b, attribute):
            np.testing.assert_allclose(
                getattr(a, attribute),
                getattr(b, attribute),
                rtol=1e-9 if dtype == np.float64 else 1e-4,
                err_msg=attribute,
            )
    bad = X.copy()
    bad[5, 1] = np.inf
    for broken in (lambda: a.transform(bad), lambda: getattr(preprocessing, name)().fit(bad)):
        with pytest.raises(ValueError, match="infinity"):
            broken()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the peer
def test_standard_scaler_in_pieces_with_weights():
    X = with_holes(california()[0][:999])
    w = np.random.default_rng(0).uniform(size=999)
    for weights in (None, w):
        a, b = preprocessing.StandardScaler(), sk_preprocessing.StandardScaler()
        for part in np.array_split(np.arange(999), 4):
            share = None if weights is None else weights[part]
            a.partial_fit(X[part], sample_weight=share)
            b.partial_fit(X[part], sample_weight=share)
        np.testing.assert_allclose(a.mean_, b.mean_, rtol=1e-9)
        np.testing.assert_allclose(a.var_, b.var_, rtol=1e-9, atol=1e-12)


def test_scaler_in_place():
    X = california()[0].copy()
    assert preprocessing.StandardScaler(copy=False).fit(X).transform(X) is X


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_naive_bayes(dtype):
    X, y = letters(3000)
    X = X.astype(dtype)
    for name, data in (
        ("GaussianNB", X),
        ("MultinomialNB", X),
        ("MultinomialNB", sp.csr_matrix(X)),
        ("BernoulliNB", X - 4),
    ):
        a, b = getattr(naive_bayes, name)().fit(data, y), getattr(sk_bayes, name)().fit(data, y)
        np.testing.assert_allclose(
            a.predict_proba(data), b.predict_proba(data), atol=1e-9 if dtype == np.float64 else 2e-3
        )
        assert np.mean(a.predict(data) == b.predict(data)) > 0.999
    weights = np.random.default_rng(0).uniform(size=len(y))
    a, b = (m.GaussianNB().fit(X, y, sample_weight=weights) for m in (naive_bayes, sk_bayes))
    np.testing.assert_allclose(a.var_, b.var_, rtol=1e-6 if dtype == np.float64 else 1e-3)


def test_outliers():
    X = california()[0]
    model = covariance.IQROutlierDetector(factor=2.0, max_outside=1).fit(X)
    low, high = np.percentile(X, [25, 75], axis=0)
    outside = ((low - 2 * (high - low) > X) | (high + 2 * (high - low) < X)).sum(axis=1)
    np.testing.assert_array_equal(model.predict(X), np.where(outside > 1, -1, 1))
    assert 0 < np.mean(model.predict(X) == -1) < 0.2
    holes = X.copy()
    holes[0] = np.nan
    assert model.predict(holes)[0] == 1
    with pytest.raises(ValueError, match=r"\[IQROutlierDetector\] got quantile_range=\(75, 25\)"):
        covariance.IQROutlierDetector(quantile_range=(75, 25)).fit(X)
