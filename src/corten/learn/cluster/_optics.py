"""OPTICS: the order in which density-connected points are reached, and clusters read from it."""

from __future__ import annotations

import warnings

import numpy as np

from .._base import (
    ClusterMixin,
    Estimator,
    UnsupportedSetting,
    check_memory,
    constraints,
    fit_context,
    from_sklearn,
    thread_limit,
    validate_data,
)  # fmt: skip
from ..neighbors._search import Tree
from ._dbscan import metric_points
from ._neighbourhoods import check_distances, optics_of_distances

__all__ = ["OPTICS", "cluster_optics_dbscan", "cluster_optics_xi", "compute_optics_graph"]

# Both read labels off a finished order; scikit-learn's do that well.
cluster_optics_dbscan = from_sklearn("cluster.cluster_optics_dbscan")
cluster_optics_xi = from_sklearn("cluster.cluster_optics_xi")


def _graph(X, *, min_samples, max_eps, metric, p, metric_params, n_jobs):
    """The order of the rows of X, their core distances, reachability and predecessors."""
    n = X.shape[0]
    if min_samples > n:
        raise ValueError(f"min_samples must be no greater than the number of samples ({n}). Got {min_samples}")
    if min_samples <= 1:
        min_samples = max(2, int(min_samples * n))
    if metric == "precomputed":
        check_distances(X)
        graph = optics_of_distances(X, int(min_samples), float(max_eps))
    else:
        graph = _graph_of_points(X, int(min_samples), float(max_eps), metric, p, metric_params, n_jobs)
    if np.all(np.isinf(graph[2])):
        warnings.warn(
            "All reachability values are inf. Set a larger max_eps or all data will be considered outliers.",
            UserWarning,
            stacklevel=3,
        )
    return graph


def _graph_of_points(X, min_samples, max_eps, metric, p, metric_params, n_jobs):
    if metric in ("cosine", "sqeuclidean"):
        raise UnsupportedSetting("OPTICS", "metric", metric, "euclidean, manhattan, chebyshev, minkowski or precomputed")
    points, metric, p, _ = metric_points("OPTICS", X, metric, p, metric_params, 0.0)
    tree = Tree(points, metric, p)
    with thread_limit(n_jobs):
        core = tree.nearest(points, min_samples)[1][:, -1].copy()
    core[core > max_eps] = np.inf
    np.around(core, decimals=np.finfo(core.dtype).precision, out=core)
    ordering, reachability, predecessor = tree.optics(core, max_eps)
    return ordering, core, reachability, predecessor


def compute_optics_graph(
    X, *, min_samples, max_eps, metric, p, metric_params, algorithm, leaf_size, n_jobs
):  # fmt: skip
    """The reachability graph of OPTICS.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    min_samples, max_eps, metric, p, metric_params, algorithm, leaf_size, n_jobs
        Those of :class:`OPTICS`.

    Returns
    -------
    ordering, core_distances, reachability, predecessor : ndarrays of shape (n_samples,)
        The attributes of :class:`OPTICS`.

    Examples
    --------
    >>> import numpy as np
    >>> from corten.learn.cluster import compute_optics_graph
    >>> X = np.array([[1, 2], [2, 5], [3, 6], [8, 7], [8, 8], [7, 3]])
    >>> compute_optics_graph(X, min_samples=2, max_eps=np.inf, metric="minkowski", p=2, metric_params=None,
    ...                      algorithm="auto", leaf_size=30, n_jobs=None)[0]
    array([0, 1, 2, 5, 3, 4])
    """
    X = from_sklearn("utils.check_array")(X, dtype=np.float64, order="C")
    return _graph(X, min_samples=min_samples, max_eps=max_eps, metric=metric, p=p, metric_params=metric_params,
                  n_jobs=n_jobs)  # fmt: skip


