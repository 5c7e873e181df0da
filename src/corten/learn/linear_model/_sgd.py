"""Linear models by stochastic gradient descent."""

import numpy as np

from corten.learn._base import Progress, as_csr, check_random_state, from_sklearn, issparse
from corten.learn.linear_model._predict import LinearDecision, LinearPredictor
from corten.learn.linear_model._sgd_kernel import fit_sgd

__all__ = ["Perceptron", "SGDClassifier", "SGDRegressor"]

_MOST = np.iinfo(np.int32).max


def _descend(est, X, y, sample_weight, coef, intercept, average_coef, average_intercept, *, alpha, learning_rate,
             max_iter, weights, seed, held_out, score):  # fmt: skip
    """Call the kernel with an estimator's parameters."""
    X = as_csr(X) if issparse(X) else np.ascontiguousarray(X)
    dtype = X.dtype
    assert coef.dtype == dtype and coef.flags.c_contiguous
    progress = Progress(est, est.verbose, max_iter)
    return fit_sgd(
        X, np.ascontiguousarray(y, dtype=dtype), np.ascontiguousarray(sample_weight, dtype=dtype), coef, intercept,
        average_coef, average_intercept, loss=est.loss, epsilon=est.epsilon, penalty=est.penalty, alpha=alpha,
        l1_ratio=est._get_l1_ratio(), fit_intercept=est.fit_intercept, max_iter=max_iter,
        tol=-np.inf if est.tol is None else est.tol, shuffle=est.shuffle, seed=int(seed), weights=weights,
        rate=learning_rate, eta0=est.eta0, power_t=est.power_t, t=est.t_, average=float(est.average),
        held_out=np.ascontiguousarray(held_out, dtype=np.uint8) if np.any(held_out) else None,
        score=score if est.early_stopping else None, n_iter_no_change=int(est.n_iter_no_change),
        report=(lambda epoch, loss: progress.step(epoch, loss=loss)) if est.verbose else None,
    )  # fmt: skip


class _Classify:
    """The binary problems of a classifier, on the native loop."""

    def _fit_one(self, i, X, y, alpha, learning_rate, max_iter, weights, sample_weight, random_state, held_out=None):
        prepare = from_sklearn("linear_model._stochastic_gradient._prepare_fit_binary")
        labels, coef, intercept, average_coef, average_intercept = prepare(self, y, i, X.dtype, label_encode=False)
        rng = check_random_state(random_state)
        rng.randint(1, _MOST)  # the draw that scikit-learn's data set makes
        if held_out is None:
            held_out = self._make_validation_split(labels, sample_mask=sample_weight > 0)
        score = self._make_validation_score_cb(
            held_out, X, labels, sample_weight, classes=np.array([-1, 1], dtype=labels.dtype)
        )
        given, coef = coef, np.ascontiguousarray(coef)
        intercept, average_intercept, n_iter = _descend(
            self, X, labels, sample_weight, coef, float(intercept), average_coef, float(average_intercept), alpha=alpha,
            learning_rate=learning_rate, max_iter=max_iter, weights=weights, seed=rng.randint(_MOST), held_out=held_out,
            score=score,
        )  # fmt: skip
        if coef is not given:
            given[...] = coef
        if self.average:
            self._average_intercept[0 if len(self.classes_) == 2 else i] = average_intercept
        return given, intercept, n_iter

    def _averaged(self):
        return self.average > 0 and self.average <= self.t_ - 1

    def _fit_binary(self, X, y, alpha, sample_weight, learning_rate, max_iter):
        weights = (self._expanded_class_weight[1], self._expanded_class_weight[0])
        coef, intercept, self.n_iter_ = self._fit_one(
            1, X, y, alpha, learning_rate, max_iter, weights, sample_weight, self.random_state
        )
        self.t_ += self.n_iter_ * X.shape[0]
        if self._averaged():
            self.coef_, self.intercept_ = self._average_coef.reshape(1, -1), self._average_intercept
            return
        self.intercept_ = np.atleast_1d(intercept)
        self.coef_ = coef.reshape(1, -1)
        if self.average > 0:
            self.coef_, self._standard_intercept = self._standard_coef.reshape(1, -1), self.intercept_

    def _fit_multiclass(self, X, y, alpha, learning_rate, sample_weight, max_iter):
        held_out = self._make_validation_split(y, sample_mask=sample_weight > 0)
        seeds = check_random_state(self.random_state).randint(_MOST, size=len(self.classes_))
        self.n_iter_ = 0
        for i, seed in enumerate(seeds):
            weights = (self._expanded_class_weight[i], 1.0)
            _, self.intercept_[i], n_iter = self._fit_one(
                i, X, y, alpha, learning_rate, max_iter, weights, sample_weight, seed, held_out
            )
            self.n_iter_ = max(self.n_iter_, n_iter)
        self.t_ += self.n_iter_ * X.shape[0]
        if self._averaged():
            self.coef_, self.intercept_ = self._average_coef, self._average_intercept
        elif self.average > 0:
            self.coef_, self._standard_intercept = self._standard_coef, np.atleast_1d(self.intercept_)
            self.intercept_ = self._standard_intercept


