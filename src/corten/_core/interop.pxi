# Making tensors, and exchange with NumPy, the buffer protocol and DLPack.

cdef object numpy_ = None


cdef object np():
    """NumPy, imported when first needed."""
    global numpy_
    if numpy_ is None:
        import numpy
        numpy_ = numpy
    return numpy_


cdef dict NUMPY_NAMES = {"float32": F32, "float64": F64, "float16": F16, "int8": I8, "int16": I16, "int32": I32,
                         "int64": I64, "uint8": U8, "bool": BOOL, "complex64": C64, "complex128": C128}
cdef tuple FORMAT_TABLE = (b"f", b"d", b"e", b"", b"b", b"h", b"i", b"q", b"B", b"?", b"Zf", b"Zd")


cdef int get_buffer(TensorBase t, Py_buffer *view, int flags) except -1:
    cdef int d
    need_data(t, "buffer")
    if t.a.dtype == BF16:
        raise BufferError("[buffer] bfloat16 has no buffer format; convert to float32 first")
    if not t.contig and not (flags & 0x0018 == 0x0018):
        raise BufferError("[buffer] the tensor is not contiguous")
    view.shape = <Py_ssize_t *>malloc(2 * CT_MAX_DIM * sizeof(Py_ssize_t))
    if view.shape == NULL:
        raise MemoryError()
    view.strides = view.shape + CT_MAX_DIM
    for d in range(t.a.ndim):
        view.shape[d] = t.a.shape[d]
        view.strides[d] = t.a.stride[d] * ITEM[t.a.dtype]
    view.buf = t.a.data
    view.len = t.a.size * ITEM[t.a.dtype]
    view.itemsize = ITEM[t.a.dtype]
    view.ndim = t.a.ndim
    view.readonly = 0
    view.format = <char *>FORMAT_TABLE[t.a.dtype]
    view.suboffsets = NULL
    view.internal = NULL
    return 0


cdef object to_array(TensorBase t, dtype, copy):
    need_data(t, "numpy")
    if t.req and ct_grad_on:
        raise RuntimeError("[numpy] this tensor requires a gradient; use detach().numpy()")
    if t.a.dtype == BF16:
        raise TypeError("[numpy] NumPy has no bfloat16; convert to float32 first")
    array = np().asarray(memoryview(t))
    if t.a.dtype == C64 or t.a.dtype == C128:
        array = array.view(np().complex64 if t.a.dtype == C64 else np().complex128)
    if dtype is not None and array.dtype != dtype:
        if copy is False:
            raise ValueError(f"[numpy] a copy is needed to convert {t.dtype} to {dtype}")
        return array.astype(dtype)
    return array.copy() if copy else array


def from_numpy(array):
    """A tensor over the memory of a NumPy array.

    Raises TypeError for a dtype that tensors do not have. A read-only array is copied.
    """
    cdef TensorBase t
    cdef Py_buffer view
    cdef int d, dt
    if not isinstance(array, np().ndarray):
        if isinstance(array, np().generic):
            array = np().asarray(array)
        else:
            raise TypeError(f"[from_numpy] got {type(array).__name__}, expected a NumPy array")
    if array.dtype.name not in NUMPY_NAMES:
        raise TypeError(f"[from_numpy] tensors have no dtype {array.dtype}")
    dt = NUMPY_NAMES[array.dtype.name]
    if array.ndim > CT_MAX_DIM:
        raise ValueError(f"[from_numpy] got {array.ndim} dimensions; at most {CT_MAX_DIM} are supported")
    if not array.flags.writeable or not array.flags.aligned or not array.dtype.isnative or \
            any(s < 0 or s % array.itemsize for s in array.strides):
        array = np().array(array, dtype=array.dtype.newbyteorder("="), order="C")
    t = new_tensor()
    t.a.ndim = array.ndim
    t.a.dtype = dt
    t.a.size = array.size
    for d in range(array.ndim):
        t.a.shape[d] = array.shape[d]
        t.a.stride[d] = array.strides[d] // array.itemsize
    t.storage = Storage.__new__(Storage)
    t.storage.owner = array
    t.a.data = <void *><uintptr_t>array.ctypes.data
    t.storage.ptr = t.a.data
    t.storage.nbytes = array.itemsize * (1 + sum([(n - 1) * s // array.itemsize for n, s in
                                                  zip(array.shape, array.strides)]) if array.size else 0)
    t.contig = is_contiguous(&t.a)
    return t


