"""Indexing with tensors: picking, writing and adding where indices or masks point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from corten._core import core
from corten.ops.declare import function, op
from corten.ops.pointwise import where
from corten.ops.view import core_wrap, slice_backward

INT64 = core._dtype_by_name("int64")
BOOL = core._dtype_by_name("bool")
UINT8 = core._dtype_by_name("uint8")
REDUCTIONS = {"sum": 0, "prod": 1, "mean": 2, "amax": 3, "amin": 4}


class Positions:
    """Index tensors of one shape, into the first dimensions of a tensor; they must not change until backward is through."""

    __slots__ = ("tensors", "versions")

    def __init__(self, tensors: Sequence[Any]) -> None:
        self.tensors = tuple(tensors)
        self.versions = [t._version for t in self.tensors]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of each index tensor."""
        return tuple(self.tensors[0].shape)

    def unchanged(self) -> tuple[Any, ...]:
        """The tensors. Raises RuntimeError when one was written to since."""
        if any(t._version != v for t, v in zip(self.tensors, self.versions, strict=True)):
            raise RuntimeError("[index] an index tensor was changed in place before backward used it")
        return self.tensors


def check_range(name: str, index: Any, size: int, dim: int) -> None:
    """Raise IndexError for an index outside [-size, size)."""
    bad = core.check_index(index, -size, size, None)
    if bad is not None:
        raise IndexError(f"[{name}] index {bad} is out of range for dimension {dim} of size {size}")


# ---- picking and writing slices

def _meta_get(x: Any, at: Positions) -> Any:
    return core.empty((*at.shape, *x.shape[len(at.tensors):]), dtype=x.dtype, device="meta")


def _get(x: Any, at: Positions) -> Any:
    out = core.empty((*at.shape, *x.shape[len(at.tensors):]), dtype=x.dtype)
    return core.run_kernel("index_get", out, (x, *at.unchanged()))


def _put_into(x: Any, value: Any, at: Positions, accumulate: bool) -> Any:
    """Write or add into x itself."""
    shape = (*at.shape, *x.shape[len(at.tensors):])
    if accumulate:
        core._copy_into(x, _added(x, value.expand(shape), at))
    else:
        if value.untyped_storage() is x.untyped_storage():
            value = value.clone()
        core.run_kernel("index_put", x, (x, value.expand(shape), *at.unchanged()))
    return x


def _put(x: Any, value: Any, at: Positions, accumulate: bool) -> Any:
    shape = (*at.shape, *x.shape[len(at.tensors):])
    if accumulate:
        return _added(x, value.expand(shape), at)
    return core.run_kernel("index_put", core.empty(x.shape, dtype=x.dtype), (x, value.expand(shape), *at.unchanged()))


def _added(x: Any, value: Any, at: Positions) -> Any:
    """x with values added, in the order of the indices: rows of x as a table, one index for each."""
    m = len(at.tensors)
    sizes = x.shape[:m]
    rows: Any = None
    for t, size in zip(at.unchanged(), sizes, strict=True):
        t = where(t < 0, t + size, t)
        rows = t if rows is None else rows * size + t
    width = math.prod(x.shape[m:])
    table, rows, value = x.reshape(math.prod(sizes), width), rows.reshape(-1), value.reshape(-1, width)
    if x.is_floating_point():
        return index_add_op(table, rows, value, dim=0, alpha=1.0).reshape(x.shape)
    return _add_integers(table, rows, value, 1).reshape(x.shape)


index_get = op("index_get(input, at: any) -> out", impl=_get, meta=_meta_get, function=False,
               vjp=lambda g, input_shape, at: index_put(g.new_zeros(input_shape), g, at, True),
               doc="Slices of the first dimensions, where index tensors point: (K..., rest).")  # fmt: skip
index_put = op(
    "index_put(input, value, at: any, accumulate: any) -> out", impl=_put, inplace_impl=_put_into, function=False,
    meta=lambda x, value, at, accumulate: core.empty_like(x),
    vjp=lambda g, at, accumulate, value_shape, needs: (
        None if not needs[0] else g if accumulate else index_put(g, g.new_zeros(()), at, False),
        None if not needs[1] else core.REGISTRY["sum_to_size"](index_get(g, at), value_shape)),
    doc="The input with slices of its first dimensions written, or added to, where index tensors point.")  # fmt: skip
