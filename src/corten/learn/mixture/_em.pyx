"""One native pass of expectation-maximisation; see native/include/learn/gmm.h."""

from libc.stdint cimport int64_t

import numpy as np

from corten._core.native cimport find_api

cdef extern from "include/learn/gmm.h":
    ctypedef struct gmm_model:
        const void *X
        const void *means
        const void *factor
        const double *constant
        int64_t n
        int64_t d
        int64_t k
        int64_t factor_step
        int full
    ctypedef struct ct_gmm_api:
        int64_t (*work)(int64_t n, int64_t d, int64_t k, int full, int moments) nogil
        double (*step)(const gmm_model *m, void *log_prob, void *resp, double *mass, double *first, double *second,
                       void *work) nogil


cdef inline void *address(object array) except? NULL:
    return NULL if array is None else <void *> <size_t> array.ctypes.data


def em_step(X, means, factor, constant, bint shared, bint moments, log_prob=None, resp=None):
    """Sum of log p over the rows of X (n, d); with ``moments`` also (mass, first, second) about ``means``.

    ``factor`` holds upper Cholesky factors of the precisions (k, d, d), or their roots (k, d); one for all, without the
    first axis, when ``shared``.
    """
    cdef gmm_model m
    dtype = X.dtype
    means, factor = np.ascontiguousarray(means, dtype=dtype), np.ascontiguousarray(factor, dtype=dtype)
    constant = np.ascontiguousarray(constant, dtype=np.float64)
    cdef const ct_gmm_api *api = <const ct_gmm_api *> find_api(b"gmm", dtype == np.float64)
    m.X, m.means, m.factor, m.constant = address(X), address(means), address(factor), <const double *> address(constant)
    m.n, m.d, m.k = X.shape[0], X.shape[1], means.shape[0]
    m.full = factor.ndim - (0 if shared else 1) == 2
    m.factor_step = 0 if shared else (m.d * m.d if m.full else m.d)
    pairs = m.d * (m.d + 1) // 2 if m.full else m.d
    raw = np.empty(api.work(m.n, m.d, m.k, m.full, moments) + 64, dtype=np.uint8)
    cdef void *work = <void *> ((<size_t> address(raw) + 63) & ~<size_t> 63)
    mass = first = second = None
    if moments:
        mass, first, second = np.empty(m.k), np.empty((m.k, m.d)), np.empty((m.k, pairs))
    cdef double *ma = <double *> address(mass)
    cdef double *fi = <double *> address(first)
    cdef double *se = <double *> address(second)
    cdef void *lp = address(log_prob)
    cdef void *re = address(resp)
    cdef double total
    with nogil:
        total = api.step(&m, lp, re, ma, fi, se, work)
    return total, mass, first, second
