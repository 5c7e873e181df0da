"""Where something holds: elements picked, written and filled by masks, and the indices of what is not zero."""

from __future__ import annotations

import math
from typing import Any

from corten._core import core
from corten.ops.composite import composite
from corten.ops.declare import function, op
from corten.ops.pointwise import where
from corten.ops.slices import writes_back
from corten.ops.view import slice_backward

INT64 = core._dtype_by_name("int64")
BOOL = core._dtype_by_name("bool")
UINT8 = core._dtype_by_name("uint8")


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


@composite(out=True)
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


for _made in (masked_scatter, masked_fill):
    writes_back(_made.__name__, _made)


@composite(out=True)
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
