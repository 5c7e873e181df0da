# Python's operators on tensors, and indexing.

from cpython.object cimport Py_EQ, Py_GE, Py_GT, Py_LE, Py_LT, Py_NE

cdef Op op_add, op_sub, op_mul, op_div, op_floor_divide, op_remainder, op_pow, op_neg, op_abs, op_not
cdef Op op_and, op_or, op_xor, op_lshift, op_rshift
cdef Op op_eq, op_ne, op_lt, op_le, op_gt, op_ge
cdef Op op_add_inplace, op_sub_inplace, op_mul_inplace, op_div_inplace, op_pow_inplace
cdef Op op_floor_divide_inplace, op_remainder_inplace, op_and_inplace, op_or_inplace, op_xor_inplace
cdef Op op_add_scaled, op_copy_inplace, op_fill_inplace
cdef object op_matmul = None
cdef object advanced_get = None
cdef object advanced_set = None


def _bind_operators(table):
    """Connect Python's operators to declared ops (called once, by corten.ops)."""
    global op_add, op_sub, op_mul, op_div, op_floor_divide, op_remainder, op_pow, op_neg, op_abs, op_not
    global op_and, op_or, op_xor, op_lshift, op_rshift, op_eq, op_ne, op_lt, op_le, op_gt, op_ge
    global op_add_inplace, op_sub_inplace, op_mul_inplace, op_div_inplace, op_pow_inplace
    global op_floor_divide_inplace, op_remainder_inplace, op_and_inplace, op_or_inplace, op_xor_inplace
    global op_add_scaled, op_copy_inplace, op_fill_inplace, op_matmul, advanced_get, advanced_set
    op_add, op_sub, op_mul, op_div = table["add"], table["sub"], table["mul"], table["div"]
    op_floor_divide, op_remainder, op_pow = table["floor_divide"], table["remainder"], table["pow"]
    op_neg, op_abs, op_not = table["neg"], table["abs"], table["bitwise_not"]
    op_and, op_or, op_xor = table["bitwise_and"], table["bitwise_or"], table["bitwise_xor"]
    op_lshift, op_rshift = table["bitwise_left_shift"], table["bitwise_right_shift"]
    op_eq, op_ne, op_lt, op_le, op_gt, op_ge = [table[k] for k in ("eq", "ne", "lt", "le", "gt", "ge")]
    op_add_inplace, op_sub_inplace, op_mul_inplace = op_add.in_place(), op_sub.in_place(), op_mul.in_place()
    op_div_inplace, op_pow_inplace = op_div.in_place(), op_pow.in_place()
    op_floor_divide_inplace, op_remainder_inplace = op_floor_divide.in_place(), op_remainder.in_place()
    op_and_inplace, op_or_inplace, op_xor_inplace = op_and.in_place(), op_or.in_place(), op_xor.in_place()
    op_add_scaled = table["add_scaled"]
    op_copy_inplace, op_fill_inplace = table["copy_"], table["fill_"]
    op_matmul = table["matmul"]
    advanced_get, advanced_set = table["advanced_get"], table["advanced_set"]


cdef inline bint is_operand(object o):
    return is_tensor(<PyObject *>o) or weak_dtype(o) >= 0 or (hasattr(o, "__array__") and hasattr(o, "dtype"))


cdef object binary(Op op, object a, object b):
    cdef PyObject *slot[2]
    if not (is_operand(a) and is_operand(b)):
        return NotImplemented
    slot[0], slot[1] = <PyObject *>a, <PyObject *>b
    return execute(op, slot)


cdef object unary(Op op, object a):
    cdef PyObject *slot[2]
    slot[0] = <PyObject *>a
    return execute(op, slot)


# ---- indexing

