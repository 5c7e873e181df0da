"""Matrix factorisations on LAPACK, batched, with their gradients. (..., M, N) throughout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from corten._core import core
from corten.ops.composite import as_array, from_array
from corten.ops.declare import op
from corten.ops.matmul import matmul_op as mm
from corten.ops.pointwise import where
from corten.ops.shape import diag_embed, tril_op, triu_op
from corten.ops.view import cat, diagonal, narrow_op, transpose, unsqueeze


class LinAlgError(RuntimeError):
    """A matrix that an algorithm cannot work with: singular, not positive definite, or without convergence."""


def mt(x: Any) -> Any:
    """Matrices transposed."""
    return transpose(x, -2, -1)


def product(*factors: Any) -> Any:
    """Matrix product of several, from the left."""
    out = factors[0]
    for f in factors[1:]:
        out = mm(out, f)
    return out


def check(name: str, x: Any, square: bool = True) -> None:
    """RuntimeError for what is not floating matrices, or not square."""
    if not isinstance(x, core.TensorBase):
        raise TypeError(f"[linalg.{name}] got {type(x).__name__}, expected a tensor")
    if x.ndim < 2:
        raise RuntimeError(f"[linalg.{name}] got {x.ndim} dimensions, expected at least 2")
    if not x.is_floating_point() and not x.is_complex() or x.dtype.itemsize == 2:
        raise RuntimeError(f"[linalg.{name}] got {x.dtype}, expected float32 or float64")
    if square and x.shape[-1] != x.shape[-2]:
        raise RuntimeError(f"[linalg.{name}] got {tuple(x.shape)}, expected square matrices")


def lapack(name: str, fn: Callable[..., Any], *xs: Any) -> Any:
    """A routine of arrays that gives arrays, as tensors; its failure as LinAlgError."""
    import numpy as np

    with np.errstate(all="ignore"):
        try:
            made = fn(*[as_array(x) for x in xs])
        except np.linalg.LinAlgError as error:
            raise LinAlgError(f"[linalg.{name}] {error}") from None
    one = isinstance(made, np.ndarray | np.generic)
    tensors = tuple(from_array(np.asarray(m, order="C")) for m in ((made,) if one else made))
    return tensors[0] if one else tensors


def each(fn: Callable[..., Any], *arrays: Any) -> Any:
    """A routine of single matrices over the batch dimensions of several."""
    import numpy as np

    lead = np.broadcast_shapes(*[a.shape[:-2] for a in arrays])
    flat = [np.broadcast_to(a, lead + a.shape[-2:]).reshape(-1, *a.shape[-2:]) for a in arrays]
    if flat[0].shape[0] == 0:
        sample = fn(*[np.eye(*a.shape[-2:], dtype=a.dtype) for a in arrays])
        many = isinstance(sample, tuple)
        made: Any = [np.empty((0, *np.shape(s)), np.asarray(s).dtype) for s in (sample if many else (sample,))]
    else:
        results = [fn(*rows) for rows in zip(*flat, strict=True)]
        many = isinstance(results[0], tuple)
        made = [np.stack(r) for r in zip(*results, strict=True)] if many else [np.stack(results)]
    shaped = tuple(m.reshape(lead + m.shape[1:]) for m in made)
    return shaped if many else shaped[0]


def np_linalg(name: str) -> Callable[..., Any]:
    """A function of numpy.linalg, found when it is called."""

    def run(*arrays: Any) -> Any:
        import numpy as np

        return getattr(np.linalg, name)(*arrays)

    return run


def like(x: Any, *shape: int) -> Any:
    """A shape-only tensor with x's batch dimensions."""
    return core.empty((*x.shape[:-2], *shape), dtype=x.dtype, device="meta")


# ---- Cholesky


