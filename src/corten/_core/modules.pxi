# The fast half of nn.Module: attribute look-up and calls.

cdef extern from *:
    object _PyObject_GenericGetAttrWithDict(object o, object name, PyObject *d, int suppress)
    PyObject *raw_getattr "_PyObject_GenericGetAttrWithDict"(PyObject *o, PyObject *name, PyObject *d, int suppress)
    PyObject *PyDict_GetItemWithError(object d, object key) except? NULL
    object PyObject_Call(object fn, object args, object kwargs)
    PyObject **_PyObject_GetDictPtr(PyObject *o)


cdef class ModuleBase:
    """Parameters, buffers and submodules by name, and the call through hooks."""
    cdef public dict _parameters
    cdef public dict _buffers
    cdef public dict _modules
    cdef public object _non_persistent_buffers_set
    cdef public dict _forward_hooks
    cdef public dict _forward_pre_hooks
    cdef public dict _backward_hooks
    cdef public dict _backward_pre_hooks
    cdef public bint training
    cdef void *vectorcall
    cdef dict __dict__
    cdef object __weakref__

    def __cinit__(self, *args, **kwargs):
        self._parameters = {}
        self._buffers = {}
        self._modules = {}
        self._non_persistent_buffers_set = set()
        self.training = True
        self.vectorcall = <void *>module_vectorcall

    def __getattribute__(self, name):
        cdef PyObject *found = raw_getattr(<PyObject *>self, <PyObject *>name, NULL, 1)
        if found != NULL:
            value = <object>found
            Py_DECREF(value)
            return value
        found = PyDict_GetItemWithError(self._parameters, name)
        if found == NULL:
            found = PyDict_GetItemWithError(self._modules, name)
        if found == NULL:
            found = PyDict_GetItemWithError(self._buffers, name)
        if found == NULL:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return <object>found

    def __call__(self, *args, **kwargs):
        if self._forward_hooks is None and self._forward_pre_hooks is None and self._backward_hooks is None \
                and self._backward_pre_hooks is None and not global_hooks:
            return PyObject_Call(self.forward, args, kwargs)
        return self._call_with_hooks(args, kwargs)


cdef object module_vectorcall(object self_, PyObject **args, size_t nargsf, PyObject *kwnames):
    """A call without hooks goes straight to the class's ``forward``; everything else takes ``__call__``."""
    cdef ModuleBase m = <ModuleBase>self_
    cdef PyObject *stack[18]
    cdef PyObject *forward
    cdef PyObject **own
    cdef Py_ssize_t given = PyVectorcall_NARGS(nargsf), i, total = given
    if kwnames != NULL:
        total += PyTuple_GET_SIZE(<object>kwnames)
    if total <= 16 and m._forward_hooks is None and m._forward_pre_hooks is None and m._backward_hooks is None \
            and m._backward_pre_hooks is None and not global_hooks and ct_same_call(<PyObject *>m, <PyTypeObject *>ModuleBase):
        forward = _PyType_Lookup(Py_TYPE(<PyObject *>m), FORWARD)
        own = _PyObject_GetDictPtr(<PyObject *>m)
        if forward != NULL and PyFunction_Check(<object>forward) and \
                (own == NULL or own[0] == NULL or PyDict_GetItemWithError(<object>own[0], FORWARD) == NULL):
            stack[1] = <PyObject *>m
            for i in range(total):
                stack[2 + i] = args[i]
            return PyObject_Vectorcall(<object>forward, stack + 1, <size_t>(given + 1) | OFFSET_FLAG, kwnames)
    names = <tuple>kwnames if kwnames != NULL else ()
    positional = tuple([<object>args[i] for i in range(given)])
    named = {name: <object>args[given + i] for i, name in enumerate(names)}
    return ct_call_slot(m, positional, named)


cdef object FORWARD = "forward"
cdef size_t OFFSET_FLAG = <size_t>1 << (8 * sizeof(size_t) - 1)     # PY_VECTORCALL_ARGUMENTS_OFFSET


cdef object _call_modules_fast():
    cdef ModuleBase probe = ModuleBase.__new__(ModuleBase)
    ct_add_vectorcall(<PyTypeObject *>ModuleBase, <char *>&probe.vectorcall - <char *><PyObject *>probe)


_call_modules_fast()


def _share_vectorcall(cls):
    """Call instances of a subclass as fast as the base, unless it has a ``__call__`` of its own."""
    ct_share_vectorcall(<PyTypeObject *>cls, <PyTypeObject *>ModuleBase)


cdef bint global_hooks = False


def _set_global_hooks(bint on):
    global global_hooks
    global_hooks = on


# ---- the fast half of optimizers

def clear_grads(list params, bint set_to_none):
    """Forget the gradients of parameters, or set them to 0."""
    cdef TensorBase p
    for p in params:
        if p.grad_ is not None:
            if set_to_none:
                p.grad_ = None
            else:
                p.grad_ = (<TensorBase>p.grad_).detach()
                _fill(p.grad_, 0)


def params_with_grads(list params):
    """Lists of the parameters that have a gradient, and of these, for each dtype."""
    cdef TensorBase p
    cdef list with_grad = [], grads = []
    cdef int dt = -1
    cdef bint mixed = False
    for p in params:
        if p.grad_ is None:
            continue
        mixed = mixed or (dt >= 0 and p.a.dtype != dt)
        dt = p.a.dtype
        with_grad.append(p)
        grads.append(p.grad_)
    if not mixed:
        return [(with_grad, grads)] if with_grad else []
    parts = {}
    for p, g in zip(with_grad, grads):
        pair = parts.setdefault(p.a.dtype, ([], []))
        pair[0].append(p)
        pair[1].append(g)
    return list(parts.values())


def state_tensors(state, list params, tuple names):
    """For each name, the list of that tensor in the state of every parameter: zeros where it is new."""
    cdef list found = [[] for _ in names]
    cdef object entry
    cdef TensorBase p
    cdef Py_ssize_t k
    for p in params:
        entry = state[p]
        for k in range(len(names)):
            value = entry.get(names[k])
            if value is None:
                value = entry[names[k]] = filled(empty_c(p.a.dtype, p.a.ndim, p.a.shape), 0)
            (<list>found[k]).append(value)
    return found


def count_steps(state, list params):
    """The number of this step for each parameter, from 1; kept in its state."""
    cdef list steps = []
    cdef object entry
    for p in params:
        entry = state[p]
        step = entry.get("step", 0) + 1
        entry["step"] = step
        steps.append(step)
    return steps
