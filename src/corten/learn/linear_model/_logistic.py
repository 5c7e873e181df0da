"""Logistic regression."""

import warnings

import numpy as np
from scipy import linalg, optimize

from corten.learn._base import (
    ConvergenceWarning,
    Progress,
    as_csr,
    assert_all_finite,
    check_classification_targets,
    check_is_fitted,
    check_sample_weight,
    compute_class_weight,
    fit_context,
    from_sklearn,
    issparse,
    plain_rows,
    serial_blas,
    validate_data,
)
from corten.learn.linear_model._kernels import LogLoss, gram, link, row_predict
from corten.learn.linear_model._moments import unit_columns
from corten.learn.linear_model._predict import LinearDecision, _rows_function
from corten.learn.linear_model._thin import times, transposed_times

__all__ = ["LogisticRegression"]

class _Objective:
    """Mean weighted log loss plus an l2 penalty, over coefficients (K, p + 1) or (K, p) flattened row by row.

    ``intercept_l2`` penalises the intercepts, in the value and the gradient, which is all that L-BFGS asks for.
    """

    def __init__(self, X, y, weights, K, l2, *, fit_intercept, intercept_l2=0.0):
        self.loss = LogLoss(X, y, weights, K)
        self.X, self.y, self.weights, self.K, self.l2, self.fit_intercept = X, y, weights, K, l2, fit_intercept
        self.intercept_l2 = intercept_l2
        self.n, self.p = X.shape
        self.total = float(self.n) if weights is None else float(weights.sum(dtype=np.float64))
        self.shape = (K, self.p + int(fit_intercept))

    def split(self, coef):
        coef = coef.reshape(self.shape)
        return (coef[:, : self.p], coef[:, self.p]) if self.fit_intercept else (coef, np.zeros(self.K))

    def __call__(self, coef, P=None):
        """Value and gradient."""
        W, b = self.split(coef)
        value = self.loss(W, b, P) / self.total + 0.5 * self.l2 * float(np.vdot(W, W))
        gradient = np.empty(self.shape)
        gradient[:, : self.p] = self.loss.gradient
        gradient[:, : self.p] /= self.total
        gradient[:, : self.p] += self.l2 * W
        if self.fit_intercept:
            value += 0.5 * self.intercept_l2 * float(b @ b)
            gradient[:, self.p] = self.loss.g / self.total + self.intercept_l2 * b
        return value, gradient.ravel()

    def hessian(self, P):
        """(K (p + 1), K (p + 1)) at the probabilities P: blocks ``X^T diag(w P_k (1[k = l] - P_l)) X``."""
        K, size = self.K, self.shape[1]
        H = np.empty((K, size, K, size))
        zero = np.zeros(self.p, dtype=P.dtype)
        w = 1 if self.weights is None else self.weights
        for k in range(K):
            for m in range(k, K):
                h = P[:, k] * (1 - P[:, k]) if k == m else P[:, k] * P[:, m]
                G = self._weighted_gram(np.ascontiguousarray(h * w), zero)[:size, :size] / self.total
                H[k, :, m, :] = G if k == m else -G
                H[m, :, k, :] = H[k, :, m, :]
            H[k, range(self.p), k, range(self.p)] += self.l2
        if K > 1:  # the loss does not change when a constant is added to all classes: fix that direction
            free = range(self.p, size) if self.l2 > 0 else range(size)
            for j in free:
                H[:, j, :, j] += 1.0 / K
        return H.reshape(K * size, K * size)

    def hessian_times(self, P, direction):
        """The Hessian at the probabilities P times a direction, (K (p + 1),), from two passes over X."""
        V, v = self.split(direction)
        U = times(self.X, None, np.ascontiguousarray(V.T, dtype=P.dtype)) + v.astype(P.dtype)
        U = P * (U - (P * U).sum(axis=1, keepdims=True)) if self.K > 1 else P * (1 - P) * U
        if self.weights is not None:
            U *= self.weights[:, None]
        out = np.empty(self.shape)
        out[:, : self.p] = transposed_times(self.X, None, U).T / self.total + self.l2 * V
        if self.fit_intercept:
            out[:, self.p] = U.sum(axis=0, dtype=np.float64) / self.total
        return out.ravel()

    def _weighted_gram(self, h, zero):
        """(p + 1, p + 1) products of the columns of [X, 1] with weights h."""
        if not issparse(self.X):
            return gram(self.X, None, h, zero)
        G = np.empty((self.p + 1, self.p + 1))
        scaled = self.X.multiply(h[:, None]).tocsr()
        G[:-1, :-1] = (self.X.T @ scaled).toarray()
        G[-1, :-1] = G[:-1, -1] = np.asarray(scaled.sum(axis=0)).ravel()
        G[-1, -1] = h.sum(dtype=np.float64)
        return G


