"""Doors to the native kernels of linear models: Gram matrices, scores, logistic loss, coordinate descent."""

import numpy as np

from cpython.buffer cimport Py_buffer, PyBUF_FORMAT, PyBUF_STRIDES, PyObject_GetBuffer, PyBuffer_Release
from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport exp, isfinite
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from corten._core.native cimport find_api, pool_give, pool_take
from corten.learn._buffers cimport address

cdef extern from "include/learn/gram.h":
    ctypedef struct ct_gram_api:
        int64_t (*work)(int64_t n, int64_t p, int64_t t) noexcept nogil
        void (*gram)(double *G, void *X, int64_t x_row, void *Y, int64_t y_row, void *w, void *shift, int64_t n,
                     int64_t p, int64_t t, void *work) noexcept nogil

cdef extern from "include/learn/thin.h":
    ctypedef struct ct_thin_api:
        int64_t (*work)(int64_t n, int64_t p, int64_t K) noexcept nogil
        void (*times)(void *Y, void *X, int64_t x_row, void *Q, void *offset, int64_t n, int64_t p, int64_t K,
                      void *work) noexcept nogil
        void (*transposed_times)(void *Z, void *X, int64_t x_row, void *Y, void *mean, void *sums, int64_t n, int64_t p,
                                 int64_t K, void *work) noexcept nogil

cdef extern from "include/learn/glm.h":
    ctypedef struct ct_glm_api:
        void (*scores)(void *S, int64_t s_row, void *X, int64_t x_row, void *W, int64_t w_row, void *b, int link,
                       int64_t n, int64_t p, int64_t K, void *work) noexcept nogil
        void (*scores_csr)(void *S, int64_t s_row, void *data, int32_t *indices, int32_t *indptr, void *Wt, void *b,
                           int link, int64_t n, int64_t K) noexcept nogil
        int64_t (*loss_work)(int64_t n, int64_t p, int64_t K) noexcept nogil
        double (*loss)(double *G, double *g, void *P, void *X, int64_t x_row, int32_t *y, void *w, void *W, void *b,
                       int64_t n, int64_t p, int64_t K, void *work) noexcept nogil
        double (*loss_csr)(double *Gt, double *g, void *P, void *data, int32_t *indices, int32_t *indptr, int32_t *y,
                           void *w, void *Wt, void *b, int64_t n, int64_t p, int64_t K, void *work) noexcept nogil
        int64_t (*loss_csr_work)(int64_t n, int64_t p, int64_t K) noexcept nogil
        void (*outer)(double *G, void *S, void *X, int64_t x_row, int64_t n, int64_t p, int64_t K, void *work) noexcept nogil
        void (*link)(void *S, int64_t n, int64_t K) noexcept nogil

cdef extern from "include/learn/cd.h":
    ctypedef struct cd_problem:
        int mode, positive, random, screening
        int64_t n, p
        double alpha, beta, tol, tol_step
        uint32_t seed
        const double *Q
        const double *q
        double yy
        void *X
        int64_t x_col
        void *data
        int32_t *indices
        int32_t *indptr
        void *y
        void *sample_weight
        const double *mean
        double *w
        double *H
        void *R
        double *norm2
        double *XtR
        int32_t *active
        uint8_t *excluded
        double offset, r_sum
        int64_t n_active, iter
        double gap
    ctypedef struct ct_cd_api:
        int (*start)(cd_problem *problem) noexcept nogil
        int (*run)(cd_problem *problem, int64_t iterations, int64_t max_iter) noexcept nogil


cdef inline int dtype_of(object array) except -1:
    cdef str char = array.dtype.char
    if char == "d":
        return 1
    if char == "f":
        return 0
    raise TypeError(f"[native] expected float32 or float64, got {array.dtype}")


cdef inline int64_t row_stride(object array) except -1:
    """Elements from row to row of a 2-D array with unit column stride."""
    return array.strides[0] // array.itemsize


