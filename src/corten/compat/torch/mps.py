"""``torch.mps`` and ``torch.xpu``, telling the truth: there is no such device."""

from __future__ import annotations

from typing import Any


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing: there is no generator of a device."""


def manual_seed_all(seed: int) -> None:
    """Nothing: there is no generator of a device."""


def empty_cache() -> None:
    """Nothing: there is no memory of a device."""


def _raise(*args: Any, **kwargs: Any) -> Any:
    """Raises RuntimeError: there is no such device."""
    raise RuntimeError("[torch.mps, torch.xpu] there is no such device")


synchronize = get_device_name = current_allocated_memory = _raise
