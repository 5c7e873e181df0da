"""The native loops of k-means; see native/include/learn/lloyd.h."""

from libc.stdint cimport int32_t, int64_t

import numpy as np

from corten._core.native cimport find_api

cdef extern from "include/learn/lloyd.h":
    ctypedef struct lloyd_rows:
        const void *data
        const int32_t *indices
        const int32_t *indptr
        const void *norms
        int64_t n
        int64_t d
    ctypedef struct ct_lloyd_api:
        int64_t (*work)(int64_t n, int64_t d, int64_t k) nogil
        void (*norms)(const lloyd_rows *X, void *norms) nogil
        void (*assign)(int32_t *labels, double *sums, double *weights, const lloyd_rows *X, const void *sample_weight,
                       const void *centers, int64_t k, void *work) nogil
        double (*inertia)(void *distances, const lloyd_rows *X, const void *sample_weight, const void *centers,
                          int64_t k, const int32_t *labels, int64_t only, double *partial) nogil
        int64_t (*seed_chunks)(int64_t n) nogil
        int64_t (*seed_work)(int64_t d, int64_t T) nogil
        void (*seed_pass)(void *closest, double *potentials, const lloyd_rows *X, const void *sample_weight,
                          const void *centers, int64_t T, int first, int backwards, void *work) nogil
        int64_t (*seed_search)(const void *closest, const lloyd_rows *X, const void *sample_weight, const void *center,
                               const double *chunk_sums, double value) nogil
        void (*elkan_start)(int32_t *labels, void *upper, void *lower, const lloyd_rows *X, const void *centers,
                            const void *half, int64_t k, void *work) nogil
        void (*elkan_assign)(int32_t *labels, void *upper, void *lower, double *sums, double *weights,
                             const lloyd_rows *X, const void *sample_weight, const void *centers, const void *half,
                             const void *next, int64_t k, void *work) nogil
        void (*elkan_shift)(void *upper, void *lower, const int32_t *labels, const void *shift, int64_t n,
                            int64_t k) nogil
        void (*column_means)(double *mean, const void *X, int64_t n, int64_t d, double *partial) nogil
        void (*shift_rows)(void *out, const void *X, const void *mean, double sign, int64_t n, int64_t d) nogil


cdef inline void *address(object array) except? NULL:
    if array is None:
        return NULL
    return <void *> <size_t> array.ctypes.data


