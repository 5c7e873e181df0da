# Backward: nodes with a gathered gradient, visited latest first.

cdef struct Heap:
    PyObject **node       # (count) nodes with a gathered gradient, a binary heap by sequence number, owned
    int count
    int room


cdef int heap_push(Heap *h, Node node) except -1:
    cdef int i, up
    cdef PyObject **grown
    if h.count == h.room:
        h.room = 2 * h.room + 64
        grown = <PyObject **>realloc(h.node, h.room * sizeof(PyObject *))
        if grown == NULL:
            raise MemoryError()
        h.node = grown
    Py_INCREF(node)
    i = h.count
    h.count += 1
    while i > 0:
        up = (i - 1) // 2
        if (<Node>h.node[up]).seq >= node.seq:
            break
        h.node[i] = h.node[up]
        i = up
    h.node[i] = <PyObject *>node
    return 0


cdef PyObject *heap_pop(Heap *h) noexcept:
    """The latest node; its reference goes to the caller."""
    cdef PyObject *top = h.node[0]
    cdef PyObject *last
    cdef int i = 0, child
    h.count -= 1
    last = h.node[h.count]
    while True:
        child = 2 * i + 1
        if child >= h.count:
            break
        if child + 1 < h.count and (<Node>h.node[child + 1]).seq > (<Node>h.node[child]).seq:
            child += 1
        if (<Node>h.node[child]).seq <= (<Node>last).seq:
            break
        h.node[i] = h.node[child]
        i = child
    h.node[i] = last
    return top


cdef bint is_own(TensorBase g, int refs) noexcept:
    """Whether nobody else can see g's memory, so that it may be kept or written to."""
    return Py_REFCNT(<PyObject *>g) <= refs and Py_REFCNT(<PyObject *>g.storage) == 1 and g.contig \
        and g.node is None and g.storage.owner is None


cdef object add_grads(object a, object b, bint create):
    """a + b; into a's memory when nobody else sees it."""
    cdef TensorBase x = a, y = b
    cdef ct_call call
    cdef double one = 1.0
    cdef const ct_kernel *kernel
    if not create and x.a.dtype == y.a.dtype and x.a.dtype <= F64 and same_shape(&x.a, &y.a) and not x.storage.meta:
        kernel = op_add_scaled.find(x.a.dtype)
        if is_own(x, 3) and kernel != NULL:
            call.out[0], call.in_[0], call.in_[1] = &x.a, &x.a, &y.a
            call.nin, call.nout, call.reals, call.ints, call.work = 2, 1, &one, NULL, NULL
            if x.a.size > RELEASE_GIL:
                with nogil:
                    kernel.run(&call)
            else:
                kernel.run(&call)
            return x
    return a + b


cdef int give(Heap *heap, list leaves, uint64_t pass_id, object edge, int index, object grad, bint create, set needed) except -1:
    """Add a gradient to a node or a leaf."""
    cdef Node node
    cdef TensorBase leaf
    if type(edge) is Node:
        node = <Node>edge
        if needed is not None and <object><uintptr_t><PyObject *>node not in needed:
            return 0
        if node.pass_id != pass_id:
            if node.pass_id != 0:
                raise RuntimeError("[backward] this part of the graph is being differentiated by an outer backward")
            node.pass_id = pass_id
            node.g = None
            if node.n_out > 1:
                node.g = [None] * node.n_out
            heap_push(heap, node)
        if node.n_out == 1:
            node.g = grad if node.g is None else add_grads(node.g, grad, create)
        else:
            kept = (<list>node.g)[index]
            (<list>node.g)[index] = grad if kept is None else add_grads(kept, grad, create)
        return 0
    leaf = <TensorBase>edge
    if needed is not None and <object><uintptr_t><PyObject *>leaf not in needed:
        return 0
    if leaf.pending is None:
        leaf.pending = grad
        leaf.pass_id = pass_id
        leaves.append(leaf)
    else:
        leaf.pending = add_grads(leaf.pending, grad, create)
    return 0


cdef object fit_grad(object grad, Node node, int i, bint create):
    """A gradient in the shape and dtype of input i."""
    cdef TensorBase g
    if not isinstance(grad, TensorBase):
        if grad is None:
            return None
        raise TypeError(f"[backward] {node.name()} returned {type(grad).__name__} for input {i}, expected a tensor or None")
    g = grad
    if node.shapes is not None and node.shapes[i] is not None:
        if shape_tuple(g.a.shape, g.a.ndim) != node.shapes[i]:
            grad = g = REGISTRY["sum_to_size"](grad, node.shapes[i])
    if g.a.dtype != node.in_dtype[i]:
        if CATEGORY[g.a.dtype] == 3 and CATEGORY[node.in_dtype[i]] == 2:
            grad = g = REGISTRY["real"](grad)
        if g.a.dtype != node.in_dtype[i]:
            grad = REGISTRY["to_dtype"](grad, DTYPES[node.in_dtype[i]])
    return grad


