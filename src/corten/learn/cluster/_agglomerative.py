"""Hierarchical clustering from the bottom up."""

from __future__ import annotations

from heapq import heappush, heappushpop
from numbers import Integral, Real

import numpy as np
from scipy.cluster import hierarchy

from .._base import (
    ClusterMixin,
    Estimator,
    HasMethods,
    Interval,
    StrOptions,
    check_array,
    check_memory,
    constraints,
    fit_context,
    from_sklearn,
    validate_data,
)  # fmt: skip
from ._dbscan import metric_points
from ._linkage import spanning_tree, ward_merges


class _Forest:
    """Union-find whose roots carry the names of the nodes of a hierarchy."""

    def __init__(self, n):
        self.parent = list(range(2 * n - 1))

    def find(self, i):
        root = i
        while self.parent[root] != root:
            root = self.parent[root]
        while self.parent[i] != root:
            self.parent[i], i = root, self.parent[i]
        return root


def _name_nodes(first, second, distance, ordered):
    """Children (n - 1, 2) and distances of a hierarchy, merges sorted by distance; node n + i is merge i."""
    order = np.argsort(distance, kind="stable")
    n = len(first) + 1
    forest = _Forest(n)
    children = np.empty((n - 1, 2), dtype=np.intp)
    for i, (a, b) in enumerate(zip(first[order].tolist(), second[order].tolist(), strict=True)):
        a, b = forest.find(a), forest.find(b)
        children[i] = (min(a, b), max(a, b)) if ordered else (a, b)
        forest.parent[a] = forest.parent[b] = n + i
    return children, distance[order]


def _linkage_tree(owner, X, linkage, metric):
    if linkage == "ward":
        return _name_nodes(*ward_merges(X), ordered=True)
    if linkage == "single" and metric != "precomputed":
        points, name, p, _ = metric_points(owner, X, metric, 2, None, 0.0)
        start, end, distance = spanning_tree(points, name, p)
        if metric == "sqeuclidean":
            distance = distance**2
        elif metric == "cosine":
            distance = distance**2 / 2
        return _name_nodes(start, end, distance, ordered=False)
    if metric == "precomputed":
        if X.shape[0] != X.shape[1]:
            raise ValueError(f"Distance matrix should be square, got matrix of shape {X.shape}")
        X = X[np.triu_indices(len(X), k=1)]
    # Complete and average linkage have no form without pairwise distances: SciPy's, on half a matrix.
    names = {"manhattan": "cityblock", "l1": "cityblock", "l2": "euclidean"}
    found = hierarchy.linkage(X, method=linkage, metric=names.get(metric, metric))
    return found[:, :2].astype(np.intp), found[:, 2].astype(np.float64)


# Merges along the edges of a graph alone: scikit-learn's, whose heaps of edges do that well.
_ward_along = from_sklearn("cluster.ward_tree")
_linkage_along = from_sklearn("cluster._agglomerative.linkage_tree")


def _tree_along(X, connectivity, linkage, metric, n_clusters):
    """Children, components, parents (None for a whole tree) and distances of a hierarchy that merges neighbours only.

    The whole tree is built with ``n_clusters`` None, else it stops at so many clusters.
    """
    settings = {"connectivity": connectivity, "n_clusters": n_clusters, "return_distance": True}
    if linkage == "ward":
        children, components, _, parents, distances = _ward_along(X, **settings)
    else:
        children, components, _, parents, distances = _linkage_along(X, linkage=linkage, affinity=metric, **settings)
    return children, components, None if n_clusters is None else parents, distances


def _heads(parents, n):
    """Labels (n,) of the trees of a forest that stopped early, numbered by their heads."""
    head = np.arange(len(parents))
    for node in range(len(parents) - 1, -1, -1):  # parents come later
        head[node] = node if parents[node] == node else head[parents[node]]
    return np.unique(head[:n], return_inverse=True)[1]


def _cut(n_clusters, children, n):
    """Labels (n,) of the cut that leaves ``n_clusters`` clusters: the latest merges are undone."""
    if n_clusters > n:
        raise ValueError(
            "Cannot extract more clusters than samples: "
            f"{n_clusters} clusters were given for a tree with {n} leaves."
        )
    nodes = [-(2 * n - 2)]  # a heap of negated names: the latest merge first
    for _ in range(n_clusters - 1):
        left, right = children[-nodes[0] - n]
        heappush(nodes, -left)
        heappushpop(nodes, -right)
    labels = np.zeros(n, dtype=np.intp)
    for label, node in enumerate(nodes):
        stack = [-node]
        while stack:
            top = stack.pop()
            if top < n:
                labels[top] = label
            else:
                stack.extend(children[top - n])
    return labels


