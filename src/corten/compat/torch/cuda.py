"""``torch.cuda``, telling the truth: there is no such device."""

from __future__ import annotations

from typing import Any


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def is_initialized() -> bool:
    """False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def manual_seed(seed: int) -> None:
    """Nothing: there is no generator of a device."""


def manual_seed_all(seed: int) -> None:
    """Nothing: there is no generator of a device."""


def seed() -> None:
    """Nothing: there is no generator of a device."""


def seed_all() -> None:
    """Nothing: there is no generator of a device."""


def empty_cache() -> None:
    """Nothing: there is no memory of a device."""


def ipc_collect() -> None:
    """Nothing: there is no memory of a device."""


def memory_allocated(device: Any = None) -> int:
    """0."""
    return 0


memory_reserved = max_memory_allocated = max_memory_reserved = memory_allocated


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing: there is no memory of a device."""


def _raise(*args: Any, **kwargs: Any) -> Any:
    """Raises RuntimeError: there is no such device."""
    raise RuntimeError("[torch.cuda] there is no CUDA device")


init = current_device = get_device_name = get_device_properties = get_device_capability = set_device = synchronize = _raise
Event = Stream = stream = current_stream = mem_get_info = get_rng_state = set_rng_state = _raise
