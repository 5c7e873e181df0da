"""Clusterers against scikit-learn's and against formulas."""

import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.cluster as peer
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import kneighbors_graph

from corten._core import native
from corten.learn import UnsupportedSetting
from corten.learn.cluster import (
    DBSCAN,
    AgglomerativeClustering,
    KMeans,
    MiniBatchKMeans,
    _neighbourhoods,
    kmeans_plusplus,
)

DATA = Path(os.environ.get("CORTEN_DATA", "data"))


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(1500, 5, centers=7, cluster_std=1.5, random_state=0)[0]


@pytest.fixture(scope="module")
def letter():
    path = DATA / "letter" / "letter-recognition.data"
    if not path.exists():
        pytest.skip("letter data not found; set CORTEN_DATA")
    return np.loadtxt(path, delimiter=",", usecols=range(1, 17))[:4000]


@pytest.fixture
def threads():
    before = native.get_num_threads()
    yield native.set_num_threads
    native.set_num_threads(before)


@pytest.mark.parametrize("algorithm", ["lloyd", "elkan"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_kmeans_from_a_fixed_start_is_scikit_learns(blobs, algorithm, dtype, weighted):
    X = blobs.astype(dtype)
    weight = np.random.default_rng(0).uniform(0.2, 2, len(X)) if weighted else None
    kw = dict(n_clusters=7, init=X[:7].copy(), n_init=1, algorithm=algorithm, tol=0, max_iter=50)
    ours, theirs = KMeans(**kw).fit(X, sample_weight=weight), peer.KMeans(**kw).fit(X, sample_weight=weight)
    assert ours.cluster_centers_.dtype == dtype
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-4 if dtype == np.float32 else 1e-10)
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-5)
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_array_equal(ours.predict(X), ours.labels_)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (37, 3), (700, 65), (300, 600)], ids=str)
def test_greedy_start_is_scikit_learns(shape, dtype):
    rng = np.random.default_rng(4)
    X = rng.standard_normal(shape).astype(dtype)
    weight = rng.integers(1, 4, len(X)).astype(dtype)
    for trials in (1, 3, 8):
        kw = dict(n_clusters=min(20, len(X)), random_state=1, n_local_trials=trials, sample_weight=weight)
        ours, theirs, sparse = kmeans_plusplus(X, **kw), peer.kmeans_plusplus(X, **kw), kmeans_plusplus(sp.csr_matrix(X), **kw)
        np.testing.assert_array_equal(ours[1], theirs[1])
        np.testing.assert_array_equal(sparse[1], theirs[1])


def test_inertia_is_the_sum_of_squares(letter):
    est = KMeans(26, random_state=0).fit(letter)
    direct = ((letter - est.cluster_centers_[est.labels_]) ** 2).sum()
    assert est.inertia_ == pytest.approx(direct, rel=1e-12)
    nearest = ((letter[:, None] - est.cluster_centers_) ** 2).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(est.labels_, nearest)


def test_same_random_state_same_start_as_scikit_learn(letter):
    ours, theirs = (f(letter, 30, random_state=3)[1] for f in (kmeans_plusplus, peer.kmeans_plusplus))
    np.testing.assert_array_equal(ours, theirs)
    a, b = KMeans(26, random_state=1).fit(letter), peer.KMeans(26, random_state=1).fit(letter)
    # points of small integers lie at equal distances from centres; rounding, also the peer's BLAS, breaks these ties
    assert a.inertia_ == pytest.approx(b.inertia_, rel=1e-3)


def test_kmeans_csr_equals_dense(blobs):
    X = np.where(np.abs(blobs) < 3, 0, blobs)
    for algorithm in ("lloyd", "elkan"):
        kw = dict(n_clusters=5, init=X[:5].copy(), n_init=1, algorithm=algorithm)
        dense, sparse = KMeans(**kw).fit(X), KMeans(**kw).fit(sp.csr_matrix(X))
        np.testing.assert_array_equal(dense.labels_, sparse.labels_)
        np.testing.assert_allclose(dense.cluster_centers_, sparse.cluster_centers_, atol=1e-9)
        assert dense.inertia_ == pytest.approx(sparse.inertia_, rel=1e-10)


def test_fewer_distinct_points_than_clusters_warns():
    X = np.repeat([[0.0, 0.0], [1.0, 1.0]], 10, axis=0)
    with pytest.warns(ConvergenceWarning, match="Number of distinct clusters"):
        est = KMeans(4, random_state=0).fit(X)
    assert est.inertia_ == 0


