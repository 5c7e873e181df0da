"""``torchvision.transforms.functional`` and ``torchvision.io``: those of :mod:`corten.vision.transforms.functional`, and files."""

from __future__ import annotations

from typing import Any

from PIL import Image

from corten.vision.transforms import functional as _functional
from corten.vision.transforms.functional import *  # noqa: F403
from corten.vision.transforms.functional import pil_to_tensor


def read_image(path: Any, mode: Any = None) -> Any:
    """uint8 (C, H, W) of a file."""
    with Image.open(path) as img:
        return pil_to_tensor(img.convert("RGB") if img.mode not in ("L", "RGB") else img)


decode_image = read_image


def to_image(img: Any) -> Any:
    """A tensor (C, H, W) of the picture's own dtype."""
    return pil_to_tensor(img) if _functional.is_pil(img) else img
