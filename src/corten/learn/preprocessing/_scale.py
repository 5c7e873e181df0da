"""Scalers: affine maps of columns."""

import numpy as np

from corten.learn._base import (
    Estimator,
    assert_all_finite,
    check_array,
    check_is_fitted,
    check_sample_weight,
    fit_context,
    from_sklearn,
    get_config,
    issparse,
    plain_rows,
    validate_data,
)
from corten.learn.linear_model._moments import unit_columns
from corten.learn.preprocessing._kernels import affine, column_stats, row_affine

__all__ = ["MinMaxScaler", "RobustScaler", "StandardScaler"]

_FLOATS = [np.float64, np.float32]


def column_moments(X, weights=None):
    """(weight, mean, variance, low, high) of the columns of X, NaN left out, in float64 from one pass."""
    X = unit_columns(X)
    step = max(1, len(X) // 256)
    with np.errstate(all="ignore"):
        sample = np.where(np.isfinite(X[::step]), X[::step], 0)
        shift = sample.mean(axis=0, dtype=np.float64).astype(X.dtype)
        shift[~np.isfinite(shift)] = 0
        weights = None if weights is None else np.ascontiguousarray(weights, dtype=X.dtype)
        weight, total, squares, low, high = column_stats(X, weights, shift)
        off = total / weight
        variance = np.maximum(squares / weight - off * off, 0)
        mean = shift + off
        variance[low == high] = 0  # a constant column has none, whatever the rounding
        mean[low == high] = low[low == high]
    return weight, mean, variance, low, high


def map_columns(estimator, X, a, b, *, forward, inplace=False, clip=None):
    """Apply the map and reject infinities; X was validated but for them."""
    a = None if a is None else np.ascontiguousarray(a, dtype=X.dtype)
    b = None if b is None else np.ascontiguousarray(b, dtype=X.dtype)
    source = unit_columns(X)
    if inplace and not get_config()["assume_finite"]:
        assert_all_finite(X, allow_nan=True, input_name="X", estimator_name=type(estimator).__name__)
    inplace = inplace and source is X and X.flags.writeable
    out, infinite = affine(source, a, b, forward, X if inplace else None, clip)
    if infinite and not get_config()["assume_finite"]:
        assert_all_finite(X, allow_nan=True, input_name="X", estimator_name=type(estimator).__name__)
    return out


class StandardScaler(Estimator, from_sklearn("preprocessing.StandardScaler")):
    r"""Standardise columns: :math:`z = (x - \bar x) / s`.

    Mean and variance come from one pass over the data, NaN left out; transforming is one pass too. Sparse data is
    scaled by scikit-learn's code.

    Parameters
    ----------
    copy, with_mean, with_std
        As in :class:`sklearn.preprocessing.StandardScaler`.

    Attributes
    ----------
    mean_, var_, scale_ : ndarray of shape (n_features,) or None
    n_samples_seen_ : int or ndarray of shape (n_features,)

    Examples
    --------
    >>> import numpy as np
    >>> StandardScaler().fit_transform(np.array([[0.0], [2.0]]))
    array([[-1.],
           [ 1.]])
    """

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Add the rows of X (n_samples, n_features) to the statistics; returns self."""
        if issparse(X) or not (self.with_mean or self.with_std):
            return super().partial_fit(X, y, sample_weight)
        first = not hasattr(self, "n_samples_seen_")
        X = validate_data(self, X, dtype=_FLOATS, ensure_all_finite=False, reset=first)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X, dtype=X.dtype)
        weight, mean, variance, low, high = column_moments(X, sample_weight)
        if np.isinf(low[low <= high]).any() or np.isinf(high[low <= high]).any():
            assert_all_finite(X, allow_nan=True, input_name="X", estimator_name=type(self).__name__)
        if sample_weight is None:
            weight = weight.astype(np.int64)
        else:
            weight = weight.astype(X.dtype)
        if not first:
            before = np.broadcast_to(np.asarray(self.n_samples_seen_), weight.shape)
            mean, variance = _merge(before, self.mean_, self.var_, weight, mean, variance)
            weight = before + weight
        self.mean_ = mean
        self.var_ = variance if self.with_std else None
        self.n_samples_seen_ = weight[0] if weight.max() == weight.min() else weight
        self.scale_ = None
        if self.with_std:
            data = "preprocessing._data."
            constant = from_sklearn(data + "_is_constant_feature")(variance, mean, self.n_samples_seen_)
            handle = from_sklearn(data + "_handle_zeros_in_scale")
            self.scale_ = handle(np.sqrt(variance), copy=False, constant_mask=constant)
        return self

    def transform(self, X, copy=None):
        """Standardised X (n_samples, n_features), of the same dtype if it was floating."""
        if plain_rows(self, X) and copy is not False and self.copy:
            out = row_affine(X, self.mean_ if self.with_mean else None, self.scale_ if self.with_std else None, True)
            if out is not None:
                return out
        if issparse(X):
            return super().transform(X, copy)
        check_is_fitted(self)
        copy = self.copy if copy is None else copy
        X = validate_data(self, X, reset=False, dtype=_FLOATS, ensure_all_finite=False)
        mean, scale = self.mean_ if self.with_mean else None, self.scale_ if self.with_std else None
        return map_columns(self, X, mean, scale, forward=True, inplace=not copy)

    def inverse_transform(self, X, copy=None):
        """The data that :meth:`transform` maps to X (n_samples, n_features)."""
        if issparse(X):
            return super().inverse_transform(X, copy)
        check_is_fitted(self)
        copy = self.copy if copy is None else copy
        X = check_array(X, dtype=_FLOATS, ensure_all_finite=False)
        mean, scale = self.mean_ if self.with_mean else None, self.scale_ if self.with_std else None
        return map_columns(self, X, mean, scale, forward=False, inplace=not copy)

    def _compile(self, method):
        if method != "transform":
            return None
        mean = None if not self.with_mean else np.array(self.mean_, dtype=np.float64)
        scale = None if not self.with_std else np.array(self.scale_, dtype=np.float64)

        def rows(X):
            out = row_affine(X, mean, scale, True) if X.shape[0] == 1 and X.dtype.char == "d" else None
            if out is None:
                casts = [None if v is None else v.astype(X.dtype, copy=False) for v in (mean, scale)]
                out = affine(X, *casts, True)[0]
            return out

        return rows


def _merge(n_a, mean_a, var_a, n_b, mean_b, var_b):
    """Mean and variance of two sets together (Chan, Golub, LeVeque 1983); a set without values changes nothing."""
    n = np.maximum(n_a + n_b, np.finfo(np.float64).tiny)
    mean_a, mean_b = np.where(n_a > 0, mean_a, 0), np.where(n_b > 0, mean_b, 0)
    mean = (n_a * mean_a + n_b * mean_b) / n
    if var_a is None:
        return mean, var_b
    squares = n_a * np.where(n_a > 0, var_a, 0) + n_b * np.where(n_b > 0, var_b, 0)
    return mean, (squares + (mean_a - mean_b) ** 2 * (n_a * n_b / n)) / n


class MinMaxScaler(Estimator, from_sklearn("preprocessing.MinMaxScaler")):
    """Scale columns to a range by their extremes.

    Parameters
    ----------
    feature_range, copy, clip
        As in :class:`sklearn.preprocessing.MinMaxScaler`.

    Attributes
    ----------
    min_, scale_, data_min_, data_max_, data_range_ : ndarray of shape (n_features,)
    n_samples_seen_ : int

    Examples
    --------
    >>> import numpy as np
    >>> MinMaxScaler().fit_transform(np.array([[1.0], [2.0], [3.0]])).ravel()
    array([0. , 0.5, 1. ])
    """

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """Add the rows of X (n_samples, n_features) to the extremes; returns self."""
        low, high = self.feature_range
        if low >= high:
            raise ValueError(
                f"Minimum of desired feature range must be smaller than maximum. Got {self.feature_range}."
            )
        if issparse(X):
            return super().partial_fit(X, y)  # raises
        first = not hasattr(self, "n_samples_seen_")
        X = validate_data(self, X, reset=first, dtype=_FLOATS, ensure_all_finite=False)
        _, _, _, smallest, largest = column_stats(unit_columns(X), None, np.zeros(X.shape[1], dtype=X.dtype))
        empty = smallest > largest
        if np.isinf(smallest[~empty]).any() or np.isinf(largest[~empty]).any():
            assert_all_finite(X, allow_nan=True, input_name="X", estimator_name=type(self).__name__)
        smallest[empty] = largest[empty] = np.nan
        if first:
            self.n_samples_seen_ = len(X)
        else:
            smallest, largest = np.minimum(self.data_min_, smallest), np.maximum(self.data_max_, largest)
            self.n_samples_seen_ += len(X)
        self.data_min_, self.data_max_, self.data_range_ = smallest, largest, largest - smallest
        low, high = X.dtype.type(low), X.dtype.type(high)
        handle = from_sklearn("preprocessing._data._handle_zeros_in_scale")
        self.scale_ = (high - low) / handle(self.data_range_, copy=True)
        self.min_ = low - smallest * self.scale_
        return self

    def transform(self, X):
        """Scaled X (n_samples, n_features), of the same dtype if it was floating."""
        if plain_rows(self, X) and self.copy and not self.clip:
            out = row_affine(X, self.min_, self.scale_, False)
            if out is not None:
                return out
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=_FLOATS, ensure_all_finite=False)
        clip = self.feature_range if self.clip else None
        return map_columns(self, X, self.min_, self.scale_, forward=False, inplace=not self.copy, clip=clip)

    def inverse_transform(self, X):
        """The data that :meth:`transform` maps to X (n_samples, n_features)."""
        check_is_fitted(self)
        X = check_array(X, dtype=_FLOATS, ensure_all_finite=False)
        return map_columns(self, X, self.min_, self.scale_, forward=True, inplace=not self.copy)


class RobustScaler(Estimator, from_sklearn("preprocessing.RobustScaler")):
    """Scale columns by median and interquartile range.

    Quantiles are NumPy's, which select in linear time; the map is native.

    Parameters
    ----------
    with_centering, with_scaling, quantile_range, copy, unit_variance
        As in :class:`sklearn.preprocessing.RobustScaler`.

    Attributes
    ----------
    center_, scale_ : ndarray of shape (n_features,) or None

    Examples
    --------
    >>> import numpy as np
    >>> RobustScaler().fit_transform(np.array([[1.0], [2.0], [3.0]])).ravel()
    array([-1.,  0.,  1.])
    """

    def transform(self, X):
        """Scaled X (n_samples, n_features), of the same dtype if it was floating."""
        if plain_rows(self, X) and self.copy:
            center, scale = self.center_ if self.with_centering else None, self.scale_ if self.with_scaling else None
            out = row_affine(X, center, scale, True)
            if out is not None:
                return out
        if issparse(X):
            return super().transform(X)
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False, ensure_all_finite=False)
        center, scale = self.center_ if self.with_centering else None, self.scale_ if self.with_scaling else None
        return map_columns(self, X, center, scale, forward=True, inplace=not self.copy)

    def inverse_transform(self, X):
        """The data that :meth:`transform` maps to X (n_samples, n_features)."""
        if issparse(X):
            return super().inverse_transform(X)
        check_is_fitted(self)
        X = check_array(X, dtype=_FLOATS, ensure_all_finite=False)
        center, scale = self.center_ if self.with_centering else None, self.scale_ if self.with_scaling else None
        return map_columns(self, X, center, scale, forward=False, inplace=not self.copy)
