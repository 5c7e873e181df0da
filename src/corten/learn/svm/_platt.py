"""Probabilities from decision values: Platt's sigmoid for pairs, coupling of the pairs for many classes."""

from __future__ import annotations

import numpy as np


def sigmoid_fit(decision, positive):
    """A and B of P(y = 1 | f) = 1 / (1 + exp(A f + B)) by regularised maximum likelihood.

    Newton's method with backtracking (Lin, Lin and Weng, "A note on Platt's probabilistic outputs for support vector
    machines", 2007), targets smoothed by the prior counts.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = sigmoid_fit(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([False, False, True, True]))
    >>> a < 0
    True
    """
    n_pos = int(np.count_nonzero(positive))
    n_neg = len(decision) - n_pos
    target = np.where(positive, (n_pos + 1.0) / (n_pos + 2.0), 1.0 / (n_neg + 2.0))

    def loss(a, b):
        z = decision * a + b
        return float(np.sum(np.where(z >= 0, target * z, (target - 1) * z) + np.log1p(np.exp(-np.abs(z)))))

    a, b = 0.0, np.log((n_neg + 1.0) / (n_pos + 1.0))
    value = loss(a, b)
    for _ in range(100):
        p = _sigmoid(decision * a + b)
        weight = p * (1 - p)
        gap = target - p
        h11 = 1e-12 + float(np.sum(decision * decision * weight))
        h22 = 1e-12 + float(np.sum(weight))
        h21 = float(np.sum(decision * weight))
        g1, g2 = float(np.sum(decision * gap)), float(np.sum(gap))
        if abs(g1) < 1e-5 and abs(g2) < 1e-5:
            break
        det = h11 * h22 - h21 * h21
        da, db = -(h22 * g1 - h21 * g2) / det, -(-h21 * g1 + h11 * g2) / det
        slope = g1 * da + g2 * db
        step = 1.0
        while step >= 1e-10:
            new = loss(a + step * da, b + step * db)
            if new < value + 1e-4 * step * slope:
                a, b, value = a + step * da, b + step * db, new
                break
            step /= 2
        else:
            break
    return a, b


def _sigmoid(z):
    """1 / (1 + exp(z)), without overflow."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, e / (1 + e), 1 / (1 + e))


def pair_probability(decision, a, b):
    """P of the first class of a pair, kept away from 0 and 1."""
    return np.clip(_sigmoid(decision * a + b), 1e-7, 1 - 1e-7)


def couple(pairs, n_classes):
    """Class probabilities from pairwise ones.

    Minimises sum_{i<j} (r_ji p_i - r_ij p_j)^2 on the simplex (Wu, Lin and Weng, "Probability estimates for multi-class
    classification by pairwise coupling", 2004, second method), all samples at once.

    Parameters
    ----------
    pairs : ndarray of shape (n_samples, n_classes, n_classes)
        ``pairs[:, i, j]`` is P(i | i or j).
    n_classes : int
    """
    n = pairs.shape[0]
    k = n_classes
    Q = -np.swapaxes(pairs, 1, 2) * pairs
    for t in range(k):
        others = np.arange(k) != t
        Q[:, t, t] = np.sum(pairs[:, others, t] ** 2, axis=1)
    p = np.full((n, k), 1.0 / k)
    active = np.arange(n)
    for _ in range(max(100, k)):
        q = Q[active]
        cur = p[active]
        Qp = np.einsum("nij,nj->ni", q, cur)
        pQp = np.einsum("ni,ni->n", cur, Qp)
        keep = np.max(np.abs(Qp - pQp[:, None]), axis=1) >= 0.005 / k
        if not keep.any():
            break
        active, q, cur, Qp, pQp = active[keep], q[keep], cur[keep], Qp[keep], pQp[keep]
        for t in range(k):
            diff = (-Qp[:, t] + pQp) / q[:, t, t]
            cur[:, t] += diff
            pQp = (pQp + diff * (diff * q[:, t, t] + 2 * Qp[:, t])) / (1 + diff) ** 2
            Qp = (Qp + diff[:, None] * q[:, t, :]) / (1 + diff)[:, None]
            cur /= (1 + diff)[:, None]
        p[active] = cur
    return p
