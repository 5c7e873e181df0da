"""Functions of one picture: Pillow's, or a tensor (..., C, H, W)."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from corten._core import core
from corten.nn import functional as F  # noqa: N812
from corten.tensor import Tensor


class InterpolationMode(Enum):
    """How to compute pixels between pixels."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


_PIL = {"nearest": Image.Resampling.NEAREST, "nearest-exact": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR,
        "bicubic": Image.Resampling.BICUBIC, "box": Image.Resampling.BOX, "hamming": Image.Resampling.HAMMING,
        "lanczos": Image.Resampling.LANCZOS}  # fmt: skip


def _mode(interpolation: Any) -> str:
    if isinstance(interpolation, int):
        return {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}[interpolation]
    return interpolation.value if isinstance(interpolation, InterpolationMode) else str(interpolation)


def is_tensor(img: Any) -> bool:
    """Whether it is a tensor; raises TypeError when it is not a picture at all."""
    if isinstance(img, Tensor):
        return True
    if isinstance(img, Image.Image):
        return False
    raise TypeError(f"[transforms] got {type(img).__name__}, expected a Pillow image or a tensor")


def get_image_size(img: Any) -> list[int]:
    """[width, height]."""
    return [img.shape[-1], img.shape[-2]] if is_tensor(img) else list(img.size)


def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width]."""
    if is_tensor(img):
        return [1 if img.ndim == 2 else img.shape[-3], img.shape[-2], img.shape[-1]]
    return [len(img.getbands()), img.size[1], img.size[0]]


def pil_to_tensor(pic: Any) -> Any:
    """uint8 (C, H, W)."""
    x = np.array(pic)
    if x.dtype == bool:
        x = x.astype(np.uint8) * 255
    x = x[None] if x.ndim == 2 else np.transpose(x, (2, 0, 1))
    return core.tensor(np.ascontiguousarray(x))


def to_tensor(pic: Any) -> Any:
    """float32 (C, H, W) of [0, 1], of a Pillow image or of an array (H, W, C) of bytes; other arrays keep their values."""
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"[to_tensor] got {pic.ndim} dimensions, expected 2 or 3")
        x = pic[:, :, None] if pic.ndim == 2 else pic
        out = core.tensor(np.ascontiguousarray(np.transpose(x, (2, 0, 1))))
        return out.to(core.get_default_dtype()) / 255 if out.dtype.name == "uint8" else out
    if is_tensor(pic):
        raise TypeError("[to_tensor] got a tensor, expected a Pillow image or an array")
    if pic.mode in ("I", "F", "I;16"):
        return core.tensor(np.array(pic, np.float32 if pic.mode == "F" else np.int32)[None])
    return pil_to_tensor(pic).to(core.get_default_dtype()) / 255


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A Pillow image of a tensor (C, H, W) (floating ones of [0, 1]) or of an array (H, W, C)."""
    if isinstance(pic, Tensor):
        x = pic.detach()
        x = (x * 255).to(core._dtype_by_name("uint8")) if x.is_floating_point() else x
        values = x.contiguous().numpy()
        values = np.transpose(values if values.ndim == 3 else values[None], (1, 2, 0))
    else:
        values = np.asarray(pic)
        values = values if values.ndim == 3 else values[:, :, None]
    if values.shape[2] == 1:
        values = values[:, :, 0]
    made = Image.fromarray(np.ascontiguousarray(values))
    return made if mode is None or made.mode == mode else made.convert(mode)


def convert_image_dtype(image: Any, dtype: Any = None) -> Any:
    """Values of [0, 1] as those of an integer dtype, or back."""
    dtype = core.get_default_dtype() if dtype is None else dtype
    if image.dtype is dtype:
        return image
    if image.is_floating_point():
        return image.to(dtype) if dtype.is_floating_point else (image * (core.iinfo(dtype).max + 1 - 1e-3)).to(dtype)
    if dtype.is_floating_point:
        return image.to(dtype) / core.iinfo(image.dtype).max
    raise NotImplementedError(f"[convert_image_dtype] from {image.dtype} to {dtype}")


