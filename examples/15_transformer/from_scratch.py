"""Attention and a transformer block with NumPy alone, attention with its backward pass."""

import math

import numpy as np

_erf = np.vectorize(math.erf)


def softmax(x):
    """exp(x) over its sum along the last dimension."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention(q, k, v, causal=False):
    """softmax(Q K' / sqrt(d)) V: every row of the output is a mean of V, weighted by how well its query fits each key.

    q, k, v: (..., T, d). Returns the output and the weights (..., T, T).
    """
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    if causal:
        scores = np.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, -np.inf)  # nobody sees what comes later
    weights = softmax(scores)
    return weights @ v, weights


def attention_backward(dy, q, k, v, weights):
    """Gradients by q, k and v. Through softmax: ds = w (dw - sum(dw w))."""
    dw = dy @ np.swapaxes(v, -1, -2)
    ds = weights * (dw - (dw * weights).sum(axis=-1, keepdims=True)) / np.sqrt(q.shape[-1])
    return ds @ k, np.swapaxes(ds, -1, -2) @ q, np.swapaxes(weights, -1, -2) @ dy


def layer_norm(x, scale, shift, eps=1e-5):
    """Each position gets mean 0 and variance 1 over its features, then a learned scale and shift."""
    mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + eps) * scale + shift


def gelu(x):
    """x times the normal distribution function."""
    return x * (1 + _erf(x / math.sqrt(2))) / 2


def block(x, p, heads, causal=False):
    """x + attention(norm(x)), then x + mlp(norm(x)); x is (B, T, C), p the parameters by name."""
    b, t, c = x.shape
    h = layer_norm(x, p["norm1.weight"], p["norm1.bias"])
    qkv = h @ p["qkv.weight"].T + p["qkv.bias"]
    q, k, v = (part.reshape(b, t, heads, c // heads).transpose(0, 2, 1, 3) for part in np.split(qkv, 3, axis=-1))
    out, _ = attention(q, k, v, causal)
    x = x + out.transpose(0, 2, 1, 3).reshape(b, t, c) @ p["proj.weight"].T + p["proj.bias"]
    h = layer_norm(x, p["norm2.weight"], p["norm2.bias"])
    return x + gelu(h @ p["up.weight"].T + p["up.bias"]) @ p["down.weight"].T + p["down.bias"]


def sinusoids(length, width):
    """Positions as waves: sin(t / 10000^(2i / C)) and the cosine beside it, so that a shift is a rotation."""
    t = np.arange(length)[:, None] / 10_000 ** (np.arange(0, width, 2) / width)
    out = np.zeros((length, width))
    out[:, 0::2], out[:, 1::2] = np.sin(t), np.cos(t)
    return out
