"""Sampling grids, channel shuffles, responses normalised over channels, pooling at random places; PyTorch's arguments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from corten._core import core
from corten.nn.functional_pooling import (
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool2d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    pad,
    several,
)
from corten.ops.pointwise import where
from corten.ops.view import stack

__all__ = ["adaptive_max_pool1d_with_indices", "adaptive_max_pool2d_with_indices", "adaptive_max_pool3d_with_indices",
           "affine_grid", "channel_shuffle", "fractional_max_pool2d", "fractional_max_pool2d_with_indices",
           "fractional_max_pool3d", "fractional_max_pool3d_with_indices", "grid_sample", "local_response_norm",
           "max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices",
           "native_channel_shuffle"]  # fmt: skip


def channel_shuffle(input: Any, groups: int) -> Any:
    """Channels (g, c) of (N, g c, ...) in the order (c, g). Zhang et al., ShuffleNet, arXiv:1707.01083."""
    if input.ndim < 3:
        raise RuntimeError(f"[channel_shuffle] got {input.ndim} dimensions, expected more than 2")
    channels = input.shape[1]
    if groups <= 0 or channels % groups:
        raise RuntimeError(f"[channel_shuffle] {channels} channels do not divide into {groups} groups")
    lead, rest = input.shape[0], tuple(input.shape[2:])
    return input.reshape((lead, groups, channels // groups, *rest)).transpose(1, 2).reshape(input.shape)


native_channel_shuffle = channel_shuffle


def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """:math:`x / (k + \\alpha \\bar{x^2})^\\beta`, the mean square taken over ``size`` channels around. Krizhevsky 2012."""
    if input.ndim < 3:
        raise ValueError(f"[local_response_norm] got {input.ndim} dimensions, expected at least 3")
    if input.numel() == 0:
        return input
    square = (input * input).reshape((input.shape[0], 1, input.shape[1], -1))
    wide = pad(square, (0, 0, size // 2, (size - 1) // 2))
    mean = avg_pool2d(wide, (size, 1), stride=1).reshape(input.shape)
    return input / (mean * alpha + k) ** beta


# ---- grids


def _base(n: int, align_corners: bool, dtype: Any) -> Any:
    """n positions from -1 to 1: of pixel centres when the corners' centres are aligned, else of cells."""
    if n <= 1:
        return core.zeros(n, dtype=dtype)
    x = np.linspace(-1, 1, n)
    return core.tensor(x if align_corners else x * (n - 1) / n, dtype=dtype)


def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Any:
    """A sampling grid of affine maps, for :func:`grid_sample`.

    Parameters
    ----------
    theta : Tensor, shape (N, 2, 3) or (N, 3, 4)
    size : (N, C, H, W) or (N, C, D, H, W)
    align_corners : bool
        Whether -1 and 1 are the centres of the corner pixels, or the image's edges.

    Returns
    -------
    Tensor, shape (N, H, W, 2) or (N, D, H, W, 3)
    """
    if not theta.is_floating_point():
        raise ValueError(f"[affine_grid] got theta of {theta.dtype}, expected a floating-point dtype")
    dims = len(size) - 2
    if dims not in (2, 3) or tuple(theta.shape[1:]) != (dims, dims + 1):
        raise ValueError(f"[affine_grid] theta {tuple(theta.shape)} does not fit size {tuple(size)}")
    space = tuple(int(s) for s in size[2:])
    axes = [_base(n, bool(align_corners), theta.dtype) for n in space]
    parts = [axes[d].reshape([-1 if i == d else 1 for i in range(dims)]).expand(space) for d in reversed(range(dims))]
    base = stack([*parts, core.ones(space, dtype=theta.dtype)], -1).reshape(1, -1, dims + 1)
    return (base @ theta.transpose(1, 2)).reshape((theta.shape[0], *space, dims))


def _pixels(x: Any, n: int, align: bool) -> Any:
    """Positions from -1 ... 1 as pixel numbers."""
    return (x + 1) * ((n - 1) / 2) if align else ((x + 1) * n - 1) / 2


def _reflected(x: Any, low2: int, high2: int) -> Any:
    """Positions folded back into low2 / 2 ... high2 / 2."""
    if low2 == high2:
        return x * 0
    low, span = low2 / 2, (high2 - low2) / 2
    x = (x - low).abs()
    flips = (x / span).detach().floor()
    extra = x - flips * span
    return where(flips % 2 == 0, extra + low, span - extra + low)


