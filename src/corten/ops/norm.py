"""Normalisation: batch, layer, root-mean-square and group norms on native kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corten.ops.declare import op


def _spread(weight: Any, ndim: int, channels: bool) -> Any:
    """A weight in the shape in which it multiplies: (C, 1, ...) by channel, or as it is."""
    return weight.reshape([1, -1] + [1] * (ndim - 2)) if channels else weight


def _normalise(x: Any, dims: Sequence[int], eps: float, centred: bool = True) -> Any:
    """:math:`(x - E[x]) / \\sqrt{\\mathrm{Var}[x] + \\epsilon}`, in ops."""
    d = x - x.mean(dims, keepdim=True) if centred else x
    return d * (((d * d).mean(dims, keepdim=True) + eps) ** -0.5)


# ---- batch norm


def _batch_shapes(input: Any, *rest: Any) -> tuple[Any, ...]:
    c = (input[1],)
    return input, c, c, c


def _channel_dims(x: Any) -> list[int]:
    return [0, *range(2, x.ndim)]


def _affine_vjp(g: Any, h: Any, weight: Any, dims: Sequence[int], channels: bool) -> tuple[Any, Any, Any]:
    """Gradient of the normalised h, of weight and of bias."""
    u = g if weight is None else g * _spread(weight, g.ndim, channels)
    return u, None if weight is None else (g * h).sum(dims), g.sum(dims)


def _through(x: Any, u: Any, dims: Sequence[int], eps: float, centred: bool = True) -> Any:
    """Gradient of x, from that of the normalised x."""
    d = x - x.mean(dims, keepdim=True) if centred else x
    r = ((d * d).mean(dims, keepdim=True) + eps) ** -0.5
    h = d * r
    u_h = h * (u * h).mean(dims, keepdim=True)
    return r * (u - u.mean(dims, keepdim=True) - u_h if centred else u - u_h)


def _batch_train_vjp(g_out: Any, input: Any, weight: Any, eps: float) -> tuple[Any, Any, Any]:
    dims = _channel_dims(input)
    u, dw, db = _affine_vjp(g_out, _normalise(input, dims, eps), weight, dims, True)
    return _through(input, u, dims, eps), dw, db


batch_norm_train_backward = op(
    "batch_norm_train_backward(g, input, mean, invstd, weight: Tensor?) -> dx, dweight, dbias",
    shape=lambda g, x, m, r, w: (x, m, m), kernel="batch_norm_train_backward", function=False, contiguous=True,
    doc="Gradients of batch_norm_train.")  # fmt: skip
batch_norm_train = op(
    "batch_norm_train(input, weight: Tensor?, bias: Tensor?, *, eps: float = 1e-5) -> out, mean, invstd, var",
    shape=_batch_shapes, dtype="floating", kernel="batch_norm_train", function=False, contiguous=True,
    vjp=_batch_train_vjp,
    vjp_fused=lambda g_out, input, mean, invstd, weight: batch_norm_train_backward(g_out, input, mean, invstd, weight),
    doc="Batch normalisation by the batch's own statistics, which it also returns (biased variance).")  # fmt: skip


def _batch_eval_vjp(g: Any, input: Any, mean: Any, var: Any, weight: Any, eps: float) -> tuple[Any, ...]:
    dims = _channel_dims(input)
    r = _spread((var + eps) ** -0.5, input.ndim, True)
    h = (input - _spread(mean, input.ndim, True)) * r
    u, dw, db = _affine_vjp(g, h, weight, dims, True)
    return u * r, None, None, dw, db


batch_norm_eval_backward = op(
    "batch_norm_eval_backward(g, input, mean, var, weight: Tensor?, *, eps: float) -> dx, dweight, dbias",
    shape=lambda g, x, m, r, w, eps: (x, m, m), kernel="batch_norm_eval_backward", function=False, contiguous=True,
    doc="Gradients of batch_norm_eval.")  # fmt: skip


def _batch_eval_fused(g: Any, input: Any, mean: Any, var: Any, weight: Any, eps: float) -> tuple[Any, ...]:
    dx, dw, db = batch_norm_eval_backward(g, input, mean, var, weight, eps=eps)
    return dx, None, None, dw, db


batch_norm_eval = op(
    "batch_norm_eval(input, mean, var, weight: Tensor?, bias: Tensor?, *, eps: float = 1e-5) -> out",
    dtype="floating", kernel="batch_norm_eval", function=False, contiguous=True, sums_down=False,
    vjp=_batch_eval_vjp, vjp_fused=_batch_eval_fused,
    doc="Batch normalisation by given statistics.")  # fmt: skip


# ---- layer and root-mean-square norm: statistics over the last `dims` dimensions


def _lead(shape: Sequence[int], dims: int) -> tuple[int, ...]:
    return tuple(shape[: len(shape) - dims])


def _last(x: Any, dims: int) -> list[int]:
    return list(range(x.ndim - dims, x.ndim))


def _layer_vjp(g_out: Any, input: Any, weight: Any, dims: int, eps: float) -> tuple[Any, Any, Any]:
    last, lead = _last(input, dims), list(range(input.ndim - dims))
    h = _normalise(input, last, eps)
    u = g_out if weight is None else g_out * weight
    if not lead:
        return _through(input, u, last, eps), g_out * h, g_out
    return _through(input, u, last, eps), (g_out * h).sum(lead), g_out.sum(lead)


layer_norm_backward = op(
    "layer_norm_backward(g, input, mean, rstd, weight: Tensor?, *, dims: int) -> dx, dweight, dbias",
    shape=lambda g, x, m, r, w, dims: (x, x[len(x) - dims:], x[len(x) - dims:]), kernel="layer_norm_backward",
    function=False, contiguous=True, doc="Gradients of layer_norm_op.")  # fmt: skip
layer_norm_op = op(
    "layer_norm_op(input, weight: Tensor?, bias: Tensor?, *, dims: int, eps: float = 1e-5) -> out, mean, rstd",
    shape=lambda x, w, b, dims, eps: (x, _lead(x, dims), _lead(x, dims)), dtype="floating", kernel="layer_norm",
    function=False, contiguous=True, vjp=_layer_vjp,
    vjp_fused=lambda g_out, input, mean, rstd, weight, dims: layer_norm_backward(g_out, input, mean, rstd, weight, dims=dims),
    doc="Layer normalisation over the last `dims` dimensions, and its statistics.")  # fmt: skip


def _rms_vjp(g_out: Any, input: Any, weight: Any, dims: int, eps: float) -> tuple[Any, Any]:
    last, lead = _last(input, dims), list(range(input.ndim - dims))
    u = g_out if weight is None else g_out * weight
    dw = g_out * _normalise(input, last, eps, False)
    return _through(input, u, last, eps, False), dw.sum(lead) if lead else dw


rms_norm_backward = op(
    "rms_norm_backward(g, input, rrms, weight: Tensor?, *, dims: int) -> dx, dweight",
    shape=lambda g, x, r, w, dims: (x, x[len(x) - dims:]), kernel="rms_norm_backward", function=False, contiguous=True,
    doc="Gradients of rms_norm_op.")  # fmt: skip
rms_norm_op = op(
    "rms_norm_op(input, weight: Tensor?, *, dims: int, eps: float) -> out, rrms",
    shape=lambda x, w, dims, eps: (x, _lead(x, dims)), dtype="floating", kernel="rms_norm", function=False,
    contiguous=True, vjp=_rms_vjp,
    vjp_fused=lambda g_out, input, rrms, weight, dims: rms_norm_backward(g_out, input, rrms, weight, dims=dims),
    doc="Root-mean-square normalisation over the last `dims` dimensions.")  # fmt: skip


# ---- group norm


def _group_vjp(g_out: Any, input: Any, weight: Any, groups: int, eps: float) -> tuple[Any, Any, Any]:
    split = (input.shape[0], groups, -1)
    dims = _channel_dims(input)
    h = _normalise(input.reshape(split), [2], eps).reshape(input.shape)
    u, dw, db = _affine_vjp(g_out, h, weight, dims, True)
    return _through(input.reshape(split), u.reshape(split), [2], eps).reshape(input.shape), dw, db


group_norm_backward = op(
    "group_norm_backward(g, input, mean, rstd, weight: Tensor?, *, groups: int) -> dx, dweight, dbias",
    shape=lambda g, x, m, r, w, groups: (x, (x[1],), (x[1],)), kernel="group_norm_backward", function=False,
    contiguous=True, doc="Gradients of group_norm_op.")  # fmt: skip
group_norm_op = op(
    "group_norm_op(input, weight: Tensor?, bias: Tensor?, *, groups: int, eps: float = 1e-5) -> out, mean, rstd",
    shape=lambda x, w, b, groups, eps: (x, (x[0], groups), (x[0], groups)), dtype="floating", kernel="group_norm",
    function=False, contiguous=True, vjp=_group_vjp,
    vjp_fused=lambda g_out, input, mean, rstd, weight, groups:
        group_norm_backward(g_out, input, mean, rstd, weight, groups=groups),
    doc="Normalisation over groups of channels of each sample.")  # fmt: skip
