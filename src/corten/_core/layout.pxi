# Making tensors, their layout, and single values.

cdef inline TensorBase new_tensor():
    cdef TensorBase t = <TensorBase>ct_alloc_tensor()
    ct_clear_fields(t)
    return t


cdef inline bint is_tensor(PyObject *o) noexcept:
    return ct_is_tensor(o, TensorBase)


cdef bint is_contiguous(const ct_array *a) noexcept nogil:
    cdef int64_t expected = 1
    cdef int d
    for d in range(a.ndim - 1, -1, -1):
        if a.shape[d] != 1:
            if a.stride[d] != expected and a.size > 0:
                return False
            expected *= a.shape[d]
    return True


cdef int64_t set_shape(ct_array *a, int ndim, const int64_t *shape) except -1:
    """Contiguous layout of `shape`. Returns the number of elements."""
    cdef int64_t n = 1, step = 1
    cdef int d
    a.ndim = ndim
    for d in range(ndim - 1, -1, -1):
        a.shape[d] = shape[d]
        a.stride[d] = step
        n *= shape[d]
        if shape[d] > 1:
            if step > (<int64_t>1 << 46) // shape[d]:
                raise MemoryError(f"[alloc] a tensor of shape {tuple([shape[i] for i in range(ndim)])} is too large")
            step *= shape[d]
    a.size = n
    return n


cdef TensorBase empty_c(int dt, int ndim, const int64_t *shape):
    """A new contiguous tensor with undefined values."""
    cdef TensorBase t = new_tensor()
    cdef int64_t n = set_shape(&t.a, ndim, shape)
    t.a.dtype = dt
    t.storage = new_storage(<size_t>(n if n > 0 else 1) * ITEM[dt])
    t.a.data = t.storage.ptr
    t.contig = True
    return t


cdef TensorBase empty_meta(int dt, int ndim, const int64_t *shape):
    cdef TensorBase t = new_tensor()
    cdef int64_t n = set_shape(&t.a, ndim, shape)
    t.a.dtype = dt
    t.storage = meta_storage(<size_t>n * ITEM[dt])
    t.contig = True
    return t


cdef TensorBase alias_c(TensorBase x):
    """The same memory and layout as a new tensor, off the tape."""
    cdef TensorBase t = new_tensor()
    t.a = x.a
    t.storage = x.storage
    t.contig = x.contig
    return t


cdef TensorBase contiguous_c(TensorBase x):
    """x itself when it is contiguous, else a contiguous copy off the tape."""
    if x.contig:
        return x
    return cast_c(x, x.a.dtype)


cdef TensorBase cast_c(TensorBase x, int dt):
    """A contiguous copy as dtype `dt`, off the tape."""
    if x.storage.meta:
        return empty_meta(dt, x.a.ndim, x.a.shape)
    cdef TensorBase out = empty_c(dt, x.a.ndim, x.a.shape)
    if x.a.size > 16384:
        with nogil:
            native.copy_array(&out.a, &x.a)
    else:
        native.copy_array(&out.a, &x.a)
    return out


cdef tuple shape_tuple(const int64_t *v, int n):
    cdef tuple t = PyTuple_New(n)
    cdef object item
    cdef int i
    for i in range(n):
        item = v[i]
        Py_INCREF(item)
        PyTuple_SET_ITEM(t, i, item)
    return t


cdef object size_type = None


cdef object size_object(const int64_t *v, int n):
    """A Size, made without a detour through its constructor."""
    cdef object t = ct_tuple_of(<PyTypeObject *>size_type, n)
    cdef object item
    cdef int i
    for i in range(n):
        item = v[i]
        Py_INCREF(item)
        PyTuple_SET_ITEM(t, i, item)
    return t


class Size(tuple):
    """A shape: a tuple of ints with ``numel()``."""

    __slots__ = ()

    def numel(self):
        """The number of elements."""
        n = 1
        for d in self:
            n *= d
        return n

    def __repr__(self):
        return f"corten.Size({list(self)})"

    def __reduce__(self):
        return (Size, (tuple(self),))

    def __getitem__(self, i):
        v = tuple.__getitem__(self, i)
        return Size(v) if type(i) is slice else v

    def __add__(self, other):
        return Size(tuple(self) + tuple(other))


size_type = Size


cdef int read_shape(object shape, int64_t *out, str who) except -1:
    """Ints of a shape given as an int or a sequence of ints into `out`; returns how many."""
    cdef int n = 0
    if PyLong_CheckExact(shape):
        out[0] = shape
        return 1
    try:
        items = tuple(shape)
    except TypeError:
        raise TypeError(f"[{who}] got a shape of type {type(shape).__name__}, expected ints") from None
    if len(items) > CT_MAX_DIM:
        raise ValueError(f"[{who}] got {len(items)} dimensions; at most {CT_MAX_DIM} are supported")
    for v in items:
        try:
            out[n] = v.__index__()
        except AttributeError:
            raise TypeError(f"[{who}] got {v!r} in a shape, expected ints") from None
        n += 1
    return n


