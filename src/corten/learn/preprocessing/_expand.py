"""Polynomial features and bins."""

from corten.learn._base import Estimator, from_sklearn

__all__ = ["KBinsDiscretizer", "PolynomialFeatures"]


class PolynomialFeatures(Estimator, from_sklearn("preprocessing.PolynomialFeatures")):
    """All products of columns up to a degree.

    scikit-learn's algorithm, which builds each degree from the one before and is bound by writing its output.

    Parameters
    ----------
    degree, interaction_only, include_bias, order
        As in :class:`sklearn.preprocessing.PolynomialFeatures`.

    Attributes
    ----------
    n_output_features_ : int
    powers_ : ndarray of shape (n_output_features_, n_features)

    Examples
    --------
    >>> import numpy as np
    >>> PolynomialFeatures(2).fit_transform(np.array([[2.0, 3.0]]))
    array([[1., 2., 3., 4., 6., 9.]])
    """


class KBinsDiscretizer(Estimator, from_sklearn("preprocessing.KBinsDiscretizer")):
    """Bin continuous columns by width, quantile or one-dimensional k-means.

    scikit-learn's algorithm: sorting and binary search are already at the speed of memory.

    Parameters
    ----------
    n_bins, encode, strategy, quantile_method, dtype, subsample, random_state
        As in :class:`sklearn.preprocessing.KBinsDiscretizer`.

    Attributes
    ----------
    bin_edges_ : ndarray of shape (n_features,) of ndarrays
    n_bins_ : ndarray of shape (n_features,)

    Examples
    --------
    >>> import numpy as np
    >>> KBinsDiscretizer(2, encode="ordinal", strategy="uniform").fit_transform(np.array([[0.0], [1.0]])).ravel()
    array([0., 1.])
    """