class SGDClassifier(_Classify, LinearDecision, from_sklearn("linear_model.SGDClassifier")):
    """Linear classifier by stochastic gradient descent, one class against the rest.

    Draws the same order of rows as scikit-learn and takes the same steps, so coefficients agree for the same
    ``random_state`` up to rounding. Two judgements of an epoch differ: with ``early_stopping`` the weights are
    scored as they
    are, with their decay applied, and on sparse data a penalised objective counts all weights; either may stop at
    another
    epoch.

    Parameters
    ----------
    loss, penalty, alpha, l1_ratio, fit_intercept, max_iter, tol, shuffle, verbose, epsilon, n_jobs, random_state, \
learning_rate, eta0, power_t, early_stopping, validation_fraction, n_iter_no_change, class_weight, warm_start, average
        As in :class:`sklearn.linear_model.SGDClassifier`.

    Attributes
    ----------
    classes_, coef_, intercept_, n_iter_, t_
        As in :class:`sklearn.linear_model.SGDClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[-1.0], [-2.0], [1.0], [2.0]])
    >>> SGDClassifier(random_state=0).fit(X, [0, 0, 1, 1]).predict([[0.5]])
    array([1])
    """


class Perceptron(_Classify, LinearDecision, from_sklearn("linear_model.Perceptron")):
    """Rosenblatt's perceptron: stochastic gradient descent on the perceptron loss with a constant rate.

    Parameters
    ----------
    penalty, alpha, l1_ratio, fit_intercept, max_iter, tol, shuffle, verbose, eta0, n_jobs, random_state, \
early_stopping, \
validation_fraction, n_iter_no_change, class_weight, warm_start
        As in :class:`sklearn.linear_model.Perceptron`.

    Examples
    --------
    >>> import numpy as np
    >>> Perceptron().fit(np.array([[-1.0], [-2.0], [1.0], [2.0]]), [0, 0, 1, 1]).predict([[0.5]])
    array([1])
    """


class SGDRegressor(LinearPredictor, from_sklearn("linear_model.SGDRegressor")):
    """Linear regression by stochastic gradient descent.

    Draws the same order of rows as scikit-learn and takes the same steps.

    Parameters
    ----------
    loss, penalty, alpha, l1_ratio, fit_intercept, max_iter, tol, shuffle, verbose, epsilon, random_state, \
learning_rate, \
eta0, power_t, early_stopping, validation_fraction, n_iter_no_change, warm_start, average
        As in :class:`sklearn.linear_model.SGDRegressor`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> SGDRegressor(random_state=0).fit(x, 3 * x[:, 0]).coef_.round(1)
    array([2.7])
    """

    def _fit_regressor(self, X, y, alpha, loss, learning_rate, sample_weight, max_iter):
        if not hasattr(self, "t_"):
            self.t_ = 1.0
        held_out = self._make_validation_split(y, sample_mask=sample_weight > 0)
        score = self._make_validation_score_cb(held_out, X, y, sample_weight)
        rng = check_random_state(self.random_state)
        seed = rng.randint(0, _MOST)
        coef, intercept, average_coef, average_intercept = self.coef_, self.intercept_, None, np.zeros(1)
        if self.average:
            coef, intercept = self._standard_coef, self._standard_intercept
            average_coef, average_intercept = self._average_coef, self._average_intercept
        coef = np.ascontiguousarray(coef)
        intercept, average_intercept, self.n_iter_ = _descend(
            self, X, y, sample_weight, coef, float(intercept[0]), average_coef, float(average_intercept[0]),
            alpha=alpha,
            learning_rate=learning_rate, max_iter=max_iter, weights=(1.0, 1.0), seed=seed, held_out=held_out,
            score=score,
        )  # fmt: skip
        self.t_ += self.n_iter_ * X.shape[0]
        self.coef_, self.intercept_ = coef, np.atleast_1d(intercept)
        if self.average > 0:
            self._average_intercept, self._standard_intercept = (
                np.atleast_1d(average_intercept),
                np.atleast_1d(intercept),
            )
            self._standard_coef = coef
            if self.average <= self.t_ - 1.0:
                self.coef_, self.intercept_ = average_coef, self._average_intercept
