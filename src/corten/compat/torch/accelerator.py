"""``torch.accelerator``, telling the truth: there is none."""

from __future__ import annotations

from typing import Any


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def current_accelerator(check_available: bool = False) -> Any:
    """None."""
    return None


def synchronize(device: Any = None) -> None:
    """Raises RuntimeError: there is no such device."""
    raise RuntimeError("[torch.accelerator] there is no accelerator")


current_device_index = set_device_index = synchronize
