"""Linear support vector machines."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from scipy import linalg

from .._base import (
    ClassifierMixin,
    ConvergenceWarning,
    Estimator,
    Interval,
    Progress,
    RegressorMixin,
    StrOptions,
    check_classification_targets,
    check_is_fitted,
    check_random_state,
    check_sample_weight,
    compute_class_weight,
    fit_context,
    validate_data,
)  # fmt: skip
from ..linear_model._predict import LinearDecision, LinearPredictor
from ._coordinate import descend, descend_joint

_DENSE_NEWTON = 200  # features up to which forming the Hessian beats conjugate gradients


def _newton(X, target, C, bias, epsilon, tol, max_iter, report):
    r"""Minimise :math:`\tfrac12 |w|^2 + \sum_i C_i \ell(w^T x_i)^2` by Newton's method on its generalised Hessian.

    With ``epsilon`` None, l = max(0, 1 - y w'x); else max(0, |w'x - y| - epsilon). The objective is piecewise quadratic,
    so a handful of steps reach the optimum (Mangasarian 2002; Keerthi and DeCoste 2005). Returns (w of d + 1,
    iterations, converged).
    """
    n, d = X.shape
    sparse = sp.issparse(X)

    def scores(v):
        return np.asarray(X @ v[:d]).ravel() + bias * v[d]

    def back(r):
        return np.append(np.asarray(X.T @ r).ravel(), bias * r.sum())

    def loss(score):
        """Slack of each sample and the derivative's sign."""
        if epsilon is None:
            return np.maximum(0, 1 - target * score), -target
        gap = score - target
        return np.maximum(0, np.abs(gap) - epsilon), np.sign(gap)

    w = np.zeros(d + 1)
    score = np.zeros(n)
    slack, sign = loss(score)
    value = float(C @ slack**2)
    first = None
    for iteration in range(max_iter):
        gradient = w + back(2 * C * slack * sign)
        if not bias:
            gradient[d] = 0
        norm = float(np.linalg.norm(gradient))
        first = norm if first is None else first
        report(iteration, objective=value, gradient=norm)
        if norm <= tol * first or norm == 0:
            return w, max(iteration, 1), True
        active = slack > 0
        part, curve = X[active], (2 * C)[active]
        if not sparse and d <= _DENSE_NEWTON:
            scaled = part * curve[:, None]
            hessian = np.empty((d + 1, d + 1))
            hessian[:d, :d] = part.T @ scaled
            hessian[d, :d] = hessian[:d, d] = bias * scaled.sum(axis=0)
            hessian[d, d] = bias * bias * curve.sum()
            hessian[np.arange(d + 1), np.arange(d + 1)] += 1
            step = linalg.solve(hessian, -gradient, assume_a="pos")
        else:
            step = _conjugate(part, curve, bias, -gradient, min(0.1, np.sqrt(norm / first)))
        moved = scores(step)
        slope = float(gradient @ step)
        size = 1.0
        for _ in range(60):
            new_slack, new_sign = loss(score + size * moved)
            trial = w + size * step
            new_value = 0.5 * float(trial @ trial) + float(C @ new_slack**2)
            if new_value <= value + 1e-4 * size * slope:
                break
            size /= 2
        else:
            return w, iteration + 1, True  # no further descent in this arithmetic
        w, score, slack, sign, value = trial, score + size * moved, new_slack, new_sign, new_value
    return w, max_iter, False


def _conjugate(X, curve, bias, b, tol):
    """Conjugate gradients for (I + Z^T diag(curve) Z) x = b with Z = [X, bias], to a residual of ``tol`` times |b|.

    The diagonal is the preconditioner: columns of unlike scales would take many more steps.
    """
    d = X.shape[1]
    squares = X.multiply(X).T @ curve if sp.issparse(X) else np.einsum("i,ij,ij->j", curve, X, X)
    diagonal = 1 + np.append(squares, bias * bias * curve.sum())

    def product(v):
        r = curve * (X @ v[:d] + bias * v[d])
        return v + np.append(X.T @ r, bias * r.sum())

    x, r = np.zeros_like(b), b.copy()
    z = r / diagonal
    p, rz = z.copy(), float(r @ z)
    stop = tol * float(np.linalg.norm(b))
    for _ in range(10 * len(b)):
        if np.linalg.norm(r) <= stop:
            break
        q = product(p)
        a = rz / float(p @ q)
        x += a * p
        r -= a * q
        z = r / diagonal
        new = float(r @ z)
        p = z + (new / rz) * p
        rz = new
    return x