def cholesky_vjp(g: Any, out: Any) -> Any:
    """:math:`L^{-T} \\Phi(L^T \\bar L) L^{-1}` made symmetric; Murray, arXiv:1602.07527."""
    inner = tril_op(mm(mt(out), g), 0)
    inner = inner - diag_embed(diagonal(inner, 0, -2, -1)) * 0.5
    right = triangular_op(mt(out), mt(inner), True, False)  # L^{-T} P^T
    whole = triangular_op(mt(out), mt(right), True, False)  # L^{-T} (P L^{-1}) from the transpose
    return 0.5 * (whole + mt(whole))


cholesky_op = op("linalg_cholesky(input) -> out", impl=lambda x: lapack("cholesky", np_linalg("cholesky"), x),
                 meta=lambda x: core.empty_like(x), vjp=cholesky_vjp, function=False,
                 doc="Lower triangular factor of symmetric positive definite matrices.")  # fmt: skip


def _triangular(a: Any, b: Any, upper: bool, unit: bool) -> Any:
    import scipy.linalg

    def one(x: Any, y: Any) -> Any:
        if not x.size or not y.size:
            return y.copy()
        (solve,) = scipy.linalg.get_blas_funcs(("trsm",), (x, y))  # divides by a zero on the diagonal, as PyTorch does
        return solve(1.0, x, y, lower=not upper, diag=unit)

    return lapack("solve_triangular", lambda x, y: each(one, x, y), a, b)


def triangular_vjp(g: Any, a: Any, out: Any, upper: bool, unit: bool, a_shape: Any, b_shape: Any, needs: Any) -> Any:
    """:math:`\\bar B = A^{-T} \\bar X`, :math:`\\bar A = -\\bar B X^T` on the triangle."""
    gb = triangular_op(mt(a), g, not upper, unit)
    ga = None
    if needs[0]:
        ga = -mm(gb, mt(out))
        ga = triu_op(ga, int(unit)) if upper else tril_op(ga, -int(unit))
        ga = core.REGISTRY["sum_to_size"](ga, a_shape)
    return ga, core.REGISTRY["sum_to_size"](gb, b_shape) if needs[1] else None


triangular_op = op("linalg_solve_triangular(a, b, upper: any, unit: any) -> out", impl=_triangular,
                   meta=lambda a, b, upper, unit: core.empty_like(b), vjp=triangular_vjp, function=False,
                   doc="X with A X = B for triangular A.")  # fmt: skip

# ---- QR


def qr_vjp(g_q: Any, g_r: Any, q: Any, r: Any, input: Any) -> Any:
    """Walter, Lehmann and Lamour, Optimization Methods and Software 27 (2012); wide matrices by their square part."""
    m, n = input.shape[-2:]
    if n > m:
        left, right = narrow_op(r, -1, 0, m), narrow_op(input, -1, m, n - m)
        g_left = None if g_r is None else narrow_op(g_r, -1, 0, m)
        g_right = None if g_r is None else narrow_op(g_r, -1, m, n - m)
        g_total = g_q if g_right is None else mm(right, mt(g_right)) + (0 if g_q is None else g_q)
        g_first = tall_qr_vjp(g_total, g_left, q, left)
        g_last = core.zeros_like(right) if g_right is None else mm(q, g_right)
        return cat([g_first, g_last], -1 + input.ndim)
    return tall_qr_vjp(g_q, g_r, q, r)


def tall_qr_vjp(g_q: Any, g_r: Any, q: Any, r: Any) -> Any:
    """:math:`(\\bar Q + Q\\,\\mathrm{copyltu}(R \\bar R^T - \\bar Q^T Q)) R^{-T}`."""
    inner = 0 if g_r is None else mm(r, mt(g_r))
    inner = inner if g_q is None else inner - mm(mt(g_q), q)
    low = tril_op(inner, -1)
    both = low + mt(low) + diag_embed(diagonal(inner, 0, -2, -1))
    total = mm(q, both) if g_q is None else g_q + mm(q, both)
    return mt(triangular_op(r, mt(total), True, False))


