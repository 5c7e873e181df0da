"""Functions that draw, in-place activations, and old names; PyTorch's arguments."""

from __future__ import annotations

import math
import warnings
from typing import Any

from corten._core import core
from corten.nn.functional_pooling import interpolate
from corten.ops import activation as act
from corten.ops.create import arange
from corten.ops.pointwise import where
from corten.ops.random import dropout_apply

__all__ = ["alpha_dropout", "celu_", "conv_tbc", "elu_", "feature_alpha_dropout", "gumbel_softmax", "hardtanh_",
           "leaky_relu_", "multi_head_attention_forward", "relu_", "rrelu", "rrelu_", "selu_", "threshold_",
           "upsample_bilinear", "upsample_nearest"]  # fmt: skip


def gumbel_softmax(logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Any:
    """A differentiable draw of a class: :math:`\\mathrm{softmax}((x + G) / \\tau)`, G of the Gumbel distribution.

    ``hard`` gives exact 0 and 1 with the gradient of the soft draw. Jang et al., arXiv:1611.01144.
    """
    gumbel = -core.empty_like(logits.detach()).exponential_().log()
    soft = act.softmax_op((logits + gumbel) / tau, dim)
    if not hard:
        return soft
    best = soft.detach().argmax(dim, keepdim=True)
    shape = [1] * logits.ndim
    shape[dim] = -1
    hot = (arange(logits.shape[dim]).reshape(shape) == best).to(soft.dtype)
    return hot - soft.detach() + soft


def rrelu(input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False) -> Any:
    """Rectifier whose negative slope is drawn from [lower, upper] in training, their mean else. Xu et al. 2015."""
    if lower > upper:
        raise RuntimeError(f"[rrelu] got lower={lower} above upper={upper}")
    slope: Any = (lower + upper) / 2
    if training:
        slope = core.empty_like(input.detach()).uniform_(lower, upper)
    out = where(input >= 0, input, input * slope)
    return input.copy_(out) if inplace else out


def _alpha(name: str, input: Any, p: float, training: bool, inplace: bool, shape: Any) -> Any:
    if not 0 <= p <= 1:
        raise ValueError(f"[{name}] got p={p}, expected a probability")
    if not training or p == 0:
        return input
    alpha = -1.7580993408473766  # the value selu tends to for low inputs
    keep = dropout_apply(core.ones(shape, dtype=input.dtype), p) * (1 - p) if p < 1 else 0.0
    a = 1 / math.sqrt((1 - p) * (1 + p * alpha * alpha)) if p < 1 else 0.0
    out = (input * keep + alpha * (1 - keep)) * a - a * p * alpha
    return input.copy_(out) if inplace else out


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Dropout that keeps mean and variance of selu networks. Klambauer et al., arXiv:1706.02515."""
    return _alpha("alpha_dropout", input, p, training, inplace, tuple(input.shape))


def feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """:func:`alpha_dropout` of whole channels of (N, C, ...)."""
    shape = tuple(input.shape[:2]) + (1,) * (input.ndim - 2)
    return _alpha("feature_alpha_dropout", input, p, training, inplace, shape)


def relu_(input: Any) -> Any:
    """:func:`relu` in place."""
    return input.relu_()


def _inplace(name: str, input: Any, *args: Any) -> Any:
    import corten.nn.functional

    return getattr(corten.nn.functional, name)(input, *args, inplace=True)


def elu_(input: Any, alpha: float = 1.0) -> Any:
    """:func:`elu` in place."""
    return _inplace("elu", input, alpha)


def selu_(input: Any) -> Any:
    """:func:`selu` in place."""
    return _inplace("selu", input)


def celu_(input: Any, alpha: float = 1.0) -> Any:
    """:func:`celu` in place."""
    return _inplace("celu", input, alpha)


def leaky_relu_(input: Any, negative_slope: float = 0.01) -> Any:
    """:func:`leaky_relu` in place."""
    return _inplace("leaky_relu", input, negative_slope)


def hardtanh_(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """:func:`hardtanh` in place."""
    return _inplace("hardtanh", input, min_val, max_val)


def threshold_(input: Any, threshold: float, value: float) -> Any:
    """:func:`threshold` in place."""
    return _inplace("threshold", input, threshold, value)


def rrelu_(input: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Any:
    """:func:`rrelu` in place."""
    return _inplace("rrelu", input, lower, upper, training)


def conv_tbc(input: Any, weight: Any, bias: Any, pad: int = 0) -> Any:
    """1-d convolution of (T, N, C) with a weight (K, C, O) and a bias (O)."""
    from corten.ops.conv import conv1d

    return conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad).permute(2, 0, 1)


def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """:func:`interpolate` with mode 'nearest', under its old name."""
    warnings.warn("[upsample_nearest] is deprecated, use interpolate", FutureWarning, stacklevel=2)
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """:func:`interpolate` with mode 'bilinear' and aligned corners, under its old name."""
    warnings.warn("[upsample_bilinear] is deprecated, use interpolate", FutureWarning, stacklevel=2)
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def multi_head_attention_forward(query: Any, key: Any, value: Any, embed_dim_to_check: int, num_heads: int,
                                 in_proj_weight: Any, in_proj_bias: Any, bias_k: Any, bias_v: Any, add_zero_attn: bool,
                                 dropout_p: float, out_proj_weight: Any, out_proj_bias: Any, training: bool = True,
                                 key_padding_mask: Any = None, need_weights: bool = True, attn_mask: Any = None,
                                 use_separate_proj_weight: bool = False, q_proj_weight: Any = None,
                                 k_proj_weight: Any = None, v_proj_weight: Any = None, static_k: Any = None,
                                 static_v: Any = None, average_attn_weights: bool = True,
                                 is_causal: bool = False) -> tuple[Any, Any]:  # fmt: skip
    """:class:`corten.nn.MultiheadAttention` with weights given as arguments, (T, N, E)."""
    from corten.nn.attention import MultiheadAttention

    name = "multi_head_attention_forward"
    if static_k is not None or static_v is not None:
        raise NotImplementedError(f"[{name}] static_k and static_v are not supported")
    if query.shape[-1] != embed_dim_to_check:
        raise AssertionError(f"[{name}] got a query of width {query.shape[-1]}, expected {embed_dim_to_check}")
    layer = MultiheadAttention(embed_dim_to_check, num_heads, dropout_p, device="meta")
    layer.kdim, layer.vdim, layer.add_zero_attn = key.shape[-1], value.shape[-1], add_zero_attn
    layer._qkv_same_embed_dim = not use_separate_proj_weight
    layer._parameters.update(in_proj_weight=in_proj_weight, q_proj_weight=q_proj_weight, k_proj_weight=k_proj_weight,
                             v_proj_weight=v_proj_weight, in_proj_bias=in_proj_bias, bias_k=bias_k, bias_v=bias_v)  # fmt: skip
    layer.out_proj._parameters.update(weight=out_proj_weight, bias=out_proj_bias)
    layer.train(training)
    return layer(query, key, value, key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal)  # type: ignore[no-any-return]
