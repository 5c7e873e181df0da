"""K-means with NumPy alone: Lloyd's two steps, and a start that spreads the centres."""

import numpy as np


def squared_distances(x, centres):
    """|x - c|^2 = |x|^2 - 2 x.c + |c|^2 for every row and centre: one matrix product instead of a cube of differences."""
    return (x**2).sum(axis=1)[:, None] - 2 * x @ centres.T + (centres**2).sum(axis=1)


def plus_plus(x, k, rng):
    """k-means++: each further centre is a row drawn with probability in proportion to its squared distance to the nearest."""
    centres = [x[rng.integers(len(x))]]
    nearest = ((x - centres[0]) ** 2).sum(axis=1)
    for _ in range(k - 1):
        centres.append(x[rng.choice(len(x), p=nearest / nearest.sum())])
        nearest = np.minimum(nearest, ((x - centres[-1]) ** 2).sum(axis=1))
    return np.array(centres)


def lloyd(x, centres, steps):
    """Assign every row to its nearest centre, move every centre to the mean of its rows; neither can raise the WCSS.

    Returns centres, labels and the within-cluster sum of squares (WCSS) before each move.
    """
    centres = centres.copy()
    history, previous = [], None
    for _ in range(steps):
        distance = squared_distances(x, centres)
        labels = distance.argmin(axis=1)
        history.append(float(distance[np.arange(len(x)), labels].sum()))
        if previous is not None and np.array_equal(labels, previous):
            break  # nothing moved: a local minimum
        for j in range(len(centres)):
            if np.any(labels == j):
                centres[j] = x[labels == j].mean(axis=0)
        previous = labels
    return centres, labels, history


def silhouette(x, labels):
    """Mean of (b - a) / max(a, b): a is the mean distance to the own cluster, b to the nearest other one."""
    distance = np.sqrt(np.maximum(squared_distances(x, x), 0))
    members = np.array([labels == j for j in np.unique(labels)])
    means = distance @ members.T / members.sum(axis=1)
    own = members.T
    size = members.sum(axis=1)[labels]
    a = means[own] * size / np.maximum(size - 1, 1)  # without the row itself
    b = np.where(own, np.inf, means).min(axis=1)
    return float(np.mean(np.where(size > 1, (b - a) / np.maximum(a, b), 0)))