index_put_inplace = core.REGISTRY["index_put_"] = index_put.in_place()


# ---- keys: x[key]

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


# ---- whole slices along one dimension

def _index_of(name: str, input: Any, dim: int, index: Any) -> tuple[int, Any]:
    """The dimension and the index as (K), checked."""
    d = core_wrap(dim, input.ndim, name)
    if not isinstance(index, core.TensorBase):
        raise TypeError(f"[{name}] got {type(index).__name__} for the index, expected a tensor")
    if index.dtype is not INT64 and index.dtype is not core._dtype_by_name("int32"):
        raise RuntimeError(f"[{name}] got an index of {index.dtype}, expected int64")
    if index.ndim > 1:
        raise IndexError(f"[{name}] got an index of {index.ndim} dimensions, expected 1")
    index = index.detach().to(INT64).reshape(-1)
    bad = core.check_index(index, 0, input.shape[d] if input.ndim else 1, None)
    if bad is not None:
        raise IndexError(f"[{name}] index {bad} is out of range for dimension {d} of size {input.shape[d] if input.ndim else 1}")
    return d, index


index_select_op = op(
    "index_select(input, index: int64, *, dim: int) -> out", kernel="index_select", function=False,
    shape=lambda x, index, dim: (*x[:dim], index[0], *x[dim + 1:]),
    vjp=(lambda g, input_shape, index, dim: index_add_op(g.new_zeros(input_shape), index, g, dim=dim, alpha=1.0), None),
    reference=lambda xp, input, index, dim: xp.take(input, index, axis=dim),
    doc="Slices of a dimension, by their indices.")  # fmt: skip


def _add_integers(x: Any, index: Any, source: Any, alpha: float) -> Any:
    """index_add along the first dimension, for integers and bools."""
    at = index.reshape([-1] + [1] * (x.ndim - 1)).expand(source.shape)
    source = source.to(INT64)
    return scatter_add_op(x.to(INT64), at, source if alpha == 1 else source * int(alpha), dim=0).to(x.dtype)


index_add_op = op(
    "index_add(input, index: int64, source, *, dim: int, alpha: float) -> out", kernel="index_add", function=False,
    shape=lambda x, *rest: x,
    vjp=(lambda g: g, None, lambda g, index, dim, alpha: index_select_op(g, index, dim=dim) * alpha),
    doc="The input with slices added where the index points.")  # fmt: skip


@function(method=True)
def index_select(input: Any, dim: int, index: Any) -> Any:
    """Slices of a dimension, by their indices.

    Examples
    --------
    >>> import corten
    >>> corten.arange(4.0).index_select(0, corten.tensor([3, 0]))
    tensor([3., 0.])
    """
    d, at = _index_of("index_select", input, dim, index)
    if input.ndim == 0:
        return input.reshape(1)[0] + 0
    return index_select_op(input, at, dim=d)


def _check_slices(name: str, input: Any, d: int, index: Any, source: Any) -> None:
    expected = (*input.shape[:d], index.numel(), *input.shape[d + 1:])
    if tuple(source.shape) != expected:
        raise RuntimeError(f"[{name}] got slices of shape {tuple(source.shape)}, expected {expected}")
    if source.dtype is not input.dtype:
        raise RuntimeError(f"[{name}] got slices of {source.dtype}, expected {input.dtype}")


@function(method=True)
def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """The input with ``alpha`` times slices added where the index points, repeated ones too.

    Examples
    --------
    >>> import corten
    >>> corten.zeros(3).index_add(0, corten.tensor([0, 2, 0]), corten.ones(3))
    tensor([2., 0., 1.])
    """
    d, at = _index_of("index_add", input, dim, index)
    _check_slices("index_add", input, d, at, source)
    if input.is_floating_point():
        return index_add_op(input, at, source, dim=d, alpha=alpha)
    return _add_integers(input.movedim(d, 0), at, source.movedim(d, 0), alpha).movedim(0, d)


