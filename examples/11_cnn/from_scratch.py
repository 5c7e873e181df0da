"""Convolution and max pooling with NumPy alone, forward and backward."""

import numpy as np


def patches(x, k):
    """Every k x k window of x (B, C, H, W) as a row: (B, H - k + 1, W - k + 1, C k k). A view, reshaped."""
    b, c, h, w = x.shape
    s = x.strides
    windows = np.lib.stride_tricks.as_strided(x, (b, c, h - k + 1, w - k + 1, k, k), (*s, s[2], s[3]), writeable=False)
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(b, h - k + 1, w - k + 1, c * k * k)


def conv(x, weight, bias, padding=0):
    """y[o] = bias[o] + sum over c, i, j of weight[o, c, i, j] x[c, row + i, column + j]: one product over all windows."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    k = weight.shape[2]
    return (patches(x, k) @ weight.reshape(len(weight), -1).T + bias).transpose(0, 3, 1, 2)


def conv_backward(x, weight, dy, padding=0):
    """Gradients by x, weight and bias.

    Each weight met every window: dW = dY' patches(x). Each pixel met every weight: dx is dY, padded by k - 1, convolved with
    the weights turned by half a turn and with inputs and outputs exchanged.
    """
    k = weight.shape[2]
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    columns = patches(padded, k)
    dw = np.tensordot(dy, columns, axes=((0, 2, 3), (0, 1, 2))).reshape(weight.shape)
    turned = weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    dx = conv(dy, turned, np.zeros(len(turned)), k - 1)
    inside = slice(padding, dx.shape[2] - padding), slice(padding, dx.shape[3] - padding)
    return dx[:, :, inside[0], inside[1]], dw, dy.sum(axis=(0, 2, 3))


def max_pool(x):
    """The largest of each 2 x 2 square, and where it was."""
    b, c, h, w = x.shape
    squares = x.reshape(b, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(b, c, h // 2, w // 2, 4)
    return squares.max(axis=-1), squares.argmax(axis=-1)


def max_pool_backward(dy, where):
    """The gradient goes to the pixel that won."""
    b, c, h, w = dy.shape
    squares = (np.arange(4) == where[..., None]) * dy[..., None]
    return squares.reshape(b, c, h, w, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(b, c, 2 * h, 2 * w)


class LeNet:
    """conv 5 x 5 -> ReLU -> pool -> conv 5 x 5 -> ReLU -> pool -> linear: LeNet with one dense layer, by hand."""

    def __init__(self, weights):
        self.w1, self.b1, self.w2, self.b2, self.w3, self.b3 = weights

    def forward(self, x):
        """Scores; what backward needs is kept."""
        self.x = x
        self.z1 = conv(x, self.w1, self.b1, 2)
        self.p1, self.i1 = max_pool(np.maximum(self.z1, 0))
        self.z2 = conv(self.p1, self.w2, self.b2)
        self.p2, self.i2 = max_pool(np.maximum(self.z2, 0))
        self.flat = self.p2.reshape(len(x), -1)
        return self.flat @ self.w3.T + self.b3

    def gradients(self, x, y):
        """Mean cross-entropy and its gradient by each weight."""
        s = self.forward(x)
        s = s - s.max(axis=1, keepdims=True)
        log_p = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
        rows = np.arange(len(y))
        ds = np.exp(log_p)
        ds[rows, y] -= 1
        ds /= len(y)
        dp2 = (ds @ self.w3).reshape(self.p2.shape)
        dz2 = max_pool_backward(dp2, self.i2) * (self.z2 > 0)
        dp1, dw2, db2 = conv_backward(self.p1, self.w2, dz2)
        dz1 = max_pool_backward(dp1, self.i1) * (self.z1 > 0)
        _, dw1, db1 = conv_backward(self.x, self.w1, dz1, 2)
        return float(-log_p[rows, y].mean()), [dw1, db1, dw2, db2, ds.T @ self.flat, ds.sum(axis=0)]