def frombuffer(buffer, *, dtype, int64_t count=-1, int64_t offset=0, bint requires_grad=False):
    """A one-dimensional tensor over the memory of an object with the buffer protocol."""
    cdef TensorBase t
    name = (<object>DTYPES[dtype_code(dtype)]).name
    if name == "bfloat16":
        raise TypeError("[frombuffer] bfloat16 has no buffer format")
    t = from_numpy(np().frombuffer(buffer, dtype=name, count=count, offset=offset))
    if requires_grad:
        t.requires_grad = True
    return t


cdef TensorBase scalar_tensor_c(object value, int dt):
    cdef TensorBase t = empty_c(dt, 0, NULL)
    write_scalar(t.a.data, dt, value)
    return t


def as_tensor(data, dtype=None, device=None):
    """``data`` as a tensor, without a copy where that is possible."""
    cdef TensorBase t
    cdef int dt
    if isinstance(data, TensorBase):
        t = data
        if dtype is not None and dtype_code(dtype) != t.a.dtype:
            return REGISTRY["to_dtype"](t, dtype)
        return t
    if wants_meta(device):
        t = as_tensor(data, dtype)
        return empty_meta(t.a.dtype, t.a.ndim, t.a.shape)
    dt = weak_dtype(data)
    if dt >= 0 and not is_numpy_number(data):
        return scalar_tensor_c(data, dt if dtype is None else dtype_code(dtype))
    if isinstance(data, np().ndarray) or isinstance(data, np().generic):
        t = from_numpy(data)
    elif not isinstance(data, (list, tuple)) and hasattr(data, "__dlpack__"):
        t = from_dlpack(data)
    else:
        t = from_nested(data, -1 if dtype is None else dtype_code(dtype))
    if dtype is not None and dtype_code(dtype) != t.a.dtype:
        return cast_c(t, dtype_code(dtype))
    return t


cdef bint is_numpy_number(object o):
    """NumPy's float64 and complex128 are Python numbers too, but keep their dtype where a tensor is made of them."""
    return not (PyFloat_CheckExact(o) or PyLong_CheckExact(o) or type(o) is bool) and hasattr(o, "dtype")


cdef TensorBase from_nested(object data, int wanted):
    """From nested sequences of numbers or tensors, straight to the wanted dtype (or -1): no digit is lost on the way."""
    cdef TensorBase t
    cdef int dt
    if isinstance(data, (list, tuple)) and len(data) and has_tensor(data):
        data = plain_numbers(data)
    try:
        array = np().array(data)
    except ValueError as error:
        raise ValueError(f"[tensor] the nested sequences have unequal lengths: {error}") from None
    if array.dtype.kind in "OUSV":
        raise TypeError(f"[tensor] got {type(data).__name__} of {array.dtype}, expected numbers")
    if array.dtype.name not in NUMPY_NAMES:
        raise TypeError(f"[tensor] tensors have no dtype {array.dtype}")
    if wanted >= 0:
        dt = wanted
    elif array.dtype.name == "float64" and not (isinstance(data, (list, tuple)) and has_float64(data)):
        dt = default_float
    elif array.dtype.kind == "f" and array.size == 0:
        dt = default_float
    elif array.dtype.kind == "c" and default_float == F32 and array.dtype.name == "complex128":
        dt = C64
    else:
        dt = NUMPY_NAMES[array.dtype.name]
    return cast_c(from_numpy(array), dt)


cdef bint has_float64(object data):
    """Whether some of the items, or of the items in them, say that they are float64: Python's numbers do not."""
    for v in data:
        if isinstance(v, (list, tuple)):
            if has_float64(v):
                return True
        elif not PyFloat_CheckExact(v) and not PyLong_CheckExact(v) and isinstance(v, (np().ndarray, np().generic)) \
                and v.dtype.name == "float64":
            return True
    return False


cdef bint has_tensor(object data):
    for v in data:
        if isinstance(v, TensorBase):
            return True
        if isinstance(v, (list, tuple)) and has_tensor(v):
            return True
    return False


cdef object plain_numbers(object data):
    return [v.tolist() if isinstance(v, TensorBase) else plain_numbers(v) if isinstance(v, (list, tuple)) else v
            for v in data]


