"""Pooling, unpooling, windows as columns, padding and interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corten.ops.declare import op

# ---- pooling. `window` is kernel, stride, padding, dilation (three each, depth first; a missing axis is 1, 1, 0, 1),
# then whether adaptive, whether averages count padding, and the divisor (0: the window's size).


def _pooled(input: Sequence[int], window: Sequence[int], size: Sequence[int]) -> tuple[int, ...]:
    return (*input[:2], *size)


def _max_vjp(g_out: Any, index: Any, input_shape: Any) -> Any:
    return max_pool_backward(g_out, index, size=input_shape)


def _max_backward_vjp(g: Any, index: Any) -> tuple[Any, Any]:
    flat = g.reshape((*g.shape[:2], -1))
    picked = flat.gather(2, index.long().reshape((*index.shape[:2], -1)))
    return picked.reshape(index.shape), None


max_pool_backward = op(
    "max_pool_backward(grad, index: raw, *, size: any) -> dx", shape=lambda g, index, size: tuple(size),
    kernel="max_pool_backward", function=False, contiguous=True,
    vjp=_max_backward_vjp, doc="Gradient of max_pool.")  # fmt: skip
max_pool = op(
    "max_pool(input, *, window: ints, size: any) -> out, index", shape=lambda x, window, size: (_pooled(x, window, size),) * 2,
    dtype="floating, int32", kernel="max_pool", function=False, contiguous=True, vjp=_max_vjp,
    doc="Largest of each window, and its position in the plane.")  # fmt: skip


def _avg_backward_vjp(g: Any, window: Any, grad_shape: Any) -> Any:
    return avg_pool(g, window=window, size=grad_shape[2:])


avg_pool_backward = op(
    "avg_pool_backward(grad, *, window: ints, size: any) -> dx", shape=lambda g, window, size: tuple(size),
    dtype="floating", kernel="avg_pool_backward", function=False, contiguous=True, vjp=_avg_backward_vjp,
    doc="Gradient of avg_pool.")  # fmt: skip
avg_pool = op(
    "avg_pool(input, *, window: ints, size: any) -> out", shape=_pooled, dtype="floating", kernel="avg_pool",
    function=False, contiguous=True,
    vjp=lambda g, window, input_shape: avg_pool_backward(g, window=window, size=input_shape),
    doc="Mean of each window.")  # fmt: skip
max_unpool_backward = op(
    "max_unpool_backward(grad, index: int64) -> dx", shape=lambda g, index: index, kernel="max_unpool_backward",
    function=False, contiguous=True, vjp=(lambda g, index, grad_shape: max_unpool(g, index, size=grad_shape[2:]), None),
    doc="Gradient of max_unpool.")  # fmt: skip
max_unpool = op(
    "max_unpool(input, index: int64, *, size: any) -> out", shape=lambda x, index, size: (*x[:2], *size),
    kernel="max_unpool", function=False, contiguous=True,
    vjp=(lambda g, index: max_unpool_backward(g, index), None),
    doc="Values at their positions in otherwise empty planes.")  # fmt: skip

# ---- windows as columns. `window` is kernel, dilation, padding, stride, two each.


def unfold_blocks(size: Sequence[int], window: Sequence[int]) -> tuple[int, int]:
    """How many windows fit along each of two axes."""
    k, d, p, s = (window[i : i + 2] for i in (0, 2, 4, 6))
    return tuple((size[i] + 2 * p[i] - d[i] * (k[i] - 1) - 1) // s[i] + 1 for i in (0, 1))  # type: ignore[return-value]


def _columns(x: Sequence[int], size: Sequence[int], window: Sequence[int]) -> tuple[int, ...]:
    h, w = unfold_blocks(x[2:], window)
    return (x[0], x[1] * window[0] * window[1], h * w)


unfold_op = op(
    "unfold_op(input, *, size: ints, window: ints) -> out", shape=_columns, kernel="unfold", function=False, contiguous=True,
    vjp=lambda g, size, window: fold_op(g, size=size, window=window),
    doc="Windows of an image as columns: (N, C, H, W) -> (N, C kh kw, L).")  # fmt: skip
fold_op = op(
    "fold_op(input, *, size: ints, window: ints) -> out",
    shape=lambda x, size, window: (x[0], x[1] // (window[0] * window[1]), *size), kernel="fold", function=False,
    contiguous=True, vjp=lambda g, size, window: unfold_op(g, size=size, window=window),
    doc="Columns added up to an image: (N, C kh kw, L) -> (N, C, H, W).")  # fmt: skip

# ---- padding

PAD_MODES = {"constant": 0, "reflect": 1, "replicate": 2, "circular": 3}


def _padded(x: Sequence[int], mode: int, low: Sequence[int], high: Sequence[int], value: float = 0) -> tuple[int, ...]:
    return tuple(n + a + b for n, a, b in zip(x, low, high, strict=True))


def _pad_vjp(g: Any, mode: int, low: Any, high: Any) -> Any:
    if mode == 0:
        return pad_op(g, mode=0, low=[-n for n in low], high=[-n for n in high])
    return pad_backward(g, mode=mode, low=low, high=high)


pad_op = op(
    "pad_op(input, *, mode: int, low: ints, high: ints, value: float = 0.0) -> out", shape=_padded, kernel="pad",
    function=False, vjp=_pad_vjp, doc="Elements around a tensor; negative amounts cut off.")  # fmt: skip
pad_backward = op(
    "pad_backward(input, *, mode: int, low: ints, high: ints) -> out",
    shape=lambda g, mode, low, high: tuple(n - a - b for n, a, b in zip(g, low, high, strict=True)),
    kernel="pad_backward", function=False, contiguous=True,
    vjp=lambda g, mode, low, high: pad_op(g, mode=mode, low=low, high=high),
    doc="Every padded element added to the one it came from.")  # fmt: skip

# ---- interpolation


def _resized(x: Sequence[int], index: Any, weight: Any, dim: int, size: int) -> tuple[int, ...]:
    return (*x[:dim], size, *x[dim + 1 :])


resample_axis_backward = op(
    "resample_axis_backward(grad, index: int64, weight, *, dim: int, size: int) -> dx", shape=_resized,
    kernel="resample_axis_backward", function=False, contiguous=True,
    vjp=(lambda g, index, weight, dim, grad_shape: resample_axis(g, index, weight, dim=dim, size=grad_shape[dim]), None, None),
    doc="Gradient of resample_axis.")  # fmt: skip
resample_axis = op(
    "resample_axis(input, index: int64, weight, *, dim: int, size: int) -> out", shape=_resized, dtype="floating",
    kernel="resample_axis", function=False, contiguous=True,
    vjp=(lambda g, index, weight, dim, input_shape:
         resample_axis_backward(g, index, weight, dim=dim, size=input_shape[dim]), None, None),
    doc="Weighted elements along one dimension: the taps of an interpolation.")  # fmt: skip
