"""Names of ``torch`` itself that belong to PyTorch's way of working more than to tensors."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import corten
from corten._core import core
from corten.amp import GradScaler, autocast, get_autocast_dtype, is_autocast_enabled  # noqa: F401
from corten.compat.torch.version import __version__  # noqa: F401
from corten.ops.inspect import TYPE_NAMES
from corten.tensor import Tensor

Number = builtins.int | builtins.float | builtins.bool
Device = Any
channels_last = "channels_last"
channels_last_3d = "channels_last_3d"
_deterministic = False
_precision = "highest"


class layout(str):  # noqa: N801
    """How elements lie: ``torch.strided`` is the only one."""


class memory_format(str):  # noqa: N801
    """An order of dimensions in memory; row-major is the only one, others are accepted and change nothing."""


def compile(model: Any = None, **options: Any) -> Any:  # noqa: A001
    """The function or module itself: kernels are compiled already."""
    return (lambda fn: fn) if model is None else model


def set_default_device(device: Any) -> None:
    """The CPU is the only device."""
    if device is not None:
        core.device(device)


def get_default_device() -> Any:
    """The CPU."""
    return core.device("cpu")


def set_default_tensor_type(t: Any) -> None:
    """The dtype of new floating tensors, by a tensor type or its name."""
    name = t if isinstance(t, str) else t.__name__
    names = {"FloatTensor": "float32", "DoubleTensor": "float64", "HalfTensor": "float16", "BFloat16Tensor": "bfloat16"}
    kind = name.rpartition(".")[2]
    if "cuda" in name or kind not in names:
        raise TypeError(f"[set_default_tensor_type] got {name}, expected one of {', '.join(names)}")
    core.set_default_dtype(core._dtype_by_name(names[kind]))


def set_float32_matmul_precision(precision: str) -> None:
    """'highest', 'high' or 'medium': products are computed in float32 with any of them."""
    global _precision
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"[set_float32_matmul_precision] got {precision!r}, expected 'highest', 'high' or 'medium'")
    _precision = precision


def get_float32_matmul_precision() -> str:
    """What set_float32_matmul_precision said last."""
    return _precision


def use_deterministic_algorithms(mode: builtins.bool, *, warn_only: builtins.bool = False) -> None:
    """Every algorithm is deterministic, whatever is said here."""
    global _deterministic
    _deterministic = mode


def are_deterministic_algorithms_enabled() -> builtins.bool:
    """What use_deterministic_algorithms said last."""
    return _deterministic


def get_num_interop_threads() -> builtins.int:
    """1: ops do not run beside each other."""
    return 1


def set_num_interop_threads(n: builtins.int) -> None:
    """Only 1 has a meaning: ops do not run beside each other."""
    if n < 1:
        raise RuntimeError(f"[set_num_interop_threads] got {n}, expected at least 1")


def typename(o: Any) -> str:
    """The name of a tensor's type, or of an object's class."""
    return f"torch.{_TYPE_OF[o.dtype.name]}" if isinstance(o, Tensor) else f"{type(o).__module__}.{type(o).__qualname__}"


def is_storage(obj: Any) -> builtins.bool:
    """False: storages are not shown."""
    return False


def is_complex(input: Any) -> builtins.bool:
    """Whether the dtype is complex."""
    return input.dtype.name.startswith("complex")


def set_flush_denormal(mode: builtins.bool) -> builtins.bool:
    """False: the processor's mode is left as it is."""
    return False


def set_warn_always(b: builtins.bool) -> None:
    """Whether warnings of PyTorch repeat: there are none of them here."""


def get_device_module(device: Any = None) -> Any:
    """Raises: there is no module of the CPU."""
    raise NotImplementedError("[get_device_module] there is no device but the CPU")


# ---- tensor types of old: torch.FloatTensor(2, 3), torch.LongTensor([1, 2])

_TYPE_OF = {v: k for k, v in TYPE_NAMES.items()}


class TensorType(type):
    """A class of tensors of one dtype; only its constructor and isinstance have a meaning."""

    def __instancecheck__(cls, obj: Any) -> builtins.bool:
        return isinstance(obj, Tensor) and obj.dtype.name == cls._dtype_name  # type: ignore[attr-defined]

    def __call__(cls, *data: Any) -> Any:
        dtype = core._dtype_by_name(cls._dtype_name)  # type: ignore[attr-defined]
        if len(data) == 1 and not isinstance(data[0], builtins.int):
            if isinstance(data[0], Tensor):
                return data[0].to(dtype)
            if isinstance(data[0], core.Size):
                return core.empty(*data[0], dtype=dtype)
            return core.tensor(data[0], dtype=dtype)
        return core.empty(*(data or (0,)), dtype=dtype)


for _name, _dtype in TYPE_NAMES.items():
    globals()[_name] = TensorType(_name, (), {"_dtype_name": _dtype, "__doc__": f"Makes tensors of {_dtype}."})


# ---- what cannot be


def _absent(name: str, why: str) -> Callable[..., Any]:
    def missing(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"[{name}] {why}")

    missing.__name__ = missing.__qualname__ = name
    missing.__doc__ = f"Raises NotImplementedError: {why}."
    return missing


for _name in ("sparse_coo_tensor", "sparse_csr_tensor", "sparse_csc_tensor", "sparse_bsr_tensor", "sparse_compressed_tensor"):
    globals()[_name] = _absent(_name, "there are no sparse tensors")
for _name in ("quantize_per_tensor", "quantize_per_channel"):
    globals()[_name] = _absent(_name, "there are no quantised tensors")


#: functions of layers that torch shows beside torch.nn.functional
_LAYERS = ("adaptive_avg_pool1d", "adaptive_max_pool1d", "avg_pool1d", "batch_norm", "bilinear", "binary_cross_entropy_with_logits", "celu",
           "celu_", "conv_tbc", "cosine_embedding_loss", "cosine_similarity", "ctc_loss", "dropout", "embedding", "embedding_bag",
           "feature_dropout", "group_norm", "hardshrink", "hinge_embedding_loss", "instance_norm", "kl_div", "layer_norm",
           "margin_ranking_loss", "max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool3d", "pairwise_distance", "pdist",
           "pixel_shuffle", "pixel_unshuffle", "poisson_nll_loss", "prelu", "rms_norm", "rrelu", "rrelu_", "selu", "selu_",
           "threshold", "threshold_", "triplet_margin_loss", "alpha_dropout", "channel_shuffle")  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAYERS:
        return getattr(corten.nn.functional, name)
    if name == "vmap":
        return corten.func.vmap
    raise AttributeError(name)
