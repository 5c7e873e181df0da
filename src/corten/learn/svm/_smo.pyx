"""Kernel rows on demand, and the working-set solver over them; see native/include/learn/{kernel_rows,smo}.h."""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int8_t, int32_t, int64_t

import numpy as np

from corten._core.native cimport find_api, pool_give, pool_take

cdef extern from "include/learn/kernel_rows.h":
    ctypedef struct kernel_spec:
        int kind
        int64_t degree
        double gamma
        double coef0
    ctypedef struct ct_kernel_rows_api:
        int64_t (*packed_size)(int64_t n, int64_t d) nogil
        int64_t (*row_size)(int64_t n) nogil
        void (*pack)(void *packed, void *norms, const void *X, int64_t n, int64_t d) nogil
        void (*block)(void **out, const kernel_spec *spec, const void *A, int64_t m, const void *packed,
                      const void *norms, int64_t n, int64_t d) nogil
        void (*block_csr)(void **out, const kernel_spec *spec, const void *A_packed, const void *A_norms, int64_t m,
                          const void *data, const int32_t *indices, const int32_t *indptr, const void *norms,
                          int64_t n, int64_t d) nogil
        void (*diagonal)(void *out, const kernel_spec *spec, const void *norms, int64_t n) nogil
        void (*norms_csr)(void *norms, const void *data, const int32_t *indptr, int64_t n) nogil

cdef extern from "include/learn/smo.h":
    ctypedef struct smo_problem:
        int64_t N
        int64_t n
        double *b
        double *F
        const double *lo
        const double *hi
        const double *q
        const int8_t *group
        double *v
    ctypedef struct ct_smo_api:
        double (*gap)(const smo_problem *s) nogil
        int64_t (*select)(const smo_problem *s, int8_t *taken, int32_t *ws, int64_t want, double *scratch) nogil
        int64_t (*local)(const smo_problem *s, const int32_t *ws, int64_t m, void **rows, const void *diagonal,
                         double tol, int64_t max_iter, double *delta, void *work) nogil
        int64_t (*local_work)(int64_t m) nogil
        void (*update)(double *F, int64_t n, void **rows, const double *delta, int64_t m) nogil

KINDS = {"linear": 0, "poly": 1, "rbf": 2, "sigmoid": 3}


cdef inline void *address(object array) except? NULL:
    return NULL if array is None else <void *> <size_t> array.ctypes.data


