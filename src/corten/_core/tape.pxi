# The tape: nodes are made when an op is recorded and visited, latest first, by backward.

@cython.final
@cython.trashcan(True)
cdef class Node:
    """One recorded operation.

    Its sequence number is later than those of all it depends on, so visiting nodes by descending number is a
    topological order.
    """

    def __dealloc__(self):
        if self.idx != NULL and self.idx != &self.idx_[0]:
            free(self.idx)
        if self.in_dtype != NULL and self.in_dtype != &self.in_dtype_[0]:
            free(self.in_dtype)

    def __repr__(self):
        return f"<{self.name()} at {<uintptr_t><PyObject *>self:#x}>"

    def name(self):
        """The op's name, as in ``'AddBackward'``."""
        if self.custom is not None and self.op is None:
            return getattr(self.custom, "__name__", "FunctionBackward")
        return "".join([p.capitalize() for p in self.op.name.split("_")]) + "Backward"

    @property
    def next_functions(self):
        """Pairs of the node behind each input and which of its outputs; a leaf shows as the tensor itself."""
        return tuple([(e, self.idx[i]) for i, e in enumerate(self.edges)])

    @property
    def saved_tensors(self):
        """What was saved for backward."""
        if self.freed:
            raise RuntimeError(freed_text(self))
        return self.saved

    def register_hook(self, hook):
        """Call ``hook(grad_outputs)`` before this node is visited. Returns a handle with ``remove()``."""
        if self.hooks is None:
            self.hooks = []
        self.hooks.append((-1, hook))
        return NodeHookHandle(self, self.hooks[-1])

    register_prehook = register_hook

    @property
    def metadata(self):
        """The forward line that made this node, where anomaly mode noted it."""
        return self.where


cdef str freed_text(Node node):
    return (f"[backward] the saved values of {node.name()} were freed by an earlier backward; "
            "pass retain_graph=True to the first one to go through the graph a second time")


@cython.final
cdef class NodeHookHandle:
    """Removes a hook of a node."""
    cdef Node node
    cdef object entry

    def __init__(self, Node node, entry):
        self.node, self.entry = node, entry

    def remove(self):
        """Take the hook away."""
        if self.node.hooks is not None and self.entry in self.node.hooks:
            self.node.hooks.remove(self.entry)


@cython.final
cdef class HookHandle:
    """Removes a hook of a tensor."""
    cdef object owner
    cdef object entry
    cdef bint on_node

    def __init__(self, TensorBase t, hook, bint post):
        cdef Node node
        if t.node is not None:
            node = t.node
            if node.hooks is None:
                node.hooks = []
            self.owner, self.entry, self.on_node = node, (t.out_index, hook), True
            node.hooks.append(self.entry)
            return
        if t.hooks is None:
            t.hooks = []
        self.owner, self.entry = t, (post, hook)
        t.hooks.append(self.entry)

    def remove(self):
        """Take the hook away."""
        hooks = (<Node>self.owner).hooks if self.on_node else (<TensorBase>self.owner).hooks
        if hooks is not None and self.entry in hooks:
            hooks.remove(self.entry)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


# ---- recording

cdef Node fresh_node(TensorBase t):
    """t's node; a view whose base was changed in place since gets a new one."""
    cdef TensorBase base
    if t.base is not None and t.base_version != t.storage.version:
        base = t.base
        if base.req and (t.node is not None or base.node is not None):
            t.node = strided_node(base, t)
            t.out_index = 0
            t.req = True
        t.base_version = t.storage.version
    return t.node


cdef int make_room(Node node, int n) except -1:
    """Arrays for n inputs: inside the node when they are few."""
    node.idx = &node.idx_[0]
    node.in_dtype = &node.in_dtype_[0]
    if n > 4:
        node.idx = <int16_t *>malloc(n * sizeof(int16_t))
    if n > 8:
        node.in_dtype = <int8_t *>malloc(n)
    if node.idx == NULL or node.in_dtype == NULL:
        raise MemoryError()
    return 0


