# Shape rules: the shapes of an op's outputs from those of its inputs.

cdef extern from "string.h":
    int memcmp(const void *a, const void *b, size_t n) nogil

cdef extern from *:
    long long PyLong_AsLongLongAndOverflow(object o, int *over) except? -1


cdef int broadcast(Op op, const ct_array **arr, ct_array *made, int n_in, int64_t *shape) except -1:
    """The common shape of the inputs; those of another shape are replaced by a stretched description in `made`."""
    cdef int i, d, ndim = 0, lead
    cdef const ct_array *first = NULL
    cdef const ct_array *x
    cdef bint alike = True
    for i in range(n_in):
        if arr[i] == NULL or op.in_kind[i] == c"x" or op.in_kind[i] == c"X":
            continue
        if first == NULL:
            first = arr[i]
            ndim = first.ndim
        elif alike and not same_shape(first, arr[i]):
            alike = False
        if arr[i].ndim > ndim:
            ndim = arr[i].ndim
    if first == NULL:
        return 0
    if alike:
        memcpy(shape, first.shape, ndim * sizeof(int64_t))
        return ndim
    for d in range(ndim):
        shape[d] = 1
    for i in range(n_in):
        x = arr[i]
        if x == NULL or op.in_kind[i] == c"x" or op.in_kind[i] == c"X":
            continue
        lead = ndim - x.ndim
        for d in range(x.ndim):
            if x.shape[d] != 1 and shape[lead + d] != x.shape[d]:
                if shape[lead + d] != 1:
                    raise RuntimeError(f"[{op.name}] shapes {shapes_text(arr, n_in)} do not broadcast: "
                                       f"sizes {shape[lead + d]} and {x.shape[d]} in dimension {lead + d}")
                shape[lead + d] = x.shape[d]
    for i in range(n_in):
        x = arr[i]
        if x == NULL or op.in_kind[i] == c"x" or op.in_kind[i] == c"X":
            continue
        if x.ndim == ndim and memcmp(x.shape, shape, ndim * sizeof(int64_t)) == 0:
            continue
        stretch(x, &made[i], ndim, shape)
        arr[i] = &made[i]
    return ndim


cdef void stretch(const ct_array *x, ct_array *out, int ndim, const int64_t *shape) noexcept:
    """x described in a shape that it broadcasts to."""
    cdef int d, lead = ndim - x.ndim
    out.data = x.data
    out.dtype = x.dtype
    out.ndim = ndim
    out.size = 1
    for d in range(ndim):
        out.shape[d] = shape[d]
        out.size *= shape[d]
        out.stride[d] = 0 if d < lead or x.shape[d - lead] == 1 else x.stride[d - lead]


cdef str shapes_text(const ct_array **arr, int n):
    return " and ".join([str(shape_tuple(arr[i].shape, arr[i].ndim)) for i in range(n) if arr[i] != NULL])


cdef int matmul_shape(Op op, const ct_array **arr, ct_array *made, int64_t *shape) except -1:
    """(..., M, K) @ (..., K, N): batch dimensions broadcast. Vectors are handled by the caller."""
    cdef const ct_array *a = arr[0]
    cdef const ct_array *b = arr[1]
    cdef int d, ndim = a.ndim if a.ndim > b.ndim else b.ndim, k
    cdef int64_t size
    if a.ndim < 2 or b.ndim < 2:
        raise RuntimeError(f"[{op.name}] got shapes {shapes_text(arr, 2)}, expected at least two dimensions")
    if a.shape[a.ndim - 1] != b.shape[b.ndim - 2]:
        raise RuntimeError(f"[{op.name}] {shape_tuple(a.shape, a.ndim)} @ {shape_tuple(b.shape, b.ndim)}: inner dimensions "
                           f"{a.shape[a.ndim - 1]} and {b.shape[b.ndim - 2]} differ")
    shape[ndim - 2] = a.shape[a.ndim - 2]
    shape[ndim - 1] = b.shape[b.ndim - 1]
    if ndim == 2:
        return 2
    for d in range(ndim - 2):
        shape[d] = 1
    for k in range(2):
        for d in range(arr[k].ndim - 2):
            size = arr[k].shape[d]
            if size != 1 and shape[ndim - arr[k].ndim + d] != size:
                if shape[ndim - arr[k].ndim + d] != 1:
                    raise RuntimeError(f"[{op.name}] {shape_tuple(a.shape, a.ndim)} @ {shape_tuple(b.shape, b.ndim)}: "
                                       f"batch dimensions do not broadcast")
                shape[ndim - arr[k].ndim + d] = size
    cdef int64_t full[8]
    for k in range(2):
        memcpy(full, shape, sizeof(full))
        full[ndim - 2] = arr[k].shape[arr[k].ndim - 2]
        full[ndim - 1] = arr[k].shape[arr[k].ndim - 1]
        stretch(arr[k], &made[k], ndim, full)
        if full[ndim - 2] == 1:
            made[k].stride[ndim - 2] = full[ndim - 1]
        if full[ndim - 1] == 1:
            made[k].stride[ndim - 1] = 1
        arr[k] = &made[k]
    return ndim


