"""Projection onto components and the randomised range finder."""

import numpy as np
from scipy import linalg

from corten.learn._base import (
    Estimator,
    check_is_fitted,
    check_random_state,
    get_config,
    issparse,
    plain_rows,
    serial_blas,
    validate_data,
)
from corten.learn.linear_model._kernels import row_predict
from corten.learn.linear_model._predict import linear_scores
from corten.learn.linear_model._thin import times, transposed_times

_NARROW = 24  # up to so many components the native scores kernel is bound by memory, beyond BLAS is faster


def project(X, components, offset=None):
    """X components^T + offset, of X's dtype, for dense X."""
    components = np.ascontiguousarray(components, dtype=X.dtype)
    K = len(components)
    if K <= _NARROW:
        return linear_scores(X, components, np.zeros(K) if offset is None else offset)
    out = X @ components.T
    if offset is not None:
        out += np.asarray(offset, dtype=X.dtype)
    return out


class CentredProjection(Estimator):
    """``transform`` of PCA: ``(X - mean_) @ components_.T``, whitened if asked for."""

    def _offset_and_components(self):
        components = self.components_
        if self.whiten:
            scale = np.sqrt(self.explained_variance_)
            components = components / np.maximum(scale, np.finfo(scale.dtype).eps)[:, None]
        return -(components @ self.mean_), components

    def transform(self, X):
        """Coordinates of the rows of X (n_samples, n_features) along the components, (n_samples, n_components)."""
        if plain_rows(self, X):
            offset, components = self._offset_and_components()
            if len(components) > 1:
                out = row_predict(X, components, offset, len(components), 0)
                if out is not None:
                    return out
        if issparse(X):
            return super().transform(X)
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False, ensure_all_finite=False)
        out = self._transform(X)
        if not get_config()["assume_finite"] and not np.isfinite(out).all():
            validate_data(self, X, reset=False)
        return out

    def _transform(self, X, xp=None, x_is_centered=False):
        if issparse(X):
            return super()._transform(X, np, x_is_centered=x_is_centered)
        offset, components = self._offset_and_components()
        return project(X, components, None if x_is_centered else offset)

    def _compile(self, method):
        if method != "transform":
            return None
        offset, components = self._offset_and_components()
        components = np.array(components)

        def rows(X):
            out = (
                row_predict(X, components, offset, len(components), 0) if len(X) == 1 and len(components) > 1 else None
            )
            return project(X, components, offset) if out is None else out

        return rows


def randomized_svd(X, mean, rank, *, oversamples, n_iter, normalizer, random_state):
    """The leading singular triplets of X - mean (dense or sparse X; ``mean`` None for X itself), never formed.

    Halko, Martinsson, Tropp: Finding structure with randomness, 2011, algorithms 4.4 and 5.1, drawing the same random
    matrix as scikit-learn. Returns U (n, rank), s (rank,), Vt (rank, p).
    """
    n, p = X.shape
    size = rank + oversamples
    if n_iter == "auto":
        n_iter = 7 if rank < 0.1 * min(n, p) else 4
    find = _wide if n < p else _tall
    with serial_blas():  # factorisations of few columns, between native products
        return find(X, mean, rank, size, n_iter, normalizer, random_state)


def _tall(X, mean, rank, size, n_iter, normalizer, random_state):
    p = X.shape[1]
    Q = check_random_state(random_state).normal(size=(p, size)).astype(X.dtype, copy=False)
    normalize = _normalizer(normalizer, n_iter)
    for _ in range(n_iter):
        Q = normalize(times(X, mean, Q))
        Q = normalize(transposed_times(X, mean, Q))
    Q = linalg.qr(times(X, mean, Q), mode="economic", check_finite=False)[0]
    U, s, Vt = linalg.svd(transposed_times(X, mean, Q).T, full_matrices=False, check_finite=False)
    return (Q @ U)[:, :rank], s[:rank], Vt[:rank]


def _wide(X, mean, rank, size, n_iter, normalizer, random_state):
    Q = check_random_state(random_state).normal(size=(X.shape[0], size)).astype(X.dtype, copy=False)
    normalize = _normalizer(normalizer, n_iter)
    for _ in range(n_iter):
        Q = normalize(transposed_times(X, mean, Q))
        Q = normalize(times(X, mean, Q))
    Q = linalg.qr(transposed_times(X, mean, Q), mode="economic", check_finite=False)[0]
    U, s, Vt = linalg.svd(times(X, mean, Q).T, full_matrices=False, check_finite=False)
    return Vt[:rank].T, s[:rank], (Q @ U)[:, :rank].T


def _normalizer(name, n_iter):
    if name == "auto":
        name = "none" if n_iter <= 2 else "LU"
    if name == "QR":
        return lambda A: linalg.qr(A, mode="economic", check_finite=False)[0]
    if name == "LU":
        return lambda A: linalg.lu(A, permute_l=True, check_finite=False)[0]
    return lambda A: A
