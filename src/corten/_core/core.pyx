"""Tensors, the tape that records what was done with them, and the registry of operations.

Storage holds memory; TensorBase is a view of it; Node is one recorded operation; Op is one declared operation.
"""

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF
from cpython.tuple cimport PyTuple_GET_SIZE, PyTuple_New, PyTuple_SET_ITEM
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from corten._core cimport native
from corten._core.native cimport CT_MAX_DIM, ct_array, ct_call, ct_kernel

cdef extern from *:
    """
    #include <Python.h>
    static _Thread_local int ct_grad_on = 1;
    static _Thread_local int ct_inference = 0;
    static _Thread_local int ct_anomaly = 0;
    static uint64_t ct_sequence = 1;
    static uint64_t ct_passes = 1;
    /* A zeroed instance without the detour through __new__, which makes a dict for every tensor; Cython's accessors make
       the dict when it is asked for. Object fields are None, as Cython expects them. A macro: the struct is declared later. */
    static PyObject *ct_alloc(PyTypeObject *type) { return type->tp_alloc(type, 0); }
    #define ct_clear_fields(t)                                                                        \
        do {                                                                                          \
            (t)->storage = (void *)Py_NewRef(Py_None), (t)->node = (void *)Py_NewRef(Py_None);        \
            (t)->grad_ = Py_NewRef(Py_None), (t)->pending = Py_NewRef(Py_None);                       \
            (t)->base = Py_NewRef(Py_None), (t)->hooks = Py_NewRef(Py_None);                          \
        } while (0)
    static PyTypeObject *ct_tensor_type;
    /* Tensors of the plain class are kept when they go, for the next ones. */
    #define CT_KEPT 128
    static PyObject *ct_kept[CT_KEPT];
    static int ct_kept_count = 0;
    static void ct_free_tensor(void *o) {
        if (Py_TYPE((PyObject *)o) == ct_tensor_type && ct_kept_count < CT_KEPT) ct_kept[ct_kept_count++] = (PyObject *)o;
        else PyObject_GC_Del(o);
    }
    static PyObject *ct_alloc_tensor(void) {
        if (ct_kept_count == 0) return ct_alloc(ct_tensor_type);
        PyObject *o = ct_kept[--ct_kept_count];
        memset((char *)o + sizeof(PyObject), 0, (size_t)ct_tensor_type->tp_basicsize - sizeof(PyObject));
        (void)PyObject_Init(o, ct_tensor_type);
        PyObject_GC_Track(o);
        return o;
    }
    static void ct_use_tensor_type(PyTypeObject *type) {
        ct_tensor_type = type;
        type->tp_free = ct_free_tensor;
    }
    /* An instance may change its __class__ only among types that free in the same way. */
    static void ct_share_free(PyTypeObject *type) { type->tp_free = ct_free_tensor; }
    #define ct_is_tensor(o, base) (Py_TYPE(o) == ct_tensor_type || PyObject_TypeCheck(o, (PyTypeObject *)(base)))
    static void ct_make_vectorcall(PyTypeObject *type, Py_ssize_t offset) {
        type->tp_vectorcall_offset = offset;
        type->tp_call = PyVectorcall_Call;
        type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
        PyType_Modified(type);
    }
    /* An uninitialised instance of a tuple subclass without a dict. */
    static PyObject *ct_tuple_of(PyTypeObject *type, Py_ssize_t n) { return type->tp_alloc(type, n); }
    /* Subclasses that keep the base's __call__ are called as fast as the base: CPython hands vectorcall on by itself
       only to static types. */
    static void ct_share_vectorcall(PyTypeObject *type, PyTypeObject *base) {
        if (type->tp_call == base->tp_call) type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
    }
    static void ct_add_vectorcall(PyTypeObject *type, Py_ssize_t offset) {
        type->tp_vectorcall_offset = offset;
        type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
        PyType_Modified(type);
    }
    static PyObject *ct_call_slot(PyObject *o, PyObject *args, PyObject *named) { return Py_TYPE(o)->tp_call(o, args, named); }
    static int ct_same_call(PyObject *o, PyTypeObject *base) { return Py_TYPE(o)->tp_call == base->tp_call; }
    PyObject *_PyObject_GenericGetAttrWithDict(PyObject *, PyObject *, PyObject *, int);
    """
    int ct_grad_on
    int ct_inference
    int ct_anomaly
    uint64_t ct_sequence
    uint64_t ct_passes
    PyTypeObject *ct_tensor_type
    object ct_alloc_tensor()
    void ct_use_tensor_type(PyTypeObject *type)
    void ct_share_free(PyTypeObject *type)
    void ct_clear_fields(TensorBase t)
    bint ct_is_tensor(PyObject *o, object base)
    void ct_make_vectorcall(PyTypeObject *type, Py_ssize_t offset)
    object ct_tuple_of(PyTypeObject *type, Py_ssize_t n)
    void ct_share_vectorcall(PyTypeObject *type, PyTypeObject *base)
    void ct_add_vectorcall(PyTypeObject *type, Py_ssize_t offset)
    object ct_call_slot(object o, object args, object named)
    bint ct_same_call(PyObject *o, PyTypeObject *base)
    PyObject *_PyType_Lookup(PyTypeObject *type, object name)
    PyTypeObject *Py_TYPE(PyObject *o)
    bint PyFunction_Check(object o)
    int PySlice_Unpack(object slice_, Py_ssize_t *start, Py_ssize_t *stop, Py_ssize_t *step) except -1
    Py_ssize_t PySlice_AdjustIndices(Py_ssize_t length, Py_ssize_t *start, Py_ssize_t *stop, Py_ssize_t step)
    Py_ssize_t PyVectorcall_NARGS(size_t nargsf) nogil
    object PyObject_Vectorcall(object fn, PyObject **args, size_t nargsf, PyObject *kwnames)
    int Py_REFCNT(PyObject *o) nogil
    bint PyFloat_CheckExact(object o)
    bint PyLong_CheckExact(object o)
    double PyFloat_AS_DOUBLE(object o)
    object PyMethod_New(object fn, object self)
    int PyUnicode_Compare(object a, object b) except? -2

include "dtypes.pxi"
include "storage.pxi"
include "layout.pxi"
include "tensor.pxi"
include "views.pxi"
include "ops.pxi"
include "execute.pxi"
include "shape_rules.pxi"
include "inplace.pxi"
include "tape.pxi"
include "backward.pxi"
include "operators.pxi"
include "interop.pxi"
include "modules.pxi"
