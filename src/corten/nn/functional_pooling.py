"""Pooling, padding, interpolation and rearrangements as functions, with PyTorch's names and arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from corten._core import core
from corten.ops import pooling as ops
from corten.ops.pooling import PAD_MODES

__all__ = ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
           "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "fold", "interpolate",
           "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d", "max_pool2d", "max_pool3d", "max_unpool1d",
           "max_unpool2d", "max_unpool3d", "pad", "pixel_shuffle", "pixel_unshuffle", "unfold", "upsample"]  # fmt: skip


def several(value: Any, n: int, name: str) -> tuple[int, ...]:
    """One number for each of n axes."""
    if isinstance(value, (list, tuple)):
        if len(value) == 1:
            return (int(value[0]),) * n
        if len(value) != n:
            raise RuntimeError(f"[{name}] got {tuple(value)}, expected one number or {n}")
        return tuple(int(v) for v in value)
    return (int(value),) * n


def _batched(input: Any, dims: int, name: str) -> tuple[Any, bool]:
    """The input with a batch dimension, and whether one was added."""
    if input.ndim not in (dims + 1, dims + 2):
        raise RuntimeError(f"[{name}] got {input.ndim} dimensions, expected {dims + 1} (one sample) or {dims + 2} (a batch)")
    if any(n == 0 for n in input.shape[input.ndim - dims - 1 :]):
        raise RuntimeError(f"[{name}] got shape {tuple(input.shape)}, expected channels and sizes above 0")
    return (input.unsqueeze(0), True) if input.ndim == dims + 1 else (input, False)


def _window(dims: int, k: Any, s: Any, p: Any, d: Any, adaptive: bool = False, count_pad: bool = False, div: int = 0) -> list[int]:
    out: list[int] = []
    for values, missing in ((k, 1), (s, 1), (p, 0), (d, 1)):
        out += [missing] * (3 - dims) + list(values)
    return [*out, int(adaptive), int(count_pad), div]


def pooled_size(name: str, n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    """Outputs along an axis of n elements."""
    if k < 1 or s < 1 or d < 1:
        raise RuntimeError(f"[{name}] kernel size {k}, stride {s} and dilation {d} must be above 0")
    if p < 0 or 2 * p > (k - 1) * d + 1:
        raise RuntimeError(f"[{name}] padding {p} must be at most half of the kernel size {k}")
    span = n + 2 * p - d * (k - 1) - 1
    out = -(-span // s) + 1 if ceil_mode else span // s + 1
    if ceil_mode and (out - 1) * s >= n + p:
        out -= 1
    if out < 1:
        raise RuntimeError(f"[{name}] an axis of {n} with padding {p} is smaller than the kernel, {k} with dilation {d}")
    return out


def _pool(name: str, dims: int, input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
          ceil_mode: bool) -> tuple[Any, bool, tuple[Any, ...], tuple[int, ...]]:  # fmt: skip
    x, single = _batched(input, dims, name)
    k = several(kernel_size, dims, name)
    s = k if stride is None or stride == [] or stride == () else several(stride, dims, name)
    p, d = several(padding, dims, name), several(dilation, dims, name)
    size = tuple(pooled_size(name, x.shape[2 + i], k[i], s[i], p[i], d[i], ceil_mode) for i in range(dims))
    return x, single, (k, s, p, d), size


def _max_pool(name: str, dims: int, input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool,
              return_indices: bool) -> Any:  # fmt: skip
    x, single, geometry, size = _pool(name, dims, input, kernel_size, stride, padding, dilation, ceil_mode)
    out, index = ops.max_pool(x, window=_window(dims, *geometry), size=size)
    if single:
        out, index = out.squeeze(0), index.squeeze(0)
    return (out, index.long()) if return_indices else out


def _avg_pool(name: str, dims: int, input: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
              count_include_pad: bool, divisor_override: int | None = None) -> Any:  # fmt: skip
    if divisor_override is not None and divisor_override == 0:
        raise RuntimeError(f"[{name}] divisor_override must not be zero")
    x, single, geometry, size = _pool(name, dims, input, kernel_size, stride, padding, 1, ceil_mode)
    out = ops.avg_pool(x, window=_window(dims, *geometry, False, count_include_pad, divisor_override or 0),  # type: ignore[call-arg]
                       size=size)
    return out.squeeze(0) if single else out


def _lp_pool(name: str, dims: int, input: Any, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Any:
    count = math.prod(several(kernel_size, dims, name))
    out = _avg_pool(name, dims, input**norm_type, kernel_size, stride, 0, ceil_mode, True)
    return (out.sign() * out.abs().relu() * count) ** (1.0 / norm_type)


def _adaptive(name: str, dims: int, input: Any, output_size: Any, largest: bool) -> tuple[Any, Any]:
    x, single = _batched(input, dims, name)
    wanted = output_size if isinstance(output_size, (list, tuple)) else (output_size,) * dims
    if len(wanted) != dims:
        raise RuntimeError(f"[{name}] got output_size={tuple(wanted)}, expected {dims} numbers")
    size = tuple(x.shape[2 + i] if n is None else int(n) for i, n in enumerate(wanted))
    if any(n < 0 for n in size):
        raise RuntimeError(f"[{name}] got output_size={size}, expected numbers of at least 0")
    even = all(n > 0 and x.shape[2 + i] % n == 0 for i, n in enumerate(size))
    k = tuple(x.shape[2 + i] // n for i, n in enumerate(size)) if even else (1,) * dims
    window = _window(dims, k, k, (0,) * dims, (1,) * dims, not even)
    out, index = ops.max_pool(x, window=window, size=size) if largest else (ops.avg_pool(x, window=window, size=size), None)
    return (out.squeeze(0), None if index is None else index.squeeze(0)) if single else (out, index)


def _unpool(name: str, dims: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any) -> Any:
    x, single = _batched(input, dims, name)
    if indices.shape != input.shape:
        raise RuntimeError(f"[{name}] indices {tuple(indices.shape)} and input {tuple(input.shape)} differ in shape")
    k = several(kernel_size, dims, name)
    s, p = (k if stride is None else several(stride, dims, name)), several(padding, dims, name)
    size = tuple((x.shape[2 + i] - 1) * s[i] - 2 * p[i] + k[i] for i in range(dims))
    if output_size is not None:
        given = tuple(int(n) for n in output_size)[-dims:]
        if any(not size[i] - s[i] < given[i] < size[i] + s[i] for i in range(dims)):
            raise ValueError(f"[{name}] got output_size={given}, expected within one stride of {size}")
        size = given
    index = indices.unsqueeze(0) if single else indices
    bad = core.check_index(index, 0, math.prod(size), -(2**62))
    if bad is not None:
        raise RuntimeError(f"[{name}] index {bad} is outside 0 ... {math.prod(size) - 1}")
    out = ops.max_unpool(x, index, size=size)
    return out.squeeze(0) if single else out


def _publish(dims: int) -> None:
    """The functions of one number of spatial dimensions."""
    shape = {1: "(N, C, L)", 2: "(N, C, H, W)", 3: "(N, C, D, H, W)"}[dims]

    def max_pool(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
                 ceil_mode: bool = False, return_indices: bool = False) -> Any:  # fmt: skip
        return _max_pool(f"max_pool{dims}d", dims, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)

    def avg_pool(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True, divisor_override: int | None = None) -> Any:  # fmt: skip
        return _avg_pool(f"avg_pool{dims}d", dims, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
                         divisor_override)  # fmt: skip

    def lp_pool(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
        return _lp_pool(f"lp_pool{dims}d", dims, input, norm_type, kernel_size, stride, ceil_mode)

    def adaptive_max_pool(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        out, index = _adaptive(f"adaptive_max_pool{dims}d", dims, input, output_size, True)
        return (out, index.long()) if return_indices else out

    def adaptive_avg_pool(input: Any, output_size: Any) -> Any:
        return _adaptive(f"adaptive_avg_pool{dims}d", dims, input, output_size, False)[0]

    def max_unpool(input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0,
                   output_size: Any = None) -> Any:  # fmt: skip
        return _unpool(f"max_unpool{dims}d", dims, input, indices, kernel_size, stride, padding, output_size)

    for fn, doc in (
        (max_pool, f"Largest of each window of {shape}; with ``return_indices`` also its position in the plane."),
        (avg_pool, f"Mean of each window of {shape}."),
        (lp_pool, f"p-norm of each window of {shape}: :math:`(\\sum x^p)^{{1/p}}`."),
        (adaptive_max_pool, f"Largest of windows that cut {shape} evenly into ``output_size`` parts."),
        (adaptive_avg_pool, f"Mean of windows that cut {shape} evenly into ``output_size`` parts."),
        (max_unpool, f"Inverse of max pooling over {shape}: values at their indices, zeros elsewhere."),
    ):
        name = f"{fn.__name__}{dims}d"
        fn.__name__ = fn.__qualname__ = name
        fn.__doc__ = doc
        globals()[name] = fn


for _dims in (1, 2, 3):
    _publish(_dims)


# ---- windows as columns


def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Windows of an image as columns: (N, C, H, W) -> (N, C kh kw, L).

    Examples
    --------
    >>> import corten
    >>> corten.nn.functional.unfold(corten.rand(1, 3, 4, 4), 2).shape
    corten.Size([1, 12, 9])
    """
    x, single = _batched(input, 2, "unfold")
    window = [v for values in (kernel_size, dilation, padding, stride) for v in several(values, 2, "unfold")]
    blocks = ops.unfold_blocks(x.shape[2:], window)
    if min(blocks) < 1:
        raise RuntimeError(f"[unfold] shape {tuple(input.shape)} is smaller than the window {window[:2]}")
    out = ops.unfold_op(x, size=list(x.shape[2:]), window=window)
    return out.squeeze(0) if single else out


