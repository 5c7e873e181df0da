"""Transforms that change colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import functional as F
from .geometry import Transform
from .random import between, pair, permutation, uniform


class ColorJitter(Transform):
    """Change brightness, contrast, saturation and hue at random, in random order.

    Parameters
    ----------
    brightness, contrast, saturation : float or (float, float)
        A factor from [max(0, 1 - value), 1 + value], or from the range.
    hue : float or (float, float)
        From [-value, value], at most 0.5.
    """

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0) -> None:
        self.brightness = self._range(brightness, "brightness")
        self.contrast = self._range(contrast, "contrast")
        self.saturation = self._range(saturation, "saturation")
        self.hue = self._range(hue, "hue", 0.0, 0.5)

    @staticmethod
    def _range(value: Any, name: str, centre: float = 1.0, most: float = float("inf")) -> tuple[float, float] | None:
        if isinstance(value, (int, float)):
            if value < 0:
                raise ValueError(f"[ColorJitter] {name} is {value}, expected at least 0, or (low, high)")
            low, high = centre - value, centre + value
            if name != "hue":
                low = max(low, 0.0)
        else:
            low, high = map(float, value)
        least = -most if name == "hue" else 0.0
        if not least <= low <= high <= most:
            raise ValueError(f"[ColorJitter] {name} is {value}, expected a range within [{least:g}, {most:g}]")
        return None if low == high == centre else (low, high)

    def steps(self) -> list[tuple[str, float]]:
        """The changes of one image, drawn at random."""
        u, order = uniform(4), permutation(4)
        ranges = [
            ("brightness", self.brightness),
            ("contrast", self.contrast),
            ("saturation", self.saturation),
            ("hue", self.hue),
        ]
        drawn = [(name, between(u[i], *r)) if r is not None else None for i, (name, r) in enumerate(ranges)]
        return [step for i in order if (step := drawn[i]) is not None]

    def __call__(self, img: Any) -> Any:
        return F._jitter(img, self.steps())

    def deferred(self, image: Any) -> None:
        image.jitter(self.steps())


class Grayscale(Transform):
    """Grey, in one or three channels."""

    def __init__(self, num_output_channels: int = 1) -> None:
        self.num_output_channels = num_output_channels

    def __call__(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)


class RandomGrayscale(Transform):
    """Grey with probability ``p``; the number of channels stays."""

    def __init__(self, p: float = 0.1) -> None:
        self.p = p

    def __call__(self, img: Any) -> Any:
        channels = F.get_image_num_channels(img)
        return F.rgb_to_grayscale(img, channels) if uniform(1)[0] < self.p else img


class GaussianBlur(Transform):
    """Blur with a random width.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Odd.
    sigma : float or (float, float)
        Pixels, or a range.
    """

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        self.kernel_size = pair(kernel_size, "kernel_size", "GaussianBlur")
        self.sigma = (
            (float(sigma), float(sigma)) if isinstance(sigma, (int, float)) else (float(sigma[0]), float(sigma[1]))
        )
        if not 0 < self.sigma[0] <= self.sigma[1]:
            raise ValueError(f"[GaussianBlur] sigma is {sigma}, expected a positive range")

    def __call__(self, img: Any) -> Any:
        return F.gaussian_blur(img, self.kernel_size, between(uniform(1)[0], *self.sigma))


class _Sometimes(Transform):
    """A change that is made with probability ``p``; subclasses say which."""

    def __init__(self, p: float, change: Callable[[Any], Any]) -> None:
        self.p = p
        self._change = change

    def __call__(self, img: Any) -> Any:
        return self._change(img) if uniform(1)[0] < self.p else img


class RandomInvert(_Sometimes):
    """Invert with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p, F.invert)


class RandomAutocontrast(_Sometimes):
    """Stretch the contrast with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p, F.autocontrast)


class RandomEqualize(_Sometimes):
    """Equalise the histogram with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p, F.equalize)


class RandomPosterize(_Sometimes):
    """Keep the highest ``bits`` with probability ``p``."""

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p, lambda img: F.posterize(img, bits))


class RandomSolarize(_Sometimes):
    """Invert what is at least the threshold, with probability ``p``."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p, lambda img: F.solarize(img, threshold))


class RandomAdjustSharpness(_Sometimes):
    """Change the sharpness with probability ``p``."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p, lambda img: F.adjust_sharpness(img, sharpness_factor))
