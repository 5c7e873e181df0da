"""Principal components with NumPy alone: the covariance and its eigenvectors, by a solver and by power iteration."""

import numpy as np


def covariance(x):
    """C = X'X / (n - 1) of the centred columns."""
    centred = x - x.mean(axis=0)
    return centred.T @ centred / (len(x) - 1)


def components(x, k):
    """The k directions of largest variance as rows, and their variances: C v = lambda v, largest lambda first."""
    values, vectors = np.linalg.eigh(covariance(x))
    order = np.argsort(values)[::-1][:k]
    return signs(vectors[:, order].T), values[order]


def power_iteration(x, k, steps, rng):
    """The same by repeated multiplication: C^m v turns towards the largest eigenvector; then take it out and go on."""
    c = covariance(x)
    found, values = [], []
    for _ in range(k):
        v = rng.normal(size=len(c))
        for _ in range(steps):
            v = c @ v
            v /= np.linalg.norm(v)
        value = v @ c @ v
        found.append(v)
        values.append(value)
        c = c - value * np.outer(v, v)  # deflation: its variance is zero from now on
    return signs(np.array(found)), np.array(values)


def signs(rows):
    """A direction and its opposite are the same component: make the largest entry positive."""
    largest = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
    return rows * np.sign(largest)[:, None]


def project(x, mean, rows):
    """Coordinates along the components: (x - mean) V'."""
    return (x - mean) @ rows.T


def reconstruct(z, mean, rows):
    """Back: mean + z V, the nearest point that the components can reach."""
    return mean + z @ rows
