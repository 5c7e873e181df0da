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

    def run(input: Any, dim: Any = (), keepdim: bool = False, *, out: Any = None) -> Any:
        if input.numel() == 0 and any(input.shape[d] == 0 for d in axes(dim, input.ndim)):
            raise IndexError(f"[{name}] {tuple(input.shape)} has no elements along dimension {dim}")
        return made(input, dim, keepdim) if out is None else made(input, dim, keepdim, out=out)

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

    def run(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None) -> Any:
        return made(input, dim, keepdim) if out is None else made(input, dim, keepdim, out=out)

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


# ---- moments: one pass, by the pairwise update of Chan, Golub and LeVeque (1979)


def degrees(shape: Sequence[int], dim: Any, correction: float) -> float:
    """:math:`n - c`, not below 0."""
    return max(count(shape, dim) - correction, 0)


def centred_slope(g: Any, input: Any, dim: Any, keepdim: bool, correction: float) -> Any:
    """:math:`2 g (x - \\bar x) / (n - c)`: the gradient of the variance."""
    shape = tuple(input.shape)
    d = degrees(shape, dim, correction)
    return spread(g * (2 / d if d else math.inf), shape, dim, keepdim) * (input - mean_op(input, dim, True))


def root_slope(g: Any, out: Any) -> Any:
    """:math:`g / 2s`, and 0 where the deviation s is 0."""
    flat = out == 0
    return (g / (2 * (out + flat.to(out.dtype)))) * (1 - flat.to(out.dtype))


def moment(name: str, root: bool, doc: str) -> tuple[Any, Any]:
    """The reduction of one moment, and that of it together with the mean."""
    def reference(xp: Any, input: Any, dim: Any, keepdim: bool, correction: float) -> Any:
        return getattr(xp, name)(input, axis=dim, keepdims=keepdim, ddof=correction)

    one = op(f"{name}_op(input, dim: dims = None, keepdim: bool = False, correction: float = 1) -> out", shape="reduce",
             dtype="floating", kernel=name, function=False, reference=reference, doc=doc,
             vjp=(lambda g, input, out, dim, keepdim, correction:
                  centred_slope(root_slope(g, out), input, dim, keepdim, correction)) if root else
             lambda g, input, dim, keepdim, correction: centred_slope(g, input, dim, keepdim, correction))  # fmt: skip
    both = op(f"{name}_mean_op(input, dim: dims = None, keepdim: bool = False, correction: float = 1) -> out, mean",
              shape="reduce", dtype="floating", kernel=f"{name}_mean", function=False, doc=f"{doc} Also the mean.",
              vjp=lambda g_out, g_mean, input, out, dim, keepdim, correction:
              (0 if g_out is None else centred_slope(root_slope(g_out, out) if root else g_out, input, dim, keepdim, correction))
              + (0 if g_mean is None else spread(g_mean / max(count(input.shape, dim), 1), tuple(input.shape), dim, keepdim)))  # fmt: skip
    return one, both


var_op, var_mean_op = moment("var", False, "Variance over dimensions.")
std_op, std_mean_op = moment("std", True, "Standard deviation over dimensions.")


def moment_arguments(dim: Any, unbiased: bool | None, correction: float | None) -> tuple[Any, float]:
    """Dimensions and correction, from PyTorch's forms of a call."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = 1 if unbiased else 0
    return dim, 1 if correction is None else correction


def publish_moment(name: str, made: Any, doc: str, mean_too: bool = False) -> Any:
    def run(input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
            correction: float | None = None, out: Any = None) -> Any:  # fmt: skip
        dim, correction = moment_arguments(dim, unbiased, correction)
        return made(input, dim, keepdim, correction) if out is None else made(input, dim, keepdim, correction, out=out)

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"""{doc}

    Parameters
    ----------
    dim : int or ints, optional
        Dimensions to reduce; all when left out.
    unbiased : bool, optional
        True for correction 1, False for 0.
    keepdim : bool
        Keep them with size 1.
    correction : number
        c in :math:`\\sum (x - \\bar x)^2 / (n - c)`.

    Examples
    --------
    >>> import corten
    >>> corten.{name}(corten.tensor([1.0, 2.0, 3.0]))
    {"(tensor(1.), tensor(2.))" if mean_too else "tensor(1.)"}
    """
    return function(run, method=not mean_too)


var = publish_moment("var", var_op, "Variance over all elements or some dimensions.")
std = publish_moment("std", std_op, "Standard deviation over all elements or some dimensions.")
var_mean = publish_moment("var_mean", var_mean_op, "Variance and mean.", True)
std_mean = publish_moment("std_mean", std_mean_op, "Standard deviation and mean.", True)