cdef int linear_shape(Op op, const ct_array **arr, int64_t *shape) except -1:
    """x (..., in) with weight (out, in) and bias (out) gives (..., out)."""
    cdef const ct_array *x = arr[0]
    cdef const ct_array *w = arr[1]
    cdef const ct_array *b = arr[2]
    if x.ndim < 1 or w.ndim != 2 or x.shape[x.ndim - 1] != w.shape[1]:
        raise RuntimeError(f"[linear] input {shape_tuple(x.shape, x.ndim)} and weight {shape_tuple(w.shape, w.ndim)}: "
                           f"expected (..., in_features) and (out_features, in_features)")
    if b != NULL and (b.ndim != 1 or b.shape[0] != w.shape[0]):
        raise RuntimeError(f"[linear] bias {shape_tuple(b.shape, b.ndim)} and weight {shape_tuple(w.shape, w.ndim)}: "
                           f"expected ({w.shape[0]},)")
    memcpy(shape, x.shape, x.ndim * sizeof(int64_t))
    shape[x.ndim - 1] = w.shape[0]
    return x.ndim


cdef int shape_key(Op op, PyObject **slot, int64_t *key) except -1:
    """Inputs' shapes and attributes as numbers; returns how many, or 0 when an attribute cannot be told by a number."""
    cdef TensorBase t
    cdef PyObject *o
    cdef int i, d, n = 0
    for i in range(op.n_in):
        if n + 9 > MEMO_KEY:
            return 0
        if is_tensor(slot[i]):
            t = <TensorBase><object>slot[i]
            key[n] = t.a.ndim
            n += 1
            for d in range(t.a.ndim):
                key[n] = t.a.shape[d]
                n += 1
        else:
            key[n] = -1
            n += 1
    for i in range(op.n_attr):
        o = slot[op.n_in + i]
        if n + 10 > MEMO_KEY:
            return 0
        n += 1      # what kind of value it is comes first: an int is not None
        if o == <PyObject *>None:
            key[n - 1] = -1
        elif o == <PyObject *>True or o == <PyObject *>False:
            key[n - 1] = -2 if o == <PyObject *>True else -3
        elif PyLong_CheckExact(<object>o):
            key[n - 1] = -4
            if not small_int(o, &key[n]):
                return 0
            n += 1
        elif PyFloat_CheckExact(<object>o):
            key[n - 1] = -5
            (<double *>&key[n])[0] = PyFloat_AS_DOUBLE(<object>o)
            n += 1
        elif type(<object>o) is tuple:
            if PyTuple_GET_SIZE(<object>o) > 8:
                return 0
            key[n - 1] = PyTuple_GET_SIZE(<object>o)
            for d in range(<int>PyTuple_GET_SIZE(<object>o)):
                if not small_int(PyTuple_GET_ITEM_(<object>o, d), &key[n]):
                    return 0
                n += 1
        else:
            return 0
    return n


cdef bint small_int(PyObject *o, int64_t *out) except -1:
    cdef int over = 0
    if not PyLong_CheckExact(<object>o):
        return False
    out[0] = PyLong_AsLongLongAndOverflow(<object>o, &over)
    return not over


cdef int python_shape(Op op, PyObject **slot, int64_t *shape, int *ndim) except -1:
    """Shapes from the declaration's own function of the input shapes and the attributes; outcomes are kept."""
    cdef int i, k, n_key = 0
    cdef int64_t key[MEMO_KEY]
    cdef uint64_t mix = 0
    cdef shape_memo *kept
    n_key = shape_key(op, slot, key)
    if n_key:
        if op.memo == NULL:
            op.memo = <shape_memo *>calloc(MEMO_SLOTS, sizeof(shape_memo))
            if op.memo == NULL:
                raise MemoryError()
        for i in range(n_key):
            mix = (mix ^ <uint64_t>key[i]) * <uint64_t>0x9E3779B97F4A7C15
        mix ^= mix >> 32
        for i in range(MEMO_WAYS):
            kept = op.memo + ((mix + i) & (MEMO_SLOTS - 1))
            if kept.mix == mix and kept.n_key == n_key and memcmp(kept.key, key, n_key * sizeof(int64_t)) == 0:
                memcpy(ndim, kept.ndim, op.n_out * sizeof(int))
                memcpy(shape, kept.shape, op.n_out * sizeof(kept.shape[0]))
                return 0
    args = []
    for i in range(op.n_in):
        args.append(tuple((<TensorBase><object>slot[i]).shape) if is_tensor(slot[i]) else None)
    for i in range(op.n_attr):
        args.append(<object>slot[op.n_in + i])
    result = op.shape_fn(*args)
    if op.n_out == 1:
        result = (result,)
    for k in range(op.n_out):
        ndim[k] = read_size(result[k], shape + 8 * k, op.name)
    if n_key:
        for i in range(MEMO_WAYS):
            kept = op.memo + ((mix + i) & (MEMO_SLOTS - 1))
            if kept.n_key == 0:
                break
        else:      # all taken: they are given up in turn
            kept = op.memo + ((mix + op.memo_next) & (MEMO_SLOTS - 1))
            op.memo_next = (op.memo_next + 1) & (MEMO_WAYS - 1)
        kept.n_key, kept.mix = n_key, mix
        memcpy(kept.key, key, n_key * sizeof(int64_t))
        memcpy(kept.ndim, ndim, op.n_out * sizeof(int))
        memcpy(kept.shape, shape, op.n_out * sizeof(kept.shape[0]))
    return 0


cdef void drop_dims(TensorBase t, int64_t mask) noexcept:
    """Remove the dimensions of size 1 in `mask` from a fresh contiguous tensor."""
    cdef int d, n = 0
    for d in range(t.a.ndim):
        if not mask >> d & 1:
            t.a.shape[n] = t.a.shape[d]
            t.a.stride[n] = t.a.stride[d]
            n += 1
    t.a.ndim = n
