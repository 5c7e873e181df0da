"""Activations, softmax, and the losses' building blocks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from corten._core.core import REGISTRY
from corten.ops.declare import op
from corten.ops.pointwise import exp, gradient_kernel, tanh, where
from corten.ops.reduce import sum_op

#: functions of corten.nn.functional that are ops: name -> op
ACTIVATIONS: dict[str, Any] = {}


def activation(
    name: str,
    vjp: Callable[..., Any],
    reference: Callable[..., Any],
    doc: str,
    *,
    attrs: str = "",
    saves: str = "input",
    public: bool = False,
) -> Any:
    """An activation with its native gradient kernel ``name_grad(g, saves)``."""
    grad = gradient_kernel(name, saves, attrs=attrs)
    made = op(f"{name}(input{', *, ' + attrs if attrs else ''}) -> out", shape="same", dtype="floating" if attrs or
              name not in ("relu",) else "same", kernel=name, vjp=vjp, vjp_fused=grad, reference=reference, doc=doc,
              method=public, function=public, inplace=public)  # fmt: skip
    ACTIVATIONS[name] = made
    return made


def step(x: Any) -> Any:
    """1 where positive, else 0, in x's dtype."""
    return (x > 0).to(x.dtype)


relu = activation("relu", lambda g, out: g * step(out), lambda xp, input: xp.maximum(input, 0),
                  "Rectifier: :math:`\\max(x, 0)`; its gradient at 0 is 0.", saves="out", public=True)  # fmt: skip
relu_grad = REGISTRY["relu_grad"]
sigmoid = activation("sigmoid", lambda g, out: g * out * (1 - out), lambda xp, input: 1 / (1 + xp.exp(-input)),
                     "Logistic function: :math:`1 / (1 + e^{-x})`.", saves="out", public=True)  # fmt: skip
sigmoid_grad = REGISTRY["sigmoid_grad"]
tanh_grad = REGISTRY["tanh_grad"]
gelu_exact = activation(
    "gelu", lambda g, input: g * (0.5 * (1 + (input / math.sqrt(2)).erf())
                                  + input * exp(-0.5 * input * input) / math.sqrt(2 * math.pi)),
    lambda xp, input: 0.5 * input * (1 + __import__("scipy.special", fromlist=["erf"]).erf(input / math.sqrt(2))),
    "Gaussian error linear unit: :math:`x \\Phi(x)`. Hendrycks and Gimpel, arXiv:1606.08415.")  # fmt: skip


def _gelu_tanh_vjp(g: Any, input: Any) -> Any:
    c = math.sqrt(2 / math.pi)
    t = tanh(c * (input + 0.044715 * input * input * input))
    return g * (0.5 * (1 + t) + 0.5 * input * (1 - t * t) * c * (1 + 3 * 0.044715 * input * input))


gelu_tanh = activation(
    "gelu_tanh", _gelu_tanh_vjp,
    lambda xp, input: 0.5 * input * (1 + xp.tanh(math.sqrt(2 / math.pi) * (input + 0.044715 * input**3))),
    "Tanh approximation of :func:`gelu`.")  # fmt: skip


def _silu_vjp(g: Any, input: Any) -> Any:
    s = sigmoid(input)
    return g * (s + input * s * (1 - s))


silu = activation("silu", _silu_vjp, lambda xp, input: input / (1 + xp.exp(-input)),
                  "Sigmoid linear unit (swish): :math:`x \\sigma(x)`.")  # fmt: skip


def _mish_vjp(g: Any, input: Any) -> Any:
    t = tanh(softplus(input, beta=1.0, threshold=20.0))
    return g * (t + input * (1 - t * t) * sigmoid(input))


mish = activation("mish", _mish_vjp, lambda xp, input: input * xp.tanh(xp.log1p(xp.exp(input))),
                  "Mish: :math:`x \\tanh(\\mathrm{softplus}(x))`. Misra, arXiv:1908.08681.")  # fmt: skip
softplus = activation(
    "softplus", lambda g, input, beta, threshold: g * where(input * beta > threshold, 1.0, sigmoid(input * beta)),
    lambda xp, input, beta, threshold: xp.where(input * beta > threshold, input, xp.log1p(xp.exp(input * beta)) / beta),
    "Smooth rectifier: :math:`\\log(1 + e^{\\beta x}) / \\beta`.", attrs="beta: float = 1, threshold: float = 20",
)  # fmt: skip
elu = activation("elu", lambda g, input, alpha: g * where(input > 0, 1.0, alpha * exp(where(input > 0, 0.0, input))),
                 lambda xp, input, alpha: xp.where(input > 0, input, alpha * xp.expm1(input)),
                 "Exponential linear unit: x where positive, else :math:`\\alpha (e^x - 1)`. Clevert, arXiv:1511.07289.",
                 attrs="alpha: float = 1")  # fmt: skip
leaky_relu = activation(
    "leaky_relu", lambda g, input, negative_slope: g * where(input > 0, 1.0, negative_slope * (input * 0 + 1)),
    lambda xp, input, negative_slope: xp.where(input > 0, input, negative_slope * input),
    "Rectifier with a slope where negative.", attrs="negative_slope: float = 0.01")  # fmt: skip
hardtanh = activation(
    "hardtanh", lambda g, input, min_val, max_val: g * ((input > min_val) & (input < max_val)),
    lambda xp, input, min_val, max_val: xp.clip(input, min_val, max_val),
    "Values limited to [min_val, max_val].", attrs="min_val: float = -1, max_val: float = 1")  # fmt: skip

