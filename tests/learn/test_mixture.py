"""Gaussian mixtures against scikit-learn's and SciPy's densities."""

import numpy as np
import pytest
import sklearn.mixture as peer
from scipy.stats import multivariate_normal
from sklearn.datasets import make_blobs

from corten._core import native
from corten.learn.mixture import GaussianMixture

KINDS = ["full", "tied", "diag", "spherical"]


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    return make_blobs(3000, 4, centers=3, cluster_std=2.0, random_state=0)[0] @ rng.normal(size=(4, 4))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("init", ["kmeans", "random", "k-means++", "random_from_data"])
def test_same_likelihood_as_scikit_learn(blobs, kind, init):
    kw = dict(n_components=3, covariance_type=kind, init_params=init, random_state=1, max_iter=300)
    ours, theirs = GaussianMixture(**kw).fit(blobs), peer.GaussianMixture(**kw).fit(blobs)
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.lower_bound_ == pytest.approx(theirs.lower_bound_, rel=1e-8)
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(ours.predict_proba(blobs), theirs.predict_proba(blobs), atol=1e-6)
    assert ours.bic(blobs) == pytest.approx(theirs.bic(blobs)) and ours.aic(blobs) == pytest.approx(theirs.aic(blobs))


def test_density_is_the_formula(blobs):
    est = GaussianMixture(3, random_state=0).fit(blobs)
    parts = [w * multivariate_normal(m, c).pdf(blobs) for w, m, c in zip(est.weights_, est.means_, est.covariances_, strict=True)]
    np.testing.assert_allclose(est.score_samples(blobs), np.log(np.sum(parts, axis=0)), rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_stays_and_agrees(blobs, kind):
    kw = dict(n_components=3, covariance_type=kind, means_init=blobs[:3], random_state=0)
    single, double = GaussianMixture(**kw).fit(blobs.astype(np.float32)), GaussianMixture(**kw).fit(blobs)
    assert single.means_.dtype == np.float32 and single.score_samples(blobs.astype(np.float32)).dtype == np.float32
    assert single.lower_bound_ == pytest.approx(double.lower_bound_, abs=1e-3)


def test_any_number_of_threads_gives_the_same_bits(blobs):
    before, found = native.get_num_threads(), []
    try:
        for n in (1, 2, 4):
            native.set_num_threads(n)
            est = GaussianMixture(3, random_state=0).fit(blobs)
            found.append(est.means_.tobytes() + est.covariances_.tobytes())
    finally:
        native.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_far_from_the_origin_nothing_is_lost(blobs):
    near = GaussianMixture(3, means_init=blobs[:3], random_state=0).fit(blobs)
    far = GaussianMixture(3, means_init=blobs[:3] + 1e6, random_state=0).fit(blobs + 1e6)
    np.testing.assert_allclose(near.covariances_, far.covariances_, rtol=1e-4)


def test_collapsed_components_raise():
    with pytest.raises(ValueError, match="ill-defined empirical covariance"):
        GaussianMixture(2, reg_covar=0.0, random_state=0).fit(np.zeros((10, 2)) + np.arange(10)[:, None] % 2)


def test_sampling(blobs):
    est = GaussianMixture(3, random_state=0).fit(blobs)
    X, labels = est.sample(20000)
    np.testing.assert_allclose(X.mean(axis=0), est.weights_ @ est.means_, atol=0.15)
    assert np.bincount(labels).sum() == 20000
