"""A support vector machine with NumPy alone: kernels, and sequential minimal optimisation of the dual."""

import numpy as np


def linear(a, b):
    """x . z: the plane itself."""
    return a @ b.T


def polynomial(a, b, degree=3, gamma=1.0, shift=1.0):
    """(gamma x . z + shift)^degree: all products of up to so many columns, without making them."""
    return (gamma * a @ b.T + shift) ** degree


def rbf(a, b, gamma=1.0):
    """exp(-gamma |x - z|^2): near rows count, far ones do not."""
    distance = (a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1)
    return np.exp(-gamma * np.maximum(distance, 0))


def fit(kernel_matrix, y, c, tolerance=1e-3, steps=200_000):
    """Solve the dual by SMO. Labels y are -1 and 1. Returns alpha, b and the objective.

    min 1/2 a'Qa - sum a with Q_ij = y_i y_j K_ij, 0 <= a <= C, y'a = 0. Each step takes the pair that violates the optimality
    conditions most and moves both along the line y'a = const, which has a closed form.
    """
    n = len(y)
    alpha = np.zeros(n)
    gradient = -np.ones(n)  # of the objective: Qa - 1
    diagonal = np.diag(kernel_matrix)
    for _ in range(steps):
        up = ((y > 0) & (alpha < c)) | ((y < 0) & (alpha > 0))
        low = ((y > 0) & (alpha > 0)) | ((y < 0) & (alpha < c))
        score = -y * gradient
        i = int(np.argmax(np.where(up, score, -np.inf)))
        j = int(np.argmin(np.where(low, score, np.inf)))
        if score[i] - score[j] < tolerance:
            break  # no pair violates: the minimum
        curvature = max(diagonal[i] + diagonal[j] - 2 * kernel_matrix[i, j], 1e-12)
        t = (score[i] - score[j]) / curvature
        t = min(t, c - alpha[i] if y[i] > 0 else alpha[i], alpha[j] if y[j] > 0 else c - alpha[j])
        alpha[i] += y[i] * t
        alpha[j] -= y[j] * t
        gradient += t * y * (kernel_matrix[:, i] - kernel_matrix[:, j])
    b = (score[up].max() + score[low].min()) / 2  # between what both sides ask for
    return alpha, float(b), float(alpha @ (gradient - 1) / 2)
