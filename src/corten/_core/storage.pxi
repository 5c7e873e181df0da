# Memory.

@cython.freelist(128)
@cython.no_gc
cdef class Storage:
    """A block of memory that tensors view: from the pool, or borrowed from its owner."""

    def __dealloc__(self):
        if self.owner is None and self.ptr != NULL:
            native.pool_give(self.ptr, self.nbytes)

    def data_ptr(self):
        """Address of the first byte."""
        return <uintptr_t>self.ptr

    def nbytes_(self):
        """Size in bytes."""
        return self.nbytes

    def __len__(self):
        return self.nbytes


cdef size_t MOST_BYTES = <size_t>1 << 46


cdef Storage new_storage(size_t nbytes):
    cdef Storage s = Storage.__new__(Storage)
    s.nbytes = nbytes
    s.ptr = native.pool_take(nbytes)
    if s.ptr == NULL:
        raise MemoryError(f"[alloc] {nbytes:,} bytes could not be had")
    return s


cdef Storage meta_storage(size_t nbytes):
    cdef Storage s = Storage.__new__(Storage)
    s.nbytes = nbytes
    s.meta = True
    return s