cdef void *take(size_t size) except NULL:
    """Workspace of the pool, whose pages stay warm from call to call."""
    cdef void *space = pool_take(size)
    if space == NULL:
        raise MemoryError(f"[native] {size} bytes of workspace")
    return space


def gram(X, Y, weights, shift):
    """G (P, P) float64 of z = [X - shift_x, Y - shift_y, 1], P = p + t + 1; X and Y have unit column stride."""
    cdef int dtype = dtype_of(X)
    cdef int64_t n = X.shape[0], p = X.shape[1], t = 0 if Y is None else Y.shape[1]
    cdef const ct_gram_api *api = <const ct_gram_api *>find_api(b"gram", dtype)
    G = np.empty((p + t + 1, p + t + 1))
    cdef size_t size = api.work(n, p, t)
    cdef double *g = <double *>address(G)
    cdef void *x = address(X)
    cdef void *y = address(Y)
    cdef void *w = address(weights)
    cdef void *s = address(shift)
    cdef int64_t x_row = row_stride(X), y_row = 0 if Y is None else row_stride(Y)
    cdef void *space = take(size)
    with nogil:
        api.gram(g, x, x_row, y, y_row, w, s, n, p, t, space)
        pool_give(space, size)
    return G


def thin_times(X, Q, offset):
    """X Q - offset, (n, K), for X (n, p) with unit column stride and contiguous Q (p, K) and offset (K,)."""
    return thin(X, Q, offset, None)


def thin_transposed_times(X, Y, mean, sums):
    """X^T Y - mean sums^T, (p, K), for X (n, p) with unit column stride and contiguous Y (n, K), mean (p,), sums (K,)."""
    return thin(X, Y, mean, sums)


cdef thin(X, B, first, second):
    cdef const ct_thin_api *api = <const ct_thin_api *>find_api(b"thin", dtype_of(X))
    cdef int64_t n = X.shape[0], p = X.shape[1], K = B.shape[1], x_row = row_stride(X)
    out = np.empty((n if second is None else p, K), dtype=X.dtype)
    cdef size_t size = api.work(n, p, K)
    cdef void *o = address(out)
    cdef void *x = address(X)
    cdef void *b = address(B)
    cdef void *u = address(first)
    cdef void *v = address(second)
    cdef void *space = take(size)
    with nogil:
        if v == NULL:
            api.times(o, x, x_row, b, u, n, p, K, space)
        else:
            api.transposed_times(o, x, x_row, b, u, v, n, p, K, space)
        pool_give(space, size)
    return out


def scores(X, W, b, int link=0):
    """S (n, K) = X W^T + b, with unit column strides; ``link`` 1 turns scores into probabilities."""
    cdef int dtype = dtype_of(X)
    cdef const ct_glm_api *api = <const ct_glm_api *>find_api(b"glm", dtype)
    cdef int64_t n = X.shape[0], p = X.shape[1], K = W.shape[0]
    S = np.empty((n, K), dtype=X.dtype)
    cdef void *s = address(S)
    cdef void *x = address(X)
    cdef void *w = address(W)
    cdef void *bias = address(b)
    cdef int64_t x_row = row_stride(X), w_row = row_stride(W)
    with nogil:
        api.scores(s, K, x, x_row, w, w_row, bias, link, n, p, K, NULL)
    return S


def scores_csr(X, Wt, b, int link=0):
    """S (n, K) = X W^T + b for CSR X with 32-bit indices and Wt (p, K) contiguous."""
    cdef int dtype = dtype_of(X.data)
    cdef const ct_glm_api *api = <const ct_glm_api *>find_api(b"glm", dtype)
    cdef int64_t n = X.shape[0], K = Wt.shape[1]
    S = np.empty((n, K), dtype=X.data.dtype)
    data, indices, indptr = X.data, X.indices, X.indptr
    cdef void *s = address(S)
    cdef void *d = address(data)
    cdef int32_t *i = <int32_t *>address(indices)
    cdef int32_t *ip = <int32_t *>address(indptr)
    cdef void *w = address(Wt)
    cdef void *bias = address(b)
    with nogil:
        api.scores_csr(s, K, d, i, ip, w, bias, link, n, K)
    return S