class OPTICS(ClusterMixin, Estimator):
    """Ordering points to identify the clustering structure.

    Points are taken in the order of their reachability, the distance at which the points taken before reach them; valleys
    of that curve are clusters. A k-d tree whose nodes keep the least and largest reachability of their open points gives
    the next point at its root and leaves out what cannot change: near O(n log n) in few dimensions, O(n) memory.

    Parameters
    ----------
    min_samples : int > 1 or float in [0, 1], default=5
        Neighbours of a core point, itself included; a float is a share of the points.
    max_eps : float, default=inf
        Points farther apart never reach each other.
    metric : str, default='minkowski'
        euclidean, manhattan, chebyshev, minkowski, or precomputed: X is a dense matrix of distances; others raise.
    p : float, default=2
        Of 'minkowski'.
    metric_params : dict, default=None
    cluster_method : {'xi', 'dbscan'}, default='xi'
    eps : float, default=None
        Radius of 'dbscan'; ``max_eps`` by default.
    xi : float in [0, 1], default=0.05
        Least steepness of a cluster's border.
    predecessor_correction : bool, default=True
    min_cluster_size : int > 1 or float in [0, 1], default=None
    algorithm : {'auto', 'ball_tree', 'kd_tree', 'brute'}, default='auto'
        All give the same; the search is always the tree.
    leaf_size : int, default=30
        Accepted for compatibility.
    memory : str, object with the joblib.Memory interface or None, default=None
    n_jobs : int, default=None

    Attributes
    ----------
    ordering_ : ndarray of shape (n_samples,)
        Indices of the points in the order in which they were taken.
    reachability_, core_distances_, predecessor_ : ndarrays of shape (n_samples,)
        By index of the point; infinite, and -1, where there is none.
    labels_ : ndarray of shape (n_samples,)
        -1 for noise.
    cluster_hierarchy_ : ndarray of shape (n_clusters, 2)
        With 'xi': first and last place of each cluster in the order.
    n_features_in_, feature_names_in_

    References
    ----------
    Ankerst, Breunig, Kriegel and Sander, "OPTICS: ordering points to identify the clustering structure" (1999).

    Examples
    --------
    >>> import numpy as np
    >>> from corten.learn.cluster import OPTICS
    >>> X = np.array([[1, 2], [2, 5], [3, 6], [8, 7], [8, 8], [7, 3]])
    >>> OPTICS(min_samples=2).fit(X).labels_
    array([0, 0, 0, 1, 1, 1])
    """

    _parameter_constraints: dict = constraints("cluster.OPTICS")

    def __init__(
        self, *, min_samples=5, max_eps=np.inf, metric="minkowski", p=2, metric_params=None, cluster_method="xi",
        eps=None, xi=0.05, predecessor_correction=True, min_cluster_size=None, algorithm="auto", leaf_size=30,
        memory=None, n_jobs=None,
    ):  # fmt: skip
        self.max_eps = max_eps
        self.min_samples = min_samples
        self.min_cluster_size = min_cluster_size
        self.algorithm = algorithm
        self.metric = metric
        self.metric_params = metric_params
        self.p = p
        self.leaf_size = leaf_size
        self.cluster_method = cluster_method
        self.eps = eps
        self.xi = xi
        self.predecessor_correction = predecessor_correction
        self.memory = memory
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Order and cluster the rows of X (n_samples, n_features), or the points of a matrix of distances; y is ignored."""
        if callable(self.metric):
            raise UnsupportedSetting(self, "metric", self.metric, "the name of a metric")
        X = validate_data(self, X, dtype=np.float64, order="C", ensure_min_samples=2)
        graph = check_memory(self.memory).cache(_graph)
        self.ordering_, self.core_distances_, self.reachability_, self.predecessor_ = graph(
            X, min_samples=self.min_samples, max_eps=self.max_eps, metric=self.metric, p=self.p,
            metric_params=self.metric_params, n_jobs=self.n_jobs,
        )  # fmt: skip
        if self.cluster_method == "xi":
            self.labels_, self.cluster_hierarchy_ = cluster_optics_xi(
                reachability=self.reachability_, predecessor=self.predecessor_, ordering=self.ordering_,
                min_samples=self.min_samples, min_cluster_size=self.min_cluster_size, xi=self.xi,
                predecessor_correction=self.predecessor_correction,
            )  # fmt: skip
            return self
        eps = self.max_eps if self.eps is None else self.eps
        if eps > self.max_eps:
            raise ValueError(f"Specify an epsilon smaller than {self.max_eps}. Got {eps}.")
        self.labels_ = cluster_optics_dbscan(
            reachability=self.reachability_, core_distances=self.core_distances_, ordering=self.ordering_, eps=eps
        )
        return self
