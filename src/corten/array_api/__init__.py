"""The Array API standard, 2024.12, as a namespace: what ``Tensor.__array_namespace__`` returns.

Names, arguments and results are those of https://data-apis.org/array-api/2024.12/; arrays are tensors.
"""

from __future__ import annotations

import builtins
from typing import Any, NamedTuple

import corten
from corten._core import core
from corten.tensor import Tensor

__array_api_version__ = "2024.12"

bool, float32, float64, complex64, complex128 = (core._dtype_by_name(n) for n in ("bool", "float32", "float64", "complex64", "complex128"))
int8, int16, int32, int64, uint8 = (core._dtype_by_name(n) for n in ("int8", "int16", "int32", "int64", "uint8"))
e, pi, inf, nan, newaxis = corten.e, corten.pi, corten.inf, corten.nan, None

_SAME = ("abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and", "bitwise_left_shift", "bitwise_or",
         "bitwise_right_shift", "bitwise_xor", "ceil", "copysign", "cos", "cosh", "equal", "exp", "expm1", "floor", "floor_divide",
         "greater", "greater_equal", "hypot", "isfinite", "isinf", "isnan", "less", "less_equal", "log", "log10", "log1p", "log2",
         "logaddexp", "logical_not", "maximum", "minimum", "multiply", "negative",
         "not_equal", "pow", "positive", "reciprocal", "remainder", "round", "signbit", "sin", "sinh", "sqrt",
         "square", "subtract", "tan", "tanh", "trunc", "where", "real", "imag", "conj")  # fmt: skip
for _name in _SAME:
    globals()[_name] = getattr(corten, {"equal": "eq", "not_equal": "ne"}.get(_name, _name))
bitwise_invert, divide = corten.bitwise_not, corten.true_divide


def sign(x: Any, /) -> Any:
    """The direction from 0: -1, 0 or 1, of a complex number one of absolute value 1."""
    if x.is_complex():
        size = corten.abs(x)
        return corten.where(size == 0, size.to(x.dtype), x / size)
    return corten.where(x != x, x, corten.sign(x)) if x.is_floating_point() else corten.sign(x)


def _of_two(name: str) -> Any:
    def run(x1: Any, x2: Any, /) -> Any:
        one = next(x for x in (x1, x2) if isinstance(x, Tensor))
        return getattr(corten, name)(*(x if isinstance(x, Tensor) else core.tensor(x, dtype=one.dtype) for x in (x1, x2)))

    run.__name__, run.__doc__ = name, f"{name}, element by element; one of the two may be a number."
    return run


logical_and, logical_or, logical_xor, nextafter = (_of_two(n) for n in ("logical_and", "logical_or", "logical_xor", "nextafter"))


def _dims(axis: Any, ndim: int) -> Any:
    return tuple(range(ndim)) if axis is None else axis


def _kept(dtype: Any, x: Any) -> Any:
    return x if dtype is None else x.to(dtype)


# ---- creation


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None) -> Any:
    """A tensor of numbers, sequences, or arrays."""
    if isinstance(obj, Tensor):
        made = obj if dtype is None else obj.to(dtype)
        return made.clone() if copy and made is obj else made
    if copy is False:
        return core.from_dlpack(obj) if dtype is None else core.as_tensor(obj, dtype=dtype)
    return core.tensor(obj, dtype=dtype)


def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> Any:
    """Numbers from start to stop; empty when they never meet."""
    low, high = (0, start) if stop is None else (start, stop)
    if (high - low) * step <= 0:
        return core.empty(0, dtype=dtype or (int64 if isinstance(low, int) and isinstance(step, int) else core.get_default_dtype()))
    return corten.arange(low, high, step, dtype=dtype)


def from_dlpack(x: Any, /, *, device: Any = None, copy: builtins.bool | None = None) -> Any:
    """A tensor of the memory of another library's array."""
    made = core.from_dlpack(x)
    return made.clone() if copy else made


def linspace(start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None, endpoint: builtins.bool = True) -> Any:
    """Evenly spaced numbers."""
    if endpoint:
        return corten.linspace(start, stop, num, dtype=dtype)
    return corten.linspace(start, stop, num + 1, dtype=dtype)[:num]


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None) -> Any:
    """Ones on the k-th diagonal."""
    m = n_rows if n_cols is None else n_cols
    rows, columns = corten.arange(n_rows).unsqueeze(1), corten.arange(m).unsqueeze(0)
    return (columns - rows == k).to(dtype or core.get_default_dtype())