cdef Node make_node(Op op, PyObject **slot, tuple sequence, int n_out):
    """A node with its edges and saved inputs; outputs are added by save_outputs."""
    cdef Node node = Node.__new__(Node)
    cdef TensorBase t
    cdef Node source
    cdef int i, j, n = op.n_in, mask = 0, n_seq = 0
    global ct_sequence
    if sequence is not None:
        n_seq = len(sequence)
        n = op.n_in - 1 + n_seq
    node.op = op
    node.n_in, node.n_out = n, n_out
    make_room(node, n)
    cdef tuple edges = PyTuple_New(n)
    cdef PyObject *o
    for i in range(n):
        if n_seq:
            o = PyTuple_GET_ITEM_(sequence, i) if i < n_seq else slot[i - n_seq + 1]
        else:
            o = slot[i]
        node.idx[i] = 0
        edge = None
        if is_tensor(o):
            t = <TensorBase><object>o
            node.in_dtype[i] = t.a.dtype
            if t.req:
                source = fresh_node(t)
                if source is None:
                    edge = t
                else:
                    edge = source
                    node.idx[i] = t.out_index
                mask |= op.vjp_saves[0 if n_seq and i < n_seq else i]
        Py_INCREF(edge)
        PyTuple_SET_ITEM(edges, i, edge)
    node.edges = edges
    ct_sequence += 1
    node.seq = ct_sequence
    if op.n_attr:
        node.attrs = PyTuple_New(op.n_attr)
        for i in range(op.n_attr):
            Py_INCREF(<object>slot[op.n_in + i])
            PyTuple_SET_ITEM(node.attrs, i, <object>slot[op.n_in + i])
    if op.n_saves:
        node.saved = PyTuple_New(op.n_saves)
        for j in range(op.n_saves):
            i = <int>op.save_plan[j]
            value = None
            if mask >> j & 1:
                if i // 64 == ARG_IN:
                    value = <object>slot[i % 64]
                    if op.in_kind[i % 64] == c"v":
                        value = sequence
                    elif isinstance(value, TensorBase):
                        node.versions[j] = (<TensorBase>value).storage.version
                elif i // 64 == ARG_SHAPE:
                    if op.in_kind[i % 64] == c"v":
                        value = tuple([shape_tuple((<TensorBase>s).a.shape, (<TensorBase>s).a.ndim) for s in sequence])
                    elif is_tensor(slot[i % 64]):
                        t = <TensorBase><object>slot[i % 64]
                        value = shape_tuple(t.a.shape, t.a.ndim)
                else:
                    value = REQUIRED     # an output: comes in save_outputs
            Py_INCREF(value)
            PyTuple_SET_ITEM(node.saved, j, value)
    if op.sums_down:
        note_shapes(op, node, slot)
    if ct_anomaly:
        node.where = forward_line()
    return node


cdef int note_shapes(Op op, Node node, PyObject **slot) except -1:
    """Keep the shapes of the inputs when they are not all alike: gradients are summed down to them."""
    cdef TensorBase t, first = None
    cdef int i
    cdef bint alike = True
    for i in range(op.n_in):
        if is_tensor(slot[i]) and op.in_kind[i] != c"x" and op.in_kind[i] != c"X":
            t = <TensorBase><object>slot[i]
            if first is None:
                first = t
            elif not same_shape(&first.a, &t.a):
                alike = False
    if alike:
        return 0
    node.shapes = tuple([shape_tuple((<TensorBase><object>slot[i]).a.shape, (<TensorBase><object>slot[i]).a.ndim)
                         if is_tensor(slot[i]) else None for i in range(op.n_in)])
    return 0


cdef int save_outputs(Op op, Node node, tuple outs) except -1:
    """Fill in saved outputs as aliases off the tape: an output that its own node held would be a cycle."""
    cdef int j, k
    cdef TensorBase t
    for j in range(op.n_saves):
        if PyTuple_GET_ITEM_(node.saved, j) == <PyObject *>REQUIRED:
            k = <int>op.save_plan[j] % 64
            t = alias_c(<TensorBase>outs[k])
            node.versions[j] = t.storage.version
            Py_INCREF(t)
            Py_DECREF(REQUIRED)
            PyTuple_SET_ITEM(node.saved, j, t)
    return 0


cdef int record_one(Op op, PyObject **slot, TensorBase out) except -1:
    if CATEGORY[out.a.dtype] < 2:
        return 0
    cdef Node node = make_node(op, slot, None, 1)
    out.node = node
    out.req = True
    if op.n_saves:
        save_outputs(op, node, (out,))
    return 0


cdef int record(Op op, PyObject **slot, tuple sequence, tuple outs) except -1:
    cdef int k, n_out = len(outs)
    cdef TensorBase out
    cdef Node node = make_node(op, slot, sequence, n_out)
    if n_out > 1:
        node.out_meta = tuple([(shape_tuple((<TensorBase>o).a.shape, (<TensorBase>o).a.ndim), (<TensorBase>o).a.dtype)
                               for o in outs])
    for k in range(n_out):
        out = outs[k]
        if CATEGORY[out.a.dtype] >= 2:
            out.node = node
            out.out_index = k
            out.req = True
    save_outputs(op, node, outs)
    return 0


