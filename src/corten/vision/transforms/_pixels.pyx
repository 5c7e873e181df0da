"""Doors to the native image kernels: from Pillow's memory or arrays of bytes to float32 planes."""

import numpy as np

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int32_t, int64_t

from corten._core.native cimport find_api, pool_give, pool_take

cdef extern from "include/image.h":
    ctypedef struct ct_image_api:
        int64_t (*work)(int64_t in_height, int64_t in_width, int64_t height, int64_t width, int filter) noexcept nogil
        void (*resample)(float *out, const unsigned char *pixels, int64_t row_bytes, int64_t pixel_bytes, int64_t channels,
                         int64_t in_height, int64_t in_width, int64_t height, int64_t width, int filter, int mirror,
                         void *work) noexcept nogil
        void (*jitter)(float *x, int64_t count, int64_t pixels, const int32_t *what, const float *by,
                       int64_t steps) noexcept nogil
        void (*normalise)(float *x, int64_t count, int64_t channels, int64_t pixels, const float *mean,
                          const float *std) noexcept nogil
        void (*warp)(float *out, const float *inp, int64_t count, int64_t channels, int64_t in_height, int64_t in_width,
                     int64_t height, int64_t width, const double *matrix, int filter, const float *fill) noexcept nogil

cdef extern from *:
    """
    #include <stdint.h>
    /* https://arrow.apache.org/docs/format/CDataInterface.html */
    typedef struct corten_arrow {
        int64_t length, null_count, offset, n_buffers, n_children;
        const void **buffers;
        struct corten_arrow **children;
        struct corten_arrow *dictionary;
        void (*release)(struct corten_arrow *);
        void *private_data;
    } corten_arrow;
    """
    ctypedef struct corten_arrow:
        int64_t length
        int64_t offset
        int64_t n_buffers
        int64_t n_children
        const void **buffers
        corten_arrow **children

FILTERS = {"nearest": 0, "bilinear": 1, "bicubic": 2}
STEPS = {"brightness": 0, "contrast": 1, "saturation": 2, "hue": 3}

cdef const ct_image_api *API = <const ct_image_api *>find_api(b"image", 0)


def resample(image, int64_t top, int64_t left, int64_t in_height, int64_t in_width, int64_t height, int64_t width,
             str filter, bint mirror, float[:, :, ::1] out):
    """A part of a Pillow image, resized with antialiasing and perhaps mirrored, as planes from 0 to 1.

    Parameters
    ----------
    image : PIL.Image
        Mode RGB or L.
    top, left, in_height, in_width : int
        The part; it must lie inside.
    height, width : int
    filter : {'nearest', 'bilinear', 'bicubic'}
    mirror : bool
        Left to right.
    out : float32 buffer
        Shape (3 or 1, height, width).
    """
    cdef int64_t rows = image.height, columns = image.width, pixel, row, channels = 3 if image.mode == "RGB" else 1
    cdef const unsigned char *pixels
    cdef const unsigned char[:, :, ::1] copied
    cdef const unsigned char[:, ::1] grey
    cdef corten_arrow *arrow
    cdef int kind = FILTERS[filter]
    if top < 0 or left < 0 or in_height < 1 or in_width < 1 or top + in_height > rows or left + in_width > columns:
        raise ValueError(f"[resample] part ({top}, {left}, {in_height}, {in_width}) of an image of {rows} x {columns}")
    if image.mode not in ("RGB", "L"):
        raise ValueError(f"[resample] image of mode {image.mode}, expected RGB or L")
    if out.shape[0] != channels or out.shape[1] != height or out.shape[2] != width or height < 1 or width < 1:
        raise ValueError(f"[resample] out of shape {tuple(out.shape)}, expected ({channels}, {height}, {width})")
    capsules = exported(image)
    if capsules is not None:  # Pillow's own memory, four bytes a pixel
        arrow = <corten_arrow *>PyCapsule_GetPointer(capsules[1], b"arrow_array")
        if channels == 3:
            arrow = arrow.children[0]
        pixels = <const unsigned char *>arrow.buffers[1] + arrow.offset
        pixel = 4 if channels == 3 else 1
        if arrow.length != rows * columns * pixel:
            raise ValueError(f"[resample] {arrow.length} bytes for an image of {rows} x {columns}")
    elif channels == 3:
        copied = np.asarray(image)
        pixels, pixel = &copied[0, 0, 0], 3
    else:
        grey = np.asarray(image)
        pixels, pixel = &grey[0, 0], 1
    row = pixel * columns
    cdef int64_t nbytes = API.work(in_height, in_width, height, width, kind)
    cdef void *work = pool_take(nbytes)
    if work == NULL:
        raise MemoryError
    with nogil:
        API.resample(&out[0, 0, 0], pixels + top * row + left * pixel, row, pixel, channels, in_height, in_width, height,
                     width, kind, mirror, work)
    pool_give(work, nbytes)


