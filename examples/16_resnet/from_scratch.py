"""A residual block with NumPy alone, forward and backward; the convolution is a product over windows."""

import numpy as np


def windows(x):
    """Every 3 x 3 window of x (B, C, H, W), zeros outside, as a row: (B, H, W, C 9)."""
    b, c, h, w = x.shape
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    s = x.strides
    view = np.lib.stride_tricks.as_strided(x, (b, c, h, w, 3, 3), (*s, s[2], s[3]), writeable=False)
    return view.transpose(0, 2, 3, 1, 4, 5).reshape(b, h, w, c * 9)


def conv(x, weight):
    """3 x 3 convolution that keeps the size."""
    return (windows(x) @ weight.reshape(len(weight), -1).T).transpose(0, 3, 1, 2)


def conv_backward(x, weight, dy):
    """Gradients by x and weight: the turned weights on dy, and dy against every window."""
    dw = np.tensordot(dy, windows(x), axes=((0, 2, 3), (0, 1, 2))).reshape(weight.shape)
    return conv(dy, weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)), dw


def norm(x, gamma, beta, eps=1e-5):
    """Batch norm: each channel gets mean 0 and variance 1 over the batch, then its own scale and shift."""
    mean, variance = x.mean(axis=(0, 2, 3), keepdims=True), x.var(axis=(0, 2, 3), keepdims=True)
    hat = (x - mean) / np.sqrt(variance + eps)
    return gamma[:, None, None] * hat + beta[:, None, None], (hat, variance + eps)


def norm_backward(dy, gamma, kept):
    """The mean and the variance depend on every value, so what is common to all of dy is taken out again."""
    hat, variance = kept
    axes = (0, 2, 3)
    dgamma, dbeta = (dy * hat).sum(axis=axes), dy.sum(axis=axes)
    dhat = dy * gamma[:, None, None]
    common = dhat.mean(axis=axes, keepdims=True) + hat * (dhat * hat).mean(axis=axes, keepdims=True)
    return (dhat - common) / np.sqrt(variance), dgamma, dbeta


def block(x, p, residual=True):
    """y = relu(F(x) + x) with F = conv, norm, relu, conv, norm; without ``residual`` y = relu(F(x)). Also what backward needs."""
    z1, kept1 = norm(conv(x, p["w1"]), p["g1"], p["b1"])
    h = np.maximum(z1, 0)
    z2, kept2 = norm(conv(h, p["w2"]), p["g2"], p["b2"])
    s = z2 + x if residual else z2
    return np.maximum(s, 0), (x, z1, kept1, h, kept2, s)


def block_backward(dy, p, kept, residual=True):
    """Gradients by x and all parameters. The shortcut adds dy to dx untouched: dx = dF/dx dy + dy."""
    x, z1, kept1, h, kept2, s = kept
    ds = dy * (s > 0)
    d2, dg2, db2 = norm_backward(ds, p["g2"], kept2)
    dh, dw2 = conv_backward(h, p["w2"], d2)
    d1, dg1, db1 = norm_backward(dh * (z1 > 0), p["g1"], kept1)
    dx, dw1 = conv_backward(x, p["w1"], d1)
    return (dx + ds if residual else dx), {"w1": dw1, "g1": dg1, "b1": db1, "w2": dw2, "g2": dg2, "b2": db2}
