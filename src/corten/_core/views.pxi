# Views: the same storage, another layout. None of these touches the tape; the ops declared on them do (ops/view.py).

cdef TensorBase view_c(TensorBase x, int ndim, const int64_t *shape, const int64_t *stride, int64_t offset):
    """A view of x's storage; `offset` in elements from x's first one."""
    cdef TensorBase t = new_tensor()
    cdef int d
    cdef int64_t n = 1
    t.a.ndim = ndim
    t.a.dtype = x.a.dtype
    for d in range(ndim):
        t.a.shape[d] = shape[d]
        t.a.stride[d] = stride[d]
        n *= shape[d]
    t.a.size = n
    t.a.data = <char *>x.a.data + offset * ITEM[x.a.dtype]
    t.storage = x.storage
    t.contig = is_contiguous(&t.a)
    return t


cdef bint infer_shape(int64_t *shape, int n, int64_t size) except -1:
    """Replace one -1 so that the product is `size`; raises when there is no such shape."""
    cdef int64_t known = 1
    cdef int d, at = -1
    for d in range(n):
        if shape[d] == -1 and at < 0:
            at = d
        elif shape[d] < 0:
            raise RuntimeError(f"[reshape] got shape {[shape[i] for i in range(n)]}: only one -1 and no other negative")
        else:
            known *= shape[d]
    if at >= 0:
        if known == 0 or size % known != 0:
            raise RuntimeError(f"[reshape] shape {[shape[i] for i in range(n)]} is invalid for {size} elements")
        shape[at] = size // known
    elif known != size:
        raise RuntimeError(f"[reshape] shape {[shape[i] for i in range(n)]} is invalid for {size} elements")
    return True


cdef bint view_strides(const ct_array *a, int n, const int64_t *shape, int64_t *stride) noexcept nogil:
    """Strides that give a's elements the new shape without a copy, or False when there are none.

    Each run of old dimensions that is contiguous in itself may be cut anew.
    """
    cdef int old = a.ndim - 1, new = n - 1, d
    cdef int64_t step, have, taken
    if a.size == 0 or a.ndim == 0:
        step = 1
        for d in range(n - 1, -1, -1):
            stride[d] = step
            step *= shape[d] if shape[d] > 0 else 1
        return True
    while old >= 0:
        # the run of old dimensions that ends at `old`
        step = a.stride[old]
        have = a.shape[old]
        while old > 0 and (a.shape[old - 1] == 1 or a.stride[old - 1] == have * step or have == 1):
            old -= 1
            if have == 1:
                step = a.stride[old]
            have *= a.shape[old]
        taken = 1
        while new >= 0 and (taken < have or shape[new] == 1):
            stride[new] = taken * step
            taken *= shape[new]
            new -= 1
        if taken != have:
            return False
        old -= 1
    return new < 0


def _view(TensorBase x not None, shape):
    cdef int64_t sizes[CT_MAX_DIM]
    cdef int64_t strides[CT_MAX_DIM]
    cdef int n = read_shape(shape, sizes, "view")
    infer_shape(sizes, n, x.a.size)
    if not view_strides(&x.a, n, sizes, strides):
        raise RuntimeError(f"[view] shape {tuple(x.shape)} with strides {x.stride()} cannot be viewed as "
                           f"{tuple([sizes[i] for i in range(n)])} without a copy; use reshape()")
    return view_c(x, n, sizes, strides, 0)


def _can_view(TensorBase x not None, shape):
    cdef int64_t sizes[CT_MAX_DIM]
    cdef int64_t strides[CT_MAX_DIM]
    cdef int n = read_shape(shape, sizes, "reshape")
    infer_shape(sizes, n, x.a.size)
    return view_strides(&x.a, n, sizes, strides)


