# Executing an op: promote, find the output shape, allocate, run the kernel, record.

cdef enum:
    RELEASE_GIL = 65536   # elements from which a kernel runs without the GIL


cdef object execute(Op op, PyObject **slot):
    cdef int i
    for i in range(op.n_in):
        if slot[i] == NULL:
            if op.in_kind[i] in (b"T", b"J", b"B", b"X"):
                slot[i] = <PyObject *>None
            else:
                raise TypeError(f"[{op.name}] missing argument {op.inputs[i]!r}: {op.signature}")
    for i in range(op.n_attr):
        if slot[op.n_in + i] == NULL:
            slot[op.n_in + i] = PyTuple_GET_ITEM_(op.defaults, i)
            if slot[op.n_in + i] == <PyObject *>REQUIRED:
                raise TypeError(f"[{op.name}] missing argument {op.attrs[i]!r}: {op.signature}")
    if op.impl is not None:
        return execute_impl(op, slot)
    return execute_kernel(op, slot)


# ---- batched tensors: what corten.func.vmap passes to a function shows the shape of one element, without data

cdef object ct_batched_type = None, ct_batched_call = None, ct_batched_get = None


def _set_batched(cls, call, get):
    """Ops of instances of ``cls`` are carried out by ``call(op, arguments)``, indexing with them by ``get(tensor, key)``."""
    global ct_batched_type, ct_batched_call, ct_batched_get
    ct_batched_type, ct_batched_call, ct_batched_get = cls, call, get


def _show_element(TensorBase t not None, TensorBase whole not None):
    """Give ``t`` the shape of one element along the first dimension of ``whole``, and no data."""
    cdef int64_t n = set_shape(&t.a, whole.a.ndim - 1, &whole.a.shape[1])
    t.a.dtype = whole.a.dtype
    t.storage = meta_storage(<size_t>n * ITEM[t.a.dtype])
    t.contig = True


cdef bint has_batched(object value):
    if isinstance(value, ct_batched_type):
        return True
    return isinstance(value, (tuple, list)) and any([isinstance(item, ct_batched_type) for item in value])


cdef object try_batched(Op op, PyObject **slot):
    """NotImplemented when no argument is a batched tensor."""
    cdef int i
    for i in range(op.n_in):
        if has_batched(<object>slot[i]):
            return ct_batched_call(op, tuple([<object>slot[k] for k in range(op.n_in + op.n_attr)]))
    return NotImplemented


cdef object bad_input(Op op, int i, PyObject *o):
    return TypeError(f"[{op.name}] got {type(<object>o).__name__} for {op.inputs[i]!r}, expected a tensor: {op.signature}")


cdef int weak_dtype(object o) noexcept:
    """The type that a Python number stands for, or -1."""
    if PyFloat_CheckExact(o):
        return default_float
    if o is True or o is False:
        return BOOL
    if PyLong_CheckExact(o):
        return I64
    if isinstance(o, float):
        return default_float
    if isinstance(o, int):
        return I64
    if isinstance(o, complex):
        return C64 if default_float == F32 else C128
    return -1


