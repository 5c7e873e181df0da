# The tape: nodes are made when an op is recorded and visited, latest first, by backward.

@cython.final
@cython.trashcan(True)
@cython.freelist(64)
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
        free(self.out_meta)

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


cdef int note_outputs(Node node, tuple outs) except -1:
    """Keep dtypes and shapes: an output that gets no gradient counts as zeros."""
    cdef TensorBase t
    cdef int k
    node.out_meta = <out_shape *>malloc(node.n_out * sizeof(out_shape))
    if node.out_meta == NULL:
        raise MemoryError()
    for k in range(node.n_out):
        t = <TensorBase?>outs[k]
        node.out_meta[k].dtype, node.out_meta[k].ndim = t.a.dtype, t.a.ndim
        memcpy(node.out_meta[k].shape, t.a.shape, sizeof(t.a.shape))
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
        note_outputs(node, outs)
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
        note_outputs(node, outputs)
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
