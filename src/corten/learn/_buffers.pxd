# Addresses of NumPy arrays, through the buffer protocol.
from cpython.buffer cimport Py_buffer, PyBUF_STRIDES, PyObject_GetBuffer, PyBuffer_Release


cdef inline void *address(object array) except? NULL:
    """The first element of `array`; None gives NULL. The caller keeps the array alive and knows dtype and layout."""
    cdef Py_buffer view
    cdef void *pointer
    if array is None:
        return NULL
    PyObject_GetBuffer(array, &view, PyBUF_STRIDES)
    pointer = view.buf
    PyBuffer_Release(&view)
    return pointer