def test_an_empty_cluster_gets_the_farthest_point():
    X = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [30.0]])
    init = np.array([[0.0], [9.0], [500.0]])
    ours = KMeans(3, init=init, n_init=1).fit(X)
    assert np.unique(ours.labels_).size == 3
    np.testing.assert_allclose(np.sort(ours.cluster_centers_.ravel()), [0.1, 9.05, 30.0])


@pytest.mark.parametrize("kind", ["kmeans", "elkan", "minibatch", "dbscan", "ward"])
def test_any_number_of_threads_gives_the_same_bits(blobs, threads, kind):
    make = {
        "kmeans": lambda: KMeans(9, random_state=0),
        "elkan": lambda: KMeans(9, random_state=0, algorithm="elkan"),
        "minibatch": lambda: MiniBatchKMeans(9, random_state=0),
        "dbscan": lambda: DBSCAN(1.0),
        "ward": lambda: AgglomerativeClustering(5, compute_distances=True),
    }[kind]
    X = np.vstack([blobs, blobs + 0.1, blobs - 0.3]).astype(np.float32)
    results = []
    for n in (1, 2, 5):
        threads(n)
        est = make().fit(X)
        results.append((est.labels_.tobytes(), getattr(est, "cluster_centers_", est.labels_).tobytes()))
    assert results[0] == results[1] == results[2]


def test_minibatch_comes_near_kmeans(blobs):
    full = KMeans(7, random_state=0, n_init=3).fit(blobs)
    mini = MiniBatchKMeans(7, random_state=0, n_init=3).fit(blobs)
    assert mini.inertia_ < 1.15 * full.inertia_
    part = MiniBatchKMeans(7, random_state=0)
    for i in range(0, 1500, 300):
        part.partial_fit(blobs[i : i + 300])
    assert part.n_steps_ == 5


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev", "cosine"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dbscan_is_scikit_learns(blobs, metric, dtype):
    X = blobs.astype(dtype)
    eps = {"euclidean": 1.1, "manhattan": 2.0, "chebyshev": 0.8, "cosine": 0.005}[metric]
    ours, theirs = DBSCAN(eps, metric=metric).fit(X), peer.DBSCAN(eps, metric=metric).fit(X)
    assert 0 < (theirs.labels_ < 0).sum() < len(X)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    np.testing.assert_array_equal(ours.core_sample_indices_, theirs.core_sample_indices_)


def test_dbscan_weights_duplicates_and_real_data(letter):
    weight = np.random.default_rng(0).integers(0, 4, len(letter)).astype(float)
    ours = DBSCAN(3.0, min_samples=6).fit(letter, sample_weight=weight)
    theirs = peer.DBSCAN(3.0, min_samples=6).fit(letter, sample_weight=weight)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)


def test_unknown_metric_raises_by_name(blobs):
    with pytest.raises(UnsupportedSetting, match="canberra"):
        DBSCAN(metric="canberra").fit(blobs)


@pytest.mark.parametrize("linkage", ["ward", "complete", "average", "single"])
def test_agglomerative_is_scikit_learns(blobs, linkage):
    kw = dict(linkage=linkage, compute_distances=True)
    ours, theirs = (c(8, **kw).fit(blobs[:400]) for c in (AgglomerativeClustering, peer.AgglomerativeClustering))
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    np.testing.assert_array_equal(ours.children_, theirs.children_)
    np.testing.assert_allclose(ours.distances_, theirs.distances_, rtol=1e-9)
    cut = float(np.quantile(theirs.distances_, 0.95))
    a = AgglomerativeClustering(None, distance_threshold=cut, linkage=linkage).fit(blobs[:400])
    b = peer.AgglomerativeClustering(None, distance_threshold=cut, linkage=linkage).fit(blobs[:400])
    assert a.n_clusters_ == b.n_clusters_
    np.testing.assert_array_equal(a.labels_, b.labels_)