def _permute(TensorBase x not None, dims):
    cdef int64_t order[CT_MAX_DIM]
    cdef int64_t sizes[CT_MAX_DIM]
    cdef int64_t strides[CT_MAX_DIM]
    cdef int n = read_shape(dims, order, "permute"), i, d, seen = 0
    if n != x.a.ndim:
        raise RuntimeError(f"[permute] got {n} dimensions for a tensor of {x.a.ndim}")
    for i in range(n):
        d = wrap_dim(order[i], x.a.ndim, "permute")
        if seen >> d & 1:
            raise RuntimeError(f"[permute] dimension {d} is named twice")
        seen |= 1 << d
        sizes[i] = x.a.shape[d]
        strides[i] = x.a.stride[d]
    return view_c(x, n, sizes, strides, 0)


def _transpose(TensorBase x not None, dim0, dim1):
    cdef int a = wrap_dim(dim0, x.a.ndim, "transpose"), b = wrap_dim(dim1, x.a.ndim, "transpose")
    cdef TensorBase t = alias_c(x)
    if x.a.ndim > 0:
        t.a.shape[a], t.a.shape[b] = x.a.shape[b], x.a.shape[a]
        t.a.stride[a], t.a.stride[b] = x.a.stride[b], x.a.stride[a]
        t.contig = is_contiguous(&t.a)
    return t


def _expand(TensorBase x not None, shape):
    cdef int64_t sizes[CT_MAX_DIM]
    cdef int64_t strides[CT_MAX_DIM]
    cdef int n = read_shape(shape, sizes, "expand"), d, lead = n - x.a.ndim
    if lead < 0:
        raise RuntimeError(f"[expand] {tuple(x.shape)} has more dimensions than {tuple(shape)}")
    for d in range(n):
        if d < lead:
            if sizes[d] < 0:
                raise RuntimeError(f"[expand] -1 is not allowed for the new dimension {d}")
            strides[d] = 0
        elif sizes[d] == -1 or sizes[d] == x.a.shape[d - lead]:
            sizes[d] = x.a.shape[d - lead]
            strides[d] = x.a.stride[d - lead]
        elif x.a.shape[d - lead] == 1 and sizes[d] >= 0:
            strides[d] = 0
        else:
            raise RuntimeError(f"[expand] {tuple(x.shape)} cannot become {tuple(shape)}: dimension {d - lead} has size "
                               f"{x.a.shape[d - lead]}, expected 1 or {sizes[d]}")
    return view_c(x, n, sizes, strides, 0)


def _unsqueeze(TensorBase x not None, dim):
    cdef int d = wrap_dim(dim, x.a.ndim + 1, "unsqueeze"), i
    if x.a.ndim == CT_MAX_DIM:
        raise ValueError(f"[unsqueeze] at most {CT_MAX_DIM} dimensions are supported")
    cdef int64_t sizes[CT_MAX_DIM]
    cdef int64_t strides[CT_MAX_DIM]
    for i in range(x.a.ndim + 1):
        if i == d:
            sizes[i] = 1
            strides[i] = x.a.shape[i] * x.a.stride[i] if i < x.a.ndim else 1
        else:
            sizes[i] = x.a.shape[i - (i > d)]
            strides[i] = x.a.stride[i - (i > d)]
    return view_c(x, x.a.ndim + 1, sizes, strides, 0)


def _squeeze(TensorBase x not None, dim=None):
    cdef int i, n = 0, mask = 0
    if dim is None:
        mask = -1
    elif isinstance(dim, (tuple, list)):
        for one in dim:
            mask |= 1 << wrap_dim(one, x.a.ndim, "squeeze")
    else:
        mask = 1 << wrap_dim(dim, x.a.ndim, "squeeze")
    cdef int64_t sizes[CT_MAX_DIM]
    cdef int64_t strides[CT_MAX_DIM]
    for i in range(x.a.ndim):
        if x.a.shape[i] == 1 and mask >> i & 1:
            continue
        sizes[n] = x.a.shape[i]
        strides[n] = x.a.stride[i]
        n += 1
    return view_c(x, n, sizes, strides, 0)


