"""Transforms that move pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from . import functional as F
from .functional import InterpolationMode
from .random import between, integer, pair, uniform

Modes = InterpolationMode


class Transform:
    """A callable from an image to an image; subclasses define ``__call__``.

    Random choices are drawn from :func:`corten.data.batch_generator`: they are the same for any number of loader workers.
    """

    def __call__(self, img: Any) -> Any:
        raise NotImplementedError(f"[{type(self).__name__}] a transform must define __call__")

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v}" for k, v in vars(self).items() if not k.startswith("_"))
        return f"{type(self).__name__}({shown})"


class Resize(Transform):
    """Resize to (height, width), or the shorter edge to one int.

    Parameters
    ----------
    size : int or (int, int)
    interpolation : InterpolationMode
    max_size : int, optional
        The most that the longer edge may become.
    antialias : bool
        For tensors; Pillow images always are.
    """

    def __init__(self, size: Any, interpolation: Any = Modes.BILINEAR, max_size: int | None = None,
                 antialias: bool | None = True) -> None:  # fmt: skip
        self.size, self.interpolation, self.max_size, self.antialias = size, interpolation, max_size, antialias

    def __call__(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def deferred(self, image: Any) -> None:
        image.resize(*F.output_size(image.height, image.width, self.size, self.max_size), F.mode_of(self.interpolation))


class CenterCrop(Transform):
    """The middle of an image.

    Parameters
    ----------
    size : int or (height, width)
    """

    def __init__(self, size: Any) -> None:
        self.size = pair(size, "size", "CenterCrop")

    def __call__(self, img: Any) -> Any:
        return F.center_crop(img, self.size)

    def deferred(self, image: Any) -> None:
        height, width = self.size
        image.crop(round((image.height - height) / 2.0), round((image.width - width) / 2.0), height, width)


class RandomCrop(Transform):
    """A part at a random place.

    Parameters
    ----------
    size : int or (height, width)
    padding : int or ints, optional
        Added to all edges, to (left and right, top and bottom), or to left, top, right, bottom, first.
    pad_if_needed : bool
        Pad an image that is smaller.
    fill, padding_mode
        As for :func:`functional.pad`.
    """

    def __init__(self, size: Any, padding: Any = None, pad_if_needed: bool = False, fill: Any = 0,
                 padding_mode: str = "constant") -> None:  # fmt: skip
        self.size = pair(size, "size", "RandomCrop")
        self.padding, self.pad_if_needed, self.fill, self.padding_mode = padding, pad_if_needed, fill, padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Top, left, height and width of a random part."""
        _, height, width = F.get_dimensions(img)
        return RandomCrop._place(height, width, output_size)

    @staticmethod
    def _place(height: int, width: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
        if size[0] > height or size[1] > width:
            raise ValueError(f"[RandomCrop] a part of {size[0]} x {size[1]} from an image of {height} x {width}")
        u = uniform(2)
        return integer(u[0], 0, height - size[0]), integer(u[1], 0, width - size[1]), *size

    def __call__(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        if self.pad_if_needed:
            _, height, width = F.get_dimensions(img)
            if width < self.size[1]:
                img = F.pad(img, [self.size[1] - width, 0], self.fill, self.padding_mode)
            if height < self.size[0]:
                img = F.pad(img, [0, self.size[0] - height], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    @property
    def deferred(self) -> Any:
        if self.padding is not None or self.pad_if_needed:
            raise AttributeError("[RandomCrop] padding cannot be deferred")
        return self._deferred

    def _deferred(self, image: Any) -> None:
        image.crop(*self._place(image.height, image.width, self.size))


class RandomResizedCrop(Transform):
    """A part of random area and aspect ratio, resized (Szegedy et al., "Going deeper with convolutions", 2015).

    Parameters
    ----------
    size : int or (height, width)
    scale : (float, float)
        Share of the area.
    ratio : (float, float)
        Width over height.
    interpolation, antialias
        As for :class:`Resize`.
    """

    def __init__(self, size: Any, scale: Sequence[float] = (0.08, 1.0), ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
                 interpolation: Any = Modes.BILINEAR, antialias: bool | None = True) -> None:  # fmt: skip
        self.size = pair(size, "size", "RandomResizedCrop")
        if not 0 < scale[0] <= scale[1] or not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f"[RandomResizedCrop] scale {scale} and ratio {ratio}, expected (low, high)")
        self.scale, self.ratio, self.interpolation, self.antialias = scale, ratio, interpolation, antialias

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """Top, left, height and width of a random part."""
        _, height, width = F.get_dimensions(img)
        return RandomResizedCrop._place(height, width, scale, ratio)

    @staticmethod
    def _place(height: int, width: int, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        u = uniform(40)
        for i in range(0, 40, 4):
            area = height * width * between(u[i], scale[0], scale[1])
            aspect = math.exp(between(u[i + 1], math.log(ratio[0]), math.log(ratio[1])))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                return integer(u[i + 2], 0, height - h), integer(u[i + 3], 0, width - w), h, w
        w, h = width, height  # ten tries found none that fits: the middle, in a ratio that is allowed
        if width / height < ratio[0]:
            h = round(width / ratio[0])
        elif width / height > ratio[1]:
            w = round(height * ratio[1])
        return (height - h) // 2, (width - w) // 2, h, w

    def __call__(self, img: Any) -> Any:
        part = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *part, self.size, self.interpolation, self.antialias)

    def deferred(self, image: Any) -> None:
        image.crop(*self._place(image.height, image.width, self.scale, self.ratio))
        image.resize(*self.size, F.mode_of(self.interpolation))


class RandomHorizontalFlip(Transform):
    """Mirror left to right with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def __call__(self, img: Any) -> Any:
        return F.hflip(img) if uniform(1)[0] < self.p else img

    def deferred(self, image: Any) -> None:
        if uniform(1)[0] < self.p:
            image.hflip()


class RandomVerticalFlip(Transform):
    """Mirror top to bottom with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def __call__(self, img: Any) -> Any:
        return F.vflip(img) if uniform(1)[0] < self.p else img


class Pad(Transform):
    """Add pixels: see :func:`functional.pad`."""

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def __call__(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)


def _range(value: Any, name: str, who: str) -> tuple[float, float]:
    """One number as (-n, n); two as they are."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"[{who}] {name} is {value}, expected at least 0, or (low, high)")
        return -float(value), float(value)
    if len(value) != 2:
        raise ValueError(f"[{who}] {name} is {value}, expected a number or (low, high)")
    return float(value[0]), float(value[1])


class RandomRotation(Transform):
    """Rotate by a random angle.

    Parameters
    ----------
    degrees : float or (float, float)
        From -degrees to degrees, or a range; counter-clockwise.
    interpolation, expand, center, fill
        As for :func:`functional.rotate`.
    """

    def __init__(self, degrees: Any, interpolation: Any = Modes.NEAREST, expand: bool = False, center: Any = None,
                 fill: Any = 0) -> None:  # fmt: skip
        self.degrees = _range(degrees, "degrees", "RandomRotation")
        self.interpolation, self.expand, self.center, self.fill = interpolation, expand, center, fill

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """A random angle."""
        return between(uniform(1)[0], degrees[0], degrees[1])

    def __call__(self, img: Any) -> Any:
        return F.rotate(img, self.get_params(self.degrees), self.interpolation, self.expand, self.center, self.fill)


class RandomAffine(Transform):
    """Rotate, translate, scale and shear at random about the centre.

    Parameters
    ----------
    degrees : float or (float, float)
    translate : (float, float), optional
        The most, as shares of width and height.
    scale : (float, float), optional
    shear : float or 2 or 4 floats, optional
        Degrees along x, or ranges along x and y.
    interpolation, fill, center
        As for :func:`functional.affine`.
    """

    def __init__(self, degrees: Any, translate: Any = None, scale: Any = None, shear: Any = None,
                 interpolation: Any = Modes.NEAREST, fill: Any = 0, center: Any = None) -> None:  # fmt: skip
        self.degrees = _range(degrees, "degrees", "RandomAffine")
        if translate is not None and not all(0 <= t <= 1 for t in translate):
            raise ValueError(f"[RandomAffine] translate is {translate}, expected shares from 0 to 1")
        if scale is not None and not all(s > 0 for s in scale):
            raise ValueError(f"[RandomAffine] scale is {scale}, expected positive numbers")
        self.translate, self.scale = translate, scale
        self.shear: tuple[float, ...] | None = None
        if shear is not None:
            is_four = not isinstance(shear, (int, float)) and len(shear) == 4
            self.shear = tuple(map(float, shear)) if is_four else (*_range(shear, "shear", "RandomAffine"), 0.0, 0.0)
        self.interpolation, self.fill, self.center = interpolation, fill, center

    def __call__(self, img: Any) -> Any:
        u = uniform(6)
        _, height, width = F.get_dimensions(img)
        angle = between(u[0], *self.degrees)
        moved = [0, 0]
        if self.translate is not None:
            x, y = self.translate[0] * width, self.translate[1] * height
            moved = [round(between(u[1], -x, x)), round(between(u[2], -y, y))]
        scale = 1.0 if self.scale is None else between(u[3], *self.scale)
        shear = [0.0, 0.0]
        if self.shear is not None:
            shear = [between(u[4], self.shear[0], self.shear[1]), between(u[5], self.shear[2], self.shear[3])]
        return F.affine(img, angle, moved, scale, shear, self.interpolation, self.fill, self.center)


class RandomPerspective(Transform):
    """Move the corners at random, with probability ``p``.

    Parameters
    ----------
    distortion_scale : float
        The most that a corner moves inwards, as a share of half an edge, 0 to 1.
    p : float
    interpolation, fill
        As for :func:`functional.perspective`.
    """

    def __init__(
        self, distortion_scale: float = 0.5, p: float = 0.5, interpolation: Any = Modes.BILINEAR, fill: Any = 0
    ) -> None:
        if not 0 <= distortion_scale <= 1:
            raise ValueError(f"[RandomPerspective] distortion_scale is {distortion_scale}, expected 0 to 1")
        self.distortion_scale, self.p, self.interpolation, self.fill = distortion_scale, p, interpolation, fill

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list[list[int]], list[list[int]]]:
        """The corners, and where they go."""
        x, y = int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))
        u = uniform(8)
        left, right = [integer(u[i], 0, x) for i in (0, 1)], [integer(u[i], width - x - 1, width - 1) for i in (2, 3)]
        top, bottom = [integer(u[i], 0, y) for i in (4, 5)], [integer(u[i], height - y - 1, height - 1) for i in (6, 7)]
        start = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        return start, [[left[0], top[0]], [right[0], top[1]], [right[1], bottom[0]], [left[1], bottom[1]]]

    def __call__(self, img: Any) -> Any:
        if uniform(1)[0] >= self.p:
            return img
        _, height, width = F.get_dimensions(img)
        return F.perspective(img, *self.get_params(width, height, self.distortion_scale), self.interpolation, self.fill)


class FiveCrop(Transform):
    """The four corners and the middle, as a tuple."""

    def __init__(self, size: Any) -> None:
        self.size = pair(size, "size", "FiveCrop")

    def __call__(self, img: Any) -> Any:
        return F.five_crop(img, self.size)


class TenCrop(Transform):
    """The four corners and the middle of an image and of its mirror image, as a tuple."""

    def __init__(self, size: Any, vertical_flip: bool = False) -> None:
        self.size, self.vertical_flip = pair(size, "size", "TenCrop"), vertical_flip

    def __call__(self, img: Any) -> Any:
        return F.ten_crop(img, self.size, self.vertical_flip)
