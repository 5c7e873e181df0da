"""Filling in missing values."""

from corten.learn._base import Estimator, from_sklearn

__all__ = ["KNNImputer", "SimpleImputer"]


class SimpleImputer(Estimator, from_sklearn("impute.SimpleImputer")):
    """Replace missing values by the mean, median or most frequent value of the column, or by a constant.

    scikit-learn's algorithm, vectorised over the data.

    Parameters
    ----------
    missing_values, strategy, fill_value, copy, add_indicator, keep_empty_features
        As in :class:`sklearn.impute.SimpleImputer`.

    Attributes
    ----------
    statistics_ : ndarray of shape (n_features,)

    Examples
    --------
    >>> import numpy as np
    >>> SimpleImputer().fit_transform(np.array([[1.0], [np.nan], [3.0]])).ravel()
    array([1., 2., 3.])
    """


class KNNImputer(Estimator, from_sklearn("impute.KNNImputer")):
    """Replace missing values by the mean over the nearest rows that have the value.

    scikit-learn's algorithm: blocked distances by matrix products.

    Parameters
    ----------
    missing_values, n_neighbors, weights, metric, copy, add_indicator, keep_empty_features
        As in :class:`sklearn.impute.KNNImputer`.

    Attributes
    ----------
    indicator_ : MissingIndicator or None

    Examples
    --------
    >>> import numpy as np
    >>> KNNImputer(n_neighbors=1).fit_transform(np.array([[1.0, 1.0], [1.1, np.nan], [9.0, 9.0]]))[1]
    array([1.1, 1. ])
    """
