"""Coordinate descent for linear machines; see native/include/learn/linear_svm.h."""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint64_t

import numpy as np

from corten._core.native cimport find_api

cdef extern from "include/learn/linear_svm.h":
    ctypedef struct linear_rows:
        const void *data
        const int32_t *indices
        const int32_t *indptr
        int64_t n
        int64_t d
        double bias
    ctypedef struct ct_linear_svm_api:
        int64_t (*classify)(void *w, double *a, const linear_rows *X, const double *y, const double *upper,
                            const double *diag, double tol, int64_t max_iter, uint64_t *seed, int32_t *order,
                            double *square) nogil
        int64_t (*regress)(void *w, double *b, const linear_rows *X, const double *y, const double *upper,
                           const double *diag, double epsilon, double tol, int64_t max_iter, uint64_t *seed,
                           int32_t *order, double *square, double *first) nogil
        int64_t (*sparse)(double *w, double *margin, const linear_rows *XT, const double *y, const double *C,
                          double tol, int64_t max_iter, uint64_t *seed, int32_t *order, double *first) nogil
        int64_t (*joint)(double *W, double *a, const linear_rows *X, const int32_t *y, const double *C, int64_t k,
                         double tol, int64_t max_iter, uint64_t *seed, int32_t *order, double *square,
                         double *work) nogil


cdef inline void *address(object array) except? NULL:
    return NULL if array is None else <void *> <size_t> array.ctypes.data


cdef describe(linear_rows *rows, X, double bias):
    """Fill in the rows of X, dense or CSR; the result keeps alive what they point to."""
    rows.n, rows.d = X.shape
    rows.bias = bias
    if isinstance(X, np.ndarray):
        rows.data, rows.indices, rows.indptr = address(X), NULL, NULL
        return X
    indices, indptr = np.ascontiguousarray(X.indices, np.int32), np.ascontiguousarray(X.indptr, np.int32)
    rows.data = address(X.data)
    rows.indices, rows.indptr = <const int32_t *> address(indices), <const int32_t *> address(indptr)
    return X, indices, indptr


def descend(kind, X, y, upper, diag, double bias, double tol, int64_t max_iter, uint64_t seed, double epsilon=0.0,
            report=None):
    """Run one descent; (w of d + 1, iterations, converged). ``report`` is told the iterations done so far.

    ``kind`` is 'classify' or 'regress' over the rows of X, or 'sparse' over the rows of X = the transposed data with the
    constant already a feature; then ``upper`` holds C and w has one entry for each row.
    """
    cdef linear_rows rows
    cdef const ct_linear_svm_api *api = <const ct_linear_svm_api *> find_api(b"linear_svm", X.dtype == np.float64)
    _kept = describe(&rows, X, bias)
    y, upper = np.ascontiguousarray(y, np.float64), np.ascontiguousarray(upper, np.float64)
    order = np.empty(rows.n, dtype=np.int32)
    cdef int32_t *od = <int32_t *> address(order)
    cdef const double *yy = <const double *> address(y)
    cdef const double *up = <const double *> address(upper)
    cdef const double *dg
    cdef double *al
    cdef double *sq
    cdef double first = -1
    cdef int64_t done = 0, step, part
    cdef void *w
    cdef int which
    seed = seed * 2 + 1
    if kind == "sparse":
        which = 2
        weights, state = np.zeros(rows.n), np.ones(rows.d)
        square = diag = None
    else:
        which = 0 if kind == "classify" else 1
        weights, state, square = np.zeros(rows.d + 1, dtype=X.dtype), np.zeros(rows.n), np.empty(rows.n)
        diag = np.ascontiguousarray(diag, np.float64)
    w, al, sq, dg = address(weights), <double *> address(state), <double *> address(square), <const double *> address(diag)
    # pieces of about a tenth of a second, between which Ctrl-C is heard
    step = max(1, <int64_t> (3e7 / max(1.0, float(X.size))))
    while done < max_iter:
        step = min(step, max_iter - done)
        with nogil:
            if which == 0:
                part = api.classify(w, al, &rows, yy, up, dg, tol, step, &seed, od, sq)
            elif which == 1:
                part = api.regress(w, al, &rows, yy, up, dg, epsilon, tol, step, &seed, od, sq, &first)
            else:
                part = api.sparse(<double *> w, al, &rows, yy, up, tol, step, &seed, od, &first)
        PyErr_CheckSignals()
        done += part
        if report is not None:
            report(done)
        if part < step:
            return weights, done + 1, True
    return weights, done, False


def descend_joint(X, y, C, int64_t k, double bias, double tol, int64_t max_iter, uint64_t seed, report=None):
    """One machine for all k classes (Crammer and Singer); (W of (k, d + 1), iterations, converged)."""
    cdef linear_rows rows
    cdef const ct_linear_svm_api *api = <const ct_linear_svm_api *> find_api(b"linear_svm", X.dtype == np.float64)
    _kept = describe(&rows, X, bias)
    y, C = np.ascontiguousarray(y, np.int32), np.ascontiguousarray(C, np.float64)
    order, square, work = np.empty(rows.n, dtype=np.int32), np.empty(rows.n), np.empty(2 * k)
    W, a = np.zeros((rows.d + 1, k)), np.zeros((rows.n, k))
    cdef double *ww = <double *> address(W)
    cdef double *aa = <double *> address(a)
    cdef double *sq = <double *> address(square)
    cdef double *wk = <double *> address(work)
    cdef const double *cc = <const double *> address(C)
    cdef const int32_t *yy = <const int32_t *> address(y)
    cdef int32_t *od = <int32_t *> address(order)
    cdef int64_t done = 0, part, step = max(1, <int64_t> (3e7 / max(1.0, float(X.size) * k)))
    seed = seed * 2 + 1
    while done < max_iter:
        step = min(step, max_iter - done)
        with nogil:
            part = api.joint(ww, aa, &rows, yy, cc, k, tol, step, &seed, od, sq, wk)
        PyErr_CheckSignals()
        done += part
        if report is not None:
            report(done)
        if part < step:
            return np.ascontiguousarray(W.T), done + 1, True
    return np.ascontiguousarray(W.T), done, False
