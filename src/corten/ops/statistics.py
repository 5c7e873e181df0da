"""Norms, distances, means without NaN, covariances."""

from __future__ import annotations

import math
from typing import Any

from corten.ops.composite import as_real, composite, whole, write_out
from corten.ops.declare import FUNCTIONS, op
from corten.ops.matmul import matmul
from corten.ops.pointwise import where
from corten.ops.reduce import amax, amin, mean_op, spread, sum_op
from corten.ops.view import core_wrap, reshape, transpose, unsqueeze

INF = math.inf

# ---- norms

square_sum = op("square_sum(input, dim: dims = None, keepdim: bool = False) -> out", shape="reduce", dtype="floating",
                kernel="sum_square", function=False,
                vjp=lambda g, input, dim, keepdim: spread(2 * g, tuple(input.shape), dim, keepdim) * input,
                reference=lambda xp, input, dim, keepdim: xp.sum(input * input, axis=dim, keepdims=keepdim),
                doc="Sum of squares over dimensions, in one pass.")  # fmt: skip
absolute_sum = op("absolute_sum(input, dim: dims = None, keepdim: bool = False) -> out", shape="reduce", dtype="floating",
                  kernel="sum_abs", function=False,
                  vjp=lambda g, input, dim, keepdim: spread(g, tuple(input.shape), dim, keepdim) * input.sign(),
                  reference=lambda xp, input, dim, keepdim: xp.sum(xp.abs(input), axis=dim, keepdims=keepdim),
                  doc="Sum of absolute values over dimensions, in one pass.")  # fmt: skip


def euclidean(x: Any, dim: Any, keepdim: bool) -> Any:
    """Root of the sum of squares; its gradient at 0 is 0."""
    total = square_sum(x, dim, keepdim)
    if not total.requires_grad:
        return total.sqrt()
    zero = total.detach() == 0
    return where(zero, 0.0, where(zero, 1.0, total).sqrt()) if bool(zero.any()) else total.sqrt()


def vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Norm of order ``ord`` of vectors along dimensions: :math:`(\\sum |x|^p)^{1/p}`, 0 the number of nonzeros, inf the largest.

    Examples
    --------
    >>> import corten
    >>> corten.linalg.vector_norm(corten.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if dtype is not None:
        x = x.to(dtype)
    if whole(x):
        raise RuntimeError(f"[vector_norm] got {x.dtype}, expected a floating-point dtype")
    if x.is_complex():
        x = x.abs()
    p = float(ord)
    if p == 2:
        return euclidean(x, dim, keepdim)
    if p == 1:
        return absolute_sum(x, dim, keepdim)
    if p == 0:
        return (x != 0).to(x.dtype).sum(dim, keepdim)
    size = x.abs()
    dims = tuple(range(x.ndim)) if dim is None else dim
    if p == INF:
        return amax(size, dims, keepdim)
    if p == -INF:
        return amin(size, dims, keepdim)
    total = (size**p).sum(dim, keepdim)
    zero = total.detach() == 0
    if p > 0 and bool(zero.any()):
        return where(zero, 0.0, where(zero, 1.0, total) ** (1 / p))
    return total ** (1 / p)


@composite
def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None, *, out: Any = None) -> Any:
    """Norm of all elements, of vectors along a dimension, or (``'fro'``, ``'nuc'``) of matrices.

    Examples
    --------
    >>> import corten
    >>> corten.norm(corten.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if out is not None:
        return write_out("norm", out, norm(input, p, dim, keepdim, dtype))
    if p is None or p == "fro":
        return vector_norm(input, 2, dim, keepdim, dtype=dtype)
    if p == "nuc":
        from corten.ops.matrix import matrix_norm

        return matrix_norm(input, "nuc", dim if dim is not None else (-2, -1), keepdim, dtype=dtype)
    return vector_norm(input, p, dim, keepdim, dtype=dtype)


@composite(method=False)
def frobenius_norm(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Root of the sum of squares."""
    return vector_norm(input, 2, dim or None, keepdim)


@composite(method=False)
def nuclear_norm(input: Any, dim: Any = (-2, -1), keepdim: bool = False) -> Any:
    """Sum of the singular values."""
    return norm(input, "nuc", dim, keepdim)


@composite(inplace=True)
def renorm(input: Any, p: float, dim: int, maxnorm: float, *, out: Any = None) -> Any:
    """Slices along a dimension whose norm exceeds ``maxnorm`` scaled down to it."""
    if out is not None:
        return write_out("renorm", out, renorm(input, p, dim, maxnorm))
    d = core_wrap(dim, input.ndim, "renorm")
    size = vector_norm(input, p, tuple(i for i in range(input.ndim) if i != d), True)
    return input * where(size > maxnorm, maxnorm / (size + 1e-7), 1.0)


# ---- distances


@composite
def dist(input: Any, other: Any, p: float = 2) -> Any:
    """Norm of the difference."""
    return vector_norm(input - other, p)


@composite(method=False)
def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """Norm of the difference along the last dimension, with ``eps`` added to it."""
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


