# The door to the native kernels for every other extension module: cimport these, link nothing.
from libc.stdint cimport int32_t, int64_t, uint64_t

cdef extern from "include/kernel.h":
    enum:
        CT_MAX_DIM
        CT_MAX_IN
        CT_MAX_OUT
        CT_MAX_ATTR
    ctypedef struct ct_array:
        void *data
        int64_t size
        int32_t ndim
        int32_t dtype
        int64_t shape[8]
        int64_t stride[8]
    ctypedef struct ct_call:
        ct_array *out[6]
        const ct_array *in_ "in"[12]
        const int64_t *ints
        const double *reals
        void *work
        int nin
        int nout
    ctypedef struct ct_kernel:
        const char *name
        void (*run)(const ct_call *call) noexcept nogil
        int64_t (*work)(const ct_call *call) noexcept nogil

ctypedef void (*par_body)(void *ctx, int64_t chunk) noexcept nogil

# The API struct of a family (see native/include/families.def) for dtype 0 (float32) or 1 (float64), or NULL.
cdef const void *find_api(const char *family, int dtype) noexcept nogil
# A tensor kernel by name for a float32, float64, integer or bool dtype, or NULL.
cdef const ct_kernel *find_kernel(const char *name, int dtype) noexcept nogil
# Tensor memory, 64-byte aligned; NULL when there is none left. Give back with the size that was taken.
cdef void *pool_take(size_t nbytes) noexcept nogil
cdef void pool_give(void *block, size_t nbytes) noexcept nogil
# Threads: see native/include/par.h.
cdef void par_for(int64_t chunks, par_body body, void *ctx) noexcept nogil
cdef int par_threads() noexcept nogil
cdef int par_worker() noexcept nogil
cdef int par_acquire(int wanted) noexcept nogil
cdef void par_release(int got) noexcept nogil
# Elements between any two layouts and dtypes: see native/include/copy.h.
cdef void copy_array(const ct_array *out, const ct_array *source) noexcept nogil
cdef void fill_array(const ct_array *out, const void *value) noexcept nogil
# Random integers: see native/include/random.h.
cdef void random_integers(int64_t *out, int64_t n, uint64_t seed, uint64_t offset, int64_t low, int64_t high) noexcept nogil
cdef void random_permutation(int64_t *out, int64_t n, uint64_t seed, uint64_t offset) noexcept nogil