def normalize(tensor: Any, mean: Any, std: Any, inplace: bool = False) -> Any:
    """(x - mean) / std by channel."""
    if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
        raise TypeError(f"[normalize] got {getattr(tensor, 'dtype', type(tensor).__name__)}, expected a tensor of a floating dtype")
    m, s = (core.tensor(np.atleast_1d(np.asarray(v, np.float64)), dtype=tensor.dtype).reshape(-1, 1, 1) for v in (mean, std))
    if bool((s == 0).any()):
        raise ValueError(f"[normalize] got std={std}: a deviation is 0")
    return tensor.sub_(m).div_(s) if inplace else (tensor - m) / s


def _as_float(img: Any) -> tuple[Any, Any]:
    x = img if img.is_floating_point() else img.to(core.get_default_dtype())
    return x, img.dtype


def _back(x: Any, dtype: Any) -> Any:
    if x.dtype is dtype:
        return x
    return x.round().clamp(min=0, max=255).to(dtype) if dtype.name == "uint8" else x.round().to(dtype)


def resized_size(img: Any, size: Any, max_size: int | None = None) -> tuple[int, int]:
    """(height, width): as told, or with the shorter edge as told."""
    w, h = get_image_size(img)
    if isinstance(size, (list, tuple)) and len(size) == 2:
        return int(size[0]), int(size[1])
    edge = int(size[0] if isinstance(size, (list, tuple)) else size)
    short, long = min(h, w), max(h, w)
    new_short, new_long = edge, int(edge * long / short)
    if max_size is not None and new_long > max_size:
        new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_short, new_long) if h <= w else (new_long, new_short)


def resize(img: Any, size: Any, interpolation: Any = InterpolationMode.BILINEAR, max_size: int | None = None,
           antialias: bool | None = True) -> Any:  # fmt: skip
    """To (height, width), or with the shorter edge of a length."""
    h, w = resized_size(img, size, max_size)
    mode = _mode(interpolation)
    if not is_tensor(img):
        return img.resize((w, h), _PIL[mode])
    x, dtype = _as_float(img)
    lead = x.shape[:-3]
    smooth = mode in ("bilinear", "bicubic")
    out = F.interpolate(x.reshape((-1, *x.shape[-3:])), (h, w), mode=mode, align_corners=False if smooth else None,
                        antialias=bool(antialias) and smooth)  # fmt: skip
    return _back(out.reshape((*lead, *out.shape[1:])), dtype)