def reduced_qr(x: Any) -> Any:
    import numpy as np

    return tuple(np.linalg.qr(x, "reduced"))


qr_op = op("linalg_qr(input) -> q, r", impl=lambda x: lapack("qr", reduced_qr, x), function=False, vjp=qr_vjp,
           meta=lambda x: (like(x, x.shape[-2], min(x.shape[-2:])), like(x, min(x.shape[-2:]), x.shape[-1])),
           doc="Orthonormal and upper triangular factors, reduced.")  # fmt: skip

# ---- singular values


def off_diagonal_inverse(difference: Any) -> Any:
    """1 / d off the diagonal, where the diagonal (and equal values) give 0."""
    same = difference == 0
    return where(same, 0.0, 1 / where(same, 1.0, difference))


def svd_vjp(g_u: Any, g_s: Any, g_vh: Any, u: Any, s: Any, vh: Any) -> Any:
    """The gradient of the reduced decomposition; Townsend, "Differentiating the singular value decomposition" (2016)."""
    v = mt(vh)
    square = s * s
    f = off_diagonal_inverse(unsqueeze(square, -2) - unsqueeze(square, -1))
    inner = 0 if g_s is None else diag_embed(g_s)
    row, column = unsqueeze(s, -2), unsqueeze(s, -1)
    outside = 0
    if g_u is not None:
        x = mm(mt(u), g_u)
        inner = inner + f * (x - mt(x)) * row
        if u.shape[-2] > u.shape[-1]:
            outside = outside + mm((g_u - mm(u, x)) / row, vh)
    if g_vh is not None:
        g_v = mt(g_vh)
        x = mm(vh, g_v)
        inner = inner + column * (f * (x - mt(x)))
        if v.shape[-2] > v.shape[-1]:
            outside = outside + mm(u, mt((g_v - mm(v, x)) / row))
    return product(u, inner, vh) + outside


def finite(x: Any) -> Any:
    """The array. LinAlgError where it holds NaN or infinities: on some of these an iteration of LAPACK's never ends."""
    import numpy as np

    if not np.isfinite(x).all():
        raise np.linalg.LinAlgError("the input holds NaN or infinities")
    return x


def reduced_svd(x: Any) -> Any:
    import numpy as np

    return tuple(np.linalg.svd(finite(x), full_matrices=False))


svd_op = op("linalg_svd(input) -> u, s, vh", impl=lambda x: lapack("svd", reduced_svd, x), function=False, vjp=svd_vjp,
            meta=lambda x: (like(x, x.shape[-2], min(x.shape[-2:])), like(x, min(x.shape[-2:])),
                            like(x, min(x.shape[-2:]), x.shape[-1])),
            doc="Reduced singular value decomposition.")  # fmt: skip

# ---- eigenvalues


def eigh_vjp(g_w: Any, g_v: Any, w: Any, v: Any) -> Any:
    """:math:`V (\\mathrm{diag}(\\bar w) + F \\circ V^T \\bar V) V^T`, :math:`F_{ij} = 1 / (w_j - w_i)`."""
    inner = 0 if g_w is None else diag_embed(g_w)
    if g_v is not None:
        inner = inner + off_diagonal_inverse(unsqueeze(w, -2) - unsqueeze(w, -1)) * mm(mt(v), g_v)
    return product(v, inner, mt(v))


def symmetric_eigen(x: Any) -> Any:
    import numpy as np

    return tuple(np.linalg.eigh(finite(np.tril(x))))  # the lower triangle is what it reads


eigh_op = op("linalg_eigh(input) -> w, v", impl=lambda x: lapack("eigh", symmetric_eigen, x), function=False, vjp=eigh_vjp,
             meta=lambda x: (like(x, x.shape[-1]), core.empty_like(x)),
             doc="Eigenvalues in order and eigenvectors of symmetric matrices, read from the lower triangle.")  # fmt: skip