def _inside(x: Any, n: int, padding: str, align: bool) -> Any:
    if padding == "border":
        return x.clamp(min=0, max=n - 1)
    if padding == "reflection":
        x = _reflected(x, 0, 2 * (n - 1)) if align else _reflected(x, -1, 2 * n - 1)
        return x.clamp(min=0, max=n - 1)
    return x


def grid_sample(input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros",
                align_corners: bool | None = None) -> Any:  # fmt: skip
    """Values of an image at the places of a grid. Jaderberg et al., arXiv:1506.02025.

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (N, C, D, H, W)
    grid : Tensor, shape (N, Ho, Wo, 2) or (N, Do, Ho, Wo, 3)
        Positions (x, y) or (x, y, z), -1 ... 1 being the image.
    mode : {'bilinear', 'nearest', 'bicubic'}
    padding_mode : {'zeros', 'border', 'reflection'}
        What is outside.

    Returns
    -------
    Tensor, shape (N, C, Ho, Wo) or (N, C, Do, Ho, Wo)
    """
    name, dims = "grid_sample", input.ndim - 2
    if mode not in ("bilinear", "nearest", "bicubic") or padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(f"[{name}] got mode={mode!r}, padding_mode={padding_mode!r}")
    if dims not in (2, 3) or grid.ndim != input.ndim or grid.shape[-1] != dims or grid.shape[0] != input.shape[0]:
        raise RuntimeError(f"[{name}] input {tuple(input.shape)} and grid {tuple(grid.shape)}: expected (N, C, H, W) and "
                           "(N, Ho, Wo, 2), or (N, C, D, H, W) and (N, Do, Ho, Wo, 3)")  # fmt: skip
    if mode == "bicubic" and dims == 3:
        raise RuntimeError(f"[{name}] bicubic works on (N, C, H, W) alone")
    align, sizes = bool(align_corners), tuple(input.shape[2:])
    at = [_pixels(grid[..., dims - 1 - d], sizes[d], align) for d in range(dims)]
    if mode != "bicubic":
        at = [_inside(x, n, padding_mode, align) for x, n in zip(at, sizes, strict=True)]
    out_shape = (input.shape[0], input.shape[1], *grid.shape[1:-1])
    flat = input.reshape(input.shape[0], input.shape[1], -1)

    def taken(index: list[Any]) -> Any:
        """Pixels at whole positions, 0 outside: (N, C, places)."""
        if mode == "bicubic":
            index = [_inside(i, n, padding_mode, align) for i, n in zip(index, sizes, strict=True)]
        valid: Any = True
        number: Any = 0
        for i, n in zip(index, sizes, strict=True):
            ok = (i >= 0) & (i <= n - 1)
            valid = ok if valid is True else valid & ok
            number = number * n + where(ok, i, 0.0).long()
        number = number.reshape(number.shape[0], 1, -1).expand((-1, flat.shape[1], -1))
        return where(valid.reshape(valid.shape[0], 1, -1), flat.gather(2, number), 0.0)

    if mode == "nearest":
        return taken([x.detach().round() for x in at]).reshape(out_shape)
    low = [x.detach().floor() for x in at]
    share = [x - f for x, f in zip(at, low, strict=True)]
    taps = range(2) if mode == "bilinear" else range(-1, 3)

    def weight(t: Any, k: int) -> Any:
        if mode == "bilinear":
            return t if k else 1 - t
        d, a = (t - k).abs(), -0.75
        return (((a + 2) * d - (a + 3)) * d * d + 1) if k in (0, 1) else ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    total: Any = 0
    for steps in np.ndindex(*(len(taps),) * dims):
        ks = [taps[s] for s in steps]
        w: Any = 1
        for t, k in zip(share, ks, strict=True):
            w = w * weight(t, k)
        total = total + taken([f + k for f, k in zip(low, ks, strict=True)]) * w.reshape(w.shape[0], 1, -1)
    return total.reshape(out_shape)


# ---- pooling


def _starts(sample: np.ndarray[Any, Any], n: int, out: int, k: int) -> np.ndarray[Any, Any]:
    """First elements of ``out`` windows of k within n: the pseudo-random sequence of Graham's paper."""
    if out == 1:
        return np.full((*sample.shape, 1), n - k)
    alpha = (n - k) / (out - 1)
    i = np.arange(out - 1)
    starts = ((i + sample[..., None]) * alpha).astype(np.int64) - (sample[..., None] * alpha).astype(np.int64)
    return np.concatenate([starts, np.full((*sample.shape, 1), n - k)], -1)