class _LinearMachine(Estimator):
    """Shared by LinearSVC and LinearSVR."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _bias(self):
        if not self.fit_intercept:
            return 0.0
        if self.intercept_scaling <= 0:
            raise ValueError(
                f"Intercept scaling is {self.intercept_scaling!r} but needs to be greater than 0. To disable fitting an "
                "intercept, set fit_intercept=False."
            )
        return float(self.intercept_scaling)

    def _report(self):
        return Progress(self, self.verbose, self.max_iter).step

    def _warn(self, converged):
        if not converged:
            warnings.warn(
                "Liblinear failed to converge, increase the number of iterations.", ConvergenceWarning, stacklevel=3
            )


class LinearSVC(ClassifierMixin, LinearDecision, _LinearMachine):
    """Linear support vector classification, one machine for each class against the rest.

    The dual forms are solved by coordinate descent with shrinking, the l1 penalty by coordinate descent on the weights,
    the smooth primal by Newton's method. The intercept is the weight of a constant feature and is penalised with the
    others, as in liblinear.

    Parameters
    ----------
    penalty : {'l1', 'l2'}, default='l2'
    loss : {'hinge', 'squared_hinge'}, default='squared_hinge'
    dual : 'auto' or bool, default='auto'
    tol : float, default=1e-4
    C : float, default=1.0
    multi_class : {'ovr', 'crammer_singer'}, default='ovr'
        'crammer_singer' fits one machine for all classes at once; ``penalty``, ``loss`` and ``dual`` are ignored then.
    fit_intercept : bool, default=True
    intercept_scaling : float, default=1.0
    class_weight : dict or 'balanced', default=None
    verbose : int, default=0
    random_state : int, RandomState instance or None, default=None
        Order of the coordinates.
    max_iter : int, default=1000

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) for two classes, else (n_classes, n_features)
    intercept_ : ndarray of shape (1,) or (n_classes,)
    classes_, n_iter_, n_features_in_, feature_names_in_

    References
    ----------
    Hsieh, Chang, Lin, Keerthi and Sundararajan, "A dual coordinate descent method for large-scale linear SVM" (2008).
    Fan, Chang, Hsieh, Wang and Lin, "LIBLINEAR" (2008). Yuan, Chang, Hsieh and Lin (2010) for the l1 penalty. Crammer and
    Singer (2001) and Keerthi et al. (2008) for all classes at once.

    Examples
    --------
    >>> from corten.learn.svm import LinearSVC
    >>> LinearSVC(random_state=0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]).predict([[0.2], [2.9]])
    array([0, 1])
    """

    _parameter_constraints: dict = {
        "penalty": [StrOptions({"l1", "l2"})],
        "loss": [StrOptions({"hinge", "squared_hinge"})],
        "dual": ["boolean", StrOptions({"auto"})],
        "tol": [Interval(Real, 0.0, None, closed="neither")],
        "C": [Interval(Real, 0.0, None, closed="neither")],
        "multi_class": [StrOptions({"ovr", "crammer_singer"})],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [None, dict, StrOptions({"balanced"})],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self, penalty="l2", loss="squared_hinge", *, dual="auto", tol=1e-4, C=1.0, multi_class="ovr",
        fit_intercept=True, intercept_scaling=1, class_weight=None, verbose=0, random_state=None, max_iter=1000,
    ):  # fmt: skip
        self.penalty = penalty
        self.loss = loss
        self.dual = dual
        self.tol = tol
        self.C = C
        self.multi_class = multi_class
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.verbose = verbose
        self.random_state = random_state
        self.max_iter = max_iter

    def _solver(self, X):
        """'dual', 'primal' or 'sparse'."""
        allowed = {
            ("l2", "hinge"): {True: "dual"},
            ("l2", "squared_hinge"): {True: "dual", False: "primal"},
            ("l1", "squared_hinge"): {False: "sparse"},
        }.get((self.penalty, self.loss))
        if allowed is None:
            reason = f"The combination of penalty='{self.penalty}' and loss='{self.loss}' is not supported"
            dual = self.dual
        else:
            dual = self.dual
            if isinstance(dual, str):
                preferred = X.shape[0] < X.shape[1]
                dual = preferred if preferred in allowed else not preferred
            if dual in allowed:
                return allowed[dual]
            reason = (
                f"The combination of penalty='{self.penalty}' and loss='{self.loss}' are not supported when dual={dual}"
            )
        raise ValueError(
            f"Unsupported set of arguments: {reason}, Parameters: penalty={self.penalty!r}, loss={self.loss!r}, "
            f"dual={dual!r}"
        )

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit to X (n_samples, n_features), dense or CSR, and classes y (n_samples,)."""
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=np.float64, order="C", accept_large_sparse=False
        )
        check_classification_targets(y)
        solver = "joint" if self.multi_class == "crammer_singer" else self._solver(X)
        self.classes_, codes = np.unique(y, return_inverse=True)
        k = len(self.classes_)
        if k < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data contains only one class: "
                f"{self.classes_[0]!r}"
            )
        weight = check_sample_weight(sample_weight, X, dtype=np.float64)
        factors = compute_class_weight(self.class_weight, classes=self.classes_, y=y, sample_weight=sample_weight)
        bias = self._bias()
        random = check_random_state(self.random_state)
        if solver == "joint":
            C = self.C * weight * factors[codes]
            seed = random.randint(np.iinfo("i").max)
            found, self.n_iter_, converged = descend_joint(X, codes, C, k, bias, self.tol, self.max_iter, seed, self._report())
            self._keep(found[1:] - found[:1] if k == 2 else found, bias, converged)
            return self
        columns = None
        if solver == "sparse":
            ones = np.full((X.shape[0], 1), bias)
            if sp.issparse(X):
                columns = sp.csr_matrix((sp.hstack([X, ones]) if bias else X).T)
            else:
                columns = np.ascontiguousarray((np.hstack([X, ones]) if bias else X).T)
        coefs, iterations, converged = [], [], True
        for c in [1] if k == 2 else range(k):
            sign = np.where(codes == c, 1.0, -1.0)
            # against the rest, the weight of the other classes is one, as in liblinear; two classes both have theirs
            factor = np.where(codes == c, factors[c], factors[0] if k == 2 else 1.0)
            C = self.C * weight * factor
            seed = random.randint(np.iinfo("i").max)
            w, n_iter, ok = self._one(solver, X, columns, sign, C, bias, seed)
            coefs.append(w)
            iterations.append(n_iter)
            converged &= ok
        self.n_iter_ = int(max(iterations))
        self._keep(np.array(coefs, dtype=np.float64), bias, converged)
        return self

    def _keep(self, found, bias, converged):
        """Store weights (n_machines, n_features + 1), the last one of the constant feature."""
        self.coef_ = found[:, :-1].copy()
        self.intercept_ = bias * found[:, -1] if bias else 0.0
        self._warn(converged)

    def _one(self, solver, X, columns, sign, C, bias, seed):
        if solver == "primal":
            w, n_iter, ok = _newton(X, sign, C, bias, None, min(self.tol, 1e-4), self.max_iter, self._report())
            return w, n_iter, ok
        if solver == "sparse":
            w, n_iter, ok = descend("sparse", columns, sign, C, None, 0.0, self.tol, self.max_iter, seed, report=self._report())
            return (w if bias else np.append(w, 0.0)), n_iter, ok
        keep = C > 0
        if self.loss == "hinge":
            upper, diag = C, np.zeros_like(C)
        else:
            upper, diag = np.where(keep, np.inf, 0.0), 0.5 / np.where(keep, C, 1.0)
        return descend("classify", X, sign, upper, diag, bias, self.tol, self.max_iter, seed, report=self._report())

    def sparsify(self):
        """Turn ``coef_`` into CSR."""
        check_is_fitted(self)
        self.coef_ = sp.csr_matrix(self.coef_)
        return self

    def densify(self):
        """Turn ``coef_`` back into an array."""
        check_is_fitted(self)
        if sp.issparse(self.coef_):
            self.coef_ = self.coef_.toarray()
        return self


