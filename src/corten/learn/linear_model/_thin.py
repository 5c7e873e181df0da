"""Products of a table, dense or sparse, with few columns."""

import numpy as np

from corten.learn._base import issparse
from corten.learn.linear_model._kernels import thin_times, thin_transposed_times
from corten.learn.linear_model._moments import unit_columns


def times(X, mean, Q):
    """(X - mean) Q, (n, K)."""
    if issparse(X):
        return X @ Q if mean is None else X @ Q - mean @ Q
    Q = np.ascontiguousarray(Q, dtype=X.dtype)
    offset = np.zeros(Q.shape[1], X.dtype) if mean is None else mean @ Q
    if X.flags.f_contiguous and not X.flags.c_contiguous:
        return thin_transposed_times(X.T, Q, np.ones(len(X), X.dtype), offset)
    return thin_times(unit_columns(X), Q, offset)


def transposed_times(X, mean, Y):
    """(X - mean)^T Y, (p, K)."""
    if issparse(X):
        return X.T @ Y if mean is None else X.T @ Y - np.outer(mean, Y.sum(axis=0))
    Y = np.ascontiguousarray(Y, dtype=X.dtype)
    mean = np.zeros(X.shape[1], X.dtype) if mean is None else mean
    sums = Y.sum(axis=0)
    if X.flags.f_contiguous and not X.flags.c_contiguous:
        return thin_times(X.T, Y, np.zeros(len(sums), X.dtype)) - np.outer(mean, sums)
    return thin_transposed_times(unit_columns(X), Y, mean, sums)