cdef object simple_elementwise(Op op, PyObject **slot):
    """The common case with nothing to decide: one or two contiguous tensors of one floating dtype and shape, or one
    and a Python number. NotImplemented for everything else."""
    cdef TensorBase a, b, out
    cdef ct_call call
    cdef ct_array number
    cdef double value[1]
    cdef PyObject *o
    cdef int dt
    cdef bint needs
    if not is_tensor(slot[0]):
        return NotImplemented
    a = <TensorBase><object>slot[0]
    dt = a.a.dtype
    if dt > F64 or not a.contig or a.storage.meta or ct_inference:
        return NotImplemented
    cdef const ct_kernel *kernel = op.kernel[dt]
    if kernel == NULL or kernel.work != NULL:
        return NotImplemented
    needs = a.req
    call.in_[0] = &a.a
    if op.n_in == 2:
        o = slot[1]
        if is_tensor(o):
            b = <TensorBase><object>o
            if b.a.dtype != dt or not b.contig or not same_shape(&a.a, &b.a) or b.storage.meta:
                return NotImplemented
            needs = needs or b.req
            call.in_[1] = &b.a
        elif PyFloat_CheckExact(<object>o):
            number = a.a
            memset(number.stride, 0, sizeof(number.stride))
            number.data = value
            if dt == F32:
                (<float *>value)[0] = <float>PyFloat_AS_DOUBLE(<object>o)
            else:
                value[0] = PyFloat_AS_DOUBLE(<object>o)
            call.in_[1] = &number
        else:
            return NotImplemented
    out = empty_c(BOOL if op.dtype_rule[0] == DT_BOOL else dt, a.a.ndim, a.a.shape)
    call.out[0] = &out.a
    call.nin, call.nout = op.n_in, 1
    call.ints, call.reals, call.work = NULL, NULL, NULL
    if a.a.size > RELEASE_GIL:
        with nogil:
            kernel.run(&call)
    else:
        kernel.run(&call)
    if needs and ct_grad_on and op.differentiable:
        record_one(op, slot, out)
    return out


cdef object complex_inplace(Op op, PyObject **slot, TensorBase target, bint needs):
    """The complex twin of an op, its result written into the first input."""
    cdef object source
    if CATEGORY[target.a.dtype] != 3:
        raise RuntimeError(f"[{op.__name__}] the result is complex, which {target.dtype} cannot hold")
    if needs and ct_grad_on:     # what backward asks for is not what is overwritten
        source = REGISTRY["clone"](target)
        slot[0] = <PyObject *>source
    return op_copy_inplace(target, execute(<Op>REGISTRY[op.name + "_complex"], slot))


cdef object execute_kernel(Op op, PyObject **slot):
    cdef object done
    if op.is_simple:
        done = simple_elementwise(op, slot)
        if done is not NotImplemented:
            return done
    return execute_any(op, slot)


