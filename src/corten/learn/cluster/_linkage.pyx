"""Hierarchies and orderings without a distance matrix; see native/include/learn/linkage.h."""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint8_t

import numpy as np

from corten._core.native cimport find_api

cdef extern from "include/learn/linkage.h":
    ctypedef struct point_columns:
        int64_t n
        int64_t d
        int64_t pad
        const void *X
        int metric
        double p
    ctypedef struct ct_linkage_api:
        void (*span)(const point_columns *P, int64_t *from_, int64_t *to, double *distance, void *reach,
                     uint8_t *inside, int64_t *current, int64_t *done, int64_t count) nogil
        void (*ward)(int64_t n, int64_t d, int64_t pad, void *centroids, void *sizes, int64_t *a, int64_t *b,
                     double *distance, int32_t *chain, int64_t *length, int64_t *done, int64_t count) nogil
        void (*order)(const point_columns *P, int64_t *ordering, double *reach, int64_t *predecessor,
                      const double *core, uint8_t *done_flags, double max_eps, int decimals, int64_t *done,
                      int64_t count) nogil

METRICS = {"euclidean": 0, "manhattan": 1, "chebyshev": 2, "minkowski": 3}


cdef inline void *address(object array) except? NULL:
    return NULL if array is None else <void *> <size_t> array.ctypes.data


def _columns(X):
    n, d = X.shape
    pad = -(-n // 16) * 16
    columns = np.zeros((d, pad), dtype=X.dtype)
    columns[:, :n] = X.T
    return columns


cdef int64_t piece(X):
    """Steps of a tenth of a second or so, each of which touches all of X."""
    return max(1, <int64_t> (2e8 / max(1.0, float(X.size))))


def full_distance(reduced, metric, double p):
    """Distances from reduced ones."""
    if metric == "euclidean":
        return np.sqrt(reduced)
    return reduced ** (1 / p) if metric == "minkowski" else reduced


def spanning_tree(X, metric="euclidean", double p=2.0):
    """Edges (from, to, distance) of the minimum spanning tree of the rows, in the order of Prim's algorithm."""
    cdef point_columns P
    cdef const ct_linkage_api *api = <const ct_linkage_api *> find_api(b"linkage", X.dtype == np.float64)
    columns = _columns(X)
    P.n, P.d, P.pad, P.X, P.metric, P.p = X.shape[0], X.shape[1], columns.shape[1], address(columns), METRICS[metric], p
    start, end, distance = np.empty(P.n - 1, np.int64), np.empty(P.n - 1, np.int64), np.empty(P.n - 1)
    reach, inside = np.full(P.pad, np.inf, dtype=X.dtype), np.zeros(P.pad, dtype=np.uint8)
    cdef int64_t current = 0, done = 0, step = piece(X)
    cdef int64_t *st = <int64_t *> address(start)
    cdef int64_t *en = <int64_t *> address(end)
    cdef double *di = <double *> address(distance)
    cdef void *re = address(reach)
    cdef uint8_t *ins = <uint8_t *> address(inside)
    while done < P.n - 1:
        with nogil:
            api.span(&P, st, en, di, re, ins, &current, &done, step)
        PyErr_CheckSignals()
    return start, end, full_distance(distance, metric, p)


def ward_merges(X):
    """Pairs of places and distances of Ward's hierarchy, in the order in which they were found."""
    cdef const ct_linkage_api *api = <const ct_linkage_api *> find_api(b"linkage", X.dtype == np.float64)
    centroids = _columns(X)
    cdef int64_t n = X.shape[0], d = X.shape[1], pad = centroids.shape[1], done = 0, length = 0
    cdef int64_t step = max(1, piece(X) // 4)
    sizes = np.zeros(pad, dtype=X.dtype)
    sizes[:n] = 1
    first, second, distance = np.empty(n - 1, np.int64), np.empty(n - 1, np.int64), np.empty(n - 1)
    chain = np.empty(n + 1, dtype=np.int32)
    cdef void *ce = address(centroids)
    cdef void *si = address(sizes)
    cdef int64_t *a = <int64_t *> address(first)
    cdef int64_t *b = <int64_t *> address(second)
    cdef double *di = <double *> address(distance)
    cdef int32_t *ch = <int32_t *> address(chain)
    while done < n - 1:
        with nogil:
            api.ward(n, d, pad, ce, si, a, b, di, ch, &length, &done, step)
        PyErr_CheckSignals()
    return first, second, np.sqrt(distance)


def density_order(X, core, double max_eps, metric="euclidean", double p=2.0):
    """(ordering, reachability, predecessor) of OPTICS."""
    cdef point_columns P
    cdef const ct_linkage_api *api = <const ct_linkage_api *> find_api(b"linkage", X.dtype == np.float64)
    columns = _columns(X)
    P.n, P.d, P.pad, P.X, P.metric, P.p = X.shape[0], X.shape[1], columns.shape[1], address(columns), METRICS[metric], p
    ordering, predecessor = np.empty(P.n, np.int64), np.full(P.n, -1, np.int64)
    reach, flags = np.full(P.pad, np.inf), np.zeros(P.pad, np.uint8)
    core = np.ascontiguousarray(core, dtype=np.float64)
    cdef int64_t done = 0, step = max(1, piece(X) // 2)
    cdef int decimals = np.finfo(X.dtype).precision
    cdef int64_t *od = <int64_t *> address(ordering)
    cdef int64_t *pr = <int64_t *> address(predecessor)
    cdef double *re = <double *> address(reach)
    cdef const double *co = <const double *> address(core)
    cdef uint8_t *fl = <uint8_t *> address(flags)
    while done < P.n:
        with nogil:
            api.order(&P, od, re, pr, co, fl, max_eps, decimals, &done, step)
        PyErr_CheckSignals()
    return ordering, reach[:P.n].copy(), predecessor
