"""Image operations on tensors of shape (..., C, H, W), uint8 or floating with values from 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import corten
from corten.nn import functional as F

from . import _pixels  # type: ignore[attr-defined]


def batched(image: Any, function: Callable[[Any], Any]) -> Any:
    """Apply a function of float32 (B, C, H, W) from 0 to 1 to an image of any shape and dtype, and give it back as such."""
    shape = tuple(image.shape)
    if len(shape) < 3:
        raise ValueError(f"[transforms] a tensor of shape {shape}, expected (..., C, H, W)")
    whole = image.dtype == corten.uint8
    if not whole and not image.is_floating_point():
        raise TypeError(f"[transforms] a tensor of {image.dtype}, expected uint8 or a floating dtype")
    x = image.reshape(-1, *shape[-3:]).to(corten.float32)
    y = function(x / 255 if whole else x)
    if whole:
        y = (y * 255).round().clamp(0, 255)
    return y.to(image.dtype).reshape(*shape[:-3], *y.shape[1:])


def dimensions(image: Any) -> tuple[int, int, int]:
    """Channels, height, width."""
    return (1 if image.dim() == 2 else int(image.shape[-3])), int(image.shape[-2]), int(image.shape[-1])


def flip(image: Any, dim: int) -> Any:
    """The other way round along a dimension."""
    return image.index_select(dim, corten.arange(int(image.shape[dim]) - 1, -1, -1))


def crop(image: Any, top: int, left: int, height: int, width: int) -> Any:
    """A part; what lies outside is 0."""
    _, rows, columns = dimensions(image)
    if top < 0 or left < 0 or top + height > rows or left + width > columns:
        edges = [max(-left, 0), max(left + width - columns, 0), max(-top, 0), max(top + height - rows, 0)]
        image = pad(image, [edges[0], edges[2], edges[1], edges[3]], 0, "constant")
        top, left = max(top, 0), max(left, 0)
    return image[..., top : top + height, left : left + width]


def pad(image: Any, padding: Sequence[int], fill: Any, mode: str) -> Any:
    """Add (left, top, right, bottom) pixels."""
    left, top, right, bottom = padding
    if mode != "constant":
        rows, columns = _edge(image.shape[-2], top, bottom, mode), _edge(image.shape[-1], left, right, mode)
        return image.index_select(-2, rows).index_select(-1, columns)
    channels, height, width = dimensions(image)
    values = [float(v) for v in (fill if isinstance(fill, (list, tuple)) else [fill])]
    shape = (*image.shape[:-2], height + top + bottom, width + left + right)
    out = corten.empty(*shape, dtype=image.dtype)
    if len(values) == 1:
        out.fill_(values[0])
    else:
        for c, value in enumerate(values):
            out[..., c, :, :] = value
    out[..., top : top + height, left : left + width] = image
    return out


def _edge(n: int, before: int, after: int, mode: str) -> Any:
    name = {"edge": "edge", "reflect": "reflect", "symmetric": "symmetric"}[mode]
    return corten.from_numpy(np.pad(np.arange(n), (before, after), mode=name))  # type: ignore[call-overload]


def resize(image: Any, height: int, width: int, mode: str, antialias: bool) -> Any:
    """Interpolate to another size."""

    def run(x: Any) -> Any:
        if mode == "nearest":
            return F.interpolate(x, size=(height, width), mode="nearest")
        y = F.interpolate(x, size=(height, width), mode=mode, align_corners=False, antialias=antialias)
        return y.clamp(0, 1) if mode == "bicubic" and image.dtype == corten.uint8 else y

    return batched(image, run)


def warp(image: Any, height: int, width: int, matrix: Sequence[float], mode: str, fill: Any) -> Any:
    """The points that ``matrix`` (6 or 8 numbers) says, in pixel centres: see native/include/image.h."""
    channels = dimensions(image)[0]
    white = 255.0 if image.dtype == corten.uint8 else 1.0
    values = fill if isinstance(fill, (list, tuple)) else [0 if fill is None else fill]
    if len(values) not in (1, channels):
        raise ValueError(f"[transforms] {len(values)} fill values for {channels} channels")
    filled = np.array([float(v) / white for v in values] * (channels // len(values)), np.float32)

    def run(x: Any) -> Any:
        out = corten.empty(x.shape[0], channels, height, width)
        m = np.zeros((x.shape[0], 8))
        m[:, : len(matrix)] = matrix
        _pixels.warp(out.numpy(), x.contiguous().numpy(), m, mode, filled)
        return out

    return batched(image, run)


def jitter(image: Any, steps: Sequence[tuple[str, float]]) -> Any:
    """Changes of colour one after the other: brightness, contrast, saturation, hue."""
    channels = dimensions(image)[0]
    if channels not in (1, 3):
        raise ValueError(f"[transforms] {channels} channels, expected 1 or 3 to change colours")

    def run(x: Any) -> Any:
        if channels == 1:  # grey has neither saturation nor hue
            kept = [s for s in steps if s[0] in ("brightness", "contrast")]
            return run_rgb(x.expand(x.shape[0], 3, x.shape[2], x.shape[3]), kept)[:, :1]
        return run_rgb(x, steps)

    def run_rgb(x: Any, steps: Sequence[tuple[str, float]]) -> Any:
        out = x.contiguous().clone()
        what = np.array([[_pixels.STEPS[name] for name, _ in steps]] * out.shape[0], np.int32)
        by = np.array([[factor for _, factor in steps]] * out.shape[0], np.float32)
        if steps:
            _pixels.jitter(out.numpy(), what, by)
        return out

    return batched(image, run)


def normalize(image: Any, mean: Sequence[float], std: Sequence[float], inplace: bool) -> Any:
    """(x - mean) / std by channel, for float32 in one native pass."""
    if not image.is_floating_point():
        raise TypeError(f"[normalize] a tensor of {image.dtype}, expected a floating dtype")
    if image.dim() < 3:
        raise ValueError(f"[normalize] a tensor of shape {tuple(image.shape)}, expected (..., C, H, W)")
    channels = int(image.shape[-3])
    means, deviations = (np.array([float(v) for v in values], np.float32) for values in (mean, std))
    if len(means) == len(deviations) == 1:
        means, deviations = np.repeat(means, channels), np.repeat(deviations, channels)
    if len(means) != channels or len(deviations) != channels:
        raise ValueError(f"[normalize] {len(means)} means and {len(deviations)} deviations for {channels} channels")
    if (deviations == 0).any():
        raise ValueError("[normalize] std has a zero")
    out = image if inplace else image.clone()
    if out.dtype == corten.float32 and out.is_contiguous() and not image.requires_grad:
        _pixels.normalise(out.reshape(-1, *out.shape[-3:]).numpy(), means, deviations)
        return out
    shape = (channels, 1, 1)
    return out.sub_(corten.from_numpy(means).reshape(shape).to(out.dtype)).div_(
        corten.from_numpy(deviations).reshape(shape).to(out.dtype)
    )


def grayscale(image: Any, channels: int) -> Any:
    """0.299 R + 0.587 G + 0.114 B, in one or three channels."""

    def run(x: Any) -> Any:
        grey = x if x.shape[1] == 1 else (0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:3])
        return grey if channels == 1 else grey.expand(x.shape[0], channels, x.shape[2], x.shape[3])

    return batched(image, run)


def gaussian_blur(image: Any, size: tuple[int, int], sigma: tuple[float, float]) -> Any:
    """Separable convolution with exp(-x^2 / 2 sigma^2), edges mirrored; ``size`` and ``sigma`` are (across, down)."""

    def run(x: Any) -> Any:
        channels = x.shape[1]
        for n, s, down in ((size[0], sigma[0], False), (size[1], sigma[1], True)):
            at = np.arange(n) - (n - 1) / 2
            w = np.exp(-0.5 * (at / s) ** 2)
            kernel = corten.from_numpy((w / w.sum()).astype(np.float32)).reshape(1, 1, *((n, 1) if down else (1, n)))
            half = n // 2
            x = pad(x, [0, half, 0, half] if down else [half, 0, half, 0], 0, "reflect")
            x = F.conv2d(x, kernel.expand(channels, 1, *kernel.shape[2:]).contiguous(), groups=channels)
        return x

    return batched(image, run)


def sharpness(image: Any, factor: float) -> Any:
    """Blend with a 3 x 3 smoothing [[1 1 1] [1 5 1] [1 1 1]] / 13; the border stays."""

    def run(x: Any) -> Any:
        channels = x.shape[1]
        kernel = corten.ones(channels, 1, 3, 3) / 13
        kernel[:, :, 1, 1] = 5 / 13
        smooth = x.clone()
        if x.shape[2] > 2 and x.shape[3] > 2:
            smooth[:, :, 1:-1, 1:-1] = F.conv2d(x, kernel, groups=channels)
        return (factor * x + (1 - factor) * smooth).clamp(0, 1)

    return batched(image, run)


def posterize(image: Any, bits: int) -> Any:
    """Keep the highest bits of uint8."""
    if image.dtype != corten.uint8:
        raise TypeError(f"[posterize] a tensor of {image.dtype}, expected uint8")
    return corten.from_numpy(image.numpy() & np.uint8(256 - (1 << (8 - bits))))


def solarize(image: Any, threshold: float) -> Any:
    """Invert what is at least the threshold."""
    return corten.where(image >= threshold, invert(image), image)


def invert(image: Any) -> Any:
    """White minus the image."""
    return 255 - image if image.dtype == corten.uint8 else 1 - image


def autocontrast(image: Any) -> Any:
    """Stretch each channel from its least and greatest value to 0 and 1."""

    def run(x: Any) -> Any:
        low, high = x.amin(dim=(-2, -1), keepdim=True), x.amax(dim=(-2, -1), keepdim=True)
        flat = high == low
        return corten.where(flat, x, ((x - low) / (high - low + flat.to(x.dtype))).clamp(0, 1))

    return batched(image, run)


def equalize(image: Any) -> Any:
    """Spread the histogram of each channel of uint8, as Pillow does."""
    if image.dtype != corten.uint8:
        raise TypeError(f"[equalize] a tensor of {image.dtype}, expected uint8")
    planes = image.numpy().reshape(-1, image.shape[-2] * image.shape[-1])
    out = np.empty_like(planes)
    for plane, to in zip(planes, out, strict=True):
        counts = np.bincount(plane, minlength=256)
        present = counts[counts > 0]
        step = (int(counts.sum()) - int(present[-1])) // 255
        if len(present) < 2 or step == 0:
            to[:] = plane
            continue
        table = (step // 2 + np.concatenate([[0], np.cumsum(counts)[:-1]])) // step
        to[:] = np.clip(table, 0, 255).astype(np.uint8)[plane]
    return corten.from_numpy(out.reshape(tuple(image.shape)))


def inverse_affine(
    centre: tuple[float, float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> list[float]:
    """The six numbers that take an output point to its source, for T(translate) C R(angle) Shear S(scale) C^-1.

    Angles are in degrees, clockwise; C moves the centre to the origin.
    """
    rot, sx, sy = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    a = math.cos(rot - sy) / math.cos(sy)
    b = -math.cos(rot - sy) * math.tan(sx) / math.cos(sy) - math.sin(rot)
    c = math.sin(rot - sy) / math.cos(sy)
    d = -math.sin(rot - sy) * math.tan(sx) / math.cos(sy) + math.cos(rot)
    m = [d / scale, -b / scale, 0.0, -c / scale, a / scale, 0.0]
    x, y = -centre[0] - translate[0], -centre[1] - translate[1]
    m[2] = m[0] * x + m[1] * y + centre[0]
    m[5] = m[3] * x + m[4] * y + centre[1]
    return m


def perspective_coefficients(start: Sequence[Sequence[float]], end: Sequence[Sequence[float]]) -> list[float]:
    """The eight numbers that take four points ``end`` of the output to ``start`` of the source."""
    rows = []
    for (x, y), (u, v) in zip(end, start, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    try:
        solved = np.linalg.solve(np.array(rows, float), np.array(start, float).reshape(8))
    except np.linalg.LinAlgError:
        raise ValueError(f"[perspective] points {list(end)} lie on a line") from None
    found: list[float] = solved.tolist()
    return found
