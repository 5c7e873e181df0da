"""``torch.backends``: settings of devices that are not there, accepted where they change no result."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

benchmark = deterministic = allow_tf32 = False
enabled = False
matmul = SimpleNamespace(allow_tf32=False, allow_fp16_reduced_precision_reduction=False, allow_bf16_reduced_precision_reduction=False)
cufft_plan_cache = SimpleNamespace(max_size=0, size=0)


def is_available() -> bool:
    """False: there is no such backend."""
    return False


def is_built() -> bool:
    """False: there is no such backend."""
    return False


def version() -> Any:
    """None: there is no such backend."""
    return None


def enable_flash_sdp(enabled: bool) -> None:
    """Nothing: attention has one implementation."""


enable_math_sdp = enable_mem_efficient_sdp = enable_cudnn_sdp = enable_flash_sdp
