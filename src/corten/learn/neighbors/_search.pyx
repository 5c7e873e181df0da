"""Native neighbour search; see native/include/learn/{neighbors,kdtree}.h."""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

import numpy as np

from corten._core.native cimport find_api

cdef extern from "include/learn/neighbors.h":
    ctypedef struct ct_neighbors_api:
        int64_t (*packed_size)(int64_t n, int64_t d) nogil
        int64_t (*panels)(int64_t n) nogil
        int64_t (*capacity)(int64_t k) nogil
        double (*pack)(void *packed, void *bias, const void *Y, int64_t n, int64_t d, int metric) nogil
        void (*screen_nearest)(int32_t *candidate, void *score, int32_t *count, const void *X, const void *packed,
                               const void *bias, int64_t n, int64_t d, int64_t q, int64_t k,
                               const double *slack) nogil
        void (*screen_within)(uint64_t *mask, int64_t *most, const void *X, const void *packed, const void *bias, int64_t n,
                              int64_t d, int64_t q, const double *least) nogil
        void (*refine_nearest)(int64_t *index, double *distance, const void *X, const void *Y, int64_t n, int64_t d,
                               int64_t q, int64_t k, int metric, const int32_t *candidate, const int32_t *count,
                               int64_t capacity, void *work) nogil
        void (*refine_within)(int64_t *count, int64_t *index, double *distance, const int64_t *start,
                              const uint64_t *mask, int64_t width, const void *X, const void *Y, int64_t n, int64_t d,
                              int64_t q, int metric, double radius) nogil

cdef extern from "include/learn/kdtree.h":
    ctypedef struct kd_tree:
        const void *panels
        const int32_t *order
        const void *lo
        const void *hi
        const void *rows
        int64_t n
        int64_t d
        int64_t leaves
        int metric
        int flat
        double p
    ctypedef struct ct_kdtree_api:
        int64_t (*leaf_size)() nogil
        int64_t (*leaves)(int64_t n) nogil
        void (*build)(void *panels, int32_t *order, void *lo, void *hi, const void *X, int64_t n, int64_t d,
                      int flat) nogil
        int64_t (*nearest_work)(int64_t k) nogil
        void (*nearest)(int64_t *index, void *distance, const kd_tree *t, const void *X, int64_t q, int64_t k,
                        void *work) nogil
        void (*within)(int64_t *count, const int64_t *start, int64_t *index, void *distance, const kd_tree *t,
                       const void *X, int64_t q, double radius) nogil
        void (*density)(double *count, const kd_tree *t, const double *weight, double radius, int64_t first,
                        int64_t leaves) nogil
        void (*link)(int32_t *parent, const kd_tree *t, const uint8_t *core, double radius, int64_t first,
                     int64_t leaves) nogil
        void (*border)(int64_t *label, const kd_tree *t, const uint8_t *core, double radius, int64_t first,
                       int64_t leaves) nogil

cdef extern from "include/learn/optics.h":
    ctypedef struct optics_node:
        pass
    ctypedef struct optics_state:
        const kd_tree *t
        const void *core
        void *reach
        int32_t *predecessor
        void *reachability
        int64_t *ordering
        optics_node *nodes
        double max_eps
        int64_t done
    ctypedef struct ct_optics_api:
        int64_t (*node_size)() nogil
        void (*start)(optics_state *s) nogil
        void (*run)(optics_state *s, int64_t steps) nogil

METRICS = {"euclidean": 0, "sqeuclidean": 0, "manhattan": 1, "chebyshev": 2, "minkowski": 3}


cdef inline void *address(object array) except? NULL:
    return NULL if array is None else <void *> <size_t> array.ctypes.data


