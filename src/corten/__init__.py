"""Corten: a compact machine-learning framework on native CPU kernels.

``corten`` mirrors PyTorch's names; ``corten.learn`` mirrors scikit-learn's.
"""

from __future__ import annotations

import importlib
from typing import Any

from corten import autograd
from corten._core import core as _c
from corten._core.core import (
    Size,
    as_tensor,
    can_cast,
    device,
    dtype,
    empty,
    empty_like,
    finfo,
    from_dlpack,
    from_numpy,
    frombuffer,
    full,
    full_like,
    get_default_dtype,
    iinfo,
    is_anomaly_enabled,
    is_grad_enabled,
    is_inference_mode_enabled,
    ones,
    ones_like,
    promote_types,
    set_default_dtype,
    tensor,
    zeros,
    zeros_like,
)
from corten._core.native import (
    empty_cache,
    get_num_threads,
    memory_stats,
    reset_peak_memory_stats,
    set_memory_cache_limit,
    set_num_threads,
)
from corten._format import set_printoptions
from corten.autograd import enable_grad, inference_mode, no_grad, set_grad_enabled
from corten.ops.declare import FUNCTIONS as _FUNCTIONS
from corten.tensor import Tensor

import corten.ops as _ops  # isort: skip  (fills FUNCTIONS)
from corten.ops.random import Generator, default_generator  # isort: skip

__version__ = "0.1.0"

for _d in _c.dtypes:
    globals()[_d.name] = _d
float = _c._dtype_by_name("float32")
double = _c._dtype_by_name("float64")
half = _c._dtype_by_name("float16")
int = _c._dtype_by_name("int32")
long = _c._dtype_by_name("int64")
short = _c._dtype_by_name("int16")
cfloat = _c._dtype_by_name("complex64")
cdouble = _c._dtype_by_name("complex128")
strided = "strided"
contiguous_format = "contiguous_format"
preserve_format = "preserve_format"
inf = float_inf = _c.finfo(_c._dtype_by_name("float64")).max * 2
nan = inf - inf
pi = 3.141592653589793
e = 2.718281828459045
newaxis = None

globals().update(_FUNCTIONS)

_LAZY = ("nn", "optim", "data", "learn", "train", "vision", "text", "linalg", "fft", "special", "func", "serialization", "amp",
         "recompute", "distributions", "compat", "array_api")  # fmt: skip


#: functions that PyTorch also has at its top: of corten.nn.functional, and of corten.settings
_FUNCTIONAL = frozenset((
    "adaptive_avg_pool1d", "adaptive_max_pool1d", "alpha_dropout", "avg_pool1d", "celu", "ctc_loss", "dropout",
    "feature_alpha_dropout", "group_norm", "hardshrink", "layer_norm", "max_pool1d", "max_pool2d", "max_pool3d", "pixel_shuffle",
    "pixel_unshuffle", "prelu", "rms_norm", "rrelu", "selu", "threshold",
))  # fmt: skip
_SETTINGS = frozenset((
    "are_deterministic_algorithms_enabled", "batch_norm", "embedding", "get_default_device", "get_deterministic_debug_mode",
    "get_float32_matmul_precision", "get_num_interop_threads", "instance_norm", "is_deterministic_algorithms_warn_only_enabled",
    "is_vulkan_available", "is_warn_always_enabled", "set_anomaly_enabled", "set_default_device", "set_default_tensor_type",
    "set_deterministic_debug_mode", "set_float32_matmul_precision", "set_flush_denormal", "set_num_interop_threads", "set_warn_always",
    "sym_float", "sym_int", "sym_ite", "sym_max", "sym_min", "sym_not", "sym_sqrt", "sym_sum", "use_deterministic_algorithms",
))  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"corten.{name}")
    if name in _FUNCTIONAL:
        return getattr(importlib.import_module("corten.nn.functional"), name)
    if name in _SETTINGS:
        return getattr(importlib.import_module("corten.settings"), name)
    if name in ("save", "load"):
        module = importlib.import_module("corten.serialization")
        return getattr(module, name)
    if not name.startswith("_"):
        try:
            return importlib.import_module("corten.compat.torch.mirror").attribute(name)
        except AttributeError:
            pass
    raise AttributeError(f"module 'corten' has no attribute {name!r}")


def is_tensor(obj: Any) -> bool:
    """Whether ``obj`` is a tensor."""
    return isinstance(obj, Tensor)


def numel(input: Tensor) -> Any:
    """Number of elements."""
    return input.numel()


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is floating."""
    return input.is_floating_point()


def result_type(tensor1: Any, tensor2: Any) -> dtype:
    """The dtype of an operation on two operands."""
    like = [_c.empty((1,) if x.ndim else (), dtype=x.dtype, device="meta") if isinstance(x, Tensor) else x for x in (tensor1, tensor2)]
    made = like[0] + like[1]
    return made.dtype if isinstance(made, Tensor) else _c.tensor(made).dtype


def show_config() -> str:
    """What this build has and uses: version, instruction sets, threads, memory."""
    from corten._core import native

    stats = native.memory_stats()
    return "\n".join([
        f"corten {__version__}",
        f"instruction set: {native.isa()} (available: {', '.join(native.available_isas())})",
        f"threads: {native.get_num_threads()} ({'OpenMP' if native.has_openmp() else 'built without OpenMP'})",
        f"kernels: {len(native.kernel_names())} native, {len(_c.REGISTRY)} ops",
        f"memory: {stats['in_use'] / 2**20:.1f} MB in use, {stats['cached'] / 2**20:.1f} MB cached, "
        f"cache limit {stats['limit'] / 2**20:.0f} MB",
    ])  # fmt: skip
