"""Numbers from delimited text, on all cores."""

import numpy as np

from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc

from corten._core.native cimport find_api

cdef extern from "include/csv.h":
    enum:
        CSV_FRACTION
        CSV_MISSING
        CSV_TEXT
        CSV_LONG
    ctypedef struct ct_csv:
        const char *data
        int64_t nbytes
        int64_t columns
        const unsigned char *wanted
        const char *missing
        const int64_t *missing_at
        int64_t missing_count
        char delimiter
    ctypedef struct ct_csv_api:
        void (*cut)(const ct_csv *csv, int64_t chunks, int64_t *starts, int64_t *rows) noexcept nogil
        void (*parse)(const ct_csv *csv, int64_t chunks, const int64_t *starts, const int64_t *first, double **values,
                      unsigned char *flags, int64_t *bad) noexcept nogil

CHUNK = 1 << 20  # bytes that a thread takes at a time
FRACTION, MISSING, TEXT, LONG = CSV_FRACTION, CSV_MISSING, CSV_TEXT, CSV_LONG


class RowLengthError(ValueError):
    """A row with another number of fields. ``args``: lines before it, fields."""


def parse(const unsigned char[::1] data, int64_t start, unsigned char[::1] wanted, bytes delimiter, list missing):
    """Parse the rows from byte ``start`` on.

    Parameters
    ----------
    data : buffer
        Without quotes.
    start : int
        Where the first row begins.
    wanted : buffer of uint8
        One for each column: 0 to skip it.
    delimiter : bytes
    missing : list of bytes

    Returns
    -------
    rows : int
    values : list
        A float64 array of shape (N,) for each column, None where it was not wanted.
    flags : numpy.ndarray
        uint8, shape (columns,): FRACTION, MISSING, TEXT and LONG, or-ed.

    Raises
    ------
    RowLengthError
        For the first row that has not as many fields as there are columns.
    """
    cdef const ct_csv_api *api = <const ct_csv_api *>find_api(b"csv", 0)
    cdef ct_csv csv
    cdef int64_t chunks = max(1, (data.shape[0] - start) // CHUNK), k, columns = wanted.shape[0]
    cdef bytes texts = b"".join(missing)
    cdef int64_t[::1] ends = np.cumsum([0] + [len(m) for m in missing], dtype=np.int64)
    cdef int64_t[::1] starts = np.empty(chunks + 1, np.int64)
    cdef int64_t[::1] rows = np.empty(chunks, np.int64)
    cdef int64_t[:, ::1] bad = np.empty((chunks, 3), np.int64)
    cdef unsigned char[:, ::1] flags = np.empty((chunks, columns), np.uint8)
    cdef double[::1] column
    cdef double **pointers
    if data.shape[0] <= start:
        return 0, [np.empty(0) if w else None for w in wanted], np.zeros(columns, np.uint8)
    csv.data = <const char *>&data[start]
    csv.nbytes = data.shape[0] - start
    csv.columns = columns
    csv.wanted = &wanted[0]
    csv.missing = texts
    csv.missing_at = &ends[0]
    csv.missing_count = len(missing)
    csv.delimiter = delimiter[0]
    with nogil:
        api.cut(&csv, chunks, &starts[0], &rows[0])
    first_rows = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
    cdef int64_t[::1] first = first_rows
    values = [np.empty(first_rows[-1]) if w else None for w in wanted]
    pointers = <double **>malloc(columns * sizeof(double *))
    if pointers == NULL:
        raise MemoryError
    try:
        for k in range(columns):
            pointers[k] = NULL
            if wanted[k] and first_rows[-1]:
                column = values[k]
                pointers[k] = &column[0]
        with nogil:
            api.parse(&csv, chunks, &starts[0], &first[0], pointers, &flags[0, 0], &bad[0, 0])
    finally:
        free(pointers)
    for k in range(chunks):
        if bad[k, 0] >= 0:
            before = bytes(data[start:start + starts[k]]).count(b"\n")
            raise RowLengthError(before + bad[k, 2], bad[k, 1])
    return int(first_rows[-1]), values, np.bitwise_or.reduce(np.asarray(flags), axis=0)