@composite(method=False)
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """:math:`x \\cdot y / (|x| |y|)` along a dimension, with norms not below eps."""
    x1, x2 = as_real(x1), as_real(x2)
    floor = eps * eps
    a, b = ((x * x).sum(dim, keepdim=True).clamp(min=floor).sqrt() for x in (x1, x2))
    return ((x1 / a) * (x2 / b)).sum(dim)


@composite(method=False)
def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Any:
    """Distances of all pairs of rows, (..., P, M) and (..., R, M) giving (..., P, R).

    Euclidean distances of more than 25 rows go through a matrix product: :math:`|x|^2 - 2 x y + |y|^2`.

    Examples
    --------
    >>> import corten
    >>> corten.cdist(corten.tensor([[0.0, 0.0]]), corten.tensor([[3.0, 4.0]]))
    tensor([[5.]])
    """
    modes = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
    if compute_mode not in modes:
        raise ValueError(f"[cdist] {compute_mode!r} is not a valid value for compute_mode, expected one of {modes}")
    if x1.ndim < 2 or x2.ndim < 2:
        raise RuntimeError(f"[cdist] got {x1.ndim} and {x2.ndim} dimensions, expected at least 2")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"[cdist] rows of {x1.shape[-1]} and {x2.shape[-1]} elements, expected as many")
    if p < 0:
        raise RuntimeError(f"[cdist] got p={p}, expected at least 0")
    many = x1.shape[-2] > 25 or x2.shape[-2] > 25
    if p == 2 and (compute_mode == modes[1] or (compute_mode == modes[0] and many)):
        a, b = square_sum(x1, -1, True), square_sum(x2, -1, True)
        square = (a + transpose(b, -2, -1) - 2 * matmul(x1, transpose(x2, -2, -1))).clamp(min=0)
        if not square.requires_grad:
            return square.sqrt()
        zero = square.detach() == 0
        return where(zero, 0.0, where(zero, 1.0, square).sqrt())
    return vector_norm(unsqueeze(x1, -2) - unsqueeze(x2, -3), p, -1)


@composite(method=False)
def pdist(input: Any, p: float = 2.0) -> Any:
    """Distances of all pairs of different rows, (N, M) giving (N (N - 1) / 2,)."""
    import numpy as np

    from corten.ops.composite import from_array

    if input.ndim != 2:
        raise RuntimeError(f"[pdist] got {input.ndim} dimensions, expected a matrix")
    i, j = (from_array(k) for k in np.triu_indices(input.shape[0], 1))
    return vector_norm(input.index_select(0, i) - input.index_select(0, j), p, -1)


# ---- without NaN


@composite(out=True)
def nansum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Sum of the numbers, NaN left out."""
    x = input if whole(input) else where(input != input, 0.0, input)
    return sum_op(x, dim, keepdim, dtype=dtype)


@composite(out=True)
def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Mean of the numbers, NaN left out."""
    if whole(input) and dtype is None:
        raise RuntimeError(f"[nanmean] got {input.dtype}, expected a floating-point dtype")
    x = input if dtype is None else input.to(dtype)
    return nansum(x, dim, keepdim) / (x == x).sum(dim, keepdim).to(x.dtype)


# ---- covariance


@composite
def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """Covariances of the rows, whose columns are observations.

    Examples
    --------
    >>> import corten
    >>> corten.cov(corten.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.ndim > 2:
        raise RuntimeError(f"[cov] got {input.ndim} dimensions, expected at most 2")
    x = as_real(input)
    x = reshape(x, (1, -1)) if x.ndim < 2 else x
    w = None
    for name, one in (("fweights", fweights), ("aweights", aweights)):
        if one is None:
            continue
        if one.ndim > 1 or one.numel() != x.shape[1]:
            raise RuntimeError(f"[cov] got {name} {tuple(one.shape)} for {x.shape[1]} observations")
        if bool((one < 0).any()):
            raise RuntimeError(f"[cov] {name} must not be negative")
        if name == "fweights" and one.is_floating_point():
            raise RuntimeError(f"[cov] got fweights of {one.dtype}, expected integers")
        w = one if w is None else w * one
    total = float(x.shape[1]) if w is None else w.sum().to(x.dtype)
    mean = mean_op(x, 1, True) if w is None else (x * w).sum(1, keepdim=True) / total
    if w is not None and aweights is not None and correction:
        degrees = total - correction * (w * aweights).sum().to(x.dtype) / total
    else:
        degrees = total - correction
    degrees = max(degrees, 0.0) if isinstance(degrees, float) else degrees.clamp(min=0)
    centred = x - mean
    out = matmul(centred if w is None else centred * w, transpose(centred, 0, 1)) / degrees
    return reshape(out, ()) if input.ndim < 2 else out


@composite
def corrcoef(input: Any) -> Any:
    """Correlations of the rows, whose columns are observations."""
    c = cov(input)
    if c.ndim == 0:
        return c / c
    s = FUNCTIONS["diagonal"](c).sqrt()
    return (c / unsqueeze(s, 1) / unsqueeze(s, 0)).clamp(-1, 1)
