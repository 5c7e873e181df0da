"""The preparation of a table with NumPy alone. Each step learns on the training part and is applied to both."""

import numpy as np


def split(n, share, seed):
    """Shuffled row numbers of a training and a test part."""
    order = np.random.default_rng(seed).permutation(n)
    held = int(n * share)
    return order[held:], order[:held]


def medians(x):
    """The value that replaces a hole in each column: the median of what is there."""
    return np.array([np.median(column[~np.isnan(column)]) for column in x.T])


def impute(x, values):
    """Fill the holes."""
    return np.where(np.isnan(x), values, x)


def standardise(train, x):
    """z = (x - mean) / deviation: mean 0 and deviation 1 on the training part."""
    deviation = train.std(axis=0)
    return (x - train.mean(axis=0)) / np.where(deviation == 0, 1, deviation)


def normalise(train, x):
    """(x - min) / (max - min): the training part lies in [0, 1]."""
    low, high = train.min(axis=0), train.max(axis=0)
    return (x - low) / np.where(high == low, 1, high - low)


def robust(train, x):
    """(x - median) / (Q3 - Q1): a few huge values move neither."""
    q1, q2, q3 = np.percentile(train, [25, 50, 75], axis=0)
    return (x - q2) / np.where(q3 == q1, 1, q3 - q1)


def fences(x, factor=1.5):
    """Tukey's fences [Q1 - f IQR, Q3 + f IQR] of each column; holes do not count."""
    q1, q3 = np.nanpercentile(x, [25, 75], axis=0)
    return q1 - factor * (q3 - q1), q3 + factor * (q3 - q1)


def one_hot(train, values):
    """A column of 0 and 1 for each category of the training part; an unknown category is a row of zeros."""
    return (np.asarray(values)[:, None] == np.unique(train)[None, :]).astype(float)