cdef int read_size(object shape, int64_t *out, str who) except -1:
    """As read_shape, but negative sizes raise."""
    cdef int n = read_shape(shape, out, who), i
    for i in range(n):
        if out[i] < 0:
            raise RuntimeError(f"[{who}] got a negative size in {tuple([out[j] for j in range(n)])}")
    return n


cdef extern from *:
    """
    #define PyList_GET_ITEM_(list, i) ((PyObject *)PyList_GET_ITEM(list, i))
    """
    PyObject *PyList_GET_ITEM_(object list_, Py_ssize_t i)

import weakref as _weakref

cdef object _weakref_ref = _weakref.ref


def _set_tensor_type(cls):
    """Results are instances of ``cls`` from now on (called once, by corten.tensor)."""
    Py_INCREF(cls)
    ct_use_tensor_type(<PyTypeObject *>cls)


def _share_free(cls):
    """Let instances of a subclass of Tensor be freed as its own are, so that one may become the other."""
    ct_share_free(<PyTypeObject *>cls)


ct_tensor_type = <PyTypeObject *>TensorBase


cdef inline bint same_shape(const ct_array *a, const ct_array *b) noexcept nogil:
    cdef int d
    if a.ndim != b.ndim:
        return False
    for d in range(a.ndim):
        if a.shape[d] != b.shape[d]:
            return False
    return True


cdef int need_data(TensorBase t, str who) except -1:
    if t.storage.meta:
        raise NotImplementedError(f"[{who}] a meta tensor has no data")
    return 0


cdef int wrap_dim(object dim, int ndim, str who) except -1:
    """A dimension number in range, from a possibly negative one. A 0-d tensor has dimensions -1 and 0."""
    cdef int64_t d
    try:
        d = dim.__index__()
    except AttributeError:
        raise TypeError(f"[{who}] got dim={dim!r}, expected an int") from None
    cdef int n = ndim if ndim > 0 else 1
    if d < -n or d >= n:
        raise IndexError(f"[{who}] dimension {d} is out of range, expected {-n} to {n - 1}")
    return <int>(d + n if d < 0 else d)


cdef object read_scalar(const void *p, int dt):
    cdef ct_array one, wide
    cdef double v
    if dt == F32:
        return (<const float *>p)[0]
    if dt == F64:
        return (<const double *>p)[0]
    if dt == I64:
        return (<const int64_t *>p)[0]
    if dt == I32:
        return (<const int32_t *>p)[0]
    if dt == BOOL:
        return (<const uint8_t *>p)[0] != 0
    if dt == U8:
        return (<const uint8_t *>p)[0]
    if dt == I8:
        return (<const int8_t *>p)[0]
    if dt == I16:
        return (<const int16_t *>p)[0]
    if dt == C64:
        return complex((<const float *>p)[0], (<const float *>p)[1])
    if dt == C128:
        return complex((<const double *>p)[0], (<const double *>p)[1])
    memset(&one, 0, sizeof(one))
    one.size = 1
    wide = one
    one.data, one.dtype = <void *>p, dt
    wide.data, wide.dtype = &v, F64
    native.copy_array(&wide, &one)
    return v


cdef int write_scalar(void *p, int dt, object value) except -1:
    """Store a Python number as one element."""
    cdef ct_array one, wide
    cdef double v
    cdef object complex_value
    if dt == F32:
        (<float *>p)[0] = <float><double>value
    elif dt == F64:
        (<double *>p)[0] = <double>value
    elif dt == BOOL:
        (<uint8_t *>p)[0] = bool(value)
    elif CATEGORY[dt] == 1:
        i = int(value)
        limits = iinfo(DTYPES[dt])
        if not limits.min <= i <= limits.max:
            if dt == U8 and -255 <= i < 0:
                i += 256
            else:
                raise RuntimeError(f"[scalar] {value} does not fit into {DTYPES[dt].name}")
        if dt == I64:
            (<int64_t *>p)[0] = i
        elif dt == I32:
            (<int32_t *>p)[0] = i
        elif dt == I16:
            (<int16_t *>p)[0] = i
        elif dt == I8:
            (<int8_t *>p)[0] = i
        else:
            (<uint8_t *>p)[0] = i
    elif dt == C64:
        complex_value = complex(value)
        (<float *>p)[0] = complex_value.real
        (<float *>p)[1] = complex_value.imag
    elif dt == C128:
        complex_value = complex(value)
        (<double *>p)[0] = complex_value.real
        (<double *>p)[1] = complex_value.imag
    else:
        v = value
        memset(&one, 0, sizeof(one))
        one.size = 1
        wide = one
        one.data, one.dtype = p, dt
        wide.data, wide.dtype = &v, F64
        native.copy_array(&one, &wide)
    return 0


cdef object nested_list(const ct_array *a, int d, char *p):
    if d == a.ndim:
        return read_scalar(p, a.dtype)
    cdef int64_t i, step = a.stride[d] * ITEM[a.dtype]
    return [nested_list(a, d + 1, p + i * step) for i in range(a.shape[d])]
