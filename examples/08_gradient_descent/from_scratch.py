"""Gradient descent with NumPy alone: all rows, one row or a few at a step, and what momentum and Adam change."""

import numpy as np


def loss(x, y, w, b):
    """Half the mean squared error."""
    return float(0.5 * np.mean((x @ w + b - y) ** 2))


def gradient(x, y, w, b):
    """Of the loss: X'(Xw + b - y) / n, and the mean residual for b."""
    residual = x @ w + b - y
    return x.T @ residual / len(x), residual.mean()


def descend(x, y, rate, passes, batch, seed):
    """Walk against the gradient of ``batch`` rows at a time, in a new order in every pass.

    ``batch = n`` is batch, 1 is stochastic, what lies between is mini-batch gradient descent. Returns weights, intercept and
    the loss over all rows before the first pass and after each.
    """
    order, draw = np.arange(len(x)), np.random.RandomState(seed)
    w, b = np.zeros(x.shape[1]), 0.0
    history = [loss(x, y, w, b)]
    for _ in range(passes):
        if batch < len(x):
            draw.shuffle(order)
        for start in range(0, len(x), batch):
            rows = order[start : start + batch]
            dw, db = gradient(x[rows], y[rows], w, b)
            w = w - rate * dw
            b = b - rate * db
        history.append(loss(x, y, w, b))
    return w, b, history


def path(slope, start, rate, steps, momentum=0.0):
    """Points on the way down a bowl; with momentum v <- m v + gradient, w <- w - rate v: a ball that keeps its speed."""
    w, v = np.array(start, float), np.zeros(len(start))
    points = [w]
    for _ in range(steps):
        v = momentum * v + slope(w)
        w = w - rate * v
        points.append(w)
    return np.array(points)


def adam_path(slope, start, rate, steps, beta1=0.9, beta2=0.999, eps=1e-8):
    """Adam: each coordinate's step is its mean gradient over the root of its mean square, so that all have one size."""
    w, m, v = np.array(start, float), 0.0, 0.0
    points = [w]
    for t in range(1, steps + 1):
        g = slope(w)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        w = w - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
        points.append(w)
    return np.array(points)
