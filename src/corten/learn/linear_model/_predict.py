"""Prediction of linear models: one pass that also finds NaN and infinities, and a fast path for one row."""

import numpy as np

from corten.learn._base import Estimator, as_csr, check_is_fitted, get_config, issparse, plain_rows, validate_data
from corten.learn.linear_model._kernels import row_predict, scores, scores_csr


def finite_or_raise(estimator, X, *results):
    """Validate X for NaN and infinities only when some result is not finite (a finite result proves finite input)."""
    if not all(np.isfinite(r).all() for r in results):
        validate_data(estimator, X, accept_sparse=True, reset=False, ensure_all_finite=True)


def linear_scores(X, coef, intercept, link=0):
    """X coef^T + intercept, shape (n, K), for validated X dense or sparse and coef (K, p) dense."""
    dtype = np.result_type(X.dtype, coef.dtype)
    if dtype not in (np.float32, np.float64):
        dtype = np.dtype(np.float64)
    K, p = coef.shape
    bias = np.ascontiguousarray(np.broadcast_to(np.asarray(intercept, dtype=dtype).ravel(), (K,)))
    if issparse(X):
        X = as_csr(X)
        if X.data.dtype != dtype:
            X = X.astype(dtype)
        return scores_csr(X, np.ascontiguousarray(coef.T, dtype=dtype), bias, link)
    if X.dtype != dtype or X.strides[1] != X.itemsize:
        X = np.ascontiguousarray(X, dtype=dtype)
    if coef.dtype != dtype or coef.strides[1] != coef.itemsize or coef.strides[0] % coef.itemsize:
        coef = np.ascontiguousarray(coef, dtype=dtype)
    return scores(X, coef, bias, link)


class LinearPredictor(Estimator):
    """Adds prediction from ``coef_`` and ``intercept_`` to a regressor."""

    def predict(self, X):
        """Predicted targets, ``X @ coef_.T + intercept_``.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            When X has another number of features, NaN or infinity.
        """
        if plain_rows(self, X):
            coef = self.coef_
            if type(coef) is np.ndarray and (coef.ndim == 1 or coef.shape[0] > 1):
                out = row_predict(X, coef, self.intercept_, 1 if coef.ndim == 1 else coef.shape[0], 0)
                if out is not None:
                    return out
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc", "coo"], reset=False, ensure_all_finite=False)
        coef = self.coef_.toarray().ravel() if issparse(self.coef_) else np.asarray(self.coef_)
        out = linear_scores(X, np.atleast_2d(coef), self.intercept_)
        if not get_config()["assume_finite"]:
            finite_or_raise(self, X, out)
        return out[:, 0] if coef.ndim == 1 else out

    def _compile(self, method):
        if method == "predict":
            return _rows_function(np.atleast_2d(np.array(self.coef_)), self.intercept_, flat=np.ndim(self.coef_) == 1)
        return None


class LinearDecision(Estimator):
    """Adds ``decision_function`` and ``predict`` from ``coef_``, ``intercept_`` and ``classes_`` to a classifier."""

    def decision_function(self, X):
        """Signed scores, ``X @ coef_.T + intercept_``.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) for two classes, (n_samples, n_classes) otherwise
            Of two classes, ``classes_[1]`` is predicted where the score is positive.
        """
        if plain_rows(self, X):
            coef = self.coef_
            if type(coef) is np.ndarray:
                out = row_predict(X, coef, self.intercept_, coef.shape[0], 0)
                if out is not None:
                    return out
        out = self._scores(X, 0)
        return out[:, 0] if out.shape[1] == 1 else out

    def _scores(self, X, link):
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", reset=False, ensure_all_finite=False)
        coef = self.coef_.toarray() if issparse(self.coef_) else np.asarray(self.coef_)
        out = linear_scores(X, np.atleast_2d(coef), self.intercept_, link)
        if not get_config()["assume_finite"]:
            finite_or_raise(self, X, out)
        return out

    def predict(self, X):
        """The class of each row: the one with the highest score.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        if plain_rows(self, X):
            coef = self.coef_
            if type(coef) is np.ndarray:
                out = row_predict(X, coef, self.intercept_, coef.shape[0], 1, self.classes_)
                if out is not None:
                    return out
        out = self._scores(X, 0)
        return self.classes_[(out[:, 0] > 0).astype(np.intp) if out.shape[1] == 1 else out.argmax(axis=1)]

    def _compile(self, method):
        coef = np.atleast_2d(np.array(self.coef_.toarray() if issparse(self.coef_) else self.coef_))
        intercept, classes = np.array(np.broadcast_to(self.intercept_, coef.shape[0])), np.array(self.classes_)
        if method == "decision_function":
            return _rows_function(coef, intercept, flat=coef.shape[0] == 1)
        if method == "predict":
            return _rows_function(coef, intercept, flat=False, classes=classes)
        return None


def _rows_function(coef, intercept, *, flat, classes=None, proba=False):
    """A function of C-contiguous rows that holds its own coefficients."""
    K = coef.shape[0]
    kind = 1 if classes is not None else 2 if proba else 0
    shaped = coef[0] if flat and K == 1 else coef

    def rows(X):
        if X.shape[0] == 1 and (K > 1 or flat or kind):
            out = row_predict(X, shaped, intercept, K, kind, classes)
            if out is not None:
                return out
        out = linear_scores(X, coef, intercept, 1 if proba else 0)
        if kind == 1:
            return classes[(out[:, 0] > 0).astype(np.intp) if K == 1 else out.argmax(axis=1)]
        if kind == 2 and K == 1:
            return np.hstack([1 - out, out])
        return out[:, 0] if flat else out

    return rows
