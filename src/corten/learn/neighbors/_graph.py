"""Neighbour graphs of points."""

from __future__ import annotations

from ._estimators import NearestNeighbors


def _search(X, **settings):
    if isinstance(X, NearestNeighbors):
        for name in ("metric", "p", "metric_params"):
            if getattr(X, name) != settings[name]:
                raise ValueError(f"Got {settings[name]} for {name}, while the estimator has {getattr(X, name)} for the same parameter.")
        return X
    return NearestNeighbors(**settings).fit(X)


def kneighbors_graph(
    X, n_neighbors, *, mode="connectivity", metric="minkowski", p=2, metric_params=None, include_self=False,
    n_jobs=None,
):  # fmt: skip
    """CSR graph (n_samples, n_samples) of the k nearest neighbours of each row of X.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or fitted NearestNeighbors
    n_neighbors : int
    mode : {'connectivity', 'distance'}, default='connectivity'
    metric, p, metric_params, n_jobs
        As in :class:`NearestNeighbors`.
    include_self : bool or 'auto', default=False
        Count each point as its own nearest; 'auto' does for 'connectivity'.

    Examples
    --------
    >>> from corten.learn.neighbors import kneighbors_graph
    >>> kneighbors_graph([[0], [3], [1]], 2, include_self=True).toarray()
    array([[1., 0., 1.],
           [0., 1., 1.],
           [1., 0., 1.]])
    """
    found = _search(X, n_neighbors=n_neighbors, metric=metric, p=p, metric_params=metric_params, n_jobs=n_jobs)
    include = mode == "connectivity" if include_self == "auto" else include_self
    return found.kneighbors_graph(found._fit_X if include else None, n_neighbors, mode=mode)


def radius_neighbors_graph(
    X, radius, *, mode="connectivity", metric="minkowski", p=2, metric_params=None, include_self=False, n_jobs=None
):
    """CSR graph (n_samples, n_samples) of the neighbours of each row of X within a radius.

    The parameters are those of :func:`kneighbors_graph`, with ``radius`` in place of the number.

    Examples
    --------
    >>> from corten.learn.neighbors import radius_neighbors_graph
    >>> radius_neighbors_graph([[0], [3], [1]], 1.5, include_self=True).toarray()
    array([[1., 0., 1.],
           [0., 1., 0.],
           [1., 0., 1.]])
    """
    found = _search(X, radius=radius, metric=metric, p=p, metric_params=metric_params, n_jobs=n_jobs)
    include = mode == "connectivity" if include_self == "auto" else include_self
    return found.radius_neighbors_graph(found._fit_X if include else None, radius, mode=mode)
