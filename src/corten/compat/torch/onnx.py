"""``torch.onnx``: scripts import it at their top; what it would export is not written yet."""

from __future__ import annotations

from typing import Any


def export(model: Any, *args: Any, **kwargs: Any) -> Any:
    """Raises NotImplementedError."""
    raise NotImplementedError("[torch.onnx] export: Corten writes no ONNX files")


def is_in_onnx_export() -> bool:
    """False."""
    return False
