"""Rows C1, C2 and C9: k-means, support vectors, neighbours, density clustering, mixtures; three sizes each."""

import numpy as np
import sklearn.cluster
import sklearn.mixture
import sklearn.neighbors
import sklearn.svm
from sklearn.datasets import make_blobs, make_classification

from corten.learn import cluster, mixture, neighbors, svm


def _close(name, tol):
    def check(ours, peer):
        a, b = float(getattr(ours, name)), float(getattr(peer, name))
        assert abs(a - b) <= tol * abs(b), f"{name}: {a} and {b}"

    return check


def kmeans(dtype=np.float32):
    """C1: fixed start, 30 iterations."""
    for n in (50_000, 100_000, 200_000):
        X = np.random.default_rng(0).normal(size=(n, 32)).astype(dtype)
        kw = dict(n_clusters=64, init=X[:64].copy(), n_init=1, max_iter=30, tol=0)
        yield (
            f"C1 KMeans {n} x 32, k 64, {np.dtype(dtype).name}",
            lambda X=X, kw=kw: cluster.KMeans(**kw).fit(X),
            {"sklearn": lambda X=X, kw=kw: sklearn.cluster.KMeans(**kw).fit(X)},
            _close("inertia_", 1e-4),
        )


def svc():
    """C2: rbf, 50 features."""
    for n in (10_000, 20_000, 40_000):
        X, y = make_classification(n, 50, n_informative=20, random_state=0)
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        yield (
            f"C2 SVC rbf {n} x 50",
            lambda X=X, y=y: svm.SVC().fit(X, y),
            {"sklearn": lambda X=X, y=y: sklearn.svm.SVC().fit(X, y)},
            lambda a, b: np.testing.assert_allclose(a.intercept_, b.intercept_, atol=5e-3),
        )


def brute(dtype=np.float32):
    """C9: 10 neighbours of 10k queries."""
    rng = np.random.default_rng(0)
    Q = rng.normal(size=(10_000, 32)).astype(dtype)
    for n in (10_000, 20_000, 40_000):
        Y = rng.normal(size=(n, 32)).astype(dtype)
        yield (
            f"C9 brute {n} against 10000",
            lambda Y=Y: neighbors.NearestNeighbors(n_neighbors=10, algorithm="brute").fit(Y).kneighbors(Q)[1],
            {"sklearn": lambda Y=Y: sklearn.neighbors.NearestNeighbors(n_neighbors=10, algorithm="brute").fit(Y).kneighbors(Q)[1]},
            np.testing.assert_array_equal,
        )


def density():
    """C9: DBSCAN in 8 dimensions."""
    for n in (5_000, 10_000, 20_000):
        X = make_blobs(n, 8, centers=10, random_state=0)[0]
        yield (
            f"C9 DBSCAN {n} x 8",
            lambda X=X: cluster.DBSCAN(1.5).fit(X),
            {"sklearn": lambda X=X: sklearn.cluster.DBSCAN(1.5).fit(X)},
            lambda a, b: np.testing.assert_array_equal(a.labels_, b.labels_),
        )


def gaussians():
    """C9: 8 full components in 16 dimensions."""
    for n in (12_500, 25_000, 50_000):
        X = make_blobs(n, 16, centers=8, cluster_std=4.0, random_state=0)[0]
        kw = dict(n_components=8, random_state=0)
        yield (
            f"C9 GaussianMixture {n} x 16",
            lambda X=X, kw=kw: mixture.GaussianMixture(**kw).fit(X),
            {"sklearn": lambda X=X, kw=kw: sklearn.mixture.GaussianMixture(**kw).fit(X)},
            _close("lower_bound_", 1e-6),
        )


ROWS = (kmeans, svc, brute, density, gaussians)