def tensor(data, *, dtype=None, device=None, bint requires_grad=False, pin_memory=False):
    """A new tensor with a copy of ``data`` (numbers, nested sequences, arrays, a tensor).

    Python floats become the default dtype (float32), ints int64.

    Examples
    --------
    >>> import corten
    >>> corten.tensor([[1.0, 2.0], [3.0, 4.0]]).shape
    corten.Size([2, 2])
    """
    cdef TensorBase t, source
    if isinstance(data, TensorBase):
        source = data
        t = cast_c(source, source.a.dtype if dtype is None else dtype_code(dtype))
    else:
        t = as_tensor(data, dtype, device)
        if t.storage.owner is not None:
            t = cast_c(t, t.a.dtype)
    if ct_inference:
        t.inference = True
    if requires_grad:
        t.requires_grad = True
    return t


cdef TensorBase fresh(object size, object dtype, object device, str who):
    cdef int64_t shape[CT_MAX_DIM]
    cdef int n = read_size(size, shape, who)
    cdef int dt = default_float if dtype is None else dtype_code(dtype)
    cdef TensorBase t = empty_meta(dt, n, shape) if wants_meta(device) else empty_c(dt, n, shape)
    t.inference = ct_inference
    return t


cdef object size_of(tuple size):
    return size[0] if len(size) == 1 and not PyLong_CheckExact(size[0]) and not hasattr(size[0], "__index__") else size


cdef TensorBase filled(TensorBase t, object value):
    cdef double one[2]
    if not t.storage.meta:
        write_scalar(one, t.a.dtype, value)
        native.fill_array(&t.a, one)
    return t


cdef object written(str name, object out, TensorBase made, bint requires_grad):
    """What a function that makes tensors returns: the new one, or ``out`` with its values."""
    if out is not None:
        return REGISTRY["write_out"](name, out, made)
    if requires_grad:
        made.requires_grad = True
    return made


def empty(*sizes, size=None, out=None, dtype=None, device=None, bint requires_grad=False, layout=None, memory_format=None,
          pin_memory=False):
    """A tensor of undefined values of the given size."""
    cdef TensorBase t = fresh(size_of(sizes if size is None else (size,)), dtype, device, "empty")
    return written("empty", out, t, requires_grad)


def zeros(*sizes, size=None, out=None, dtype=None, device=None, bint requires_grad=False, layout=None, pin_memory=False):
    """A tensor of zeros of the given size."""
    cdef TensorBase t = fresh(size_of(sizes if size is None else (size,)), dtype, device, "zeros")
    if not t.storage.meta:
        memset(t.a.data, 0, t.a.size * ITEM[t.a.dtype])
    return written("zeros", out, t, requires_grad)


def ones(*sizes, size=None, out=None, dtype=None, device=None, bint requires_grad=False, layout=None, pin_memory=False):
    """A tensor of ones of the given size."""
    cdef TensorBase t = filled(fresh(size_of(sizes if size is None else (size,)), dtype, device, "ones"), 1)
    return written("ones", out, t, requires_grad)


def full(size, fill_value, *, out=None, dtype=None, device=None, bint requires_grad=False, layout=None, pin_memory=False):
    """A tensor of the given size, every element ``fill_value``."""
    cdef TensorBase t
    if isinstance(fill_value, TensorBase) or is_numpy_number(fill_value):
        fill_value = fill_value.item()
    if dtype is None:
        if weak_dtype(fill_value) < 0:
            raise TypeError(f"[full] got {fill_value!r}, expected a number")
        dtype = DTYPES[weak_dtype(fill_value)]
    t = filled(fresh(size, dtype, device, "full"), fill_value)
    return written("full", out, t, requires_grad)


cdef TensorBase like(TensorBase x, dtype, device):
    cdef int dt = x.a.dtype if dtype is None else dtype_code(dtype)
    cdef bint meta = x.storage.meta if device is None else wants_meta(device)
    if meta and device is None and ct_batched_type is not None and isinstance(x, ct_batched_type):
        meta = False
    cdef TensorBase t = empty_meta(dt, x.a.ndim, x.a.shape) if meta else empty_c(dt, x.a.ndim, x.a.shape)
    t.inference = ct_inference
    return t


def empty_like(TensorBase input not None, *, dtype=None, device=None, bint requires_grad=False, layout=None,
               memory_format=None):
    """A tensor of undefined values in the shape of another."""
    return like(input, dtype, device).requires_grad_(requires_grad)


