# Op: one declared operation, and the parsing of its declaration and of its calls.

from sys import intern

cdef enum:
    MAX_SLOT = 44
    # shape rules
    RULE_SAME = 0
    RULE_BROADCAST = 1
    RULE_REDUCE = 2
    RULE_MATMUL = 3
    RULE_LINEAR = 4
    RULE_PYTHON = 5
    RULE_SCALAR = 6
    # dtype rules
    DT_SAME = 0
    DT_FLOAT = 1       # integers become the default floating type
    DT_BOOL = 2
    DT_INT64 = 3
    DT_SUM = 4         # integers and bool become int64
    DT_FLOATING = 5    # a floating type is required
    DT_UINT8 = 6
    DT_F32 = 7
    DT_INT32 = 8

cdef dict SHAPE_RULES = {"same": RULE_SAME, "broadcast": RULE_BROADCAST, "reduce": RULE_REDUCE,
                         "matmul": RULE_MATMUL, "linear": RULE_LINEAR, "scalar": RULE_SCALAR}
cdef dict DTYPE_RULES = {"same": DT_SAME, "float": DT_FLOAT, "bool": DT_BOOL, "int64": DT_INT64, "sum": DT_SUM,
                         "floating": DT_FLOATING, "uint8": DT_UINT8, "float32": DT_F32, "int32": DT_INT32}
# input kinds: t tensor (promoted with the others), i integer tensor (int64), b bool tensor, x as it is, ? optional
# attribute kinds: i int, f float, b bool, d one dimension, D dimensions or None, I ints, t dtype, o any object
cdef dict ATTR_KINDS = {"int": "i", "float": "f", "bool": "b", "dim": "d", "dims": "D", "ints": "I", "dtype": "t",
                        "any": "o"}
cdef dict INPUT_KINDS = {"Tensor": "t", "int64": "i", "mask": "b", "raw": "x", "Tensor?": "T", "int64?": "J",
                         "mask?": "B", "raw?": "X", "tensors": "v"}
cdef dict NAME_ALIASES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input",
                          "x2": "other", "self": "input", "axes": "dim", "axis0": "dim0", "axis1": "dim1"}
REQUIRED = type("Required", (), {"__repr__": lambda self: "required"})()

# codes of VJP arguments and of save_plan: kind * 64 + index
cdef enum:
    ARG_GRAD = 0
    ARG_IN = 1
    ARG_OUT = 2
    ARG_ATTR = 3
    ARG_NEEDS = 4
    ARG_SHAPE = 5
    ARG_SAVED = 6


@cython.final
cdef class VJP:
    """A vector-Jacobian product: a function, and where each of its arguments comes from.

    Its parameters name what it needs: ``g`` (or ``g_<output>``), inputs, outputs, attributes, ``<input>_shape``,
    and ``needs`` (which inputs want a gradient).  Only tensors named by some needed VJP are saved.
    """


cdef object parse_literal(str text):
    text = text.strip()
    table = {"None": None, "True": True, "False": False, "inf": float("inf"), "-inf": float("-inf"), "()": ()}
    if text in table:
        return table[text]
    if text[:1] in "'\"":
        return text[1:-1]
    if text[:1] == "(":
        return tuple(parse_literal(p) for p in text[1:-1].split(",") if p.strip())
    try:
        return int(text)
    except ValueError:
        return float(text)


def _registry_error(name, why):
    return TypeError(f"[{name}] bad declaration: {why}")


cdef list OPS = []
REGISTRY = {}


