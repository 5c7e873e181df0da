"""Pictures: ``corten.vision.models``, with torchvision's names, and ``corten.vision.transforms``."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["models", "transforms"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"corten.vision.{name}")
    raise AttributeError(f"module 'corten.vision' has no attribute {name!r}")
