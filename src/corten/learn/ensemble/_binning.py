"""Values to at most 255 bins, and categories to codes."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from corten.learn._base import (
    check_array,
    check_feature_names,
    check_n_features,
    effective_threads,
    from_sklearn,
    validate_data,
)

__all__ = ["CategoryCodes", "bin_thresholds"]

SUBSAMPLE = 200_000
LARGEST = 1e300  # bounds stay finite, so that "infinite" can mean "all present values"


def column_thresholds(values, max_bins, weight=None):
    """Upper bounds of the bins of one column but the last: midpoints between few distinct values, else quantiles.

    Quantiles average the two neighbours where n q is whole (Hyndman and Fan 1996, type 2).
    """
    values = np.asarray(values)
    present = ~np.isnan(values)
    if weight is not None:
        present &= weight != 0
        weight = weight[present]
    if not present.all():
        values = values[present]
    ordered = np.sort(values)
    if not len(ordered):
        return np.empty(0)
    distinct = ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))].astype(np.float64)
    if len(distinct) == 1:
        return np.empty(0)
    if len(distinct) <= max_bins:
        bounds = distinct[:-1] / 2 + distinct[1:] / 2
    elif weight is None:
        place = np.arange(1, max_bins) * len(ordered)
        high, whole = place // max_bins, place % max_bins == 0
        upper = ordered[high].astype(np.float64)
        bounds = np.where(whole, (ordered[high - 1].astype(np.float64) + upper) / 2, upper)
    else:
        quantile = from_sklearn("utils.stats._weighted_percentile")
        percent = np.linspace(0, 100, max_bins + 1)[1:-1]
        values = values.astype(np.float64)
        bounds = np.array([quantile(values, weight, p, average=True) for p in percent])
    return np.clip(np.unique(bounds), None, LARGEST)


def bin_thresholds(X, max_bins, categorical, random_state, weight=None):
    """A list of :func:`column_thresholds`, with an empty array for categorical columns; from at most 200,000 rows."""
    if len(X) > SUBSAMPLE:
        chance = None if weight is None else weight / np.sum(weight)
        X = X.take(random_state.choice(len(X), SUBSAMPLE, p=chance, replace=True), axis=0)
        weight = None

    def one(f):
        return np.empty(0) if categorical[f] else column_thresholds(X[:, f], max_bins, weight)

    threads = effective_threads()
    if threads == 1 or X.size < 100_000:
        return [one(f) for f in range(X.shape[1])]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(X.shape[1])))


class CategoryCodes:
    """Replaces the categorical columns of a table by codes 0, 1, ... in the order of the sorted categories.

    Unknown and missing categories become NaN.

    Parameters
    ----------
    categorical : ndarray of bool of shape (n_features,)
    encoder : OrdinalEncoder or None
        A fitted one, when restored from a file.
    """

    def __init__(self, categorical, encoder=None):
        self.categorical = np.asarray(categorical, bool)
        self.encoder = encoder

    def _corten_state(self):
        return {"categorical": self.categorical, "encoder": self.encoder}

    def _corten_restore(self, state):
        self.__init__(**state)

    def fit_transform(self, estimator, X, max_bins):
        """Codes and numbers as float64, in the order of the columns; ValueError for more than ``max_bins`` categories."""
        X = self._check(estimator, X, True)
        part = self._part(X, self.categorical)
        self.encoder = from_sklearn("preprocessing.OrdinalEncoder")(
            handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan, dtype=np.float64
        ).fit(part)
        for place, (f, count) in enumerate(zip(np.flatnonzero(self.categorical), self.counts, strict=True)):
            if count > max_bins:
                names = getattr(self.encoder, "feature_names_in_", None)
                name = f"at index {f}" if names is None else repr(names[place])
                raise ValueError(
                    f"Categorical feature {name} is expected to have a cardinality <= {max_bins} but actually has a "
                    f"cardinality of {count}."
                )
        return self._assemble(X, part)

    def transform(self, estimator, X):
        """Codes and numbers of new rows, after checking names and number of columns."""
        X = self._check(estimator, X, False)
        return self._assemble(X, self._part(X, self.categorical))

    @staticmethod
    def _check(estimator, X, reset):
        """X with columns that can be taken apart: frames as they are, anything else as an array."""
        check_feature_names(estimator, X, reset=reset)
        check_n_features(estimator, X, reset=reset)
        if hasattr(X, "columns") or isinstance(X, np.ndarray):
            return X
        return check_array(X, dtype=None, ensure_all_finite=False)

    @property
    def counts(self):
        """Number of categories of each categorical column, the missing one not counted."""
        nan = from_sklearn("utils._missing.is_scalar_nan")
        return [len(c) - (len(c) > 0 and nan(c[-1])) for c in self.encoder.categories_]

    @staticmethod
    def _part(X, mask):
        return from_sklearn("utils._safe_indexing")(X, np.flatnonzero(mask), axis=1)

    def _assemble(self, X, part):
        codes = self.encoder.transform(part)
        out = np.empty((len(codes), len(self.categorical)), order="F")
        out[:, self.categorical] = codes
        if not self.categorical.all():
            out[:, ~self.categorical] = check_array(
                self._part(X, ~self.categorical), dtype=[np.float64], ensure_all_finite=False
            )
        return out


def numbers(estimator, X, reset):
    """X as float32 or float64, NaN and infinities allowed."""
    return validate_data(estimator, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=False)
