"""Slices and single elements of a tensor, where index tensors point: picked, written and added."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from corten._core import core
from corten.ops.composite import composite
from corten.ops.declare import function, op
from corten.ops.pointwise import where
from corten.ops.view import core_wrap

INT64 = core._dtype_by_name("int64")
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


# ---- slices of the first dimensions

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


@composite(out=True)
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


@composite(out=True)
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


@composite(out=True)
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


@composite(out=True)
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


# ---- in place

def writes_back(name: str, made: Any) -> None:
    """The ``name_`` method: the result written into the first argument."""

    def inplace(input: Any, *args: Any, **kwargs: Any) -> Any:
        result = made(input, *args, **kwargs)
        if result.shape != input.shape:
            raise RuntimeError(f"[{name}_] the result has shape {tuple(result.shape)}, which does not fit {tuple(input.shape)}")
        return input.copy_(result)

    inplace.__name__ = inplace.__qualname__ = f"{name}_"
    inplace.__doc__ = f"In-place version of :func:`corten.{name}`."
    function(inplace, method=True)


for _made in (index_add, index_copy, index_fill, scatter, scatter_add, scatter_reduce):
    writes_back(_made.__name__, _made)
