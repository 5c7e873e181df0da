"""Keys: ``x[key]`` with tensors in it, read and written, and indices into the flattened tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corten._core import core
from corten.ops.declare import function
from corten.ops.masks import BOOL, UINT8, nonzero
from corten.ops.slices import INT64, Positions, check_range, index_get, index_put, index_put_inplace


def as_index(key: Any) -> Any:
    """A part of a key as a tensor, when it is one or stands for one; else as it is."""
    if isinstance(key, core.TensorBase):
        return key
    if isinstance(key, (list, range)) or (hasattr(key, "__array__") and hasattr(key, "dtype")) or isinstance(key, bool):
        made = core.as_tensor(list(key) if isinstance(key, range) else _numbers(key))
        return made.to(INT64) if made.numel() == 0 and made.dtype is not BOOL else made
    return key


def _numbers(key: Any) -> Any:
    """A list in which 0-d tensors are numbers."""
    if not isinstance(key, list):
        return key
    if any(isinstance(k, slice) or k is None or k is Ellipsis for k in key):
        raise TypeError("[index] a list of slices is not an index; use a tuple")
    return [k.item() if isinstance(k, core.TensorBase) and k.ndim == 0 else
            k.tolist() if isinstance(k, core.TensorBase) else _numbers(k) for k in key]  # fmt: skip


def positions(x: Any, key: Any) -> tuple[Any, dict[int, Any]]:
    """What a key says: a view of x by its ints, slices, None and Ellipsis, and index tensors by dimension of that view."""
    parts = [as_index(k) for k in (key if isinstance(key, tuple) else (key,))]
    used = sum(k.ndim if k.dtype in (BOOL, UINT8) else 1 for k in parts if isinstance(k, core.TensorBase))
    used += sum(not (isinstance(k, core.TensorBase) or k is None or k is Ellipsis) for k in parts)
    if sum(k is Ellipsis for k in parts) > 1:
        raise IndexError("[index] an index can have only one ellipsis")
    if used > x.ndim:
        raise IndexError(f"[index] got {used} indices for a tensor of {x.ndim} dimensions")
    if not any(k is Ellipsis for k in parts):
        parts.append(Ellipsis)
    basic: list[Any] = []
    tensors: dict[int, Any] = {}
    dim, source = 0, 0  # of the view, of x
    for k in parts:
        if isinstance(k, core.TensorBase) and k.dtype in (BOOL, UINT8):
            if k.ndim == 0:
                basic.append(None)
                tensors[dim] = core.zeros(int(bool(k)), dtype=INT64)
                dim += 1
                continue
            shape = tuple(x.shape[source:source + k.ndim])
            if tuple(k.shape) != shape:
                raise IndexError(f"[index] a mask of shape {tuple(k.shape)} does not fit the dimensions {shape}")
            for t in nonzero(k, as_tuple=True):
                basic.append(slice(None))
                tensors[dim] = t
                dim += 1
            source += k.ndim
        elif isinstance(k, core.TensorBase):
            if k.is_floating_point() or k.is_complex():
                raise IndexError(f"[index] got an index of {k.dtype}, expected integers or bools")
            if k.ndim == 0:
                basic.append(int(k))
            else:
                basic.append(slice(None))
                tensors[dim] = k.detach().to(INT64)
                check_range("index", tensors[dim], x.shape[source], source)
                dim += 1
            source += 1
        elif k is Ellipsis:
            rest = x.ndim - used
            basic.append(Ellipsis)
            dim += rest
            source += rest
        elif k is None:
            basic.append(None)
            dim += 1
        elif isinstance(k, slice) or hasattr(k, "__index__"):
            basic.append(k)
            source += 1
            dim += isinstance(k, slice)
        else:
            raise IndexError(f"[index] got {type(k).__name__}, expected ints, slices, None, Ellipsis, or tensors of ints or bools")
    plain = all(isinstance(k, slice) and k == slice(None) or k is Ellipsis for k in basic)
    return (x if plain else x[tuple(basic)]), tensors


def common_shape(tensors: Sequence[Any]) -> list[Any]:
    """Index tensors in the shape that they broadcast to."""
    if len(tensors) == 1:
        return list(tensors)
    n = max(t.ndim for t in tensors)
    shape = [1] * n
    for t in tensors:
        for d, size in enumerate(t.shape, n - t.ndim):
            if size != 1:
                if shape[d] not in (1, size):
                    raise IndexError("[index] shapes of index tensors do not broadcast: "
                                     + ", ".join(str(tuple(t.shape)) for t in tensors))  # fmt: skip
                shape[d] = size
    return [t.expand(shape) for t in tensors]


def leading(x: Any, tensors: dict[int, Any]) -> tuple[Any, Positions, int]:
    """The indexed dimensions moved to the front, the positions, and before how many of the rest the indexed ones stand."""
    dims = sorted(tensors)
    at = Positions(common_shape([tensors[d] for d in dims]))
    adjacent = dims[-1] - dims[0] == len(dims) - 1
    if dims[0] > 0 or not adjacent:
        x = x.permute([*dims, *(d for d in range(x.ndim) if d not in tensors)])
    return x, at, dims[0] if adjacent else 0


def advanced_get(x: Any, key: Any) -> Any:
    """x[key] for a key with tensors in it."""
    view, tensors = positions(x, key)
    if not tensors:
        return view
    moved, at, before = leading(view, tensors)
    out = index_get(moved, at)
    if before:
        k = len(at.shape)
        out = out.permute([*range(k, k + before), *range(k), *range(k + before, out.ndim)])
    return out


def _write(x: Any, key: Any, value: Any, accumulate: bool) -> None:
    view, tensors = positions(x, key)
    if not tensors:
        view.copy_(view + value if accumulate else value)
        return
    moved, at, before = leading(view, tensors)
    if value.dtype is not x.dtype:
        raise RuntimeError(f"[index_put] got values of {value.dtype}, expected {x.dtype}")
    k, rest = len(at.shape), moved.ndim - len(tensors)
    shape = (*moved.shape[len(tensors):len(tensors) + before], *at.shape, *moved.shape[len(tensors) + before:])
    if not _fits(value.shape, shape):
        raise (IndexError if value.ndim > len(shape) else RuntimeError)(
            f"[index_put] values of shape {tuple(value.shape)} do not fit {tuple(shape)}")
    while value.ndim > k + rest:  # dimensions of size 1 in front
        value = value.squeeze(0)
    if before:
        value = value.expand(shape)
        value = value.permute([*range(before, before + k), *range(before), *range(before + k, k + rest)])
    index_put_inplace(moved, value, at, accumulate)


def _fits(shape: Sequence[int], into: Sequence[int]) -> bool:
    lead = len(shape) - len(into)
    return all(s == 1 for s in shape[:max(lead, 0)]) and \
        all(s in (1, t) for s, t in zip(reversed(shape), reversed(into), strict=False))  # fmt: skip


def advanced_set(x: Any, key: Any, value: Any) -> None:
    """x[key] = value for a key with tensors in it."""
    if not isinstance(value, core.TensorBase):
        value = core.as_tensor(value).to(x.dtype)
    _write(x, key, value, False)


@function(method=True)
def index_put_(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """Write values where a tuple of index tensors points, in place; with ``accumulate`` add them, repeated ones too."""
    if any(t is not None and not isinstance(t, core.TensorBase) for t in indices):
        raise TypeError("[index_put_] expected a tuple of tensors")
    _write(input, tuple(slice(None) if t is None else t for t in indices), values, accumulate)
    return input


@function(method=True, name="index_put")
def index_put_function(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """The input with values written (or added) where a tuple of index tensors points.

    Examples
    --------
    >>> import corten
    >>> at = (corten.tensor([0, 0]),)
    >>> corten.zeros(2).index_put(at, corten.tensor([1.0, 2.0]), accumulate=True)
    tensor([3., 0.])
    """
    return index_put_(input.clone(), indices, values, accumulate)


# ---- the flattened input

@function(method=True)
def take(input: Any, index: Any) -> Any:
    """Elements of the flattened input, in the shape of the index.

    Examples
    --------
    >>> import corten
    >>> corten.tensor([[1, 2], [3, 4]]).take(corten.tensor([0, -1]))
    tensor([1, 4])
    """
    if index.dtype is not INT64:
        raise RuntimeError(f"[take] got an index of {index.dtype}, expected int64")
    check_range("take", index, input.numel(), 0)
    return index_get(input.reshape(-1), Positions([index.detach()]))


@function(method=True)
def put_(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """Write (or add) elements of the source, in order, where an index into the flattened tensor points, in place."""
    if index.dtype is not INT64:
        raise RuntimeError(f"[put_] got an index of {index.dtype}, expected int64")
    if source.dtype is not input.dtype:
        raise RuntimeError(f"[put_] got a source of {source.dtype}, expected {input.dtype}")
    if index.numel() != source.numel():
        raise RuntimeError(f"[put_] got {source.numel()} values for {index.numel()} indices")
    check_range("put_", index, input.numel(), 0)
    at = Positions([index.detach().reshape(-1)])
    if input.is_contiguous():
        index_put_inplace(input.view(-1), source.reshape(-1), at, accumulate)
        return input
    return input.copy_(index_put(input.reshape(-1), source.reshape(-1), at, accumulate).reshape(input.shape))


@function(method=True)
def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """The input with elements of the source where an index into the flattened input points."""
    return put_(input.clone(), index, source, accumulate)
