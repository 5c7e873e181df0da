"""Functions on images, with torchvision's names: Pillow images by Pillow, tensors of shape (..., C, H, W) natively."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np

import corten

from . import on_tensors
from .random import pair


class InterpolationMode(Enum):
    """How to interpolate."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


_PILLOW_NUMBERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}


def mode_of(interpolation: Any) -> str:
    """The name of an interpolation: an :class:`InterpolationMode`, Pillow's number, or the name."""
    if isinstance(interpolation, InterpolationMode):
        name = interpolation.value
    else:
        name = _PILLOW_NUMBERS.get(int(interpolation), "") if isinstance(interpolation, int) else str(interpolation)
    if name not in {m.value for m in InterpolationMode}:
        raise ValueError(f"[transforms] interpolation is {interpolation!r}, expected an InterpolationMode")
    return name.replace("nearest-exact", "nearest")


def is_pil(image: Any) -> bool:
    """Whether it is a Pillow image; anything but that and a tensor is a TypeError."""
    if isinstance(image, corten.Tensor):
        return False
    if type(image).__module__.startswith("PIL.") or hasattr(image, "getbands"):
        return True
    raise TypeError(f"[transforms] got {type(image).__name__}, expected a Pillow image or a tensor")


def _pillow() -> Any:
    from . import on_pillow

    return on_pillow


def get_dimensions(img: Any) -> list[int]:
    """Channels, height and width of an image."""
    return list(_pillow().dimensions(img) if is_pil(img) else on_tensors.dimensions(img))


def get_image_size(img: Any) -> list[int]:
    """Width and height of an image."""
    _, height, width = get_dimensions(img)
    return [width, height]


def get_image_num_channels(img: Any) -> int:
    """Channels of an image."""
    return get_dimensions(img)[0]


# ---- conversion


def to_tensor(pic: Any) -> Any:
    """A Pillow image or an array (H, W[, C]) as a tensor (C, H, W); uint8 becomes float32 from 0 to 1."""
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"[to_tensor] an array of {pic.ndim} dimensions, expected 2 or 3")
        planes = np.ascontiguousarray(pic[None] if pic.ndim == 2 else pic.transpose(2, 0, 1))
        t = corten.from_numpy(planes if planes.base is None else planes.copy())
        return t.to(corten.float32).div_(255) if pic.dtype == np.uint8 else t
    if isinstance(pic, corten.Tensor) or not is_pil(pic):
        raise TypeError(f"[to_tensor] got {type(pic).__name__}, expected a Pillow image or an array")
    t = pil_to_tensor(pic)
    return t.to(corten.float32).div_(255) if t.dtype == corten.uint8 else t


