"""What the neighbour estimators share: metrics, the choice of the search, queries and graphs."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp

from .._base import (
    DataConversionWarning,
    Estimator,
    Interval,
    MultiOutputMixin,
    StrOptions,
    UnsupportedSetting,
    check_classification_targets,
    check_is_fitted,
    constraints,
    is_classifier,
    thread_limit,
    validate_data,
)  # fmt: skip
from ._search import Brute, Tree

_ALIASES = {
    "l2": "euclidean", "l1": "manhattan", "cityblock": "manhattan", "infinity": "chebyshev", "p": "minkowski",
}  # fmt: skip
_TREE_METRICS = ("euclidean", "manhattan", "chebyshev", "minkowski")
_METRICS = (*_TREE_METRICS, "sqeuclidean", "cosine")


def searcher(X, metric, p, method):
    """The search structure for contiguous floating X: a tree, or a brute force."""
    if method in ("kd_tree", "ball_tree"):  # the same neighbours: one tree serves for both
        return Tree(X, metric, p)
    if metric in ("euclidean", "sqeuclidean", "cosine"):
        return Brute(X, metric)
    return Tree(X, metric, p, flat=True)


def plain_metric(owner, metric, p, metric_params):
    """(name, p) of a metric that the native searches know; raises UnsupportedSetting for any other, by name."""
    if not isinstance(metric, str) or _ALIASES.get(metric, metric) not in _METRICS:
        raise UnsupportedSetting(owner, "metric", metric, f"one of {', '.join(sorted(_METRICS))}")
    metric = _ALIASES.get(metric, metric)
    params = dict(metric_params or {})
    if metric == "minkowski":
        p = params.pop("p", p)
        p = 2 if p is None else p
        if params.pop("w", None) is not None:
            raise UnsupportedSetting(owner, "metric_params", metric_params, "no weights 'w'")
        metric = {1: "manhattan", 2: "euclidean", np.inf: "chebyshev"}.get(p, "minkowski")
    if params:
        raise UnsupportedSetting(owner, "metric_params", metric_params, "at most 'p'")
    return metric, float(p) if metric == "minkowski" else 2.0


class NeighborsBase(MultiOutputMixin, Estimator):
    """Base of the neighbour estimators: holds the data and the search structure."""

    _parameter_constraints: dict = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "radius": [Interval(Real, 0, None, closed="both"), None],
        "algorithm": [StrOptions({"auto", "ball_tree", "kd_tree", "brute"})],
        "leaf_size": [Interval(Integral, 1, None, closed="left")],
        "p": [Interval(Real, 0, None, closed="right"), None],
        "metric": constraints("neighbors.NearestNeighbors")["metric"],
        "metric_params": [dict, None],
        "n_jobs": [Integral, None],
    }

    def __getstate__(self):
        state = super().__getstate__()
        return {k: v for k, v in state.items() if k != "_search"}

    def __setstate__(self, state):
        super().__setstate__(state)
        self._open()

    def _corten_state(self):
        return {k: v for k, v in vars(self).items() if k != "_search"}

    def _corten_restore(self, state):
        vars(self).update(state)
        self._open()

    def _open(self):
        if "_fit_X" in vars(self):
            self._search = searcher(self._fit_X, self.effective_metric_, self._effective_p, self._fit_method)

    def _fit(self, X, y=None):
        if self.__sklearn_tags__().target_tags.required:
            X, y = validate_data(self, X, y, multi_output=True, order="C", dtype=[np.float64, np.float32])
            self._take_targets(y)
        else:
            X = validate_data(self, X, order="C", dtype=[np.float64, np.float32])
        if self.metric_params is not None and "p" in self.metric_params and getattr(self, "p", None) is not None:
            warnings.warn(
                "Parameter p is found in metric_params. The corresponding parameter from __init__ is ignored.",
                SyntaxWarning,
                stacklevel=4,
            )
        metric, p = plain_metric(self, self.metric, getattr(self, "p", 2), self.metric_params)
        if self.algorithm in ("kd_tree", "ball_tree") and metric not in _TREE_METRICS:
            raise ValueError(
                f"Metric '{self.metric}' not valid. Use sorted(sklearn.neighbors.VALID_METRICS['{self.algorithm}']) to get valid "
                "options. Metric can also be a callable function."
            )
        self.effective_metric_, self._effective_p = metric, p
        self.effective_metric_params_ = {"p": p} if metric == "minkowski" else {}
        method = self.algorithm
        k = getattr(self, "n_neighbors", None)
        if method == "auto":
            brute = X.shape[1] > 15 or (k is not None and k >= X.shape[0] // 2) or metric not in _TREE_METRICS
            method = "brute" if brute or (metric == "minkowski" and p < 1) else "kd_tree"
        if metric == "minkowski" and p < 1:
            if method != "brute":
                raise ValueError(
                    f'algorithm="{method}" does not support 0 < p < 1 for the Minkowski metric. To resolve this problem'
                    ' either set p >= 1 or algorithm="brute".'
                )
            warnings.warn(
                "Mind that for 0 < p < 1, Minkowski metrics are not distance metrics. Continuing the execution with "
                "`algorithm='brute'`.",
                stacklevel=4,
            )
        self._fit_X, self._fit_method, self.n_samples_fit_ = X, method, X.shape[0]
        self._open()
        return self

    def _take_targets(self, y):
        if not is_classifier(self):
            self._y = y
            return
        if y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1):
            if y.ndim != 1:
                warnings.warn(
                    "A column-vector y was passed when a 1d array was expected. Please change the shape of y to "
                    "(n_samples,), for example using ravel().",
                    DataConversionWarning,
                    stacklevel=5,
                )
            self.outputs_2d_ = False
            y = y.reshape((-1, 1))
        else:
            self.outputs_2d_ = True
        check_classification_targets(y)
        self.classes_, self._y = [], np.empty(y.shape, dtype=np.intp)
        for k in range(y.shape[1]):
            classes, self._y[:, k] = np.unique(y[:, k], return_inverse=True)
            self.classes_.append(classes)
        if not self.outputs_2d_:
            self.classes_, self._y = self.classes_[0], self._y.ravel()

    def _queries(self, X):
        X = validate_data(self, X, reset=False, order="C", dtype=[np.float64, np.float32])
        return np.ascontiguousarray(X, dtype=self._fit_X.dtype)


class KNeighborsMixin:
    """Queries for the k nearest."""

    def kneighbors(self, X=None, n_neighbors=None, return_distance=True):
        """The nearest training points of each row of X.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), default=None
            By default the training points, each without itself.
        n_neighbors : int, default=None
        return_distance : bool, default=True

        Returns
        -------
        distances : ndarray of shape (n_queries, n_neighbors), nearest first; with ``return_distance``
        indices : ndarray of shape (n_queries, n_neighbors); of equal distances the lower index first
        """
        check_is_fitted(self)
        if n_neighbors is None:
            n_neighbors = self.n_neighbors
        elif n_neighbors <= 0:
            raise ValueError(f"Expected n_neighbors > 0. Got {n_neighbors}")
        elif not isinstance(n_neighbors, Integral):
            raise TypeError(f"n_neighbors does not take {type(n_neighbors)} value, enter integer value")
        own = X is None
        k = int(n_neighbors) + own
        X = self._fit_X if own else self._queries(X)
        if k > self.n_samples_fit_:
            sign = "<" if own else "<="
            raise ValueError(
                f"Expected n_neighbors {sign} n_samples_fit, but n_neighbors = {n_neighbors}, n_samples_fit = "
                f"{self.n_samples_fit_}, n_samples = {X.shape[0]}"
            )
        with thread_limit(self.n_jobs):
            index, distance = self._search.nearest(X, k)
        if own:
            keep = index != np.arange(len(X))[:, None]
            keep[keep.all(axis=1), 0] = False  # more duplicates than neighbours: the first of them goes
            index, distance = index[keep].reshape(-1, k - 1), distance[keep].reshape(-1, k - 1)
        return (distance, index) if return_distance else index

    def kneighbors_graph(self, X=None, n_neighbors=None, mode="connectivity"):
        """CSR graph (n_queries, n_samples_fit) of the nearest: ones, or with mode="distance" the distances."""
        check_is_fitted(self)
        n_neighbors = self.n_neighbors if n_neighbors is None else n_neighbors
        if mode not in ("connectivity", "distance"):
            raise ValueError(
                f'Unsupported mode, must be one of "connectivity", or "distance" but got "{mode}" instead'
            )
        distance, index = self.kneighbors(X, n_neighbors)
        data = np.ones(index.size) if mode == "connectivity" else distance.ravel()
        indptr = np.arange(0, index.size + 1, n_neighbors)
        return sp.csr_matrix((data, index.ravel(), indptr), shape=(index.shape[0], self.n_samples_fit_))


class RadiusNeighborsMixin:
    """Queries for all within a radius."""

    def _within(self, X, radius):
        own = X is None
        X = self._fit_X if own else self._queries(X)
        with thread_limit(self.n_jobs):
            start, index, distance = self._search.within(X, self.radius if radius is None else radius)
        if own:
            row = np.repeat(np.arange(len(X)), np.diff(start))
            keep = index != row
            start = np.concatenate([[0], np.cumsum(np.bincount(row[keep], minlength=len(X)))])
            index, distance = index[keep], distance[keep]
        return start, index, distance

    def radius_neighbors(self, X=None, radius=None, return_distance=True, sort_results=False):
        """All training points within ``radius`` of each row of X, the boundary included.

        Returns
        -------
        distances, indices : ndarrays of shape (n_queries,) of arrays
        """
        check_is_fitted(self)
        if sort_results and not return_distance:
            raise ValueError("return_distance must be True if sort_results is True.")
        start, index, distance = self._within(X, radius)
        if sort_results:
            row = np.repeat(np.arange(len(start) - 1), np.diff(start))
            order = np.lexsort((index, distance, row))
            index, distance = index[order], distance[order]
        n = len(start) - 1
        indices, distances = np.empty(n, dtype=object), np.empty(n, dtype=object)
        for i in range(n):
            indices[i], distances[i] = index[start[i] : start[i + 1]], distance[start[i] : start[i + 1]]
        return (distances, indices) if return_distance else indices

    def radius_neighbors_graph(self, X=None, radius=None, mode="connectivity", sort_results=False):
        """CSR graph (n_queries, n_samples_fit) of the points within ``radius``."""
        check_is_fitted(self)
        if mode not in ("connectivity", "distance"):
            raise ValueError(
                f'Unsupported mode, must be one of "connectivity", or "distance" but got "{mode}" instead'
            )
        start, index, distance = self._within(X, radius)
        if sort_results and mode == "distance":
            row = np.repeat(np.arange(len(start) - 1), np.diff(start))
            order = np.lexsort((index, distance, row))
            index, distance = index[order], distance[order]
        data = np.ones(index.size) if mode == "connectivity" else distance
        return sp.csr_matrix((data, index, start), shape=(len(start) - 1, self.n_samples_fit_))


def neighbor_weights(distance, weights):
    """Weights of neighbours from their distances (n_queries, k); None when they are all the same."""
    if weights in (None, "uniform"):
        return None
    if callable(weights):
        return weights(distance)
    with np.errstate(divide="ignore"):
        found = 1.0 / distance
    infinite = np.isinf(found)
    rows = infinite.any(axis=1)
    found[rows] = infinite[rows]  # where a training point is hit, such points alone count
    return found
