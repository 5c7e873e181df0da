"""Transforms between kinds of images, and those made of other transforms."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import corten

from . import functional as F
from .geometry import Transform
from .random import between, integer, permutation, uniform


class ToTensor(Transform):
    """A Pillow image or an array (H, W, C) as a tensor (C, H, W); uint8 becomes float32 from 0 to 1."""

    def __call__(self, pic: Any) -> Any:
        return F.to_tensor(pic)


class PILToTensor(Transform):
    """A Pillow image as a tensor (C, H, W) of its own dtype."""

    def __call__(self, pic: Any) -> Any:
        return F.pil_to_tensor(pic)


class ToPILImage(Transform):
    """A tensor (C, H, W) or an array (H, W, C) as a Pillow image."""

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)


class ConvertImageDtype(Transform):
    """Another dtype, with white as white."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype

    def __call__(self, image: Any) -> Any:
        return F.convert_image_dtype(image, self.dtype)


class Normalize(Transform):
    """(x - mean) / std for each channel.

    Parameters
    ----------
    mean, std : sequence of float
    inplace : bool
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        self.mean, self.std, self.inplace = mean, std, inplace

    def __call__(self, tensor: Any) -> Any:
        return F.normalize(tensor, self.mean, self.std, self.inplace)


class Lambda(Transform):
    """Any function."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(f"[Lambda] got {type(lambd).__name__}, expected a function")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)


class RandomApply(Transform):
    """All of several transforms, with probability ``p``."""

    def __init__(self, transforms: Sequence[Any], p: float = 0.5) -> None:
        self.transforms, self.p = transforms, p

    def __call__(self, img: Any) -> Any:
        if uniform(1)[0] < self.p:
            for transform in self.transforms:
                img = transform(img)
        return img


class RandomChoice(Transform):
    """One of several transforms; ``p`` gives their weights."""

    def __init__(self, transforms: Sequence[Any], p: Sequence[float] | None = None) -> None:
        if p is not None and len(p) != len(transforms):
            raise ValueError(f"[RandomChoice] {len(p)} weights for {len(transforms)} transforms")
        self.transforms, self.p = transforms, p

    def __call__(self, img: Any) -> Any:
        weights = [1.0] * len(self.transforms) if self.p is None else self.p
        at = uniform(1)[0] * sum(weights)
        for transform, weight in zip(self.transforms, weights, strict=True):
            at -= weight
            if at < 0:
                return transform(img)
        return self.transforms[-1](img)


class RandomOrder(Transform):
    """All of several transforms in random order."""

    def __init__(self, transforms: Sequence[Any]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for i in permutation(len(self.transforms)):
            img = self.transforms[i](img)
        return img


class RandomErasing(Transform):
    """Overwrite a random rectangle of a tensor with probability ``p`` (Zhong et al., "Random Erasing", 2020).

    Parameters
    ----------
    p : float
    scale : (float, float)
        Share of the area.
    ratio : (float, float)
        Height over width.
    value : float, sequence of float or 'random'
        What is written: one number, one for each channel, or standard normal numbers.
    inplace : bool
    """

    def __init__(self, p: float = 0.5, scale: Sequence[float] = (0.02, 0.33), ratio: Sequence[float] = (0.3, 3.3),
                 value: Any = 0, inplace: bool = False) -> None:  # fmt: skip
        if isinstance(value, str) and value != "random":
            raise ValueError(f"[RandomErasing] value is {value!r}, expected numbers or 'random'")
        if not 0 <= scale[0] <= scale[1] <= 1 or not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f"[RandomErasing] scale {scale} and ratio {ratio}, expected (low, high)")
        self.p, self.scale, self.ratio, self.value, self.inplace = p, scale, ratio, value, inplace

    def __call__(self, img: Any) -> Any:
        if not isinstance(img, corten.Tensor):
            raise TypeError(f"[RandomErasing] got {type(img).__name__}, expected a tensor: put it after ToTensor")
        u = uniform(41)
        if u[40] >= self.p:
            return img
        channels, height, width = F.get_dimensions(img)
        for i in range(0, 40, 4):
            area = height * width * between(u[i], *self.scale)
            aspect = math.exp(between(u[i + 1], math.log(self.ratio[0]), math.log(self.ratio[1])))
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < h < height and 0 < w < width:
                top, left = integer(u[i + 2], 0, height - h), integer(u[i + 3], 0, width - w)
                return F.erase(img, top, left, h, w, self._values(channels, h, w), self.inplace)
        return img

    def _values(self, channels: int, height: int, width: int) -> Any:
        if self.value == "random":
            from corten.data import batch_generator

            return corten.randn(channels, height, width, generator=batch_generator())
        if isinstance(self.value, (int, float)):
            return self.value
        if len(self.value) not in (1, channels):
            raise ValueError(f"[RandomErasing] {len(self.value)} values for {channels} channels")
        return corten.tensor([float(v) for v in self.value]).reshape(-1, 1, 1)
