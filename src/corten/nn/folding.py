"""Batch normalisation folded into the layer before it, for inference."""

from __future__ import annotations

import copy
from typing import Any

from corten.nn.parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def _folded(weight: Any, bias: Any, mean: Any, var: Any, eps: float, scale: Any, shift: Any, dim: int) -> tuple[Parameter, Parameter]:
    factor = (var + eps) ** -0.5
    if scale is not None:
        factor = factor * scale
    by = [1] * weight.ndim
    by[dim] = -1
    moved = -mean if bias is None else bias - mean
    moved = moved * factor
    if shift is not None:
        moved = moved + shift
    return (Parameter((weight * factor.reshape(*by)).detach().to(weight.dtype), requires_grad=weight.requires_grad),
            Parameter(moved.detach().to(weight.dtype), requires_grad=weight.requires_grad))  # fmt: skip


def fuse_conv_bn_weights(conv_w: Any, conv_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any,
                         transpose: bool = False) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of a convolution followed by batch normalisation with fixed statistics.

    .. math:: w' = w \\, \\gamma / \\sqrt{\\sigma^2 + \\epsilon}, \\qquad
              b' = (b - \\mu) \\, \\gamma / \\sqrt{\\sigma^2 + \\epsilon} + \\beta

    Parameters
    ----------
    conv_w, conv_b : Tensor, Tensor or None
    bn_rm, bn_rv, bn_eps, bn_w, bn_b
        Running mean and variance, epsilon, weight and bias of the norm.
    transpose : bool
        Whether outputs are the second dimension of the weight, as in transposed convolution (of one group).
    """
    return _folded(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 1 if transpose else 0)


def fuse_linear_bn_weights(linear_w: Any, linear_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any,
                           bn_b: Any) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of a linear layer followed by batch normalisation with fixed statistics."""
    return _folded(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)


def _fused(name: str, layer: Any, bn: Any, dim: int) -> Any:
    if layer.training or bn.training:
        raise RuntimeError(f"[{name}] got a module in training mode, expected both in eval mode")
    if bn.running_mean is None or bn.running_var is None:
        raise RuntimeError(f"[{name}] got a batch norm without running statistics, expected track_running_stats=True")
    if layer.weight.shape[dim] != bn.num_features:
        raise ValueError(f"[{name}] got {layer.weight.shape[dim]} outputs and a batch norm of {bn.num_features} features")
    fused = copy.deepcopy(layer)
    fused.weight, fused.bias = _folded(layer.weight, layer.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, dim)
    return fused


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """One convolution that does what a convolution and the batch norm after it do, both in eval mode.

    Parameters
    ----------
    conv : Module
        A convolution; it is copied.
    bn : Module
        Batch normalisation over its outputs.
    transpose : bool
        Whether ``conv`` is transposed (and has one group).

    Raises
    ------
    RuntimeError
        If a module is in training mode, or the norm keeps no statistics.

    Examples
    --------
    >>> import corten
    >>> conv, bn = corten.nn.Conv2d(3, 4, 3).eval(), corten.nn.BatchNorm2d(4).eval()
    >>> x = corten.ones(1, 3, 5, 5)
    >>> corten.allclose(fuse_conv_bn_eval(conv, bn)(x), bn(conv(x)), atol=1e-6)
    True
    """
    if transpose and conv.groups != 1:
        raise ValueError(f"[fuse_conv_bn_eval] got a transposed convolution of {conv.groups} groups, expected 1")
    return _fused("fuse_conv_bn_eval", conv, bn, 1 if transpose else 0)


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """One linear layer that does what a linear layer and the batch norm after it do, both in eval mode.

    Examples
    --------
    >>> import corten
    >>> linear, bn = corten.nn.Linear(3, 4).eval(), corten.nn.BatchNorm1d(4).eval()
    >>> x = corten.ones(2, 3)
    >>> corten.allclose(fuse_linear_bn_eval(linear, bn)(x), bn(linear(x)), atol=1e-6)
    True
    """
    return _fused("fuse_linear_bn_eval", linear, bn, 0)
