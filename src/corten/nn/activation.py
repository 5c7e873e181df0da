"""Activations as modules."""

from __future__ import annotations

from typing import Any

from corten._core import core
from corten.nn import functional as F  # noqa: N812
from corten.nn.module import Module
from corten.nn.parameter import Parameter

__all__ = ["CELU", "ELU", "GELU", "GLU", "SELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU",
           "LogSigmoid", "LogSoftmax", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SiLU", "Sigmoid", "Softmax", "Softmax2d",
           "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold"]  # fmt: skip


def layer(name: str, fn: Any, doc: str, **settings: Any) -> Any:
    """A module around a function; its settings are the function's keyword arguments."""
    keys = list(settings)

    class Activation(Module):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__()
            if len(args) > len(keys):
                raise TypeError(f"[{name}] got {len(args)} arguments, expected at most {len(keys)}: {', '.join(keys)}")
            given = {**dict(zip(keys, args, strict=False)), **kwargs}
            unknown = set(given) - set(keys)
            if unknown:
                raise TypeError(f"[{name}] got an unexpected argument {sorted(unknown)[0]!r}; it takes {', '.join(keys) or 'none'}")
            self._settings = {**settings, **given}
            for key, value in self._settings.items():
                object.__setattr__(self, key, value)

        def forward(self, input: Any) -> Any:
            return fn(input, **self._settings)

        def extra_repr(self) -> str:
            return ", ".join(f"{k}={v!r}" for k, v in self._settings.items() if k != "inplace" or v)

    Activation.__name__ = Activation.__qualname__ = name
    Activation.__doc__ = doc
    Activation.forward.__doc__ = "Apply the function, element by element or along ``dim``."
    return Activation


class ReLU(Module):
    """Rectifier: :math:`\\max(x, 0)`.

    Examples
    --------
    >>> import corten
    >>> corten.nn.ReLU()(corten.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """Apply the rectifier."""
        return input.relu_() if self.inplace else input.relu()

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


Sigmoid = layer("Sigmoid", F.sigmoid, "Logistic function: :math:`1 / (1 + e^{-x})`.")
Tanh = layer("Tanh", F.tanh, "Hyperbolic tangent.")
GELU = layer("GELU", F.gelu, "Gaussian error linear unit: :math:`x \\Phi(x)`.", approximate="none")
SiLU = layer("SiLU", F.silu, "Sigmoid linear unit (swish): :math:`x \\sigma(x)`.", inplace=False)
Mish = layer("Mish", F.mish, "Mish: :math:`x \\tanh(\\log(1 + e^x))`.", inplace=False)
Softplus = layer("Softplus", F.softplus, "Smooth rectifier: :math:`\\log(1 + e^{\\beta x}) / \\beta`.", beta=1.0, threshold=20.0)
ELU = layer("ELU", F.elu, "Exponential linear unit.", alpha=1.0, inplace=False)
SELU = layer("SELU", F.selu, "Scaled exponential linear unit.", inplace=False)
CELU = layer("CELU", F.celu, "Continuously differentiable exponential linear unit.", alpha=1.0, inplace=False)
LeakyReLU = layer("LeakyReLU", F.leaky_relu, "Rectifier with a slope where negative.", negative_slope=0.01, inplace=False)
Hardtanh = layer("Hardtanh", F.hardtanh, "Values limited to [min_val, max_val].", min_val=-1.0, max_val=1.0, inplace=False)
ReLU6 = layer("ReLU6", F.relu6, ":math:`\\min(\\max(x, 0), 6)`.", inplace=False)
Hardsigmoid = layer("Hardsigmoid", F.hardsigmoid, ":math:`\\mathrm{relu6}(x + 3) / 6`.", inplace=False)
Hardswish = layer("Hardswish", F.hardswish, ":math:`x\\,\\mathrm{relu6}(x + 3) / 6`.", inplace=False)
Softsign = layer("Softsign", F.softsign, ":math:`x / (1 + |x|)`.")
Tanhshrink = layer("Tanhshrink", F.tanhshrink, ":math:`x - \\tanh x`.")
LogSigmoid = layer("LogSigmoid", F.logsigmoid, "Logarithm of the logistic function.")
Softshrink = layer("Softshrink", F.softshrink, "Towards zero by lambda.", lambd=0.5)
Hardshrink = layer("Hardshrink", F.hardshrink, "Zero within [-lambda, lambda].", lambd=0.5)
Threshold = layer("Threshold", F.threshold, "x where above the threshold, else a value.", threshold=0.0, value=0.0, inplace=False)
GLU = layer("GLU", F.glu, "Gated linear unit: :math:`a \\sigma(b)` of two halves.", dim=-1)
Softmax = layer("Softmax", F.softmax, "Exponentials divided by their sum along a dimension.", dim=None)
Softmin = layer("Softmin", F.softmin, "Softmax of the negative.", dim=None)
LogSoftmax = layer("LogSoftmax", F.log_softmax, "Logarithm of softmax.", dim=None)


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W)."""

    def forward(self, input: Any) -> Any:
        """Apply softmax over dimension -3."""
        if input.ndim not in (3, 4):
            raise ValueError(f"[Softmax2d] got {input.ndim} dimensions, expected 3 or 4")
        return F.softmax(input, -3)


class PReLU(Module):
    """Rectifier whose negative slope is learned. He et al., arXiv:1502.01852."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.weight = Parameter(core.full((num_parameters,), init, dtype=dtype or core.get_default_dtype()))

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """Rectifier whose negative slope is drawn from [lower, upper] in training, their mean else."""

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}"