def pil_to_tensor(pic: Any) -> Any:
    """A Pillow image as a tensor (C, H, W) of its own dtype."""
    if isinstance(pic, corten.Tensor) or not is_pil(pic):
        raise TypeError(f"[pil_to_tensor] got {type(pic).__name__}, expected a Pillow image")
    pixels = np.array(pic)
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * 255
    if pixels.dtype == np.uint16:
        pixels = pixels.astype(np.int32)
    return corten.from_numpy(np.array(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1), order="C"))


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor (C, H, W) or an array (H, W, C) as a Pillow image; floats from 0 to 1 become 8 bits."""
    from PIL import Image

    if isinstance(pic, corten.Tensor):
        if pic.dim() not in (2, 3):
            raise ValueError(f"[to_pil_image] a tensor of {pic.dim()} dimensions, expected 2 or 3")
        pixels = pic.detach().numpy()
        pixels = pixels[None] if pixels.ndim == 2 else pixels
        if pixels.dtype.kind == "f" and mode != "F":
            pixels = (pixels * 255).astype(np.uint8)
        pixels = pixels.transpose(1, 2, 0)
    elif isinstance(pic, np.ndarray):
        pixels = pic[:, :, None] if pic.ndim == 2 else pic
    else:
        raise TypeError(f"[to_pil_image] got {type(pic).__name__}, expected a tensor or an array")
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 3, 4):
        raise ValueError(f"[to_pil_image] an image of shape {pixels.shape}, expected 1 to 4 channels")
    image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))
    return image if mode is None or image.mode == mode else image.convert(mode)


def convert_image_dtype(image: Any, dtype: Any = None) -> Any:
    """Another dtype, with white as white: 255 in uint8, 1 in floating dtypes."""
    dtype = corten.float32 if dtype is None else dtype
    if image.dtype == dtype:
        return image
    white = {
        corten.uint8: 255,
        corten.int8: 127,
        corten.int16: 2**15 - 1,
        corten.int32: 2**31 - 1,
        corten.int64: 2**63 - 1,
    }
    from_white, to_white = white.get(image.dtype), white.get(dtype)
    if from_white is None and to_white is None:
        return image.to(dtype)
    if to_white is None:
        return image.to(dtype) / from_white
    if from_white is None:
        return (image.to(corten.float64) * (to_white + 1 - 1e-3)).to(dtype)
    factor = (to_white + 1) // (from_white + 1)
    return image.to(dtype) * factor if factor else (image // ((from_white + 1) // (to_white + 1))).to(dtype)


def normalize(tensor: Any, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Any:
    """(x - mean) / std for each channel of a floating tensor (..., C, H, W)."""
    return on_tensors.normalize(tensor, mean, std, inplace)


# ---- geometry


def output_size(height: int, width: int, size: Any, max_size: int | None = None) -> tuple[int, int]:
    """(height, width) after resizing: two ints as they are, one int for the shorter edge."""
    if isinstance(size, (list, tuple)) and len(size) == 2:
        return int(size[0]), int(size[1])
    short = pair(size, "size", "resize")[0]
    if short < 1:
        raise ValueError(f"[resize] size is {size}, expected at least 1")
    low, high = min(height, width), max(height, width)
    long = int(short * high / low)
    if max_size is not None and long > max_size:
        short, long = int(max_size * short / long), max_size
    return (long, short) if height > width else (short, long)


def resize(img: Any, size: Any, interpolation: Any = InterpolationMode.BILINEAR, max_size: int | None = None,
           antialias: bool | None = True) -> Any:  # fmt: skip
    """Resize to (height, width), or the shorter edge to one int; always antialiased for Pillow images."""
    _, height, width = get_dimensions(img)
    to = output_size(height, width, size, max_size)
    if to == (height, width):
        return img
    if is_pil(img):
        return _pillow().resize(img, *to, mode_of(interpolation))
    return on_tensors.resize(img, *to, mode_of(interpolation), bool(antialias) and mode_of(interpolation) != "nearest")


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A part of an image; what lies outside of it is black."""
    return (_pillow() if is_pil(img) else on_tensors).crop(img, top, left, height, width)