cdef object execute_any(Op op, PyObject **slot):
    cdef const ct_array *arr[12]
    cdef ct_array made[12]
    cdef double number[24]
    cdef TensorBase t, first = None
    cdef list held = None
    cdef PyObject *converted[12]
    cdef PyObject *o
    cdef int i, k, d, kind, weak, dt, n_in = op.n_in
    cdef int dim_dt = -1, zero_dt = -1, weak_dt = -1, compute, run_dt, out_dt
    cdef bint needs = False, meta = False, numbers = False
    # ---- inputs
    for i in range(n_in):
        o = slot[i]
        kind = op.in_kind[i]
        if is_tensor(o):
            t = <TensorBase><object>o
            arr[i] = &t.a
            needs = needs or t.req
            meta = meta or t.storage.meta
            if kind == c"t" or kind == c"T":
                dt = t.a.dtype
                if t.a.ndim > 0:
                    dim_dt = dt if dim_dt < 0 or dim_dt == dt else promote2(dim_dt, dt)
                else:
                    zero_dt = dt if zero_dt < 0 or zero_dt == dt else promote2(zero_dt, dt)
            continue
        arr[i] = NULL
        if o == <PyObject *>None:
            if kind == c"T" or kind == c"J" or kind == c"B" or kind == c"X":
                continue
            raise bad_input(op, i, o)
        weak = weak_dtype(<object>o)
        if weak < 0:
            replaced = as_operand(<object>o)
            if replaced is None:
                raise bad_input(op, i, o)
            if held is None:
                held = []
            held.append(replaced)
            slot[i] = <PyObject *>replaced
            if is_tensor(slot[i]):
                return execute_any(op, slot)
            weak = weak_dtype(replaced)
        if kind == c"i" or kind == c"J" or kind == c"x":
            raise bad_input(op, i, o)
        numbers = True
        if kind != c"b" and kind != c"B":
            weak_dt = weak if weak_dt < 0 else promote2(weak_dt, weak)
    if meta and ct_batched_type is not None:
        done = try_batched(op, slot)
        if done is not NotImplemented:
            return done
    # ---- dtypes
    compute = dim_dt
    if zero_dt >= 0 or weak_dt >= 0:
        compute = combine_priority(dim_dt, combine_priority(zero_dt, weak_dt))
    if compute < 0:
        compute = default_float
    if op.asks_dtype:
        for i in range(op.n_attr):
            if op.attr_kind[i] == c"t" and slot[n_in + i] != <PyObject *>None:
                compute = dtype_code(<object>slot[n_in + i])
    dt = op.dtype_rule[0]
    if CATEGORY[compute] < 2:
        if dt == DT_FLOAT:
            compute = default_float
        elif dt == DT_FLOATING:
            raise TypeError(f"[{op.name}] got {DTYPES[compute].name}, expected a floating-point dtype")
    run_dt = F32 if compute == F16 or compute == BF16 else compute
    for i in range(n_in):
        if arr[i] == NULL:
            continue
        kind = op.in_kind[i]
        t = <TensorBase><object>slot[i]
        dt = t.a.dtype
        if kind == c"t" or kind == c"T":
            k = run_dt
        elif kind == c"i" or kind == c"J":
            if CATEGORY[dt] != 1:
                raise TypeError(f"[{op.name}] got {DTYPES[dt].name} for {op.inputs[i]!r}, expected int64")
            k = I64
        elif kind == c"b" or kind == c"B":
            if dt != BOOL and dt != U8:
                raise TypeError(f"[{op.name}] got {DTYPES[dt].name} for {op.inputs[i]!r}, expected bool")
            k = dt
        else:
            k = dt
        if dt != k:
            t = cast_c(t, k)
            if held is None:
                held = []
            held.append(t)
            arr[i] = &t.a
        elif op.packs and not t.contig and not meta:
            t = contiguous_c(t)
            if held is None:
                held = []
            held.append(t)
            arr[i] = &t.a
    # ---- attributes
    cdef int64_t ints[32]
    cdef double reals[32]
    cdef int64_t reduced = 0
    cdef bint keepdim = False
    cdef object value
    cdef int n_ints = 0, n_reals = 0, n = 0
    cdef int ndim0 = arr[0].ndim if n_in > 0 and arr[0] != NULL else 0
    for i in range(op.n_attr):
        value = <object>slot[n_in + i]
        kind = op.attr_kind[i]
        if kind == c"f":
            reals[n_reals] = as_float(op, i, value)
            n_reals += 1
        elif kind == c"b":
            ints[n_ints] = bool(value)
            if op.rule == RULE_REDUCE and op.attrs[i] == "keepdim":
                keepdim = ints[n_ints]
            n_ints += 1
        elif kind == c"i":
            ints[n_ints] = as_int(op, i, value)
            n_ints += 1
        elif kind == c"d":
            ints[n_ints] = wrap_dim(value, ndim0, op.name)
            n_ints += 1
        elif kind == c"D":
            reduced = read_dims(value, ndim0, op.name)
            ints[n_ints] = reduced
            n_ints += 1
        elif kind == c"I":
            n = read_ints(value, ints + n_ints, 32 - n_ints, op.name)
            n_ints += n
    # ---- output shape
    cdef int64_t shape[6][8]
    cdef int ndim[6]
    if op.rule == RULE_BROADCAST:
        ndim[0] = broadcast(op, arr, made, n_in, shape[0])
        for k in range(1, op.n_out):
            ndim[k] = ndim[0]
            memcpy(shape[k], shape[0], sizeof(shape[0]))
    elif op.rule == RULE_SAME:
        for k in range(op.n_out):
            ndim[k] = ndim0
            memcpy(shape[k], arr[0].shape, sizeof(shape[0]))
    elif op.rule == RULE_REDUCE:
        for k in range(op.n_out):
            ndim[k] = ndim0
            for d in range(ndim0):
                shape[k][d] = 1 if reduced >> d & 1 else arr[0].shape[d]
    elif op.rule == RULE_MATMUL:
        ndim[0] = matmul_shape(op, arr, made, shape[0])
    elif op.rule == RULE_LINEAR:
        ndim[0] = linear_shape(op, arr, shape[0])
    elif op.rule == RULE_SCALAR:
        for k in range(op.n_out):
            ndim[k] = 0
    else:
        python_shape(op, slot, &shape[0][0], ndim)
    # ---- numbers as operands of the output's shape
    if numbers:
        for i in range(n_in):
            if arr[i] == NULL and slot[i] != <PyObject *>None:
                memset(&made[i], 0, sizeof(ct_array))
                made[i].data = &number[2 * i]
                made[i].dtype = run_dt
                if op.in_kind[i] == c"b" or op.in_kind[i] == c"B":
                    made[i].dtype = BOOL
                made[i].size = 1
                if op.rule == RULE_BROADCAST:
                    made[i].ndim = ndim[0]
                    for d in range(ndim[0]):
                        made[i].shape[d] = shape[0][d]
                        made[i].size *= shape[0][d]
                write_scalar(made[i].data, made[i].dtype, <object>slot[i])
                arr[i] = &made[i]
    # ---- outputs
    cdef ct_call call
    cdef TensorBase out0 = None, target = None, original = None
    cdef tuple results = None
    cdef int64_t elements = 0
    if op.inplace:
        target = <TensorBase><object>slot[0]
        check_inplace(op, target, needs)
        if ndim[0] != target.a.ndim or (ndim[0] and memcmp(shape[0], target.a.shape, ndim[0] * 8) != 0):
            raise RuntimeError(f"[{op.__name__}] the result has shape {shape_tuple(shape[0], ndim[0])}, "
                               f"which does not fit into {tuple(target.shape)}")
        if needs:
            original = original_of(op, slot, target)
    cdef const ct_kernel *kernel = op.kernel[run_dt]
    if kernel == NULL:
        kernel = op.find(run_dt)
        if kernel == NULL:
            if CATEGORY[run_dt] == 3 and op.name + "_complex" in REGISTRY:
                if op.inplace:
                    return complex_inplace(op, slot, target, needs)
                return execute(<Op>REGISTRY[op.name + "_complex"], slot)   # declared apart: its gradients conjugate
            raise NotImplementedError(f"[{op.name}] there is no kernel for {DTYPES[run_dt].name}")
    results = PyTuple_New(op.n_out) if op.n_out > 1 else None
    for k in range(op.n_out):
        dt = op.dtype_rule[k]
        if dt == DT_BOOL:
            out_dt = BOOL
        elif dt == DT_INT64 or (dt == DT_SUM and CATEGORY[compute] < 2):
            out_dt = I64
        elif dt == DT_UINT8:
            out_dt = U8
        elif dt == DT_F32:
            out_dt = F32
        elif dt == DT_INT32:
            out_dt = I32
        else:
            out_dt = run_dt
        if op.inplace and out_dt == target.a.dtype and run_dt == compute and not op.rule == RULE_PYTHON and \
                not overlaps_itself(target):
            t = target
        elif meta:
            t = empty_meta(out_dt, ndim[k], shape[k])
        else:
            t = empty_c(out_dt, ndim[k], shape[k])
        elements += t.a.size
        call.out[k] = &t.a
        if results is None:
            out0 = t
        else:
            Py_INCREF(t)
            PyTuple_SET_ITEM(results, k, t)
    # ---- run
    cdef int64_t work = 0
    cdef void *space = NULL
    if not meta:
        for i in range(n_in):
            call.in_[i] = arr[i]
            if arr[i] != NULL:
                elements += arr[i].size
        call.nin, call.nout = n_in, op.n_out
        call.ints, call.reals, call.work = ints, reals, NULL
        if kernel.work != NULL:
            work = kernel.work(&call)
            if work > 0:
                space = native.pool_take(work)
                if space == NULL:
                    raise MemoryError(f"[{op.name}] {work:,} bytes of workspace could not be had")
                call.work = space
        if elements > RELEASE_GIL:
            with nogil:
                kernel.run(&call)
        else:
            kernel.run(&call)
        if space != NULL:
            native.pool_give(space, work)
    # ---- finish
    if op.inplace:
        if out0 is not target:
            store_inplace(op, target, out0)
        finish_inplace(op, slot, target, original, needs)
        return target
    if op.rule == RULE_REDUCE and not keepdim and reduced:
        if results is None:
            drop_dims(out0, reduced)
        else:
            for k in range(op.n_out):
                drop_dims(<TensorBase>results[k], reduced)
    if run_dt != compute:
        if results is None:
            if op.dtype_rule[0] == DT_SAME or op.dtype_rule[0] == DT_FLOAT or op.dtype_rule[0] == DT_FLOATING or \
                    op.dtype_rule[0] == DT_SUM:
                out0 = cast_c(out0, compute)
        else:
            results = tuple([cast_c(r, compute) if op.dtype_rule[k] in (DT_SAME, DT_FLOAT, DT_FLOATING, DT_SUM) else r
                             for k, r in enumerate(results)])
    if needs and ct_grad_on and op.differentiable:
        if results is None:
            record_one(op, slot, out0)
        else:
            record(op, slot, None, results)
    elif ct_inference:
        if results is None:
            out0.inference = True
        else:
            for t in results:
                t.inference = True
    return out0 if results is None else results


