"""Policies of random changes, and mixing of samples within a batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import corten

from . import functional as F
from .geometry import Modes, Transform
from .random import beta, integer, uniform


def _change(name: str, value: float, mode: Any, fill: Any) -> Callable[[Any], Any]:
    """One of the policies' changes, ready to be applied."""
    shears = {"ShearX": (value, 0.0), "ShearY": (0.0, value)}
    moves = {"TranslateX": (int(value), 0), "TranslateY": (0, int(value))}
    if name in shears:
        x, y = (math.degrees(math.atan(s)) for s in shears[name])
        return lambda img: F.affine(img, 0.0, [0, 0], 1.0, [x, y], mode, fill, center=[0, 0])
    if name in moves:
        return lambda img: F.affine(img, 0.0, moves[name], 1.0, [0.0, 0.0], mode, fill)
    made: dict[str, Callable[[Any], Any]] = {
        "Identity": lambda img: img,
        "Rotate": lambda img: F.rotate(img, value, mode, fill=fill),
        "Brightness": lambda img: F.adjust_brightness(img, 1.0 + value),
        "Color": lambda img: F.adjust_saturation(img, 1.0 + value),
        "Contrast": lambda img: F.adjust_contrast(img, 1.0 + value),
        "Sharpness": lambda img: F.adjust_sharpness(img, 1.0 + value),
        "Posterize": lambda img: F.posterize(img, int(value)),
        "Solarize": lambda img: F.solarize(img, value),
        "AutoContrast": F.autocontrast,
        "Equalize": F.equalize,
    }
    return made[name]


class _Policy(Transform):
    """Names of changes with the range of their strength: (low, high, whether the sign is drawn); abstract."""

    def __init__(self, bins: int, interpolation: Any, fill: Any) -> None:
        if bins < 2:
            raise ValueError(f"[{type(self).__name__}] num_magnitude_bins is {bins}, expected at least 2")
        self.num_magnitude_bins, self.interpolation, self.fill = bins, interpolation, fill

    def _apply(self, img: Any, name: str, span: tuple[float, float, bool], bin: int, negative: bool) -> Any:
        low, high, signed = span
        value = low + (high - low) * bin / (self.num_magnitude_bins - 1)
        if name == "Posterize":
            value = round(value)
        if name == "Solarize" and isinstance(img, corten.Tensor) and img.is_floating_point():
            value /= 255.0
        return _change(name, -value if signed and negative else value, self.interpolation, self.fill)(img)


class RandAugment(_Policy):
    """``num_ops`` random changes of one strength (Cubuk et al., "RandAugment", 2020).

    Parameters
    ----------
    num_ops : int
    magnitude : int
        The strength, below ``num_magnitude_bins``.
    num_magnitude_bins : int
    interpolation, fill
        For the changes that move pixels.
    """

    def __init__(self, num_ops: int = 2, magnitude: int = 9, num_magnitude_bins: int = 31, interpolation: Any = Modes.NEAREST,
                 fill: Any = None) -> None:  # fmt: skip
        super().__init__(num_magnitude_bins, interpolation, fill)
        if not 0 <= magnitude < num_magnitude_bins:
            raise ValueError(f"[RandAugment] magnitude is {magnitude}, expected 0 to {num_magnitude_bins - 1}")
        self.num_ops, self.magnitude = num_ops, magnitude

    def __call__(self, img: Any) -> Any:
        _, height, width = F.get_dimensions(img)
        spans = {
            "Identity": (0.0, 0.0, False), "ShearX": (0.0, 0.3, True), "ShearY": (0.0, 0.3, True),
            "TranslateX": (0.0, 150.0 / 331.0 * width, True), "TranslateY": (0.0, 150.0 / 331.0 * height, True),
            "Rotate": (0.0, 30.0, True), "Brightness": (0.0, 0.9, True), "Color": (0.0, 0.9, True),
            "Contrast": (0.0, 0.9, True), "Sharpness": (0.0, 0.9, True), "Posterize": (8.0, 4.0, False),
            "Solarize": (255.0, 0.0, False), "AutoContrast": (0.0, 0.0, False), "Equalize": (0.0, 0.0, False),
        }  # fmt: skip
        names = list(spans)
        for _ in range(self.num_ops):
            u = uniform(2)
            name = names[integer(u[0], 0, len(names) - 1)]
            img = self._apply(img, name, spans[name], self.magnitude, u[1] < 0.5)
        return img


