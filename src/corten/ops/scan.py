"""Along a dimension: running sums, products and extremes, differences, integrals."""

from __future__ import annotations

from typing import Any

from corten import return_types
from corten._core import core
from corten.ops.composite import INT64, as_real, composite, is_tensor, widened
from corten.ops.declare import op
from corten.ops.sort import narrowed, placed, shape_twice
from corten.ops.view import cat, core_wrap, narrow_op, view_op

cumsum_op = op("cumsum_op(input, dim: dim, reverse: bool = False) -> out", shape="same", kernel="cumsum", function=False,
               vjp=lambda g, dim, reverse: cumsum_op(g, dim, not reverse),
               reference=lambda xp, input, dim, reverse: input if input.ndim == 0 else
               xp.flip(xp.cumsum(xp.flip(input, dim), dim), dim) if reverse else xp.cumsum(input, dim),
               doc="Sums of all elements up to each one along a dimension, or of those from it on.")  # fmt: skip


def cumprod_vjp(g: Any, input: Any, out: Any, dim: int) -> Any:
    """:math:`\\sum_{k \\ge i} g_k y_k / x_i` where no factor is 0; with zeros, the products without each factor."""
    if input.ndim == 0:
        return g
    if bool((input.detach() != 0).all()):
        return cumsum_op(g * out, dim, True) / input
    d = core_wrap(dim, input.ndim)
    pieces = []
    for i in range(input.shape[d]):  # the running product from i on, without the factor i
        rest = narrow_op(input, d, i + 1, input.shape[d] - i - 1)
        one = narrow_op(input, d, i, 1)
        before = narrow_op(out, d, i - 1, 1) if i else core.ones(tuple(one.shape), dtype=input.dtype)
        after = cat([before, before * cumprod_op(rest, d)], d) if rest.shape[d] else before
        pieces.append((narrow_op(g, d, i, input.shape[d] - i) * after).sum(d, keepdim=True))
    return cat(pieces, d)


cumprod_op = op("cumprod_op(input, dim: dim) -> out", shape="same", kernel="cumprod", function=False, vjp=cumprod_vjp,
                reference=lambda xp, input, dim: xp.cumprod(input, dim) if input.ndim else input,
                doc="Products of all elements up to each one, along a dimension.")  # fmt: skip


def start(input: Any, dtype: Any) -> Any:
    """What is scanned: of a dtype, or integers as int64."""
    return widened(input) if dtype is None else input.to(dtype)


@composite(out=True, inplace=True)
def cumsum(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Sums of all elements up to each one, along a dimension. Integers are summed as int64.

    Examples
    --------
    >>> import corten
    >>> corten.cumsum(corten.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 3., 6.])
    """
    x = start(input, dtype)
    return cumsum_op(x, dim) if x.is_floating_point() or x.dtype is INT64 else cumsum_op(widened(x), dim).to(x.dtype)


@composite(out=True, inplace=True)
def cumprod(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Products of all elements up to each one, along a dimension. Integers are multiplied as int64."""
    x = start(input, dtype)
    return cumprod_op(x, dim) if x.is_floating_point() or x.dtype is INT64 else cumprod_op(widened(x), dim).to(x.dtype)


def running_extreme(name: str) -> Any:
    made = op(f"{name}_op(input, dim: dim) -> values, indices", shape=shape_twice, dtype="same,int64", kernel=name,
              function=False,
              vjp=lambda g_values, indices, input_shape, dim:
              placed(g_values, indices, input_shape, dim) if input_shape else g_values,
              doc="The extreme of all elements up to each one, and where it last was.")  # fmt: skip
    kind = getattr(return_types, name)

    def run(input: Any, dim: int) -> Any:
        return narrowed(kind, made(widened(input), dim), input.dtype)

    run.__name__ = run.__qualname__ = name
    run.__doc__ = (
        f"The {name[3:]}imum of all elements up to each one along a dimension, and the index where it last was."
    )
    return composite(run, out=True)


cummax, cummin = running_extreme("cummax"), running_extreme("cummin")


@composite(out=True)
def logcumsumexp(input: Any, dim: int) -> Any:
    """Logarithm of the running sum of exponentials, shifted by the running maximum against overflow."""
    return logcumsumexp_op(as_real(input), dim)


def _logcumsumexp(x: Any, dim: int) -> Any:
    import numpy as np

    from corten.ops.composite import as_array, from_array

    array = as_array(x)
    with np.errstate(all="ignore"):
        return from_array(np.logaddexp.accumulate(array, axis=dim) if x.ndim else array.copy(), x.dtype)


def _logcumsumexp_vjp(g: Any, input: Any, out: Any, dim: int) -> Any:
    """:math:`e^{x_i} \\sum_{k \\ge i} g_k e^{-y_k}`, the positive and the negative part of g apart, in logarithms."""
    if input.ndim == 0:
        return g
    minus = float("-inf")

    def part(s: Any) -> Any:
        logs = core_where(s > 0, core_where(s > 0, s, 1.0).log() - out, minus)
        return (logcumsumexp_op(logs.flip(dim), dim).flip(dim) + input).exp()

    return part(g) - part(-g)


def core_where(condition: Any, a: Any, b: Any) -> Any:
    """where(), from the module that declares it."""
    from corten.ops.pointwise import where

    return where(condition, a, b)


