"""Ridge regression and classification."""

import warnings

import numpy as np
from scipy import linalg

from corten.learn._base import (
    UnsupportedSetting,
    assert_all_finite,
    check_sample_weight,
    fit_context,
    from_sklearn,
    issparse,
    serial_blas,
    validate_data,
)
from corten.learn.linear_model._kernels import CoordinateDescent
from corten.learn.linear_model._moments import moments
from corten.learn.linear_model._predict import LinearDecision, LinearPredictor

__all__ = ["Ridge", "RidgeCV", "RidgeClassifier", "RidgeClassifierCV"]

_DENSE = ("auto", "cholesky", "svd")
_SCIPY = ("auto", "sparse_cg", "lsqr")  # solvers of SciPy that sparse data takes


def _by_gram(m, alpha):
    """(t, p) coefficients from centred moments: ``(X^T X + alpha I) w = X^T y`` for each target."""
    p, t = m.xy.shape
    if t > 1 and np.all(alpha == alpha[0]):
        return linalg.solve(m.xx + alpha[0] * np.eye(p), m.xy, assume_a="pos", overwrite_a=True).T
    W = [linalg.solve(m.xx + alpha[k] * np.eye(p), m.xy[:, k], assume_a="pos", overwrite_a=True) for k in range(t)]
    return np.stack(W)


def _centred(X, Y, weights, center):
    """Centred copies scaled by the roots of the weights, and the means."""
    x_mean, y_mean = np.zeros(X.shape[1]), np.zeros(Y.shape[1])
    if center:
        x_mean = np.average(X, axis=0, weights=weights)
        y_mean = np.average(Y, axis=0, weights=weights)
    X, Y = (X - x_mean).astype(X.dtype, copy=False), (Y - y_mean).astype(X.dtype, copy=False)
    if weights is not None:
        root = np.sqrt(weights)[:, None]
        X, Y = X * root, Y * root
    return X, Y, x_mean, y_mean


def _by_kernel(X, Y, alpha):
    """(t, p) for wide data: ``w = X^T (X X^T + alpha I)^-1 y``."""
    K = X @ X.T
    W = []
    for k in range(Y.shape[1]):
        A = K.copy()
        A.flat[:: len(A) + 1] += alpha[k]
        W.append(X.T @ linalg.solve(A, Y[:, k], assume_a="pos", overwrite_a=True))
    return np.stack(W)


def _by_svd(X, Y, alpha):
    """Coefficients by an SVD in float64: with singular values far apart, float32 factors lose most of their digits."""
    U, s, Vt = linalg.svd(X.astype(np.float64, copy=False), full_matrices=False, check_finite=False)
    keep = s > max(X.shape) * np.finfo(s.dtype).eps * s[0]  # beyond, only rounding is left
    UtY = U.T @ Y
    factor = np.zeros((len(s), Y.shape[1]))
    factor[keep] = s[keep, None] / (s[keep, None] ** 2 + alpha[None, :])
    return (Vt.T @ (factor * UtY)).T


def _positive(m, alpha, tol, max_iter):
    """Non-negative coefficients by coordinate descent on the Gram matrix, to a duality gap far below ``tol``."""
    W, iterations = [], []
    for k in range(m.xy.shape[1]):
        q = np.ascontiguousarray(m.xy[:, k])
        cd = CoordinateDescent(1, len(q), Q=np.ascontiguousarray(m.xx), q=q, yy=float(m.yy[k, k]))
        stop = min(tol, 1e-8) ** 2 * max(float(q @ q), 1e-300)
        _, n_iter, converged = cd.solve(0.0, float(alpha[k]), stop, 1.0, max_iter or 15000, positive=True)
        if not converged:
            from corten.learn._base import ConvergenceWarning

            warnings.warn(
                f"[Ridge] positive fit did not converge in {n_iter} iterations", ConvergenceWarning, stacklevel=4
            )
        W.append(cd.w)
        iterations.append(n_iter)
    return np.stack(W), np.array(iterations)


