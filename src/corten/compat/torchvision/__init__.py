"""The part of torchvision that tutorials use: data sets, models, transforms of pictures, grids.

Pictures are Pillow's or tensors (..., C, H, W), as there.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.28.0+corten"

_ROOMS = {"datasets": "datasets", "transforms": "transforms", "utils": "grids", "io": "functional"}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"corten.compat.torchvision.{_ROOMS[name]}")
    if name == "models":
        return importlib.import_module("corten.vision.models")
    if name == "ops":
        raise NotImplementedError(f"[torchvision] {name} is not here: use PyTorch's torchvision")
    raise AttributeError(f"module 'torchvision' has no attribute {name!r}")