def zeros_like(TensorBase input not None, *, dtype=None, device=None, bint requires_grad=False, layout=None,
               memory_format=None):
    """A tensor of zeros in the shape of another."""
    cdef TensorBase t = like(input, dtype, device)
    if not t.storage.meta:
        memset(t.a.data, 0, t.a.size * ITEM[t.a.dtype])
    return t.requires_grad_(requires_grad) if requires_grad else t


def ones_like(TensorBase input not None, *, dtype=None, device=None, bint requires_grad=False, layout=None,
              memory_format=None):
    """A tensor of ones in the shape of another."""
    cdef TensorBase t = filled(like(input, dtype, device), 1)
    return t.requires_grad_(requires_grad) if requires_grad else t


def full_like(TensorBase input not None, fill_value, *, dtype=None, device=None, bint requires_grad=False, layout=None,
              memory_format=None):
    """A tensor in the shape of another, every element ``fill_value``."""
    cdef TensorBase t = filled(like(input, dtype, device), fill_value)
    return t.requires_grad_(requires_grad) if requires_grad else t


def _fill(TensorBase t not None, value):
    """Write ``value`` into every element, off the tape."""
    filled(t, value)
    t.storage.version += 1
    return t


cdef object fill_op(TensorBase target, object value):
    if target.req and ct_grad_on:
        return op_fill_inplace(target, value)
    check_inplace(REGISTRY["fill"], target, False)
    filled(target, value)
    target.storage.version += 1
    return target


def _contiguous(TensorBase x not None):
    return contiguous_c(x)


def _cast(TensorBase x not None, dtype):
    return cast_c(x, dtype_code(dtype))


def _alias(TensorBase x not None):
    return alias_c(x)


def _copy_into(TensorBase target not None, TensorBase source not None):
    """Write ``source``, broadcast and converted, into ``target``, off the tape."""
    check_inplace(REGISTRY["copy"], target, False)
    store_inplace(REGISTRY["copy"], target, source)
    target.storage.version += 1
    return target


def _bump(TensorBase x not None):
    """Count a change made to x's memory from outside."""
    x.storage.version += 1


def _swap(TensorBase a not None, TensorBase b not None):
    """Exchange the contents of two tensors."""
    a.a, b.a = b.a, a.a
    a.storage, b.storage = b.storage, a.storage
    a.contig, b.contig = b.contig, a.contig


def wants_meta_device(device):
    """Whether a ``device=`` argument means the meta device."""
    return wants_meta(device)


# ---- DLPack (https://dmlc.github.io/dlpack/)

cdef extern from *:
    """
    typedef struct { int32_t device_type; int32_t device_id; } DLDevice_;
    typedef struct { uint8_t code; uint8_t bits; uint16_t lanes; } DLDataType_;
    typedef struct { void *data; DLDevice_ device; int32_t ndim; DLDataType_ dtype; int64_t *shape; int64_t *strides;
                     uint64_t byte_offset; } DLTensor_;
    typedef struct DLManagedTensor_ { DLTensor_ dl_tensor; void *manager_ctx; void (*deleter)(struct DLManagedTensor_ *); }
        DLManagedTensor_;
    """
    ctypedef struct DLDevice_:
        int32_t device_type
        int32_t device_id
    ctypedef struct DLDataType_:
        uint8_t code
        uint8_t bits
        uint16_t lanes
    ctypedef struct DLTensor_:
        void *data
        DLDevice_ device
        int32_t ndim
        DLDataType_ dtype
        int64_t *shape
        int64_t *strides
        uint64_t byte_offset
    ctypedef struct DLManagedTensor_:
        DLTensor_ dl_tensor
        void *manager_ctx
        void (*deleter)(DLManagedTensor_ *) noexcept
    object PyCapsule_New(void *pointer, const char *name, void (*destructor)(PyObject *) noexcept)
    void *PyCapsule_GetPointer(PyObject *capsule, const char *name) except? NULL
    bint PyCapsule_IsValid(PyObject *capsule, const char *name)
    int PyCapsule_SetName(PyObject *capsule, const char *name) except -1

