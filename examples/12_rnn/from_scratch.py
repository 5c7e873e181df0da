"""A recurrent network and an LSTM cell with NumPy alone: forward, and backward through time."""

import numpy as np


def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def rnn(x, h, w_x, w_h, b):
    """h_t = tanh(x_t W_x' + h_(t-1) W_h' + b) for x (T, B, I); all states (T + 1, B, H), the given one first."""
    states = [h]
    for t in range(len(x)):
        states.append(np.tanh(x[t] @ w_x.T + states[-1] @ w_h.T + b))
    return np.array(states)


def rnn_backward(x, states, dh, w_x, w_h):
    """Gradients by x, W_x, W_h and b, from the gradient dh (T, B, H) of every state.

    From the last step to the first: what reaches h_t is its own gradient and what comes back from h_(t+1).
    """
    dx, dw_x, dw_h, db = np.zeros_like(x), np.zeros_like(w_x), np.zeros_like(w_h), np.zeros(len(w_h))
    carried = np.zeros_like(dh[0])
    for t in reversed(range(len(x))):
        dz = (dh[t] + carried) * (1 - states[t + 1] ** 2)  # through tanh
        dx[t] = dz @ w_x
        dw_x += dz.T @ x[t]
        dw_h += dz.T @ states[t]
        db += dz.sum(axis=0)
        carried = dz @ w_h  # once more by W_h: this product, T times, is why gradients vanish or explode
    return dx, dw_x, dw_h, db


def lstm(x, h, c, w_x, w_h, b_x, b_h):
    """LSTM over x (T, B, I); weights hold the gates i, f, g, o one below the other. All hidden states (T, B, H) and the last cell.

    c_t = f c_(t-1) + i g: the cell is added to, not multiplied by a matrix, so its gradient passes as long as f is near 1.
    """
    out, n = [], h.shape[1]
    for t in range(len(x)):
        z = x[t] @ w_x.T + b_x + h @ w_h.T + b_h
        i, f, g, o = (z[:, k * n : (k + 1) * n] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out), c