cdef object call_vjp(VJP v, Node node, bint create):
    """What a gradient function, or an op that is one, makes of a node's gradient and saved values."""
    cdef PyObject *args[MAX_SLOT]
    cdef list held = None
    cdef int k, code, kind, index
    cdef TensorBase t
    for k in range(v.n):
        code = v.code[k]
        kind, index = code // 64, code % 64
        if kind == ARG_GRAD:
            if node.n_out > 1:
                fill_missing(node, index)
                args[k] = PyList_GET_ITEM_(node.g, index)
            else:
                args[k] = <PyObject *>node.g
        elif kind == ARG_ATTR:
            args[k] = PyTuple_GET_ITEM_(node.attrs, index)
        elif kind == ARG_SAVED:
            args[k] = PyTuple_GET_ITEM_(node.saved, index)
            if is_tensor(args[k]):
                t = <TensorBase><object>args[k]
                if t.storage.version != node.versions[index]:
                    raise RuntimeError(
                        f"[backward] a value that {node.name()} saved, of shape {tuple(t.shape)}, was changed by an in-place "
                        f"operation: it is at version {t.storage.version}, expected version {node.versions[index]}"
                        + (f"\n  recorded at {node.where}" if node.where else
                           "; autograd.detect_anomaly() tells where it was recorded"))
                code = <int>node.op.save_plan[index]
                if create and code // 64 == ARG_OUT and t.node is None:
                    t = alias_c(t)     # an output, back on the tape
                    t.node, t.out_index, t.req = node, code % 64, True
                    held = [t] if held is None else held + [t]
                    args[k] = <PyObject *>t
        else:
            needs = tuple([e is not None for e in node.edges])
            held = [needs] if held is None else held + [needs]
            args[k] = <PyObject *>needs
    if v.op is not None:
        return execute(v.op, args)
    return PyObject_Vectorcall(v.fn, args, v.n, NULL)


cdef int fill_missing(Node node, int k) except -1:
    """Zeros for an output that got no gradient."""
    cdef list gs = node.g
    cdef TensorBase t
    cdef out_shape *meta
    if gs[k] is None:
        meta = node.out_meta + k
        if CATEGORY[meta.dtype] >= 2:
            t = empty_c(meta.dtype, meta.ndim, meta.shape)
            memset(t.a.data, 0, t.a.size * ITEM[meta.dtype])
            gs[k] = t
    return 0


cdef int hand_on(Heap *heap, list leaves, uint64_t pass_id, Node node, int i, object grad, bint create, set needed) except -1:
    """A gradient of input i, fitted to it, to where it belongs."""
    grad = fit_grad(grad, node, i, create)
    if ct_anomaly:
        check_finite(grad, node)
    return give(heap, leaves, pass_id, <object>PyTuple_GET_ITEM_(node.edges, i), node.idx[i], grad, create, needed)


cdef bint wants(Node node, int i, set needed) except -1:
    """Whether the gradient of input i is asked for."""
    edge = <object>PyTuple_GET_ITEM_(node.edges, i)
    return edge is not None and (needed is None or <object><uintptr_t><PyObject *>edge in needed)


cdef int visit_ops(Heap *heap, list leaves, uint64_t pass_id, Node node, set needed) except -1:
    """Differentiate a node whose gradients are ops."""
    cdef VJP v
    cdef int k
    cdef bint wanted
    for v in node.op.vjp_ops:
        wanted = False
        for k in range(v.op.n_out):
            wanted = wanted or wants(node, v.target[k], needed)
        if not wanted:
            continue
        result = call_vjp(v, node, False)
        if v.op.n_out == 1:
            hand_on(heap, leaves, pass_id, node, v.target[0], result, False, needed)
            continue
        for k in range(v.op.n_out):
            if PyTuple_GET_ITEM_(node.edges, v.target[k]) != <PyObject *>None:
                grad = <object>PyTuple_GET_ITEM_(result, k)
                hand_on(heap, leaves, pass_id, node, v.target[k], grad, False, needed)
    return 0


cdef int run_node_hooks(Node node) except -1:
    for index, hook in list(node.hooks):
        if index < 0:
            new = hook(tuple(node.g) if node.n_out > 1 else (node.g,))
            if new is not None:
                node.g = list(new) if node.n_out > 1 else new[0]
        elif node.n_out == 1:
            new = hook(node.g)
            if new is not None:
                node.g = new
        elif (<list>node.g)[index] is not None:
            new = hook((<list>node.g)[index])
            if new is not None:
                (<list>node.g)[index] = new
    return 0


