"""Switches of the process that PyTorch has at its top, as far as they mean something on a CPU; each tells the truth.

Results do not depend on the number of threads here, so every algorithm is deterministic whatever is asked for.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

from corten._core import core

_asked = {"deterministic": False, "warn_only": False, "precision": "highest", "warn_always": False}


def get_default_device() -> Any:
    """The CPU."""
    return core.device("cpu")


def set_default_device(device: Any) -> None:
    """Accept the CPU; raise NotImplementedError for any other device."""
    if device is not None and core.device(device).type != "cpu":
        raise NotImplementedError(f"[set_default_device] got {device}, expected 'cpu'")


def set_default_tensor_type(t: Any) -> None:
    """Set the default dtype by the name of a tensor type, such as ``torch.DoubleTensor``."""
    name = str(t).rpartition(".")[2].rstrip("'>")
    types = {"FloatTensor": "float32", "DoubleTensor": "float64"}
    if name not in types:
        raise TypeError(f"[set_default_tensor_type] got {t!r}, expected one of {', '.join(types)}")
    core.set_default_dtype(core._dtype_by_name(types[name]))


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Remember the wish; every algorithm is deterministic anyway."""
    _asked.update(deterministic=bool(mode), warn_only=warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What was asked for last."""
    return bool(_asked["deterministic"])


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What was asked for last."""
    return bool(_asked["warn_only"])


def set_deterministic_debug_mode(debug_mode: Any) -> None:
    """0 or 'default', 1 or 'warn', 2 or 'error'."""
    mode = {"default": 0, "warn": 1, "error": 2}.get(debug_mode, debug_mode)
    if mode not in (0, 1, 2):
        raise RuntimeError(f"[set_deterministic_debug_mode] got {debug_mode!r}, expected 0, 1 or 2")
    use_deterministic_algorithms(mode > 0, warn_only=mode == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2."""
    return 0 if not _asked["deterministic"] else 1 if _asked["warn_only"] else 2


def set_float32_matmul_precision(precision: str) -> None:
    """Remember 'highest', 'high' or 'medium'; products of float32 are always computed in full."""
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"[set_float32_matmul_precision] got {precision!r}, expected 'highest', 'high' or 'medium'")
    _asked["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What was asked for last."""
    return str(_asked["precision"])


def set_num_interop_threads(n: int) -> None:
    """Accept a number of threads; operations run one after another."""
    if n < 1:
        raise RuntimeError(f"[set_num_interop_threads] got {n}, expected at least 1")


def get_num_interop_threads() -> int:
    """1: operations run one after another."""
    return 1


def set_flush_denormal(mode: bool) -> bool:
    """False: small numbers are never flushed to 0."""
    return False


def set_warn_always(b: bool) -> None:
    """Remember the wish."""
    _asked["warn_always"] = bool(b)


def is_warn_always_enabled() -> bool:
    """What was asked for last."""
    return bool(_asked["warn_always"])


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """Switch anomaly detection on or off."""
    core._set_anomaly(mode)


def is_vulkan_available() -> bool:
    """False."""
    return False


# ---- functions of corten.nn.functional whose order of parameters differs at PyTorch's top


def batch_norm(input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float,
               eps: float, cudnn_enabled: bool = False) -> Any:  # fmt: skip
    """See :func:`corten.nn.functional.batch_norm`."""
    from corten.nn import functional

    return functional.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, use_input_stats: bool,
                  momentum: float, eps: float, cudnn_enabled: bool = False) -> Any:  # fmt: skip
    """See :func:`corten.nn.functional.instance_norm`."""
    from corten.nn import functional

    return functional.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def embedding(weight: Any, indices: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False) -> Any:
    """See :func:`corten.nn.functional.embedding`."""
    from corten.nn import functional

    return functional.embedding(indices, weight, None if padding_idx < 0 else padding_idx)


# ---- numbers that PyTorch may trace; here they are Python's


def sym_int(a: Any) -> int:
    """The integer part."""
    return int(a)


def sym_float(a: Any) -> float:
    """As a float."""
    return float(a)


def sym_not(a: Any) -> bool:
    """Whether false."""
    return not a


def sym_max(a: Any, b: Any) -> Any:
    """The larger."""
    return builtins.max(a, b)


def sym_min(a: Any, b: Any) -> Any:
    """The smaller."""
    return builtins.min(a, b)


def sym_sqrt(a: Any) -> float:
    """The square root."""
    return math.sqrt(a)


def sym_sum(args: Any) -> Any:
    """The sum."""
    return builtins.sum(args)


def sym_ite(b: Any, t: Any, f: Any) -> Any:
    """``t`` if ``b`` holds, else ``f``."""
    return t if b else f