# (kind, bits): kind 0 int, 1 uint, 2 float, 4 bfloat, 5 complex, 6 bool
cdef tuple DLPACK_TYPES = ((2, 32), (2, 64), (2, 16), (4, 16), (0, 8), (0, 16), (0, 32), (0, 64), (1, 8), (6, 8),
                           (5, 64), (5, 128))


cdef void dlpack_delete(DLManagedTensor_ *m) noexcept with gil:
    if m != NULL:
        Py_XDECREF(<PyObject *>m.manager_ctx)
        free(m.dl_tensor.shape)
        free(m)


cdef void capsule_delete(PyObject *capsule) noexcept:
    cdef DLManagedTensor_ *m
    if PyCapsule_IsValid(capsule, "dltensor"):
        m = <DLManagedTensor_ *>PyCapsule_GetPointer(capsule, "dltensor")
        m.deleter(m)


cdef object to_dlpack(TensorBase t, copy):
    cdef int d
    need_data(t, "dlpack")
    if t.req:
        raise BufferError("[dlpack] this tensor requires a gradient; detach() it first")
    if copy:
        t = cast_c(t, t.a.dtype)
    cdef DLManagedTensor_ *m = <DLManagedTensor_ *>malloc(sizeof(DLManagedTensor_))
    if m == NULL:
        raise MemoryError()
    m.dl_tensor.shape = <int64_t *>malloc(2 * CT_MAX_DIM * sizeof(int64_t))
    if m.dl_tensor.shape == NULL:
        free(m)
        raise MemoryError()
    m.dl_tensor.strides = m.dl_tensor.shape + CT_MAX_DIM
    for d in range(t.a.ndim):
        m.dl_tensor.shape[d] = t.a.shape[d]
        m.dl_tensor.strides[d] = t.a.stride[d]
    m.dl_tensor.data = t.a.data
    m.dl_tensor.device.device_type, m.dl_tensor.device.device_id = 1, 0
    m.dl_tensor.ndim = t.a.ndim
    m.dl_tensor.dtype.code, m.dl_tensor.dtype.bits = DLPACK_TYPES[t.a.dtype]
    m.dl_tensor.dtype.lanes = 1
    m.dl_tensor.byte_offset = 0
    Py_INCREF(t)
    m.manager_ctx = <void *>t
    m.deleter = dlpack_delete
    return PyCapsule_New(m, "dltensor", capsule_delete)


@cython.final
cdef class DLPackOwner:
    """Keeps an imported DLPack tensor alive."""
    cdef DLManagedTensor_ *m

    def __dealloc__(self):
        if self.m != NULL and self.m.deleter != NULL:
            self.m.deleter(self.m)


def from_dlpack(ext_tensor, *, device=None, copy=None):
    """A tensor over the memory of an object that offers DLPack (or of a DLPack capsule); with ``copy=True`` over its own.

    Raises BufferError when the data is not on the CPU or has a dtype that tensors lack.
    """
    cdef DLManagedTensor_ *m
    cdef DLPackOwner owner
    cdef TensorBase t
    if device is not None and wants_meta(device):
        raise BufferError(f"[from_dlpack] got device {device}, expected the CPU")
    source = ext_tensor
    cdef int d
    cdef int64_t step = 1
    if hasattr(source, "__dlpack__"):
        where = source.__dlpack_device__()
        if int(where[0]) not in (1, 3):
            raise BufferError(f"[from_dlpack] got data on device {where}, expected the CPU")
        capsule = source.__dlpack__()
    else:
        capsule = source
    if not PyCapsule_IsValid(<PyObject *>capsule, "dltensor"):
        raise TypeError(f"[from_dlpack] got {type(source).__name__}, expected an object with __dlpack__ or an unused capsule")
    m = <DLManagedTensor_ *>PyCapsule_GetPointer(<PyObject *>capsule, "dltensor")
    pair = (m.dl_tensor.dtype.code, m.dl_tensor.dtype.bits)
    if m.dl_tensor.dtype.lanes != 1 or pair not in DLPACK_TYPES or m.dl_tensor.device.device_type not in (1, 3):
        raise BufferError(f"[from_dlpack] no such dtype or device here: code {pair[0]}, {pair[1]} bits")
    if m.dl_tensor.ndim > CT_MAX_DIM:
        raise BufferError(f"[from_dlpack] got {m.dl_tensor.ndim} dimensions; at most {CT_MAX_DIM} are supported")
    PyCapsule_SetName(<PyObject *>capsule, "used_dltensor")
    owner = DLPackOwner.__new__(DLPackOwner)
    owner.m = m
    t = new_tensor()
    t.a.ndim = m.dl_tensor.ndim
    t.a.dtype = DLPACK_TYPES.index(pair)
    t.a.size = 1
    for d in range(t.a.ndim - 1, -1, -1):
        t.a.shape[d] = m.dl_tensor.shape[d]
        t.a.stride[d] = step if m.dl_tensor.strides == NULL else m.dl_tensor.strides[d]
        step *= t.a.shape[d]
        t.a.size *= t.a.shape[d]
    for d in range(t.a.ndim):
        if t.a.stride[d] < 0 and t.a.size > 0:
            raise BufferError("[from_dlpack] negative strides are not supported")
    t.a.data = <char *>m.dl_tensor.data + m.dl_tensor.byte_offset
    t.storage = Storage.__new__(Storage)
    t.storage.owner = owner
    t.storage.ptr = t.a.data
    step = 1
    for d in range(t.a.ndim):
        step += (t.a.shape[d] - 1) * t.a.stride[d]
    t.storage.nbytes = <size_t>(step if t.a.size > 0 else 0) * ITEM[t.a.dtype]
    t.contig = is_contiguous(&t.a)
    return REGISTRY["clone"](t) if copy else t