def _by_cholesky(objective, P, gradient):
    """Newton's step."""
    return -linalg.cho_solve(linalg.cho_factor(objective.hessian(P), overwrite_a=True), gradient)


def _by_conjugate_gradients(objective, P, gradient):
    """Newton's step as far as it pays (Nocedal, Wright: Numerical Optimization, 2006, algorithm 7.1)."""
    size = float(np.linalg.norm(gradient))
    enough = min(0.5, np.sqrt(size)) * size
    step, residual, direction = np.zeros_like(gradient), gradient.copy(), -gradient
    square = size * size
    for _ in range(20 * len(gradient)):
        curved = objective.hessian_times(P, direction)
        curvature = float(direction @ curved)
        if curvature <= 16 * np.finfo(np.float64).eps * float(direction @ direction):
            break  # flat, as along a constant added to all classes
        length = square / curvature
        step += length * direction
        residual += length * curved
        before, square = square, float(residual @ residual)
        if np.sqrt(square) <= enough:
            break
        direction = square / before * direction - residual
    return step if step.any() else -gradient


def _newton(objective, coef, tol, max_iter, progress, find_step):
    """Newton's method with backtracking; returns (coef, iterations, converged)."""
    P = np.empty((objective.n, objective.K), dtype=objective.loss.dtype)
    value, gradient = objective(coef, P)
    for iteration in range(max_iter):
        if np.abs(gradient).max() <= tol:
            return coef, iteration, True
        step = find_step(objective, P, gradient)
        slope = float(gradient @ step)
        if not np.isfinite(slope) or slope >= 0:
            raise linalg.LinAlgError("no descent direction")
        t = 1.0
        for _ in range(21):
            new = coef + t * step
            new_value, new_gradient = objective(new, P)
            noise = 16 * np.finfo(P.dtype).eps * max(1.0, abs(value))
            if new_value <= value + 1e-4 * t * slope + noise:
                break
            t *= 0.5
        else:
            raise linalg.LinAlgError("line search failed")
        coef, value, gradient = new, new_value, new_gradient
        progress.step(iteration + 1, loss=value, gradient=float(np.abs(gradient).max()))
        if t == 1.0 and -0.5 * slope <= tol and np.abs(gradient).max() <= tol:
            return coef, iteration + 1, True
    return coef, max_iter, bool(np.abs(gradient).max() <= tol)


