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


def _absent(name: str) -> Any:
    def fn(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"[torch.distributed] {name}: one process is all there is")

    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = "Raises NotImplementedError: one process is all there is."
    return fn


init_process_group, destroy_process_group, barrier, new_group, get_backend = map(
    _absent, ("init_process_group", "destroy_process_group", "barrier", "new_group", "get_backend"))  # fmt: skip
all_reduce, all_gather, all_gather_object, broadcast, reduce, reduce_scatter, gather, scatter, send, recv = map(
    _absent, ("all_reduce", "all_gather", "all_gather_object", "broadcast", "reduce", "reduce_scatter", "gather", "scatter", "send",
              "recv"))  # fmt: skip


class ReduceOp:
    """How a reduction over processes adds up, by name."""

    SUM, AVG, PRODUCT, MIN, MAX = "sum", "avg", "product", "min", "max"


class DistributedDataParallel:
    """Raises NotImplementedError: one process is all there is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("[DistributedDataParallel] one process is all there is")