# ---- checks before kernels that trust their indices

def check_index(TensorBase index not None, int64_t low, int64_t high, ignore):
    """The first value outside [low, high) that is not ``ignore``, or None."""
    cdef TensorBase x = index
    cdef int64_t i, v, skip = ignore if ignore is not None else low
    cdef const int64_t *p
    cdef int64_t n = x.a.size, bad = -1
    if x.storage.meta and ct_batched_type is not None and isinstance(x, ct_batched_type):
        return check_index(x.whole, low, high, ignore)
    if x.storage.meta or n == 0:
        return None
    if x.a.dtype != I64 or not x.contig:
        x = cast_c(x, I64)
    p = <const int64_t *>x.a.data
    with nogil:
        for i in range(n):
            v = p[i]
            if (v < low or v >= high) and v != skip:
                bad = i
                break
    return None if bad < 0 else p[bad]


def check_class_loss(str who, TensorBase input not None, TensorBase target not None, weight, ignore_index):
    """Raise unless targets (N, S...) are classes of logits (N, C, S...) or ``ignore_index``, and weights are (C)."""
    cdef int d
    cdef TensorBase w
    cdef bint fits = input.a.ndim >= 2 and target.a.ndim == input.a.ndim - 1 and target.a.shape[0] == input.a.shape[0]
    for d in range(2, input.a.ndim):
        fits = fits and target.a.shape[d - 1] == input.a.shape[d]
    if not fits:
        raise RuntimeError(f"[{who}] input {tuple(input.shape)} and target {tuple(target.shape)}: expected (N, C, ...) and "
                           "(N, ...)")
    if weight is not None:
        w = weight
        if w.a.ndim != 1 or w.a.shape[0] != input.a.shape[1]:
            raise RuntimeError(f"[{who}] weight {tuple(w.shape)}: expected ({input.a.shape[1]},)")
    bad = check_index(target, 0, input.a.shape[1], ignore_index)
    if bad is not None:
        raise IndexError(f"[{who}] target {bad} is outside 0 ... {input.a.shape[1] - 1}")


# ---- random integers

def random_integers(TensorBase out not None, int64_t seed, int64_t offset, int64_t low, int64_t high):
    """Fill a contiguous int64 tensor with integers of [low, high)."""
    if out.a.dtype != I64 or not out.contig or high <= low:
        raise RuntimeError("[random_integers] expected a contiguous int64 tensor and low < high")
    with nogil:
        native.random_integers(<int64_t *>out.a.data, out.a.size, <uint64_t>seed, <uint64_t>offset, low, high)
    return out


def random_permutation(TensorBase out not None, int64_t seed, int64_t offset):
    """Fill a contiguous int64 tensor of n elements with 0 ... n - 1 in random order."""
    if out.a.dtype != I64 or not out.contig:
        raise RuntimeError("[random_permutation] expected a contiguous int64 tensor")
    with nogil:
        native.random_permutation(<int64_t *>out.a.data, out.a.size, <uint64_t>seed, <uint64_t>offset)
    return out
