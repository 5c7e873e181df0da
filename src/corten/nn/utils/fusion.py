"""Batch norms taken into the layer before them, for evaluation."""

from __future__ import annotations

import copy
from typing import Any

from corten._core import core
from corten.nn.parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def fuse_conv_bn_weights(conv_w: Any, conv_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any,
                         transpose: bool = False) -> tuple[Any, Any]:  # fmt: skip
    """Weight and bias of a convolution (or, with ``transpose``, a transposed one) followed by a batch norm."""
    bias = core.zeros_like(bn_rm) if conv_b is None else conv_b
    scale = (core.ones_like(bn_rm) if bn_w is None else bn_w) * (bn_rv + bn_eps).rsqrt()
    shape = [1, -1] if transpose else [-1, 1]
    weight = conv_w * scale.reshape(shape + [1] * (conv_w.ndim - 2))
    shifted = (bias - bn_rm) * scale + (core.zeros_like(bn_rm) if bn_b is None else bn_b)
    return Parameter(weight.detach(), conv_w.requires_grad), Parameter(shifted.detach(), True if conv_b is None else conv_b.requires_grad)


def fuse_linear_bn_weights(linear_w: Any, linear_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any) -> tuple[Any, Any]:
    """Weight and bias of an affine map followed by a batch norm."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def _fused(name: str, layer: Any, bn: Any, transpose: bool) -> Any:
    if layer.training or bn.training:
        raise AssertionError(f"[{name}] got a layer in training mode, expected both to be evaluating")
    if bn.running_mean is None:
        raise RuntimeError(f"[{name}] got a batch norm without running statistics")
    if bn.num_features != (channels := layer.weight.shape[int(transpose)] * (layer.groups if transpose else 1)):
        raise ValueError(f"[{name}] got a batch norm of {bn.num_features} features after a layer with {channels}")
    made = copy.deepcopy(layer)
    norm = (bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias)
    made.weight, made.bias = fuse_conv_bn_weights(layer.weight, layer.bias, *norm, transpose)
    return made


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A convolution that does what a convolution and a batch norm do in evaluation."""
    return _fused("fuse_conv_bn_eval", conv, bn, transpose)


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """An affine map that does what an affine map and a batch norm do in evaluation."""
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError(f"[fuse_linear_bn_eval] {linear.out_features} outputs and {bn.num_features} features differ")
    return _fused("fuse_linear_bn_eval", linear, bn, False)
