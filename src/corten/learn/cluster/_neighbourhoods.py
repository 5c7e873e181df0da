"""DBSCAN and OPTICS without a tree: from neighbourhoods found by exhaustive search, or from given distances."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_ENTRIES = 1 << 22  # neighbours that are held at a time


def check_distances(D):
    """ValueError unless D is square and nowhere negative, as scikit-learn says it."""
    if D.shape[0] != D.shape[1]:
        raise ValueError(f"Precomputed matrix must be square. Input is a {D.shape[0]}x{D.shape[1]} matrix.")
    if D.size and D.min() < 0:
        raise ValueError("Negative values in data passed to precomputed distance matrix.")


def _blocks(n):
    """Slices of so many of n rows that their pairs with all n are few enough to hold."""
    step = max(96, _ENTRIES // n)
    return [slice(first, min(first + step, n)) for first in range(0, n, step)]


def near_by_distances(D, eps):
    """A function that gives the neighbours of a slice of points, from their distances D (n, n)."""

    def near(rows):
        row, index = np.nonzero(D[rows] <= eps)
        return row, index

    return near


def near_by_search(search, X, eps):
    """The same by :class:`~corten.learn.neighbors._search.Brute` over the rows of X."""

    def near(rows):
        start, index, _ = search.within(X[rows], eps)
        return np.repeat(np.arange(len(start) - 1), np.diff(start)), index

    return near


class _Components:
    """Components of n points that edges join, a few million of them at a time."""

    def __init__(self, n):
        self.part, self.edges, self.count = np.arange(n), [], 0

    def join(self, a, b):
        self.edges.append((self.part[a], self.part[b]))
        self.count += len(a)
        if self.count > _ENTRIES:
            self.settle()

    def settle(self):
        """The number of each point's component."""
        if not self.edges:
            return self.part
        a, b = (np.concatenate(side) for side in zip(*self.edges, strict=True))
        graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(len(self.part),) * 2)
        self.part = connected_components(graph, directed=False)[1][self.part]
        self.edges, self.count = [], 0
        return self.part


def dbscan_of_neighbourhoods(near, n, min_samples, weight=None):
    """Core flags and labels of n points; labels are numbered by their lowest core point.

    ``near`` gives, for a slice of points, the pairs (place in the slice, neighbour). It is asked once for each slice when
    all neighbours fit, else twice: to count, and to join.
    """
    blocks, kept, core = _blocks(n), [], np.empty(n, bool)
    for rows in blocks:
        row, index = near(rows)
        count = np.bincount(row, None if weight is None else weight[index], rows.stop - rows.start)
        core[rows] = count >= min_samples
        if kept is not None:
            kept.append((row, index))
            kept = kept if sum(len(row) for row, _ in kept) <= _ENTRIES else None
    label = np.full(n, -1, dtype=np.int64)
    if not core.any():
        return core, label
    parts, border = _Components(n), []
    for i, rows in enumerate(blocks):
        row, index = kept[i] if kept is not None else near(rows)
        row, index = row[core[index]] + rows.start, index[core[index]]
        inner = core[row]
        parts.join(row[inner], index[inner])
        border.append((row[~inner], index[~inner]))  # fewer than min_samples for each point
    part, at = parts.settle(), np.flatnonzero(core)
    first = np.full(n, n)
    np.minimum.at(first, part[at], at)
    label[at] = np.unique(first[part[at]], return_inverse=True)[1]
    row, index = (np.concatenate(side) for side in zip(*border, strict=True))
    lowest = np.full(n, n)
    np.minimum.at(lowest, row, label[index])  # a border point joins the lowest of its clusters
    reached = lowest < n
    label[reached] = lowest[reached]
    return core, label


def optics_of_distances(D, min_samples, max_eps):
    """Order, core distances, reachability and predecessors of n points from their distances (n, n)."""
    n, decimals = len(D), np.finfo(D.dtype).precision
    core = np.concatenate([np.partition(D[rows], min_samples - 1, axis=1)[:, min_samples - 1] for rows in _blocks(n)])
    core[core > max_eps] = np.inf
    np.around(core, decimals=decimals, out=core)
    reach, predecessor = np.full(n, np.inf), np.full(n, -1)
    taken, ordering = np.zeros(n, bool), np.empty(n, np.int64)
    for step in range(n):
        left = np.flatnonzero(~taken)
        point = left[np.argmin(reach[left])]
        ordering[step], taken[point] = point, True
        if not np.isfinite(core[point]):
            continue
        there = np.flatnonzero((D[point] <= max_eps) & ~taken)
        found = np.around(np.maximum(D[point, there], core[point]), decimals=decimals)
        better = found < reach[there]
        reach[there[better]], predecessor[there[better]] = found[better], point
    return ordering, core, reach, predecessor