logcumsumexp_op = op("logcumsumexp_op(input, dim: any) -> out", impl=_logcumsumexp, function=False, vjp=_logcumsumexp_vjp,
                     meta=lambda x, dim: core.empty_like(x), doc="Logarithm of the running sum of exponentials.")  # fmt: skip


# ---- differences and integrals


@composite(out=True)
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along a dimension, ``n`` times.

    Examples
    --------
    >>> import corten
    >>> corten.diff(corten.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    if input.ndim == 0:
        raise RuntimeError("[diff] got a tensor without dimensions, expected at least one")
    if n < 0:
        raise RuntimeError(f"[diff] got n={n}, expected at least 0")
    d = core_wrap(dim, input.ndim, "diff")
    parts = [p for p in (prepend, input, append) if p is not None]
    x = cat(parts, d) if len(parts) > 1 else input
    for _ in range(min(n, x.shape[d])):
        size = x.shape[d]
        a, b = narrow_op(x, d, 1, size - 1), narrow_op(x, d, 0, size - 1)
        x = a ^ b if str(x.dtype) == "corten.bool" else a - b
    return x


@composite(method=False)
def gradient(input: Any, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> tuple[Any, ...]:
    """Central differences inside, one-sided ones at the edges, along each dimension.

    Parameters
    ----------
    spacing : number, numbers, or tensors
        Distance of samples, one for each dimension, or their coordinates.
    edge_order : int
        1 or 2: order of accuracy at the edges.
    """
    dims = [
        core_wrap(d, input.ndim)
        for d in (range(input.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim)
    ]
    steps = list(spacing) if isinstance(spacing, (tuple, list)) else [spacing] * len(dims)
    if len(steps) != len(dims):
        raise RuntimeError(f"[gradient] got {len(steps)} spacings for {len(dims)} dimensions")
    if edge_order not in (1, 2):
        raise RuntimeError(f"[gradient] got edge_order={edge_order}, expected 1 or 2")
    return tuple(one_gradient(as_real(input), d, h, edge_order) for d, h in zip(dims, steps, strict=True))


def one_gradient(x: Any, d: int, h: Any, edge_order: int) -> Any:
    """The numerical derivative along one dimension, by the three-point formula for uneven steps."""
    n = x.shape[d]
    if n <= edge_order:
        raise RuntimeError(
            f"[gradient] got {n} elements along dimension {d}, expected more than edge_order={edge_order}"
        )

    def at(start: int, length: int) -> Any:
        return narrow_op(x, d, start % n, length)

    if is_tensor(h) and h.ndim == 1:
        shape = [1] * x.ndim
        shape[d] = n - 1
        step = view_op(diff(h.to(x.dtype)).contiguous(), tuple(shape))
    else:
        shape = [1] * x.ndim
        shape[d] = n - 1
        step = core.full(tuple(shape), float(h), dtype=x.dtype)
    a, b = narrow_op(step, d, 0, n - 2), narrow_op(step, d, 1, n - 2)
    inner = (at(2, n - 2) * a * a - at(0, n - 2) * b * b - at(1, n - 2) * (a * a - b * b)) / (a * b * (a + b))
    first, last = narrow_op(step, d, 0, 1), narrow_op(step, d, n - 2, 1)
    left, right = (at(1, 1) - at(0, 1)) / first, (at(-1, 1) - at(-2, 1)) / last
    if edge_order == 2:
        second, before = narrow_op(step, d, 1, 1), narrow_op(step, d, n - 3, 1)
        left = left - (((at(2, 1) - at(1, 1)) / second) - left) * first / (first + second)
        right = right + (right - (at(-2, 1) - at(-3, 1)) / before) * last / (last + before)
    return cat([left, inner, right], d)


def areas(name: str, y: Any, x: Any, dx: Any, dim: int) -> Any:
    """Trapezoids between neighbours."""
    d = core_wrap(dim, y.ndim, name)
    n = y.shape[d]
    y = as_real(y)
    if n == 0:
        return narrow_op(y, d, 0, 0)
    sums = narrow_op(y, d, 1, n - 1) + narrow_op(y, d, 0, n - 1)
    if x is None:
        return sums * dx / 2 if is_tensor(dx) else sums * (dx / 2)
    if x.ndim == 1 and y.ndim > 1:
        if x.shape[0] != n:
            raise RuntimeError(f"[{name}] got {x.shape[0]} coordinates for {n} samples")
        x = x.reshape(*(n if i == d else 1 for i in range(y.ndim)))
        return sums * diff(x, 1, d) / 2
    return sums * diff(x, 1, dim) / 2


@composite(method=False, alias=("trapz",))
def trapezoid(y: Any, x: Any = None, *, dx: Any = 1, dim: int = -1) -> Any:
    """Integral by the trapezoidal rule along a dimension.

    Examples
    --------
    >>> import corten
    >>> corten.trapezoid(corten.tensor([1.0, 2.0, 3.0]))
    tensor(4.)
    """
    return areas("trapezoid", y, x, dx, dim).sum(dim)


@composite(method=False)
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = 1, dim: int = -1) -> Any:
    """Integrals up to each sample by the trapezoidal rule, one fewer than samples."""
    return cumsum(areas("cumulative_trapezoid", y, x, dx, dim), dim)