class AgglomerativeClustering(ClusterMixin, Estimator):
    """Joins the two nearest clusters until few enough are left.

    Ward's linkage follows chains of nearest neighbours over centroids, single linkage is a minimum spanning tree; both
    need O(n d) memory. Complete and average linkage use SciPy's algorithm on n (n - 1) / 2 distances. With
    ``connectivity``, scikit-learn's tree builders go over the edges of the graph.

    Parameters
    ----------
    n_clusters : int or None, default=2
    metric : str, default='euclidean'
        euclidean, manhattan, cosine, chebyshev, sqeuclidean and aliases, or precomputed: X is a matrix of distances;
        callables raise.
    memory : str or object with the joblib.Memory interface, default=None
        Cache of the tree.
    connectivity : array-like, sparse matrix, callable or None, default=None
        A graph (n_samples, n_samples): only neighbours in it are joined. Its components are linked first, with a warning.
    compute_full_tree : 'auto' or bool, default='auto'
        Whether to go on below ``n_clusters``. Without ``connectivity`` the whole tree is always built.
    linkage : {'ward', 'complete', 'average', 'single'}, default='ward'
    distance_threshold : float, default=None
        Clusters farther apart are not joined; ``n_clusters`` is None then.
    compute_distances : bool, default=False

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
    children_ : ndarray of shape (n_samples - 1, 2)
        Merge i joins these two into node ``n_samples + i``.
    distances_ : ndarray of shape (n_samples - 1,), with ``distance_threshold`` or ``compute_distances``
    n_clusters_, n_leaves_, n_connected_components_, n_features_in_, feature_names_in_

    References
    ----------
    Ward (1963). Murtagh, "Multidimensional clustering algorithms" (1985) for the chains.

    Examples
    --------
    >>> from corten.learn.cluster import AgglomerativeClustering
    >>> AgglomerativeClustering().fit([[1, 2], [1, 4], [1, 0], [4, 2], [4, 4], [4, 0]]).labels_
    array([1, 1, 1, 0, 0, 0])
    """

    _parameter_constraints: dict = {
        "n_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "metric": constraints("cluster.AgglomerativeClustering")["metric"],
        "memory": [str, HasMethods("cache"), None],
        "connectivity": ["array-like", "sparse matrix", callable, None],
        "compute_full_tree": [StrOptions({"auto"}), "boolean"],
        "linkage": [StrOptions({"ward", "complete", "average", "single"})],
        "distance_threshold": [Interval(Real, 0, None, closed="left"), None],
        "compute_distances": ["boolean"],
    }

    def __init__(
        self, n_clusters=2, *, metric="euclidean", memory=None, connectivity=None, compute_full_tree="auto",
        linkage="ward", distance_threshold=None, compute_distances=False,
    ):  # fmt: skip
        self.n_clusters = n_clusters
        self.metric = metric
        self.memory = memory
        self.connectivity = connectivity
        self.compute_full_tree = compute_full_tree
        self.linkage = linkage
        self.distance_threshold = distance_threshold
        self.compute_distances = compute_distances

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.metric == "precomputed"
        return tags

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Cluster the rows of X (n_samples, n_features); y is ignored."""
        X = validate_data(self, X, ensure_min_samples=2, dtype=[np.float64, np.float32], order="C")
        if (self.n_clusters is None) == (self.distance_threshold is None):
            raise ValueError(
                "Exactly one of n_clusters and distance_threshold has to be set, and the other needs to be None."
            )
        if self.distance_threshold is not None and not self.compute_full_tree:
            raise ValueError("compute_full_tree must be True if distance_threshold is set.")
        if self.linkage == "ward" and self.metric not in ("euclidean", "l2"):
            raise ValueError(
                f"{self.metric} was provided as metric. Ward can only work with euclidean distances (i.e. 'euclidean' "
                "and 'l2')."
            )
        if self.metric != "precomputed":
            metric_points(self, X[:0], self.metric, 2, None, 0.0)
        memory, parents = check_memory(self.memory), None
        if self.connectivity is None:
            build = memory.cache(_linkage_tree, ignore=["owner"])
            self.children_, distances = build(type(self).__name__, X, self.linkage, self.metric)
            self.n_connected_components_ = 1
        else:
            connectivity = self.connectivity(X) if callable(self.connectivity) else self.connectivity
            connectivity = check_array(connectivity, accept_sparse=["csr", "coo", "lil"])
            whole = self.compute_full_tree
            if whole == "auto":
                whole = self.distance_threshold is not None or self.n_clusters < max(100, 0.02 * len(X))
            self.children_, self.n_connected_components_, parents, distances = memory.cache(_tree_along)(
                X, connectivity, self.linkage, self.metric, None if whole else self.n_clusters
            )
        self.n_leaves_ = X.shape[0]
        if self.distance_threshold is not None or self.compute_distances:
            self.distances_ = distances
        if self.distance_threshold is not None:
            self.n_clusters_ = int(np.count_nonzero(distances >= self.distance_threshold)) + 1
        else:
            self.n_clusters_ = self.n_clusters
        if parents is None:
            self.labels_ = _cut(self.n_clusters_, self.children_, self.n_leaves_)
        else:
            self.labels_ = _heads(parents, self.n_leaves_)
        return self

    def fit_predict(self, X, y=None):
        """Fit and return the labels, shape (n_samples,)."""
        return self.fit(X).labels_
