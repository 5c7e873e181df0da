"""The linear algebra extension of the Array API standard, 2024.12."""

from __future__ import annotations

import builtins
from typing import Any

import corten
from corten.array_api import matmul, matrix_transpose, tensordot, vecdot

__all__ = ["cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm", "matrix_power", "matrix_rank",
           "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot", "trace", "vecdot",
           "vector_norm"]  # fmt: skip

_OURS = corten.linalg


def cholesky(x: Any, /, *, upper: builtins.bool = False) -> Any:
    """The Cholesky factor."""
    return _OURS.cholesky(x, upper=upper)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Products of vectors of three."""
    return _OURS.cross(x1, x2, dim=axis)


def det(x: Any, /) -> Any:
    """Determinants."""
    return _OURS.det(x)


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """Diagonals of matrices."""
    return _OURS.diagonal(x, offset=offset)


def eigh(x: Any, /) -> Any:
    """Eigenvalues and eigenvectors of symmetric matrices."""
    return _OURS.eigh(x)


def eigvalsh(x: Any, /) -> Any:
    """Eigenvalues of symmetric matrices."""
    return _OURS.eigvalsh(x)


def inv(x: Any, /) -> Any:
    """Inverses."""
    return _OURS.inv(x)


def matrix_norm(x: Any, /, *, keepdims: builtins.bool = False, ord: Any = "fro") -> Any:
    """Norms of matrices."""
    return _OURS.matrix_norm(x, ord, keepdim=keepdims)


def matrix_power(x: Any, n: int, /) -> Any:
    """Powers of square matrices."""
    return _OURS.matrix_power(x, n)


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Any:
    """Ranks."""
    return _OURS.matrix_rank(x, rtol=rtol)


def outer(x1: Any, x2: Any, /) -> Any:
    """Products of all pairs."""
    return x1.unsqueeze(1) * x2.unsqueeze(0)


def pinv(x: Any, /, *, rtol: Any = None) -> Any:
    """Pseudo-inverses."""
    return _OURS.pinv(x, rtol=rtol)


def qr(x: Any, /, *, mode: str = "reduced") -> Any:
    """Orthogonal and triangular factors."""
    return _OURS.qr(x, mode)


def slogdet(x: Any, /) -> Any:
    """Signs and logarithms of the absolute values of determinants."""
    return _OURS.slogdet(x)


def solve(x1: Any, x2: Any, /) -> Any:
    """Solutions of linear systems; x2 is a vector only if it has one dimension."""
    return _OURS.solve(x1, x2.unsqueeze(-1)).squeeze(-1) if x2.ndim == 1 else _OURS.solve(x1, x2)


def svd(x: Any, /, *, full_matrices: builtins.bool = True) -> Any:
    """Singular values and vectors."""
    return _OURS.svd(x, full_matrices=full_matrices)


def svdvals(x: Any, /) -> Any:
    """Singular values."""
    return _OURS.svdvals(x)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Sums of diagonals."""
    return corten.array_api.sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: builtins.bool = False, ord: Any = 2) -> Any:
    """Norms of vectors along axes."""
    return x.abs() if axis == () else _OURS.vector_norm(x, ord, axis, keepdims)