cdef object as_operand(object o):
    """A NumPy number or array as a Python number or a tensor; None for what is neither."""
    if hasattr(o, "__array__") and hasattr(o, "dtype"):
        if getattr(o, "shape", None) == ():
            return o.item()
        return from_numpy(o)
    return None


cdef double as_float(Op op, int i, object value) except? -1:
    if PyFloat_CheckExact(value):
        return PyFloat_AS_DOUBLE(value)
    if value is None:
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"[{op.name}] got {value!r} for {op.attrs[i]!r}, expected a number") from None


cdef int64_t as_int(Op op, int i, object value) except? -1:
    try:
        return value.__index__()
    except AttributeError:
        raise TypeError(f"[{op.name}] got {value!r} for {op.attrs[i]!r}, expected an int") from None


cdef int read_ints(object value, int64_t *out, int room, str who) except -1:
    cdef int n = 0
    for v in value:
        if n == room:
            raise ValueError(f"[{who}] too many ints: {tuple(value)}")
        out[n] = v
        n += 1
    return n


cdef int64_t read_dims(object value, int ndim, str who) except -1:
    """A bit mask of dimensions, from None (all), an int or a sequence of ints (none of them: all)."""
    cdef int64_t mask = 0
    cdef int d
    if value is None:
        return (1 << ndim) - 1
    if PyLong_CheckExact(value):
        d = wrap_dim(value, ndim, who)
        return 1 << d if ndim > 0 else 0
    try:
        dims = tuple(value)
    except TypeError:
        return 1 << wrap_dim(value, ndim, who) if ndim > 0 else 0
    if len(dims) == 0:
        return (1 << ndim) - 1
    for one in dims:
        d = wrap_dim(one, ndim, who)
        if mask >> d & 1:
            raise RuntimeError(f"[{who}] dimension {d} is named twice in {dims}")
        mask |= 1 << d
    return mask if ndim > 0 else 0