def link(S):
    """Scores (n, K) to probabilities in place: the logistic function for K = 1, softmax otherwise; returns S."""
    cdef const ct_glm_api *api = <const ct_glm_api *>find_api(b"glm", dtype_of(S))
    cdef int64_t n = S.shape[0], K = S.shape[1]
    cdef void *s = address(S)
    with nogil:
        api.link(s, n, K)
    return S


def outer(S, X):
    """G (K, p) float64 = S^T X for contiguous S (n, K) and X (n, p) with unit column stride."""
    cdef const ct_glm_api *api = <const ct_glm_api *>find_api(b"glm", dtype_of(X))
    cdef int64_t n = X.shape[0], p = X.shape[1], K = S.shape[1]
    if S.dtype != X.dtype or not S.flags.c_contiguous:
        S = np.ascontiguousarray(S, dtype=X.dtype)
    G = np.empty((K, p))
    work = np.empty(api.loss_work(n, p, K), dtype=np.uint8)
    cdef double *g = <double *>address(G)
    cdef void *s = address(S)
    cdef void *x = address(X)
    cdef void *space = address(work)
    cdef int64_t x_row = row_stride(X)
    with nogil:
        api.outer(g, s, x, x_row, n, p, K, space)
    return G


cdef class LogLoss:
    """Sum of weighted log losses and its gradient over (W, b); X dense with unit column stride, or CSR.

    Parameters
    ----------
    X : array (n, p) or CSR
    y : int32 array (n,)
    weights : array (n,) of X's dtype or None
    K : 1 for two classes, else the number of classes
    """

    cdef object X, y, weights, work
    cdef public object W, b, G, g
    cdef const ct_glm_api *api
    cdef int64_t n, p, K
    cdef bint sparse
    cdef readonly object dtype

    def __init__(self, X, y, weights, int64_t K):
        self.sparse = not isinstance(X, np.ndarray)
        values = X.data if self.sparse else X
        self.X, self.y, self.weights, self.dtype = X, y, weights, values.dtype
        self.api = <const ct_glm_api *>find_api(b"glm", dtype_of(values))
        self.n, self.p, self.K = X.shape[0], X.shape[1], K
        shape = (self.p, K) if self.sparse else (K, self.p)
        self.W, self.b = np.zeros(shape, dtype=values.dtype), np.zeros(K, dtype=values.dtype)
        self.G, self.g = np.empty(shape), np.empty(K)
        size = self.api.loss_csr_work if self.sparse else self.api.loss_work
        self.work = np.empty(size(self.n, self.p, K), dtype=np.uint8)

    def __call__(self, W, b, P=None):
        """The sum of losses at W (K, p), b (K); afterwards ``gradient`` (K, p) and ``g`` (K). P (n, K) takes probabilities."""
        self.W[...] = W.T if self.sparse else W
        self.b[...] = b
        cdef double loss
        cdef double *G = <double *>address(self.G)
        cdef double *g = <double *>address(self.g)
        cdef void *prob = address(P)
        cdef int32_t *y = <int32_t *>address(self.y)
        cdef void *weights = address(self.weights)
        cdef void *w = address(self.W)
        cdef void *bias = address(self.b)
        cdef void *work = address(self.work)
        cdef void *x
        cdef int32_t *indices
        cdef int32_t *indptr
        cdef int64_t x_row
        if self.sparse:
            x = address(self.X.data)
            indices = <int32_t *>address(self.X.indices)
            indptr = <int32_t *>address(self.X.indptr)
            with nogil:
                loss = self.api.loss_csr(G, g, prob, x, indices, indptr, y, weights, w, bias, self.n, self.p, self.K, work)
        else:
            x = address(self.X)
            x_row = row_stride(self.X)
            with nogil:
                loss = self.api.loss(G, g, prob, x, x_row, y, weights, w, bias, self.n, self.p, self.K, work)
        return loss

    @property
    def gradient(self):
        return self.G.T if self.sparse else self.G