def fit_ridge(est, X, y, sample_weight):
    """Set the fitted attributes of a ridge estimator from validated dense data (finiteness of X is checked here)."""
    Y = np.ascontiguousarray(y.reshape(len(y), -1), dtype=X.dtype)
    n, p = X.shape
    t = Y.shape[1]
    alpha = np.asarray(est.alpha, dtype=np.float64).ravel()
    if alpha.size not in (1, t):
        raise ValueError(f"Number of targets and number of penalties do not correspond: {alpha.size} != {t}")
    alpha = np.broadcast_to(alpha, (t,))
    solver = est.solver
    if est.solver == "lbfgs" and not est.positive:
        raise ValueError("'lbfgs' solver can be used only when positive=True. Please use another solver.")
    if est.positive and est.solver not in ("auto", "lbfgs"):
        raise ValueError(
            f"solver='{est.solver}' does not support positive fitting. Please set the solver to 'auto' or 'lbfgs', "
            f"or set "
            "`positive=False`"
        )
    if not est.positive and est.solver not in _DENSE:
        raise UnsupportedSetting(est, "solver", est.solver, "'auto', 'cholesky' or 'svd' for dense data")
    est.n_iter_ = None
    W = x_mean = y_mean = None
    with serial_blas():
        if est.positive or (solver != "svd" and p <= n):
            m = moments(X, Y, sample_weight, center=est.fit_intercept)
            if not m.finite():
                assert_all_finite(X, input_name="X", estimator_name=type(est).__name__)
            x_mean, y_mean = m.x_mean, m.y_mean
            if est.positive:
                W, n_iter = _positive(m, alpha, est.tol, est.max_iter)
                solver, est.n_iter_ = "lbfgs", n_iter
            else:
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("error", linalg.LinAlgWarning)
                        W = _by_gram(m, alpha)
                    solver = "cholesky"
                except (linalg.LinAlgError, linalg.LinAlgWarning, ValueError):
                    solver = "svd"
    if W is None:
        assert_all_finite(X, input_name="X", estimator_name=type(est).__name__)
        Xc, Yc, x_mean, y_mean = _centred(X, Y, sample_weight, est.fit_intercept)
        if solver != "svd":
            try:
                W, solver = _by_kernel(Xc, Yc, alpha), "cholesky"
            except linalg.LinAlgError:
                solver = "svd"
        if W is None:
            W, solver = _by_svd(Xc, Yc, alpha), "svd"
    est.solver_ = solver
    intercept = (y_mean - W @ x_mean).astype(X.dtype) if est.fit_intercept else 0.0
    W = np.ascontiguousarray(W, dtype=X.dtype)
    if y.ndim == 1:
        est.coef_, est.intercept_ = W[0], intercept[0] if est.fit_intercept else 0.0
    else:
        est.coef_, est.intercept_ = W, intercept
    return est