relu6 = activation("relu6", lambda g, input: g * ((input > 0) & (input < 6)), lambda xp, input: xp.clip(input, 0, 6),
                   "Rectifier with a ceiling: :math:`\\min(\\max(x, 0), 6)`.")  # fmt: skip
hardsigmoid = activation(
    "hardsigmoid", lambda g, input: g * ((input > -3) & (input < 3)) / 6,
    lambda xp, input: xp.clip(input + 3, 0, 6) / 6, "Sigmoid of straight lines: :math:`\\mathrm{relu6}(x + 3) / 6`.")  # fmt: skip
hardswish = activation(
    "hardswish", lambda g, input: g * where(input >= 3, 1.0, where(input <= -3, 0.0, input / 3 + 0.5)),
    lambda xp, input: input * xp.clip(input + 3, 0, 6) / 6,
    "Swish of straight lines: :math:`x\\,\\mathrm{relu6}(x + 3) / 6`. Howard et al., arXiv:1905.02244.")  # fmt: skip
softsign = activation("softsign", lambda g, input: g / ((1 + input.abs()) * (1 + input.abs())),
                      lambda xp, input: input / (1 + xp.abs(input)), ":math:`x / (1 + |x|)`.")  # fmt: skip
tanhshrink = activation("tanhshrink", lambda g, input: g * tanh(input) * tanh(input),
                        lambda xp, input: input - xp.tanh(input), ":math:`x - \\tanh x`.")  # fmt: skip
logsigmoid = activation("logsigmoid", lambda g, input: g * sigmoid(-input), lambda xp, input: -xp.logaddexp(0, -input),
                        "Logarithm of the logistic function, without overflow.")  # fmt: skip
softshrink = activation(
    "softshrink", lambda g, input, lambd: g * ((input > lambd) | (input < -lambd)),
    lambda xp, input, lambd: xp.sign(input) * xp.maximum(xp.abs(input) - lambd, 0),
    "Values moved towards zero by lambda.", attrs="lambd: float = 0.5")  # fmt: skip
hardshrink = activation(
    "hardshrink", lambda g, input, lambd: g * ((input > lambd) | (input < -lambd)),
    lambda xp, input, lambd: xp.where(xp.abs(input) <= lambd, 0, input),
    "Values within [-lambda, lambda] set to zero.", attrs="lambd: float = 0.5")  # fmt: skip
threshold = activation(
    "threshold", lambda g, input, threshold, value: g * (input > threshold),
    lambda xp, input, threshold, value: xp.where(input > threshold, input, value),
    "x where above the threshold, else ``value``.", attrs="threshold: float, value: float")  # fmt: skip
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848
selu = activation(
    "selu", lambda g, input: g * SELU_SCALE * where(input > 0, 1.0, SELU_ALPHA * exp(where(input > 0, 0.0, input))),
    lambda xp, input: SELU_SCALE * xp.where(input > 0, input, SELU_ALPHA * xp.expm1(xp.minimum(input, 0))),
    "Scaled exponential linear unit. Klambauer et al., arXiv:1706.02515.")  # fmt: skip
celu = activation(
    "celu", lambda g, input, alpha: g * where(input > 0, 1.0, exp(where(input > 0, 0.0, input) / alpha)),
    lambda xp, input, alpha: xp.where(input > 0, input, alpha * xp.expm1(xp.minimum(input, 0) / alpha)),
    "Continuously differentiable elu: :math:`\\max(0, x) + \\min(0, \\alpha (e^{x/\\alpha} - 1))`. Barron, arXiv:1704.07483.",
    attrs="alpha: float = 1")  # fmt: skip

# ---- softmax


softmax_grad = op(
    "softmax_grad(grad, out, dim: dim) -> d_input", shape="same", kernel="softmax_grad", function=False,
    reference=lambda xp, grad, out, dim: out * (grad - xp.sum(grad * out, axis=dim, keepdims=True)),
    doc="Gradient of softmax from its output: :math:`y (g - \\sum g y)`.")  # fmt: skip
softmax_op = op("softmax_op(input, dim: dim) -> out", shape="same", dtype="floating", kernel="softmax", function=False,
                vjp=lambda g, out, dim: out * (g - sum_op(g * out, dim, True)),
                vjp_fused=softmax_grad,
                reference=lambda xp, input, dim:
                xp.exp(input - xp.max(input, axis=dim, keepdims=True))
                / xp.sum(xp.exp(input - xp.max(input, axis=dim, keepdims=True)), axis=dim, keepdims=True),
                doc="Exponentials divided by their sum along a dimension.")  # fmt: skip
log_softmax_grad = op(
    "log_softmax_grad(grad, out, dim: dim) -> d_input", shape="same", kernel="log_softmax_grad", function=False,
    reference=lambda xp, grad, out, dim: grad - xp.exp(out) * xp.sum(grad, axis=dim, keepdims=True),
    doc="Gradient of log_softmax from its output: :math:`g - e^y \\sum g`.")  # fmt: skip
log_softmax_op = op("log_softmax_op(input, dim: dim) -> out", shape="same", dtype="floating", kernel="log_softmax",
                    function=False, vjp=lambda g, out, dim: g - exp(out) * sum_op(g, dim, True),
                    vjp_fused=log_softmax_grad,
                    reference=lambda xp, input, dim: input - xp.max(input, axis=dim, keepdims=True) - xp.log(
                        xp.sum(xp.exp(input - xp.max(input, axis=dim, keepdims=True)), axis=dim, keepdims=True)),
                    doc="Logarithm of softmax, without overflow.")  # fmt: skip