def _orthant_wise(objective, coef, l1, intercept_l1, tol, max_iter, progress, memory=10):
    """Minimise ``objective + l1 |W|_1 + intercept_l1 |b|_1`` by orthant-wise L-BFGS.

    Andrew, Gao: Scalable training of L1-regularized log-linear models, 2007. Returns (coef, iterations, converged).
    """
    strength = np.full(objective.shape, intercept_l1)
    strength[:, : objective.p] = l1
    strength = strength.ravel()

    def pseudo(w, g):
        at_zero = np.where(g + strength < 0, g + strength, np.where(g - strength > 0, g - strength, 0.0))
        return np.where(w == 0, at_zero, g + np.sign(w) * strength)

    smooth, gradient = objective(coef)
    value = smooth + float(strength @ np.abs(coef))
    steps, changes = [], []
    for iteration in range(max_iter):
        steepest = pseudo(coef, gradient)
        if np.abs(steepest).max() <= tol:
            return coef, iteration, True
        direction, scale = -steepest, []
        for s, c in zip(reversed(steps), reversed(changes), strict=True):
            scale.append((s @ direction) / (s @ c))
            direction = direction - scale[-1] * c
        if steps:
            direction *= (steps[-1] @ changes[-1]) / (changes[-1] @ changes[-1])
        for s, c, a in zip(steps, changes, reversed(scale), strict=True):
            direction = direction + s * (a - (c @ direction) / (s @ c))
        direction[direction * -steepest <= 0] = 0.0
        if not direction.any():
            direction = -steepest
        orthant = np.where(coef != 0, np.sign(coef), -np.sign(steepest))
        orthant[strength == 0] = 0
        t = 1.0 if steps else min(1.0, 1.0 / float(np.abs(steepest).sum()))
        for _ in range(50):
            new = coef + t * direction
            new[(orthant != 0) & (new * orthant <= 0)] = 0.0
            smooth, new_gradient = objective(new)
            new_value = smooth + float(strength @ np.abs(new))
            if new_value <= value + 1e-4 * float(steepest @ (new - coef)):
                break
            t *= 0.5
        else:
            if steps:  # the curvature was misleading: start again from steepest descent
                steps, changes = [], []
                continue
            return coef, iteration, False
        s, c = new - coef, new_gradient - gradient
        if s @ c > 1e-12 * (c @ c):
            steps.append(s)
            changes.append(c)
            del steps[:-memory], changes[:-memory]
        coef, value, gradient = new, new_value, new_gradient
        progress.step(iteration + 1, loss=value, gradient=float(np.abs(steepest).max()))
    return coef, max_iter, False