def general_eigen(x: Any) -> Any:
    import numpy as np

    w, v = np.linalg.eig(x)
    kind = np.complex64 if x.dtype in (np.float32, np.complex64) else np.complex128
    return np.asarray(w, kind), np.asarray(v, kind)


def eigen(name: str, x: Any) -> Any:
    """Eigenvalues and eigenvectors of general matrices, complex and without gradient."""
    if x.requires_grad and core.is_grad_enabled():
        raise NotImplementedError(f"[linalg.{name}] gradients of complex eigenvalues are not supported; detach() the input, or "
                                  "use eigh() for symmetric matrices")  # fmt: skip
    return lapack(name, general_eigen, x)


# ---- LU


def lu_vjp(g_l: Any, g_u: Any, p: Any, l: Any, u: Any) -> Any:  # noqa: E741
    """:math:`P L^{-T} (\\mathrm{tril}(L^T \\bar L, -1) + \\mathrm{triu}(\\bar U U^T)) U^{-T}` of square matrices."""
    if l.shape[-2] != u.shape[-1]:
        raise NotImplementedError(
            f"[linalg.lu] gradients of {l.shape[-2]} x {u.shape[-1]} matrices are not supported, only square ones"
        )
    inner = 0 if g_l is None else tril_op(mm(mt(l), g_l), -1)
    inner = inner if g_u is None else inner + triu_op(mm(g_u, mt(u)), 0)
    right = mt(triangular_op(u, mt(inner), True, False))
    return mm(p, triangular_op(mt(l), right, True, True))


def _plu(x: Any) -> Any:
    import scipy.linalg

    def one(a: Any) -> Any:
        p, low, up = scipy.linalg.lu(a, check_finite=False)
        return p.astype(a.dtype), low, up

    return lapack("lu", lambda a: each(one, a), x)


lu_op = op("linalg_lu(input) -> p, l, u", impl=_plu, function=False, vjp=lambda g_l, g_u, p, l, u: lu_vjp(g_l, g_u, p, l, u),
           meta=lambda x: (like(x, x.shape[-2], x.shape[-2]), like(x, x.shape[-2], min(x.shape[-2:])),
                           like(x, min(x.shape[-2:]), x.shape[-1])),
           doc="Permutation, unit lower and upper triangular factors: A = P L U.")  # fmt: skip


def pivots_of(p: Any) -> Any:
    """LAPACK's row exchanges (from 1) that make a permutation matrix."""
    import numpy as np

    def one(matrix: Any) -> Any:
        order = matrix.argmax(0)  # P L U: row order[i] of A is row i of L U
        rows, pivots = list(range(len(order))), []
        for i, want in enumerate(order):
            j = rows.index(want)
            rows[i], rows[j] = rows[j], rows[i]
            pivots.append(j + 1)
        return np.asarray(pivots, np.int32)

    return from_array(each(one, as_array(p)))


def permutation_of(pivots: Any, size: int, dtype: Any) -> Any:
    """The permutation matrix of LAPACK's row exchanges."""
    import numpy as np

    array = pivots.numpy()
    flat = array.reshape(-1, array.shape[-1])
    out = np.zeros((len(flat), size, size))
    for k, row in enumerate(flat):
        order = np.arange(size)
        for i, j in enumerate(row):
            order[[i, j - 1]] = order[[j - 1, i]]
        out[k, order, np.arange(size)] = 1
    return from_array(out.reshape(*array.shape[:-1], size, size), dtype)


def symmetric_factor(x: Any) -> Any:
    """Bunch and Kaufman's factors, packed as LAPACK does, and its pivots."""
    import numpy as np
    import scipy.linalg

    def one(a: Any) -> Any:
        (routine,) = scipy.linalg.get_lapack_funcs(("sytrf",), (a,))
        packed, pivots, _ = routine(a, lower=1)
        return np.tril(packed), pivots.astype(np.int32)

    return lapack("ldl_factor", lambda a: each(one, a), x)