@function(method=True)
def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """The input with slices written where the index points, the last one where an index comes twice."""
    d, at = _index_of("index_copy", input, dim, index)
    _check_slices("index_copy", input, d, at, source)
    return index_put(input.movedim(d, 0), source.movedim(d, 0), Positions([at]), False).movedim(0, d)


@function(method=True)
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """The input with one value in the slices where the index points."""
    d, at = _index_of("index_fill", input, dim, index)
    if isinstance(value, core.TensorBase) and value.ndim != 0:
        raise RuntimeError(f"[index_fill] got a value of shape {tuple(value.shape)}, expected a number or a 0-d tensor")
    filled = core.as_tensor(value).to(input.dtype)
    return index_put(input.movedim(d, 0), filled, Positions([at]), False).movedim(0, d)


# ---- single elements along one dimension

def _along(name: str, input: Any, dim: int, index: Any, source: Any = None) -> tuple[int, Any]:
    """The dimension and the index, checked against the input (and the source)."""
    d = core_wrap(dim, input.ndim, name)
    if not isinstance(index, core.TensorBase):
        raise TypeError(f"[{name}] got {type(index).__name__} for the index, expected a tensor")
    if index.dtype is not INT64 and index.dtype is not core._dtype_by_name("int32"):
        raise RuntimeError(f"[{name}] got an index of {index.dtype}, expected int64")
    index = index.detach().to(INT64)
    if index.numel() == 0:
        return d, index
    x, i = tuple(input.shape) or (1,), tuple(index.shape) or (1,)
    if len(x) != len(i):
        raise RuntimeError(f"[{name}] got an index of {index.ndim} dimensions, expected {input.ndim}")
    if any(i[k] > x[k] for k in range(len(x)) if k != d):
        raise RuntimeError(f"[{name}] an index of shape {i} exceeds the input {x} outside dimension {d}")
    if source is not None:
        s = tuple(source.shape) or (1,)
        if len(s) != len(i) or any(a > b for a, b in zip(i, s, strict=True)):
            raise RuntimeError(f"[{name}] an index of shape {i} exceeds the source {s}")
    bad = core.check_index(index, 0, x[d], None)
    if bad is not None:
        raise IndexError(f"[{name}] index {bad} is out of range for dimension {d} of size {x[d]}")
    return d, index


def _cut(source: Any, shape: Sequence[int]) -> Any:
    """The part of a source that an index of a shape reads."""
    return source if tuple(source.shape) == tuple(shape) else source[tuple(slice(0, s) for s in shape)]


gather_op = op(
    "gather(input, index: int64, *, dim: int) -> out", kernel="gather", function=False, shape=lambda x, index, dim: index,
    vjp=(lambda g, input_shape, index, dim: scatter_add_op(g.new_zeros(input_shape), index, g, dim=dim), None),
    reference=lambda xp, input, index, dim: xp.take_along_axis(
        input[tuple(slice(0, s) if k != dim else slice(None) for k, s in enumerate(index.shape))], index, axis=dim),
    doc="Elements picked along a dimension.")  # fmt: skip
scatter_op = op(
    "scatter(input, index: int64, source, *, dim: int) -> out", kernel="scatter", function=False, shape=lambda x, *rest: x,
    vjp=(lambda g, index, dim: scatter_op(g, index, g.new_zeros(()).expand(index.shape), dim=dim), None,
         lambda g, index, dim: gather_op(g, index, dim=dim)),
    doc="The input with elements written along a dimension, the last one where an index comes twice.")  # fmt: skip
scatter_add_op = op(
    "scatter_add(input, index: int64, source, *, dim: int) -> out", kernel="scatter_add", function=False, contiguous=True,
    shape=lambda x, *rest: x, vjp=(lambda g: g, None, lambda g, index, dim: gather_op(g, index, dim=dim)),
    doc="The input with elements added along a dimension.")  # fmt: skip


