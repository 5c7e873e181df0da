"""Activations with their derivatives, losses, regularisers and optimizers, one formula each, in NumPy."""

import math

import numpy as np

_erf = np.vectorize(math.erf)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


#: name -> (f, f')
ACTIVATIONS = {
    "sigmoid": (_sigmoid, lambda x: _sigmoid(x) * (1 - _sigmoid(x))),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(float)),
    "leaky_relu": (lambda x: np.where(x > 0, x, 0.01 * x), lambda x: np.where(x > 0, 1, 0.01)),
    "elu": (lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), lambda x: np.where(x > 0, 1, np.exp(np.minimum(x, 0)))),
    "softplus": (lambda x: np.logaddexp(0, x), _sigmoid),
    "silu": (lambda x: x * _sigmoid(x), lambda x: _sigmoid(x) * (1 + x * (1 - _sigmoid(x)))),
    "gelu": (
        lambda x: x * (1 + _erf(x / math.sqrt(2))) / 2,
        lambda x: (1 + _erf(x / math.sqrt(2))) / 2 + x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi),
    ),
}


def cross_entropy(scores, y):
    """-log softmax(scores)[y], the mean over rows."""
    s = scores - scores.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(s).sum(axis=1)) - s[np.arange(len(y)), y]))


def mean_squared(scores, y):
    """Against the one-hot class: the mean over rows and classes."""
    return float(np.mean((scores - np.eye(scores.shape[1])[y]) ** 2))


def hinge(scores, y):
    """Each wrong class must stay a margin of 1 below the right one: mean over rows of sum max(0, 1 - s_y + s_j) / classes."""
    gap = np.maximum(0, 1 - scores[np.arange(len(y)), y][:, None] + scores)
    gap[np.arange(len(y)), y] = 0
    return float(np.mean(gap.sum(axis=1) / scores.shape[1]))


LOSSES = {"cross-entropy": cross_entropy, "mean squared error": mean_squared, "multi-class hinge": hinge}


def sgd(rate):
    """w <- w - rate g."""
    return lambda w, g, state, t: w - rate * g


def momentum(rate, keep=0.9):
    """v <- keep v + g; w <- w - rate v."""

    def step(w, g, state, t):
        state["v"] = keep * state.get("v", 0) + g
        return w - rate * state["v"]

    return step


def nesterov(rate, keep=0.9):
    """Momentum that looks one step ahead: w <- w - rate (g + keep v)."""

    def step(w, g, state, t):
        state["v"] = keep * state["v"] + g if "v" in state else g
        return w - rate * (g + keep * state["v"])

    return step


def adagrad(rate, eps=1e-10):
    """Divide by the root of the sum of all squares so far."""

    def step(w, g, state, t):
        state["s"] = state.get("s", 0) + g**2
        return w - rate * g / (np.sqrt(state["s"]) + eps)

    return step


def rmsprop(rate, decay=0.99, eps=1e-8):
    """Divide by the root of a running mean of the squares: Adagrad that forgets."""

    def step(w, g, state, t):
        state["s"] = decay * state.get("s", 0) + (1 - decay) * g**2
        return w - rate * g / (np.sqrt(state["s"]) + eps)

    return step


def adam(rate, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.0):
    """RMSprop with momentum, both corrected for their start at zero; with ``decay`` the weights shrink apart from it (AdamW)."""

    def step(w, g, state, t):
        w = w * (1 - rate * decay)
        state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
        state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * g**2
        return w - rate * (state["m"] / (1 - beta1**t)) / (np.sqrt(state["v"] / (1 - beta2**t)) + eps)

    return step


#: name -> (rule, the corten.optim class and its options)
OPTIMIZERS = {
    "SGD": (sgd(0.1), ("SGD", {"lr": 0.1})),
    "momentum": (momentum(0.05), ("SGD", {"lr": 0.05, "momentum": 0.9})),
    "Nesterov": (nesterov(0.05), ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True})),
    "Adagrad": (adagrad(0.05), ("Adagrad", {"lr": 0.05})),
    "RMSprop": (rmsprop(0.001), ("RMSprop", {"lr": 0.001})),
    "Adam": (adam(0.002), ("Adam", {"lr": 0.002})),
    "AdamW": (adam(0.002, decay=0.05), ("AdamW", {"lr": 0.002, "weight_decay": 0.05})),
}
