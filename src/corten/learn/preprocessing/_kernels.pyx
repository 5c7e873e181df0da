"""Doors to the native kernels on columns: statistics, affine maps, Gaussian densities."""

import numpy as np

from cpython.buffer cimport Py_buffer, PyBUF_FORMAT, PyBUF_STRIDES, PyObject_GetBuffer, PyBuffer_Release
from libc.math cimport isfinite
from libc.stdint cimport int64_t

from corten._core.native cimport find_api
from corten.learn._buffers cimport address

cdef extern from "include/learn/columns.h":
    ctypedef struct ct_columns_api:
        int64_t (*work)(int64_t n, int64_t p) noexcept nogil
        void (*stats)(double *weight, double *sum, double *squares, void *low, void *high, void *X, int64_t x_row, void *w,
                      void *shift, int64_t n, int64_t p, void *work) noexcept nogil
        int (*affine)(void *out, int64_t out_row, void *X, int64_t x_row, void *a, void *b, int forward, int clip,
                      double low, double high, int64_t n, int64_t p) noexcept nogil
        void (*gauss)(void *S, void *X, int64_t x_row, void *mean, void *inverse, double *constant, int64_t n, int64_t p,
                      int64_t K) noexcept nogil


cdef const ct_columns_api *api_of(object array) except NULL:
    cdef str char = array.dtype.char
    if char != "d" and char != "f":
        raise TypeError(f"[native] expected float32 or float64, got {array.dtype}")
    return <const ct_columns_api *>find_api(b"columns", char == "d")


def column_stats(X, weights, shift):
    """(weight, sum, squares, low, high) of X (n, p) with unit column stride about ``shift`` (p,), NaN left out."""
    cdef const ct_columns_api *api = api_of(X)
    cdef int64_t n = X.shape[0], p = X.shape[1], x_row = X.strides[0] // X.itemsize
    weight, total, squares = np.empty(p), np.empty(p), np.empty(p)
    low, high = np.empty(p, dtype=X.dtype), np.empty(p, dtype=X.dtype)
    work = np.empty(api.work(n, p), dtype=np.uint8)
    cdef double *w = <double *>address(weight)
    cdef double *s = <double *>address(total)
    cdef double *q = <double *>address(squares)
    cdef void *lo = address(low)
    cdef void *hi = address(high)
    cdef void *x = address(X)
    cdef void *rows = address(weights)
    cdef void *about = address(shift)
    cdef void *space = address(work)
    with nogil:
        api.stats(w, s, q, lo, hi, x, x_row, rows, about, n, p, space)
    return weight, total, squares, low, high


def affine(X, a, b, bint forward, out=None, clip=None):
    """((x - a) / b, or x * b + a; whether some x was infinite). X has unit column stride; a and b its dtype or None."""
    cdef const ct_columns_api *api = api_of(X)
    cdef int64_t n = X.shape[0], p = X.shape[1], x_row = X.strides[0] // X.itemsize, out_row
    cdef double low = 0, high = 0
    cdef bint clipped = clip is not None
    cdef int infinite
    if clipped:
        low, high = clip
    if out is None:
        out = np.empty((n, p), dtype=X.dtype)
    out_row = out.strides[0] // out.itemsize
    cdef void *o = address(out)
    cdef void *x = address(X)
    cdef void *av = address(a)
    cdef void *bv = address(b)
    with nogil:
        infinite = api.affine(o, out_row, x, x_row, av, bv, forward, clipped, low, high, n, p)
    return out, bool(infinite)


def gauss(X, mean, inverse, constant):
    """S (n, K) = constant_k - 1/2 sum_j (x_ij - mean_kj)^2 inverse_kj."""
    cdef const ct_columns_api *api = api_of(X)
    cdef int64_t n = X.shape[0], p = X.shape[1], K = mean.shape[0], x_row = X.strides[0] // X.itemsize
    S = np.empty((n, K), dtype=X.dtype)
    cdef void *s = address(S)
    cdef void *x = address(X)
    cdef void *m = address(mean)
    cdef void *v = address(inverse)
    cdef double *c = <double *>address(constant)
    with nogil:
        api.gauss(s, x, x_row, m, v, c, n, p, K)
    return S


def row_affine(X, a, b, bint forward):
    """One row (1, p) of floats by float64 a and b: (x - a) / b, or x * b + a. None when some value is infinite."""
    cdef Py_buffer xv, av, bv, ov
    cdef int64_t j, p
    cdef double x
    cdef bint good = True
    cdef const double *aa = NULL
    cdef const double *bb = NULL
    out = np.empty_like(X)
    PyObject_GetBuffer(X, &xv, PyBUF_STRIDES | PyBUF_FORMAT)
    PyObject_GetBuffer(out, &ov, PyBUF_STRIDES)
    p = xv.shape[1]
    if a is not None:
        PyObject_GetBuffer(a, &av, PyBUF_STRIDES | PyBUF_FORMAT)
        aa = <const double *>av.buf
        good = good and av.format[0] == c"d" and av.shape[0] == p and av.strides[0] == 8
    if b is not None:
        PyObject_GetBuffer(b, &bv, PyBUF_STRIDES | PyBUF_FORMAT)
        bb = <const double *>bv.buf
        good = good and bv.format[0] == c"d" and bv.shape[0] == p and bv.strides[0] == 8
    good = good and xv.format[0] == c"d"
    if good:
        for j in range(p):
            x = (<const double *>xv.buf)[j]
            if not isfinite(x):
                good = False
            if forward:
                if aa != NULL:
                    x = x - aa[j]
                if bb != NULL:
                    x = x / bb[j]
            else:
                if bb != NULL:
                    x = x * bb[j]
                if aa != NULL:
                    x = x + aa[j]
            (<double *>ov.buf)[j] = x
    if a is not None:
        PyBuffer_Release(&av)
    if b is not None:
        PyBuffer_Release(&bv)
    PyBuffer_Release(&ov)
    PyBuffer_Release(&xv)
    return out if good else None
