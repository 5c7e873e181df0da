"""``torch.distributed``: one process."""

from __future__ import annotations

from typing import Any


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def get_rank(group: Any = None) -> int:
    """Raises: there is no group of processes."""
    raise ValueError("[torch.distributed] there is no group of processes")


get_world_size = get_rank


def init_process_group(*args: Any, **kwargs: Any) -> None:
    """Raises NotImplementedError: one process is all there is."""
    raise NotImplementedError("[torch.distributed] init_process_group: one process is all there is")


class DistributedDataParallel:
    """Raises NotImplementedError: one process is all there is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("[DistributedDataParallel] one process is all there is")
