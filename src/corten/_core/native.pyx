"""The native kernels: which variant runs, how many threads, how much memory."""

import os

cdef extern from "include/dispatch.h":
    int ct_dispatch_init(const char *isa) nogil
    const char *ct_dispatch_isa() nogil
    int ct_dispatch_has(const char *isa) nogil
    const ct_kernel *ct_find_kernel(const char *name, int dtype) nogil
    const void *ct_find_api(const char *family, int dtype) nogil
    const ct_kernel *ct_kernel_at(int index) nogil

cdef extern from "include/par.h":
    void ct_par_for(int64_t chunks, par_body body, void *ctx) nogil
    void ct_par_set_threads(int n) nogil
    int ct_par_threads() nogil
    int ct_par_worker() nogil
    int ct_par_openmp() nogil
    int ct_par_acquire(int wanted) nogil
    void ct_par_release(int got) nogil

cdef extern from "include/pool.h":
    ctypedef struct ct_pool_stats:
        int64_t in_use
        int64_t peak
        int64_t cached
        int64_t limit
        int64_t allocations
        int64_t hits
    void *ct_pool_take(size_t nbytes) nogil
    void ct_pool_give(void *block, size_t nbytes) nogil
    void ct_pool_trim(int64_t keep) nogil
    void ct_pool_set_limit(int64_t nbytes) nogil
    void ct_pool_read(ct_pool_stats *stats) nogil
    void ct_pool_reset_peak() nogil

cdef extern from "include/copy.h":
    void ct_copy(const ct_array *out, const ct_array *source) nogil
    void ct_fill(const ct_array *out, const void *value) nogil

cdef extern from "include/random.h":
    void ct_random_integers(int64_t *out, int64_t n, uint64_t seed, uint64_t offset, int64_t low, int64_t high) nogil
    void ct_random_permutation(int64_t *out, int64_t n, uint64_t seed, uint64_t offset) nogil

cdef const void *find_api(const char *family, int dtype) noexcept nogil:
    return ct_find_api(family, dtype)

cdef const ct_kernel *find_kernel(const char *name, int dtype) noexcept nogil:
    return ct_find_kernel(name, dtype)

cdef void *pool_take(size_t nbytes) noexcept nogil:
    return ct_pool_take(nbytes)

cdef void pool_give(void *block, size_t nbytes) noexcept nogil:
    ct_pool_give(block, nbytes)

cdef void par_for(int64_t chunks, par_body body, void *ctx) noexcept nogil:
    ct_par_for(chunks, body, ctx)

cdef int par_threads() noexcept nogil:
    return ct_par_threads()

cdef int par_worker() noexcept nogil:
    return ct_par_worker()

cdef int par_acquire(int wanted) noexcept nogil:
    return ct_par_acquire(wanted)

cdef void par_release(int got) noexcept nogil:
    ct_par_release(got)

cdef void copy_array(const ct_array *out, const ct_array *source) noexcept nogil:
    ct_copy(out, source)

cdef void fill_array(const ct_array *out, const void *value) noexcept nogil:
    ct_fill(out, value)

cdef void random_integers(int64_t *out, int64_t n, uint64_t seed, uint64_t offset, int64_t low, int64_t high) noexcept nogil:
    ct_random_integers(out, n, seed, offset, low, high)

cdef void random_permutation(int64_t *out, int64_t n, uint64_t seed, uint64_t offset) noexcept nogil:
    ct_random_permutation(out, n, seed, offset)


def isa():
    """Name of the instruction set whose kernels run: 'baseline', 'avx2' or 'avx512'."""
    return ct_dispatch_isa().decode()


def available_isas():
    """Names of the instruction sets that are compiled in and that this CPU has."""
    return [name for name in ("baseline", "avx2", "avx512") if ct_dispatch_has(name.encode())]


def kernel_names():
    """Names of all native tensor kernels."""
    names = []
    cdef const ct_kernel *row
    while True:
        row = ct_kernel_at(len(names))
        if row == NULL:
            return names
        names.append(row.name.decode())


def set_num_threads(int n):
    """Let kernels run on at most ``n`` threads. Results do not depend on it.

    Raises ValueError when ``n`` is below 1.
    """
    if n < 1:
        raise ValueError(f"[set_num_threads] got {n}, expected a number of at least 1")
    ct_par_set_threads(n)


def get_num_threads():
    """The most threads that kernels run on."""
    return ct_par_threads()


def has_openmp():
    """True when the kernels were built with threads."""
    return bool(ct_par_openmp())


def memory_stats():
    """Tensor memory in bytes: ``in_use``, ``peak``, ``cached``, ``limit``, and the counts ``allocations`` and ``hits``."""
    cdef ct_pool_stats s
    ct_pool_read(&s)
    return {"in_use": s.in_use, "peak": s.peak, "cached": s.cached, "limit": s.limit,
            "allocations": s.allocations, "hits": s.hits}


def set_memory_cache_limit(int64_t nbytes):
    """Keep at most ``nbytes`` of freed tensor memory for reuse (default 1 GiB)."""
    ct_pool_set_limit(nbytes)


def empty_cache():
    """Return all cached tensor memory to the system."""
    ct_pool_trim(0)


def reset_peak_memory_stats():
    """Start measuring ``memory_stats()['peak']`` anew."""
    ct_pool_reset_peak()


cdef int _status = ct_dispatch_init(NULL)
if _status != 0:
    _isa = os.environ.get("CORTEN_ISA", "")
    if _status == -2:
        raise ImportError(f"CORTEN_ISA={_isa}: this CPU lacks that instruction set")
    raise ImportError(f"CORTEN_ISA={_isa}: not compiled into this build; it has {available_isas()}")
