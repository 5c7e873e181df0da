"""Affine maps and shapes."""

from __future__ import annotations

import math
from typing import Any

from corten._core import core
from corten.nn import functional as F  # noqa: N812
from corten.nn import init
from corten.nn.module import Module
from corten.nn.parameter import Parameter
from corten.ops.matmul import linear_op


class Linear(Module):
    """Affine map :math:`y = x W^T + b`: (..., in_features) -> (..., out_features).

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
        Whether to add b.
    activation : {None, 'relu', 'tanh', 'sigmoid'}
        An activation fused into the product (not in PyTorch).

    Examples
    --------
    >>> import corten
    >>> corten.nn.Linear(3, 2)(corten.ones(5, 3)).shape
    corten.Size([5, 2])
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None, *,
                 activation: str | None = None) -> None:  # fmt: skip
        super().__init__()
        if activation not in F.FUSED:
            raise ValueError(f"[Linear] got activation={activation!r}, expected one of {list(F.FUSED)}")
        self.in_features, self.out_features, self.activation = in_features, out_features, activation
        self.weight = Parameter(core.empty(out_features, in_features, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(core.empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform numbers within :math:`\\pm 1/\\sqrt{\\mathrm{in\\_features}}`."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None and self.in_features > 0:
            bound = 1 / math.sqrt(self.in_features)
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Any:
        """Map the last dimension."""
        if self.activation is None:
            return linear_op(input, self.weight, self.bias)
        return F.linear(input, self.weight, self.bias, activation=self.activation)

    def extra_repr(self) -> str:
        tail = f", activation={self.activation!r}" if self.activation else ""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}{tail}"


class Bilinear(Module):
    """Bilinear map :math:`y = x_1^T W x_2 + b`."""

    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, device: Any = None,
                 dtype: Any = None) -> None:  # fmt: skip
        super().__init__()
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = Parameter(core.empty(out_features, in1_features, in2_features, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(core.empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform numbers within :math:`\\pm 1/\\sqrt{\\mathrm{in1\\_features}}`."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Any, input2: Any) -> Any:
        """Map two inputs to one output."""
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}, "
                f"bias={self.bias is not None}")  # fmt: skip


class Identity(Module):
    """What comes in goes out; arguments are ignored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """Return the input."""
        return input


class Flatten(Module):
    """A range of dimensions made one: (N, ...) -> (N, -1) by default."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Any:
        """Flatten."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One dimension cut into several."""

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Any) -> Any:
        """Unflatten."""
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