def empty(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """Undefined values."""
    return core.empty(shape, dtype=dtype)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """Zeros."""
    return core.zeros(shape, dtype=dtype)


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """Ones."""
    return core.ones(shape, dtype=dtype)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """One value."""
    return core.full((shape,) if isinstance(shape, int) else tuple(shape), fill_value, dtype=dtype)


def empty_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """Undefined values in a shape."""
    return core.empty_like(x, dtype=dtype)


def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """Zeros in a shape."""
    return core.zeros_like(x, dtype=dtype)


def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """Ones in a shape."""
    return core.ones_like(x, dtype=dtype)


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """One value in a shape."""
    return core.full_like(x, fill_value, dtype=dtype)


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Any]:
    """Coordinates of a grid."""
    return list(corten.meshgrid(*arrays, indexing=indexing)) if arrays else []



def tril(x: Any, /, *, k: int = 0) -> Any:
    """The elements on and below the k-th diagonal."""
    return corten.tril(x, k)


def triu(x: Any, /, *, k: int = 0) -> Any:
    """The elements on and above the k-th diagonal."""
    return corten.triu(x, k)


# ---- dtypes


def astype(x: Any, dtype: Any, /, *, copy: builtins.bool = True, device: Any = None) -> Any:
    """As another dtype."""
    made = x.to(dtype)
    return made.clone() if copy and made is x else made


def can_cast(from_: Any, to: Any, /) -> builtins.bool:
    """Whether one dtype promotes to another."""
    source = from_.dtype if isinstance(from_, Tensor) else from_
    try:
        return corten.promote_types(source, to) is to
    except TypeError:
        return False


def result_type(*arrays_and_dtypes: Any) -> Any:
    """The dtype of an operation."""
    kinds = [a.dtype if isinstance(a, Tensor) else a for a in arrays_and_dtypes if not isinstance(a, (int, float, complex))]
    if not kinds:
        raise ValueError("[result_type] expected an array or a dtype")
    out = kinds[0]
    for k in kinds[1:]:
        out = corten.promote_types(out, k)
    numbers = [a for a in arrays_and_dtypes if isinstance(a, (int, float, complex))]
    return corten.result_type(core.empty(1, dtype=out), numbers[0]) if numbers else out


_KINDS = {"bool": ("bool",), "signed integer": ("int8", "int16", "int32", "int64"), "unsigned integer": ("uint8",),
          "real floating": ("float32", "float64"), "complex floating": ("complex64", "complex128")}  # fmt: skip
_KINDS["integral"] = _KINDS["signed integer"] + _KINDS["unsigned integer"]
_KINDS["numeric"] = _KINDS["integral"] + _KINDS["real floating"] + _KINDS["complex floating"]


def isdtype(dtype: Any, kind: Any) -> builtins.bool:
    """Whether a dtype is of a kind, or of one of several."""
    if isinstance(kind, tuple):
        return builtins.any(isdtype(dtype, k) for k in kind)
    return dtype.name in _KINDS[kind] if isinstance(kind, str) else dtype is kind



