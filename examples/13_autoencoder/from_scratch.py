"""An autoencoder with NumPy alone: one hidden layer, forward and backward by hand, and the variational bound."""

import numpy as np


def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def forward(x, weights):
    """z = tanh(x W1' + b1), the code; y = sigmoid(z W2' + b2), the picture again."""
    w1, b1, w2, b2 = weights
    z = np.tanh(x @ w1.T + b1)
    return z, sigmoid(z @ w2.T + b2)


def gradients(x, weights):
    """Mean squared error over all pixels, and its gradient by each weight."""
    _, _, w2, _ = weights
    z, y = forward(x, weights)
    dy = 2 * (y - x) / x.size * y * (1 - y)  # through the sigmoid
    dz = dy @ w2 * (1 - z**2)  # through tanh
    return float(np.mean((y - x) ** 2)), [dz.T @ x, dz.sum(axis=0), dy.T @ z, dy.sum(axis=0)]


def step(x, weights, rate):
    """One step of gradient descent; the loss before it."""
    loss, grads = gradients(x, weights)
    for w, g in zip(weights, grads, strict=True):
        w -= rate * g
    return loss


def kl_to_standard_normal(mean, log_variance):
    """KL(N(mean, variance) || N(0, 1)) = 1/2 sum (variance + mean^2 - 1 - log variance), summed over columns."""
    return 0.5 * np.sum(np.exp(log_variance) + mean**2 - 1 - log_variance, axis=1)
