"""The door to stochastic gradient descent."""

import math

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from corten._core.native cimport find_api
from corten.learn._buffers cimport address

cdef extern from "include/learn/sgd.h":
    ctypedef struct sgd_problem:
        void *X
        int64_t x_row
        void *data
        const int32_t *indices
        const int32_t *indptr
        void *y
        void *sample_weight
        const uint8_t *held_out
        int32_t *order
        int64_t n, p
        int loss, rate, shuffle, fit_intercept, want_objective
        double threshold, alpha, l1_ratio, eta0, power_t, optimal_init, weight_positive, weight_negative, intercept_decay
        double average
        int has_l2, has_l1
        void *w
        void *aw
        void *q
        double wscale, sq_norm, l1_norm, average_a, average_b, u, intercept, average_intercept, eta, t
        uint32_t seed
        double loss_sum, objective_sum
        int64_t position
    ctypedef struct ct_sgd_api:
        void (*start)(sgd_problem *problem) noexcept nogil
        int (*run)(sgd_problem *problem, int64_t rows) noexcept nogil
        void (*finish)(sgd_problem *problem) noexcept nogil
        double (*gradient)(int loss, double threshold, double y, double p) noexcept nogil

LOSSES = {"hinge": (0, 1.0), "perceptron": (0, 0.0), "squared_hinge": (1, 1.0), "log_loss": (2, 0.0),
          "modified_huber": (3, 0.0), "squared_error": (4, 0.0), "huber": (5, None), "epsilon_insensitive": (6, None),
          "squared_epsilon_insensitive": (7, None)}
RATES = {"constant": 1, "optimal": 2, "invscaling": 3, "adaptive": 4, "pa1": 5, "pa2": 6}


def fit_sgd(X, y, sample_weight, coef, double intercept, average_coef, double average_intercept, *, loss, double epsilon,
            penalty, double alpha, double l1_ratio, bint fit_intercept, int64_t max_iter, double tol, bint shuffle,
            uint32_t seed, weights, rate, double eta0, double power_t, double t, double average, held_out, score,
            int n_iter_no_change, report):
    """Descend from ``coef`` (p,), changed in place; X C-contiguous or CSR, all arrays of X's dtype.

    ``score(coef, intercept)`` judges an epoch on the rows ``held_out``, or is None to judge by the training objective;
    ``report(epoch, mean loss)`` is called after each epoch. Returns (intercept, average_intercept, epochs).
    """
    cdef bint sparse = not isinstance(X, np.ndarray)
    dtype = X.data.dtype if sparse else X.dtype
    cdef const ct_sgd_api *api = <const ct_sgd_api *>find_api(b"sgd", dtype.char == "d")
    cdef sgd_problem s
    cdef int64_t n = X.shape[0], p = X.shape[1], piece, epoch, stale = 0, train = n
    cdef int done = 0
    cdef double best = -math.inf if score is not None else math.inf, value, typical
    s.n, s.p, s.X, s.data, s.indices, s.indptr, s.held_out, s.x_row = n, p, NULL, NULL, NULL, NULL, NULL, 0
    if sparse:
        data, indices, indptr = X.data, X.indices, X.indptr
        s.data, s.indices, s.indptr = address(data), <int32_t *>address(indices), <int32_t *>address(indptr)
        piece = 1 + <int64_t>(2e7 * n / (len(data) + n))
    else:
        s.X, s.x_row = address(X), X.strides[0] // X.itemsize
        piece = 1 + <int64_t>(5e7 / (p + 20))
    order = np.arange(n, dtype=np.int32)
    q = np.zeros(p, dtype=dtype)
    s.y, s.sample_weight, s.order = address(y), address(sample_weight), <int32_t *>address(order)
    if held_out is not None:
        s.held_out = <const uint8_t *>address(held_out)
        train = n - int(np.count_nonzero(held_out))
    s.w, s.aw, s.q = address(coef), address(average_coef), address(q)
    s.loss, s.threshold = LOSSES[loss][0], epsilon if LOSSES[loss][1] is None else LOSSES[loss][1]
    s.has_l2, s.has_l1 = penalty in ("l2", "l1", "elasticnet"), penalty in ("l1", "elasticnet")
    s.alpha, s.l1_ratio = alpha, {"l2": 0.0, "l1": 1.0}.get(penalty, l1_ratio)
    s.rate, s.eta0, s.power_t, s.t, s.average = RATES[rate], eta0, power_t, t, average
    s.shuffle, s.seed, s.fit_intercept = shuffle, seed, fit_intercept
    s.weight_positive, s.weight_negative = weights
    s.intercept_decay = 0.01 if sparse else 1.0
    s.intercept, s.average_intercept = intercept, average_intercept
    s.want_objective = score is None or report is not None
    s.optimal_init = 0
    if rate == "optimal":
        typical = math.sqrt(1.0 / math.sqrt(alpha))
        s.optimal_init = 1.0 / (typical / max(1.0, api.gradient(s.loss, s.threshold, 1.0, -typical)) * alpha)
    with nogil:
        api.start(&s)
    for epoch in range(max_iter):
        done = 0
        while done == 0:
            with nogil:
                done = api.run(&s, piece)
            PyErr_CheckSignals()
        if done == 2:
            raise ValueError(
                f"Floating-point under-/overflow occurred at epoch #{epoch + 1}. Scaling input data with StandardScaler or "
                "MinMaxScaler might help."
            )
        if report is not None:
            report(epoch + 1, s.loss_sum / train)
        if score is not None:
            value = score(coef * s.wscale if s.wscale != 1 else coef, s.intercept)
            stale = stale + 1 if tol > -math.inf and value < best + tol else 0
            best = max(best, value)
        else:
            value = s.objective_sum / train
            stale = stale + 1 if tol > -math.inf and value > best - tol else 0
            best = min(best, value)
        if stale >= n_iter_no_change:
            if rate == "adaptive" and s.eta > 1e-6:
                s.eta /= 5
                stale = 0
            else:
                break
    with nogil:
        api.finish(&s)
    return s.intercept, s.average_intercept, epoch + 1 if max_iter > 0 else 0
