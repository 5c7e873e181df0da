"""Transforms of pictures as objects; random ones draw from Corten's generator."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from corten._core import core
from corten.compat.torchvision import images as functional
from corten.compat.torchvision.images import InterpolationMode
from corten.ops.random import rand, randint, randperm

_BILINEAR, _NEAREST = InterpolationMode.BILINEAR, InterpolationMode.NEAREST
F = functional


def _uniform(low: float, high: float) -> float:
    return low + (high - low) * float(rand(1).item())


def _pair(size: Any) -> tuple[int, int]:
    return (int(size), int(size)) if not isinstance(size, Sequence) else (int(size[0]), int(size[-1]))


class Transform:
    """What all transforms share: their text shows their settings."""

    def __call__(self, img: Any) -> Any:
        """Transform a picture."""
        raise NotImplementedError(f"[{type(self).__name__}] has no __call__")

    def forward(self, img: Any) -> Any:
        """Transform a picture."""
        return self(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in self.__dict__.items())})"


class Compose(Transform):
    """Several transforms, one after the other."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)

    def __call__(self, img: Any) -> Any:
        for t in self.transforms:
            img = t(img)
        return img

    def __repr__(self) -> str:
        return "Compose(\n" + "".join(f"    {t}\n" for t in self.transforms) + ")"


class ToTensor(Transform):
    """float32 (C, H, W) of [0, 1] of a Pillow image or an array (H, W, C) of bytes."""

    def __call__(self, img: Any) -> Any:
        return F.to_tensor(img)


class PILToTensor(Transform):
    """uint8 (C, H, W) of a Pillow image."""

    def __call__(self, img: Any) -> Any:
        return F.pil_to_tensor(img)


class ToImage(Transform):
    """A tensor (C, H, W) of the picture's own dtype."""

    def __call__(self, img: Any) -> Any:
        return img if F.is_tensor(img) else F.pil_to_tensor(img)


class ToPILImage(Transform):
    """A Pillow image of a tensor (C, H, W) or an array (H, W, C)."""

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, img: Any) -> Any:
        return F.to_pil_image(img, self.mode)


class ConvertImageDtype(Transform):
    """Values of [0, 1] as those of an integer dtype, or back."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype

    def __call__(self, img: Any) -> Any:
        return F.convert_image_dtype(img, self.dtype)


class ToDtype(Transform):
    """Another dtype; with ``scale`` [0, 1] is that of an integer dtype."""

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        self.dtype, self.scale = dtype, scale

    def __call__(self, img: Any) -> Any:
        return F.convert_image_dtype(img, self.dtype) if self.scale else img.to(self.dtype)


class Normalize(Transform):
    """(x - mean) / std by channel."""

    def __init__(self, mean: Any, std: Any, inplace: bool = False) -> None:
        self.mean, self.std, self.inplace = mean, std, inplace

    def __call__(self, img: Any) -> Any:
        return F.normalize(img, self.mean, self.std, self.inplace)


class Lambda(Transform):
    """A function of one's own."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(f"[Lambda] got {type(lambd).__name__}, expected a function")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)