class LogisticRegression(LinearDecision, from_sklearn("linear_model.LogisticRegression")):
    r"""Logistic regression, binary and multinomial, with l1, l2 or elastic-net penalty.

    Minimises the mean log loss plus
    :math:`\frac{1}{C \sum_i s_i} \left(\frac{1-\rho}{2}\|W\|_2^2 + \rho \|W\|_1\right)`, with :math:`\rho` the
    ``l1_ratio`` and :math:`s` the sample weights; intercepts are not penalised. Loss and gradient come from one native
    pass over X, dense or CSR.

    Parameters
    ----------
    penalty, C, l1_ratio, dual, tol, fit_intercept, intercept_scaling, class_weight, random_state, max_iter, verbose, \
warm_start, n_jobs
        As in :class:`sklearn.linear_model.LogisticRegression`.
    solver : {"lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"}
        "lbfgs", "newton-cg" and "newton-cholesky" take l2 or no penalty. "sag" (l2 or none), "saga" (every penalty) and
        "liblinear" (l1 or l2, primal or dual, two classes) reach the optimum of these methods by L-BFGS, orthant-wise
        with l1, on full passes: ``random_state`` has no influence and ``tol`` bounds the largest element of the
        (pseudo-)gradient. "liblinear" penalises the intercept as the coefficient of a column of ``intercept_scaling``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1 or n_classes, n_features)
    intercept_ : ndarray of shape (1 or n_classes,)
    n_iter_ : ndarray of shape (1,)

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> LogisticRegression().fit(X, [0, 0, 1, 1]).predict_proba([[1.5]]).round(3)
    array([[0.5, 0.5]])
    """

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit to X (n_samples, n_features), dense or sparse, and labels y (n_samples,); returns self.

        Raises ValueError for NaN, infinities, wrong shapes, or fewer than two classes; warns with
        ConvergenceWarning when
        ``max_iter`` was not enough.
        """
        penalty, C = self._penalty()
        l1_ratio = {"l1": 1.0, "elasticnet": self.l1_ratio}.get(penalty, 0.0)
        if self.n_jobs is not None:
            warnings.warn(
                "'n_jobs' has no effect since 1.8 and will be removed in 1.10. You provided "
                f"'n_jobs={self.n_jobs}', please leave it unspecified.",
                FutureWarning,
                stacklevel=3,
            )
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32], order="C", ensure_all_finite=False
        )
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        n_classes = len(self.classes_)
        liblinear = self.solver == "liblinear"
        if liblinear:
            self._check_liblinear(X, n_classes)
        if n_classes < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data contains only one class: "
                f"{self.classes_[0]!r}"
            )
        weights = self._weights(X, y, codes, sample_weight)
        K = 1 if n_classes == 2 else n_classes
        X = as_csr(X) if issparse(X) else unit_columns(X)
        codes = codes.astype(np.int32)
        total = X.shape[0] if weights is None else float(weights.sum(dtype=np.float64))
        strength = 0.0 if np.isinf(C) else 1.0 / (C * total)
        scale = self.intercept_scaling if liblinear else np.inf  # b = scale * its coefficient, which is penalised
        objective = _Objective(
            X, codes, weights, K, strength * (1 - l1_ratio), fit_intercept=self.fit_intercept,
            intercept_l2=strength * (1 - l1_ratio) / scale**2,
        )  # fmt: skip
        start = np.zeros(objective.shape)
        if self.warm_start and hasattr(self, "coef_") and not liblinear:
            start[:, : objective.p] = self.coef_
            if self.fit_intercept:
                start[:, objective.p] = self.intercept_
        start = start.ravel()
        value, _ = objective(start)
        if not np.isfinite(value):
            assert_all_finite(X.data if issparse(X) else X, input_name="X", estimator_name=type(self).__name__)
        progress = Progress(self, self.verbose, self.max_iter)
        with serial_blas():
            coef, n_iter, message = self._minimise(
                objective, start, strength * l1_ratio, strength * l1_ratio / scale, progress
            )
        if message:
            warnings.warn(message, ConvergenceWarning, stacklevel=3)
        W, b = objective.split(coef)
        self.coef_ = np.ascontiguousarray(W, dtype=X.dtype)
        self.intercept_ = np.ascontiguousarray(b, dtype=X.dtype)
        self.n_iter_ = np.array([n_iter], dtype=np.int32)
        return self

    def _check_liblinear(self, X, n_classes):
        if n_classes > 2:
            raise ValueError(
                "The 'liblinear' solver does not support multiclass classification (n_classes >= 3). Either use another "
                "solver or wrap the estimator in a OneVsRestClassifier to keep applying a one-versus-rest scheme."
            )
        if X.size and 1e30 < X.max() < np.inf:
            raise ValueError(
                "Using the 'liblinear' solver while X contains a maximum value > 1e30 results in a frozen fit. Please choose "
                "another solver or rescale the input X."
            )

    def _penalty(self):
        """(penalty, C) after scikit-learn's rules, warnings and errors about solver, penalty, l1_ratio and dual."""
        if self.penalty == "deprecated":
            if self.l1_ratio is None:
                warnings.warn(
                    "'l1_ratio=None' was deprecated in version 1.8 and will trigger an error in 1.10. Use "
                    "0<=l1_ratio<=1 "
                    "instead.",
                    FutureWarning,
                    stacklevel=4,
                )
            penalty = {0: "l2", None: "l2", 1: "l1"}.get(self.l1_ratio, "elasticnet")
            if np.inf == self.C:
                penalty = None
        else:
            penalty = self.penalty
            warnings.warn(
                "'penalty' was deprecated in version 1.8 and will be removed in 1.10. To avoid this warning, leave "
                "'penalty' set to its default value and use 'l1_ratio' or 'C' instead. Use l1_ratio=0 instead of "
                "penalty='l2', l1_ratio=1 instead of penalty='l1', l1_ratio set to a float between 0 and 1 instead of "
                "penalty='elasticnet', and C=np.inf instead of penalty=None.",
                FutureWarning,
                stacklevel=4,
            )
        from_sklearn("linear_model._logistic._check_solver")(self.solver, penalty, self.dual)
        if penalty == "elasticnet" and self.l1_ratio is None:
            raise ValueError("l1_ratio must be specified when penalty is elasticnet.")
        if penalty != "elasticnet" and self.l1_ratio is not None and 0 < self.l1_ratio < 1:
            warnings.warn(
                f"l1_ratio parameter is only used when penalty is 'elasticnet'. Got (penalty={penalty})", stacklevel=4
            )
        if (self.penalty == "l2" and self.l1_ratio != 0) or (self.penalty == "l1" and self.l1_ratio != 1):
            warnings.warn(
                f"Inconsistent values: penalty={self.penalty} with l1_ratio={self.l1_ratio}. penalty is deprecated. "
                f"Please "
                "use l1_ratio only.",
                stacklevel=4,
            )
        if self.penalty is None and self.C != 1.0:
            warnings.warn("Setting penalty=None will ignore the C and l1_ratio parameters", stacklevel=4)
        return penalty, np.inf if penalty is None else self.C

    def _weights(self, X, y, codes, sample_weight):
        if sample_weight is None and self.class_weight is None:
            return None
        weights = check_sample_weight(sample_weight, X, dtype=X.dtype, copy=True)
        if self.class_weight is not None:
            each = compute_class_weight(self.class_weight, classes=self.classes_, y=y, sample_weight=sample_weight)
            weights *= each[codes].astype(X.dtype)
        return weights

    def _minimise(self, objective, start, l1, intercept_l1, progress):
        """(coef, iterations, warning or None)."""
        ran_out = "lbfgs failed to converge after {} iteration(s)"
        if l1 > 0:
            coef, n_iter, good = _orthant_wise(objective, start, l1, intercept_l1, self.tol, self.max_iter, progress)
            return coef, n_iter, None if good else "The max_iter was reached which means the coef_ did not converge"
        if self.solver.startswith("newton"):
            find_step = _by_cholesky if self.solver == "newton-cholesky" else _by_conjugate_gradients
            try:
                coef, n_iter, good = _newton(objective, start, self.tol, self.max_iter, progress, find_step)
            except linalg.LinAlgError as error:
                warnings.warn(
                    f"[LogisticRegression] {self.solver} stopped ({error}); going on with lbfgs",
                    linalg.LinAlgWarning,
                    stacklevel=4,
                )
            else:
                return coef, n_iter, None if good else f"{self.solver} did not converge in {self.max_iter} iterations"
        if self.max_iter == 0:
            return start, 0, ran_out.format(0)
        done = 0

        def report(intermediate_result):
            nonlocal done
            done += 1
            progress.step(done, loss=float(intermediate_result.fun))

        options = {"maxiter": self.max_iter, "maxls": 50, "gtol": self.tol, "ftol": 64 * np.finfo(float).eps}
        result = optimize.minimize(
            objective, start, method="L-BFGS-B", jac=True, options=options, callback=report if self.verbose else None
        )
        n_iter = min(result.nit, self.max_iter)
        if result.status == 0:
            return result.x, n_iter, None
        if result.status == 2 and objective.loss.dtype == np.float32:
            # The line search met the rounding of float32: the rest goes in float64.
            X = objective.X.astype(np.float64)
            weights = None if objective.weights is None else objective.weights.astype(np.float64)
            fine = _Objective(
                X, objective.y, weights, objective.K, objective.l2, fit_intercept=self.fit_intercept,
                intercept_l2=objective.intercept_l2,
            )  # fmt: skip
            options["maxiter"] = max(1, self.max_iter - n_iter)
            result = optimize.minimize(fine, result.x, method="L-BFGS-B", jac=True, options=options)
            n_iter = min(n_iter + result.nit, self.max_iter)
            if result.status == 0:
                return result.x, n_iter, None
        text = (
            f"{ran_out.format(n_iter)} (status={result.status}):\n{result.message}\n\nYou might also want to scale "
            f"the data "
            "as shown in:\n    https://scikit-learn.org/stable/modules/preprocessing.html\nPlease also refer to the "
            "documentation for alternative solver options:\n"
            "    https://scikit-learn.org/stable/modules/linear_model.html#logistic-regression"
        )
        return result.x, n_iter, text

    def predict_proba(self, X):
        """Probabilities of the classes: the logistic function of the score, or softmax for three classes and more.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        if plain_rows(self, X):
            coef = self.coef_
            if type(coef) is np.ndarray:
                out = row_predict(X, coef, self.intercept_, coef.shape[0], 2)
                if out is not None:
                    return out
        check_is_fitted(self)
        P = link(self._scores(X, 0))
        return np.hstack([1 - P, P]) if P.shape[1] == 1 else P

    def _compile(self, method):
        if method != "predict_proba":
            return LinearDecision._compile(self, method)
        coef = np.array(self.coef_.toarray() if issparse(self.coef_) else self.coef_)
        return _rows_function(coef, np.array(self.intercept_), flat=False, proba=True)