def _narrow(TensorBase x not None, dim, int64_t start, int64_t length, int64_t step=1):
    """`length` indices of one dimension, from `start`, `step` apart. The caller checked them."""
    cdef int d = wrap_dim(dim, x.a.ndim, "narrow")
    if x.a.ndim == 0:
        raise IndexError("[narrow] a 0-d tensor has no dimension to narrow")
    if length < 0 or start < 0 or (length > 0 and start + (length - 1) * step >= x.a.shape[d]):
        raise RuntimeError(f"[narrow] start {start} and length {length} exceed dimension {d} of size {x.a.shape[d]}")
    cdef TensorBase t = alias_c(x)
    t.a.data = <char *>x.a.data + start * x.a.stride[d] * ITEM[x.a.dtype] if length > 0 else x.a.data
    t.a.shape[d] = length
    t.a.stride[d] = x.a.stride[d] * step
    t.a.size = length * (x.a.size // x.a.shape[d]) if x.a.shape[d] > 0 else 0
    t.contig = is_contiguous(&t.a)
    return t


def _select(TensorBase x not None, dim, int64_t index):
    if x.a.ndim == 0:
        raise IndexError("[select] a 0-d tensor cannot be indexed")
    cdef int d = wrap_dim(dim, x.a.ndim, "select"), i
    if index < -x.a.shape[d] or index >= x.a.shape[d]:
        raise IndexError(f"[select] index {index} is out of range for dimension {d} of size {x.a.shape[d]}")
    if index < 0:
        index += x.a.shape[d]
    cdef TensorBase t = alias_c(x)
    t.a.data = <char *>x.a.data + index * x.a.stride[d] * ITEM[x.a.dtype]
    t.a.ndim = x.a.ndim - 1
    t.a.size = x.a.size // x.a.shape[d]
    for i in range(d, t.a.ndim):
        t.a.shape[i] = x.a.shape[i + 1]
        t.a.stride[i] = x.a.stride[i + 1]
    t.contig = is_contiguous(&t.a)
    return t


def _diagonal(TensorBase x not None, int64_t offset=0, dim1=0, dim2=1):
    cdef int a = wrap_dim(dim1, x.a.ndim, "diagonal"), b = wrap_dim(dim2, x.a.ndim, "diagonal"), i, n = 0
    if a == b or x.a.ndim < 2:
        raise RuntimeError(f"[diagonal] got dimensions {dim1} and {dim2}, expected two different ones")
    cdef int64_t length, skip
    if offset >= 0:
        length = min(x.a.shape[a], x.a.shape[b] - offset)
        skip = offset * x.a.stride[b]
    else:
        length = min(x.a.shape[a] + offset, x.a.shape[b])
        skip = -offset * x.a.stride[a]
    if length <= 0:
        length = 0
        skip = 0
    cdef int64_t sizes[CT_MAX_DIM]
    cdef int64_t strides[CT_MAX_DIM]
    for i in range(x.a.ndim):
        if i != a and i != b:
            sizes[n] = x.a.shape[i]
            strides[n] = x.a.stride[i]
            n += 1
    sizes[n] = length
    strides[n] = x.a.stride[a] + x.a.stride[b]
    return view_c(x, n + 1, sizes, strides, skip)


def _unfold(TensorBase x not None, dim, int64_t size, int64_t step):
    cdef int d = wrap_dim(dim, x.a.ndim, "unfold"), n = x.a.ndim, i
    cdef int64_t have = x.a.shape[d] if n > 0 else 1
    if size < 0 or size > have or step < 1:
        raise RuntimeError(f"[unfold] got size {size} and step {step} for a dimension of size {have}")
    if n == CT_MAX_DIM:
        raise ValueError(f"[unfold] at most {CT_MAX_DIM} dimensions are supported")
    cdef int64_t sizes[CT_MAX_DIM]
    cdef int64_t strides[CT_MAX_DIM]
    for i in range(n):
        sizes[i] = x.a.shape[i]
        strides[i] = x.a.stride[i]
    if n > 0:
        sizes[d] = (have - size) // step + 1
        strides[d] = x.a.stride[d] * step
    sizes[n] = size
    strides[n] = x.a.stride[d] if n > 0 else 1
    return view_c(x, n + 1, sizes, strides, 0)


def _as_strided(TensorBase x not None, size, stride, storage_offset=None):
    cdef int64_t sizes[CT_MAX_DIM]
    cdef int64_t strides[CT_MAX_DIM]
    cdef int n = read_size(size, sizes, "as_strided"), i
    if read_shape(stride, strides, "as_strided") != n:
        raise RuntimeError(f"[as_strided] got {n} sizes and {len(stride)} strides")
    cdef int64_t start = x.storage_offset() if storage_offset is None else storage_offset
    cdef int64_t last = start
    cdef bint empty = False
    for i in range(n):
        if strides[i] < 0:
            raise RuntimeError(f"[as_strided] negative strides are not supported, got {tuple(stride)}")
        empty = empty or sizes[i] == 0
        last += (sizes[i] - 1) * strides[i]
    if start < 0 or (not empty and (last + 1) * ITEM[x.a.dtype] > <int64_t>x.storage.nbytes):
        raise RuntimeError(f"[as_strided] size {tuple(size)}, strides {tuple(stride)} and offset {start} reach past a "
                           f"storage of {x.storage.nbytes} bytes")
    return view_c(x, n, sizes, strides, start - <int64_t>x.storage_offset())


def _view_dtype(TensorBase x not None, dtype):
    cdef int dt = dtype_code(dtype), d
    cdef int64_t old = ITEM[x.a.dtype], new = ITEM[dt]
    cdef TensorBase t = alias_c(x)
    t.a.dtype = dt
    if old == new:
        return t
    if x.a.ndim == 0 or x.a.stride[x.a.ndim - 1] != 1 or x.a.shape[x.a.ndim - 1] * old % new != 0:
        raise RuntimeError(f"[view] {tuple(x.shape)} of {x.dtype} cannot be viewed as {dtype}")
    for d in range(x.a.ndim - 1):
        if x.a.stride[d] * old % new != 0:
            raise RuntimeError(f"[view] strides {x.stride()} of {x.dtype} cannot be viewed as {dtype}")
        t.a.stride[d] = x.a.stride[d] * old // new
    if x.storage_offset() * old % new != 0:
        raise RuntimeError(f"[view] the storage offset does not fit {dtype}")
    t.a.shape[x.a.ndim - 1] = x.a.shape[x.a.ndim - 1] * old // new
    t.a.size = x.a.size * old // new
    t.contig = is_contiguous(&t.a)
    return t


def _view_as_real(TensorBase x not None):
    if CATEGORY[x.a.dtype] != 3:
        raise RuntimeError(f"[view_as_real] got {x.dtype}, expected a complex dtype")
    cdef int64_t sizes[CT_MAX_DIM]
    cdef int64_t strides[CT_MAX_DIM]
    cdef int d
    if x.a.ndim == CT_MAX_DIM:
        raise ValueError(f"[view_as_real] at most {CT_MAX_DIM} dimensions are supported")
    for d in range(x.a.ndim):
        sizes[d] = x.a.shape[d]
        strides[d] = 2 * x.a.stride[d]
    sizes[x.a.ndim] = 2
    strides[x.a.ndim] = 1
    cdef TensorBase t = view_c(x, x.a.ndim + 1, sizes, strides, 0)
    t.a.dtype = F32 if x.a.dtype == C64 else F64
    return t


def _spread(TensorBase g not None, shape, dim):
    """A reduced value described in the shape it was reduced from: stride 0 on the reduced dimensions `dim`."""
    cdef int64_t sizes[CT_MAX_DIM]
    cdef int64_t strides[CT_MAX_DIM]
    cdef int n = read_shape(shape, sizes, "spread"), d, at = 0
    cdef int64_t mask = read_dims(dim, n, "spread")
    cdef bint kept = g.a.ndim == n
    for d in range(n):
        if mask >> d & 1:
            strides[d] = 0
            at += kept
        else:
            strides[d] = g.a.stride[at]
            at += 1
    return view_c(g, n, sizes, strides, 0)