cdef object exported(image):
    """Pillow's memory as (schema, array) capsules, None where this Pillow, or this image, has none to give."""
    if not hasattr(image, "__arrow_c_array__"):
        return None
    image.load()
    try:
        return image.__arrow_c_array__()
    except ValueError:  # an image in several blocks
        return None


def jitter(float[:, :, :, ::1] x, int32_t[:, ::1] what, float[:, ::1] by):
    """Change colours of x (B, 3, H, W), from 0 to 1, in place: the steps ``what`` with the factors ``by``, both (B, steps)."""
    if x.shape[1] != 3 or what.shape[0] != x.shape[0] or by.shape[0] != x.shape[0] or what.shape[1] != by.shape[1]:
        raise ValueError(f"[jitter] x {tuple(x.shape)}, what {tuple(what.shape)}, by {tuple(by.shape)}")
    if x.shape[0] * x.shape[2] * x.shape[3] * what.shape[1] == 0:
        return
    with nogil:
        API.jitter(&x[0, 0, 0, 0], x.shape[0], x.shape[2] * x.shape[3], &what[0, 0], &by[0, 0], what.shape[1])


def normalise(float[:, :, :, ::1] x, float[::1] mean, float[::1] std):
    """(x - mean) / std for each channel of x (B, C, H, W), in place."""
    if mean.shape[0] != x.shape[1] or std.shape[0] != x.shape[1]:
        raise ValueError(f"[normalise] {mean.shape[0]} means and {std.shape[0]} deviations for {x.shape[1]} channels")
    if x.shape[0] * x.shape[1] * x.shape[2] * x.shape[3] == 0:
        return
    with nogil:
        API.normalise(&x[0, 0, 0, 0], x.shape[0], x.shape[1], x.shape[2] * x.shape[3], &mean[0], &std[0])


def warp(float[:, :, :, ::1] out, float[:, :, :, ::1] x, double[:, ::1] matrix, str filter, float[::1] fill):
    """Fill out (B, C, H, W) from the points of x that ``matrix`` (B, 8) says: see native/include/image.h."""
    if matrix.shape[0] != x.shape[0] or matrix.shape[1] != 8 or out.shape[0] != x.shape[0] or out.shape[1] != x.shape[1] \
            or fill.shape[0] != x.shape[1]:
        raise ValueError(f"[warp] out {tuple(out.shape)}, x {tuple(x.shape)}, matrix {tuple(matrix.shape)}")
    if out.shape[0] * out.shape[1] * out.shape[2] * out.shape[3] == 0 or x.shape[2] * x.shape[3] == 0:
        raise ValueError(f"[warp] an empty image: {tuple(x.shape)} to {tuple(out.shape)}")
    cdef int kind = FILTERS[filter]
    with nogil:
        API.warp(&out[0, 0, 0, 0], &x[0, 0, 0, 0], x.shape[0], x.shape[1], x.shape[2], x.shape[3], out.shape[2],
                 out.shape[3], &matrix[0, 0], kind, &fill[0])