def aligned(shape, dtype):
    """An uninitialised array that begins at a multiple of 64 bytes."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.empty(size + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start:start + size].view(dtype).reshape(shape)


cdef class Tree:
    """K-d tree over the rows of X (n, d), or with ``flat`` its leaves alone, for exhaustive search."""

    cdef const ct_kdtree_api *api
    cdef kd_tree t
    cdef readonly object X, panels, order, lo, hi, rows, dtype
    cdef readonly str metric

    def __init__(self, X, metric="euclidean", double p=2.0, flat=False):
        self.X, self.dtype, self.metric = X, X.dtype, metric
        self.api = <const ct_kdtree_api *> find_api(b"kdtree", X.dtype == np.float64)
        cdef int64_t n = X.shape[0], d = X.shape[1], leaves = self.api.leaves(X.shape[0])
        cdef int64_t width = self.api.leaf_size()
        self.panels = aligned((leaves, d, width), X.dtype)
        self.order = np.empty(leaves * width, dtype=np.int32)
        self.lo, self.hi = np.empty((2 * leaves, d), dtype=X.dtype), np.empty((2 * leaves, d), dtype=X.dtype)
        cdef void *pn = address(self.panels)
        cdef int32_t *od = <int32_t *> address(self.order)
        cdef void *lo = address(self.lo)
        cdef void *hi = address(self.hi)
        cdef void *x = address(X)
        cdef int is_flat = flat
        with nogil:
            self.api.build(pn, od, lo, hi, x, n, d, is_flat)
        self.t.panels, self.t.order, self.t.lo, self.t.hi = pn, od, lo, hi
        self.t.n, self.t.d, self.t.leaves, self.t.flat, self.t.p = n, d, leaves, is_flat, p
        self.t.metric = METRICS[metric]

    def reduced(self, double distance):
        """A distance in the form without the root, in reach of the dtype."""
        if self.t.metric == 0:
            distance = distance * distance
        elif self.t.metric == 3:
            distance = distance ** self.t.p
        return min(distance, float(np.finfo(self.dtype).max))

    def full(self, reduced):
        """Distances from reduced ones, in place."""
        if self.metric == "euclidean":
            np.sqrt(reduced, out=reduced)
        elif self.t.metric == 3:
            np.power(reduced, 1 / self.t.p, out=reduced)
        return reduced

    def _step(self):
        """Queries between two looks for Ctrl-C: some tenths of a second even where the tree can leave nothing out."""
        return min(1 << 14, max(256, 1_000_000_000 // max(1, self.t.n * self.t.d)))

    def nearest(self, X, int64_t k):
        """Indices and distances of the k nearest points to each row of X."""
        cdef int64_t q = X.shape[0], first, count, step
        index, distance = np.empty((q, k), dtype=np.int64), np.empty((q, k), dtype=self.dtype)
        work = aligned(self.api.nearest_work(k), np.uint8)
        cdef void *wk = address(work)
        cdef void *x
        cdef void *di
        cdef int64_t *ix
        step = self._step()
        for first in range(0, q, step):
            part = X[first:first + step]
            count = part.shape[0]
            x, ix, di = address(part), <int64_t *> address(index[first:]), address(distance[first:])
            with nogil:
                self.api.nearest(ix, di, &self.t, x, count, k, wk)
            PyErr_CheckSignals()
        return index, self.full(distance)

    def within(self, X, double radius, bint only_count=False):
        """Start of each row's neighbours (q + 1), their indices in order, and distances."""
        cdef int64_t q = X.shape[0], first, count, step = self._step()
        cdef double reduced = self.reduced(radius)
        counts = np.empty(q, dtype=np.int64)
        cdef void *x
        cdef void *di
        cdef int64_t *ix
        cdef int64_t *ct
        cdef const int64_t *st
        for first in range(0, q, step):
            part = X[first:first + step]
            count = part.shape[0]
            x, ct = address(part), <int64_t *> address(counts[first:])
            with nogil:
                self.api.within(ct, NULL, NULL, NULL, &self.t, x, count, reduced)
            PyErr_CheckSignals()
        start = np.concatenate([[0], np.cumsum(counts)])
        if only_count:
            return start, None, None
        index, distance = np.empty(start[q], dtype=np.int64), np.empty(start[q], dtype=self.dtype)
        ix, di = <int64_t *> address(index), address(distance)
        for first in range(0, q, step):
            part = X[first:first + step]
            count = part.shape[0]
            x, ct, st = address(part), <int64_t *> address(counts[first:]), <const int64_t *> address(start[first:])
            with nogil:
                self.api.within(ct, st, ix, di, &self.t, x, count, reduced)
            PyErr_CheckSignals()
        return start, index, self.full(distance)

    def dbscan(self, double eps, double min_samples, weight=None):
        """Core flags and labels of the points themselves, labels numbered by their lowest core point.

        Leaves are worked off in pieces, between which Ctrl-C is heard.
        """
        cdef double reduced = self.reduced(eps)
        cdef int64_t n = self.t.n, first, count
        cdef int64_t step = max(64, self._step() // self.api.leaf_size())
        self.rows = np.ascontiguousarray(self.X[self.order[:n]])
        self.t.rows = address(self.rows)
        counts = np.empty(n)
        if weight is not None:
            weight = np.ascontiguousarray(weight, dtype=np.float64)
        cdef double *ct = <double *> address(counts)
        cdef const double *wt = <const double *> address(weight)
        for first in range(0, self.t.leaves, step):
            count = min(step, self.t.leaves - first)
            with nogil:
                self.api.density(ct, &self.t, wt, reduced, first, count)
            PyErr_CheckSignals()
        core = (counts >= min_samples).astype(np.uint8)
        parent = np.arange(n, dtype=np.int32)
        cdef int32_t *pa = <int32_t *> address(parent)
        cdef const uint8_t *co = <const uint8_t *> address(core)
        for first in range(0, self.t.leaves, step):
            count = min(step, self.t.leaves - first)
            with nogil:
                self.api.link(pa, &self.t, co, reduced, first, count)
            PyErr_CheckSignals()
        labels = np.full(n, -1, dtype=np.int64)
        at = np.flatnonzero(core)
        labels[at] = np.unique(parent[at], return_inverse=True)[1]
        cdef int64_t *lb = <int64_t *> address(labels)
        for first in range(0, self.t.leaves, step):
            count = min(step, self.t.leaves - first)
            with nogil:
                self.api.border(lb, &self.t, co, reduced, first, count)
            PyErr_CheckSignals()
        return core.astype(bool), labels

    def optics(self, core, double max_eps):
        """OPTICS over the points themselves, given their core distances (infinite: never a core point).

        Returns the order, reachability and predecessors; between pieces of work a signal can interrupt.
        """
        cdef const ct_optics_api *api = <const ct_optics_api *> find_api(b"optics", self.dtype == np.float64)
        cdef optics_state s
        cdef int64_t n = self.t.n, steps = max(1, 20_000_000 // max(n, 1))
        self.rows = np.ascontiguousarray(self.X[self.order[:n]])
        self.t.rows = address(self.rows)
        core = np.ascontiguousarray(core, dtype=self.dtype)
        reach, reachability = np.empty(len(self.order), dtype=self.dtype), np.empty(n, dtype=self.dtype)
        predecessor, ordering = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int64)
        nodes = aligned(2 * self.t.leaves * api.node_size(), np.uint8)
        s.t, s.core, s.reach, s.max_eps = &self.t, address(core), address(reach), max_eps
        s.reachability, s.nodes = address(reachability), <optics_node *> address(nodes)
        s.predecessor, s.ordering = <int32_t *> address(predecessor), <int64_t *> address(ordering)
        api.start(&s)
        while s.done < n:
            with nogil:
                api.run(&s, steps)
            PyErr_CheckSignals()
        return ordering, reachability, predecessor.astype(np.int64)


cdef class Brute:
    """Exhaustive search: a screen in float32, exact distances of what it leaves. ``metric`` euclidean or cosine."""

    cdef const ct_neighbors_api *screen
    cdef const ct_neighbors_api *exact
    cdef readonly object Y, center, packed, bias
    cdef readonly double largest
    cdef readonly bint usable
    cdef int64_t n, d, panels
    cdef int metric
    cdef readonly bint squared

    def __init__(self, Y, metric="euclidean"):
        self.metric = 1 if metric == "cosine" else 0
        self.squared = metric == "sqeuclidean"
        self.screen = <const ct_neighbors_api *> find_api(b"neighbors", 0)
        self.exact = <const ct_neighbors_api *> find_api(b"neighbors", Y.dtype == np.float64)
        self.n, self.d = Y.shape
        self.panels = self.screen.panels(self.n)
        self.Y = self._unit(Y)
        self.center = None if self.metric else Y.mean(axis=0, dtype=np.float64)
        rows = self._rows(self.Y)
        self.packed = aligned(self.screen.packed_size(self.n, self.d), np.float32)
        self.bias = aligned(self.panels * (self.screen.packed_size(1, 1)), np.float32)
        cdef void *pk = address(self.packed)
        cdef void *bi = address(self.bias)
        cdef void *y = address(rows)
        with nogil:
            self.largest = self.screen.pack(pk, bi, y, self.n, self.d, self.metric)
        self.usable = bool(self.largest < 1e15)

    def _unit(self, X):
        if not self.metric:
            return X
        norm = np.sqrt(np.einsum("ij,ij->i", X, X, dtype=np.float64))
        return np.ascontiguousarray(X / np.where(norm > 0, norm, 1)[:, None], dtype=X.dtype)

    def _rows(self, X):
        return np.ascontiguousarray(X if self.center is None else X - self.center, dtype=np.float32)

    def _step(self, most):
        """Queries between two looks for Ctrl-C: some tenths of a second."""
        return max(96, min(most, 20_000_000_000 // max(1, self.n * self.d)))

    def _bounds(self, rows):
        """Squared norms of the queries and a bound on the error of their scores."""
        squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
        slack = (self.d + 16) * 1.2e-7 * (np.sqrt(squares) * self.largest + self.largest ** 2)
        return squares, slack

    def nearest(self, X, int64_t k):
        """Indices and distances of the k nearest points to each row of X."""
        cdef int64_t q = X.shape[0], count, first, step = self._step(2304), room = self.screen.capacity(k)
        X = self._unit(X)
        index, distance = np.empty((q, k), dtype=np.int64), np.empty((q, k))
        step = min(step, max(q, 1))
        candidate = aligned((step, room), np.int32)
        score = aligned((step, room), np.float32)
        found = np.empty(step, dtype=np.int32)
        work = aligned(64 * k * 16, np.uint8)
        cdef void *x32
        cdef void *x
        cdef void *y = address(self.Y)
        cdef void *pk = address(self.packed)
        cdef void *bi = address(self.bias)
        cdef void *sc = address(score)
        cdef void *wk = address(work)
        cdef int32_t *ca = <int32_t *> address(candidate)
        cdef int32_t *fo = <int32_t *> address(found)
        cdef const double *sl
        cdef int64_t *ix
        cdef double *di
        for first in range(0, q, step):
            part = X[first:first + step]
            count = part.shape[0]
            rows = self._rows(part)
            slack = self._bounds(rows)[1]
            if not (self.usable and np.isfinite(slack).all()):
                found[:] = -1
            else:
                x32, sl = address(rows), <const double *> address(slack)
                with nogil:
                    self.screen.screen_nearest(ca, sc, fo, x32, pk, bi, self.n, self.d, count, k, sl)
            x, ix, di = address(part), <int64_t *> address(index[first:]), <double *> address(distance[first:])
            with nogil:
                self.exact.refine_nearest(ix, di, x, y, self.n, self.d, count, k, self.metric, ca, fo, room, wk)
            PyErr_CheckSignals()
        return index, self._full(distance, X.dtype)

    def _full(self, distance, dtype):
        if not self.metric and not self.squared:
            np.sqrt(distance, out=distance)
        return distance.astype(dtype, copy=False)

    def within(self, X, double radius, bint only_count=False):
        """Start of each row's neighbours (q + 1), their indices in order, and distances."""
        cdef int64_t q = X.shape[0], count, first, step
        cdef int64_t width = self.screen.packed_size(1, 1)
        cdef double limit = radius if (self.metric or self.squared) else radius * radius
        X = self._unit(X)
        step = self._step(max(96, min(2304, (1 << 25) // (8 * max(self.panels, 1)))))
        indices, distances, counts = [], [], []
        cdef void *x32
        cdef void *x
        cdef void *y = address(self.Y)
        cdef void *pk = address(self.packed)
        cdef void *bi = address(self.bias)
        cdef uint64_t *mk
        cdef int64_t *mo
        cdef const double *le
        cdef const int64_t *st
        cdef int64_t *ix
        cdef int64_t *ct
        cdef double *di
        for first in range(0, q, step):
            part = X[first:first + step]
            count = part.shape[0]
            rows = self._rows(part)
            squares, slack = self._bounds(rows)
            least = ((1 - limit) if self.metric else (squares - limit) / 2) - slack
            least -= np.abs(least) * 2.4e-7
            least = np.ascontiguousarray(np.where(np.isfinite(slack) & self.usable, least, -3e38))
            least = np.maximum(least, -3e38)
            mask = np.empty((count, self.panels), dtype=np.uint64)
            most = np.full(count, self.n, dtype=np.int64)
            mo = <int64_t *> address(most)
            mk, x32, le = <uint64_t *> address(mask), address(rows), <const double *> address(least)
            if not self.usable:
                mask[:] = np.uint64(2 ** width - 1)
                if self.n % width:
                    mask[:, self.panels - 1] = np.uint64(2 ** (self.n % width) - 1)
            else:
                with nogil:
                    self.screen.screen_within(mk, mo, x32, pk, bi, self.n, self.d, count, le)
            start = np.concatenate([[0], np.cumsum(most)])
            index, distance, kept = np.empty(start[count], dtype=np.int64), np.empty(start[count]), np.empty_like(most)
            ix, di, ct = <int64_t *> address(index), <double *> address(distance), <int64_t *> address(kept)
            st, x = <const int64_t *> address(start), address(part)
            with nogil:
                self.exact.refine_within(ct, ix, di, st, mk, width, x, y, self.n, self.d, count, self.metric, limit)
            PyErr_CheckSignals()
            counts.append(kept)
            if not only_count:
                if not np.array_equal(kept, most):
                    where = np.repeat(start[:count] - (np.cumsum(kept) - kept), kept)
                    where += np.arange(kept.sum())
                    index, distance = index[where], distance[where]
                indices.append(index)
                distances.append(distance)
        start = np.concatenate([[0], np.cumsum(np.concatenate(counts) if counts else np.zeros(0, dtype=np.int64))])
        if only_count:
            return start, None, None
        index = np.concatenate(indices) if indices else np.zeros(0, dtype=np.int64)
        distance = np.concatenate(distances) if distances else np.zeros(0)
        return start, index, self._full(distance, X.dtype)
