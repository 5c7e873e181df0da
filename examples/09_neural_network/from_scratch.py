"""A network with one hidden layer, forward and backward by hand, in NumPy."""

import numpy as np


class Network:
    """x -> x W1 + b1 -> ReLU -> h W2 + b2 -> softmax. Weights have shape (inputs, outputs)."""

    def __init__(self, sizes, rng, dtype=np.float64):
        inputs, hidden, outputs = sizes
        self.w1 = rng.normal(0, np.sqrt(2 / inputs), (inputs, hidden)).astype(dtype)  # He: keeps the variance through ReLU
        self.b1 = np.zeros(hidden, dtype)
        self.w2 = rng.normal(0, np.sqrt(1 / hidden), (hidden, outputs)).astype(dtype)
        self.b2 = np.zeros(outputs, dtype)

    def weights(self):
        """All of them, in order."""
        return [self.w1, self.b1, self.w2, self.b2]

    def forward(self, x):
        """Scores (B, outputs); what backward needs is kept."""
        self.x = x  # (B, inputs)
        self.z = x @ self.w1 + self.b1  # (B, hidden)
        self.h = np.maximum(self.z, 0)
        return self.h @ self.w2 + self.b2

    def loss(self, x, y):
        """Mean cross-entropy, -log of the probability of the right class, and its gradient by the scores.

        With p = softmax(s): dL/ds = (p - onehot(y)) / B.
        """
        s = self.forward(x)
        s = s - s.max(axis=1, keepdims=True)  # softmax does not change, exp cannot overflow
        log_p = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
        rows = np.arange(len(y))
        gradient = np.exp(log_p)
        gradient[rows, y] -= 1
        return float(-log_p[rows, y].mean()), gradient / len(y)

    def backward(self, gradient):
        """The gradient of the loss by each weight: the chain rule, layer by layer from the end."""
        dw2 = self.h.T @ gradient  # s = h W2 + b2
        db2 = gradient.sum(axis=0)
        dh = gradient @ self.w2.T
        dz = dh * (self.z > 0)  # ReLU passes what was positive
        dw1 = self.x.T @ dz  # z = x W1 + b1
        db1 = dz.sum(axis=0)
        return [dw1, db1, dw2, db2]

    def step(self, x, y, rate):
        """One step of gradient descent on a batch; the loss before it."""
        value, gradient = self.loss(x, y)
        for w, dw in zip(self.weights(), self.backward(gradient), strict=True):
            w -= rate * dw
        return value

    def predict(self, x):
        """The class with the highest score."""
        return self.forward(x).argmax(axis=1)


def numeric_gradient(network, x, y, weight, index, h=1e-5):
    """(L(w + h) - L(w - h)) / 2h for one weight: what the derivative is by definition."""
    kept = weight[index]
    weight[index] = kept + h
    above, _ = network.loss(x, y)
    weight[index] = kept - h
    below, _ = network.loss(x, y)
    weight[index] = kept
    return (above - below) / (2 * h)
