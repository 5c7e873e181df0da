"""Initialisations; all work in place and return the tensor."""

from __future__ import annotations

import math
from typing import Any

from corten._core import core
from corten.autograd import no_grad

_GAINS = {"linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "conv_transpose1d": 1.0, "conv_transpose2d": 1.0,
          "conv_transpose3d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance through an activation."""
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"[calculate_gain] got {nonlinearity!r}, expected leaky_relu or one of {', '.join(_GAINS)}")
    return _GAINS[nonlinearity]


def fans(tensor: Any) -> tuple[int, int]:
    """Inputs and outputs of one unit of a weight (out, in, kernel...)."""
    if tensor.ndim < 2:
        raise ValueError(f"[init] fan in and fan out need at least 2 dimensions, got {tensor.ndim}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


_calculate_fan_in_and_fan_out = fans


def _fan(tensor: Any, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"[init] got mode={mode!r}, expected 'fan_in' or 'fan_out'")
    return fans(tensor)[mode == "fan_out"]


@no_grad()
def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Any:
    """Uniform numbers of [a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Any:
    """Normal numbers."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def constant_(tensor: Any, val: float) -> Any:
    """One value everywhere."""
    return tensor.fill_(val)


def ones_(tensor: Any) -> Any:
    """Ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Any) -> Any:
    """Zeros."""
    return constant_(tensor, 0.0)


@no_grad()
def eye_(tensor: Any) -> Any:
    """The identity matrix."""
    if tensor.ndim != 2:
        raise ValueError(f"[eye_] got {tensor.ndim} dimensions, expected 2")
    tensor.zero_()
    core._fill(core._diagonal(tensor), 1)
    return tensor


@no_grad()
def trunc_normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
                  generator: Any = None) -> Any:  # fmt: skip
    """Normal numbers of [a, b], by the inverse of the distribution function."""
    low, high = (0.5 * (1 + math.erf((x - mean) / std / math.sqrt(2))) for x in (a, b))
    tensor.uniform_(2 * low - 1, 2 * high - 1, generator=generator)
    tensor.erfinv_()
    return tensor.mul_(std * math.sqrt(2)).add_(mean).clamp_(min=a, max=b)


def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Uniform within :math:`\\pm g \\sqrt{6 / (\\mathrm{in} + \\mathrm{out})}`. Glorot and Bengio 2010."""
    bound = gain * math.sqrt(6.0 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Normal of deviation :math:`g \\sqrt{2 / (\\mathrm{in} + \\mathrm{out})}`. Glorot and Bengio 2010."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(fans(tensor))), generator)


def kaiming_uniform_(tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                     generator: Any = None) -> Any:  # fmt: skip
    """Uniform within :math:`\\pm g \\sqrt{3 / \\mathrm{fan}}`. He et al., arXiv:1502.01852."""
    if 0 in tensor.shape:
        return tensor
    bound = math.sqrt(3.0) * calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                    generator: Any = None) -> Any:  # fmt: skip
    """Normal of deviation :math:`g / \\sqrt{\\mathrm{fan}}`. He et al., arXiv:1502.01852."""
    if 0 in tensor.shape:
        return tensor
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)), generator)


@no_grad()
def orthogonal_(tensor: Any, gain: float = 1, generator: Any = None) -> Any:
    """A (semi-)orthogonal matrix, by QR of normal numbers. Saxe et al., arXiv:1312.6120."""
    import numpy as np

    if tensor.ndim < 2:
        raise ValueError(f"[orthogonal_] got {tensor.ndim} dimensions, expected at least 2")
    if tensor.numel() == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    flat = core.empty(rows, columns, dtype=tensor.dtype).normal_(generator=generator).numpy()
    q, r = np.linalg.qr(flat.T if rows < columns else flat)
    q = q * np.sign(np.diag(r))
    tensor.copy_(core.tensor((q.T if rows < columns else q) * gain).to(tensor.dtype).reshape(tensor.shape))
    return tensor


@no_grad()
def sparse_(tensor: Any, sparsity: float, std: float = 0.01, generator: Any = None) -> Any:
    """Normal numbers with a share of each column set to 0. Martens 2010."""
    from corten.ops.random import randperm

    if tensor.ndim != 2:
        raise ValueError(f"[sparse_] got {tensor.ndim} dimensions, expected 2")
    tensor.normal_(0, std, generator=generator)
    gone = math.ceil(sparsity * tensor.shape[0])
    for column in range(tensor.shape[1]):
        tensor[randperm(tensor.shape[0], generator=generator)[:gone], column] = 0
    return tensor


@no_grad()
def dirac_(tensor: Any, groups: int = 1) -> Any:
    """A convolution weight that passes its input through."""
    if tensor.ndim not in (3, 4, 5) or tensor.shape[0] % groups:
        raise ValueError(f"[dirac_] got shape {tuple(tensor.shape)} and groups={groups}")
    tensor.zero_()
    out = tensor.shape[0] // groups
    middle = tuple(s // 2 for s in tensor.shape[2:])
    for g in range(groups):
        for d in range(min(out, tensor.shape[1])):
            tensor[(g * out + d, d, *middle)] = 1
    return tensor


def _old_name(fn: Any) -> Any:
    import warnings

    name = fn.__name__.rstrip("_")

    def called(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(f"[init] {name} is deprecated, use {name}_", FutureWarning, stacklevel=2)
        return fn(*args, **kwargs)

    called.__name__ = called.__qualname__ = name
    called.__doc__ = f":func:`{name}_` under its old name."
    return called


uniform, normal, constant, eye, dirac = map(_old_name, (uniform_, normal_, constant_, eye_, dirac_))
xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal = map(
    _old_name, (xavier_uniform_, xavier_normal_, kaiming_uniform_, kaiming_normal_))  # fmt: skip
orthogonal, sparse = _old_name(orthogonal_), _old_name(sparse_)