def run_kernel(str name, TensorBase out not None, tuple inputs, tuple ints=()):
    """Run a native kernel from a Python implementation: shapes, dtypes and indices were checked by the caller.

    ``inputs`` are tensors (None for an optional one); the dtype of ``out`` selects the kernel.
    """
    cdef ct_call call
    cdef int64_t values[32]
    cdef int64_t work = 0, elements = out.a.size
    cdef void *space = NULL
    cdef int i, n = len(inputs)
    cdef const ct_kernel *kernel = native.find_kernel(name.encode(), out.a.dtype)
    if kernel == NULL:
        raise NotImplementedError(f"[{name}] there is no kernel for {DTYPES[out.a.dtype].name}")
    if n > 12 or len(ints) > 32:
        raise ValueError(f"[{name}] at most 12 inputs and 32 ints")
    for i in range(n):
        if inputs[i] is None:
            call.in_[i] = NULL
        else:
            call.in_[i] = &(<TensorBase?>inputs[i]).a
            elements += (<TensorBase>inputs[i]).a.size
    for i in range(<int>len(ints)):
        values[i] = ints[i]
    call.out[0] = &out.a
    call.nin, call.nout, call.ints, call.reals, call.work = n, 1, values, NULL, NULL
    if kernel.work != NULL:
        work = kernel.work(&call)
        if work > 0:
            space = native.pool_take(work)
            if space == NULL:
                raise MemoryError(f"[{name}] {work:,} bytes of workspace could not be had")
            call.work = space
    if elements > RELEASE_GIL:
        with nogil:
            kernel.run(&call)
    else:
        kernel.run(&call)
    if space != NULL:
        native.pool_give(space, work)
    return out


