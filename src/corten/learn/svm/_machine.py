"""What the kernel machines share: kernels, the two-variable programmes, the libsvm layout of what was learned."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp

from .._base import (
    ConvergenceWarning,
    Estimator,
    Interval,
    Progress,
    StrOptions,
    check_array,
    check_consistent_length,
    check_is_fitted,
    check_random_state,
    column_or_1d,
    fit_context,
    from_sklearn,
    validate_data,
)  # fmt: skip
from ._smo import KernelRows, Solver

num_samples = from_sklearn("utils.validation._num_samples")
_SMALL = 1000  # samples below which float64 costs nothing worth saving
_BLOCK = 512  # rows of a prediction whose kernel values are held at once
_NOT_FINITE = (
    "The dual coefficients or intercepts are not finite. The input data may contain large values and need to be"
    " preprocessed."
)


def _csr(X):
    """CSR of the same kind (matrix or array) with sorted indices."""
    X = X.tocsr() if X.format != "csr" else X
    if not X.has_sorted_indices:
        X = X.sorted_indices()
    return X


class Binary:
    """One solved programme: coefficients b of the samples, the threshold, and how it went."""

    def __init__(self, coef, rho, n_iter, converged, objective):
        self.coef, self.rho, self.n_iter, self.converged, self.objective = coef, rho, n_iter, converged, objective


class BaseKernelMachine(Estimator):
    """Base of SVC, NuSVC, SVR, NuSVR and OneClassSVM."""

    _parameter_constraints: dict = {
        "kernel": [StrOptions({"linear", "poly", "rbf", "sigmoid", "precomputed"}), callable],
        "degree": [Interval(Integral, 0, None, closed="left")],
        "gamma": [StrOptions({"scale", "auto"}), Interval(Real, 0.0, None, closed="left")],
        "coef0": [Interval(Real, None, None, closed="neither")],
        "tol": [Interval(Real, 0.0, None, closed="neither")],
        "shrinking": ["boolean"],
        "cache_size": [Interval(Real, 0, None, closed="neither")],
        "verbose": ["verbose"],
        "max_iter": [Interval(Integral, -1, None, closed="left")],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.kernel == "precomputed"
        tags.input_tags.sparse = self.kernel != "precomputed"
        return tags

    # ------------------------------------------------------------------------------------------------------- fit

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit to training vectors X and targets y.

        Parameters
        ----------
        X : {array-like, CSR} of shape (n_samples, n_features), or (n_samples, n_samples) with kernel="precomputed"
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
            Factors of C; samples without a positive weight are left out.
        """
        random_state = check_random_state(getattr(self, "random_state", None))
        sparse = sp.issparse(X)
        if sparse and self.kernel == "precomputed":
            raise TypeError("Sparse precomputed kernels are not supported.")
        self._sparse = sparse and not callable(self.kernel)
        if callable(self.kernel):
            check_consistent_length(X, y)
        else:
            X, y = validate_data(
                self, X, y, dtype=[np.float64, np.float32], order="C", accept_sparse="csr", accept_large_sparse=False
            )
        y = self._validate_targets(y)
        self._check_settings()
        n_samples = num_samples(X)
        if n_samples != y.shape[0]:
            raise ValueError(
                f"X and y have incompatible shapes.\nX has {n_samples} samples, but y has {y.shape[0]}."
            )
        if self.kernel == "precomputed" and n_samples != X.shape[1]:
            raise ValueError(
                "Precomputed matrix must be a square matrix."
                f" Input is a {X.shape[0]}x{X.shape[1]} matrix."
            )
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight, dtype=np.float64)
            if sample_weight.size and sample_weight.shape != (n_samples,):
                raise ValueError(
                    "sample_weight and X have incompatible shapes: "
                    f"{sample_weight.shape!r} vs {X.shape!r}\n"
                    "Note: Sparse matrices cannot be indexed w/boolean masks (use `indices=True` in CV)."
                )
        weight = np.ones(n_samples) if sample_weight is None or not sample_weight.size else sample_weight
        self._gamma = self._gamma_of(X, sparse)
        self.shape_fit_ = X.shape if hasattr(X, "shape") else (n_samples,)
        seed = random_state.randint(np.iinfo("i").max)
        if callable(self.kernel):
            self._X_fit = X
            X = self._compute_kernel(X)
            if X.shape != (n_samples, n_samples):
                raise ValueError(
                    f"X.shape[0] should be equal to X.shape[1]: the kernel gave {X.shape}, expected "
                    f"{(n_samples, n_samples)}"
                )
        elif self._sparse:
            X = _csr(X)
        chosen = np.flatnonzero(weight > 0)
        if chosen.size == 0:
            raise ValueError("Invalid input - all samples have zero or negative weights.")
        self._fit_machines(X, y, weight, chosen, seed)
        if not (np.isfinite(self.intercept_).all() and np.isfinite(self._dense_coef()).all()):
            raise ValueError(_NOT_FINITE)
        if self.fit_status_:
            warnings.warn(
                f"Solver terminated early (max_iter={self.max_iter})."
                "  Consider pre-processing your data with StandardScaler or MinMaxScaler.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _check_settings(self):
        """Warn about settings, before any work."""

    def _validate_targets(self, y):
        return column_or_1d(y, warn=True).astype(np.float64, copy=False)

    def _gamma_of(self, X, sparse):
        if self.kernel == "precomputed" or callable(self.kernel):
            return 0.0
        if self.gamma == "scale":
            if sparse:
                n = X.shape[0] * X.shape[1]
                values = X.data.astype(np.float64)
                variance = float(values @ values) / n - (float(values.sum()) / n) ** 2
            else:
                variance = float(X.var(dtype=np.float64))
            return 1.0 / (X.shape[1] * variance) if variance != 0 else 1.0
        if self.gamma == "auto":
            return 1.0 / X.shape[1]
        return float(self.gamma)

    # --------------------------------------------------------------------------------------------------- kernels

    def _compute_kernel(self, X):
        """The kernel matrix of a callable kernel against the training data; X itself otherwise."""
        if not callable(self.kernel):
            return X
        kernel = self.kernel(X, self._X_fit)
        if sp.issparse(kernel):
            kernel = kernel.toarray()
        return np.asarray(kernel, dtype=np.float64, order="C")

    def _kernel_rows(self, X, dtype=None):
        """Rows of the kernel matrix of X.

        An rbf kernel of many samples is computed in float32 where that changes its values by no more than some 1e-5: squared distances
        come from inner products, so gamma times the largest squared norm about the centre must be moderate. Everything
        else is computed in float64.
        """
        if callable(self.kernel) or self.kernel == "precomputed":
            return KernelRows(np.ascontiguousarray(X, dtype=np.float64), "precomputed", np.float64)
        center = None
        if self.kernel == "rbf" and not sp.issparse(X) and X.shape[0]:
            center = X.mean(axis=0, dtype=np.float64)
        if dtype is None:
            dtype = np.float64
            if self.kernel == "rbf" and self.tol >= 1e-5 and X.shape[0] >= _SMALL:
                if center is None:
                    largest = float(X.multiply(X).sum(axis=1).max())
                else:
                    largest = max(
                        float((np.square(X[i : i + 4096] - center).sum(axis=1)).max())
                        for i in range(0, X.shape[0], 4096)
                    )
                if np.isfinite(largest) and self._gamma * largest <= 32.0:
                    dtype = np.float32
        if dtype == np.float64:
            center = None  # then dense and sparse rows give the same bits
        rows = KernelRows(X, self.kernel, dtype, self._gamma, self.coef0, self.degree, center)
        if not (np.isfinite(rows.norms).all() and np.isfinite(rows.diagonal).all()):
            raise ValueError(_NOT_FINITE)  # squares overflow
        return rows

    # ------------------------------------------------------------------------------------------------ programmes

    def _solve(self, X, b, lo, hi, q, group=None, rows=None):
        rows = self._kernel_rows(X) if rows is None else rows
        solver = Solver(rows, b, lo, hi, q, group)
        report = None
        if self.verbose:
            progress = Progress(self, self.verbose)

            def report(iterations, gap):
                progress.step(iterations, violation=gap)

        converged = solver.solve(self.tol, self.max_iter, self.cache_size * 1e6, report=report)
        return solver, converged

    def _c_svc(self, X, sign, C):
        """min 1/2 a'Qa - sum a, 0 <= a <= C, y'a = 0."""
        zero = np.zeros(len(sign))
        solver, ok = self._solve(X, zero, np.where(sign > 0, 0, -C), np.where(sign > 0, C, 0), -sign)
        return Binary(solver.b, solver.bias()[0], solver.iterations, ok, solver.objective())

    def _nu_svc(self, X, sign, weight, nu):
        """min 1/2 a'Qa, 0 <= a <= w, the a of each class add up to nu * sum(w) / 2; then divided by the margin."""
        half = nu * weight.sum() / 2
        a = np.empty(len(sign))
        for side in (sign > 0, sign < 0):
            before = np.cumsum(weight[side]) - weight[side]
            a[side] = np.clip(half - before, 0, weight[side])
        solver, ok = self._solve(
            X, a * sign, np.where(sign > 0, 0, -weight), np.where(sign > 0, weight, 0), np.zeros(len(sign)),
            (sign < 0).astype(np.int8),
        )  # fmt: skip
        first, second = solver.bias()
        margin = (first - second) / 2
        return Binary(
            solver.b / margin, (first + second) / 2 / margin, solver.iterations, ok, solver.objective() / margin**2
        )

    def _svr(self, X, y, C, epsilon):
        """min 1/2 b'Kb + epsilon sum |b| - y'b, |b| <= C, sum b = 0, with b = a - a*."""
        n = len(y)
        solver, ok = self._solve(
            X, np.zeros(2 * n), np.r_[np.zeros(n), -C], np.r_[C, np.zeros(n)], np.r_[epsilon - y, -epsilon - y]
        )
        return Binary(solver.b[:n] + solver.b[n:], solver.bias()[0], solver.iterations, ok, solver.objective())

    def _nu_svr(self, X, y, C, nu):
        n = len(y)
        total = (C * nu).sum() / 2
        a = np.clip(total - (np.cumsum(C) - C), 0, C)
        solver, ok = self._solve(
            X, np.r_[a, -a], np.r_[np.zeros(n), -C], np.r_[C, np.zeros(n)], np.r_[-y, -y],
            np.r_[np.zeros(n), np.ones(n)].astype(np.int8),
        )  # fmt: skip
        first, second = solver.bias()
        return Binary(solver.b[:n] + solver.b[n:], (first + second) / 2, solver.iterations, ok, solver.objective())

    def _one_class(self, X, weight, nu):
        """min 1/2 a'Ka, 0 <= a <= w, sum a = nu * sum(w)."""
        a = np.clip(nu * weight.sum() - (np.cumsum(weight) - weight), 0, weight)
        solver, ok = self._solve(X, a, np.zeros(len(a)), weight, np.zeros(len(a)))
        return Binary(solver.b, solver.bias()[0], solver.iterations, ok, solver.objective())

    def _subset(self, X, index):
        if index.size == X.shape[0] and (index[1:] > index[:-1]).all():
            return X  # all samples in their own order
        if self.kernel == "precomputed" or callable(self.kernel):
            return X[np.ix_(index, index)]
        return X[index]

    def _keep(self, X, support, n_support, dual_coef, rho):
        """Store the support vectors and coefficients in libsvm's layout."""
        self.support_ = support.astype(np.int32)
        if self.kernel == "precomputed" or callable(self.kernel):
            self.support_vectors_ = np.empty((0, 0))
        else:
            self.support_vectors_ = X[support]
        self._n_support = np.asarray(n_support, dtype=np.int32)
        if self._sparse:
            indptr = np.arange(dual_coef.shape[0] + 1) * dual_coef.shape[1]
            indices = np.tile(np.arange(dual_coef.shape[1]), dual_coef.shape[0])
            dual_coef = sp.csr_matrix((dual_coef.ravel(), indices, indptr), shape=dual_coef.shape)
        self._dual_coef_, self.dual_coef_ = dual_coef, dual_coef
        self._intercept_ = -np.atleast_1d(np.asarray(rho, dtype=np.float64))
        self.intercept_ = self._intercept_.copy()

    def _keep_single(self, X, chosen, found):
        """Store one machine (regression and one-class)."""
        at = np.flatnonzero(found.coef)
        self._keep(X, chosen[at], [at.size, at.size], found.coef[None, at], found.rho)
        self.fit_status_ = int(not found.converged)
        self.n_iter_ = int(found.n_iter)

    def _dense_coef(self):
        return self._dual_coef_.toarray() if sp.issparse(self._dual_coef_) else self._dual_coef_

    # ------------------------------------------------------------------------------------------------ prediction

    def _validate_for_predict(self, X):
        check_is_fitted(self)
        if not callable(self.kernel):
            X = validate_data(
                self, X, accept_sparse="csr", dtype=[np.float64, np.float32], order="C", accept_large_sparse=False,
                reset=False,
            )  # fmt: skip
        if self._sparse:
            X = _csr(X) if sp.issparse(X) else sp.csr_matrix(X)
        elif sp.issparse(X) and not callable(self.kernel):
            raise ValueError(f"cannot use sparse input in {type(self).__name__!r} trained on dense data")
        if self.kernel == "precomputed" and X.shape[1] != self.shape_fit_[0]:
            raise ValueError(
                f"X.shape[1] = {X.shape[1]} should be equal to {self.shape_fit_[0]}, "
                "the number of samples at training time"
            )
        sv = self.support_vectors_
        if not self._sparse and sv.size > 0 and self.n_support_.sum() != sv.shape[0]:
            raise ValueError(f"The internal representation of {type(self).__name__} was altered")
        return X

    def _kernel_blocks(self, X):
        """Pairs (rows, kernel values of these rows of X against the support vectors)."""
        if callable(self.kernel) or self.kernel == "precomputed":
            X = self._compute_kernel(X)
            if X.ndim == 1:
                X = check_array(X, order="C", accept_large_sparse=False)
            if X.shape[1] != self.shape_fit_[0]:
                raise ValueError(
                    f"X.shape[1] = {X.shape[1]} should be equal to {self.shape_fit_[0]}, "
                    "the number of samples at training time"
                )
            yield slice(0, X.shape[0]), X[:, self.support_]
            return
        dtype = np.float32 if X.dtype == np.float32 and self.support_vectors_.dtype == np.float32 else np.float64
        if dtype == np.float32 and self.kernel == "rbf":
            dtype = None  # as accurate as the fit
        rows = self._kernel_rows(self.support_vectors_, dtype)
        out = None
        for first in range(0, X.shape[0], _BLOCK):
            part = X[first : first + _BLOCK]
            if rows.n == 0:
                yield slice(first, first + part.shape[0]), np.zeros((part.shape[0], 0))
                continue
            yield slice(first, first + part.shape[0]), rows.block(part, out)

    def _single_decision(self, X):
        """Values of one machine, shape (n_samples,)."""
        X = self._validate_for_predict(X)
        coef = self._dense_coef()[0]
        values = np.empty(num_samples(X))
        for rows, kernel in self._kernel_blocks(X):
            values[rows] = kernel @ coef
        return values + self._intercept_[0]

    @property
    def coef_(self):
        """Weights of the features with kernel="linear"."""
        if self.kernel != "linear":
            raise AttributeError("coef_ is only available when using a linear kernel")
        coef = self._primal_coef()
        if sp.issparse(coef):
            coef.data.flags.writeable = False
        else:
            coef.flags.writeable = False
        return coef

    def _primal_coef(self):
        return self._dual_coef_ @ self.support_vectors_

    @property
    def n_support_(self):
        """Number of support vectors of each class; one number for regression and one-class."""
        if not hasattr(self, "_n_support"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute 'n_support_'")
        return self._n_support if hasattr(self, "classes_") else self._n_support[:1]