def aligned(shape, dtype):
    """An uninitialised array that begins at a multiple of 64 bytes."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.empty(size + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start:start + size].view(dtype).reshape(shape)


cdef class KernelRows:
    """Rows of the kernel matrix of X against itself, or of other points against X.

    X (n, d) is dense, CSR, or with kernel 'precomputed' the matrix itself. Dense rows are shifted by ``center`` (which an
    rbf kernel does not see) and kept packed once in ``dtype``.
    """

    cdef const ct_kernel_rows_api *api
    cdef kernel_spec spec
    cdef readonly object X, center, dtype, packed, norms, diagonal, indices, indptr, data
    cdef readonly bint sparse, precomputed
    cdef readonly int64_t n, d, row_size

    def __init__(self, X, kernel, dtype, double gamma=0.0, double coef0=0.0, degree=3, center=None):
        cdef void *p
        cdef void *q
        cdef void *x
        self.dtype = np.dtype(dtype)
        self.api = <const ct_kernel_rows_api *> find_api(b"kernel_rows", self.dtype == np.float64)
        self.precomputed = kernel == "precomputed"
        self.n, self.d = X.shape
        self.row_size = self.api.row_size(self.n)
        self.X, self.center = X, center
        if self.precomputed:
            self.sparse = False
            self.diagonal = np.ascontiguousarray(np.diagonal(X), dtype=self.dtype)
            return
        self.spec.kind = KINDS[kernel]
        self.spec.gamma, self.spec.coef0, self.spec.degree = gamma, coef0, degree
        self.sparse = not isinstance(X, np.ndarray)
        self.norms = aligned(self.row_size, self.dtype)
        if self.sparse:
            self.data = np.ascontiguousarray(X.data, dtype=self.dtype)
            self.indices = np.ascontiguousarray(X.indices, dtype=np.int32)
            self.indptr = np.ascontiguousarray(X.indptr, dtype=np.int32)
            self.norms[:] = 0
            self.api.norms_csr(address(self.norms), address(self.data), <const int32_t *> address(self.indptr), self.n)
        else:
            rows = self.dense(X)
            self.packed = aligned(self.api.packed_size(self.n, self.d), self.dtype)
            p, q, x = address(self.packed), address(self.norms), address(rows)
            with nogil:
                self.api.pack(p, q, x, self.n, self.d)
        self.diagonal = np.empty(self.n, dtype=self.dtype)
        p, q = address(self.diagonal), address(self.norms)
        with nogil:
            self.api.diagonal(p, &self.spec, q, self.n)

    def dense(self, rows):
        """Rows as the kernels read them: dense, shifted, contiguous, in ``dtype``."""
        if not isinstance(rows, np.ndarray):
            rows = rows.toarray()
        if self.center is not None:
            rows = rows - self.center
        return np.ascontiguousarray(rows, dtype=self.dtype)

    cdef int fill(self, rows, void **out) except -1:
        """Kernel values of ``rows`` against X, to one pointer for each row."""
        cdef int64_t m = rows.shape[0]
        cdef void *a
        cdef void *p
        cdef void *q
        cdef void *an
        cdef void *dt
        cdef const int32_t *ind
        cdef const int32_t *ptr
        if m == 0:
            return 0
        dense = self.dense(rows)
        a, q = address(dense), address(self.norms)
        if self.sparse:
            a_packed = aligned(self.api.packed_size(m, self.d), self.dtype)
            a_norms = aligned(self.api.row_size(m), self.dtype)
            p, an = address(a_packed), address(a_norms)
            ind, ptr = <const int32_t *> address(self.indices), <const int32_t *> address(self.indptr)
            dt = address(self.data)
            with nogil:
                self.api.pack(p, an, a, m, self.d)
                self.api.block_csr(out, &self.spec, p, an, m, dt, ind, ptr, q, self.n, self.d)
        else:
            p = address(self.packed)
            with nogil:
                self.api.block(out, &self.spec, a, m, p, q, self.n, self.d)
        return 0

    def block(self, rows, out=None):
        """Kernel values of ``rows`` (m, d) against X, shape (m, n); ``out`` (m, row_size) may be given for reuse."""
        m = rows.shape[0]
        if self.precomputed:
            return rows
        if out is None:
            out = aligned((m, self.row_size), self.dtype)
        pointers = out.ctypes.data + np.arange(m, dtype=np.uintp) * np.uintp(out.strides[0])
        # a panel of a sparse block takes d * 64 numbers for each 64 rows
        step = m if not self.sparse else max(64, (1 << 24) // max(self.d, 1) // 64 * 64)
        for first in range(0, m, step):
            self.fill(rows[first:first + step], <void **> (<size_t> pointers[first:].ctypes.data))
        return out[:m, :self.n]


cdef class Solver:
    """Working-set optimisation of one problem; see native/include/learn/smo.h for the form."""

    cdef const ct_smo_api *api
    cdef smo_problem s
    cdef KernelRows kernel
    cdef readonly object b, F, v
    cdef object lo, hi, q, group
    cdef public object slot_of, sample_in, stamp, pointers
    cdef void *cache
    cdef size_t cache_size
    cdef int64_t slots, clock
    cdef readonly int64_t iterations, rounds, rows_computed
    cdef readonly double violation

    def __init__(self, KernelRows kernel, b, lo, hi, q, group=None):
        self.kernel = kernel
        self.api = <const ct_smo_api *> find_api(b"smo", kernel.dtype == np.float64)
        self.b = np.ascontiguousarray(b, dtype=np.float64)
        self.lo = np.ascontiguousarray(lo, dtype=np.float64)
        self.hi = np.ascontiguousarray(hi, dtype=np.float64)
        self.q = np.ascontiguousarray(q, dtype=np.float64)
        self.group = None if group is None else np.ascontiguousarray(group, dtype=np.int8)
        self.F, self.v = np.zeros(kernel.n), np.empty(len(self.b))
        self.s.N, self.s.n = len(self.b), kernel.n
        self.s.b, self.s.F, self.s.v = <double *> address(self.b), <double *> address(self.F), <double *> address(self.v)
        self.s.lo, self.s.hi = <const double *> address(self.lo), <const double *> address(self.hi)
        self.s.q, self.s.group = <const double *> address(self.q), <const int8_t *> address(self.group)

    cdef int fetch(self, samples, pointers) except -1:
        """Kernel rows of these distinct samples in the cache; their addresses to ``pointers``."""
        cdef KernelRows kernel = self.kernel
        if kernel.precomputed:
            pointers[:] = kernel.X.ctypes.data + samples.astype(np.uintp) * np.uintp(kernel.X.strides[0])
            return 0
        self.clock += 1
        slots = self.slot_of[samples]
        self.stamp[slots[slots >= 0]] = self.clock
        missing = samples[slots < 0]
        if missing.size:
            free = np.sort(np.argsort(self.stamp, kind="stable")[:missing.size])
            gone = self.sample_in[free]
            self.slot_of[gone[gone >= 0]] = -1
            self.sample_in[free] = missing
            self.slot_of[missing] = free
            self.stamp[free] = self.clock
            self.rows_computed += missing.size
            step = 1024 if not kernel.sparse else max(64, (1 << 24) // max(kernel.d, 1) // 64 * 64)
            for first in range(0, missing.size, step):
                ids = missing[first:first + step]
                to = self.pointers[free[first:first + step]]
                kernel.fill(kernel.X[ids], <void **> (<size_t> to.ctypes.data))
                PyErr_CheckSignals()
        pointers[:] = self.pointers[self.slot_of[samples]]
        return 0

    cdef void _close_cache(self) noexcept:
        if self.cache != NULL:
            pool_give(self.cache, self.cache_size)
        self.cache = NULL

    def __dealloc__(self):
        self._close_cache()

    def _open_cache(self, cache_bytes, at_least):
        row = self.kernel.row_size * self.kernel.dtype.itemsize
        n = self.kernel.n
        self.slots = min(n, max(int(cache_bytes // row), min(at_least, n)))
        self.slot_of = np.full(n, -1, dtype=np.int64)
        self.sample_in = np.full(self.slots, -1, dtype=np.int64)
        self.stamp = np.zeros(self.slots, dtype=np.int64)
        self._close_cache()
        if not self.kernel.precomputed:
            self.cache_size = self.slots * row
            self.cache = pool_take(self.cache_size)
            if self.cache == NULL:
                raise MemoryError(f"[svm] {self.cache_size} bytes of kernel rows")
            self.pointers = np.uintp(<size_t> self.cache) + np.arange(self.slots, dtype=np.uintp) * np.uintp(row)

    def start(self):
        """F = K b for a start that is not zero."""
        samples = np.flatnonzero(np.bincount(np.arange(self.s.N) % self.s.n, weights=self.b, minlength=self.s.n))
        weights = np.bincount(np.arange(self.s.N) % self.s.n, weights=self.b, minlength=self.s.n)
        for first in range(0, samples.size, self.slots):
            self._add(samples[first:first + self.slots], weights)

    def _add(self, samples, weights):
        pointers = np.empty(samples.size, dtype=np.uintp)
        self.fetch(samples, pointers)
        delta = np.ascontiguousarray(weights[samples])
        cdef void **rows = <void **> (<size_t> pointers.ctypes.data)
        cdef double *d = <double *> address(delta)
        cdef int64_t m = samples.size
        with nogil:
            self.api.update(self.s.F, self.s.n, rows, d, m)
        PyErr_CheckSignals()

    def solve(self, double tol, int64_t max_iter=-1, double cache_bytes=200e6, int64_t working_set=1024, report=None):
        """Run to a violation below ``tol``; True when it was reached before ``max_iter`` pair steps."""
        cdef int64_t N = self.s.N, n = self.s.n, m, kept, count, budget, done
        cdef double gap, inner
        cdef int64_t stalled = 0
        row = self.kernel.row_size * self.kernel.dtype.itemsize
        # every row of a working set is in the cache at once
        m = N if N <= working_set + working_set // 2 else working_set
        if not self.kernel.precomputed and m > 64:
            m = max(64, min(m, int(cache_bytes // row)))
        self._open_cache(cache_bytes, min(m, n))
        if np.any(self.b):
            self.start()
        taken = np.zeros(N, dtype=np.int8)
        ws = np.empty(m, dtype=np.int32)
        scratch, delta = np.empty(N), np.empty(m)
        work = aligned(self.api.local_work(m), np.uint8)
        cdef int8_t *tk = <int8_t *> address(taken)
        cdef int32_t *w = <int32_t *> address(ws)
        cdef double *sc = <double *> address(scratch)
        cdef double *dl = <double *> address(delta)
        cdef void *wk = address(work)
        cdef void *kd = address(self.kernel.diagonal)
        cdef void **rp
        count = 0
        while True:
            with nogil:
                gap = self.api.gap(&self.s)
            self.violation = gap
            if report is not None:
                report(self.iterations, gap)
            if not gap >= tol:
                return True
            if max_iter >= 0 and self.iterations >= max_iter:
                return False
            # Half of the last set stays: those that joined last.
            kept = min(count, m // 2) if count == m and N > m else 0
            if kept:
                ws[:kept] = ws[count - kept:count].copy()
            taken[:] = 0
            taken[ws[:kept]] = 1
            with nogil:
                count = kept + self.api.select(&self.s, tk, w + kept, m - kept, sc)
            variables = ws[:count].astype(np.int64)
            samples = np.where(variables < n, variables, variables - n)
            distinct, inverse = np.unique(samples, return_inverse=True)
            pointers = np.empty(distinct.size, dtype=np.uintp)
            self.fetch(distinct, pointers)
            rows = pointers[inverse.ravel()]
            rp = <void **> (<size_t> rows.ctypes.data)
            inner = max(0.1 * gap, tol) if N > m else tol
            inner = inner * 0.5 if stalled else inner
            budget = 200_000 if max_iter < 0 else min(<int64_t> 200_000, max_iter - self.iterations)
            with nogil:
                done = self.api.local(&self.s, w, count, rp, kd, inner, budget, dl, wk)
            self.iterations += done
            self.rounds += 1
            stalled = stalled + 1 if done == 0 else 0
            if stalled > 20:  # below the resolution of the arithmetic: no pair can move any more
                return True
            moved = np.flatnonzero(delta[:count])
            if moved.size:
                change = np.bincount(samples[moved], weights=delta[moved], minlength=n)
                self._update(np.flatnonzero(change), change)
            PyErr_CheckSignals()

    def _update(self, samples, change):
        self._add(samples, change)

    def bias(self):
        """For each group, the mean of -v over the free variables, or the middle of the interval that the others leave."""
        with nogil:
            self.api.gap(&self.s)
        groups = np.zeros(self.s.N, dtype=np.int8) if self.group is None else self.group
        found = []
        for g in range(1 if self.group is None else 2):
            mine = groups == g
            free = mine & (self.b > self.lo) & (self.b < self.hi)
            if free.any():
                found.append(-float(self.v[free].mean()))
                continue
            low = -self.v[mine & (self.b < self.hi)]
            high = -self.v[mine & (self.b > self.lo)]
            if low.size and high.size:
                found.append((float(low.min()) + float(high.max())) / 2)
            else:
                found.append(float(low.min()) if low.size else float(high.max()))
        return found

    def objective(self):
        """1/2 b'Kb + q'b."""
        weights = np.bincount(np.arange(self.s.N) % self.s.n, weights=self.b, minlength=self.s.n)
        return 0.5 * float(weights @ self.F) + float(self.q @ self.b)
