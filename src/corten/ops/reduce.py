"""Reductions: sums, means, extremes, norms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from corten._core import core
from corten.ops.declare import function, op
from corten.ops.view import core_wrap, expand_op, reshape, view_op


def axes(dim: Any, ndim: int) -> tuple[int, ...]:
    """The reduced dimensions, from None, an int or a sequence."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(ndim))
    return tuple(core_wrap(d, ndim) for d in (dim if isinstance(dim, (tuple, list)) else (dim,)))


def kept_shape(shape: Sequence[int], dim: Any) -> tuple[int, ...]:
    """The shape with 1 on the reduced dimensions."""
    gone = axes(dim, len(shape))
    return tuple(1 if i in gone else s for i, s in enumerate(shape))


def spread(g: Any, shape: Sequence[int], dim: Any, keepdim: bool) -> Any:
    """A reduced value repeated over the shape it was reduced from, without a copy."""
    if not keepdim and len(shape) != g.ndim:
        g = view_op(g, kept_shape(shape, dim)) if g.is_contiguous() else reshape(g, kept_shape(shape, dim))
    return expand_op(g, tuple(shape))


def count(shape: Sequence[int], dim: Any) -> int:
    """How many elements go into one result."""
    return math.prod(shape[d] for d in axes(dim, len(shape)))


sum_op = op("sum(input, *dim: dims = None, keepdim: bool = False, *, dtype: dtype = None) -> out", shape="reduce",
            dtype="sum", kernel="sum", method=True,
            vjp=lambda g, input_shape, dim, keepdim: spread(g, input_shape, dim, keepdim),
            vjp_fused=lambda g, input_shape, dim: (core._spread(g, input_shape, dim),),
            reference=lambda xp, input, dim, keepdim, dtype: xp.sum(input, axis=dim, keepdims=keepdim),
            doc="""Sum over all elements, or over some dimensions. Integers are summed as int64.

    Parameters
    ----------
    dim : int or ints, optional
        Dimensions to sum over; all when left out.
    keepdim : bool
        Keep them with size 1.
    dtype : dtype, optional
        Convert to it first.

    Examples
    --------
    >>> import corten
    >>> corten.tensor([[1.0, 2.0], [3.0, 4.0]]).sum(dim=0)
    tensor([4., 6.])
    """)  # fmt: skip
mean_op = op("mean(input, *dim: dims = None, keepdim: bool = False, *, dtype: dtype = None) -> out", shape="reduce",
             dtype="floating", kernel="mean", method=True,
             vjp=lambda g, input_shape, dim, keepdim:
             spread(g / max(count(input_shape, dim), 1), input_shape, dim, keepdim),
             vjp_fused=lambda g, input_shape, dim: (core._spread(g / max(count(input_shape, dim), 1), input_shape, dim),),
             reference=lambda xp, input, dim, keepdim, dtype: xp.mean(input, axis=dim, keepdims=keepdim),
             doc="""Mean over all elements, or over some dimensions; see :func:`corten.sum` for the parameters.

    Examples
    --------
    >>> import corten
    >>> corten.tensor([1.0, 2.0, 6.0]).mean()
    tensor(3.)
    """)  # fmt: skip


def extreme_vjp(g: Any, input: Any, out: Any, dim: Any, keepdim: bool) -> Any:
    """Shared evenly among equal extremes."""
    shape = tuple(input.shape)
    hit = (input == spread(out, shape, dim, keepdim)) | (input != input)
    hit = hit.to(input.dtype)
    return spread(g, shape, dim, keepdim) * hit / sum_op(hit, dim, True)