def fold(input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Columns added up to an image: (N, C kh kw, L) -> (N, C, H, W); the adjoint of :func:`unfold`."""
    x = input.unsqueeze(0) if input.ndim == 2 else input
    if x.ndim != 3:
        raise RuntimeError(f"[fold] got {input.ndim} dimensions, expected 2 or 3")
    size = several(output_size, 2, "fold")
    window = [v for values in (kernel_size, dilation, padding, stride) for v in several(values, 2, "fold")]
    if x.shape[1] % (window[0] * window[1]):
        raise RuntimeError(f"[fold] {x.shape[1]} rows are no multiple of the window {window[:2]}")
    if math.prod(ops.unfold_blocks(size, window)) != x.shape[2]:
        raise RuntimeError(f"[fold] got {x.shape[2]} columns, expected {math.prod(ops.unfold_blocks(size, window))}")
    out = ops.fold_op(x, size=list(size), window=window)
    return out.squeeze(0) if input.ndim == 2 else out


# ---- padding


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """Elements around a tensor.

    Parameters
    ----------
    pad : ints
        (before, after) of the last dimension, then of the one before it, and so on; negative amounts cut off.
    mode : {'constant', 'reflect', 'replicate', 'circular'}
    value : float
        The constant.

    Examples
    --------
    >>> import corten
    >>> corten.nn.functional.pad(corten.tensor([1.0, 2.0]), (1, 0))
    tensor([0., 1., 2.])
    """
    amounts = [int(n) for n in pad]
    if mode not in PAD_MODES:
        raise NotImplementedError(f"[pad] got mode={mode!r}, expected one of {list(PAD_MODES)}")
    if len(amounts) % 2 or len(amounts) > 2 * input.ndim:
        raise RuntimeError(f"[pad] got {len(amounts)} amounts for {input.ndim} dimensions, expected pairs")
    low, high = [0] * input.ndim, [0] * input.ndim
    for i in range(len(amounts) // 2):
        low[-1 - i], high[-1 - i] = amounts[2 * i], amounts[2 * i + 1]
    if mode == "circular" and min(low + high) < 0:  # what is left after cutting off is what goes round
        cut = ([min(n, 0) for n in low], [min(n, 0) for n in high])
        input = ops.pad_op(input, mode=0, low=cut[0], high=cut[1]) if input.is_floating_point() else input
        low, high = [max(n, 0) for n in low], [max(n, 0) for n in high]
    for d, n in enumerate(input.shape):
        most = {"reflect": n - 1, "circular": n}.get(mode)
        if n + low[d] + high[d] < 0 or (mode != "constant" and (n + low[d] + high[d] == 0 or n == 0) and (low[d] or high[d])):
            raise RuntimeError(f"[pad] amounts {low[d]}, {high[d]} leave nothing of dimension {d} of size {n}")
        if most is not None and max(low[d], high[d]) > most:
            raise RuntimeError(f"[pad] amounts {low[d]}, {high[d]} exceed what mode {mode!r} can give, {most}, in dimension {d}")
    dtype = input.dtype
    whole = not input.is_floating_point()
    out = ops.pad_op(input.double() if whole else input, mode=PAD_MODES[mode], low=low, high=high, value=float(value or 0))
    return out.to(dtype) if whole else out


# ---- interpolation


@lru_cache(maxsize=256)
def _taps(mode: str, size: int, out: int, align: bool, scale: float | None, antialias: bool) -> tuple[Any, Any]:
    """Index (out, taps) and weight (out, taps) of an interpolation of `size` elements to `out`."""
    o = np.arange(out, dtype=np.float64)
    ratio = 1 / scale if scale else size / out
    if mode in ("nearest", "nearest-exact"):
        at = np.floor((o + (0.5 if mode == "nearest-exact" else 0)) * ratio)
        return np.minimum(at, size - 1).astype(np.int64)[:, None], np.ones((out, 1))
    if align:
        ratio = (size - 1) / (out - 1) if out > 1 else 0.0
    cubic = mode == "bicubic"
    if antialias:
        stretch = max(ratio, 1.0)
        support = (2 if cubic else 1) * stretch
        centre = o * ratio if align else (o + 0.5) * ratio
        shift = 0.0 if align else 0.5
        taps = int(math.ceil(support)) * 2 + 1
        first = np.maximum(np.floor(centre - support + 0.5 - (0.5 - shift)).astype(np.int64), 0)
        index = first[:, None] + np.arange(taps)
        distance = np.abs((index + shift - centre[:, None]) / stretch)
        weight = _cubic(distance, -0.5) if cubic else np.maximum(1 - distance, 0)
        last = np.minimum(np.floor(centre + support + 0.5 - (0.5 - shift)).astype(np.int64), size)
        weight = np.where(index < last[:, None], weight, 0)
        weight = weight / weight.sum(1, keepdims=True)
        return np.clip(index, 0, size - 1), weight
    at = o * ratio if align else (o + 0.5) * ratio - 0.5
    if not cubic:
        at = np.maximum(at, 0)
        low = np.minimum(np.floor(at).astype(np.int64), size - 1)
        part = np.where(low < size - 1, at - low, 0.0)
        return np.stack([low, np.minimum(low + 1, size - 1)], 1), np.stack([1 - part, part], 1)
    low = np.floor(at).astype(np.int64)
    index = low[:, None] + np.arange(-1, 3)
    return np.clip(index, 0, size - 1), _cubic(np.abs(index - at[:, None]), -0.75)


def _cubic(d: Any, a: float) -> Any:
    """Cubic convolution. Keys 1981."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


INTERPOLATIONS = {"nearest": (1, 2, 3), "nearest-exact": (1, 2, 3), "area": (1, 2, 3), "linear": (1,), "bilinear": (2,),
                  "trilinear": (3,), "bicubic": (2,)}  # fmt: skip


def interpolate(input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
                align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
                antialias: bool = False) -> Any:  # fmt: skip
    """Resize the spatial dimensions of (N, C, spatial...).

    Parameters
    ----------
    size : int or ints
        The new spatial size. Or
    scale_factor : float or floats
    mode : {'nearest', 'nearest-exact', 'linear', 'bilinear', 'trilinear', 'bicubic', 'area'}
    align_corners : bool
        Whether the corner elements' centres stay in place (linear and cubic modes).
    antialias : bool
        Whether to low-pass before going to a smaller size (bilinear and bicubic).

    Examples
    --------
    >>> import corten
    >>> corten.nn.functional.interpolate(corten.rand(1, 3, 4, 4), scale_factor=2).shape
    corten.Size([1, 3, 8, 8])
    """
    dims = input.ndim - 2
    if mode not in INTERPOLATIONS or dims not in INTERPOLATIONS[mode]:
        raise NotImplementedError(f"[interpolate] mode {mode!r} does not take {input.ndim} dimensions")
    if (size is None) == (scale_factor is None):
        raise ValueError("[interpolate] give either size or scale_factor")
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise ValueError(f"[interpolate] align_corners does not go with mode {mode!r}")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"[interpolate] antialias goes with bilinear and bicubic, not with {mode!r}")
    scales: list[float | None] = [None] * dims
    if size is not None:
        new = several(size, dims, "interpolate")
    else:
        factors = [float(f) for f in scale_factor] if isinstance(scale_factor, (list, tuple)) else [float(scale_factor)] * dims
        if len(factors) != dims:
            raise ValueError(f"[interpolate] got {len(factors)} scale factors, expected {dims}")
        new = tuple(math.floor(input.shape[2 + i] * f) for i, f in enumerate(factors))
        if not recompute_scale_factor:
            scales = list(factors)
    if min(new, default=1) < 1 or 0 in input.shape[1:]:
        raise RuntimeError(f"[interpolate] cannot go from {tuple(input.shape)} to size {new}")
    if mode == "area":
        return _adaptive("interpolate", dims, input, new, False)[0]
    out = input
    for i in sorted(range(dims), key=lambda i: (new[i] / input.shape[2 + i], i)):  # shrink first
        index, weight = _taps(mode, input.shape[2 + i], new[i], bool(align_corners), scales[i], antialias)
        dtype = out.dtype if out.is_floating_point() else core.get_default_dtype()
        out = ops.resample_axis(out, core.tensor(index), core.tensor(weight, dtype=dtype), dim=2 + i, size=new[i])
    return out


