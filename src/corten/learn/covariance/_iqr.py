"""Outliers by interquartile ranges."""

import numbers

import numpy as np

from corten.learn._base import Estimator, Interval, OutlierMixin, check_is_fitted, fit_context, validate_data

__all__ = ["IQROutlierDetector"]


class IQROutlierDetector(OutlierMixin, Estimator):
    r"""Outliers by Tukey's fences: values outside :math:`[Q_1 - f (Q_3 - Q_1),\; Q_3 + f (Q_3 - Q_1)]`.

    A row is an outlier when more than ``max_outside`` of its columns lie outside their fences. NaN is taken as
    missing: it
    does not count, neither in the quartiles nor as an outlier.

    Source: J. W. Tukey, Exploratory Data Analysis, 1977.

    Parameters
    ----------
    factor : float, default=1.5
        :math:`f`, at least 0.
    quantile_range : tuple of two floats, default=(25.0, 75.0)
        The lower and upper quantile in percent.
    max_outside : int, default=0
        How many columns of an inlier may lie outside.

    Attributes
    ----------
    lower_, upper_ : ndarray of shape (n_features,)
        The fences.
    offset_ : float
        ``decision_function = score_samples - offset_``.
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0], [2.0], [3.0], [4.0], [50.0]])
    >>> IQROutlierDetector().fit_predict(X)
    array([ 1,  1,  1,  1, -1])
    """

    _parameter_constraints: dict = {
        "factor": [Interval(numbers.Real, 0, None, closed="left")],
        "quantile_range": [tuple, list],
        "max_outside": [Interval(numbers.Integral, 0, None, closed="left")],
    }

    def __init__(self, factor=1.5, *, quantile_range=(25.0, 75.0), max_outside=0):
        self.factor = factor
        self.quantile_range = quantile_range
        self.max_outside = max_outside

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Find the fences of the columns of X (n_samples, n_features); returns self.

        Raises ValueError for infinities, or a quantile range that does not rise within [0, 100].
        """
        low, high = self.quantile_range
        if not 0 <= low <= high <= 100:
            raise ValueError(
                f"[IQROutlierDetector] got quantile_range={self.quantile_range}, expected two rising numbers within "
                f"0 and 100"
            )
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan")
        missing = np.isnan(X).all(axis=0)
        quartiles = np.full((2, X.shape[1]), np.nan)
        if not missing.all():
            quartiles[:, ~missing] = np.nanpercentile(X[:, ~missing], [low, high], axis=0)
        reach = self.factor * (quartiles[1] - quartiles[0])
        self.lower_ = np.where(missing, -np.inf, quartiles[0] - reach)
        self.upper_ = np.where(missing, np.inf, quartiles[1] + reach)
        self.offset_ = -float(self.max_outside) - 0.5
        return self

    def outside(self, X):
        """Which values of X (n_samples, n_features) lie outside the fences, as a boolean array of its shape."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False, ensure_all_finite="allow-nan")
        return (self.lower_ > X) | (self.upper_ < X)

    def score_samples(self, X):
        """Minus the number of columns outside the fences, for each row of X (n_samples, n_features)."""
        return -self.outside(X).sum(axis=1).astype(np.float64)

    def decision_function(self, X):
        """``score_samples(X) - offset_``: negative for outliers, (n_samples,)."""
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """1 for inliers and -1 for outliers, for each row of X (n_samples, n_features)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