cdef int visit(Heap *heap, list leaves, uint64_t pass_id, Node node, bint retain, bint create, set needed) except -1:
    """Differentiate one node and hand the gradients on."""
    cdef int i
    cdef Op op = node.op
    cdef VJP v
    if node.hooks is not None:
        run_node_hooks(node)
    if node.freed:
        raise RuntimeError(freed_text(node))
    results = None
    if node.custom is not None:
        if node.n_out > 1:
            for i in range(node.n_out):
                fill_missing(node, i)
        results = node.custom(*(node.g if node.n_out > 1 else (node.g,)))
        if not isinstance(results, tuple):
            results = (results,)
        if len(results) != node.n_in:
            if len(results) > node.n_in and all(r is None for r in results[node.n_in:]):
                results = results[:node.n_in]
            else:
                raise RuntimeError(f"[backward] {node.name()} returned {len(results)} gradients, expected {node.n_in}")
    elif op.vjp_ops is not None and not create:
        visit_ops(heap, leaves, pass_id, node, needed)
        free_saved(node, retain)
        return 0
    elif op.vjp_fused is not None and not create:
        results = call_vjp(op.vjp_fused, node, create)
        if not isinstance(results, (tuple, list)):
            results = (results,)
    elif op.vjp_all is not None:
        results = call_vjp(op.vjp_all, node, create)
    if results is not None and len(results) != node.n_in:
        raise RuntimeError(f"[backward] {node.name()} gave {len(results)} gradients for {node.n_in} inputs")
    for i in range(node.n_in):
        edge = <object>PyTuple_GET_ITEM_(node.edges, i)
        if edge is None:
            continue
        if results is not None:
            grad = results[i]
        else:
            if needed is not None and <object><uintptr_t><PyObject *>edge not in needed:
                continue
            v = <VJP>(op.vjps if create or op.vjps_fused is None else op.vjps_fused)[i]
            grad = None if v is None else call_vjp(v, node, create)
        if grad is None:
            continue
        hand_on(heap, leaves, pass_id, node, i, grad, create, needed)
        grad = None
    free_saved(node, retain)
    return 0


cdef int free_saved(Node node, bint retain) except -1:
    if retain:
        return 0
    node.saved = None
    node.freed = node.op.n_saves > 0 or node.custom is not None
    if node.custom is not None:
        release = getattr(node.custom, "release", None)
        if release is not None:
            release()
    return 0


cdef int check_finite(object grad, Node node) except -1:
    cdef TensorBase g = grad
    if not g.storage.meta and CATEGORY[g.a.dtype] == 2 and bool(REGISTRY["ne"](g, g).any()):
        raise RuntimeError(f"[backward] {node.name()} returned NaN" +
                           (f"\n  recorded at {node.where}" if node.where else ""))
    return 0


cdef int accumulate(TensorBase leaf, bint create) except -1:
    """A finished gradient into leaf.grad, with the leaf's hooks."""
    cdef TensorBase g
    grad = leaf.pending
    leaf.pending = None
    leaf.pass_id = 0
    if leaf.hooks is not None:
        for post, hook in list(leaf.hooks):
            if not post:
                new = hook(grad)
                if new is not None:
                    grad = new
    g = grad
    if leaf.grad_ is None:
        if create or (is_own(g, 2) and type(g) is <object>ct_tensor_type):
            leaf.grad_ = g
        else:
            leaf.grad_ = cast_c(g, g.a.dtype)
    elif create:
        leaf.grad_ = leaf.grad_ + g
    else:
        g = leaf.grad_
        op_add_inplace(g, grad)
    if leaf.hooks is not None:
        for post, hook in list(leaf.hooks):
            if post:
                hook(leaf)
    return 0


cdef set needed_nodes(list roots, list inputs):
    """Addresses of the nodes and leaves on a path from the roots to the inputs (without recursion)."""
    cdef Node node
    cdef TensorBase t
    cdef dict found = {}
    wanted = set()
    for t in inputs:
        source = fresh_node(t)
        wanted.add(<uintptr_t><PyObject *>(t if source is None else source))
    stack = [fresh_node(t) for t in roots if t.node is not None]
    while stack:
        node = stack[-1]
        key = <uintptr_t><PyObject *>node
        state = found.get(key)
        if state is None:
            found[key] = 0
            for edge in node.edges:
                if type(edge) is Node and <uintptr_t><PyObject *>edge not in found:
                    stack.append(edge)
        else:
            stack.pop()
            if state == 0:
                reach = key in wanted
                for edge in node.edges:
                    if edge is not None:
                        k = <uintptr_t><PyObject *>edge
                        if k in wanted or found.get(k) == 2:
                            reach = True
                found[key] = 2 if reach else 1
    return {k for k, state in found.items() if state == 2} | wanted