def _scatter_reduce_vjp(g: Any, input: Any, index: Any, source: Any, out: Any, dim: int, reduce: int,
                        include_self: bool) -> tuple[Any, Any, Any]:  # fmt: skip
    def pick(x: Any) -> Any:
        return gather_op(x, index, dim=dim)

    def add(x: Any, s: Any) -> Any:
        return scatter_add_op(x, index, s, dim=dim)

    ones = g.new_ones(()).expand(index.shape)
    if reduce == REDUCTIONS["sum"]:
        mine, theirs = g, pick(g)
    elif reduce == REDUCTIONS["mean"]:
        n = add(g.new_ones(g.shape) if include_self else g.new_zeros(g.shape), ones)
        share = g / n.clamp(min=1)
        mine, theirs = share, pick(share)
    elif reduce == REDUCTIONS["prod"]:
        zero = source == 0
        one_zero = zero & (pick(add(g.new_zeros(g.shape), zero.to(g.dtype))) == 1)
        more_zeros = zero & (pick(add(g.new_zeros(g.shape), zero.to(g.dtype))) > 1)
        others = scatter_reduce_op(input, index, where(one_zero, 1.0, source), dim=dim, reduce=reduce, include_self=include_self)
        theirs = where(one_zero, pick(g * others), pick(g * out) / where(zero, 1.0, source))
        theirs = where(more_zeros, 0.0, theirs)
        product = scatter_reduce_op(g.new_ones(g.shape), index, source, dim=dim, reduce=reduce, include_self=True)
        mine = g * product
    else:
        theirs_hit = (source == pick(out)).to(g.dtype)
        mine_hit = (input == out).to(g.dtype)
        if not include_self:
            mine_hit = scatter_op(mine_hit, index, g.new_zeros(()).expand(index.shape), dim=dim)
        share = g / add(mine_hit, theirs_hit)
        mine, theirs = share * mine_hit, pick(share) * theirs_hit
    if not include_self:
        mine = scatter_op(mine, index, g.new_zeros(()).expand(index.shape), dim=dim)
    return mine, None, theirs


scatter_reduce_op = op(
    "scatter_reduce(input, index: int64, source, *, dim: int, reduce: int, include_self: bool) -> out",
    kernel="scatter_reduce", function=False, contiguous=True, shape=lambda x, *rest: x, vjp=_scatter_reduce_vjp,
    doc="The input with elements reduced along a dimension.")  # fmt: skip