@pytest.mark.parametrize("linkage", ["ward", "complete", "average", "single"])
def test_agglomerative_along_a_graph(blobs, linkage):
    X = blobs[:300]
    graph = kneighbors_graph(X, 12)
    both = (AgglomerativeClustering, peer.AgglomerativeClustering)
    for settings in ({}, {"compute_full_tree": False}, {"n_clusters": None, "distance_threshold": 6.0}):
        kw = {"n_clusters": 5, "linkage": linkage, "connectivity": graph, "compute_distances": True, **settings}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "the number of connected components")
            a, b = (cls(**kw).fit(X) for cls in both)
        np.testing.assert_array_equal(a.labels_, b.labels_)
        np.testing.assert_array_equal(a.children_, b.children_)
        np.testing.assert_allclose(a.distances_, b.distances_)
        assert (a.n_clusters_, a.n_connected_components_) == (b.n_clusters_, b.n_connected_components_)
    parted = [sp.block_diag([np.ones((150, 150))] * 2)] * 2
    parted[1] = lambda X: parted[0]
    for connectivity in parted:
        with pytest.warns(UserWarning, match="number of connected components of the connectivity matrix is 2"):
            labels = AgglomerativeClustering(2, linkage=linkage, connectivity=connectivity).fit(X).labels_
        assert len(np.unique(labels)) == 2


@pytest.mark.parametrize("linkage", ["complete", "average", "single"])
def test_agglomerative_of_given_distances(blobs, linkage):
    X = blobs[:200]
    distances, graph = pairwise_distances(X), kneighbors_graph(X, 40)
    for connectivity in (None, graph):
        kw = {"linkage": linkage, "metric": "precomputed", "compute_distances": True, "connectivity": connectivity}
        a, b = (cls(6, **kw).fit(distances) for cls in (AgglomerativeClustering, peer.AgglomerativeClustering))
        np.testing.assert_array_equal(a.labels_, b.labels_)
        np.testing.assert_array_equal(a.children_, b.children_)
        np.testing.assert_allclose(a.distances_, b.distances_)
    with pytest.raises(ValueError, match="should be square"):
        AgglomerativeClustering(linkage=linkage, metric="precomputed").fit(distances[:9])


@pytest.mark.parametrize("weighted", [False, True])
def test_dbscan_of_given_distances(blobs, weighted):
    X = np.vstack([blobs[:700], blobs[:50]])
    weight = np.random.default_rng(0).integers(0, 4, len(X)) if weighted else None
    distances = pairwise_distances(X)
    for eps in (0.01, 0.9, 1.2, 30.0):
        a, b = (cls(eps, metric="precomputed").fit(distances, sample_weight=weight) for cls in (DBSCAN, peer.DBSCAN))
        np.testing.assert_array_equal(a.labels_, b.labels_)
        np.testing.assert_array_equal(a.core_sample_indices_, b.core_sample_indices_)
        np.testing.assert_array_equal(a.components_, b.components_)
    with pytest.raises(ValueError, match="Precomputed matrix must be square"):
        DBSCAN(metric="precomputed").fit(distances[:20])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("weighted", [False, True])
def test_dbscan_in_many_dimensions(metric, dtype, weighted, monkeypatch):
    rng = np.random.default_rng(0)
    X = np.vstack([make_blobs(700, 20, centers=5, cluster_std=1.2, random_state=0)[0], rng.uniform(-9, 9, (60, 20))]).astype(dtype)
    weight = rng.integers(0, 4, len(X)) if weighted else None
    for eps in (5.5, 6.5) if metric == "euclidean" else (0.03, 0.05):
        theirs = peer.DBSCAN(eps, min_samples=12, metric=metric).fit(X, sample_weight=weight)
        assert 0 < (theirs.labels_ < 0).sum() < len(X)
        for algorithm in ("auto", "brute", "kd_tree"):
            for held in (1 << 22, 1000):  # in one piece, and asked twice for a few rows at a time
                monkeypatch.setattr(_neighbourhoods, "_ENTRIES", held)
                ours = DBSCAN(eps, min_samples=12, metric=metric, algorithm=algorithm).fit(X, sample_weight=weight)
                np.testing.assert_array_equal(ours.labels_, theirs.labels_)
                np.testing.assert_array_equal(ours.core_sample_indices_, theirs.core_sample_indices_)


def test_the_ball_tree_is_a_k_d_tree(blobs):
    a, b = (DBSCAN(1.1, algorithm="ball_tree").fit(blobs), peer.DBSCAN(1.1, algorithm="ball_tree").fit(blobs))
    np.testing.assert_array_equal(a.labels_, b.labels_)


def test_clone_pickle_and_save(blobs, tmp_path):
    import corten.learn

    est = KMeans(4, random_state=0).fit(blobs)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(est)).predict(blobs), est.labels_)
    assert clone(est).get_params() == est.get_params()
    est.save(tmp_path / "k.safetensors")
    np.testing.assert_array_equal(corten.learn.load(tmp_path / "k.safetensors").predict(blobs), est.labels_)
