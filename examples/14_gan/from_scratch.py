"""A generative adversarial network with NumPy alone: two networks, their gradients by hand, in turn."""

import numpy as np


def sigmoid(x):
    """1 / (1 + exp(-x)), without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def forward(x, weights):
    """x -> W1 -> leaky ReLU (0.2) -> W2: output, and what backward needs."""
    w1, b1, w2, b2 = weights
    z = x @ w1.T + b1
    h = np.where(z > 0, z, 0.2 * z)
    return h @ w2.T + b2, (x, z, h)


def backward(dy, weights, kept):
    """Gradients by the weights, and by x."""
    w1, _, w2, _ = weights
    x, z, h = kept
    dz = dy @ w2 * np.where(z > 0, 1, 0.2)
    return [dz.T @ x, dz.sum(axis=0), dy.T @ h, dy.sum(axis=0)], dz @ w1


def discriminator_step(real, noise, g, d, rate):
    """Raise log D(real) + log(1 - D(G(noise))); D = sigmoid(score). Returns the loss before the step."""
    fake, _ = forward(noise, g)
    loss = 0.0
    total = None
    for x, label in ((real, 1.0), (fake, 0.0)):
        score, kept = forward(x, d)
        loss += float(np.mean(np.logaddexp(0, score) - label * score))
        grads, _ = backward((sigmoid(score) - label) / len(x), d, kept)
        total = grads if total is None else [a + b for a, b in zip(total, grads, strict=True)]
    for w, dw in zip(d, total, strict=True):
        w -= rate * dw
    return loss


def generator_step(noise, g, d, rate):
    """Raise log D(G(noise)): the non-saturating loss, whose gradient does not vanish while the discriminator wins."""
    fake, kept_g = forward(noise, g)
    score, kept_d = forward(fake, d)
    loss = float(np.mean(np.logaddexp(0, score) - score))
    _, dfake = backward((sigmoid(score) - 1) / len(noise), d, kept_d)
    grads, _ = backward(dfake, g, kept_g)
    for w, dw in zip(g, grads, strict=True):
        w -= rate * dw
    return loss


def mixture(n, rng, modes=8, radius=2.0, width=0.08):
    """Points of a ring of Gaussians, and the centres."""
    angle = 2 * np.pi * np.arange(modes) / modes
    centres = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return centres[rng.integers(0, modes, n)] + rng.normal(0, width, (n, 2)), centres


def coverage(points, centres, near=0.4):
    """How many centres have at least a quarter of their fair share of points near them, and the share of points near any."""
    distance = np.linalg.norm(points[:, None] - centres[None], axis=2)
    close = distance.min(axis=1) < near
    counts = np.bincount(distance.argmin(axis=1)[close], minlength=len(centres))
    return int(np.sum(counts >= len(points) / len(centres) / 4)), float(close.mean())
