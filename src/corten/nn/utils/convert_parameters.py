"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from corten.ops.view import cat

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Any]) -> Any:
    """All values in one vector, in order."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Give parameters the values of a vector, in order; raises ValueError when their number differs."""
    members = list(parameters)
    if not hasattr(vec, "numel"):
        raise TypeError(f"[vector_to_parameters] got {type(vec).__name__}, expected a tensor")
    total = sum(p.numel() for p in members)
    if vec.numel() != total:
        raise ValueError(f"[vector_to_parameters] got {vec.numel()} values for {total}")
    at = 0
    for p in members:
        p.data = vec.detach()[at : at + p.numel()].reshape(p.shape).clone()
        at += p.numel()