def run_backward(list roots, list grads, bint retain, bint create, inputs, bint collect):
    """See sweep."""
    return sweep(roots, grads, retain, create, inputs, collect)


cdef object sweep(list roots, list grads, bint retain, bint create, object inputs, bint collect):
    """The engine behind ``backward`` and ``autograd.grad``.

    Parameters
    ----------
    roots, grads : lists of tensors and their gradients.
    retain : keep saved values. create : record the backward itself.
    inputs : None, or the list of tensors whose gradients are wanted.
    collect : return their gradients instead of accumulating them.
    """
    cdef Heap heap
    cdef list leaves = []
    cdef set needed = None
    cdef dict capture = None
    cdef Node node
    cdef TensorBase t, leaf
    cdef PyObject *top
    cdef uint64_t pass_id
    global ct_passes, ct_grad_on
    cdef int before = ct_grad_on
    cdef Py_ssize_t roots_left = len(roots)
    heap.node, heap.count, heap.room = NULL, 0, 0
    ct_passes += 1
    pass_id = ct_passes
    if inputs is not None:
        needed = needed_nodes(roots, inputs)
        capture = {}
        for k, t in enumerate(inputs):
            source = fresh_node(t)
            if source is not None:
                capture.setdefault(<uintptr_t><PyObject *>source, []).append((t.out_index, k))
    collected = [None] * len(inputs) if inputs is not None else None
    ct_grad_on = create
    try:
        while roots_left:
            roots_left -= 1
            t = roots[roots_left]
            source = fresh_node(t)
            give(&heap, leaves, pass_id, t if source is None else source, t.out_index, grads.pop(), create, needed)
        t = source = None
        while heap.count:
            top = heap_pop(&heap)
            node = <Node>top
            Py_DECREF(node)           # `node` holds it now
            if capture is not None:
                spots = capture.get(<uintptr_t>top)
                if spots is not None:
                    if node.hooks is not None:
                        run_node_hooks(node)
                    for index, k in spots:
                        collected[k] = node.g if node.n_out == 1 else node.g[index]
                    hooks, node.hooks = node.hooks, None
                    try:
                        visit(&heap, leaves, pass_id, node, retain, create, needed)
                    finally:
                        node.hooks = hooks
                    node.g = None
                    node.pass_id = 0
                    continue
            try:
                visit(&heap, leaves, pass_id, node, retain, create, needed)
            except BaseException:
                if node.where:
                    note_where(node)
                raise
            finally:
                node.g = None
                node.pass_id = 0
        if collect:
            positions = {}
            for k, t in enumerate(inputs):
                if t.node is None:
                    positions.setdefault(<uintptr_t><PyObject *>t, []).append(k)
            for leaf in leaves:
                g = leaf.pending
                leaf.pending = None
                leaf.pass_id = 0
                if leaf.hooks is not None:
                    for post, hook in list(leaf.hooks):
                        if not post:
                            new = hook(g)
                            g = g if new is None else new
                for k in positions.get(<uintptr_t><PyObject *>leaf, ()):
                    collected[k] = g
            g = None
        else:
            for leaf in leaves:
                accumulate(leaf, create)
            if inputs is not None:
                for k, t in enumerate(inputs):
                    if t.node is not None and collected[k] is not None:
                        t.grad_ = collected[k] if t.grad_ is None else t.grad_ + collected[k]
    finally:
        ct_grad_on = before
        while heap.count:
            heap.count -= 1
            node = <Node>heap.node[heap.count]
            node.g = None
            node.pass_id = 0
            Py_DECREF(node)
        free(heap.node)
        for leaf in leaves:
            leaf.pending = None
            leaf.pass_id = 0
    return collected


cdef object note_where(Node node):
    import sys
    error = sys.exc_info()[1]
    if error is not None and hasattr(error, "add_note"):
        error.add_note(f"the forward of {node.name()} was recorded at {node.where}")


cdef TensorBase seed_of(TensorBase root):
    """The gradient 1."""
    cdef TensorBase g = like(root, None, None)
    if g.a.dtype == F32 and not g.storage.meta:
        (<float *>g.a.data)[0] = 1
    else:
        filled(g, 1)
    return g


cdef int backward_scalar(TensorBase root) except -1:
    """backward() of a one-element tensor with nothing asked for: without a detour through Python."""
    sweep([root], [seed_of(root)], False, False, None, False)
    return 0
