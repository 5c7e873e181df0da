"""The layers of a perceptron on the tensor core: outputs, losses, gradients and steps."""

import numpy as np
from scipy.special import xlogy

import corten
import corten._core.optim as native
from corten.ops.activation import softmax_op
from corten.ops.loss import bce_with_logits, cross_entropy_index
from corten.ops.matmul import linear_op

_CODES = {"identity": 0, "relu": 1, "tanh": 2, "logistic": 3}  # of activations that a product carries
_NONE, _SUM = 0, 2  # reductions


def as_tensor(array):
    """An array as a tensor, without a copy where it is contiguous and can be written."""
    array = np.ascontiguousarray(array)
    return corten.from_numpy(array if array.flags.writeable else array.copy())


class Layers:
    """Weights (out, in) and biases of all layers as leaves of the tape.

    Parameters
    ----------
    coefs, intercepts : lists of arrays
        scikit-learn's: (in, out) and (out,). They are copied.
    activation, out_activation : str
    """

    def __init__(self, coefs, intercepts, activation, out_activation):
        self.weights = [corten.from_numpy(np.array(c.T, order="C")).requires_grad_() for c in coefs]
        self.biases = [corten.from_numpy(np.array(b)).requires_grad_() for b in intercepts]
        self.hidden, self.out = _CODES[activation], out_activation

    def scores(self, x):
        """What goes into the output activation, (N, outputs)."""
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = linear_op(x, weight, bias, activation=self.hidden if i < last else 0)
        return x

    def outputs(self, x):
        """After the output activation, an array (N, outputs)."""
        with corten.no_grad():
            z = self.scores(x)
            if self.out == "softmax":
                z = softmax_op(z, 1)
            elif self.out == "logistic":
                z = z.sigmoid()
            elif self.out == "exp":
                z = z.exp()
        return z.numpy()

    def loss(self, x, y, weight, total):
        """The loss to differentiate, and its part in scikit-learn's figure: a factor and a constant.

        Parameters
        ----------
        x : Tensor (N, features)
        y : Tensor
            Classes (N,) for softmax, else (N, outputs).
        weight : Tensor (N, 1) or None
        total : float
            Sum of the weights, N without.
        """
        z = self.scores(x)
        factor, constant = 1.0, 0.0
        if self.out == "softmax":
            if weight is None:
                return cross_entropy_index(z, y, None, reduction=_SUM)[0] / total, factor, constant
            each = cross_entropy_index(z, y, None, reduction=_NONE)[0].unsqueeze(1)
        elif self.out == "logistic":
            if weight is None:
                return bce_with_logits(z, y, None, None, reduction=_SUM) / total, factor, constant
            each = bce_with_logits(z, y, None, None, reduction=_NONE)
        elif self.out == "exp":
            each = z.exp() - y * z
            truth = y.numpy()
            rest = xlogy(truth, truth) - truth
            constant = float((rest if weight is None else rest * weight.numpy()).sum()) / total
        else:
            gap = z - y
            each = gap * gap * 0.5
            factor = 1.0 / z.shape[1]
        return (each if weight is None else each * weight).sum() / total, factor, constant

    def gradients(self, x, y, weight, total, alpha):
        """Loss with its penalty; gradients lie in ``.grad`` afterwards, without that of the penalty."""
        loss, factor, constant = self.loss(x, y, weight, total)
        for t in (*self.weights, *self.biases):
            t.grad = None
        loss.backward()
        return loss.item() * factor + constant + 0.5 * alpha * native.sum_square(self.weights) / total

    def arrays(self):
        """Weights and biases as scikit-learn has them."""
        return ([np.array(w.detach().numpy().T, order="C") for w in self.weights],
                [np.array(b.detach().numpy()) for b in self.biases])  # fmt: skip


class Steps:
    """Adam or stochastic gradient descent with scikit-learn's formulas, in native passes over all weights.

    Parameters
    ----------
    layers : Layers
    solver : {'adam', 'sgd'}
    rate : float
        First learning rate.
    state : dict, optional
        What :meth:`state` gave, to go on from. Its arrays are used as they are.
    """

    def __init__(self, layers, solver, rate, state=None):
        if state is None:
            params = [t.detach().numpy() for t in (*layers.weights, *layers.biases)]
            moments = [[np.zeros_like(p) for p in params] for _ in range(2 if solver == "adam" else 1)]
            state = {"rate": float(rate), "taken": 0, "moments": moments}
        self.solver, self.rate, self.taken, self.moments = solver, state["rate"], state["taken"], state["moments"]
        n = len(layers.weights)
        tensors = [[corten.from_numpy(m) for m in moments] for moments in self.moments]
        self._groups = [(layers.weights, [t[:n] for t in tensors]), (layers.biases, [t[n:] for t in tensors])]

    def state(self):
        """Numbers and arrays, so that an estimator that holds it can be copied and saved."""
        return {"rate": self.rate, "taken": self.taken, "moments": self.moments}

    def adam(self, beta1, beta2, epsilon, decay):
        """:math:`p \\leftarrow p - \\eta_t m / (\\sqrt v + \\epsilon)`.

        The rate is :math:`\\eta_t = \\eta \\sqrt{1 - \\beta_2^t} / (1 - \\beta_1^t)`.
        """
        self.taken += 1
        eps = epsilon / np.sqrt(1 - beta2**self.taken)  # the native pass corrects v first: this makes it the same
        for (params, (mean, square)), wd in zip(self._groups, (decay, 0.0), strict=True):
            native.adam("Adam", params, [p.grad for p in params], mean, square, None, [self.taken] * len(params), self.rate,
                        beta1, beta2, eps, wd, False, False)  # fmt: skip

    def sgd(self, momentum, nesterov, decay):
        """:math:`v \\leftarrow \\mu v + g`, :math:`p \\leftarrow p - \\eta v`; Nesterov's steps by :math:`g + \\mu v`."""
        for (params, (velocity,)), wd in zip(self._groups, (decay, 0.0), strict=True):
            native.sgd(params, [p.grad for p in params], velocity if momentum else None, [2] * len(params) if momentum else None,
                       self.rate, momentum, 0.0, wd, nesterov and momentum > 0, False)  # fmt: skip

    def change_rate(self, rate):
        """Take another learning rate. scikit-learn's velocity holds the rates it was made with: keep that."""
        if self.solver == "sgd" and rate != self.rate:
            native.scale([t for _, (velocity,) in self._groups for t in velocity], self.rate / rate)
        self.rate = float(rate)