def pad(img: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """Pixels around: one number, (left and right, top and bottom), or (left, top, right, bottom)."""
    p = [padding] * 4 if isinstance(padding, int) else list(padding)
    left, top, right, bottom = p if len(p) == 4 else [p[0], p[1], p[0], p[1]] if len(p) == 2 else p * 4
    modes = {"constant": "constant", "edge": "replicate", "reflect": "reflect", "symmetric": "symmetric"}
    if padding_mode not in modes:
        raise ValueError(f"[pad] got padding_mode={padding_mode!r}, expected one of {', '.join(modes)}")
    if not is_tensor(img):
        if padding_mode == "constant":
            return ImageOps.expand(img, (left, top, right, bottom), tuple(fill) if isinstance(fill, list) else fill)
        x = np.asarray(img)
        widths = [(top, bottom), (left, right)] + [(0, 0)] * (x.ndim - 2)
        return Image.fromarray(np.pad(x, widths, padding_mode))  # type: ignore[call-overload]
    if padding_mode == "symmetric":
        x = np.pad(img.numpy(), [(0, 0)] * (img.ndim - 2) + [(top, bottom), (left, right)], "symmetric")
        return core.tensor(x)
    x, dtype = _as_float(img)
    wide = x if padding_mode == "constant" or x.ndim == 4 else x.unsqueeze(0)
    out = F.pad(wide, (left, right, top, bottom), modes[padding_mode], fill if padding_mode == "constant" else None)
    return _back(out.reshape((*x.shape[:-2], *out.shape[-2:])), dtype)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A part of a picture; outside it is 0."""
    if not is_tensor(img):
        return img.crop((left, top, left + width, top + height))
    h, w = img.shape[-2:]
    before, after = (max(-left, 0), max(-top, 0)), (max(left + width - w, 0), max(top + height - h, 0))
    part = img[..., max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    return pad(part, [*before, *after]) if any(before) or any(after) else part


def center_crop(img: Any, output_size: Any) -> Any:
    """The middle of a picture, padded where it is too small."""
    size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size) * (2 if len(output_size) == 1 else 1)
    w, h = get_image_size(img)
    if h < size[0] or w < size[1]:
        dh, dw = max(size[0] - h, 0), max(size[1] - w, 0)
        img = pad(img, [dw // 2, dh // 2, (dw + 1) // 2, (dh + 1) // 2])
        w, h = get_image_size(img)
    return crop(img, round((h - size[0]) / 2.0), round((w - size[1]) / 2.0), *size)


def resized_crop(img: Any, top: int, left: int, height: int, width: int, size: Any,
                 interpolation: Any = InterpolationMode.BILINEAR, antialias: bool | None = True) -> Any:  # fmt: skip
    """A part of a picture, resized."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def _flipped(img: Any, axis: int) -> Any:
    n = img.shape[axis]
    index = core.tensor(np.arange(n)[::-1].copy())
    return img.index_select(axis % img.ndim, index)


def hflip(img: Any) -> Any:
    """Left and right exchanged."""
    return _flipped(img, -1) if is_tensor(img) else img.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def vflip(img: Any) -> Any:
    """Top and bottom exchanged."""
    return _flipped(img, -2) if is_tensor(img) else img.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def rotate(img: Any, angle: float, interpolation: Any = InterpolationMode.NEAREST, expand: bool = False, center: Any = None,
           fill: Any = 0) -> Any:  # fmt: skip
    """Turned against the clock by degrees."""
    mode = _mode(interpolation)
    if not is_tensor(img):
        color = tuple(fill) if isinstance(fill, (list, tuple)) else (fill if len(img.getbands()) == 1 else (fill,) * len(img.getbands()))
        return img.rotate(angle, _PIL[mode], expand, center, fillcolor=color)
    if expand or center is not None or fill:
        raise NotImplementedError("[rotate] expand, center and fill work on Pillow images")
    a = math.radians(angle)
    return _affine(img, [math.cos(a), -math.sin(a), 0.0, math.sin(a), math.cos(a), 0.0], mode)


def _affine(img: Any, matrix: list[float], mode: str) -> Any:
    """Pixels of the place where an inverse affine map, in pixels around the centre, leads."""
    x, dtype = _as_float(img)
    batch = x.reshape((-1, *x.shape[-3:]))
    h, w = x.shape[-2:]
    ys, xs = np.mgrid[0:h, 0:w]
    xs, ys = xs - (w - 1) / 2, ys - (h - 1) / 2
    a, b, c, d, e, f = matrix
    grid = np.stack([(a * xs + b * ys + c) / (w / 2), (d * xs + e * ys + f) / (h / 2)], -1)
    grid = core.tensor(np.broadcast_to(grid, (batch.shape[0], h, w, 2)).copy(), dtype=x.dtype)
    out = F.grid_sample(batch, grid, mode="nearest" if mode == "nearest" else "bilinear", align_corners=False)
    return _back(out.reshape(x.shape), dtype)


def affine(img: Any, angle: float, translate: Any, scale: float, shear: Any, interpolation: Any = InterpolationMode.NEAREST,
           fill: Any = 0) -> Any:  # fmt: skip
    """Turned by degrees with the clock, moved, scaled and sheared around the centre."""
    sx, sy = (math.radians(s) for s in (shear if isinstance(shear, (list, tuple)) else (shear, 0.0)))
    r = math.radians(angle)
    a = math.cos(r - sy) / math.cos(sy)
    b = -math.cos(r - sy) * math.tan(sx) / math.cos(sy) - math.sin(r)
    c = math.sin(r - sy) / math.cos(sy)
    d = -math.sin(r - sy) * math.tan(sx) / math.cos(sy) + math.cos(r)
    m = np.linalg.inv(scale * np.array([[a, b], [c, d]]))
    shift = -m @ np.asarray(translate, float)
    mode = _mode(interpolation)
    if is_tensor(img):
        return _affine(img, [m[0, 0], m[0, 1], shift[0], m[1, 0], m[1, 1], shift[1]], mode)
    w, h = img.size
    middle = np.array([w * 0.5, h * 0.5])
    offset = middle - m @ middle + shift
    return img.transform((w, h), Image.Transform.AFFINE, (m[0, 0], m[0, 1], offset[0], m[1, 0], m[1, 1], offset[1]), _PIL[mode], fillcolor=fill)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """0.299 R + 0.587 G + 0.114 B, in one channel or three equal ones."""
    if not is_tensor(img):
        grey = img.convert("L")
        return grey if num_output_channels == 1 else Image.merge("RGB", [grey] * 3)
    x, dtype = _as_float(img)
    weights = core.tensor([0.2989, 0.587, 0.114], dtype=x.dtype).reshape(3, 1, 1)
    grey = (x * weights).sum(-3, keepdim=True)
    grey = grey.to(dtype)
    return grey if num_output_channels == 1 else grey.expand((*grey.shape[:-3], 3, *grey.shape[-2:])).clone()


to_grayscale = rgb_to_grayscale


def _blend(a: Any, b: Any, share: float) -> Any:
    x, dtype = _as_float(a)
    y = b.to(x.dtype) if isinstance(b, Tensor) else b
    return (x * share + y * (1 - share)).clamp(min=0, max=1 if dtype.is_floating_point else 255).to(dtype)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """Times a factor."""
    return _blend(img, 0.0, brightness_factor) if is_tensor(img) else ImageEnhance.Brightness(img).enhance(brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """Away from the mean of grey by a factor."""
    if not is_tensor(img):
        return ImageEnhance.Contrast(img).enhance(contrast_factor)
    grey = rgb_to_grayscale(img) if img.shape[-3] == 3 else img
    return _blend(img, _as_float(grey)[0].mean((-3, -2, -1), keepdim=True), contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """Away from grey by a factor."""
    return _blend(img, rgb_to_grayscale(img), saturation_factor) if is_tensor(img) else ImageEnhance.Color(img).enhance(saturation_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Colours turned round the circle of hues by a share of [-0.5, 0.5]."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"[adjust_hue] got {hue_factor}, expected a number of [-0.5, 0.5]")
    if is_tensor(img):
        return to_tensor(adjust_hue(to_pil_image(img), hue_factor)).to(img.dtype)
    if img.mode in ("L", "1", "I", "F"):
        return img
    h, s, v = img.convert("HSV").split()
    turned = (np.array(h, np.int16) + int(hue_factor * 255)) % 256
    return Image.merge("HSV", (Image.fromarray(turned.astype(np.uint8)), s, v)).convert(img.mode)


def invert(img: Any) -> Any:
    """The negative."""
    return (1 if img.is_floating_point() else 255) - img if is_tensor(img) else ImageOps.invert(img)


def gaussian_blur(img: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """Smoothed by a Gaussian."""
    k = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
    s = tuple(n * 0.15 + 0.35 for n in k) if sigma is None else (sigma, sigma) if isinstance(sigma, (int, float)) else tuple(sigma) * (2 // len(sigma))
    if not is_tensor(img):
        return to_pil_image(gaussian_blur(pil_to_tensor(img), k, s))
    x, dtype = _as_float(img)
    taps = [np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / d) ** 2) for n, d in zip(k, s, strict=True)]
    kernel = np.outer(taps[1] / taps[1].sum(), taps[0] / taps[0].sum())
    batch = x.reshape((-1, *x.shape[-3:]))
    channels = batch.shape[1]
    weight = core.tensor(np.broadcast_to(kernel, (channels, 1, *kernel.shape)).copy(), dtype=x.dtype)
    wide = F.pad(batch, (k[0] // 2, k[0] // 2, k[1] // 2, k[1] // 2), "reflect")
    return _back(F.conv2d(wide, weight, groups=channels).reshape(x.shape), dtype)


def erase(img: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """A rectangle set to a value."""
    img = img if inplace else img.clone()
    img[..., i : i + h, j : j + w] = v
    return img


def read_image(path: Any, mode: Any = None) -> Any:
    """uint8 (C, H, W) of a file."""
    with Image.open(path) as img:
        return pil_to_tensor(img.convert("RGB") if img.mode not in ("L", "RGB") else img)