class Resize(Transform):
    """To (height, width), or with the shorter edge of a length."""

    def __init__(self, size: Any, interpolation: Any = _BILINEAR, max_size: int | None = None, antialias: bool | None = True) -> None:
        self.size, self.interpolation, self.max_size, self.antialias = size, interpolation, max_size, antialias

    def __call__(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(Transform):
    """The middle of a picture."""

    def __init__(self, size: Any) -> None:
        self.size = size

    def __call__(self, img: Any) -> Any:
        return F.center_crop(img, self.size)


class Pad(Transform):
    """Pixels around."""

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def __call__(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)


class RandomCrop(Transform):
    """A part at a random place, of a picture padded first."""

    def __init__(self, size: Any, padding: Any = None, pad_if_needed: bool = False, fill: Any = 0,
                 padding_mode: str = "constant") -> None:  # fmt: skip
        self.size, self.padding, self.pad_if_needed = _pair(size), padding, pad_if_needed
        self.fill, self.padding_mode = fill, padding_mode

    def __call__(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        (w, h), (th, tw) = F.get_image_size(img), self.size
        if self.pad_if_needed and (w < tw or h < th):
            img = F.pad(img, [max(tw - w, 0), max(th - h, 0)], self.fill, self.padding_mode)
            w, h = F.get_image_size(img)
        if h < th or w < tw:
            raise ValueError(f"[RandomCrop] a picture of {h} x {w} has no part of {th} x {tw}")
        top, left = (int(randint(0, n + 1, (1,)).item()) for n in (h - th, w - tw))
        return F.crop(img, top, left, th, tw)


class RandomResizedCrop(Transform):
    """A part of random size, form and place, resized."""

    def __init__(self, size: Any, scale: Any = (0.08, 1.0), ratio: Any = (3 / 4, 4 / 3), interpolation: Any = _BILINEAR,
                 antialias: bool | None = True) -> None:  # fmt: skip
        self.size, self.scale, self.ratio, self.interpolation, self.antialias = _pair(size), scale, ratio, interpolation, antialias

    def __call__(self, img: Any) -> Any:
        w, h = F.get_image_size(img)
        for _ in range(10):
            area = w * h * _uniform(*self.scale)
            form = math.exp(_uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            cw, ch = round(math.sqrt(area * form)), round(math.sqrt(area / form))
            if 0 < cw <= w and 0 < ch <= h:
                top, left = (int(randint(0, n + 1, (1,)).item()) for n in (h - ch, w - cw))
                break
        else:
            form = min(max(w / h, self.ratio[0]), self.ratio[1])
            cw, ch = min(w, round(h * form)), min(h, round(w / form))
            top, left = (h - ch) // 2, (w - cw) // 2
        return F.resized_crop(img, top, left, ch, cw, self.size, self.interpolation, self.antialias)


class RandomHorizontalFlip(Transform):
    """Left and right exchanged with probability p."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def __call__(self, img: Any) -> Any:
        return F.hflip(img) if _uniform(0, 1) < self.p else img


class RandomVerticalFlip(Transform):
    """Top and bottom exchanged with probability p."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def __call__(self, img: Any) -> Any:
        return F.vflip(img) if _uniform(0, 1) < self.p else img


class RandomRotation(Transform):
    """Turned by degrees of [-d, d], or of a range."""

    def __init__(self, degrees: Any, interpolation: Any = _NEAREST, expand: bool = False, center: Any = None, fill: Any = 0) -> None:
        self.degrees = (-degrees, degrees) if isinstance(degrees, (int, float)) else tuple(degrees)
        self.interpolation, self.expand, self.center, self.fill = interpolation, expand, center, fill

    def __call__(self, img: Any) -> Any:
        return F.rotate(img, _uniform(*self.degrees), self.interpolation, self.expand, self.center, self.fill)


class RandomAffine(Transform):
    """Turned, moved, scaled and sheared at random."""

    def __init__(self, degrees: Any, translate: Any = None, scale: Any = None, shear: Any = None, interpolation: Any = _NEAREST,
                 fill: Any = 0, center: Any = None) -> None:  # fmt: skip
        if center is not None:
            raise NotImplementedError("[RandomAffine] center: it is the middle")
        self.degrees = (-degrees, degrees) if isinstance(degrees, (int, float)) else tuple(degrees)
        self.translate, self.scale, self.shear = translate, scale, (-shear, shear) if isinstance(shear, (int, float)) else shear
        self.interpolation, self.fill = interpolation, fill

    def __call__(self, img: Any) -> Any:
        w, h = F.get_image_size(img)
        move = (0, 0)
        if self.translate is not None:
            move = tuple(round(_uniform(-t * n, t * n)) for t, n in zip(self.translate, (w, h), strict=True))  # type: ignore[assignment]
        size = 1.0 if self.scale is None else _uniform(*self.scale)
        shear = (0.0, 0.0)
        if self.shear is not None:
            shear = (_uniform(*self.shear[:2]), _uniform(*self.shear[2:]) if len(self.shear) == 4 else 0.0)
        return F.affine(img, _uniform(*self.degrees), move, size, shear, self.interpolation, self.fill)


class Grayscale(Transform):
    """Grey, in one channel or three."""

    def __init__(self, num_output_channels: int = 1) -> None:
        self.num_output_channels = num_output_channels

    def __call__(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)


class RandomGrayscale(Transform):
    """Grey with probability p."""

    def __init__(self, p: float = 0.1) -> None:
        self.p = p

    def __call__(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, F.get_dimensions(img)[0]) if _uniform(0, 1) < self.p else img


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue changed at random, in random order."""

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0) -> None:
        self.brightness, self.contrast, self.saturation = (self._range(v, 1.0) for v in (brightness, contrast, saturation))
        self.hue = self._range(hue, 0.0)

    @staticmethod
    def _range(value: Any, middle: float) -> Any:
        if isinstance(value, (int, float)):
            if value < 0:
                raise ValueError(f"[ColorJitter] got {value}, expected a number of at least 0")
            return (max(middle - value, 0.0) if middle else -value, middle + value) if value else None
        return tuple(value)

    def __call__(self, img: Any) -> Any:
        steps = [(F.adjust_brightness, self.brightness), (F.adjust_contrast, self.contrast),
                 (F.adjust_saturation, self.saturation), (F.adjust_hue, self.hue)]  # fmt: skip
        for i in randperm(4).tolist():
            fn, bounds = steps[i]
            if bounds is not None:
                img = fn(img, _uniform(*bounds))
        return img


class GaussianBlur(Transform):
    """Smoothed by a Gaussian of a random width."""

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        self.kernel_size, self.sigma = _pair(kernel_size), (sigma, sigma) if isinstance(sigma, (int, float)) else sigma

    def __call__(self, img: Any) -> Any:
        return F.gaussian_blur(img, self.kernel_size, _uniform(*self.sigma))


class RandomErasing(Transform):
    """A random rectangle of a tensor set to a value, with probability p. Zhong et al., arXiv:1708.04896."""

    def __init__(self, p: float = 0.5, scale: Any = (0.02, 0.33), ratio: Any = (0.3, 3.3), value: Any = 0, inplace: bool = False) -> None:
        self.p, self.scale, self.ratio, self.value, self.inplace = p, scale, ratio, value, inplace

    def __call__(self, img: Any) -> Any:
        if _uniform(0, 1) >= self.p:
            return img
        h, w = img.shape[-2:]
        for _ in range(10):
            area = h * w * _uniform(*self.scale)
            form = math.exp(_uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            eh, ew = round(math.sqrt(area * form)), round(math.sqrt(area / form))
            if 0 < eh < h and 0 < ew < w:
                i, j = int(randint(0, h - eh + 1, (1,)).item()), int(randint(0, w - ew + 1, (1,)).item())
                value = core.empty(img.shape[-3], eh, ew, dtype=img.dtype).normal_() if self.value == "random" else self.value
                return F.erase(img, i, j, eh, ew, value, self.inplace)
        return img


class RandomApply(Transform):
    """Transforms with probability p."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5) -> None:
        self.transforms, self.p = transforms, p

    def __call__(self, img: Any) -> Any:
        return Compose(self.transforms)(img) if _uniform(0, 1) < self.p else img


class RandomChoice(Transform):
    """One of the transforms."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        return self.transforms[int(randint(0, len(self.transforms), (1,)).item())](img)


class RandomInvert(Transform):
    """The negative with probability p."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def __call__(self, img: Any) -> Any:
        return F.invert(img) if _uniform(0, 1) < self.p else img


class FiveCrop(Transform):
    """Four corners and the middle."""

    def __init__(self, size: Any) -> None:
        self.size = _pair(size)

    def __call__(self, img: Any) -> Any:
        (w, h), (th, tw) = F.get_image_size(img), self.size
        corners = [F.crop(img, t, left, th, tw) for t in (0, h - th) for left in (0, w - tw)]
        return (*corners, F.center_crop(img, self.size))
