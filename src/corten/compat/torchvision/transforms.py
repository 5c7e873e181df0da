"""``torchvision.transforms`` and ``.v2``: the transforms of :mod:`corten.vision.transforms`, and two of ``v2`` alone."""

from __future__ import annotations

from typing import Any

from corten._core import core
from corten.compat.torchvision import functional
from corten.compat.torchvision.functional import to_image
from corten.vision import transforms as _transforms
from corten.vision.transforms import *  # noqa: F403
from corten.vision.transforms import ConvertImageDtype
from corten.vision.transforms.geometry import Transform

__all__ = [*(n for n in _transforms.__all__ if n != "functional"), "ToDtype", "ToImage", "functional"]  # noqa: PLE0604


class ToImage(Transform):
    """A tensor (C, H, W) of the picture's own dtype."""

    def __call__(self, img: Any) -> Any:
        return to_image(img)


class ToDtype(Transform):
    """Another dtype; with ``scale`` the values of an integer dtype stand for [0, 1]."""

    def __init__(self, dtype: Any = None, scale: bool = False) -> None:
        self.dtype, self.scale = core.get_default_dtype() if dtype is None else dtype, scale

    def __call__(self, img: Any) -> Any:
        return ConvertImageDtype(self.dtype)(img) if self.scale else img.to(self.dtype)
