"""Support vector classification with kernels."""

from __future__ import annotations

import warnings
from itertools import combinations
from numbers import Real

import numpy as np
import scipy.sparse as sp

from .._base import (
    ClassifierMixin,
    Hidden,
    Interval,
    NotFittedError,
    StrOptions,
    available_if,
    check_classification_targets,
    check_is_fitted,
    column_or_1d,
    compute_class_weight,
)  # fmt: skip
from ._machine import BaseKernelMachine, num_samples
from ._platt import couple, pair_probability, sigmoid_fit


def _warn_prob(name):
    warnings.warn(
        f"Attribute `{name}` was deprecated in version 1.9 and will be removed in 1.11 as the `probability=True` option"
        " for SVC and NuSVC was deprecated in 1.9.",
        FutureWarning,
        stacklevel=3,
    )


class _BaseSVC(ClassifierMixin, BaseKernelMachine):
    """One machine for each pair of classes."""

    _parameter_constraints: dict = {
        **BaseKernelMachine._parameter_constraints,
        "probability": ["boolean", Hidden(StrOptions({"deprecated"}))],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "random_state": ["random_state"],
        "decision_function_shape": [StrOptions({"ovr", "ovo"})],
        "break_ties": ["boolean"],
    }

    def _validate_targets(self, y):
        values = column_or_1d(y, warn=True)
        check_classification_targets(y)
        classes, codes = np.unique(values, return_inverse=True)
        self.class_weight_ = compute_class_weight(self.class_weight, classes=classes, y=values)
        if len(classes) < 2:
            raise ValueError(
                f"The number of classes has to be greater than one; got {len(classes)} class"
            )
        self.classes_ = classes
        return codes

    def _check_settings(self):
        if self.probability != "deprecated":
            name = type(self).__name__
            warnings.warn(
                "The `probability` parameter was deprecated in 1.9 and will be removed in version 1.11. "
                f"Use `CalibratedClassifierCV({name}(), ensemble=False)` instead of `{name}(probability=True)`",
                FutureWarning,
                stacklevel=3,
            )

    def _fit_machines(self, X, y, weight, chosen, seed):
        k = len(self.classes_)
        members = [chosen[y[chosen] == c] for c in range(k)]
        self._check_members(members, weight)
        sizes = [m.size for m in members]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        order = np.concatenate(members)
        coef = np.zeros((k - 1, order.size))
        rho, iterations, converged = [], [], True
        probabilities = self.probability is True
        prob_a, prob_b = [], []
        random = np.random.RandomState(seed)
        for i, j in combinations(range(k), 2):
            if not (sizes[i] and sizes[j]):  # a class without weight: that machine always says the other
                rho.append(0.0)
                iterations.append(0)
                prob_a.append(0.0)
                prob_b.append(0.0)
                continue
            index = np.concatenate([members[i], members[j]])
            sign = np.r_[np.ones(sizes[i]), -np.ones(sizes[j])]
            factor = np.r_[
                weight[members[i]] * self._class_factor(i), weight[members[j]] * self._class_factor(j)
            ]
            part = self._subset(X, index)
            if probabilities:
                a, b = self._platt(part, sign, factor, random)
                prob_a.append(a)
                prob_b.append(b)
            found = self._pair(part, sign, factor)
            coef[j - 1, starts[i] : starts[i + 1]] = found.coef[: sizes[i]]
            coef[i, starts[j] : starts[j + 1]] = found.coef[sizes[i] :]
            rho.append(found.rho)
            iterations.append(found.n_iter)
            converged &= found.converged
        used = np.flatnonzero((coef != 0).any(axis=0))
        counts = [int(np.count_nonzero((used >= starts[c]) & (used < starts[c + 1]))) for c in range(k)]
        self._keep(X, order[used], counts, coef[:, used], rho)
        if k == 2:  # the second class is the positive one
            self.intercept_ = -self._intercept_
            self.dual_coef_ = -self._dual_coef_
        self._probA = np.array(prob_a if probabilities else [], dtype=np.float64)
        self._probB = np.array(prob_b if probabilities else [], dtype=np.float64)
        self.n_iter_ = np.array(iterations, dtype=np.int32)
        self.fit_status_ = int(not converged)

    def _platt(self, X, sign, factor, random):
        """A and B of the sigmoid, from decision values of five-fold cross-validation."""
        n = len(sign)
        order = random.permutation(n)
        decision = np.empty(n)
        for fold in range(5):
            test = order[fold * n // 5 : (fold + 1) * n // 5]
            train = np.setdiff1d(order, test, assume_unique=True)
            if np.unique(sign[train]).size < 2:
                decision[test] = 0.0 if not train.size else sign[train[0]]
                continue
            found = self._pair(self._subset(X, train), sign[train], factor[train])
            if self.kernel == "precomputed" or callable(self.kernel):
                values = X[np.ix_(test, train)] @ found.coef
            else:
                at = np.flatnonzero(found.coef)
                rows = self._kernel_rows(X[train[at]], np.float64)
                values = np.concatenate(
                    [rows.block(X[test[s : s + 512]]) @ found.coef[at] for s in range(0, test.size, 512)]
                ) if at.size and test.size else np.zeros(test.size)  # fmt: skip
            decision[test] = values - found.rho
        return sigmoid_fit(decision, sign > 0)

    def _pair_decisions(self, X):
        """Values of the machines of all pairs (i, j), i < j; positive for i. Shape (n_samples, n_pairs)."""
        X = self._validate_for_predict(X)
        k = len(self.classes_)
        ends = np.concatenate([[0], np.cumsum(self._n_support)])
        coef = self._dense_coef()
        values = np.empty((num_samples(X), k * (k - 1) // 2))
        for rows, kernel in self._kernel_blocks(X):
            sums = [kernel[:, ends[c] : ends[c + 1]] @ coef[:, ends[c] : ends[c + 1]].T for c in range(k)]
            for pair, (i, j) in enumerate(combinations(range(k), 2)):
                values[rows, pair] = sums[i][:, j - 1] + sums[j][:, i] + self._intercept_[pair]
        return values

    def decision_function(self, X):
        """Distance to the separating surfaces.

        Parameters
        ----------
        X : {array-like, CSR} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) for two classes; else (n_samples, n_classes) with
        ``decision_function_shape="ovr"``, or (n_samples, n_classes * (n_classes - 1) / 2) with "ovo"
        """
        values = self._pair_decisions(X)
        if len(self.classes_) == 2:
            return -values.ravel()
        if self.decision_function_shape == "ovo":
            return values
        k = len(self.classes_)
        votes, sums = np.zeros((len(values), k)), np.zeros((len(values), k))
        for value, (i, j) in zip(values.T, combinations(range(k), 2), strict=True):
            sums[:, i] += value
            sums[:, j] -= value
            votes[:, i] += value >= 0
            votes[:, j] += value < 0
        return votes + sums / (3 * (np.abs(sums) + 1))  # the sums, within a third, settle equal votes

    def predict(self, X):
        """Class of each row of X, shape (n_samples,)."""
        check_is_fitted(self)
        if self.break_ties and self.decision_function_shape == "ovo":
            raise ValueError("break_ties must be False when decision_function_shape is 'ovo'")
        k = len(self.classes_)
        if self.break_ties and k > 2:
            return self.classes_[np.argmax(self.decision_function(X), axis=1)]
        values = self._pair_decisions(X)
        votes = np.zeros((len(values), k), dtype=np.int64)
        for value, (i, j) in zip(values.T, combinations(range(k), 2), strict=True):
            votes[:, i] += value > 0
            votes[:, j] += value <= 0
        return self.classes_[np.argmax(votes, axis=1)]

    def _has_probability(self):
        if self.probability == "deprecated" or not self.probability:
            raise AttributeError("predict_proba is not available when probability=False")
        return True

    @available_if(_has_probability)
    def predict_proba(self, X):
        """Probabilities of the classes, shape (n_samples, n_classes); needs ``probability=True`` at the fit."""
        check_is_fitted(self)
        if self._probA.size == 0:
            raise NotFittedError("predict_proba is not available when fitted with probability=False")
        values = self._pair_decisions(X)
        k = len(self.classes_)
        probability = pair_probability(values, self._probA, self._probB)
        if k == 2:
            return np.hstack([probability, 1 - probability])
        pairs = np.zeros((len(values), k, k))
        first, second = np.triu_indices(k, 1)
        pairs[:, first, second] = probability
        pairs[:, second, first] = 1 - probability
        return couple(pairs, k)

    @available_if(_has_probability)
    def predict_log_proba(self, X):
        """Logarithms of :meth:`predict_proba`."""
        return np.log(self.predict_proba(X))

    @property
    def probA_(self):
        """Slopes of Platt's sigmoids, one for each pair; empty with ``probability=False``."""
        _warn_prob("probA_")
        return self._probA

    @property
    def probB_(self):
        """Offsets of Platt's sigmoids."""
        _warn_prob("probB_")
        return self._probB

    def _primal_coef(self):
        if len(self.classes_) == 2:
            return self.dual_coef_ @ self.support_vectors_
        ends = np.concatenate([[0], np.cumsum(self._n_support)])
        coef, sv, k = self._dual_coef_, self.support_vectors_, len(self.classes_)
        found = []
        for i, j in combinations(range(k), 2):
            own, other = slice(ends[i], ends[i + 1]), slice(ends[j], ends[j + 1])
            found.append(coef[[j - 1]][:, own] @ sv[own] + coef[[i]][:, other] @ sv[other])
        return sp.vstack(found).tocsr() if sp.issparse(found[0]) else np.vstack(found)


class SVC(_BaseSVC):
    r"""Support vector classification.

    For each pair of classes, :math:`\min_\alpha \tfrac12 \alpha^T Q \alpha - \sum_i \alpha_i` with
    :math:`0 \le \alpha_i \le C_i`, :math:`y^T \alpha = 0`, :math:`Q_{ij} = y_i y_j K(x_i, x_j)`.

    The solver works on sets of about a thousand variables: their kernel rows come from one blocked product, the small
    problem is solved by second-order sequential minimal optimisation, then the gradient of all variables is updated
    from the same rows. At most ``cache_size`` MB of kernel rows are held, never the kernel matrix. Results are the same
    for any number of threads.

    Parameters
    ----------
    C : float, default=1.0
        Bound of the coefficients; the inverse of regularisation.
    kernel : {'linear', 'poly', 'rbf', 'sigmoid', 'precomputed'} or callable, default='rbf'
        A callable gets (X, Y) and returns the matrix of their kernel values.
    degree : int, default=3
        Of 'poly'.
    gamma : {'scale', 'auto'} or float, default='scale'
        Coefficient of 'rbf', 'poly' and 'sigmoid'; 'scale' is ``1 / (n_features * X.var())``, 'auto' ``1 / n_features``.
    coef0 : float, default=0.0
        Constant of 'poly' and 'sigmoid'.
    shrinking : bool, default=True
        Accepted for compatibility: the working sets already leave settled variables out, with either setting.
    probability : bool, default='deprecated'
        Fit Platt's sigmoids by five-fold cross-validation; deprecated as in scikit-learn 1.9.
    tol : float, default=1e-3
        Largest violation of the optimality conditions at the end.
    cache_size : float, default=200
        Megabytes of kernel rows.
    class_weight : dict or 'balanced', default=None
        Factors of C for each class.
    verbose : bool, default=False
    max_iter : int, default=-1
        Most pair steps, -1 for no limit.
    decision_function_shape : {'ovr', 'ovo'}, default='ovr'
    break_ties : bool, default=False
    random_state : int, RandomState instance or None, default=None
        Folds of ``probability``.

    Attributes
    ----------
    support_ : ndarray of shape (n_SV,), int32
        Indices of the support vectors, by class.
    support_vectors_ : ndarray or CSR of shape (n_SV, n_features)
    n_support_ : ndarray of shape (n_classes,), int32
    dual_coef_ : ndarray or CSR of shape (n_classes - 1, n_SV)
    intercept_ : ndarray of shape (n_classes * (n_classes - 1) / 2,)
    coef_ : with a linear kernel
    classes_, class_weight_, fit_status_, n_iter_, n_features_in_, feature_names_in_, shape_fit_, probA_, probB_

    References
    ----------
    Fan, Chen and Lin, "Working set selection using second order information for training SVM" (2005). Chang and Lin,
    "LIBSVM" (2011). Platt (1999) for probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from corten.learn.svm import SVC
    >>> X = np.array([[-1, -1], [-2, -1], [1, 1], [2, 1]])
    >>> SVC().fit(X, [1, 1, 2, 2]).predict([[-0.8, -1]])
    array([1])
    """

    _parameter_constraints: dict = {
        **_BaseSVC._parameter_constraints,
        "C": [Interval(Real, 0.0, None, closed="right")],
    }

    def __init__(
        self, *, C=1.0, kernel="rbf", degree=3, gamma="scale", coef0=0.0, shrinking=True, probability="deprecated",
        tol=1e-3, cache_size=200, class_weight=None, verbose=False, max_iter=-1, decision_function_shape="ovr",
        break_ties=False, random_state=None,
    ):  # fmt: skip
        self.C = C
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.shrinking = shrinking
        self.probability = probability
        self.tol = tol
        self.cache_size = cache_size
        self.class_weight = class_weight
        self.verbose = verbose
        self.max_iter = max_iter
        self.decision_function_shape = decision_function_shape
        self.break_ties = break_ties
        self.random_state = random_state

    def _check_members(self, members, weight):
        if sum(m.size > 0 for m in members) < 2:
            raise ValueError(
                "Invalid input - all samples with positive weights belong to the same class."
            )

    def _class_factor(self, c):
        return self.class_weight_[c]

    def _pair(self, X, sign, factor):
        return self._c_svc(X, sign, self.C * factor)


class NuSVC(_BaseSVC):
    """Support vector classification with a bound on the share of errors.

    As :class:`SVC`, but ``nu`` in (0, 1] bounds the share of margin errors from above and of support vectors from below.

    Parameters
    ----------
    nu : float, default=0.5
    kernel, degree, gamma, coef0, shrinking, probability, tol, cache_size, class_weight, verbose, max_iter,
    decision_function_shape, break_ties, random_state
        As in :class:`SVC`.

    Attributes
    ----------
    support_, support_vectors_, n_support_, dual_coef_, intercept_, coef_, classes_, class_weight_, fit_status_, n_iter_
        As in :class:`SVC`.

    References
    ----------
    Scholkopf, Smola, Williamson and Bartlett, "New support vector algorithms" (2000).

    Examples
    --------
    >>> import numpy as np
    >>> from corten.learn.svm import NuSVC
    >>> X = np.array([[-1, -1], [-2, -1], [1, 1], [2, 1]])
    >>> NuSVC().fit(X, [1, 1, 2, 2]).predict([[-0.8, -1]])
    array([1])
    """

    _parameter_constraints: dict = {
        **_BaseSVC._parameter_constraints,
        "nu": [Interval(Real, 0.0, 1.0, closed="right")],
    }

    def __init__(
        self, *, nu=0.5, kernel="rbf", degree=3, gamma="scale", coef0=0.0, shrinking=True, probability="deprecated",
        tol=1e-3, cache_size=200, class_weight=None, verbose=False, max_iter=-1, decision_function_shape="ovr",
        break_ties=False, random_state=None,
    ):  # fmt: skip
        self.nu = nu
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.shrinking = shrinking
        self.probability = probability
        self.tol = tol
        self.cache_size = cache_size
        self.class_weight = class_weight
        self.verbose = verbose
        self.max_iter = max_iter
        self.decision_function_shape = decision_function_shape
        self.break_ties = break_ties
        self.random_state = random_state

    def _check_members(self, members, weight):
        totals = [weight[m].sum() for m in members]
        if any(self.nu * (a + b) / 2 > min(a, b) for a, b in combinations(totals, 2)):
            raise ValueError("specified nu is infeasible")

    def _class_factor(self, c):
        return 1.0  # the programme knows the weights of samples alone

    def _pair(self, X, sign, factor):
        return self._nu_svc(X, sign, factor, self.nu)