@function(method=True)
def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    """Elements picked along a dimension: ``out[i][j] = input[index[i][j]][j]`` for dim 0.

    Examples
    --------
    >>> import corten
    >>> corten.tensor([[1, 2], [3, 4]]).gather(1, corten.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    d, at = _along("gather", input, dim, index)
    if at.numel() == 0:
        return input.new_empty(at.shape)
    if input.ndim == 0 or at.ndim == 0:
        return gather_op(input.reshape(-1), at.reshape(-1), dim=0).reshape(at.shape)
    return gather_op(input, at, dim=d)


def _scattered(name: str, made: Any, input: Any, dim: int, index: Any, source: Any, **attrs: Any) -> Any:
    if not isinstance(source, core.TensorBase):
        source = core.full((), source, dtype=input.dtype)
        d, at = _along(name, input, dim, index)
        source = source.expand(at.shape)
    else:
        d, at = _along(name, input, dim, index, source)
        if source.dtype is not input.dtype:
            raise RuntimeError(f"[{name}] got a source of {source.dtype}, expected {input.dtype}")
    if at.numel() == 0:
        return input.clone()
    if input.ndim == 0:
        return made(input.reshape(1), at.reshape(1), source.reshape(-1)[:1], dim=0, **attrs).reshape(())
    if at.ndim == 0:
        at, source = at.reshape(1), source.reshape(-1)[:1]
    source = _cut(source, at.shape)
    dtype = input.dtype
    if made is not scatter_op and not dtype.is_floating_point and dtype is not INT64:
        return made(input.to(INT64), at, source.to(INT64), dim=d, **attrs).to(dtype)
    return made(input, at, source, dim=d, **attrs)


@function(method=True)
def scatter(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Any:
    """The input with elements written along a dimension: ``out[index[i][j]][j] = src[i][j]`` for dim 0.

    Where an index comes twice the last one counts. ``reduce`` may be 'add' or 'multiply'.

    Examples
    --------
    >>> import corten
    >>> corten.zeros(1, 3).scatter(1, corten.tensor([[2, 0]]), corten.tensor([[5.0, 6.0]]))
    tensor([[6., 0., 5.]])
    """
    source = value if src is None else src
    if source is None:
        raise TypeError("[scatter] got neither src nor value")
    if reduce is None:
        return _scattered("scatter", scatter_op, input, dim, index, source)
    if reduce not in ("add", "multiply"):
        raise RuntimeError(f"[scatter] got reduce={reduce!r}, expected 'add' or 'multiply'")
    code = REDUCTIONS["sum" if reduce == "add" else "prod"]
    return _scattered("scatter", scatter_reduce_op, input, dim, index, source, reduce=code, include_self=True)


@function(method=True)
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """The input with elements added along a dimension: ``out[index[i][j]][j] += src[i][j]`` for dim 0.

    Examples
    --------
    >>> import corten
    >>> corten.zeros(3).scatter_add(0, corten.tensor([0, 2, 0]), corten.ones(3))
    tensor([2., 0., 1.])
    """
    return _scattered("scatter_add", scatter_add_op, input, dim, index, src)


@function(method=True)
def scatter_reduce(input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
    """The input with elements reduced along a dimension by 'sum', 'prod', 'mean', 'amax' or 'amin'.

    ``include_self`` says whether the input's own value is one of those reduced.

    Examples
    --------
    >>> import corten
    >>> corten.zeros(2).scatter_reduce(0, corten.tensor([0, 0]), corten.tensor([2.0, 4.0]), "mean", include_self=False)
    tensor([3., 0.])
    """
    if reduce not in REDUCTIONS:
        raise RuntimeError(f"[scatter_reduce] got reduce={reduce!r}, expected one of {list(REDUCTIONS)}")
    return _scattered("scatter_reduce", scatter_reduce_op, input, dim, index, src, reduce=REDUCTIONS[reduce],
                      include_self=include_self)  # fmt: skip


@function(method=True)
def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """Elements picked along a dimension, the other dimensions broadcast; of the flattened input without ``dim``."""
    if dim is None:
        return gather(input.reshape(-1), 0, _from_end(indices.reshape(-1), input.numel()))
    if input.ndim != indices.ndim:
        raise RuntimeError(f"[take_along_dim] got indices of {indices.ndim} dimensions, expected {input.ndim}")
    d = core_wrap(dim, input.ndim, "take_along_dim")
    shape = (core.empty(tuple(s if k != d else 1 for k, s in enumerate(input.shape)), device="meta")
             + core.empty(tuple(s if k != d else 1 for k, s in enumerate(indices.shape)), device="meta")).shape
    return gather(input.expand([s if k != d else -1 for k, s in enumerate(shape)]), d,
                  _from_end(indices.expand([s if k != d else -1 for k, s in enumerate(shape)]), input.shape[d]))


def _from_end(index: Any, size: int) -> Any:
    """Negative indices counted from the end."""
    return where(index < 0, index + size, index)


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


# ---- masks

def _mask_of(name: str, mask: Any) -> Any:
    if not isinstance(mask, core.TensorBase) or mask.dtype not in (BOOL, UINT8):
        raise RuntimeError(f"[{name}] got {getattr(mask, 'dtype', type(mask).__name__)} for the mask, expected bool")
    return mask.to(BOOL)


def _together(x: Any, mask: Any) -> tuple[Any, Any]:
    """Both in the shape that they broadcast to."""
    if x.shape == mask.shape:
        return x, mask
    shape = (core.empty(x.shape, device="meta") + core.empty(mask.shape, device="meta")).shape
    return x.expand(shape), mask.expand(shape)


def _masked_select(x: Any, mask: Any) -> Any:
    return core.run_kernel("masked_select", core.empty(int(mask.count_nonzero()), dtype=x.dtype), (x, mask))


def _masked_scatter(x: Any, mask: Any, source: Any) -> Any:
    return core.run_kernel("masked_scatter", core.empty(x.shape, dtype=x.dtype), (x, mask, source.contiguous()))


def _masked_rest(g: Any, mask: Any, shape: Any) -> Any:
    """Gradient of the source of masked_scatter: what was taken from it, in its order; zeros for what was left."""
    taken = masked_select_op(g, mask)
    return slice_backward(taken, (math.prod(shape),), (slice(0, taken.numel()),)).reshape(shape)


masked_select_op = op("masked_select(input, mask: raw) -> out", impl=_masked_select, function=False,
                      vjp=(lambda g, mask: masked_scatter_op(g.new_zeros(mask.shape), mask, g), None),
                      doc="The elements where a mask of the same shape holds, in order.")  # fmt: skip
masked_scatter_op = op(
    "masked_scatter(input, mask: raw, source) -> out", impl=_masked_scatter, function=False,
    meta=lambda x, mask, source: core.empty_like(x),
    vjp=(lambda g, mask: where(mask, 0.0, g), None,
         lambda g, mask, source_shape: _masked_rest(g, mask, source_shape)),
    doc="The input with the elements of the source, in order, where a mask of its shape holds.")  # fmt: skip


@function(method=True)
def masked_select(input: Any, mask: Any) -> Any:
    """The elements where the mask holds, in one dimension; input and mask broadcast.

    Examples
    --------
    >>> import corten
    >>> x = corten.tensor([1.0, -2.0, 3.0])
    >>> x.masked_select(x > 0)
    tensor([1., 3.])
    """
    return masked_select_op(*_together(input, _mask_of("masked_select", mask)))


@function(method=True)
def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """The input with elements of the source, in order, where the mask holds; input and mask broadcast."""
    x, m = _together(input, _mask_of("masked_scatter", mask))
    if source.dtype is not input.dtype:
        raise RuntimeError(f"[masked_scatter] got a source of {source.dtype}, expected {input.dtype}")
    wanted = int(m.count_nonzero())
    if source.numel() < wanted:
        raise RuntimeError(f"[masked_scatter] got {source.numel()} elements, expected at least {wanted}")
    return masked_scatter_op(x, m.contiguous(), source)


@function(method=True)
def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """``value`` where the mask holds, the input elsewhere; input and mask broadcast."""
    mask = _mask_of("masked_fill", mask)
    if isinstance(value, core.TensorBase):
        if value.ndim != 0:
            raise RuntimeError(f"[masked_fill] got a value of shape {tuple(value.shape)}, expected a number or a 0-d tensor")
        value = value.to(input.dtype)
    elif isinstance(value, float) and not (input.is_floating_point() or input.is_complex()):
        value = int(value)
    return where(mask, value, input)


def _writes_back(name: str, made: Any) -> None:
    """The ``name_`` method: the result written into the first argument."""

    def inplace(input: Any, *args: Any, **kwargs: Any) -> Any:
        result = made(input, *args, **kwargs)
        if result.shape != input.shape:
            raise RuntimeError(f"[{name}_] the result has shape {tuple(result.shape)}, which does not fit {tuple(input.shape)}")
        return input.copy_(result)

    inplace.__name__ = inplace.__qualname__ = f"{name}_"
    inplace.__doc__ = f"In-place version of :func:`corten.{name}`."
    function(inplace, method=True)


for _made in (index_add, index_copy, index_fill, scatter, scatter_add, scatter_reduce, masked_scatter, masked_fill):
    _writes_back(_made.__name__, _made)


# ---- where something is

@function(method=True)
def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """Indices of the nonzero elements: a row each, or a tuple with a tensor for each dimension.

    Examples
    --------
    >>> import corten
    >>> corten.nonzero(corten.tensor([0.0, 2.0, 3.0]))
    tensor([[1],
            [2]])
    """
    mask = input.detach()
    mask = (mask if mask.dtype is BOOL else mask != 0).contiguous()
    if as_tuple and mask.ndim == 0:
        mask = mask.reshape(1)
    found = core.empty((int(mask.count_nonzero()), mask.ndim), dtype=INT64)
    core.run_kernel("nonzero", found, (mask,))
    return tuple(found[:, k] for k in range(mask.ndim)) if as_tuple else found


@function(method=True)
def argwhere(input: Any) -> Any:
    """Indices of the nonzero elements, a row each."""
    return nonzero(input)
