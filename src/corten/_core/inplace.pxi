# Working in place: what may be overwritten, and how the tape hears of it.

cdef bint overlaps_itself(TensorBase t) noexcept:
    """Whether two indices share memory (an expanded tensor)."""
    cdef int d
    for d in range(t.a.ndim):
        if t.a.stride[d] == 0 and t.a.shape[d] > 1:
            return True
    return False


cdef int check_inplace(Op op, TensorBase target, bint needs) except -1:
    if overlaps_itself(target):
        raise RuntimeError(f"[{op.__name__}] several elements of the tensor share one memory location (it was expanded); "
                           "clone() it before working in place")
    if target.inference and not ct_inference:
        raise RuntimeError(f"[{op.__name__}] an inference tensor cannot be changed in place outside inference_mode")
    if ct_grad_on and needs and op.differentiable:
        if target.req and target.node is None:
            raise RuntimeError(f"[{op.__name__}] a leaf that requires a gradient is used in an in-place operation")
        if target.base is not None and (<TensorBase>target.base).req and (<TensorBase>target.base).node is None:
            raise RuntimeError(f"[{op.__name__}] a view of a leaf that requires a gradient is used in an in-place operation")
    return 0


cdef int store_inplace(Op op, TensorBase target, TensorBase result) except -1:
    cdef ct_array source
    cdef int d
    if CATEGORY[result.a.dtype] > CATEGORY[target.a.dtype] and op.name != "copy" and op.name != "fill":
        raise RuntimeError(f"[{op.__name__}] the result type {result.dtype} cannot be cast to {target.dtype}")
    for d in range(result.a.ndim):
        if result.a.ndim > target.a.ndim or (result.a.shape[d] != 1 and
                                             result.a.shape[d] != target.a.shape[target.a.ndim - result.a.ndim + d]):
            raise RuntimeError(f"[{op.__name__}] shape {tuple(result.shape)} does not fit into {tuple(target.shape)}")
    stretch(&result.a, &source, target.a.ndim, target.a.shape)
    if target.storage.meta:
        return 0
    if result.storage is target.storage and result.a.data != target.a.data:
        result = cast_c(result, result.a.dtype)    # the two may overlap
        stretch(&result.a, &source, target.a.ndim, target.a.shape)
    native.copy_array(&target.a, &source)
    return 0


cdef int finish_inplace(Op op, PyObject **slot, TensorBase target, bint needs) except -1:
    """Count the change, and put the operation on the tape."""
    cdef Node node
    if not (needs and ct_grad_on and op.differentiable):
        target.storage.version += 1
        return 0
    node = make_node(op, slot, None, 1)
    target.storage.version += 1
    target.req = True
    if target.base is None:
        target.node = node
        target.out_index = 0
        save_outputs(op, node, (target,))
        return 0
    # A view: what was done to it was done to its base.
    cdef TensorBase base = target.base
    cdef TensorBase value = alias_c(target)
    value.node = node
    value.req = True
    save_outputs(op, node, (target,))
    where = (shape_tuple(target.a.shape, target.a.ndim), shape_tuple(target.a.stride, target.a.ndim),
             (<char *>target.a.data - <char *>base.a.data) // ITEM[base.a.dtype])
    cdef Op scatter = REGISTRY["as_strided_scatter"]
    cdef PyObject *args[5]
    args[0], args[1] = <PyObject *>base, <PyObject *>value
    args[2], args[3], args[4] = PyTuple_GET_ITEM_(where, 0), PyTuple_GET_ITEM_(where, 1), PyTuple_GET_ITEM_(where, 2)
    base.node = make_node(scatter, args, None, 1)
    base.out_index = 0
    base.req = True
    target.node = strided_node(base, target)
    target.out_index = 0
    target.base_version = target.storage.version
    return 0


cdef Node strided_node(TensorBase base, TensorBase view):
    """The node of `view` as a piece of `base`, which was changed since the view was taken."""
    cdef Op op = REGISTRY["as_strided"]
    where = (shape_tuple(view.a.shape, view.a.ndim), shape_tuple(view.a.stride, view.a.ndim),
             (<char *>view.a.data - <char *>base.a.data) // ITEM[base.a.dtype])
    cdef PyObject *args[4]
    args[0] = <PyObject *>base
    args[1], args[2], args[3] = PyTuple_GET_ITEM_(where, 0), PyTuple_GET_ITEM_(where, 1), PyTuple_GET_ITEM_(where, 2)
    return make_node(op, args, None, 1)