cdef class CoordinateDescent:
    """One elastic-net problem whose penalties may change from call to call; keeps Gram matrix or columns and workspace."""

    cdef cd_problem c
    cdef const ct_cd_api *api
    cdef object keep
    cdef double cost
    cdef readonly object w

    def __init__(self, int64_t n, int64_t p, *, Q=None, q=None, double yy=0.0, X=None, y=None, sample_weight=None, mean=None):
        cdef int dtype = 1
        self.c.n, self.c.p, self.c.yy = n, p, yy
        self.w = np.zeros(p)
        state = [np.empty(p), np.empty(p), np.empty(p, dtype=np.int32), np.empty(p, dtype=np.uint8)]
        self.c.norm2, self.c.XtR = <double *>address(state[0]), <double *>address(state[1])
        self.c.active, self.c.excluded = <int32_t *>address(state[2]), <uint8_t *>address(state[3])
        self.c.w = <double *>address(self.w)
        if Q is not None:
            self.c.mode = 0
            self.c.Q, self.c.q = <const double *>address(Q), <const double *>address(q)
            state += [np.empty(p), Q, q]
            self.c.H = <double *>address(state[4])
            self.cost = <double>p * p * 0.3
        else:
            values = X if isinstance(X, np.ndarray) else X.data
            dtype = dtype_of(values)
            R = np.empty(n, dtype=values.dtype)
            self.c.R, self.c.y = address(R), address(y)
            state += [R, X, y]
            if isinstance(X, np.ndarray):
                self.c.mode = 1
                self.c.X, self.c.x_col = address(X), X.strides[1] // X.itemsize
                self.cost = <double>n * p * 0.3
            else:
                self.c.mode = 2
                indices, indptr = X.indices, X.indptr
                self.c.data, self.c.indices = address(values), <int32_t *>address(indices)
                self.c.indptr = <int32_t *>address(indptr)
                self.c.sample_weight, self.c.mean = address(sample_weight), <const double *>address(mean)
                state += [values, indices, indptr, sample_weight, mean]
                self.cost = <double>len(values) * 3
        self.api = <const ct_cd_api *>find_api(b"cd", dtype)
        self.keep = state

    def solve(self, double alpha, double beta, double tol, double tol_step, int64_t max_iter, bint positive=False,
              bint random=False, uint32_t seed=1, bint screening=True):
        """Solve from ``self.w``; returns (gap, iterations, converged)."""
        cdef int done
        cdef int64_t piece = <int64_t>(1e8 / (self.cost + 100)) + 1
        self.c.alpha, self.c.beta, self.c.tol, self.c.tol_step = alpha, beta, tol, tol_step
        self.c.positive, self.c.random, self.c.seed, self.c.screening = positive, random, seed if seed else 1, screening
        with nogil:
            done = self.api.start(&self.c)
        if done:
            return self.c.gap, 0, True
        while not done and self.c.iter < max_iter:
            with nogil:
                done = self.api.run(&self.c, piece, max_iter)
            PyErr_CheckSignals()
        return self.c.gap, self.c.iter, bool(done)


# ---------------------------------------------------------------------------------------------------------- one row