class Ridge(LinearPredictor, from_sklearn("linear_model.Ridge")):
    r"""Least squares with an l2 penalty: :math:`\min_w \|y - Xw - b\|_2^2 + \alpha \|w\|_2^2`.

    Tall data is solved by the normal equations from one pass over X, wide data by its kernel matrix, both through
    Cholesky; singular systems and ``solver="svd"`` by an SVD. ``positive=True`` is coordinate descent on the Gram
    matrix.
    Sparse data goes to SciPy's conjugate gradients or LSQR.

    Parameters
    ----------
    alpha, fit_intercept, copy_X, max_iter, tol, solver, positive, random_state
        As in :class:`sklearn.linear_model.Ridge`; dense data takes the solvers "auto", "cholesky" and "svd" (and
        "lbfgs"
        where ``positive``), sparse data "auto", "sparse_cg" and "lsqr". Others raise :class:`UnsupportedSetting`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    n_iter_ : None or ndarray of shape (n_targets,)
    solver_ : str

    Examples
    --------
    >>> import numpy as np
    >>> Ridge(alpha=1.0).fit(np.array([[0.0], [1.0], [2.0]]), [0.0, 1.0, 2.0]).coef_.round(4)
    array([0.6667])
    """

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit to X (n_samples, n_features) and y (n_samples,) or (n_samples, n_targets); returns self.

        Raises ValueError for NaN, infinities or wrong shapes.
        """
        if issparse(X):
            if self.solver not in _SCIPY and not (self.solver == "cholesky" and not self.fit_intercept):
                if self.solver == "svd" or (self.solver == "cholesky" and self.fit_intercept):
                    return super().fit(X, y, sample_weight)  # raises
                raise UnsupportedSetting(self, "solver", self.solver, "'auto', 'sparse_cg' or 'lsqr' for sparse data")
            if self.positive:
                raise UnsupportedSetting(self, "positive", True, "False for sparse data")
            return super().fit(X, y, sample_weight)
        X, y = validate_data(
            self, X, y, dtype=[np.float64, np.float32], multi_output=True, y_numeric=True, ensure_all_finite=False
        )
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X, dtype=X.dtype)
        return fit_ridge(self, X, y, sample_weight)


class RidgeClassifier(LinearDecision, from_sklearn("linear_model.RidgeClassifier")):
    """Ridge regression on targets -1 and 1, one for each class.

    Parameters
    ----------
    alpha, fit_intercept, copy_X, max_iter, tol, class_weight, solver, positive, random_state
        As in :class:`sklearn.linear_model.RidgeClassifier`; solvers as in :class:`Ridge`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1 or n_classes, n_features)
    intercept_ : ndarray of shape (1 or n_classes,)

    Examples
    --------
    >>> import numpy as np
    >>> RidgeClassifier().fit(np.array([[0.0], [1.0], [2.0], [3.0]]), [0, 0, 1, 1]).predict([[2.5]])
    array([1])
    """

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit to X (n_samples, n_features) and labels y; returns self."""
        if issparse(X):
            if self.solver not in _SCIPY and self.solver not in ("svd", "cholesky"):
                raise UnsupportedSetting(self, "solver", self.solver, "'auto', 'sparse_cg' or 'lsqr' for sparse data")
            return super().fit(X, y, sample_weight)
        X, _, sample_weight, Y = self._prepare_data(X, y, sample_weight, self.solver)
        if X.dtype not in (np.float32, np.float64):
            X = X.astype(np.float64)
        fit_ridge(self, X, Y, sample_weight)
        return self

    def predict(self, X):
        """The class of each row of X (n_samples, n_features); for multilabel targets a 0/1 matrix."""
        if "_label_binarizer" in self.__dict__ and self._label_binarizer.y_type_.startswith("multilabel"):
            scores = np.where(self.decision_function(X) > 0, 1.0, -1.0)
            return self._label_binarizer.inverse_transform(scores)
        return LinearDecision.predict(self, X)


class RidgeCV(LinearPredictor, from_sklearn("linear_model.RidgeCV")):
    """Ridge regression that chooses ``alpha`` by cross-validation.

    The generalised cross-validation is scikit-learn's own; prediction is native.

    Parameters
    ----------
    alphas, fit_intercept, scoring, cv, gcv_mode, store_cv_results, alpha_per_target
        As in :class:`sklearn.linear_model.RidgeCV`.

    Attributes
    ----------
    alpha_ : float or ndarray of shape (n_targets,)
    best_score_ : float or ndarray of shape (n_targets,)
    coef_, intercept_
        As in :class:`Ridge`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(10.0)[:, None]
    >>> RidgeCV(alphas=(0.1, 1.0)).fit(x, 2 * x[:, 0]).alpha_
    0.1
    """


class RidgeClassifierCV(LinearDecision, from_sklearn("linear_model.RidgeClassifierCV")):
    """Ridge classifier that chooses ``alpha`` by cross-validation.

    The generalised cross-validation is scikit-learn's own; prediction is native.

    Parameters
    ----------
    alphas, fit_intercept, scoring, cv, class_weight, store_cv_results
        As in :class:`sklearn.linear_model.RidgeClassifierCV`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(10.0)[:, None]
    >>> RidgeClassifierCV().fit(x, x[:, 0] > 4.5).predict([[9.0]])
    array([ True])
    """

    predict = RidgeClassifier.predict
