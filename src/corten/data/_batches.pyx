"""Batches as parts of gathered blocks, and how many of them were handed out."""

from libc.stdint cimport int64_t

from corten._core.core cimport Storage, TensorBase, alias_c, contiguous_c

# by dtype code, see native/include/kernel.h
cdef int[12] ITEM_BYTES = [4, 8, 2, 2, 1, 2, 4, 8, 1, 1, 8, 16]


cdef TensorBase part_of(TensorBase block, int64_t start, int64_t rows):
    """``rows`` rows of a contiguous block, with the block's memory but none of its history."""
    cdef int64_t row = block.a.size // block.a.shape[0]
    cdef TensorBase part = alias_c(block)
    cdef Storage storage = Storage.__new__(Storage)
    storage.ptr = <char *>block.a.data + start * row * ITEM_BYTES[block.a.dtype]
    storage.nbytes = rows * row * ITEM_BYTES[block.a.dtype]
    storage.owner = block.storage
    storage.meta = block.storage.meta
    part.storage = storage
    part.a.data = storage.ptr
    part.a.shape[0] = rows
    part.a.size = rows * row
    return part


cdef class Batches:
    """Iterator over the batches of a block: lists of one tensor for each member.

    A batch shares the memory of its block, but has a version of its own, so that writing into one batch does not spoil
    what another has saved for its backward pass. Members that require a gradient are cut by ``split``, on the tape.

    Parameters
    ----------
    block : sequence of Tensor
        Each of shape (N, ...), with the same N.
    size : int
        Rows in a batch; the last one has what is left.
    """

    cdef list members
    cdef int64_t size, start, rows

    def __init__(self, block, int64_t size):
        cdef TensorBase t
        if size < 1:
            raise ValueError(f"[Batches] size is {size}, expected at least 1")
        self.members = []
        self.size = size
        self.start = 0
        self.rows = -1
        for t in block:
            if t.a.ndim < 1 or (self.rows >= 0 and t.a.shape[0] != self.rows):
                raise ValueError(f"[Batches] a member of shape {tuple(t.shape)}, expected ({self.rows}, ...)")
            self.rows = t.a.shape[0]
            self.members.append(list(t.split(size)) if t.req else contiguous_c(t))

    def __iter__(self):
        return self

    def __next__(self):
        cdef int64_t rows = self.rows - self.start
        cdef list batch
        if rows <= 0:
            raise StopIteration
        if rows > self.size:
            rows = self.size
        batch = [
            part_of(<TensorBase>m, self.start, rows) if isinstance(m, TensorBase) else (<list>m)[self.start // self.size]
            for m in self.members
        ]
        self.start += rows
        return batch


cdef class Position:
    """Where an epoch is: how many batches were handed out, and whether it has ended."""

    cdef public int64_t served
    cdef public bint ended

    def __init__(self, int64_t served=0):
        self.served = served
        self.ended = False


cdef class Counted:
    """An iterator that counts what it hands out.

    Parameters
    ----------
    inner : iterator
    position : Position
        Kept up to date; it outlives the iterator.
    """

    cdef object inner
    cdef Position position

    def __init__(self, inner, Position position):
        self.inner = iter(inner)
        self.position = position

    def __iter__(self):
        return self

    def __next__(self):
        try:
            value = next(self.inner)
        except StopIteration:
            self.position.ended = True
            raise
        self.position.served += 1
        return value
