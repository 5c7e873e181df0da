"""Values to at most 255 bins."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from corten.learn._base import effective_threads, from_sklearn, validate_data

__all__ = ["bin_thresholds", "numbers"]

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


def numbers(estimator, X, reset):
    """X as float32 or float64, NaN and infinities allowed."""
    return validate_data(estimator, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=False)