def upsample(input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
             align_corners: bool | None = None) -> Any:  # fmt: skip
    """Resize; the older name of :func:`interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """(..., C r^2, H, W) -> (..., C, H r, W r). Shi et al., arXiv:1609.05158."""
    r = int(upscale_factor)
    *lead, c, h, w = input.shape
    if r < 1 or c % (r * r):
        raise RuntimeError(f"[pixel_shuffle] {c} channels are no multiple of the square of {r}")
    n = len(lead)
    x = input.reshape((*lead, c // (r * r), r, r, h, w))
    return x.permute((*range(n + 1), n + 3, n + 1, n + 4, n + 2)).reshape((*lead, c // (r * r), h * r, w * r))


def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """(..., C, H r, W r) -> (..., C r^2, H, W); the inverse of :func:`pixel_shuffle`."""
    r = int(downscale_factor)
    *lead, c, h, w = input.shape
    if r < 1 or h % r or w % r:
        raise RuntimeError(f"[pixel_unshuffle] sizes {h} and {w} are no multiples of {r}")
    n = len(lead)
    x = input.reshape((*lead, c, h // r, r, w // r, r))
    return x.permute((*range(n + 1), n + 2, n + 4, n + 1, n + 3)).reshape((*lead, c * r * r, h // r, w // r))


if TYPE_CHECKING:  # the functions for 1 to 3 dimensions are made in a loop

    def __getattr__(name: str) -> Any: ...
