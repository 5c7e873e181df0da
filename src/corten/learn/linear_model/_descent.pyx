"""One pass of gradient descent over rows in a given order."""

from libc.stdint cimport int64_t

ctypedef fused real:
    float
    double


def descend(const real[:, ::1] X, const real[::1] y, const real[::1] weights,
            const int64_t[::1] order, Py_ssize_t size, real rate, real alpha, bint fit_intercept,
            real[::1] w, real[::1] gradient, real b):
    """Step against the gradient of ``size`` rows at a time; ``w`` changes in place, the new intercept is returned.

    For a batch B: residual r_i = weight_i (x_i w + b - y_i), then w -= rate (sum r_i x_i / |B| + alpha w) and
    b -= rate sum r_i / |B|. ``gradient`` is workspace of the size of ``w``.
    """
    cdef Py_ssize_t n = order.shape[0], p = X.shape[1], start, stop, i, j
    cdef int64_t row
    cdef real residual, total, share
    with nogil:
        start = 0
        while start < n:
            stop = min(n, start + size)
            share = <real>(stop - start)
            total = 0
            for j in range(p):
                gradient[j] = 0
            for i in range(start, stop):
                row = order[i]
                residual = b - y[row]
                for j in range(p):
                    residual += X[row, j] * w[j]
                residual *= weights[row]
                total += residual
                for j in range(p):
                    gradient[j] += residual * X[row, j]
            for j in range(p):
                w[j] -= rate * (gradient[j] / share + alpha * w[j])
            if fit_intercept:
                b -= rate * total / share
            start = stop
    return b
