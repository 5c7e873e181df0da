"""Image operations on Pillow images, by Pillow itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from .on_tensors import inverse_affine

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}
_ENHANCE = {"brightness": ImageEnhance.Brightness, "contrast": ImageEnhance.Contrast, "saturation": ImageEnhance.Color}


def dimensions(image: Any) -> tuple[int, int, int]:
    """Channels, height, width."""
    return len(image.getbands()), image.height, image.width


def crop(image: Any, top: int, left: int, height: int, width: int) -> Any:
    """A part; what lies outside is black."""
    return image.crop((left, top, left + width, top + height))


def pad(image: Any, padding: Sequence[int], fill: Any, mode: str) -> Any:
    """Add (left, top, right, bottom) pixels."""
    left, top, right, bottom = padding
    if mode == "constant":
        return ImageOps.expand(image, border=(left, top, right, bottom), fill=_colour(image, fill))
    pixels = np.asarray(image)
    edges = [(top, bottom), (left, right)] + [(0, 0)] * (pixels.ndim - 2)
    return Image.fromarray(np.pad(pixels, edges, mode=mode))  # type: ignore[call-overload]


def _colour(image: Any, fill: Any) -> Any:
    """A fill as Pillow wants it for the image's mode."""
    if fill is None:
        fill = 0
    bands = len(image.getbands())
    if isinstance(fill, (int, float)):
        return int(fill) if bands == 1 else (int(fill),) * bands
    if len(fill) != bands:
        raise ValueError(f"[transforms] {len(fill)} fill values for an image of mode {image.mode}")
    return tuple(int(v) for v in fill) if bands > 1 else int(fill[0])


def resize(image: Any, height: int, width: int, mode: str) -> Any:
    """Resample with antialiasing."""
    return image.resize((width, height), FILTERS[mode])


def hflip(image: Any) -> Any:
    """Left to right."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def vflip(image: Any) -> Any:
    """Top to bottom."""
    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def rotate(image: Any, angle: float, mode: str, expand: bool, center: Any, fill: Any) -> Any:
    """Counter-clockwise, in degrees."""
    return image.rotate(angle, FILTERS[mode], expand, center, fillcolor=_colour(image, fill))


def affine(
    image: Any, angle: float, translate: Any, scale: float, shear: Any, mode: str, fill: Any, center: Any
) -> Any:
    """Rotation, translation, scaling and shear about the centre."""
    about = (image.width * 0.5, image.height * 0.5) if center is None else center
    matrix = inverse_affine(about, angle, translate, scale, shear)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, FILTERS[mode], fillcolor=_colour(image, fill))


def perspective(image: Any, coefficients: Sequence[float], mode: str, fill: Any) -> Any:
    """Another point of view."""
    return image.transform(
        image.size, Image.Transform.PERSPECTIVE, coefficients, FILTERS[mode], fillcolor=_colour(image, fill)
    )


def jitter(image: Any, steps: Sequence[tuple[str, float]]) -> Any:
    """Changes of colour one after the other: brightness, contrast, saturation, hue."""
    for name, factor in steps:
        image = hue(image, factor) if name == "hue" else _ENHANCE[name](image).enhance(factor)
    return image


def hue(image: Any, factor: float) -> Any:
    """Turn the hue by a part of the circle, in Pillow's 8-bit HSV."""
    if image.mode in ("L", "1", "I", "F"):
        return image
    h, s, v = image.convert("HSV").split()
    turned = (np.asarray(h).astype(np.int16) + int(factor * 255)).astype(np.uint8)
    return Image.merge("HSV", (Image.fromarray(turned), s, v)).convert(image.mode)


def grayscale(image: Any, channels: int) -> Any:
    """Luma, in one or three channels."""
    grey = image.convert("L")
    return grey if channels == 1 else Image.merge("RGB", (grey, grey, grey))


def sharpness(image: Any, factor: float) -> Any:
    """Blend with a smoothed image."""
    return ImageEnhance.Sharpness(image).enhance(factor)


invert = ImageOps.invert
posterize = ImageOps.posterize
solarize = ImageOps.solarize
autocontrast = ImageOps.autocontrast
equalize = ImageOps.equalize
