"""OPTICS against scikit-learn's: the same order, distances and labels."""

import numpy as np
import pytest
import sklearn.cluster as theirs
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import pairwise_distances

from corten.learn import UnsupportedSetting
from corten.learn import cluster as ours


@pytest.fixture(scope="module")
def points():
    return np.vstack([make_blobs(120, 3, centers=4, random_state=0)[0], np.random.default_rng(0).uniform(-10, 10, (30, 3))])


def same_graph(a, b):
    np.testing.assert_array_equal(a.ordering_, b.ordering_)
    np.testing.assert_array_equal(a.predecessor_, b.predecessor_)
    np.testing.assert_allclose(a.reachability_, b.reachability_, rtol=1e-12)
    np.testing.assert_allclose(a.core_distances_, b.core_distances_, rtol=1e-12)
    np.testing.assert_array_equal(a.labels_, b.labels_)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"max_eps": 1.5},
        {"min_samples": 0.05, "xi": 0.1, "min_cluster_size": 10},
        {"metric": "manhattan"},
        {"metric": "chebyshev", "max_eps": 2.0},
        {"p": 3},
        {"cluster_method": "dbscan", "eps": 1.0},
        {"predecessor_correction": False},
        {"algorithm": "ball_tree"},
    ],
    ids=str,
)
def test_same_as_scikit_learn(points, settings):
    kw = {"min_samples": 8, **settings}
    a, b = ours.OPTICS(**kw).fit(points), theirs.OPTICS(**kw).fit(points)
    same_graph(a, b)
    if kw.get("cluster_method") != "dbscan":
        np.testing.assert_array_equal(a.cluster_hierarchy_, b.cluster_hierarchy_)


@pytest.mark.parametrize("settings", [{}, {"max_eps": 2.5}, {"min_samples": 2, "cluster_method": "dbscan", "eps": 1.5}], ids=str)
def test_given_distances(points, settings):
    distances = pairwise_distances(points)
    kw = {"min_samples": 8, "metric": "precomputed", **settings}
    same_graph(ours.OPTICS(**kw).fit(distances), theirs.OPTICS(**kw).fit(distances))
    with pytest.raises(ValueError, match="Precomputed matrix must be square"):
        ours.OPTICS(metric="precomputed").fit(distances[:20])
    with pytest.raises(ValueError, match="Negative values"):
        ours.OPTICS(metric="precomputed").fit(-distances)


def test_equal_distances_go_to_the_lowest_index():
    grid = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0)), axis=-1).reshape(-1, 2)
    same_graph(ours.OPTICS(min_samples=4).fit(grid), theirs.OPTICS(min_samples=4).fit(grid))


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")  # in scikit-learn's reading of the order
def test_duplicates_and_single_dimension():
    X = np.repeat(np.array([[0.0], [1.0], [5.0]]), 7, axis=0)
    same_graph(ours.OPTICS(min_samples=3).fit(X), theirs.OPTICS(min_samples=3).fit(X))


def test_moons_are_told_apart_and_nothing_is_dense_enough():
    X, y = make_moons(400, noise=0.05, random_state=0)
    labels = ours.OPTICS(min_samples=10, cluster_method="dbscan", eps=0.15).fit_predict(X)
    assert all(len(np.unique(y[labels == k])) == 1 for k in range(labels.max() + 1)) and labels.max() == 1
    with pytest.warns(UserWarning, match="All reachability values are inf"):
        assert (ours.OPTICS(max_eps=1e-9).fit(X).labels_ == -1).all()


def test_functions_and_settings(points):
    kw = dict(min_samples=6, max_eps=np.inf, metric="minkowski", p=2, metric_params=None, algorithm="auto", leaf_size=30, n_jobs=None)
    for a, b in zip(ours.compute_optics_graph(points, **kw), theirs.compute_optics_graph(points, **kw), strict=True):
        np.testing.assert_allclose(a, b)
    with pytest.raises(ValueError, match="min_samples must be no greater"):
        ours.OPTICS(min_samples=500).fit(points)
    with pytest.raises(ValueError, match="Specify an epsilon smaller"):
        ours.OPTICS(cluster_method="dbscan", max_eps=1.0, eps=2.0).fit(points)
    for settings in ({"metric": "cosine"}, {"metric": lambda a, b: 0.0}):
        with pytest.raises(UnsupportedSetting, match=rf"\[OPTICS\] {next(iter(settings))}"):
            ours.OPTICS(**settings).fit(points)
