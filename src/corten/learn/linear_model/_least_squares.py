"""Ordinary least squares."""

import numpy as np
from scipy import linalg

from corten.learn._base import (
    assert_all_finite,
    check_sample_weight,
    fit_context,
    from_sklearn,
    issparse,
    serial_blas,
    thread_limit,
    validate_data,
)
from corten.learn.linear_model._kernels import outer
from corten.learn.linear_model._moments import moments, unit_columns
from corten.learn.linear_model._predict import LinearPredictor, linear_scores

__all__ = ["LinearRegression"]


class LinearRegression(LinearPredictor, from_sklearn("linear_model.LinearRegression")):
    r"""Ordinary least squares: :math:`\min_w \|y - Xw - b\|_2^2`.

    Dense problems with more rows than columns are solved by the normal equations of the centred data, from one
    pass, with one
    step of iterative refinement where the condition number asks for it. Where it exceeds what the normal equations
    can bear, and for wide data, the solution is that of an SVD, as in scikit-learn. Sparse data goes to SciPy's
    LSQR and
    ``positive=True`` to SciPy's NNLS.

    Parameters
    ----------
    fit_intercept, copy_X, tol, n_jobs, positive
        As in :class:`sklearn.linear_model.LinearRegression`. X is never overwritten, and ``n_jobs`` limits the threads.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    rank_ : int
        Dense data only.
    singular_ : ndarray of shape (min(n_samples, n_features),)
        Singular values of the centred X; dense data only.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 1.0], [1.0, 2.0], [2.0, 2.0], [2.0, 3.0]])
    >>> LinearRegression().fit(X, X @ [1.0, 2.0] + 3.0).coef_.round(6)
    array([1., 2.])
    """

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit to X (n_samples, n_features) and y (n_samples,) or (n_samples, n_targets); returns self.

        Raises ValueError for NaN, infinities, wrong shapes or negative weights.
        """
        if self.positive or issparse(X):
            return super().fit(X, y, sample_weight)
        X, y = validate_data(
            self, X, y, y_numeric=True, multi_output=True, dtype=[np.float64, np.float32], ensure_all_finite=False
        )
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        Y = np.ascontiguousarray(y.reshape(len(y), -1), dtype=X.dtype)
        with thread_limit(self.n_jobs), serial_blas():
            if not self._fit_normal_equations(X, Y, sample_weight):
                self._fit_svd(X, Y, sample_weight)
        if y.ndim == 1:
            self.coef_ = self.coef_[0]
            if self.fit_intercept:
                self.intercept_ = self.intercept_[0]
        return self

    def _fit_normal_equations(self, X, Y, weights):
        """True when the result is as good as that of an SVD."""
        n, p = X.shape
        if n < 2 * p:
            return False
        m = moments(X, Y, weights, center=self.fit_intercept)
        if not m.finite():
            assert_all_finite(X, input_name="X", estimator_name=type(self).__name__)
            return False
        double = X.dtype == np.float64
        scale = np.sqrt(m.xx.diagonal())
        if not scale.all():
            return False
        eigenvalues = linalg.eigvalsh(m.xx)
        singular = np.sqrt(np.maximum(eigenvalues[::-1], 0))
        # Singular values near the cut of the rank must be exact: that is the SVD's work.
        if singular[-1] <= singular[0] * max(10 * self.tol, 1e-5 if double else 3e-3):
            return False
        scaled = m.xx / np.outer(scale, scale)
        try:
            factor = linalg.cho_factor(scaled)
        except linalg.LinAlgError:
            return False
        diagonal = factor[0].diagonal()
        condition = (diagonal.max() / diagonal.min()) ** 2
        if condition > (1e10 if double else 1e5):
            return False

        def solve(right):
            return linalg.cho_solve(factor, right / scale[:, None]) / scale[:, None]

        W = solve(m.xy)
        if condition > (1e4 if double else 1e1):  # one step of refinement on the true residual
            b = m.y_mean - m.x_mean @ W
            R = Y - linear_scores(X, W.T, b)
            if weights is not None:
                R *= weights[:, None]
            right = outer(R, unit_columns(X)).T
            if self.fit_intercept:
                right -= np.outer(m.x_mean, R.sum(axis=0, dtype=np.float64))
            W = W + solve(right)
        self.coef_ = W.T.astype(X.dtype)
        self.intercept_ = (m.y_mean - m.x_mean @ W).astype(X.dtype) if self.fit_intercept else 0.0
        self.rank_, self.singular_ = p, singular.astype(X.dtype)
        return True

    def _fit_svd(self, X, Y, weights):
        X = np.array(X)
        assert_all_finite(X, input_name="X", estimator_name=type(self).__name__)
        x_mean, y_mean = np.zeros(X.shape[1], dtype=X.dtype), np.zeros(Y.shape[1], dtype=X.dtype)
        if self.fit_intercept:
            x_mean = np.average(X, axis=0, weights=weights).astype(X.dtype, copy=False)
            y_mean = np.average(Y, axis=0, weights=weights).astype(X.dtype, copy=False)
            X -= x_mean
            Y = Y - y_mean
        if weights is not None:
            root = np.sqrt(weights)[:, None]
            X *= root
            Y = Y * root
        W, _, self.rank_, self.singular_ = linalg.lstsq(X, Y, cond=self.tol, overwrite_a=True, check_finite=False)
        self.coef_ = np.ascontiguousarray(W.T)
        self.intercept_ = y_mean - x_mean @ W if self.fit_intercept else 0.0