class FloatInfo(NamedTuple):
    """What finfo returns."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: Any


class IntegerInfo(NamedTuple):
    """What iinfo returns."""

    bits: int
    max: int
    min: int
    dtype: Any


def finfo(type: Any, /) -> FloatInfo:
    """Limits of a floating dtype, or of the parts of a complex one."""
    known = corten.finfo(type.dtype if isinstance(type, Tensor) else type)
    return FloatInfo(known.bits, known.eps, known.max, known.min, known.smallest_normal, core._dtype_by_name(known.dtype))


def iinfo(type: Any, /) -> IntegerInfo:
    """Limits of an integer dtype."""
    known = corten.iinfo(type.dtype if isinstance(type, Tensor) else type)
    return IntegerInfo(known.bits, known.max, known.min, core._dtype_by_name(known.dtype))


# ---- reductions


def _reduce(name: str, x: Any, axis: Any, keepdims: builtins.bool, **kwargs: Any) -> Any:
    """A reduction over axes; over none of them, of a new axis of size 1."""
    if axis == ():
        return getattr(corten, name)(x.unsqueeze(0), 0, keepdim=False, **kwargs)
    return getattr(corten, name)(x, _dims(axis, x.ndim), keepdim=keepdims, **kwargs)


def sum(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: builtins.bool = False) -> Any:
    """Sum over axes."""
    out = _reduce("sum", _kept(dtype, x), axis, keepdims)
    return _kept(dtype, out)


def mean(x: Any, /, *, axis: Any = None, keepdims: builtins.bool = False) -> Any:
    """Mean over axes."""
    return _reduce("mean", x, axis, keepdims)


def max(x: Any, /, *, axis: Any = None, keepdims: builtins.bool = False) -> Any:
    """Greatest over axes."""
    return _reduce("amax", x, axis, keepdims)


def min(x: Any, /, *, axis: Any = None, keepdims: builtins.bool = False) -> Any:
    """Least over axes."""
    return _reduce("amin", x, axis, keepdims)


def prod(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: builtins.bool = False) -> Any:
    """Product over axes."""
    return _kept(dtype, _one_by_one("prod", _kept(dtype, x), axis, keepdims))


def any(x: Any, /, *, axis: Any = None, keepdims: builtins.bool = False) -> Any:
    """Whether one is not 0."""
    return _one_by_one("any", x.to(bool), axis, keepdims)


def all(x: Any, /, *, axis: Any = None, keepdims: builtins.bool = False) -> Any:
    """Whether none is 0."""
    return _one_by_one("all", x.to(bool), axis, keepdims)


def _one_by_one(name: str, x: Any, axis: Any, keepdims: builtins.bool) -> Any:
    if x.ndim == 0 or axis == ():
        return getattr(corten, name)(x.unsqueeze(0), 0)
    axes = (axis,) if isinstance(axis, int) else _dims(axis, x.ndim)
    for d in sorted((a % x.ndim for a in axes), reverse=True):
        x = getattr(corten, name)(x, d, keepdim=keepdims)
    return x


def var(x: Any, /, *, axis: Any = None, correction: float = 0.0, keepdims: builtins.bool = False) -> Any:
    """Variance over axes."""
    return _reduce("var", x, axis, keepdims, correction=correction)


def std(x: Any, /, *, axis: Any = None, correction: float = 0.0, keepdims: builtins.bool = False) -> Any:
    """Standard deviation over axes."""
    return _reduce("std", x, axis, keepdims, correction=correction)


def count_nonzero(x: Any, /, *, axis: Any = None, keepdims: builtins.bool = False) -> Any:
    """How many are not 0."""
    return sum((x != 0).to(int64), axis=axis, keepdims=keepdims)


def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: builtins.bool = False) -> Any:
    """Running sums."""
    return _running("cumsum", 0, x, axis, dtype, include_initial)


def cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: builtins.bool = False) -> Any:
    """Running products."""
    return _running("cumprod", 1, x, axis, dtype, include_initial)


def _running(name: str, first: int, x: Any, axis: Any, dtype: Any, initial: builtins.bool) -> Any:
    axis = 0 if axis is None else axis
    out = getattr(corten, name)(_kept(dtype, x), axis)
    if not initial:
        return out
    shape = list(out.shape)
    shape[axis] = 1
    return corten.cat([core.full(tuple(shape), first, dtype=out.dtype), out], axis)


def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours."""
    return corten.diff(x, n, axis, prepend, append)


# ---- shapes


def concat(arrays: Any, /, *, axis: int | None = 0) -> Any:
    """Joined along an axis; flattened first when it is None."""
    return corten.cat([a.reshape(-1) for a in arrays], 0) if axis is None else corten.cat(list(arrays), axis)


def stack(arrays: Any, /, *, axis: int = 0) -> Any:
    """Joined along a new axis."""
    return corten.stack(list(arrays), axis)


def expand_dims(x: Any, /, axis: int = 0) -> Any:
    """With a new axis of size 1."""
    if not -x.ndim - 1 <= axis <= x.ndim:
        raise IndexError(f"[expand_dims] axis {axis} is out of range for {x.ndim} dimensions")
    return x.unsqueeze(axis)


def squeeze(x: Any, /, axis: Any) -> Any:
    """Without axes of size 1."""
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    if builtins.any(x.shape[a] != 1 for a in axes):
        raise ValueError(f"[squeeze] axes {axes} of shape {tuple(x.shape)} are not all of size 1")
    for a in sorted((a % x.ndim for a in axes), reverse=True):
        x = x.squeeze(a)
    return x


def permute_dims(x: Any, /, axes: Any) -> Any:
    """Axes in another order."""
    return x.permute(tuple(axes))


def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged."""
    return x.mT


def moveaxis(x: Any, source: Any, destination: Any, /) -> Any:
    """Axes at other places."""
    return corten.movedim(x, source, destination)


def flip(x: Any, /, *, axis: Any = None) -> Any:
    """In reverse order."""
    return corten.flip(x, [axis] if isinstance(axis, int) else list(_dims(axis, x.ndim)))


def roll(x: Any, /, shift: Any, *, axis: Any = None) -> Any:
    """Moved around."""
    return corten.roll(x, shift, axis)


def reshape(x: Any, /, shape: Any, *, copy: Any = None) -> Any:
    """Another shape."""
    return x.clone().reshape(tuple(shape)) if copy else x.reshape(tuple(shape))


def broadcast_to(x: Any, /, shape: Any) -> Any:
    """Repeated to a shape, without a copy."""
    return corten.broadcast_to(x, tuple(shape))


def broadcast_arrays(*arrays: Any) -> list[Any]:
    """Repeated to one shape."""
    import numpy as np

    shape = np.broadcast_shapes(*(tuple(a.shape) for a in arrays))
    return [broadcast_to(a, shape) for a in arrays]


def tile(x: Any, repetitions: Any, /) -> Any:
    """Laid side by side."""
    return corten.tile(x, tuple(repetitions))


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Any:
    """Each element several times."""
    return corten.repeat_interleave(x.reshape(-1) if axis is None else x, repeats, 0 if axis is None else axis)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The parts along an axis."""
    return tuple(corten.unbind(x, axis))