@cython.final
cdef class Op:
    """One operation: a callable that computes, records, and knows its own declaration."""

    def __init__(self, str signature, *, shape=None, dtype="same", kernel=None, impl=None, vjp=None, vjp_fused=None,
                 reference=None, samples=None, meta=None, view=False, doc=None, sums_down=None, **extra):
        """See ``corten.ops.declare.op``."""
        head, _, tail = signature.partition("->")
        name, _, params = head.strip().partition("(")
        self.name = self.__name__ = self.__qualname__ = name
        self.__module__ = "corten"
        self.signature = signature
        self.reference, self.samples = reference, samples
        self.declaration = dict(shape=shape, dtype=dtype, kernel=kernel, impl=impl, vjp=vjp, vjp_fused=vjp_fused,
                                meta=meta, view=view, **extra)
        self.impl, self.meta_fn, self.is_view, self.kernel_name = impl, meta, view, kernel
        self.outputs = tuple(o.strip() for o in tail.split(",")) if tail.strip() else ("out",)
        self.n_out = len(self.outputs)
        self.packs = bool(extra.get("contiguous"))
        self.parse_parameters(params.rstrip().rstrip(")"))
        if callable(shape):
            self.rule, self.shape_fn = RULE_PYTHON, shape
        else:
            self.rule = SHAPE_RULES[shape] if shape is not None else RULE_SAME
        kinds = [d.strip() for d in dtype.split(",")]
        for k in range(self.n_out):
            self.dtype_rule[k] = DTYPE_RULES[kinds[k if k < len(kinds) else 0]]
        self.sums_down = self.rule == RULE_BROADCAST or self.rule == RULE_MATMUL if sums_down is None else sums_down
        self.set_vjp(vjp, vjp_fused)
        self.is_simple = impl is None and self.n_out == 1 and self.n_attr == 0 and self.n_in <= 2 and \
            (self.rule == RULE_SAME or self.rule == RULE_BROADCAST) and all([self.in_kind[i] == c"t" for i in range(self.n_in)]) \
            and (self.dtype_rule[0] in (DT_SAME, DT_FLOAT, DT_BOOL, DT_FLOATING))
        for k in range(self.n_attr):
            self.asks_dtype = self.asks_dtype or self.attr_kind[k] == c"t"
        self.vectorcall = <void *>op_vectorcall
        if doc is not None:
            self.__doc__ = doc
        REGISTRY[name] = self

    cdef parse_parameters(self, str text):
        inputs, kinds, attrs, defaults = [], [], [], []
        cdef int n = 0
        self.n_pos = -1
        depth, part, parts = 0, "", []
        for c in text + ",":
            if c == "," and depth == 0:
                parts.append(part.strip())
                part = ""
                continue
            depth += (c == "(") - (c == ")")
            part += c
        for part in parts:
            if not part:
                continue
            if part == "*":
                self.n_pos = len(inputs) + len(attrs)
                continue
            label, _, default = part.partition("=")
            label, _, kind = label.partition(":")
            label, kind, default = label.strip(), kind.strip() or "Tensor", default.strip()
            if kind in INPUT_KINDS:
                if attrs:
                    raise _registry_error(self.name, f"input {label} after attributes")
                k = INPUT_KINDS[kind]
                self.variadic = self.variadic or k == "v"
                self.in_kind[len(inputs)] = ord(k)
                inputs.append(label)
            else:
                if label.startswith("*"):
                    label = label[1:]
                    self.varints = True
                self.attr_kind[len(attrs)] = ord(ATTR_KINDS[kind])
                attrs.append(label)
                defaults.append(parse_literal(default) if default else REQUIRED)
        # interned, so that the names of a call are found by their addresses
        self.inputs, self.attrs = tuple([intern(k) for k in inputs]), tuple([intern(k) for k in attrs])
        self.defaults = tuple(defaults)
        self.n_in, self.n_attr = len(inputs), len(attrs)
        self.keys = self.inputs + self.attrs
        if self.n_pos < 0:
            self.n_pos = self.n_in + self.n_attr
        if self.n_in > 12 or self.n_attr > 32:
            raise _registry_error(self.name, "at most 12 inputs and 32 attributes")

    cdef VJP make_vjp(self, fn, list plan):
        """Find where the parameters of `fn` come from; tensors to save are added to `plan`."""
        cdef VJP v = VJP.__new__(VJP)
        v.fn = fn
        return self.find_sources(v, fn.__code__.co_varnames[:fn.__code__.co_argcount], plan)

    cdef VJP find_sources(self, VJP v, tuple names, list plan):
        """Find where the parameters named alike come from."""
        v.n = len(names)
        for k, label in enumerate(names):
            if label == "g":
                v.code[k] = ARG_GRAD * 64
            elif label.startswith("g_") and label[2:] in self.outputs:
                v.code[k] = ARG_GRAD * 64 + self.outputs.index(label[2:])
            elif label == "needs":
                v.code[k] = ARG_NEEDS * 64
            elif label in self.attrs:
                v.code[k] = ARG_ATTR * 64 + self.attrs.index(label)
            elif label in self.keys or label in self.outputs or label.endswith("_shape"):
                if label in self.inputs:
                    source = ARG_IN * 64 + self.inputs.index(label)
                elif label in self.outputs:
                    source = ARG_OUT * 64 + self.outputs.index(label)
                elif label[:-6] in self.inputs:
                    source = ARG_SHAPE * 64 + self.inputs.index(label[:-6])
                else:
                    raise _registry_error(self.name, f"vjp parameter {label}")
                if source not in plan:
                    plan.append(source)
                v.code[k] = ARG_SAVED * 64 + plan.index(source)
            else:
                raise _registry_error(self.name, f"vjp parameter {label}")
        return v

    cdef VJP make_vjp_op(self, Op grad, list plan):
        """As make_vjp, for an op: its parameters say what it takes, its outputs (``d_<input>``) what they are."""
        cdef VJP v = VJP.__new__(VJP)
        cdef int k
        names = ["g" if key == "grad" else key for key in grad.keys]
        known = (*self.keys, *self.outputs)
        for k, label in enumerate(names):
            if not (label == "g" or label.startswith("g_") or label.endswith("_shape") or label in known):
                raise _registry_error(self.name, f"{grad.name} wants {label}")
        v.op = grad
        self.find_sources(v, tuple(names), plan)
        for k, label in enumerate(grad.outputs):
            if label == "dx":
                v.target[k] = 0
            elif label[:2] == "d_" and label[2:] in self.inputs:
                v.target[k] = self.inputs.index(label[2:])
            else:
                raise _registry_error(self.name, f"{grad.name} gives {label}, expected d_<input>")
        return v

    cdef set_vjp(self, vjp, vjp_fused):
        plan = []
        cdef int i, k
        cdef VJP v
        self.differentiable = vjp is not None or vjp_fused is not None
        if vjp is None and vjp_fused is not None:
            raise _registry_error(self.name, "vjp_fused needs a vjp beside it for second derivatives")
        if isinstance(vjp_fused, Op):
            vjp_fused = (vjp_fused,)
        if isinstance(vjp_fused, tuple):
            self.vjp_ops = tuple([self.make_vjp_op(grad, plan) for grad in vjp_fused])
        elif isinstance(vjp_fused, list):
            self.vjps_fused = tuple([self.make_vjp(fn, plan) for fn in vjp_fused])
        elif vjp_fused is not None:
            self.vjp_fused = self.make_vjp(vjp_fused, plan)
        if isinstance(vjp, (tuple, list)):
            if len(vjp) != self.n_in:
                raise _registry_error(self.name, f"{len(vjp)} vjps for {self.n_in} inputs")
            self.vjps = tuple([None if fn is None else self.make_vjp(fn, plan) for fn in vjp])
        elif vjp is not None:
            if self.n_in == 1 and not self.variadic:
                self.vjps = (self.make_vjp(vjp, plan),)
            else:
                self.vjp_all = self.make_vjp(vjp, plan)
        if len(plan) > 8:
            raise _registry_error(self.name, "at most 8 saved values")
        self.save_plan = tuple(plan)
        self.n_saves = len(plan)
        for i in range(self.n_in):
            self.vjp_saves[i] = 0
            if self.vjps is None:
                self.vjp_saves[i] = (1 << self.n_saves) - 1
                continue
            for v in (self.vjps[i], self.vjp_fused, *(self.vjps_fused[i:i + 1] if self.vjps_fused else ()), *(self.vjp_ops or ())):
                if v is not None:
                    for k in range(v.n):
                        if v.code[k] // 64 == ARG_SAVED:
                            self.vjp_saves[i] |= 1 << (v.code[k] % 64)

    def __dealloc__(self):
        free(self.memo)

    def __get__(self, instance, owner):
        return self if instance is None else PyMethod_New(self, instance)

    def __repr__(self):
        return f"<op {self.signature}>"

    def __reduce__(self):
        if self.inplace:
            return (_op_inplace_by_name, (self.name,))
        return (REGISTRY.__getitem__, (self.name,))

    def in_place(self):
        """The variant that writes its result into the first input."""
        cdef Op twin = Op.__new__(Op)
        twin.name = self.name
        twin.__name__ = twin.__qualname__ = self.name + "_"
        twin.__module__ = "corten"
        twin.signature = self.signature
        twin.declaration, twin.reference, twin.samples = self.declaration, self.reference, self.samples
        twin.impl = self.declaration.get("inplace_impl", self.impl)
        twin.meta_fn, twin.kernel_name = self.meta_fn, self.kernel_name
        twin.inputs, twin.outputs, twin.attrs, twin.defaults = self.inputs, self.outputs, self.attrs, self.defaults
        twin.keys, twin.n_in, twin.n_attr, twin.n_out, twin.n_pos = \
            self.keys, self.n_in, self.n_attr, self.n_out, self.n_pos
        twin.rule, twin.shape_fn, twin.varints = self.rule, self.shape_fn, self.varints
        memcpy(twin.dtype_rule, self.dtype_rule, sizeof(self.dtype_rule))
        memcpy(twin.in_kind, self.in_kind, sizeof(self.in_kind))
        memcpy(twin.attr_kind, self.attr_kind, sizeof(self.attr_kind))
        memcpy(twin.vjp_saves, self.vjp_saves, sizeof(self.vjp_saves))
        twin.vjp_all, twin.vjps, twin.vjp_fused, twin.vjp_ops = self.vjp_all, self.vjps, self.vjp_fused, self.vjp_ops
        twin.vjps_fused = self.vjps_fused
        twin.save_plan, twin.n_saves, twin.sums_down = self.save_plan, self.n_saves, self.sums_down
        twin.differentiable = self.differentiable
        twin.inplace = True
        twin.vectorcall = <void *>op_vectorcall
        twin.__doc__ = f"In-place version of :func:`corten.{self.name}`."
        return twin

    @property
    def has_kernel(self):
        """The dtypes that have a native kernel."""
        return tuple(d for d in DTYPES if self.kernel_name and self.find(d.code) != NULL)

    @property
    def is_differentiable(self):
        """Whether gradients flow through."""
        return self.differentiable

    cdef const ct_kernel *find(self, int dt):
        if not self.looked_up[dt]:
            self.looked_up[dt] = True
            self.kernel[dt] = native.find_kernel(self.kernel_name.encode(), dt)
        return self.kernel[dt]


