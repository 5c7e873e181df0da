"""Naive Bayes: counting by scikit-learn's rules, statistics and log densities in native passes."""

import numpy as np

from corten.learn._base import Estimator, from_sklearn, plain_rows
from corten.learn.linear_model._kernels import row_predict
from corten.learn.linear_model._moments import unit_columns
from corten.learn.linear_model._predict import linear_scores
from corten.learn.preprocessing._kernels import gauss
from corten.learn.preprocessing._scale import column_moments

__all__ = ["BernoulliNB", "GaussianNB", "MultinomialNB"]


class GaussianNB(Estimator, from_sklearn("naive_bayes.GaussianNB")):
    r"""Naive Bayes with a normal density for each class and column.

    .. math:: \log P(c) - \frac12 \sum_j \left(\log 2 \pi \sigma_{cj}^2 + (x_j - \theta_{cj})^2 / \sigma_{cj}^2\right)

    Parameters
    ----------
    priors, var_smoothing
        As in :class:`sklearn.naive_bayes.GaussianNB`.

    Attributes
    ----------
    class_count_, class_prior_ : ndarray of shape (n_classes,)
    theta_, var_ : ndarray of shape (n_classes, n_features)
    epsilon_ : float

    Examples
    --------
    >>> import numpy as np
    >>> GaussianNB().fit(np.array([[-1.0], [-2.0], [1.0], [2.0]]), [0, 0, 1, 1]).predict([[0.8]])
    array([1])
    """

    @staticmethod
    def _update_mean_variance(n_past, mu, var, X, sample_weight=None):
        if X.shape[0] == 0:
            return mu, var
        if X.dtype not in (np.float32, np.float64):
            X = X.astype(np.float64)
        weight, mean, variance, _, _ = column_moments(X, sample_weight)
        n_new = float(weight[0])
        if np.isclose(n_new, 0.0):
            return mu, var
        if n_past == 0:
            return mean, variance
        total = n_past + n_new
        squares = n_past * var + n_new * variance + (n_new * n_past / total) * (mu - mean) ** 2
        return (n_new * mean + n_past * mu) / total, squares / total

    def _joint_log_likelihood(self, X):
        if X.dtype not in (np.float32, np.float64):
            X = X.astype(np.float64)
        with np.errstate(divide="ignore"):
            constant = np.log(self.class_prior_) - 0.5 * np.sum(np.log(2.0 * np.pi * self.var_), axis=1)
        mean = np.ascontiguousarray(self.theta_, dtype=X.dtype)
        inverse = np.ascontiguousarray(1 / self.var_, dtype=X.dtype)
        return gauss(unit_columns(X), mean, inverse, np.ascontiguousarray(constant, dtype=np.float64))


class MultinomialNB(Estimator, from_sklearn("naive_bayes.MultinomialNB")):
    """Naive Bayes for counts, dense or CSR.

    Parameters
    ----------
    alpha, force_alpha, fit_prior, class_prior
        As in :class:`sklearn.naive_bayes.MultinomialNB`.

    Attributes
    ----------
    class_count_, class_log_prior_ : ndarray of shape (n_classes,)
    feature_count_, feature_log_prob_ : ndarray of shape (n_classes, n_features)

    Examples
    --------
    >>> import numpy as np
    >>> MultinomialNB().fit(np.array([[2, 0], [0, 2]]), [0, 1]).predict([[1, 0]])
    array([0])
    """

    def predict(self, X):
        """The class of each row of X (n_samples, n_features)."""
        if plain_rows(self, X) and len(self.classes_) > 1:
            out = row_predict(X, self.feature_log_prob_, self.class_log_prior_, len(self.classes_), 1, self.classes_)
            if out is not None:
                return out
        return super().predict(X)

    def _joint_log_likelihood(self, X):
        return linear_scores(X, self.feature_log_prob_, self.class_log_prior_)


class BernoulliNB(Estimator, from_sklearn("naive_bayes.BernoulliNB")):
    """Naive Bayes for binary columns, dense or CSR.

    Parameters
    ----------
    alpha, force_alpha, binarize, fit_prior, class_prior
        As in :class:`sklearn.naive_bayes.BernoulliNB`.

    Attributes
    ----------
    class_count_, class_log_prior_ : ndarray of shape (n_classes,)
    feature_count_, feature_log_prob_ : ndarray of shape (n_classes, n_features)

    Examples
    --------
    >>> import numpy as np
    >>> BernoulliNB().fit(np.array([[1, 0], [0, 1]]), [0, 1]).predict([[1, 0]])
    array([0])
    """

    def _joint_log_likelihood(self, X):
        absent = np.log(1 - np.exp(self.feature_log_prob_))
        return linear_scores(X, self.feature_log_prob_ - absent, self.class_log_prior_ + absent.sum(axis=1))