class LinearSVR(RegressorMixin, LinearPredictor, _LinearMachine):
    """Linear support vector regression.

    Parameters
    ----------
    epsilon : float, default=0.0
    tol : float, default=1e-4
    C : float, default=1.0
    loss : {'epsilon_insensitive', 'squared_epsilon_insensitive'}, default='epsilon_insensitive'
    fit_intercept : bool, default=True
    intercept_scaling : float, default=1.0
    dual : 'auto' or bool, default='auto'
    verbose : int, default=0
    random_state : int, RandomState instance or None, default=None
    max_iter : int, default=1000

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    intercept_ : ndarray of shape (1,)
    n_iter_, n_features_in_, feature_names_in_

    References
    ----------
    Ho and Lin, "Large-scale linear support vector regression" (2012).

    Examples
    --------
    >>> import numpy as np
    >>> from corten.learn.svm import LinearSVR
    >>> X = np.linspace(-1, 1, 50)[:, None]
    >>> LinearSVR(C=100.0, random_state=0, max_iter=100000).fit(X, 3 * X[:, 0]).coef_.round(2)
    array([3.])
    """

    _parameter_constraints: dict = {
        "epsilon": [Real],
        "tol": [Interval(Real, 0.0, None, closed="neither")],
        "C": [Interval(Real, 0.0, None, closed="neither")],
        "loss": [StrOptions({"epsilon_insensitive", "squared_epsilon_insensitive"})],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "dual": ["boolean", StrOptions({"auto"})],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self, *, epsilon=0.0, tol=1e-4, C=1.0, loss="epsilon_insensitive", fit_intercept=True, intercept_scaling=1.0,
        dual="auto", verbose=0, random_state=None, max_iter=1000,
    ):  # fmt: skip
        self.epsilon = epsilon
        self.tol = tol
        self.C = C
        self.loss = loss
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.dual = dual
        self.verbose = verbose
        self.random_state = random_state
        self.max_iter = max_iter

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit to X (n_samples, n_features), dense or CSR, and targets y (n_samples,)."""
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=np.float64, order="C", accept_large_sparse=False, y_numeric=True
        )
        squared = self.loss == "squared_epsilon_insensitive"
        dual = (X.shape[0] < X.shape[1] or not squared) if isinstance(self.dual, str) else self.dual
        if not dual and not squared:
            raise ValueError(
                "Unsupported set of arguments: The combination of penalty='l2' and "
                f"loss='{self.loss}' are not supported when dual={dual}, Parameters: penalty='l2', loss={self.loss!r}, "
                f"dual={dual!r}"
            )
        y = np.asarray(y, dtype=np.float64)
        C = self.C * check_sample_weight(sample_weight, X, dtype=np.float64)
        bias = self._bias()
        seed = check_random_state(self.random_state).randint(np.iinfo("i").max)
        if not dual:
            w, self.n_iter_, ok = _newton(X, y, C, bias, self.epsilon, min(self.tol, 1e-4), self.max_iter, self._report())
        else:
            keep = C > 0
            upper = np.where(keep, np.inf, 0.0) if squared else C
            diag = 0.5 / np.where(keep, C, 1.0) if squared else np.zeros_like(C)
            w, self.n_iter_, ok = descend(
                "regress", X, y, upper, diag, bias, self.tol, self.max_iter, seed, self.epsilon, self._report()
            )
        d = X.shape[1]
        self.coef_ = np.array(w[:d], dtype=np.float64)
        self.intercept_ = np.array([bias * w[d]]) if bias else 0.0
        self._warn(ok)
        return self