def extreme(name: str, numpy_name: str, doc: str) -> Any:
    made = op(f"{name}_op(input, dim: dims = None, keepdim: bool = False) -> out", shape="reduce", kernel=name,
              function=False, vjp=extreme_vjp,
              reference=lambda xp, input, dim, keepdim: getattr(xp, numpy_name)(input, axis=dim, keepdims=keepdim),
              doc=doc)  # fmt: skip

    def run(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
        shape = tuple(input.shape)
        if any(shape[d] == 0 for d in axes(dim, len(shape))):
            raise IndexError(f"[{name}] {shape} has no elements along dimension {dim}")
        return made(input, dim, keepdim)

    run.__name__, run.__doc__ = name, doc
    return function(run, method=True)


amax = extreme("amax", "max", "Largest over dimensions; NaN when there is one. Equal ones share the gradient.")
amin = extreme("amin", "min", "Smallest over dimensions; NaN when there is one. Equal ones share the gradient.")

prod_op = op("prod_op(input, dim: dims = None, keepdim: bool = False) -> out", shape="reduce", dtype="sum", kernel="prod",
             function=False, vjp=lambda g, input, out, dim, keepdim: prod_vjp(g, input, out, dim, keepdim),
             reference=lambda xp, input, dim, keepdim: xp.prod(input, axis=dim, keepdims=keepdim),
             doc="Product over dimensions.")  # fmt: skip


def prod_vjp(g: Any, input: Any, out: Any, dim: Any, keepdim: bool) -> Any:
    """Product of the others: exact also where some factors are 0."""
    shape = tuple(input.shape)
    zero = input == 0
    zeros_in = spread(sum_op(zero, dim, True), shape, dim, True)
    rest = prod_op(input.masked_fill(zero, 1.0), dim, True)
    g = spread(g, shape, dim, keepdim)
    safe = input.masked_fill(zero, 1.0)
    none = (zeros_in == 0).to(input.dtype) * spread(rest, shape, dim, True) / safe
    one = ((zeros_in == 1) & zero).to(input.dtype) * spread(rest, shape, dim, True)
    return g * (none + one)


@function(method=True)
def prod(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Product over all elements, or over one dimension. Integers are multiplied as int64."""
    return prod_op(input if dtype is None else input.to(dtype), dim, keepdim)


def logical(name: str, doc: str) -> Any:
    made = op(f"{name}_op(input, dim: dims = None, keepdim: bool = False) -> out", shape="reduce", dtype="bool",
              kernel=name, function=False,
              reference=lambda xp, input, dim, keepdim: getattr(xp, name)(input, axis=dim, keepdims=keepdim),
              doc=doc)  # fmt: skip

    def run(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
        return made(input, dim, keepdim)

    run.__name__, run.__doc__ = name, doc
    return function(run, method=True)


any_ = logical("any", "Whether any element is nonzero, over all or some dimensions.")
all_ = logical("all", "Whether every element is nonzero, over all or some dimensions.")

count_op = op("count_op(input, dim: dims = None, keepdim: bool = False) -> out", shape="reduce", dtype="int64",
              kernel="count_nonzero", function=False,
              reference=lambda xp, input, dim, keepdim: xp.count_nonzero(input, axis=dim, keepdims=keepdim),
              doc="Number of nonzero elements.")  # fmt: skip


@function(method=True)
def count_nonzero(input: Any, dim: Any = None) -> Any:
    """Number of nonzero elements, over all or some dimensions."""
    return count_op(input, dim, False)


logsumexp_op = op("logsumexp(input, dim: dims = None, keepdim: bool = False) -> out", shape="reduce", dtype="float",
                  kernel="logsumexp", method=True,
                  vjp=lambda g, input, out, dim, keepdim: spread(g, tuple(input.shape), dim, keepdim)
                  * (input - spread(out, tuple(input.shape), dim, keepdim)).exp(),
                  reference=lambda xp, input, dim, keepdim:
                  xp.log(xp.sum(xp.exp(input - xp.max(input)), axis=dim, keepdims=keepdim)) + xp.max(input),
                  doc="Logarithm of the sum of exponentials, without overflow.")  # fmt: skip


def arg_extreme(name: str, doc: str) -> Any:
    made = op(f"{name}_op(input, dim: dims = None, keepdim: bool = False) -> out", shape="reduce", dtype="int64",
              kernel=name, function=False,
              reference=lambda xp, input, dim, keepdim: getattr(xp, name)(input, axis=dim, keepdims=keepdim),
              doc=doc)  # fmt: skip

    def run(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
        if input.numel() == 0 and (dim is None or input.shape[dim] == 0):
            raise IndexError(f"[{name}] {tuple(input.shape)} has no elements along dimension {dim}")
        return made(input, dim, keepdim)

    run.__name__, run.__doc__ = name, doc
    return function(run, method=True)


argmax = arg_extreme("argmax", "Index of the first largest element, in the flattened tensor or along a dimension.")
argmin = arg_extreme("argmin", "Index of the first smallest element, in the flattened tensor or along a dimension.")


@function(method=True)
def var(input: Any, dim: Any = None, unbiased: bool | None = None, *, correction: float = 1, keepdim: bool = False) -> Any:
    """Variance over all elements or some dimensions: :math:`\\sum (x - \\bar x)^2 / (n - c)`.

    Examples
    --------
    >>> import corten
    >>> corten.tensor([1.0, 2.0, 3.0]).var()
    tensor(1.)
    """
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = 1 if unbiased else 0
    n = count(input.shape, dim)
    centred = input - mean_op(input, dim, True)
    degrees = max(n - correction, 0)
    total = sum_op(centred * centred, dim, keepdim)
    return total / degrees if degrees else total / 0.0


@function(method=True)
def std(input: Any, dim: Any = None, unbiased: bool | None = None, *, correction: float = 1, keepdim: bool = False) -> Any:
    """Standard deviation: the square root of :func:`var`."""
    return var(input, dim, unbiased, correction=correction, keepdim=keepdim).sqrt()


@function
def var_mean(input: Any, dim: Any = None, *, correction: float = 1, keepdim: bool = False) -> tuple[Any, Any]:
    """Variance and mean."""
    return var(input, dim, correction=correction, keepdim=keepdim), mean_op(input, dim, keepdim)


@function
def std_mean(input: Any, dim: Any = None, *, correction: float = 1, keepdim: bool = False) -> tuple[Any, Any]:
    """Standard deviation and mean."""
    return std(input, dim, correction=correction, keepdim=keepdim), mean_op(input, dim, keepdim)
