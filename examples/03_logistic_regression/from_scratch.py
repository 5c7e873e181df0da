"""Logistic regression with NumPy alone: the sigmoid, the cross-entropy, Newton's method, and what to count afterwards."""

import numpy as np


def sigmoid(z):
    """1 / (1 + exp(-z)), without overflow: exp only ever sees a number that is not positive."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def objective(w, b, x, y, strength):
    """Sum of the cross-entropies of all rows, and the penalty strength / 2 |w|^2.

    -y log p - (1 - y) log(1 - p) with p = sigmoid(z) is log(1 + exp(z)) - y z.
    """
    z = x @ w + b
    return float(np.sum(np.logaddexp(0, z) - y * z) + strength / 2 * w @ w)


def newton(x, y, strength, steps=30, tolerance=1e-10):
    """The minimum by Newton's method: each step solves H d = gradient, and the error squares from step to step.

    The gradient is X'(p - y) + strength w; the Hessian is X' diag(p (1 - p)) X + strength I. Returns weights, intercept and
    the objective before each step.
    """
    a = np.column_stack([np.ones(len(x)), x])
    penalty = np.full(a.shape[1], strength)
    penalty[0] = 0  # the intercept is free
    w = np.zeros(a.shape[1])
    history = []
    for _ in range(steps):
        history.append(objective(w[1:], w[0], x, y, strength))
        p = sigmoid(a @ w)
        gradient = a.T @ (p - y) + penalty * w
        hessian = (a * (p * (1 - p))[:, None]).T @ a + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        rate = 1.0
        while objective(w[1:] - rate * step[1:], w[0] - rate * step[0], x, y, strength) > history[-1]:
            rate /= 2  # far from the minimum a full step can overshoot
            if rate < 1e-8:
                return w[1:], w[0], history
        w -= rate * step
        if np.abs(step).max() < tolerance:
            break
    return w[1:], w[0], history


def confusion(y, predicted):
    """Counts: rows are the truth (0, 1), columns what was predicted."""
    return np.array([[np.sum((y == t) & (predicted == p)) for p in (0, 1)] for t in (0, 1)])


def scores(y, predicted):
    """Accuracy, precision, recall and F1 of class 1."""
    (tn, fp), (fn, tp) = confusion(y, predicted)
    precision = tp / max(tp + fp, 1)
    recall = tp / max(tp + fn, 1)
    return (tp + tn) / len(y), precision, recall, 2 * precision * recall / max(precision + recall, 1e-12)


def roc(y, p):
    """False and true positive rates as the threshold falls, and the area under them."""
    order = np.argsort(-p, kind="stable")
    hit = y[order] == 1
    last = np.append(np.diff(p[order]) != 0, True)  # rows of equal p fall together
    true = np.concatenate([[0], np.cumsum(hit)[last] / hit.sum()])
    false = np.concatenate([[0], np.cumsum(~hit)[last] / (~hit).sum()])
    return false, true, float(np.trapezoid(true, false))
