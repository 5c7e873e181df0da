"""Pictures: models, transforms and data sets with torchvision's names. Each is imported when it is first used."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["datasets", "models", "transforms"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"corten.vision.{name}")
    raise AttributeError(f"module 'corten.vision' has no attribute {name!r}")