def _record_custom(custom, tuple inputs, tuple outputs, name):
    """Put an autograd.Function on the tape: ``custom(*grads)`` returns the gradients of ``inputs``."""
    cdef Node node = Node.__new__(Node)
    cdef TensorBase t
    cdef int i, n = len(inputs)
    global ct_sequence
    node.op = REGISTRY["custom_function"]
    node.custom = custom
    node.n_in, node.n_out = n, len(outputs)
    make_room(node, n)
    edges = []
    for i in range(n):
        node.idx[i] = 0
        edges.append(None)
        if isinstance(inputs[i], TensorBase):
            t = inputs[i]
            node.in_dtype[i] = t.a.dtype
            if t.req:
                source = fresh_node(t)
                edges[i] = t if source is None else source
                node.idx[i] = t.out_index if source is not None else 0
    node.edges = tuple(edges)
    ct_sequence += 1
    node.seq = ct_sequence
    if ct_anomaly:
        node.where = forward_line()
    if len(outputs) > 1:
        node.out_meta = tuple([(tuple(o.shape), (<TensorBase>o).a.dtype) for o in outputs])
    for i, o in enumerate(outputs):
        t = o
        if CATEGORY[t.a.dtype] >= 2:
            t.node, t.out_index, t.req = node, i, True
    return node


cdef object forward_line():
    """Where user code called, for anomaly mode: file, line and source of the innermost frame outside this package."""
    import traceback
    frames = [f for f in traceback.extract_stack() if "/corten/" not in f.filename.replace("\\", "/")]
    if not frames:
        return None
    return f'File "{frames[-1].filename}", line {frames[-1].lineno}, in {frames[-1].name}\n    {frames[-1].line}'


# ---- backward

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
    cdef PyObject *args[24]
    cdef list held = None
    cdef int k, code, kind, index
    cdef TensorBase t
    for k in range(v.n):
        code = v.code[k]
        kind, index = code // 64, code % 64
        if kind == ARG_GRAD:
            args[k] = <PyObject *>node.g if node.n_out == 1 else PyList_GET_ITEM_(node.g, index)
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
    return PyObject_Vectorcall(v.fn, args, v.n, NULL)


cdef int fill_missing(Node node) except -1:
    """Zeros for the outputs that got no gradient."""
    cdef int k
    cdef list gs = node.g
    for k in range(node.n_out):
        if gs[k] is None:
            shape, dt = node.out_meta[k]
            if CATEGORY[dt] >= 2:
                gs[k] = zeros(shape, dtype=DTYPES[dt])
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
    if node.n_out > 1:
        fill_missing(node)
    results = None
    if node.custom is not None:
        results = node.custom(*(node.g if node.n_out > 1 else (node.g,)))
        if not isinstance(results, tuple):
            results = (results,)
        if len(results) != node.n_in:
            if len(results) > node.n_in and all(r is None for r in results[node.n_in:]):
                results = results[:node.n_in]
            else:
                raise RuntimeError(f"[backward] {node.name()} returned {len(results)} gradients, expected {node.n_in}")
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
            v = <VJP>op.vjps[i]
            grad = None if v is None else call_vjp(v, node, create)
        if grad is None:
            continue
        grad = fit_grad(grad, node, i, create)
        if ct_anomaly:
            check_finite(grad, node)
        give(heap, leaves, pass_id, edge, node.idx[i], grad, create, needed)
        grad = None
    if not retain:
        node.saved = None
        node.freed = op.n_saves > 0 or node.custom is not None
        if node.custom is not None:
            release = getattr(node.custom, "release", None)
            if release is not None:
                release()
    return 0


cdef int check_finite(object grad, Node node) except -1:
    cdef TensorBase g = grad
    if not g.storage.meta and bool(REGISTRY["isnan"](g).any()):
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
        if create or (is_own(g, 2) and type(g) is <object>tensor_type):
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
        for t, g in zip(roots, grads):
            source = fresh_node(t)
            give(&heap, leaves, pass_id, t if source is None else source, t.out_index, g, create, needed)
        grads = g = None
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


cdef int backward_scalar(TensorBase root) except -1:
    """backward() of a one-element tensor with nothing asked for: without a detour through Python."""
    cdef TensorBase g = filled(like(root, None, None), 1)
    run_backward([root], [g], False, False, None, False)
    return 0


# ---- grad mode

def is_grad_enabled():
    """Whether operations are recorded in this thread."""
    return bool(ct_grad_on)


def _set_grad_enabled(bint mode):
    """Switch recording in this thread; returns what it was."""
    global ct_grad_on
    before = bool(ct_grad_on)
    ct_grad_on = mode
    return before


def is_inference_mode_enabled():
    """Whether this thread is in inference mode."""
    return bool(ct_inference)


def _set_inference(bint mode):
    global ct_inference
    before = bool(ct_inference)
    ct_inference = mode
    return before


def is_anomaly_enabled():
    """Whether nodes note the forward line that made them."""
    return bool(ct_anomaly)


def _set_anomaly(bint mode):
    global ct_anomaly
    before = bool(ct_anomaly)
    ct_anomaly = mode
    return before
