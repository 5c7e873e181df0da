"""Density-based clustering."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np

from .._base import (
    ClusterMixin,
    Estimator,
    Interval,
    StrOptions,
    UnsupportedSetting,
    check_sample_weight,
    constraints,
    fit_context,
    thread_limit,
    validate_data,
)  # fmt: skip
from ..neighbors._base import plain_metric
from ..neighbors._search import Brute, Tree
from ._neighbourhoods import check_distances, dbscan_of_neighbourhoods, near_by_distances, near_by_search

_TREE_FEATURES = 15  # in more dimensions the boxes of a tree leave nothing out


def metric_points(owner, X, metric, p, metric_params, eps):
    """Points, tree metric, p and radius in which the given metric and eps become those of a tree."""
    metric, p = plain_metric(owner, metric, p, metric_params)
    if metric == "sqeuclidean":
        return X, "euclidean", 2.0, np.sqrt(eps)
    if metric == "cosine":  # 1 - cos = |u - v|^2 / 2 of unit vectors
        norm = np.sqrt(np.einsum("ij,ij->i", X, X, dtype=np.float64))
        if (norm == 0).any():
            raise UnsupportedSetting(owner, "metric", "cosine", "rows that are not zero for it")
        return np.ascontiguousarray(X / norm[:, None], dtype=X.dtype), "euclidean", 2.0, np.sqrt(2 * eps)
    return X, metric, p, eps


class DBSCAN(ClusterMixin, Estimator):
    """Clusters of core points: those with at least ``min_samples`` points within ``eps``, themselves included.

    Leaves of a k-d tree are compared with leaves, sixty-four points at a time; core points are united by a lock-free
    union-find whose result does not depend on the order. Neighbours are counted, never listed. In more than 15 dimensions
    neighbourhoods come from blocked products instead, some millions of neighbours at a time. Memory is O(n).

    Parameters
    ----------
    eps : float, default=0.5
    min_samples : int, default=5
    metric : str, default='euclidean'
        euclidean, sqeuclidean, manhattan, chebyshev, minkowski, cosine, or precomputed: X is a dense matrix of distances;
        others raise.
    metric_params : dict, default=None
    algorithm : {'auto', 'ball_tree', 'kd_tree', 'brute'}, default='auto'
        All give the same clusters. 'auto' searches by products in more than 15 dimensions, both trees are the same one;
        other metrics than euclidean and cosine always take it.
    leaf_size : int, default=30
        Accepted for compatibility.
    p : float, default=None
        Of 'minkowski'; None is 2.
    n_jobs : int, default=None

    Attributes
    ----------
    core_sample_indices_ : ndarray of shape (n_core_samples,)
    components_ : ndarray of shape (n_core_samples, n_features)
    labels_ : ndarray of shape (n_samples,)
        -1 for noise; clusters are numbered by their first core point, a border point joins the lowest of its clusters.
    n_features_in_, feature_names_in_

    References
    ----------
    Ester, Kriegel, Sander and Xu, "A density-based algorithm for discovering clusters" (1996).

    Examples
    --------
    >>> from corten.learn.cluster import DBSCAN
    >>> DBSCAN(eps=3, min_samples=2).fit([[1, 2], [2, 2], [2, 3], [8, 7], [8, 8], [25, 80]]).labels_
    array([ 0,  0,  0,  1,  1, -1])
    """

    _parameter_constraints: dict = {
        "eps": [Interval(Real, 0.0, None, closed="neither")],
        "min_samples": [Interval(Integral, 1, None, closed="left")],
        "metric": constraints("cluster.DBSCAN")["metric"],
        "metric_params": [dict, None],
        "algorithm": [StrOptions({"auto", "ball_tree", "kd_tree", "brute"})],
        "leaf_size": [Interval(Integral, 1, None, closed="left")],
        "p": [Interval(Real, 0.0, None, closed="left"), None],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self, eps=0.5, *, min_samples=5, metric="euclidean", metric_params=None, algorithm="auto", leaf_size=30,
        p=None, n_jobs=None,
    ):  # fmt: skip
        self.eps = eps
        self.min_samples = min_samples
        self.metric = metric
        self.metric_params = metric_params
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.n_jobs = n_jobs

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.metric == "precomputed"
        return tags

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """Cluster the rows of X (n_samples, n_features); y is ignored. Weights count as so many points."""
        X = validate_data(self, X, dtype=[np.float64, np.float32], order="C")
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X)
        n = len(X)
        if self.metric == "precomputed":
            check_distances(X)
            near = near_by_distances(X, self.eps)
            core, self.labels_ = dbscan_of_neighbourhoods(near, n, self.min_samples, sample_weight)
        else:
            points, metric, p, eps = metric_points(self, X, self.metric, self.p, self.metric_params, self.eps)
            exhaustive = self.algorithm == "brute" or (self.algorithm == "auto" and X.shape[1] > _TREE_FEATURES)
            with thread_limit(self.n_jobs):
                if exhaustive and metric == "euclidean":
                    near = near_by_search(Brute(points), points, eps)
                    core, self.labels_ = dbscan_of_neighbourhoods(near, n, self.min_samples, sample_weight)
                else:
                    core, self.labels_ = Tree(points, metric, p).dbscan(eps, self.min_samples, sample_weight)
        self.core_sample_indices_ = np.flatnonzero(core)
        self.components_ = X[self.core_sample_indices_].copy() if core.any() else np.empty((0, X.shape[1]))
        return self

    def fit_predict(self, X, y=None, sample_weight=None):
        """Fit and return the labels, shape (n_samples,)."""
        return self.fit(X, sample_weight=sample_weight).labels_


def dbscan(
    X, eps=0.5, *, min_samples=5, metric="minkowski", metric_params=None, algorithm="auto", leaf_size=30, p=2,
    sample_weight=None, n_jobs=None,
):  # fmt: skip
    """DBSCAN as a function: ``(core_sample_indices, labels)``; the parameters are those of :class:`DBSCAN`.

    Examples
    --------
    >>> from corten.learn.cluster import dbscan
    >>> dbscan([[1, 2], [2, 2], [2, 3], [8, 7], [8, 8], [25, 80]], eps=3, min_samples=2)[1]
    array([ 0,  0,  0,  1,  1, -1])
    """
    est = DBSCAN(
        eps=eps, min_samples=min_samples, metric=metric, metric_params=metric_params, algorithm=algorithm,
        leaf_size=leaf_size, p=p, n_jobs=n_jobs,
    ).fit(X, sample_weight=sample_weight)  # fmt: skip
    return est.core_sample_indices_, est.labels_
