"""Neighbour search against exhaustive float64 distances and scikit-learn."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import sklearn.neighbors as peer
from scipy.spatial.distance import cdist

from corten._core import native
from corten.learn import UnsupportedSetting
from corten.learn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    NearestNeighbors,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
    kneighbors_graph,
    radius_neighbors_graph,
)

DATA = Path(os.environ.get("CORTEN_DATA", "data"))
METRICS = ["euclidean", "manhattan", "chebyshev", "minkowski", "cosine", "sqeuclidean"]
NAMES = {"manhattan": "cityblock"}


def exhaustive(X, Y, metric, p):
    kw = {"p": p} if metric == "minkowski" else {}
    return cdist(X.astype(np.float64), Y.astype(np.float64), NAMES.get(metric, metric), **kw)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d", "k"), [(700, 4, 6), (130, 19, 100), (1, 3, 1)])
def test_nearest_is_exhaustive_search(metric, algorithm, dtype, n, d, k):
    if algorithm == "kd_tree" and metric in ("cosine", "sqeuclidean"):
        pytest.skip("no tree for it")
    rng = np.random.default_rng(n)
    Y, X = (rng.normal(1.0, 2.0, (m, d)).astype(dtype) for m in (n, 90))
    est = NearestNeighbors(n_neighbors=k, algorithm=algorithm, metric=metric, p=3).fit(Y)
    distance, index = est.kneighbors(X)
    truth = exhaustive(X, Y, metric, 3)
    np.testing.assert_allclose(distance, np.sort(truth, axis=1)[:, :k], rtol=1e-5 if dtype == np.float32 else 1e-10, atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(truth, index, 1), distance, rtol=1e-5, atol=1e-6)
    assert distance.dtype == dtype


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
def test_far_from_the_origin_nothing_is_lost(algorithm):
    rng = np.random.default_rng(0)
    Y = (1e4 + rng.normal(size=(500, 6))).astype(np.float32)
    index = NearestNeighbors(n_neighbors=3, algorithm=algorithm).fit(Y).kneighbors(Y, return_distance=False)
    np.testing.assert_array_equal(index, np.argsort(cdist(Y.astype(float), Y.astype(float)), axis=1, kind="stable")[:, :3])


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
def test_ties_go_to_the_lower_index(algorithm):
    Y = np.repeat(np.arange(5.0), 400)[:, None] * np.ones((1, 3))
    distance, index = NearestNeighbors(n_neighbors=7, algorithm=algorithm).fit(Y).kneighbors([[2.0, 2.0, 2.0]])
    np.testing.assert_array_equal(index, [np.arange(800, 807)])
    assert (distance == 0).all()


def test_the_ball_tree_is_the_k_d_tree():
    rng = np.random.default_rng(0)
    Y, y = rng.standard_normal((300, 5)), np.arange(300) % 3
    for metric in ("euclidean", "chebyshev"):
        a, b = (KNeighborsClassifier(4, algorithm=name, metric=metric).fit(Y, y) for name in ("ball_tree", "kd_tree"))
        for mine, other in zip(a.kneighbors(Y[:40]), b.kneighbors(Y[:40]), strict=True):
            np.testing.assert_array_equal(mine, other)
        theirs = peer.KNeighborsClassifier(4, algorithm="ball_tree", metric=metric).fit(Y, y)
        np.testing.assert_array_equal(a.predict(Y), theirs.predict(Y))
        np.testing.assert_allclose(a.kneighbors(Y[:40])[0], theirs.kneighbors(Y[:40])[0])
    with pytest.raises(ValueError, match=r"Metric 'cosine' not valid.*\['ball_tree'\]"):
        NearestNeighbors(algorithm="ball_tree", metric="cosine").fit(Y)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
def test_within_a_radius(metric, algorithm):
    if algorithm == "kd_tree" and metric in ("cosine", "sqeuclidean"):
        pytest.skip("no tree for it")
    rng = np.random.default_rng(1)
    Y, X = rng.normal(size=(900, 5)), rng.normal(size=(60, 5))
    truth = exhaustive(X, Y, metric, 3)
    radius = float(np.quantile(truth, 0.1))
    est = NearestNeighbors(radius=radius, algorithm=algorithm, metric=metric, p=3).fit(Y)
    distances, indices = est.radius_neighbors(X, sort_results=True)
    for i in range(60):
        np.testing.assert_array_equal(np.sort(indices[i]), np.flatnonzero(truth[i] <= radius))
        np.testing.assert_allclose(distances[i], truth[i][indices[i]], rtol=1e-9, atol=1e-12)


def test_the_boundary_is_inside():
    Y = np.arange(10.0)[:, None]
    for algorithm in ("brute", "kd_tree"):
        found = NearestNeighbors(radius=2.0, algorithm=algorithm).fit(Y).radius_neighbors([[5.0]], return_distance=False)
        np.testing.assert_array_equal(np.sort(found[0]), [3, 4, 5, 6, 7])


def test_graphs_are_scikit_learns():
    X = np.random.default_rng(0).normal(size=(80, 3))
    for mode in ("connectivity", "distance"):
        for include in (True, False):
            a, b = (f(X, 4, mode=mode, include_self=include) for f in (kneighbors_graph, peer.kneighbors_graph))
            np.testing.assert_allclose(a.toarray(), b.toarray())
            a, b = (f(X, 0.8, mode=mode, include_self=include) for f in (radius_neighbors_graph, peer.radius_neighbors_graph))
            np.testing.assert_allclose(a.toarray(), b.toarray())


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
def test_classification_and_regression_on_real_data(weights, algorithm):
    path = DATA / "tabular_small" / "mammography.csv"
    if not path.exists():
        pytest.skip("mammography data not found; set CORTEN_DATA")
    raw = np.loadtxt(path, delimiter=",", dtype=str)
    X, y = raw[:, :6].astype(float), raw[:, 6]
    kw = dict(weights=weights, algorithm=algorithm)
    ours, theirs = (m(7, **kw).fit(X[::2], y[::2]) for m in (KNeighborsClassifier, peer.KNeighborsClassifier))
    assert (ours.predict(X[1::2]) == theirs.predict(X[1::2])).mean() > 0.999
    ours, theirs = (m(7, **kw).fit(X[:2000, 1:], X[:2000, 0]) for m in (KNeighborsRegressor, peer.KNeighborsRegressor))
    same = np.isclose(ours.predict(X[4000:5000, 1:]), theirs.predict(X[4000:5000, 1:]), atol=1e-8)
    assert same.mean() > 0.95  # duplicated rows tie, and scikit-learn takes any of them


def test_radius_estimators_are_scikit_learns():
    rng = np.random.default_rng(0)
    X, Q = rng.normal(size=(300, 3)), rng.normal(size=(50, 3))
    y = (X[:, 0] > 0).astype(int)
    a, b = (m(1.5, outlier_label=1).fit(X, y) for m in (RadiusNeighborsClassifier, peer.RadiusNeighborsClassifier))
    np.testing.assert_allclose(a.predict_proba(Q), b.predict_proba(Q))
    a, b = (m(1.5, weights="distance").fit(X, X[:, 1]) for m in (RadiusNeighborsRegressor, peer.RadiusNeighborsRegressor))
    with pytest.warns(UserWarning, match="no neighbors"):
        np.testing.assert_allclose(a.predict(np.vstack([Q, [[99.0, 0, 0]]]))[:50], b.predict(Q))


def test_threads_pickle_save_and_names(tmp_path):
    import corten.learn

    X = np.random.default_rng(0).normal(size=(5000, 20)).astype(np.float32)
    before, found = native.get_num_threads(), []
    try:
        for n in (1, 2, 4):
            native.set_num_threads(n)
            distance, index = NearestNeighbors(n_neighbors=4).fit(X).kneighbors(X[:700])
            found.append(distance.tobytes() + index.tobytes())
    finally:
        native.set_num_threads(before)
    assert found[0] == found[1] == found[2]
    est = KNeighborsClassifier().fit(X[:200], np.arange(200) % 3)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(est)).predict(X), est.predict(X))
    est.save(tmp_path / "n.safetensors")
    np.testing.assert_array_equal(corten.learn.load(tmp_path / "n.safetensors").predict(X), est.predict(X))
    with pytest.raises(UnsupportedSetting, match="haversine"):
        NearestNeighbors(metric="haversine").fit(X[:, :2])