def _fractional(dims: int, input: Any, kernel_size: Any, output_size: Any, output_ratio: Any, samples: Any) -> tuple[Any, Any]:
    name = f"fractional_max_pool{dims}d"
    if (output_size is None) == (output_ratio is None):
        raise ValueError(f"[{name}] give either output_size or output_ratio")
    single = input.ndim == dims + 1
    x = input.unsqueeze(0) if single else input
    if x.ndim != dims + 2:
        raise RuntimeError(f"[{name}] got {input.ndim} dimensions, expected {dims + 1} or {dims + 2}")
    sizes, kernel = tuple(x.shape[2:]), several(kernel_size, dims, name)
    if output_ratio is None:
        out = several(output_size, dims, name)
    else:
        ratio = output_ratio if isinstance(output_ratio, (list, tuple)) else (output_ratio,) * dims
        out = tuple(int(n * r) for n, r in zip(sizes, ratio, strict=True))
    for n, o, k in zip(sizes, out, kernel, strict=True):
        if o < 1 or o + k - 1 > n:
            raise RuntimeError(f"[{name}] {o} windows of {k} do not fit into {n} elements")
    lead = tuple(x.shape[:2])
    if samples is None:
        draws = core.empty(*lead, dims).uniform_().numpy()
    else:
        draws = samples.detach().numpy().reshape(*lead, dims)
    number: Any = np.zeros((*lead, *(1,) * (2 * dims)), np.int64)
    for d in range(dims):
        # PyTorch counts the samples from the last axis on
        first = _starts(draws[..., dims - 1 - d].astype(x.detach().numpy().dtype), sizes[d], out[d], kernel[d])
        cells = first[..., None] + np.arange(kernel[d])  # (N, C, out, k)
        shape = [1] * (2 * dims)
        shape[d], shape[dims + d] = out[d], kernel[d]
        number = number * sizes[d] + cells.reshape(*lead, *shape)
    number = np.ascontiguousarray(np.broadcast_to(number, (*lead, *out, *kernel))).reshape(*lead, -1, math.prod(kernel))
    flat = x.reshape((*lead, -1))
    places = core.from_numpy(number)
    windows = flat.gather(2, places.reshape((*lead, -1))).reshape(places.shape)
    best = windows.detach().argmax(-1, keepdim=True)
    value = windows.gather(-1, best).reshape((*lead, *out))
    index = places.gather(-1, best).reshape((*lead, *out))
    return (value.squeeze(0), index.squeeze(0)) if single else (value, index)


def fractional_max_pool2d_with_indices(input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
                                       return_indices: bool = False, _random_samples: Any = None) -> tuple[Any, Any]:  # fmt: skip
    """Maxima of windows at pseudo-random places, and where they are. Graham, arXiv:1412.6071."""
    return _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d_with_indices(input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
                                       return_indices: bool = False, _random_samples: Any = None) -> tuple[Any, Any]:  # fmt: skip
    """Maxima of windows at pseudo-random places, and where they are. Graham, arXiv:1412.6071."""
    return _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool2d(input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
                          return_indices: bool = False, _random_samples: Any = None) -> Any:  # fmt: skip
    """Maxima of windows at pseudo-random places of (N, C, H, W). Graham, arXiv:1412.6071."""
    found = _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return found if return_indices else found[0]


def fractional_max_pool3d(input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
                          return_indices: bool = False, _random_samples: Any = None) -> Any:  # fmt: skip
    """Maxima of windows at pseudo-random places of (N, C, D, H, W). Graham, arXiv:1412.6071."""
    found = _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return found if return_indices else found[0]


def _with_indices(pool: Any) -> Any:
    def both(input: Any, *args: Any, **kwargs: Any) -> Any:
        return pool(input, *args, **{**kwargs, "return_indices": True})

    both.__name__ = both.__qualname__ = f"{pool.__name__}_with_indices"
    both.__doc__ = f"{pool.__name__} with the places of the maxima."
    return both


max_pool1d_with_indices, max_pool2d_with_indices, max_pool3d_with_indices = map(_with_indices, (max_pool1d, max_pool2d, max_pool3d))
adaptive_max_pool1d_with_indices, adaptive_max_pool2d_with_indices, adaptive_max_pool3d_with_indices = map(
    _with_indices, (adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d))  # fmt: skip
