"""Tensors, the tape that records what was done with them, and the registry of operations.

Storage holds memory; TensorBase is a view of it; Node is one recorded operation; Op is one declared operation.
"""

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF
from cpython.tuple cimport PyTuple_GET_SIZE, PyTuple_New, PyTuple_SET_ITEM
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint64_t, uintptr_t
from libc.stdlib cimport free, malloc, realloc
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
    /* A new tensor by the base class's allocator, so that a subclass's __new__ costs nothing here. */
    static PyObject *ct_new(newfunc make, PyTypeObject *type, PyObject *empty) { return make(type, empty, NULL); }
    static newfunc ct_new_of(PyTypeObject *type) { return type->tp_new; }
    static void ct_make_vectorcall(PyTypeObject *type, Py_ssize_t offset) {
        type->tp_vectorcall_offset = offset;
        type->tp_call = PyVectorcall_Call;
        type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
        PyType_Modified(type);
    }
    PyObject *_PyObject_GenericGetAttrWithDict(PyObject *, PyObject *, PyObject *, int);
    """
    int ct_grad_on
    int ct_inference
    int ct_anomaly
    uint64_t ct_sequence
    uint64_t ct_passes
    ctypedef object (*newfunc)(PyTypeObject *, object, object)
    object ct_new(newfunc make, PyTypeObject *type, object empty)
    newfunc ct_new_of(PyTypeObject *type)
    void ct_make_vectorcall(PyTypeObject *type, Py_ssize_t offset)
    Py_ssize_t PyVectorcall_NARGS(size_t nargsf) nogil
    object PyObject_Vectorcall(object fn, PyObject **args, size_t nargsf, PyObject *kwnames)
    int Py_REFCNT(PyObject *o) nogil
    int Py_IS_TYPE "PyObject_TypeCheck" (PyObject *o, PyTypeObject *t) nogil
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
