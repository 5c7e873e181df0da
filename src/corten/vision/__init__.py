"""Images: transforms, models, data sets. The rooms are imported when they are first used."""

from __future__ import annotations

import importlib
from typing import Any

_ROOMS = ("transforms", "models", "datasets")


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"corten.vision.{name}")
    raise AttributeError(f"module 'corten.vision' has no attribute {name!r}")