def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:
    """Limited to bounds."""
    return x.clone() if min is None and max is None else corten.clamp(x, min, max).to(x.dtype)


# ---- search, order, sets, indices


def argmax(x: Any, /, *, axis: int | None = None, keepdims: builtins.bool = False) -> Any:
    """Where the greatest is."""
    return corten.argmax(x, axis, keepdim=keepdims)


def argmin(x: Any, /, *, axis: int | None = None, keepdims: builtins.bool = False) -> Any:
    """Where the least is."""
    return corten.argmin(x, axis, keepdim=keepdims)


def nonzero(x: Any, /) -> tuple[Any, ...]:
    """Where it is not 0, an index for each axis."""
    if x.ndim == 0:
        raise ValueError("[nonzero] got a 0-d tensor, expected at least one dimension")
    return tuple(corten.nonzero(x).unbind(1))


def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Any:
    """Where values would be put to keep the order."""
    return corten.searchsorted(x1 if sorter is None else x1[sorter], x2, right=side == "right")


def sort(x: Any, /, *, axis: int = -1, descending: builtins.bool = False, stable: builtins.bool = True) -> Any:
    """In order."""
    return corten.sort(x, dim=axis, descending=descending, stable=stable)[0]


def argsort(x: Any, /, *, axis: int = -1, descending: builtins.bool = False, stable: builtins.bool = True) -> Any:
    """The order."""
    return corten.sort(x, dim=axis, descending=descending, stable=stable)[1]


class UniqueAll(NamedTuple):
    """What unique_all returns."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What unique_counts returns."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What unique_inverse returns."""

    values: Any
    inverse_indices: Any


def unique_all(x: Any, /) -> UniqueAll:
    """Different values, where each is first, which one each is, how often each is there."""
    values, inverse, counts = corten.unique(x, return_inverse=True, return_counts=True)
    order = corten.sort(inverse.reshape(-1), stable=True)[1]
    starts = corten.cumsum(counts, 0) - counts
    return UniqueAll(values, order[starts], inverse, counts)


def unique_counts(x: Any, /) -> UniqueCounts:
    """Different values and how often each is there."""
    values, counts = corten.unique(x, return_counts=True)
    return UniqueCounts(values, counts)


def unique_inverse(x: Any, /) -> UniqueInverse:
    """Different values and which one each is."""
    values, inverse = corten.unique(x, return_inverse=True)
    return UniqueInverse(values, inverse)


def unique_values(x: Any, /) -> Any:
    """Different values."""
    return corten.unique(x)


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Any:
    """Elements along an axis."""
    return x.index_select(0 if axis is None else axis, indices)


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """Elements along an axis, an index for each."""
    return corten.gather(x, axis, indices)


# ---- products


def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """Sums of products over axes."""
    dtype = corten.promote_types(x1.dtype, x2.dtype)
    return corten.tensordot(x1.to(dtype), x2.to(dtype), dims=axes)


def matmul(x1: Any, x2: Any, /) -> Any:
    """Products of matrices."""
    dtype = corten.promote_types(x1.dtype, x2.dtype)
    return corten.matmul(x1.to(dtype), x2.to(dtype))


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Sums of products along an axis."""
    if x1.shape[axis] != x2.shape[axis]:
        raise ValueError(f"[vecdot] got {tuple(x1.shape)} and {tuple(x2.shape)}, expected one size along axis {axis}")
    product = (corten.conj(x1) if x1.is_complex() else x1) * x2
    return sum(product, axis=axis, dtype=product.dtype)


class Info:
    """What there is: devices, dtypes, abilities."""

    def capabilities(self) -> dict[str, Any]:
        """Abilities."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 8}

    def default_device(self) -> Any:
        """The CPU."""
        return core.device("cpu")

    def devices(self) -> list[Any]:
        """The CPU."""
        return [core.device("cpu")]

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        """Dtypes of new arrays."""
        return {"real floating": core.get_default_dtype(), "complex floating": complex64, "integral": int64, "indexing": int64}

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        """Dtypes by name, of a kind."""
        names = [n for k in ("bool", "numeric") for n in _KINDS[k]]
        return {n: core._dtype_by_name(n) for n in names if kind is None or isdtype(core._dtype_by_name(n), kind)}


def __array_namespace_info__() -> Info:
    """What there is."""
    return Info()


def __getattr__(name: str) -> Any:
    if name in ("linalg", "fft"):
        from importlib import import_module

        return import_module(f"corten.array_api.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
