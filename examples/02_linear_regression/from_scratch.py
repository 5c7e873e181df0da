"""Least squares with NumPy alone, three ways to the same minimum, and the two measures of a fit."""

import numpy as np


def with_ones(x):
    """A column of ones in front: its weight is the intercept."""
    return np.column_stack([np.ones(len(x)), x])


def normal_equations(x, y):
    """Solve (A'A) w = A'y: where the gradient 2 A'(A w - y) of the squared error is zero."""
    a = with_ones(x)
    return np.linalg.solve(a.T @ a, a.T @ y)


def orthogonal(x, y):
    """A = QR with orthonormal columns in Q turns |A w - y| into |R w - Q'y|: no A'A, so half the digits are not lost."""
    q, r = np.linalg.qr(with_ones(x))
    w = np.zeros(r.shape[1])
    for i in reversed(range(len(w))):  # back substitution: R is upper triangular
        w[i] = (q[:, i] @ y - r[i, i + 1 :] @ w[i + 1 :]) / r[i, i]
    return w


def gradient_descent(x, y, steps):
    """Walk downhill. Returns the weights and the mean squared error before each step.

    The step is 1/L with L the largest curvature (eigenvalue of 2 A'A / n): a longer one than 2/L diverges.
    """
    a = with_ones(x)
    n = len(a)
    w = np.zeros(a.shape[1])
    rate = 1 / np.linalg.eigvalsh(2 * a.T @ a / n)[-1]
    history = []
    for _ in range(steps):
        error = a @ w - y
        history.append(float(error @ error / n))
        w -= rate * 2 * a.T @ error / n
    return w, history


def predict(w, x):
    """y = b + x w."""
    return w[0] + x @ w[1:]


def mse(y, predicted):
    """Mean squared error, in squared units of y."""
    return float(np.mean((y - predicted) ** 2))


def r2(y, predicted):
    """Share of the variance of y that the prediction explains: 1 is perfect, 0 is no better than the mean."""
    return 1 - float(np.sum((y - predicted) ** 2) / np.sum((y - y.mean()) ** 2))
