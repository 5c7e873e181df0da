"""Means and centred products of all columns from one pass over the data."""

from dataclasses import dataclass

import numpy as np

from corten.learn.linear_model._kernels import gram

_SAMPLE = 256


@dataclass
class Moments:
    """Weighted first and second moments of (X, Y); everything in float64.

    ``xx`` (p, p), ``xy`` (p, t) and ``yy`` (t, t) are sums of products of centred columns (of plain columns when
    they were
    not to be centred), ``x_mean`` (p,) and ``y_mean`` (t,) weighted means (zeros when not centred), ``weight`` the
    sum of
    the weights.
    """

    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray
    x_mean: np.ndarray
    y_mean: np.ndarray
    weight: float
    sums: np.ndarray  # (p,) weighted sums of the columns of X

    def finite(self):
        """False when some value of the data (or a product of values) is not finite."""
        return bool(np.isfinite(self.xx.diagonal()).all() and np.isfinite(self.yy.diagonal()).all())


def unit_columns(X):
    """X itself when its columns are adjacent in memory, else a C-contiguous copy."""
    if X.strides[1] == X.itemsize and X.strides[0] >= X.itemsize * X.shape[1]:
        return X
    return np.ascontiguousarray(X)


def moments(X, Y=None, weights=None, *, center=True):
    """One pass over X (n, p), Y (n, t) and weights (n,), all of one dtype.

    The sums are taken about the means of a sample of rows, so that nothing cancels, and corrected exactly:
    ``sum w (z - m)(z - m)^T = sum w (z - s)(z - s)^T - W (m - s)(m - s)^T``.
    """
    n, p = X.shape
    t = 0 if Y is None else Y.shape[1]
    X = unit_columns(X)
    Y = None if Y is None else unit_columns(Y)
    shift = np.zeros(p + t, dtype=X.dtype)
    if center:
        step = max(1, n // _SAMPLE)
        with np.errstate(all="ignore"):
            shift[:p] = X[::step].mean(axis=0, dtype=np.float64)
            if t:
                shift[p:] = Y[::step].mean(axis=0, dtype=np.float64)
    G = gram(X, Y, None if weights is None else np.ascontiguousarray(weights, dtype=X.dtype), shift)
    total = float(G[-1, -1])
    sums = G[-1, :p] + total * shift[:p]
    mean = np.zeros(p + t)
    if center:
        with np.errstate(all="ignore"):
            off = G[-1, :-1] / total
            mean = shift + off
            G = G[:-1, :-1] - total * np.outer(off, off)
    return Moments(G[:p, :p], G[:p, p : p + t], G[p : p + t, p : p + t], mean[:p], mean[p:], total, sums)