cdef class Rows:
    """Rows of X, dense and contiguous or CSR, ready for the kernels, with their squared norms on demand."""

    cdef lloyd_rows rows
    cdef const ct_lloyd_api *api
    cdef readonly object X, norms
    cdef object indices, indptr, work_array

    def __init__(self, X):
        self.X = X
        self.api = <const ct_lloyd_api *> find_api(b"lloyd", X.dtype == np.float64)
        self.rows.n, self.rows.d = X.shape
        if isinstance(X, np.ndarray):
            self.rows.data = address(X)
        else:
            self.indices = np.ascontiguousarray(X.indices, dtype=np.int32)
            self.indptr = np.ascontiguousarray(X.indptr, dtype=np.int32)
            self.rows.data = address(X.data)
            self.rows.indices = <const int32_t *> address(self.indices)
            self.rows.indptr = <const int32_t *> address(self.indptr)

    cdef void *work(self, int64_t size) except? NULL:
        if self.work_array is None or self.work_array.nbytes < size + 64:
            self.work_array = np.empty(size + 64, dtype=np.uint8)
        return <void *> ((<size_t> address(self.work_array) + 63) & ~<size_t> 63)

    def row_norms(self):
        """Squared norms of the rows."""
        if self.norms is None:
            self.norms = np.empty(self.rows.n, dtype=self.X.dtype)
            self.rows.norms = address(self.norms)
            cdef_norms(self)
        return self.norms

    def assign(self, labels, centers, sample_weight=None, sums=None, weights=None):
        """Write the nearest centre of every row to ``labels``; with ``sums``, also what each cluster adds up to."""
        cdef int64_t k = centers.shape[0]
        cdef void *work = self.work(self.api.work(self.rows.n, self.rows.d, k))
        cdef int32_t *label = <int32_t *> address(labels)
        cdef double *sum_ = <double *> address(sums)
        cdef double *weight = <double *> address(weights)
        cdef void *sw = address(sample_weight)
        cdef void *c = address(centers)
        with nogil:
            self.api.assign(label, sum_, weight, &self.rows, sw, c, k, work)

    def inertia(self, labels, centers, sample_weight=None, int64_t only=-1, distances=None):
        """Weighted sum of squared distances to the own centres."""
        cdef int64_t k = centers.shape[0]
        partial = np.empty(64 + k)
        cdef double *part = <double *> address(partial)
        cdef void *dist = address(distances)
        cdef void *sw = address(sample_weight)
        cdef void *c = address(centers)
        cdef const int32_t *label = <const int32_t *> address(labels)
        cdef double total
        with nogil:
            total = self.api.inertia(dist, &self.rows, sw, c, k, label, only, part)
        return total

    def seed(self, int64_t k, sample_weight, random_state, n_local_trials=None):
        """Greedy k-means++: indices of k rows, drawn with scikit-learn's sequence of random numbers."""
        cdef int64_t n = self.rows.n, trials, chunks = self.api.seed_chunks(n)
        cdef int back
        trials = 2 + int(np.log(k)) if n_local_trials is None else n_local_trials
        self.row_norms()
        indices = np.full(k, -1, dtype=int)
        indices[0] = random_state.choice(n, p=sample_weight / sample_weight.sum())
        closest = np.empty(n, dtype=self.X.dtype)
        centers = self._dense_rows(indices[:1])
        potentials, chunk_sums = np.empty((chunks, trials + 1)), np.empty(chunks)
        cdef void *work = self.work(self.api.seed_work(self.rows.d, trials))
        cdef void *sw = address(sample_weight)
        cdef void *near = address(closest)
        cdef double *sums = <double *> address(chunk_sums)
        cdef double *pot = <double *> address(potentials)
        cdef void *at = address(centers)
        with nogil:
            self.api.seed_pass(near, sums, &self.rows, sw, at, 0, 1, 0, work)
        for c in range(1, k):
            at, back = address(centers), c & 1
            ids = [indices[c - 1]]
            for value in random_state.uniform(size=trials) * chunk_sums.sum():
                ids.append(self.api.seed_search(near, &self.rows, sw, at, sums, value))
            candidates = self._dense_rows(ids)
            at = address(candidates)
            with nogil:
                self.api.seed_pass(near, pot, &self.rows, sw, at, trials, 0, back, work)
            best = 1 + int(np.argmin(potentials.sum(axis=0)[1:]))
            chunk_sums[:] = potentials[:, best]
            indices[c], centers = ids[best], candidates[best:best + 1]
        return indices

    def _dense_rows(self, ids):
        rows = self.X[ids]
        return np.ascontiguousarray(rows if isinstance(rows, np.ndarray) else rows.toarray())

    def elkan_start(self, labels, upper, lower, centers, half):
        """Fill the bounds of Elkan's algorithm and the first labels."""
        cdef int64_t k = centers.shape[0]
        cdef void *work = self.work(self.api.work(self.rows.n, self.rows.d, k))
        cdef void *up = address(upper)
        cdef void *low = address(lower)
        cdef void *c = address(centers)
        cdef void *h = address(half)
        cdef int32_t *label = <int32_t *> address(labels)
        with nogil:
            self.api.elkan_start(label, up, low, &self.rows, c, h, k, work)

    def elkan_assign(self, labels, upper, lower, centers, half, next_, sample_weight=None, sums=None, weights=None):
        """Labels by Elkan's bounds."""
        cdef int64_t k = centers.shape[0]
        cdef void *work = self.work(self.api.work(self.rows.n, self.rows.d, k))
        cdef void *up = address(upper)
        cdef void *low = address(lower)
        cdef void *c = address(centers)
        cdef void *h = address(half)
        cdef void *nx = address(next_)
        cdef void *sw = address(sample_weight)
        cdef double *sum_ = <double *> address(sums)
        cdef double *weight = <double *> address(weights)
        cdef int32_t *label = <int32_t *> address(labels)
        with nogil:
            self.api.elkan_assign(label, up, low, sum_, weight, &self.rows, sw, c, h, nx, k, work)

    def elkan_shift(self, labels, upper, lower, shift):
        """Widen the bounds by how far each centre moved."""
        cdef void *up = address(upper)
        cdef void *low = address(lower)
        cdef void *sh = address(shift)
        cdef const int32_t *label = <const int32_t *> address(labels)
        cdef int64_t k = shift.shape[0]
        with nogil:
            self.api.elkan_shift(up, low, label, sh, self.rows.n, k)


cdef int cdef_norms(Rows self) except -1:
    cdef void *out = address(self.norms)
    with nogil:
        self.api.norms(&self.rows, out)
    return 0


def column_means(X):
    """Means of the columns of X (n, d), in its dtype."""
    cdef const ct_lloyd_api *api = <const ct_lloyd_api *> find_api(b"lloyd", X.dtype == np.float64)
    cdef int64_t n = X.shape[0], d = X.shape[1]
    mean, partial = np.empty(d), np.empty((api.seed_chunks(n), d))
    cdef double *m = <double *> address(mean)
    cdef double *p = <double *> address(partial)
    cdef void *x = address(X)
    with nogil:
        api.column_means(m, x, n, d, p)
    return mean.astype(X.dtype)


def shift_rows(out, X, mean, double sign):
    """``out = X + sign * mean``; ``out`` may be X."""
    cdef const ct_lloyd_api *api = <const ct_lloyd_api *> find_api(b"lloyd", X.dtype == np.float64)
    cdef int64_t n = X.shape[0], d = X.shape[1]
    cdef void *o = address(out)
    cdef void *x = address(X)
    cdef void *m = address(mean)
    with nogil:
        api.shift_rows(o, x, m, sign, n, d)