class TrivialAugmentWide(_Policy):
    """One random change of random strength (Mueller and Hutter, "TrivialAugment", 2021).

    Parameters
    ----------
    num_magnitude_bins : int
    interpolation, fill
        For the changes that move pixels.
    """

    def __init__(self, num_magnitude_bins: int = 31, interpolation: Any = Modes.NEAREST, fill: Any = None) -> None:
        super().__init__(num_magnitude_bins, interpolation, fill)

    def __call__(self, img: Any) -> Any:
        spans = {
            "Identity": (0.0, 0.0, False), "ShearX": (0.0, 0.99, True), "ShearY": (0.0, 0.99, True),
            "TranslateX": (0.0, 32.0, True), "TranslateY": (0.0, 32.0, True), "Rotate": (0.0, 135.0, True),
            "Brightness": (0.0, 0.99, True), "Color": (0.0, 0.99, True), "Contrast": (0.0, 0.99, True),
            "Sharpness": (0.0, 0.99, True), "Posterize": (8.0, 2.0, False), "Solarize": (255.0, 0.0, False),
            "AutoContrast": (0.0, 0.0, False), "Equalize": (0.0, 0.0, False),
        }  # fmt: skip
        u, names = uniform(3), list(spans)
        name = names[integer(u[0], 0, len(names) - 1)]
        return self._apply(img, name, spans[name], integer(u[1], 0, self.num_magnitude_bins - 1), u[2] < 0.5)


def _before(batch: Any) -> Any:
    """For each sample the one before it; the last one for the first."""
    return corten.cat([batch[-1:], batch[:-1]])


class _Mixing:
    """Each sample of a batch with the one before it; abstract. Labels become probabilities (B, num_classes)."""

    def __init__(self, alpha: float, num_classes: int | None) -> None:
        if not alpha > 0:
            raise ValueError(f"[{type(self).__name__}] alpha is {alpha}, expected a positive number")
        self.alpha, self.num_classes = alpha, num_classes

    def _labels(self, labels: Any, share: float) -> Any:
        if labels.dim() == 1:
            if self.num_classes is None:
                raise ValueError(f"[{type(self).__name__}] class numbers need num_classes")
            labels = corten.nn.functional.one_hot(labels, self.num_classes)
        labels = labels.to(corten.float32)
        return share * labels + (1 - share) * _before(labels)

    def _checked(self, images: Any) -> None:
        if images.dim() != 4 or not images.is_floating_point():
            raise ValueError(f"[{type(self).__name__}] images of shape {tuple(images.shape)}, {images.dtype}, "
                             "expected (B, C, H, W), floating")  # fmt: skip


class MixUp(_Mixing):
    """Weighted means of samples and of their labels (Zhang et al., "mixup", 2018); for batches, so in a collate function.

    Parameters
    ----------
    alpha : float
        The weight is of the distribution Beta(alpha, alpha).
    num_classes : int, optional
        For labels that are class numbers.
    """

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None) -> None:
        super().__init__(alpha, num_classes)

    def __call__(self, images: Any, labels: Any) -> tuple[Any, Any]:
        self._checked(images)
        share = beta(self.alpha)
        return share * images + (1 - share) * _before(images), self._labels(labels, share)


class CutMix(_Mixing):
    """A rectangle of another sample, and labels by area (Yun et al., "CutMix", 2019); for batches.

    Parameters
    ----------
    alpha : float
        The share that is kept is of the distribution Beta(alpha, alpha).
    num_classes : int, optional
        For labels that are class numbers.
    """

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None) -> None:
        super().__init__(alpha, num_classes)

    def __call__(self, images: Any, labels: Any) -> tuple[Any, Any]:
        self._checked(images)
        height, width = int(images.shape[2]), int(images.shape[3])
        u, half = uniform(2), 0.5 * math.sqrt(1 - beta(self.alpha))
        x, y = integer(u[0], 0, width - 1), integer(u[1], 0, height - 1)
        left, right = max(0, x - int(half * width)), min(width, x + int(half * width))
        top, bottom = max(0, y - int(half * height)), min(height, y + int(half * height))
        out = images.clone()
        out[:, :, top:bottom, left:right] = _before(images)[:, :, top:bottom, left:right]
        return out, self._labels(labels, 1 - (bottom - top) * (right - left) / (height * width))