def _op_inplace_by_name(name):
    return REGISTRY[name].in_place()


cdef object _install_vectorcall():
    cdef Op probe = Op.__new__(Op)
    ct_make_vectorcall(<PyTypeObject *>Op, <char *>&probe.vectorcall - <char *><PyObject *>probe)


_install_vectorcall()


cdef object op_vectorcall(object self_, PyObject **args, size_t nargsf, PyObject *kwnames):
    """A call: arguments into slots (inputs, then attributes), then execute."""
    cdef Op op = <Op>self_
    cdef PyObject *slot[MAX_SLOT]
    cdef Py_ssize_t given = PyVectorcall_NARGS(nargsf), i
    cdef int total = op.n_in + op.n_attr, k
    cdef object gathered = None, target = None
    cdef tuple names
    cdef Py_ssize_t run = 0
    if op.varints and given > op.n_in and PyLong_CheckExact(<object>args[op.n_in]):
        # ints by position become one tuple: sum(0, 1), permute(2, 0, 1)
        run = 1
        while op.n_in + run < given and PyLong_CheckExact(<object>args[op.n_in + run]):
            run += 1
        if run > 1:
            gathered = PyTuple_New(run)
            for i in range(run):
                Py_INCREF(<object>args[op.n_in + i])
                PyTuple_SET_ITEM(gathered, i, <object>args[op.n_in + i])
        run -= 1
    if given - run > op.n_pos:
        raise TypeError(f"[{op.name}] got {given} positional arguments, expected at most {op.n_pos}: {op.signature}")
    for i in range(op.n_in if op.n_in < given else given):
        slot[i] = args[i]
    for i in range(op.n_in, given - run):
        slot[i] = args[i + run]
    for i in range(given - run, total):
        slot[i] = NULL
    if gathered is not None:
        slot[op.n_in] = <PyObject *>gathered
    elif given > op.n_in:
        slot[op.n_in] = args[op.n_in]
    if kwnames != NULL:
        names = <tuple>kwnames
        for i in range(PyTuple_GET_SIZE(names)):
            k = find_key(op, names[i])
            if k < 0:
                target = <object>args[PyVectorcall_NARGS(nargsf) + i]
                continue
            if slot[k] != NULL:
                raise TypeError(f"[{op.name}] got two values for {names[i]!r}")
            slot[k] = args[PyVectorcall_NARGS(nargsf) + i]
    if target is not None:
        return REGISTRY["write_out"](op.name, target, execute(op, slot))
    return execute(op, slot)


cdef int find_key(Op op, object name) except -1:
    """Which slot a keyword is; -2 for ``out``, which every op knows that does not write into its first input."""
    cdef int k
    for k in range(op.n_in + op.n_attr):
        if <PyObject *>name == PyTuple_GET_ITEM_(op.keys, k):
            return k
    for attempt in (name, NAME_ALIASES.get(name)):
        if attempt in op.keys:
            return op.keys.index(attempt)
    if name == "out" and not op.inplace:
        return -2
    raise TypeError(f"[{op.name}] got an unexpected argument {name!r}: {op.signature}")


cdef extern from *:
    """
    #define PyTuple_GET_ITEM_(t, i) ((PyObject *)PyTuple_GET_ITEM(t, i))
    """
    PyObject *PyTuple_GET_ITEM_(object t, Py_ssize_t i)
