"""Copies in another arrangement, joining and cutting, diagonals and triangles, in-place changes of shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corten._core import core
from corten.ops.composite import INT64, composite, from_array, is_tensor
from corten.ops.declare import FUNCTIONS, op
from corten.ops.view import (
    as_strided,
    as_strided_scatter,
    cat,
    core_wrap,
    diagonal,
    expand_op,
    flat,
    reshape,
    select,
    stack,
    transpose,
    unsqueeze,
    view_op,
)
from corten.tensor import Tensor

# ---- whole-array moves


def mask_of(name: str, dims: Any, ndim: int) -> int:
    """A bit for each named dimension."""
    mask = 0
    for d in dims:
        bit = 1 << core_wrap(d, ndim, name)
        if mask & bit:
            raise RuntimeError(f"[{name}] dimension {d} is named twice in {tuple(dims)}")
        mask |= bit
    return mask


flip_op = op("flip_op(input, mask: int) -> out", shape="same", kernel="flip", function=False,
             vjp=lambda g, mask: flip_op(g, mask),
             reference=lambda xp, input, mask: xp.flip(input, tuple(i for i in range(input.ndim) if mask >> i & 1)),
             doc="Dimensions in reverse; bit i of the mask stands for dimension i.")  # fmt: skip
roll_op = op("roll_op(input, dim: dim, shift: int) -> out", shape="same", kernel="roll", function=False,
             vjp=lambda g, dim, shift: roll_op(g, dim, -shift),
             reference=lambda xp, input, dim, shift: xp.roll(input, shift, dim),
             doc="A dimension moved round by a shift.")  # fmt: skip


def triangle(name: str, side: str) -> Any:
    made = op(f"{name}_op(input, diagonal: int) -> out", shape="same", kernel=name, function=False,
              vjp=(lambda g, diagonal: triu_op(g, diagonal)) if name == "triu" else (lambda g, diagonal: tril_op(g, diagonal)),
              reference=lambda xp, input, diagonal: getattr(xp, name)(input, diagonal),
              doc=f"Matrices with 0 {side} a diagonal.")  # fmt: skip

    def run(input: Any, diagonal: int = 0) -> Any:
        if input.ndim < 2:
            raise RuntimeError(f"[{name}] got {input.ndim} dimensions, expected at least 2")
        return made(input, diagonal)

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"The input with 0 {side} a diagonal of its last two dimensions."
    composite(run, inplace=True, out=True)
    return made


triu_op, tril_op = triangle("triu", "below"), triangle("tril", "above")


@composite
def flip(input: Any, *dims: Any) -> Any:
    """Dimensions in reverse order, as a copy.

    Examples
    --------
    >>> import corten
    >>> corten.flip(corten.tensor([1, 2, 3]), (0,))
    tensor([3, 2, 1])
    """
    return flip_op(input, mask_of("flip", flat(dims), input.ndim))


@composite
def fliplr(input: Any) -> Any:
    """The second dimension in reverse order."""
    if input.ndim < 2:
        raise RuntimeError(f"[fliplr] got {input.ndim} dimensions, expected at least 2")
    return flip_op(input, 2)


@composite
def flipud(input: Any) -> Any:
    """The first dimension in reverse order."""
    if input.ndim < 1:
        raise RuntimeError("[flipud] got no dimensions, expected at least 1")
    return flip_op(input, 1)


@composite
def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """Dimensions moved round; without ``dims``, the flattened tensor.

    Examples
    --------
    >>> import corten
    >>> corten.roll(corten.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    dims = () if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
    if not shifts:
        raise RuntimeError("[roll] expected at least one shift")
    if not dims and len(shifts) == 1:
        return reshape(roll(reshape(input, (-1,)) if input.numel() else input, shifts, (0,)), tuple(input.shape)) \
            if input.ndim and input.numel() else input.clone()  # fmt: skip
    if len(shifts) != len(dims):
        raise RuntimeError(f"[roll] got {len(shifts)} shifts for {len(dims)} dimensions")
    for shift, d in zip(shifts, dims, strict=True):
        core_wrap(d, input.ndim, "roll")
        if input.numel() and input.ndim:
            input = roll_op(input, d, shift)
    return input


@composite
def rot90(input: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Any:
    """Turned by 90 degrees ``k`` times, in the plane of two dimensions, from the first towards the second."""
    if (
        len(dims) != 2
        or input.ndim < 2
        or core_wrap(dims[0], input.ndim, "rot90") == core_wrap(dims[1], input.ndim, "rot90")
    ):
        raise RuntimeError(f"[rot90] got dims {tuple(dims)} for {input.ndim} dimensions, expected two different ones")
    a, b = dims
    if k % 4 == 0:
        return input.clone()
    if k % 4 == 2:
        return flip(input, a, b)
    return transpose(flip(input, b), a, b).contiguous() if k % 4 == 1 else flip(transpose(input, a, b), b)


@composite
def repeat(input: Any, *repeats: Any) -> Any:
    """The tensor laid out several times along each dimension.

    Examples
    --------
    >>> import corten
    >>> corten.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    times = flat(repeats)
    if len(times) < input.ndim:
        raise RuntimeError(f"[repeat] got {len(times)} repeats for {input.ndim} dimensions, expected at least as many")
    if min(times, default=0) < 0:
        raise RuntimeError(f"[repeat] got {times}, expected numbers from 0")
    shape = (1,) * (len(times) - input.ndim) + tuple(input.shape)
    if len(times) + sum(t != 1 for t in times) <= 8:  # all at once; a tensor has at most eight dimensions
        apart = tuple(n for t, size in zip(times, shape, strict=True) for n in ((1, size) if t != 1 else (size,)))
        wide = tuple(n for t, size in zip(times, shape, strict=True) for n in ((t, size) if t != 1 else (size,)))
        x = view_op(expand_op(reshape(input, apart), wide).clone(), tuple(t * s for t, s in zip(times, shape, strict=True)))
    else:
        x = reshape(input, shape).clone()
        for d, t in enumerate(times):
            if t != 1:
                lead, size, rest = tuple(x.shape[:d]), x.shape[d], tuple(x.shape[d + 1 :])
                x = view_op(expand_op(unsqueeze(x, d), (*lead, t, size, *rest)).clone(), (*lead, t * size, *rest))
    return x


del FUNCTIONS["repeat"]  # a method only


@composite
def tile(input: Any, *dims: Any) -> Any:
    """The tensor laid out several times; missing repeats are 1."""
    times = flat(dims)
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


@composite
def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Each element (or slice along ``dim``) several times in a row; a tensor alone gives indices repeated so.

    Examples
    --------
    >>> import corten
    >>> corten.repeat_interleave(corten.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    if repeats is None:
        return repeated_indices(input)
    x = reshape(input, (-1,)) if dim is None else input
    d = 0 if dim is None else core_wrap(dim, x.ndim, "repeat_interleave")
    if isinstance(repeats, int) or repeats.numel() == 1:
        times = int(repeats)
        if times < 0:
            raise RuntimeError(f"[repeat_interleave] got {times}, expected a number from 0")
        x = unsqueeze(x, d + 1)
        x = expand_op(x, (*x.shape[: d + 1], times, *x.shape[d + 2 :]))
        return view_op(x.clone(), (*x.shape[:d], x.shape[d] * times, *x.shape[d + 2 :]))
    if repeats.ndim != 1 or repeats.shape[0] != x.shape[d]:
        raise RuntimeError(
            f"[repeat_interleave] got repeats {tuple(repeats.shape)} for a dimension of size {x.shape[d]}"
        )
    return x.index_select(d, repeated_indices(repeats).to(INT64))


def repeated_indices(repeats: Any) -> Any:
    """0, 1, ... each as often as it says."""
    import numpy as np

    counts = repeats.numpy()
    if repeats.ndim != 1 or repeats.is_floating_point() or (counts.size and counts.min() < 0):
        raise RuntimeError("[repeat_interleave] expected a vector of integers from 0")
    return from_array(np.repeat(np.arange(counts.size, dtype=counts.dtype), counts))


# ---- diagonals


@composite
def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Matrices whose diagonals are the last dimension, 0 elsewhere."""
    n = input.ndim + 1
    a, b = core_wrap(dim1, n, "diag_embed"), core_wrap(dim2, n, "diag_embed")
    if a == b:
        raise RuntimeError(f"[diag_embed] dim1 and dim2 are both {a}")
    size = input.shape[-1] + abs(offset)
    shape = list(input.shape[:-1])
    for d in sorted((a, b)):
        shape.insert(d, size)
    return FUNCTIONS["diagonal_scatter"](
        core.zeros(tuple(shape), dtype=input.dtype, device=input.device), input, offset, a, b
    )


@composite(out=True)
def diag(input: Any, diagonal: int = 0) -> Any:
    """The diagonal of a matrix as a copy, or a matrix with a vector on its diagonal."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise RuntimeError(f"[diag] got {input.ndim} dimensions, expected 1 or 2")
    return FUNCTIONS["diagonal"](input, diagonal).clone()


@composite
def diagflat(input: Any, offset: int = 0) -> Any:
    """A matrix with all elements on its diagonal."""
    return diag_embed(reshape(input, (-1,)), offset)


@composite
def trace(input: Any) -> Any:
    """Sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise RuntimeError(f"[trace] got {input.ndim} dimensions, expected a matrix")
    return diagonal(input).sum()


@composite
def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A copy with the values of a diagonal replaced."""
    x = input.contiguous()
    return replaced("diagonal_scatter", x, diagonal(x.detach(), offset, dim1, dim2), src)


def replaced(name: str, input: Any, piece: Any, src: Any) -> Any:
    """The input with what a view of it shows replaced by other values."""
    if piece.shape != src.shape:
        raise RuntimeError(f"[{name}] got values {tuple(src.shape)}, expected {tuple(piece.shape)}")
    place = piece.storage_offset() - input.storage_offset()
    return as_strided_scatter(input, src.to(input.dtype), tuple(piece.shape), tuple(piece.stride()), place)


@composite
def slice_scatter(
    input: Any, src: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    """A copy with a slice of one dimension replaced."""
    x = input.contiguous()
    key = (slice(None),) * core_wrap(dim, input.ndim, "slice_scatter") + (slice(start, end, step),)
    return replaced("slice_scatter", x, x.detach()[key], src)


@composite
def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """A copy with one index of a dimension replaced."""
    x = input.contiguous()
    return replaced("select_scatter", x, select(x.detach(), dim, index), src)


@composite(name="as_strided_scatter")
def strided_scatter(input: Any, src: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """A copy with what a strided view shows replaced."""
    x = input.contiguous()
    return as_strided_scatter(x, src, flat((size,)), flat((stride,)), storage_offset or 0)


def fill_diagonal_(self: Any, fill_value: Any, wrap: bool = False) -> Any:
    """Write one value on the main diagonal; ``wrap`` begins anew below a tall matrix."""
    if self.ndim < 2 or (self.ndim > 2 and len(set(self.shape)) > 1):
        raise RuntimeError(f"[fill_diagonal_] got {tuple(self.shape)}, expected a matrix or equal sizes")
    step = sum(self.stride())
    n = min(self.shape)
    if wrap and self.ndim == 2 and self.shape[0] > self.shape[1] + 1 and self.is_contiguous():
        step, n = self.shape[1] + 1, -(-self.numel() // (self.shape[1] + 1))
    as_strided(self, (n,), (step,), self.storage_offset()).fill_(fill_value)
    return self


Tensor.fill_diagonal_ = fill_diagonal_


# ---- joining


def at_least(name: str, ndim: int, place: Any) -> Any:
    def run(*tensors: Any) -> Any:
        items = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
        made = tuple(place(x if is_tensor(x) else core.tensor(x)) for x in items)
        return made[0] if len(tensors) == 1 and is_tensor(tensors[0]) else made

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"Tensors with at least {ndim} dimension{'s' if ndim > 1 else ''}."
    return composite(run, method=False)


atleast_1d = at_least("atleast_1d", 1, lambda x: x if x.ndim else reshape(x, (1,)))
atleast_2d = at_least(
    "atleast_2d", 2, lambda x: x if x.ndim > 1 else reshape(x, (1, -1)) if x.numel() else x.reshape(1, 0)
)
atleast_3d = at_least("atleast_3d", 3, lambda x: x if x.ndim > 2 else unsqueeze(x, 2) if x.ndim == 2
                      else x.reshape(1, x.numel(), 1))  # fmt: skip


@composite(method=False, out=True)
def hstack(tensors: Any) -> Any:
    """Tensors side by side: along the second dimension, vectors along their only one."""
    items = atleast_1d(list(tensors))
    return cat(items, 0 if items and items[0].ndim == 1 else 1)


@composite(method=False, out=True, alias=("row_stack",))
def vstack(tensors: Any) -> Any:
    """Tensors below each other: along the first dimension; vectors are rows."""
    return cat(atleast_2d(list(tensors)), 0)


@composite(method=False, out=True)
def dstack(tensors: Any) -> Any:
    """Tensors behind each other: along the third dimension."""
    return cat(atleast_3d(list(tensors)), 2)


@composite(method=False, out=True)
def column_stack(tensors: Any) -> Any:
    """Vectors as columns beside each other; matrices as they are."""
    return hstack([x if x.ndim > 1 else reshape(x, (x.numel(), 1)) for x in tensors])


@composite(method=False)
def block_diag(*tensors: Any) -> Any:
    """Matrices along the diagonal of one, 0 elsewhere."""
    items = [x if x.ndim == 2 else reshape(x, (1, x.numel())) for x in tensors]
    if not items:
        return core.empty(1, 0)
    if any(x.ndim > 2 for x in tensors):
        raise RuntimeError("[block_diag] expected tensors of at most 2 dimensions")
    width, at, rows = sum(x.shape[1] for x in items), 0, []
    dtype = items[0].dtype
    for x in items:
        dtype = core.promote_types(dtype, x.dtype)
    for x in items:
        left, right = (
            core.zeros(x.shape[0], at, dtype=dtype),
            core.zeros(x.shape[0], width - at - x.shape[1], dtype=dtype),
        )
        rows.append(cat([left, x.to(dtype), right], 1))
        at += x.shape[1]
    return cat(rows, 0)


@composite(method=False)
def broadcast_shapes(*shapes: Any) -> Any:
    """The shape that shapes broadcast to."""
    out: list[int] = []
    for shape in shapes:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        out = [1] * (len(shape) - len(out)) + out
        for i, s in enumerate(shape, len(out) - len(shape)):
            if s < 0:
                raise RuntimeError(f"[broadcast_shapes] got a negative size in {shape}")
            if out[i] not in (1, s) and s != 1:
                raise RuntimeError(f"[broadcast_shapes] shapes {shapes} do not broadcast")
            out[i] = out[i] if s == 1 else s
    return core.Size(out)


@composite(method=False)
def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """Tensors expanded to their common shape."""
    items = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    shape = broadcast_shapes(*[x.shape for x in items])
    return tuple(expand_op(x, tuple(shape)) for x in items)


@composite(method=False)
def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Any, ...]:
    """Coordinates of a grid from its axes; ``indexing='xy'`` exchanges the first two dimensions.

    Examples
    --------
    >>> import corten
    >>> x, y = corten.meshgrid(corten.tensor([1, 2]), corten.tensor([3, 4]), indexing="ij")
    >>> y
    tensor([[3, 4],
            [3, 4]])
    """
    axes = list(tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors)
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f"[meshgrid] got indexing={indexing!r}, expected 'ij' or 'xy'")
    if not axes or any(a.ndim > 1 for a in axes):
        raise RuntimeError("[meshgrid] expected vectors")
    if any(a.dtype is not axes[0].dtype for a in axes):
        raise RuntimeError("[meshgrid] expected vectors of one dtype")
    swap = indexing == "xy" and len(axes) > 1
    if swap:
        axes[0], axes[1] = axes[1], axes[0]
    sizes = tuple(a.numel() for a in axes)
    out = [
        expand_op(reshape(a, tuple(-1 if i == k else 1 for i in range(len(axes)))), sizes) for k, a in enumerate(axes)
    ]
    if swap:
        out[0], out[1] = out[1], out[0]
    return tuple(out)


@composite(method=False)
def cartesian_prod(*tensors: Any) -> Any:
    """All tuples of one element of each vector, a row each."""
    if len(tensors) == 1:
        return tensors[0]
    return stack([reshape(g, (-1,)) for g in meshgrid(*tensors)], 1)


@composite(method=False)
def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All choices of r elements of a vector in their order, a row each."""
    import itertools

    if input.ndim != 1:
        raise RuntimeError(f"[combinations] got {input.ndim} dimensions, expected a vector")
    pick = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(pick(range(input.numel()), r))
    if not rows or r == 0:
        return core.empty(0 if r == 0 else 0, *([r] if r else []), dtype=input.dtype)
    index = core.tensor(rows, dtype=INT64)
    return reshape(input.index_select(0, reshape(index, (-1,))), (len(rows), r))