cdef inline bint row_scores(object X, object W, object b, double *out, int64_t K) except? 0:
    """out[k] = X[0] . W[k] + b[k] in double, for a row and coefficients of any float dtype; 0 when not all are finite."""
    cdef Py_buffer xv, wv
    cdef int64_t k, j, p
    cdef double bias
    cdef bint good = True
    cdef const double *xd
    cdef const double *wd
    cdef const float *xf
    cdef const float *wf
    cdef double a0, a1, a2, a3
    PyObject_GetBuffer(X, &xv, PyBUF_STRIDES | PyBUF_FORMAT)
    PyObject_GetBuffer(W, &wv, PyBUF_STRIDES | PyBUF_FORMAT)
    p = xv.shape[xv.ndim - 1]
    if wv.strides[wv.ndim - 1] != wv.itemsize or wv.shape[wv.ndim - 1] != p:
        good = False
    elif xv.format[0] == c"d" and wv.format[0] == c"d":
        xd = <const double *>xv.buf
        for k in range(K):
            wd = <const double *>(<char *>wv.buf + (k * wv.strides[0] if wv.ndim == 2 else 0))
            a0 = a1 = a2 = a3 = 0
            j = 0
            while j + 4 <= p:
                a0 += xd[j] * wd[j]
                a1 += xd[j + 1] * wd[j + 1]
                a2 += xd[j + 2] * wd[j + 2]
                a3 += xd[j + 3] * wd[j + 3]
                j += 4
            while j < p:
                a0 += xd[j] * wd[j]
                j += 1
            out[k] = (a0 + a1) + (a2 + a3)
    elif xv.format[0] == c"f" and wv.format[0] == c"f":
        xf = <const float *>xv.buf
        for k in range(K):
            wf = <const float *>(<char *>wv.buf + (k * wv.strides[0] if wv.ndim == 2 else 0))
            a0 = a1 = 0
            j = 0
            while j + 2 <= p:
                a0 += <double>xf[j] * wf[j]
                a1 += <double>xf[j + 1] * wf[j + 1]
                j += 2
            while j < p:
                a0 += <double>xf[j] * wf[j]
                j += 1
            out[k] = a0 + a1
    else:
        good = False
    PyBuffer_Release(&wv)
    if good:
        if isinstance(b, float):
            bias = b
            for k in range(K):
                out[k] += bias
        else:
            PyObject_GetBuffer(b, &wv, PyBUF_STRIDES | PyBUF_FORMAT)
            for k in range(K):
                if wv.format[0] == c"d":
                    out[k] += (<double *>(<char *>wv.buf + (k * wv.strides[0] if wv.ndim else 0)))[0]
                else:
                    out[k] += (<float *>(<char *>wv.buf + (k * wv.strides[0] if wv.ndim else 0)))[0]
            PyBuffer_Release(&wv)
        for k in range(K):
            if not isfinite(out[k]):
                good = False
    PyBuffer_Release(&xv)
    return good


cdef double _scratch[4096]


def row_predict(X, W, b, int64_t K, int kind, classes=None):
    """The fast path for one row. Returns None when the general path has to look at it.

    kind: 0 the scores (1,) or (1, K); 1 the class; 2 probabilities (1, max(K, 2)).
    """
    cdef double *s = _scratch
    cdef int64_t k, top
    cdef double total
    if K > 4096 or not row_scores(X, W, b, s, K):
        return None
    if kind == 1:
        top = 0
        if K == 1:
            top = s[0] > 0
        else:
            for k in range(1, K):
                if s[k] > s[top]:
                    top = k
        return classes[top:top + 1]
    if kind == 2:
        if K == 1:
            if s[0] >= 0:
                total = 1 / (1 + exp(-s[0]))
            else:
                total = exp(s[0])
                total = total / (1 + total)
            s[0], s[1] = 1 - total, total
            K = 2
        else:
            top = 0
            for k in range(1, K):
                if s[k] > s[top]:
                    top = k
            total = s[top]
            for k in range(K):
                s[k] = exp(s[k] - total)
            total = 0
            for k in range(K):
                total += s[k]
            for k in range(K):
                s[k] /= total
    cdef Py_buffer view
    shape = (1,) if K == 1 else tuple([1, K])
    out = np.empty(shape, dtype=X.dtype)
    PyObject_GetBuffer(out, &view, PyBUF_STRIDES | PyBUF_FORMAT)
    if view.format[0] == c"d":
        for k in range(K):
            (<double *>view.buf)[k] = s[k]
    else:
        for k in range(K):
            (<float *>view.buf)[k] = <float>s[k]
    PyBuffer_Release(&view)
    return out
