"""Support vector regression and outlier detection with kernels."""

from __future__ import annotations

from numbers import Real

import numpy as np

from .._base import Interval, OutlierMixin, RegressorMixin
from ._machine import BaseKernelMachine, num_samples

__all__ = ["SVR", "NuSVR", "OneClassSVM"]


class _Regression(RegressorMixin, BaseKernelMachine):
    """What both regressors share: a strength C and one decision function, whose values are the predictions."""

    _parameter_constraints: dict = {
        **BaseKernelMachine._parameter_constraints,
        "C": [Interval(Real, 0.0, None, closed="right")],
    }

    def predict(self, X):
        """Predicted targets, shape (n_samples,)."""
        return self._single_decision(X)


class SVR(_Regression):
    """Support vector regression: errors below ``epsilon`` cost nothing, larger ones their excess.

    Parameters
    ----------
    kernel, degree, gamma, coef0, tol, shrinking, cache_size, verbose, max_iter
        As in :class:`SVC`.
    C : float, default=1.0
    epsilon : float, default=0.1
        Half-width of the tube.

    Attributes
    ----------
    support_, support_vectors_, n_support_, dual_coef_, intercept_, coef_, fit_status_, n_iter_
        As in :class:`SVC`.

    Examples
    --------
    >>> import numpy as np
    >>> from corten.learn.svm import SVR
    >>> X = np.arange(6.0)[:, None]
    >>> SVR(kernel="linear", C=10.0).fit(X, 2 * X[:, 0]).predict([[2.5]]).round(1)
    array([5.])
    """

    _parameter_constraints: dict = {
        **_Regression._parameter_constraints,
        "epsilon": [Interval(Real, 0.0, None, closed="left")],
    }

    def __init__(
        self, *, kernel="rbf", degree=3, gamma="scale", coef0=0.0, tol=1e-3, C=1.0, epsilon=0.1, shrinking=True,
        cache_size=200, verbose=False, max_iter=-1,
    ):  # fmt: skip
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.tol = tol
        self.C = C
        self.epsilon = epsilon
        self.shrinking = shrinking
        self.cache_size = cache_size
        self.verbose = verbose
        self.max_iter = max_iter

    def _fit_machines(self, X, y, weight, chosen, seed):
        found = self._svr(self._subset(X, chosen), y[chosen], self.C * weight[chosen], self.epsilon)
        self._keep_single(X, chosen, found)


class NuSVR(_Regression):
    """Support vector regression where ``nu`` bounds the share of support vectors and finds the width of the tube.

    Parameters
    ----------
    nu : float, default=0.5
    C, kernel, degree, gamma, coef0, shrinking, tol, cache_size, verbose, max_iter
        As in :class:`SVR`.

    Attributes
    ----------
    support_, support_vectors_, n_support_, dual_coef_, intercept_, coef_, fit_status_, n_iter_
        As in :class:`SVC`.

    Examples
    --------
    >>> import numpy as np
    >>> from corten.learn.svm import NuSVR
    >>> X = np.arange(6.0)[:, None]
    >>> NuSVR(kernel="linear", C=10.0).fit(X, 2 * X[:, 0]).predict([[2.5]]).round(1)
    array([5.])
    """

    _parameter_constraints: dict = {
        **_Regression._parameter_constraints,
        "nu": [Interval(Real, 0.0, 1.0, closed="right")],
    }

    def __init__(
        self, *, nu=0.5, C=1.0, kernel="rbf", degree=3, gamma="scale", coef0=0.0, shrinking=True, tol=1e-3,
        cache_size=200, verbose=False, max_iter=-1,
    ):  # fmt: skip
        self.nu = nu
        self.C = C
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.shrinking = shrinking
        self.tol = tol
        self.cache_size = cache_size
        self.verbose = verbose
        self.max_iter = max_iter

    def _fit_machines(self, X, y, weight, chosen, seed):
        found = self._nu_svr(self._subset(X, chosen), y[chosen], self.C * weight[chosen], self.nu)
        self._keep_single(X, chosen, found)


class OneClassSVM(OutlierMixin, BaseKernelMachine):
    """Support of a distribution: outliers are at most a share ``nu`` of the training samples.

    Parameters
    ----------
    kernel, degree, gamma, coef0, tol, shrinking, cache_size, verbose, max_iter
        As in :class:`SVC`.
    nu : float, default=0.5

    Attributes
    ----------
    support_, support_vectors_, n_support_, dual_coef_, intercept_, coef_, fit_status_, n_iter_
        As in :class:`SVC`.
    offset_ : float
        ``decision_function(X) = score_samples(X) - offset_``.

    References
    ----------
    Scholkopf, Platt, Shawe-Taylor, Smola and Williamson, "Estimating the support of a high-dimensional distribution"
    (2001).

    Examples
    --------
    >>> from corten.learn.svm import OneClassSVM
    >>> OneClassSVM(gamma="auto").fit([[0], [0.44], [0.45], [0.46], [1]]).predict([[0.45], [3.0]])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {
        **BaseKernelMachine._parameter_constraints,
        "nu": [Interval(Real, 0.0, 1.0, closed="right")],
    }

    def __init__(
        self, *, kernel="rbf", degree=3, gamma="scale", coef0=0.0, tol=1e-3, nu=0.5, shrinking=True, cache_size=200,
        verbose=False, max_iter=-1,
    ):  # fmt: skip
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.tol = tol
        self.nu = nu
        self.shrinking = shrinking
        self.cache_size = cache_size
        self.verbose = verbose
        self.max_iter = max_iter

    def fit(self, X, y=None, sample_weight=None):
        """Fit to training vectors X; y is ignored."""
        super().fit(X, np.ones(num_samples(X)), sample_weight=sample_weight)
        self.offset_ = -self._intercept_
        return self

    def _fit_machines(self, X, y, weight, chosen, seed):
        self._keep_single(X, chosen, self._one_class(self._subset(X, chosen), weight[chosen], self.nu))

    def decision_function(self, X):
        """Signed distance to the surface, positive inside; shape (n_samples,)."""
        return self._single_decision(X)

    def score_samples(self, X):
        """The decision function without its offset."""
        return self.decision_function(X) + self.offset_

    def predict(self, X):
        """+1 for inliers, -1 for outliers; shape (n_samples,)."""
        return np.where(self.decision_function(X) > 0, 1, -1).astype(np.intp)
