"""Batches as parts of a gathered block."""

from libc.stdint cimport int64_t

from corten._core.core cimport Storage, TensorBase, alias_c, contiguous_c


def split_rows(TensorBase block not None, int64_t size):
    """Cut ``block``, of shape (N, ...), into tensors of ``size`` rows; the last one has what is left.

    They share the block's memory, but none of its history: each has a version of its own, so that writing into one
    batch does not spoil what another has saved for its backward pass.

    Returns
    -------
    list of Tensor
    """
    if size < 1 or block.a.ndim < 1:
        raise ValueError(f"[split_rows] size {size} of {block.a.ndim} dimensions, expected at least 1 and 1")
    if block.req:
        return list(block.split(size))
    block = contiguous_c(block)
    cdef int64_t n = block.a.shape[0], start = 0, rows
    cdef int64_t row_bytes = 0 if n == 0 else block.a.size // n * block.itemsize
    cdef TensorBase part
    cdef Storage storage
    cdef list parts = []
    while start < n:
        rows = size if size < n - start else n - start
        part = alias_c(block)
        storage = Storage.__new__(Storage)
        storage.ptr = <char *>block.a.data + start * row_bytes
        storage.nbytes = rows * row_bytes
        storage.owner = block.storage
        storage.meta = block.storage.meta
        part.storage = storage
        part.a.data = storage.ptr
        part.a.shape[0] = rows
        part.a.size = block.a.size // n * rows
        parts.append(part)
        start += rows
    return parts