# ---- ops whose implementation is Python or a view

cdef object execute_impl(Op op, PyObject **slot):
    global ct_grad_on
    cdef int i, n = op.n_in + op.n_attr
    cdef tuple args = PyTuple_New(n)
    cdef bint needs = False, meta = False
    cdef TensorBase t, target = None, original = None
    cdef tuple sequence = None
    for i in range(n):
        value = <object>slot[i]
        if i < op.n_in:
            if op.in_kind[i] == c"v":
                if isinstance(value, TensorBase) or not isinstance(value, (list, tuple)):
                    raise TypeError(f"[{op.name}] got {type(value).__name__} for {op.inputs[i]!r}, expected a sequence of tensors")
                sequence = tuple(value)
                for item in sequence:
                    if not isinstance(item, TensorBase):
                        raise TypeError(f"[{op.name}] got {type(item).__name__} in {op.inputs[i]!r}, expected tensors")
                    needs = needs or (<TensorBase>item).req
                    meta = meta or (<TensorBase>item).storage.meta
                value = sequence
            elif isinstance(value, TensorBase):
                t = value
                needs = needs or t.req
                meta = meta or t.storage.meta
            elif op.in_kind[i] == c"t" and weak_dtype(value) < 0:
                replaced = as_operand(value)
                if replaced is None:
                    raise bad_input(op, i, slot[i])
                value = replaced
            elif (op.in_kind[i] == c"x" or op.in_kind[i] == c"i") and not isinstance(value, TensorBase):
                raise bad_input(op, i, slot[i])
        Py_INCREF(value)
        PyTuple_SET_ITEM(args, i, value)
    if meta and ct_batched_type is not None:
        result = try_batched(op, slot)
        if result is not NotImplemented:
            return result
    fn = op.impl
    if meta and not op.is_view:
        if op.meta_fn is None:
            raise NotImplementedError(f"[{op.name}] has no shape-only form")
        fn = op.meta_fn
    if op.inplace:
        if not is_tensor(slot[0]):
            raise bad_input(op, 0, slot[0])
        target = <TensorBase><object>slot[0]
        check_inplace(op, target, needs)
        if needs:
            original = original_of(op, slot, target)
    cdef int before = ct_grad_on
    ct_grad_on = 0
    try:
        result = fn(*args)
    finally:
        ct_grad_on = before
    if op.inplace:
        store_inplace(op, target, result)
        finish_inplace(op, slot, target, original, needs)
        return target
    cdef tuple results
    if op.is_view and not op.variadic:
        t = <TensorBase><object>slot[0]
        for item in (result if isinstance(result, tuple) else (result,)):
            (<TensorBase>item).base = t if t.base is None else t.base
            (<TensorBase>item).base_version = t.storage.version
    if needs and before and op.differentiable:
        for i in range(op.n_in):      # a result that is an input itself becomes a tensor of its own
            if <PyObject *>result == slot[i]:
                result = alias_c(result)
        results = result if isinstance(result, tuple) else (result,)
        record(op, slot, sequence, results)
    elif ct_inference:
        for item in (result if isinstance(result, tuple) else (result,)):
            if isinstance(item, TensorBase):
                (<TensorBase>item).inference = True
    return result
