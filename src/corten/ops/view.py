"""Shape and layout: views where the memory allows, copies where it does not; conversion of dtypes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corten._core import core
from corten.ops.declare import function, op

# ---- views


def flat(sizes: Any) -> tuple[int, ...]:
    """(2, 3), ((2, 3),) and [2, 3] alike as (2, 3)."""
    if len(sizes) == 1 and not hasattr(sizes[0], "__index__"):
        sizes = sizes[0]
    try:
        return tuple(s.__index__() for s in sizes)
    except AttributeError:
        raise TypeError(f"[shape] got {sizes!r}, expected ints") from None


alias_op = op("alias(input) -> out", impl=core._alias, view=True, vjp=lambda g: g, function=False,
              doc="The same memory as a new tensor.")  # fmt: skip
view_op = op("view_op(input, size: any) -> out", impl=core._view, view=True, function=False,
             vjp=lambda g, input_shape: reshape(g, input_shape),
             reference=lambda xp, input, size: xp.reshape(input, size), doc="The same elements in another shape.")  # fmt: skip
view_dtype = op("view_dtype(input, dtype: dtype) -> out", impl=core._view_dtype, view=True, function=False,
                doc="The same bytes as another dtype.")  # fmt: skip
transpose = op("transpose(input, dim0: any, dim1: any) -> out", impl=core._transpose, view=True, method=True,
               vjp=lambda g, dim0, dim1: transpose(g, dim0, dim1), alias=("swapaxes", "swapdims"),
               reference=lambda xp, input, dim0, dim1: xp.swapaxes(input, dim0, dim1),
               doc="Two dimensions exchanged, as a view.")  # fmt: skip
permute_op = op("permute_op(input, dims: any) -> out", impl=core._permute, view=True, function=False,
                vjp=lambda g, dims: permute_op(g, inverse_order(dims)),
                reference=lambda xp, input, dims: xp.transpose(input, dims), doc="Dimensions in another order.")  # fmt: skip
expand_op = op("expand_op(input, size: any) -> out", impl=core._expand, view=True, function=False,
               vjp=lambda g, input_shape: sum_to_size(g, input_shape),
               doc="Dimensions of size 1 repeated, without a copy.")  # fmt: skip
unsqueeze = op("unsqueeze(input, dim: any) -> out", impl=core._unsqueeze, view=True, method=True,
               vjp=lambda g, input_shape: reshape(g, input_shape),
               reference=lambda xp, input, dim: xp.expand_dims(input, dim),
               doc="A new dimension of size 1, as a view.")  # fmt: skip
squeeze = op("squeeze(input, dim: any = None) -> out", impl=core._squeeze, view=True, method=True,
             vjp=lambda g, input_shape: reshape(g, input_shape),
             reference=lambda xp, input, dim: xp.squeeze(input, dim),
             doc="Dimensions of size 1 removed, as a view: all, or those named that have size 1.")  # fmt: skip
narrow_op = op("narrow_op(input, dim: any, start: any, length: any, step: any = 1) -> out", impl=core._narrow, view=True,
               function=False, vjp=lambda g, input_shape, dim, start, length, step:
               slice_backward(g, input_shape, slices(input_shape, dim, start, length, step)),
               doc="A range of one dimension, as a view.")  # fmt: skip
select = op("select(input, dim: any, index: any) -> out", impl=core._select, view=True, method=True,
            vjp=lambda g, input_shape, dim, index: slice_backward(g, input_shape, at_index(input_shape, dim, index)),
            reference=lambda xp, input, dim, index: xp.take(input, index, axis=dim),
            doc="One index of a dimension, which goes away, as a view.")  # fmt: skip
index_basic = op("index_basic(input, key: any) -> out", impl=core._basic_index, view=True, function=False,
                 vjp=lambda g, input_shape, key: slice_backward(g, input_shape, key),
                 doc="What ints, slices, None and Ellipsis select, as a view.")  # fmt: skip
diagonal = op("diagonal(input, offset: any = 0, dim1: any = 0, dim2: any = 1) -> out", impl=core._diagonal, view=True,
              method=True,
              vjp=lambda g, input_shape, offset, dim1, dim2: diagonal_backward(g, input_shape, offset, dim1, dim2),
              reference=lambda xp, input, offset, dim1, dim2: xp.diagonal(input, offset, dim1, dim2),
              doc="A diagonal of two dimensions, as the last dimension of a view.")  # fmt: skip
unfold = op("unfold(input, dimension: any, size: any, step: any) -> out", impl=core._unfold, view=True, function=False,
            method=True,
            vjp=lambda g, input_shape, dimension, size, step: unfold_backward(g, input_shape, dimension, size, step),
            doc="Windows of a dimension along a new last one, as a view.")  # fmt: skip
as_strided_op = op("as_strided(input, size: any, stride: any, storage_offset: any = 0) -> out",
                   impl=lambda x, size, stride, offset: core._as_strided(x, size, stride, x.storage_offset() + offset),
                   view=True, function=False,
                   vjp=lambda g, input_shape, size, stride, storage_offset:
                   strided_backward(g, input_shape, size, stride, storage_offset),
                   doc="A view with any strides; the offset counts from the first element of the input.")  # fmt: skip


def _scatter_strided(x: Any, value: Any, size: Any, stride: Any, offset: int) -> Any:
    out = x.clone()
    core._copy_into(core._as_strided(out, size, stride, offset), value)
    return out


as_strided_scatter = op(
    "as_strided_scatter(input, src, size: any, stride: any, storage_offset: any = 0) -> out", impl=_scatter_strided,
    function=False,
    vjp=lambda g, size, stride, storage_offset, src_shape: (
        as_strided_scatter(g, g.new_zeros(src_shape), size, stride, storage_offset),
        as_strided_op(g.contiguous(), size, stride, storage_offset)),
    doc="A copy of the input with a strided piece of it replaced.")  # fmt: skip


def _slice_backward(g: Any, shape: Any, key: Any) -> Any:
    out = core.zeros(shape, dtype=g.dtype, device=g.device)
    core._copy_into(core._basic_index(out, key), g)
    return out


slice_backward = op("slice_backward(g, shape: any, key: any) -> dx", impl=_slice_backward, function=False,
                    meta=_slice_backward, vjp=lambda g, key: index_basic(g, key),
                    doc="Zeros of a shape, with g where the key selects.")  # fmt: skip


def _diagonal_backward(g: Any, shape: Any, offset: int, dim1: int, dim2: int) -> Any:
    out = core.zeros(shape, dtype=g.dtype)
    core._copy_into(core._diagonal(out, offset, dim1, dim2), g)
    return out


diagonal_backward = op(
    "diagonal_backward(g, shape: any, offset: any, dim1: any, dim2: any) -> dx", impl=_diagonal_backward, function=False,
    vjp=lambda g, offset, dim1, dim2: diagonal(g, offset, dim1, dim2),
    doc="Zeros of a shape, with g on a diagonal.")  # fmt: skip


def _unfold_backward(g: Any, shape: Any, dimension: int, size: int, step: int) -> Any:
    out = core.zeros(shape, dtype=g.dtype)
    dim = dimension % len(shape)
    for i in range(size):  # one strided addition for each place in the window
        piece = core._narrow(out, dim, i, g.shape[dim], step)
        piece += core._select(g, g.ndim - 1, i)
    return out


unfold_backward = op(
    "unfold_backward(g, shape: any, dimension: any, size: any, step: any) -> dx", impl=_unfold_backward, function=False,
    vjp=lambda g, dimension, size, step: unfold(g, dimension, size, step),
    doc="Windows added back where they came from.")  # fmt: skip


def _strided_backward(g: Any, shape: Any, size: Any, stride: Any, offset: int) -> Any:
    import numpy as np

    out = core.zeros(shape, dtype=g.dtype)
    target = core._as_strided(out, size, stride, offset).numpy()
    place = np.lib.stride_tricks.as_strided(np.arange(out.numel())[offset:], size, [8 * s for s in stride])
    if place.size == np.unique(place).size:
        target[...] = g.detach().numpy()
    else:
        np.add.at(out.view(-1).numpy() if out.ndim != 1 else out.numpy(), place.ravel(), g.contiguous().numpy().ravel())
    return out


strided_backward = op(
    "strided_backward(g, shape: any, size: any, stride: any, storage_offset: any) -> dx", impl=_strided_backward,
    function=False,
    vjp=lambda g, size, stride, storage_offset: as_strided_op(g.contiguous(), size, stride, storage_offset),
    doc="Elements of a strided view added back where they came from.")  # fmt: skip


def inverse_order(dims: Any) -> tuple[int, ...]:
    """The permutation that undoes another."""
    order = [d % len(dims) for d in dims]
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def slices(shape: Sequence[int], dim: int, start: int, length: int, step: int) -> tuple[Any, ...]:
    """The index that narrow() takes."""
    d = dim % len(shape)
    return (slice(None),) * d + (slice(start, start + (length - 1) * step + 1 if length else start, step),)


def at_index(shape: Sequence[int], dim: int, index: int) -> tuple[Any, ...]:
    """The index that select() takes."""
    return (slice(None),) * (dim % len(shape)) + (int(index),)


@function(method=True)
def permute(input: Any, *dims: Any) -> Any:
    """Dimensions in another order, as a view.

    Examples
    --------
    >>> import corten
    >>> corten.zeros(2, 3, 4).permute(2, 0, 1).shape
    corten.Size([4, 2, 3])
    """
    return permute_op(input, flat(dims))


@function(method=True)
def movedim(input: Any, source: Any, destination: Any) -> Any:
    """Dimensions moved to new places, the others in their old order, as a view."""
    source, destination = flat((source,)), flat((destination,))
    n = input.ndim
    src, dst = [core_wrap(s, n) for s in source], [core_wrap(d, n) for d in destination]
    if len(set(src)) != len(src) or len(set(dst)) != len(dst) or len(src) != len(dst):
        raise RuntimeError(f"[movedim] got {source} to {destination}, expected as many different dimensions on both sides")
    order = [d for d in range(n) if d not in src]
    for d, s in sorted(zip(dst, src, strict=True)):
        order.insert(d, s)
    return permute_op(input, tuple(order))


def core_wrap(dim: int, ndim: int, name: str = "dim") -> int:
    """A dimension in range, from a possibly negative one."""
    n = max(ndim, 1)
    if not -n <= dim < n:
        raise IndexError(f"[{name}] dimension {dim} is out of range, expected {-n} to {n - 1}")
    return dim % n


@function(method=True)
def view(input: Any, *size: Any) -> Any:
    """The same memory in another shape, or as another dtype; raises RuntimeError when that needs a copy.

    Examples
    --------
    >>> import corten
    >>> corten.arange(6).view(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    if len(size) == 1 and isinstance(size[0], core.dtype):
        return view_dtype(input, size[0])
    return view_op(input, flat(size))


@function(method=True)
def reshape(input: Any, *shape: Any) -> Any:
    """The same elements in another shape: a view where possible, else a copy. One size may be -1.

    Examples
    --------
    >>> import corten
    >>> corten.arange(4).reshape(2, 2).T.reshape(-1)
    tensor([0, 2, 1, 3])
    """
    sizes = flat(shape)
    return view_op(input if core._can_view(input, sizes) else contiguous(input), sizes)


@function(method=True)
def expand(input: Any, *size: Any) -> Any:
    """Dimensions of size 1 repeated without a copy; -1 keeps a size."""
    return expand_op(input, flat(size))


@function(method=True)
def broadcast_to(input: Any, shape: Any) -> Any:
    """The tensor expanded to a shape that it broadcasts to."""
    return expand_op(input, flat((shape,)))


@function(method=True)
def expand_as(input: Any, other: Any) -> Any:
    """The tensor expanded to the shape of another."""
    return expand_op(input, tuple(other.shape))


@function(method=True)
def view_as(input: Any, other: Any) -> Any:
    """The same memory in the shape of another tensor."""
    return view_op(input, tuple(other.shape))


@function(method=True)
def reshape_as(input: Any, other: Any) -> Any:
    """The same elements in the shape of another tensor."""
    return reshape(input, tuple(other.shape))


@function(method=True)
def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """A range of dimensions made one.

    Examples
    --------
    >>> import corten
    >>> corten.zeros(2, 3, 4).flatten(1).shape
    corten.Size([2, 12])
    """
    if input.ndim == 0:
        return reshape(input, (1,))
    a, b = core_wrap(start_dim, input.ndim, "flatten"), core_wrap(end_dim, input.ndim, "flatten")
    if a > b:
        raise RuntimeError(f"[flatten] start_dim {start_dim} comes after end_dim {end_dim}")
    shape = tuple(input.shape)
    size = 1
    for s in shape[a : b + 1]:
        size *= s
    return reshape(input, shape[:a] + (size,) + shape[b + 1 :])


@function(method=True)
def unflatten(input: Any, dim: int, sizes: Any) -> Any:
    """One dimension cut into several; one size may be -1."""
    d = core_wrap(dim, input.ndim, "unflatten")
    shape = tuple(input.shape)
    sizes = list(flat((sizes,)))
    if -1 in sizes:
        known = 1
        for s in sizes:
            known *= s if s != -1 else 1
        sizes[sizes.index(-1)] = shape[d] // known if known else 0
    return reshape(input, shape[:d] + tuple(sizes) + shape[d + 1 :])


@function(method=True)
def ravel(input: Any) -> Any:
    """All dimensions made one."""
    return reshape(input, (-1,)) if input.numel() else reshape(input, (0,))


@function(method=True)
def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    """``length`` indices of a dimension from ``start``, as a view."""
    start = int(start)
    size = input.shape[core_wrap(dim, input.ndim, "narrow")]
    if not -size <= start <= size:
        raise IndexError(f"[narrow] start {start} is out of range, expected {-size} to {size}")
    return narrow_op(input, dim, start + size if start < 0 else start, length)


@function(method=True)
def t(input: Any) -> Any:
    """The transpose of a matrix, as a view; tensors of fewer dimensions as they are."""
    if input.ndim > 2:
        raise RuntimeError(f"[t] got {input.ndim} dimensions, expected at most 2")
    return input if input.ndim < 2 else transpose(input, 0, 1)


@function(method=True)
def as_strided(input: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """A view of the storage with any sizes and strides (in elements)."""
    start = input.storage_offset()
    return as_strided_op(input, flat((size,)), flat((stride,)), (start if storage_offset is None else storage_offset) - start)


@function(method=True)
def unbind(input: Any, dim: int = 0) -> tuple[Any, ...]:
    """All slices along a dimension, as views."""
    d = core_wrap(dim, input.ndim, "unbind")
    return tuple(select(input, d, i) for i in range(input.shape[d]))


core.REGISTRY["unbind"] = unbind


@function(method=True)
def split(input: Any, split_size_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """Pieces of a given size (the last may be smaller), or of the sizes in a list, as views.

    Examples
    --------
    >>> import corten
    >>> [len(p) for p in corten.arange(5).split(2)]
    [2, 2, 1]
    """
    d = core_wrap(dim, input.ndim, "split")
    size = input.shape[d]
    if hasattr(split_size_or_sections, "__index__"):
        step = split_size_or_sections.__index__()
        if step < 0 or (step == 0 and size):
            raise RuntimeError(f"[split] got size {step} for a dimension of size {size}, expected a positive one")
        starts = range(0, size, step) if size else [0]
        return tuple(narrow_op(input, d, s, min(step, size - s)) for s in starts)
    sections = flat((split_size_or_sections,))
    if sum(sections) != size or min(sections, default=0) < 0:
        raise RuntimeError(f"[split] sections {list(sections)} do not add up to dimension {d} of size {size}")
    pieces, at = [], 0
    for s in sections:
        pieces.append(narrow_op(input, d, at, s))
        at += s
    return tuple(pieces)


@function(method=True)
def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """At most ``chunks`` pieces of equal size (the last may be smaller), as views."""
    if chunks < 1:
        raise RuntimeError(f"[chunk] got {chunks} chunks, expected at least 1")
    size = input.shape[core_wrap(dim, input.ndim, "chunk")]
    if size == 0:
        return tuple(narrow_op(input, dim, 0, 0) for _ in range(chunks))
    return split(input, max(-(-size // chunks), 1), dim)


# ---- copies and dtypes

clone_op = op("clone(input, *, memory_format: any = None) -> out", impl=lambda x, memory_format=None: core._cast(x, x.dtype),
              meta=lambda x, memory_format=None: core._cast(x, x.dtype), vjp=lambda g: g, method=True,
              reference=lambda xp, input, memory_format: xp.array(input), doc="A contiguous copy.")  # fmt: skip
contiguous_op = op("contiguous_copy(input) -> out", impl=core._contiguous, meta=core._contiguous, vjp=lambda g: g,
                   function=False, doc="A contiguous copy.")  # fmt: skip
to_dtype = op("to_dtype(input, dtype: any) -> out", impl=core._cast, meta=core._cast, function=False, vjp=lambda g: g,
              doc="Converted to another dtype; the gradient is converted back.")  # fmt: skip
copy_op = op("copy(input, src) -> out", impl=lambda x, src: src, function=False, sums_down=True,
             vjp=(None, lambda g: g), doc="The second tensor's values.")  # fmt: skip
core.REGISTRY["copy_"] = copy_op.in_place()
fill_op = op("fill(input, value: any) -> out", impl=lambda x, value: core.full((), scalar(value), dtype=x.dtype),
             function=False, vjp=lambda g: g * 0, doc="One value everywhere.")  # fmt: skip
core.REGISTRY["fill_"] = fill_op.in_place()


def scalar(value: Any) -> Any:
    """A number, from a number or a one-element tensor."""
    return value.item() if hasattr(value, "item") else value


@function(method=True)
def contiguous(input: Any, memory_format: Any = None) -> Any:
    """The tensor itself when its elements lie in row-major order, else a copy in which they do."""
    return input if input.is_contiguous() else contiguous_op(input)


@function(method=True)
def copy_(input: Any, src: Any, non_blocking: bool = False) -> Any:
    """Write another tensor's values, broadcast and converted, into this one."""
    return core.REGISTRY["copy_"](input, src if hasattr(src, "dtype") else core.as_tensor(src))


@function(method=True)
def fill_(input: Any, value: Any) -> Any:
    """Write one value into every element."""
    return input if input.is_meta else core.REGISTRY["fill_"](input, value)


@function(method=True)
def zero_(input: Any) -> Any:
    """Write 0 into every element."""
    return input if input.is_meta else core.REGISTRY["fill_"](input, 0)


@function(method=True, name="to")
def to(input: Any, *args: Any, dtype: Any = None, device: Any = None, copy: bool = False, non_blocking: bool = False,
       memory_format: Any = None) -> Any:  # fmt: skip
    """Converted to a dtype, moved to a device, or both (also as another tensor has them); itself when nothing changes.

    Examples
    --------
    >>> import corten
    >>> corten.ones(2).to(corten.int64)
    tensor([1, 1])
    """
    for a in args:
        if isinstance(a, core.dtype) or a in (float, int, bool):
            dtype = a
        elif isinstance(a, core.TensorBase):
            dtype, device = a.dtype, a.device
        elif isinstance(a, bool):
            continue
        elif a is not None:
            device = a
    if device is not None and core.device(device).type == "meta":
        return core.empty_like(input, dtype=dtype, device="meta")
    if device is not None and input.is_meta:
        raise NotImplementedError("[to] a meta tensor has no data to move; use empty_like()")
    if dtype is not None and core.can_cast(dtype, dtype) and not is_dtype(input, dtype):
        return to_dtype(input, dtype)
    return input.clone() if copy else input


def is_dtype(x: Any, dtype: Any) -> bool:
    """Whether x has the dtype, which may be a Python type."""
    return x.dtype is dtype or core.promote_types(dtype, dtype) is x.dtype


def _convert(name: str, dtype: str) -> None:
    target = core._dtype_by_name(dtype)

    def convert(input: Any) -> Any:
        return input if input.dtype is target else to_dtype(input, target)

    convert.__name__, convert.__doc__ = name, f"The tensor as {dtype}."
    setattr(__import__("corten.tensor", fromlist=["Tensor"]).Tensor, name, convert)


for _name, _dtype in {"float": "float32", "double": "float64", "half": "float16", "bfloat16": "bfloat16",
                      "int": "int32", "long": "int64", "short": "int16", "char": "int8", "byte": "uint8",
                      "bool": "bool"}.items():  # fmt: skip
    _convert(_name, _dtype)


@function(method=True)
def type_as(input: Any, other: Any) -> Any:
    """The tensor in the dtype of another."""
    return to(input, other.dtype)


# ---- joining


def _cat(tensors: Any, dim: int = 0) -> Any:
    if not tensors:
        raise RuntimeError("[cat] expected at least one tensor")
    first = tensors[0]
    kept = tensors
    if first.ndim == 1 or any(x.ndim != first.ndim for x in tensors):  # empty vectors count for nothing
        kept = [x for x in tensors if not (x.ndim == 1 and x.shape[0] == 0)] or list(tensors[:1])
        first = kept[0]
    if first.ndim == 0:
        raise RuntimeError("[cat] 0-d tensors cannot be concatenated; use stack()")
    d = core_wrap(dim, first.ndim, "cat")
    dtype = first.dtype
    for x in tensors:
        if x.dtype is not dtype:
            dtype = core.promote_types(dtype, x.dtype)
    shape, total, sizes = list(first.shape), 0, []
    around = (shape[:d], shape[d + 1 :])
    for x in kept:
        own = list(x.shape)
        if len(own) != len(shape) or (own[:d], own[d + 1 :]) != around:
            raise RuntimeError(f"[cat] shapes {[tuple(x.shape) for x in tensors]} differ outside dimension {d}")
        sizes.append(own[d])
        total += own[d]
    shape[d] = total
    out = core.empty(shape, dtype=dtype, device=first.device)
    at = 0
    for x, size in zip(kept, sizes, strict=True):
        core._copy_into(core._narrow(out, d, at, size), x)
        at += size
    return out


def _cat_vjp(g: Any, tensors_shape: Any, dim: int, needs: Any) -> list[Any]:
    pieces, at = [], 0
    for shape, need in zip(tensors_shape, needs, strict=True):
        if len(shape) == 1 and shape[0] == 0 and g.ndim != 1:
            pieces.append(g.new_zeros(shape) if need else None)
            continue
        size = shape[dim]
        pieces.append(narrow_op(g, dim, at, size) if need else None)
        at += size
    return pieces


cat = op("cat(tensors: tensors, dim: any = 0) -> out", impl=_cat, meta=_cat, vjp=_cat_vjp,
         reference=lambda xp, tensors, dim: xp.concatenate(tensors, axis=dim), alias=("concat", "concatenate"),
         doc="Tensors one after another along a dimension.")  # fmt: skip


@function
def stack(tensors: Sequence[Any], dim: int = 0, *, out: Any = None) -> Any:
    """Tensors of one shape along a new dimension.

    Examples
    --------
    >>> import corten
    >>> corten.stack([corten.zeros(3), corten.ones(3)]).shape
    corten.Size([2, 3])
    """
    if out is not None:
        return core.REGISTRY["write_out"]("stack", out, stack(tensors, dim))
    if not len(tensors):
        raise RuntimeError("[stack] expected at least one tensor")
    if any(x.shape != tensors[0].shape for x in tensors):
        raise RuntimeError(f"[stack] shapes {[tuple(x.shape) for x in tensors]} differ")
    return cat([unsqueeze(x, dim) for x in tensors], core_wrap(dim, tensors[0].ndim + 1, "stack"))


def _sum_to_size(g: Any, shape: Any) -> Any:
    shape = tuple(shape)
    if tuple(g.shape) == shape:
        return g
    lead = g.ndim - len(shape)
    dims = tuple(range(lead)) + tuple(lead + i for i, s in enumerate(shape) if s == 1 and g.shape[lead + i] != 1)
    out = g.sum(dims, keepdim=True) if dims else g
    return view_op(out, shape) if tuple(out.shape) != shape else out


@function(method=True)
def sum_to_size(input: Any, *size: Any) -> Any:
    """Summed over the dimensions along which ``size`` would be broadcast to this shape."""
    return _sum_to_size(input, flat(size))


core.REGISTRY["sum_to_size"] = _sum_to_size