def center_crop(img: Any, output_size: Any) -> Any:
    """The middle; black is added where the image is smaller."""
    height, width = pair(output_size, "output_size", "center_crop")
    _, rows, columns = get_dimensions(img)
    if width > columns or height > rows:
        across, down = max(width - columns, 0), max(height - rows, 0)
        img = pad(img, [across // 2, down // 2, (across + 1) // 2, (down + 1) // 2])
        _, rows, columns = get_dimensions(img)
    return crop(img, round((rows - height) / 2.0), round((columns - width) / 2.0), height, width)


def resized_crop(img: Any, top: int, left: int, height: int, width: int, size: Any,
                 interpolation: Any = InterpolationMode.BILINEAR, antialias: bool | None = True) -> Any:  # fmt: skip
    """A part of an image, resized."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img: Any) -> Any:
    """Mirror left to right."""
    return _pillow().hflip(img) if is_pil(img) else on_tensors.flip(img, -1)


def vflip(img: Any) -> Any:
    """Mirror top to bottom."""
    return _pillow().vflip(img) if is_pil(img) else on_tensors.flip(img, -2)


def pad(img: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """Add pixels: one number for all edges, two for (left and right, top and bottom), four for left, top, right, bottom."""
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(f"[pad] padding_mode is {padding_mode!r}, expected constant, edge, reflect or symmetric")
    edges = [padding] if isinstance(padding, int) else list(padding)
    if len(edges) not in (1, 2, 4):
        raise ValueError(f"[pad] padding has {len(edges)} numbers, expected 1, 2 or 4")
    edges = edges * 4 if len(edges) == 1 else edges * 2 if len(edges) == 2 else edges
    if min(edges) < 0:
        raise ValueError(f"[pad] padding is {padding}, expected no negative numbers")
    return (_pillow() if is_pil(img) else on_tensors).pad(img, edges, fill, padding_mode)


def rotate(img: Any, angle: float, interpolation: Any = InterpolationMode.NEAREST, expand: bool = False,
           center: Sequence[float] | None = None, fill: Any = None) -> Any:  # fmt: skip
    """Rotate by degrees, counter-clockwise, about the centre or the point (x, y)."""
    mode = mode_of(interpolation)
    if is_pil(img):
        return _pillow().rotate(img, angle, mode, expand, center, fill)
    _, height, width = get_dimensions(img)
    about = (width * 0.5, height * 0.5) if center is None else (float(center[0]), float(center[1]))
    matrix = on_tensors.inverse_affine(about, -angle, (0, 0), 1.0, (0, 0))
    out_height, out_width = height, width
    if expand:
        turn = math.radians(angle)
        sin, cos = abs(math.sin(turn)), abs(math.cos(turn))
        out_width, out_height = (
            math.ceil(round(v, 6)) for v in (cos * width + sin * height, sin * width + cos * height)
        )
        dx, dy = width * 0.5 - out_width * 0.5, height * 0.5 - out_height * 0.5
        matrix[2] += matrix[0] * dx + matrix[1] * dy
        matrix[5] += matrix[3] * dx + matrix[4] * dy
    return on_tensors.warp(img, out_height, out_width, matrix, mode, fill)


def affine(img: Any, angle: float, translate: Sequence[float], scale: float, shear: Any,
           interpolation: Any = InterpolationMode.NEAREST, fill: Any = None, center: Sequence[float] | None = None) -> Any:  # fmt: skip
    """Rotate (degrees, clockwise), translate (pixels), scale and shear (degrees) about the centre."""
    if scale <= 0:
        raise ValueError(f"[affine] scale is {scale}, expected a positive number")
    shears = [float(shear), 0.0] if isinstance(shear, (int, float)) else [float(s) for s in shear]
    shears = [*shears, 0.0][:2]
    mode = mode_of(interpolation)
    if is_pil(img):
        return _pillow().affine(img, angle, translate, scale, shears, mode, fill, center)
    _, height, width = get_dimensions(img)
    about = (width * 0.5, height * 0.5) if center is None else (float(center[0]), float(center[1]))
    return on_tensors.warp(
        img, height, width, on_tensors.inverse_affine(about, angle, translate, scale, shears), mode, fill
    )


def perspective(img: Any, startpoints: Sequence[Sequence[float]], endpoints: Sequence[Sequence[float]],
                interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None) -> Any:  # fmt: skip
    """Move four points (x, y) of the image to four others."""
    coefficients = on_tensors.perspective_coefficients(startpoints, endpoints)
    if is_pil(img):
        return _pillow().perspective(img, coefficients, mode_of(interpolation), fill)
    _, height, width = get_dimensions(img)
    return on_tensors.warp(img, height, width, coefficients, mode_of(interpolation), fill)


def five_crop(img: Any, size: Any) -> tuple[Any, ...]:
    """The four corners and the middle."""
    height, width = pair(size, "size", "five_crop")
    _, rows, columns = get_dimensions(img)
    if height > rows or width > columns:
        raise ValueError(f"[five_crop] crops of {height} x {width} from an image of {rows} x {columns}")
    corners = [(0, 0), (0, columns - width), (rows - height, 0), (rows - height, columns - width)]
    return (*(crop(img, top, left, height, width) for top, left in corners), center_crop(img, (height, width)))


def ten_crop(img: Any, size: Any, vertical_flip: bool = False) -> tuple[Any, ...]:
    """:func:`five_crop` of the image and of its mirror image."""
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def erase(img: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """Put the value ``v`` into the rectangle of a tensor with the corner (i, j)."""
    if not isinstance(img, corten.Tensor):
        raise TypeError(f"[erase] got {type(img).__name__}, expected a tensor")
    out = img if inplace else img.clone()
    out[..., i : i + h, j : j + w] = v
    return out


# ---- colour


def _jitter(img: Any, steps: Sequence[tuple[str, float]]) -> Any:
    return (_pillow() if is_pil(img) else on_tensors).jitter(img, steps)


def _positive(who: str, name: str, factor: float) -> float:
    if not factor >= 0:
        raise ValueError(f"[{who}] {name} is {factor}, expected a number of at least 0")
    return float(factor)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """0 is black, 1 the image, 2 twice as bright."""
    return _jitter(img, [("brightness", _positive("adjust_brightness", "brightness_factor", brightness_factor))])


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """0 is the mean grey, 1 the image."""
    return _jitter(img, [("contrast", _positive("adjust_contrast", "contrast_factor", contrast_factor))])


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """0 is grey, 1 the image."""
    return _jitter(img, [("saturation", _positive("adjust_saturation", "saturation_factor", saturation_factor))])


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Turn the hue by a part of the circle, -0.5 to 0.5."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"[adjust_hue] hue_factor is {hue_factor}, expected -0.5 to 0.5")
    return _jitter(img, [("hue", float(hue_factor))])


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """gain * x ** gamma, for x from 0 to 1."""
    _positive("adjust_gamma", "gamma", gamma)
    if is_pil(img):
        table = [min(255, int((255 + 1 - 1e-3) * gain * (v / 255.0) ** gamma)) for v in range(256)]
        return img.point(table * len(img.getbands()))
    return on_tensors.batched(img, lambda x: (gain * x**gamma).clamp(0, 1))


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """0 is smoothed, 1 the image, 2 sharper."""
    factor = _positive("adjust_sharpness", "sharpness_factor", sharpness_factor)
    return (_pillow() if is_pil(img) else on_tensors).sharpness(img, factor)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """0.299 R + 0.587 G + 0.114 B, in one or three channels."""
    if num_output_channels not in (1, 3):
        raise ValueError(f"[rgb_to_grayscale] num_output_channels is {num_output_channels}, expected 1 or 3")
    return (_pillow() if is_pil(img) else on_tensors).grayscale(img, num_output_channels)


to_grayscale = rgb_to_grayscale


def gaussian_blur(img: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """Blur with a Gaussian; ``sigma`` is 0.3 ((k - 1) / 2 - 1) + 0.8 when absent."""
    sizes = pair(kernel_size, "kernel_size", "gaussian_blur")
    if any(k < 1 or k % 2 == 0 for k in sizes):
        raise ValueError(f"[gaussian_blur] kernel_size is {kernel_size}, expected odd positive ints")
    if sigma is None:
        sigmas = [0.3 * ((k - 1) * 0.5 - 1) + 0.8 for k in sizes]
    else:
        sigmas = [float(sigma)] * 2 if isinstance(sigma, (int, float)) else [float(s) for s in (*sigma, *sigma)][:2]
    if min(sigmas) <= 0:
        raise ValueError(f"[gaussian_blur] sigma is {sigma}, expected positive numbers")
    if is_pil(img):
        return to_pil_image(on_tensors.gaussian_blur(pil_to_tensor(img), sizes, (sigmas[0], sigmas[1])), img.mode)
    return on_tensors.gaussian_blur(img, sizes, (sigmas[0], sigmas[1]))


def invert(img: Any) -> Any:
    """White minus the image."""
    return (_pillow() if is_pil(img) else on_tensors).invert(img)


def posterize(img: Any, bits: int) -> Any:
    """Keep the highest ``bits`` of each of the 8 bits."""
    if not 0 <= bits <= 8:
        raise ValueError(f"[posterize] bits is {bits}, expected 0 to 8")
    return (_pillow() if is_pil(img) else on_tensors).posterize(img, bits)


def solarize(img: Any, threshold: float) -> Any:
    """Invert what is at least the threshold."""
    return (_pillow() if is_pil(img) else on_tensors).solarize(img, threshold)


def autocontrast(img: Any) -> Any:
    """Stretch each channel from black to white."""
    return (_pillow() if is_pil(img) else on_tensors).autocontrast(img)


def equalize(img: Any) -> Any:
    """Spread the histogram of each channel evenly."""
    return (_pillow() if is_pil(img) else on_tensors).equalize(img)