cdef bint is_basic(object key):
    """Whether a key is made of ints, slices, None and Ellipsis alone."""
    if type(key) is slice or PyLong_CheckExact(key):
        return True
    if type(key) is tuple:
        for k in <tuple>key:
            if not (PyLong_CheckExact(k) or type(k) is slice or k is None or k is Ellipsis or is_index_number(k)):
                return False
        return True
    return PyLong_CheckExact(key) or type(key) is slice or key is None or key is Ellipsis or is_index_number(key)


cdef bint is_index_number(object k):
    """NumPy integers; bools and tensors are not."""
    return not isinstance(k, (bool, TensorBase, list, tuple, slice)) and hasattr(k, "__index__") \
        and getattr(k, "shape", ()) == ()


cdef TensorBase basic_index(TensorBase x, object key):
    """The view that a basic key describes, in one step."""
    cdef tuple keys = <tuple>key if type(key) is tuple else (key,)
    cdef int64_t sizes[CT_MAX_DIM]
    cdef int64_t strides[CT_MAX_DIM]
    cdef int n = 0, d = 0, used = 0, rest
    cdef int64_t offset = 0, i, length, size
    cdef Py_ssize_t start, stop, step
    cdef bint dots = False
    for k in keys:
        if k is Ellipsis:
            if dots:
                raise IndexError("[index] an index can have only one ellipsis")
            dots = True
        elif k is not None:
            used += 1
    if used > x.a.ndim:
        raise IndexError(f"[index] got {used} indices for a tensor of {x.a.ndim} dimensions")
    rest = x.a.ndim - used
    for k in keys:
        if n >= CT_MAX_DIM and (k is None or type(k) is slice):
            raise ValueError(f"[index] at most {CT_MAX_DIM} dimensions are supported")
        if k is None:
            sizes[n], strides[n] = 1, 0
            n += 1
        elif k is Ellipsis:
            for _ in range(rest):
                if n >= CT_MAX_DIM:
                    raise ValueError(f"[index] at most {CT_MAX_DIM} dimensions are supported")
                sizes[n], strides[n] = x.a.shape[d], x.a.stride[d]
                n += 1
                d += 1
        elif type(k) is slice:
            PySlice_Unpack(k, &start, &stop, &step)
            if step < 1:
                raise ValueError(f"[index] got step {k.step}, expected a positive one; use flip()")
            length = PySlice_AdjustIndices(x.a.shape[d], &start, &stop, step)
            if length:
                offset += start * x.a.stride[d]
            sizes[n], strides[n] = length, x.a.stride[d] * step
            n += 1
            d += 1
        else:
            i = k.__index__()
            size = x.a.shape[d]
            if i < -size or i >= size:
                raise IndexError(f"[index] index {i} is out of range for dimension {d} of size {size}")
            offset += (i + size if i < 0 else i) * x.a.stride[d]
            d += 1
    while d < x.a.ndim:
        if n >= CT_MAX_DIM:
            raise ValueError(f"[index] at most {CT_MAX_DIM} dimensions are supported")
        sizes[n], strides[n] = x.a.shape[d], x.a.stride[d]
        n += 1
        d += 1
    return view_c(x, n, sizes, strides, offset)


def _basic_index(TensorBase x not None, key):
    return basic_index(x, key)


cdef object get_item(TensorBase x, object key):
    cdef TensorBase t
    if not is_basic(key):
        if ct_batched_type is not None and has_batched(key):
            return ct_batched_get(x, key)
        return advanced_get(x, key)
    if x.req and ct_grad_on:
        return REGISTRY["index_basic"](x, key)
    t = basic_index(x, key)
    t.base = x if x.base is None else x.base
    t.base_version = x.storage.version
    t.inference = ct_inference
    return t


cdef int set_item(TensorBase x, object key, object value) except -1:
    if not is_basic(key):
        advanced_set(x, key, value)
        return 0
    target = get_item(x, key)
    if isinstance(value, TensorBase):
        op_copy_inplace(target, value)
    elif weak_dtype(value) >= 0:
        fill_op(target, value)
    else:
        op_copy_inplace(target, as_tensor(value))
    return 0
