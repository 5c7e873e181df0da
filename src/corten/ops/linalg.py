"""Linear algebra by PyTorch's names: solving, inverses, determinants, norms, powers; :mod:`corten.linalg` is its public place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from corten import return_types
from corten._core import core
from corten.ops.composite import INT32, composite, with_out
from corten.ops.declare import FUNCTIONS, op
from corten.ops.factor import (
    LinAlgError,
    check,
    cholesky_op,
    each,
    eigen,
    eigh_op,
    finite,
    lapack,
    lu_op,
    mt,
    np_linalg,
    permutation_of,
    pivots_of,
    product,
    qr_op,
    svd_op,
    symmetric_factor,
    triangular_op,
)
from corten.ops.matmul import matmul
from corten.ops.matmul import matmul_op as mm
from corten.ops.pointwise import where
from corten.ops.shape import tril_op, triu_op
from corten.ops.statistics import vector_norm
from corten.ops.view import cat, diagonal, narrow_op, reshape, select, squeeze, stack, unsqueeze
from corten.tensor import Tensor

#: functions of corten.linalg: name -> function
LINALG: dict[str, Any] = {"LinAlgError": LinAlgError, "vector_norm": with_out(vector_norm, "vector_norm"),
                          "matmul": with_out(matmul, "matmul")}  # fmt: skip


def linalg(fn: Callable[..., Any] | None = None, *, top: str | None = None, method: bool = False) -> Any:
    """Publish a function in corten.linalg, and as ``corten.TOP`` (and a method)."""

    def publish(f: Callable[..., Any]) -> Callable[..., Any]:
        LINALG[f.__name__] = with_out(f, f.__name__)
        if top:

            def run(input: Any, *args: Any, **kw: Any) -> Any:  # the first parameter's name outside of torch.linalg
                return f(input, *args, **kw)

            run.__doc__ = f.__doc__
            composite(run, name=top, method=method, out=True)
        return f

    return publish if fn is None else publish(fn)


def sum_to(g: Any, shape: Any) -> Any:
    """Summed over batch dimensions that were broadcast."""
    return core.REGISTRY["sum_to_size"](g, shape)


def identity(n: int, like: Any) -> Any:
    """The n x n identity in a tensor's dtype."""
    return FUNCTIONS["eye"](n, dtype=like.dtype)


# ---- solving

solve_op = op("linalg_solve(a, b) -> out", impl=lambda a, b: lapack("solve", np_linalg("solve"), a, b), function=False,
              meta=lambda a, b: core.empty_like(b), vjp=lambda g, a, out, a_shape, b_shape, needs: solve_vjp(g, a, out, a_shape, b_shape),
              doc="X with A X = B.")  # fmt: skip


def solve_vjp(g: Any, a: Any, out: Any, a_shape: Any, b_shape: Any) -> Any:
    """:math:`\\bar B = A^{-T} \\bar X`, :math:`\\bar A = -\\bar B X^T`."""
    gb = solve_op(mt(a), g)
    return sum_to(-mm(gb, mt(out)), a_shape), sum_to(gb, b_shape)


inv_op = op("linalg_inv(input) -> out", impl=lambda x: lapack("inv", np_linalg("inv"), x), meta=lambda x: core.empty_like(x),
            vjp=lambda g, out: -product(mt(out), g, mt(out)), function=False, doc="Inverse matrices.")  # fmt: skip


@linalg
def solve(A: Any, B: Any, *, left: bool = True) -> Any:  # noqa: N803
    """X with A X = B (or X A = B), for square A of (..., N, N) and B of (..., N, K) or (..., N).

    Examples
    --------
    >>> import corten
    >>> corten.linalg.solve(corten.tensor([[2.0, 0.0], [0.0, 4.0]]), corten.tensor([2.0, 4.0]))
    tensor([1., 1.])
    """
    check("solve", A)
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and B.shape == A.shape[:-1])
    if A.dtype is not B.dtype:
        raise RuntimeError(f"[linalg.solve] got {A.dtype} and {B.dtype}, expected the same dtype")
    b = unsqueeze(B, -1) if vector else B
    if not left:
        if vector:
            raise RuntimeError("[linalg.solve] left=False needs a matrix B")
        return mt(solve(mt(A), mt(B)))
    if b.ndim < 2 or b.shape[-2] != A.shape[-1]:
        raise RuntimeError(f"[linalg.solve] got A {tuple(A.shape)} and B {tuple(B.shape)}: incompatible shapes")
    lead = tuple(FUNCTIONS["broadcast_shapes"](A.shape[:-2], b.shape[:-2]))
    out = solve_op(A.expand(*lead, *A.shape[-2:]), b.expand(*lead, *b.shape[-2:]))
    return squeeze(out, -1) if vector else out


@linalg
def solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False) -> Any:  # noqa: N803
    """X with A X = B, and 0 for success."""
    try:
        made = solve(A, B, left=left)
    except LinAlgError:
        if check_errors:
            raise
        return return_types.linalg_solve_ex((core.full_like(B, math.nan), core.ones(A.shape[:-2], dtype=INT32)))
    return return_types.linalg_solve_ex((made, core.zeros(A.shape[:-2], dtype=INT32)))


@linalg
def solve_triangular(A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:  # noqa: N803
    """X with A X = B (or X A = B) for triangular A."""
    check("solve_triangular", A)
    if not left:
        return mt(solve_triangular(mt(A), mt(B), upper=not upper, unitriangular=unitriangular))
    if B.ndim < 2 or B.shape[-2] != A.shape[-1]:
        raise RuntimeError(
            f"[linalg.solve_triangular] got A {tuple(A.shape)} and B {tuple(B.shape)}: incompatible shapes"
        )
    return triangular_op(A, B, bool(upper), bool(unitriangular))


@composite(out=True)
def triangular_solve(
    b: Any, A: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:  # noqa: N803
    """X with A X = b for triangular A, and A."""
    a = mt(A) if transpose else A
    made = solve_triangular(a, b, upper=upper != transpose, unitriangular=unitriangular)
    return return_types.triangular_solve((made, A.clone()))


@linalg(top="inverse", method=True)
def inv(A: Any) -> Any:  # noqa: N803
    """Inverse of square matrices; raises LinAlgError when one is singular."""
    check("inv", A)
    return inv_op(A)


@linalg
def inv_ex(A: Any, *, check_errors: bool = False) -> Any:  # noqa: N803
    """Inverse, and 0 for success."""
    try:
        return return_types.linalg_inv_ex((inv(A), core.zeros(A.shape[:-2], dtype=INT32)))
    except LinAlgError:
        if check_errors:
            raise
        return return_types.linalg_inv_ex((core.full_like(A, math.inf), core.ones(A.shape[:-2], dtype=INT32)))


@linalg
def tensorinv(A: Any, ind: int = 2) -> Any:  # noqa: N803
    """Inverse of a tensor seen as a matrix of its first ``ind`` and its other dimensions."""
    if ind <= 0:
        raise RuntimeError(f"[linalg.tensorinv] got ind={ind}, expected a positive int")
    n = math.prod(A.shape[:ind])
    if n != math.prod(A.shape[ind:]):
        raise RuntimeError(f"[linalg.tensorinv] got {tuple(A.shape)} with ind={ind}, expected equal products of sizes")
    return reshape(inv(reshape(A, (n, n))), (*A.shape[ind:], *A.shape[:ind]))


@linalg
def tensorsolve(A: Any, B: Any, dims: Any = None) -> Any:  # noqa: N803
    """X with tensordot(A, X) = B."""
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))  # noqa: N806
    shape = tuple(A.shape[B.ndim :])
    return reshape(solve(reshape(A, (B.numel(), math.prod(shape))), reshape(B, (-1,))), shape)


# ---- Cholesky


@linalg
def cholesky(A: Any, *, upper: bool = False) -> Any:  # noqa: N803
    """Lower (or upper) triangular factor of symmetric positive definite matrices: :math:`A = L L^T`."""
    check("cholesky", A)
    low = cholesky_op(A)
    return mt(low) if upper else low


composite(lambda input, upper=False: cholesky(input, upper=upper), name="cholesky", out=True)


@linalg
def cholesky_ex(A: Any, *, upper: bool = False, check_errors: bool = False) -> Any:  # noqa: N803
    """Triangular factor, and 0 for success."""
    try:
        return return_types.linalg_cholesky_ex((cholesky(A, upper=upper), core.zeros(A.shape[:-2], dtype=INT32)))
    except LinAlgError:
        if check_errors:
            raise
        return return_types.linalg_cholesky_ex((core.full_like(A, math.nan), core.ones(A.shape[:-2], dtype=INT32)))


@composite(out=True)
def cholesky_solve(B: Any, L: Any, upper: bool = False) -> Any:  # noqa: N803
    """X with A X = B, from the Cholesky factor of A."""
    check("cholesky_solve", L)
    low = mt(L) if upper else L
    return triangular_op(mt(low), triangular_op(low, B, False, False), True, False)


@composite(out=True)
def cholesky_inverse(L: Any, upper: bool = False) -> Any:  # noqa: N803
    """Inverse of A, from its Cholesky factor."""
    check("cholesky_inverse", L)
    return cholesky_solve(identity(L.shape[-1], L).expand(L.shape), L, upper)


# ---- orthogonal factors


@linalg
def qr(A: Any, mode: str = "reduced") -> Any:  # noqa: N803
    """Orthonormal and upper triangular factors; ``mode`` 'reduced', 'complete' or 'r'."""
    check("qr", A, square=False)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"[linalg.qr] got mode={mode!r}, expected 'reduced', 'complete' or 'r'")
    if mode == "complete" and A.shape[-2] > A.shape[-1]:
        if A.requires_grad and core.is_grad_enabled():
            raise RuntimeError("[linalg.qr] mode='complete' has no gradient for tall matrices")

        def complete(x: Any) -> Any:
            import numpy as np

            return tuple(np.linalg.qr(x, "complete"))

        return return_types.linalg_qr(lapack("qr", complete, A))
    q, r = qr_op(A)
    return return_types.linalg_qr((core.empty(0, dtype=A.dtype) if mode == "r" else q, r))


@composite
def top_qr(input: Any, some: bool = True) -> Any:
    """Orthonormal and upper triangular factors."""
    return return_types.qr(tuple(qr(input, "reduced" if some else "complete")))


@linalg
def svd(A: Any, full_matrices: bool = True, *, driver: str | None = None) -> Any:  # noqa: N803
    """Singular value decomposition :math:`A = U \\mathrm{diag}(S) V^T`; (U, S, Vh)."""
    check("svd", A, square=False)
    if full_matrices and A.shape[-2] != A.shape[-1]:
        if A.requires_grad and core.is_grad_enabled():  # singular values alone have a gradient
            u, s, vh = svd_op(A)
            return return_types.linalg_svd((full_svd(A)[0], s, full_svd(A)[2]))
        return return_types.linalg_svd(full_svd(A))
    return return_types.linalg_svd(svd_op(A))


def full_svd(x: Any) -> Any:
    """With square orthogonal factors, off the tape."""
    return lapack("svd", lambda a: tuple(np_linalg("svd")(finite(a))), x)


@composite
def top_svd(input: Any, some: bool = True, compute_uv: bool = True) -> Any:
    """Singular value decomposition (U, S, V)."""
    u, s, vh = svd(input, full_matrices=not some)
    return return_types.svd((u, s, mt(vh)))


@linalg
def svdvals(A: Any, *, driver: str | None = None) -> Any:  # noqa: N803
    """Singular values, in descending order."""
    check("svdvals", A, square=False)
    return svd_op(A)[1]


@linalg
def eigh(A: Any, UPLO: str = "L") -> Any:  # noqa: N803
    """Eigenvalues in ascending order and eigenvectors of symmetric matrices, read from one triangle."""
    check("eigh", A)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"[linalg.eigh] got UPLO={UPLO!r}, expected 'L' or 'U'")
    return return_types.linalg_eigh(eigh_op(mt(A) if UPLO.upper() == "U" else A))


@linalg
def eigvalsh(A: Any, UPLO: str = "L") -> Any:  # noqa: N803
    """Eigenvalues of symmetric matrices, in ascending order."""
    return eigh(A, UPLO)[0]


@linalg
def eig(A: Any) -> Any:  # noqa: N803
    """Eigenvalues and eigenvectors of square matrices, complex; no gradient."""
    check("eig", A)
    return return_types.linalg_eig(eigen("eig", A))


@linalg
def eigvals(A: Any) -> Any:  # noqa: N803
    """Eigenvalues of square matrices, complex; no gradient."""
    check("eigvals", A)
    return eigen("eigvals", A)[0]


@linalg(top="orgqr", method=True)
def householder_product(input: Any, tau: Any) -> Any:
    """The first columns of the product of reflections :math:`I - \\tau_i v_i v_i^T`."""
    check("householder_product", input, square=False)
    m, n = input.shape[-2:]
    if m < n or tau.shape[-1] > n:
        raise RuntimeError(f"[linalg.householder_product] got {tuple(input.shape)} and tau {tuple(tau.shape)}")
    q = narrow_op(identity(m, input), -1, 0, n).expand(*input.shape[:-2], m, n)
    for i in range(tau.shape[-1] - 1, -1, -1):
        below = narrow_op(input, -2, i + 1, m - i - 1)
        tail = narrow_op(below, -1, i, 1)
        head = core.zeros((*input.shape[:-2], i, 1), dtype=input.dtype)
        v = cat([head, core.ones((*input.shape[:-2], 1, 1), dtype=input.dtype), tail], input.ndim - 2)
        q = q - reshape(select(tau, -1, i), (*tau.shape[:-1], 1, 1)) * mm(v, mm(mt(v), q))
    return q


@composite(out=True)
def geqrf(input: Any) -> Any:
    """LAPACK's packed QR factors and the scales of its reflections; no gradient."""
    import scipy.linalg

    check("geqrf", input, square=False)

    def one(a: Any) -> Any:
        (packed, tau), _ = scipy.linalg.qr(a, mode="raw")
        return packed, tau

    return return_types.geqrf(lapack("geqrf", lambda a: each(one, a), input))


@composite(out=True)
def ormqr(input: Any, tau: Any, other: Any, left: bool = True, transpose: bool = False) -> Any:
    """Product of the square orthogonal matrix of reflections and a matrix."""
    m, k = input.shape[-2:]
    pad = core.zeros((*input.shape[:-2], m, m - k), dtype=input.dtype)
    q = householder_product(cat([input, pad], input.ndim - 1), tau)
    q = mt(q) if transpose else q
    return mm(q, other) if left else mm(other, q)


# ---- LU


@linalg
def lu(A: Any, *, pivot: bool = True) -> Any:  # noqa: N803
    """Permutation, unit lower and upper triangular factors: :math:`A = P L U`; gradients of square matrices."""
    check("lu", A, square=False)
    if not pivot:
        raise NotImplementedError("[linalg.lu] pivot=False is not supported on a CPU")
    p, low, up = lu_op(A)
    return return_types.linalg_lu((p.detach(), low, up))


@linalg
def lu_factor(A: Any, *, pivot: bool = True) -> Any:  # noqa: N803
    """Both triangular factors in one matrix, and the row exchanges (from 1)."""
    p, low, up = lu(A, pivot=pivot)
    m, n = A.shape[-2:]
    if m > n:
        up = cat([up, core.zeros((*A.shape[:-2], m - n, n), dtype=A.dtype)], A.ndim - 2)
    if n > m:
        low = cat([low, core.zeros((*A.shape[:-2], m, n - m), dtype=A.dtype)], A.ndim - 1)
    packed = tril_op(low, -1) + triu_op(up, 0)
    return return_types.linalg_lu_factor((packed, narrow_op(pivots_of(p.detach()), -1, 0, min(m, n)).contiguous()))


@linalg
def lu_factor_ex(A: Any, *, pivot: bool = True, check_errors: bool = False) -> Any:  # noqa: N803
    """:func:`lu_factor`, and 0 for success."""
    packed, pivots = lu_factor(A, pivot=pivot)
    info = (diagonal(packed, 0, -2, -1) == 0).any(-1).to(INT32)
    if check_errors and bool(info.any()):
        raise LinAlgError("[linalg.lu_factor_ex] a matrix is singular")
    return return_types.linalg_lu_factor_ex((packed, pivots, info))


@composite(name="lu")
def packed_lu(input: Any, *, pivot: bool = True, get_infos: bool = False) -> Any:
    """Both triangular factors in one matrix, and the row exchanges."""
    packed, pivots, info = lu_factor_ex(input, pivot=pivot)
    return (packed, pivots, info) if get_infos else (packed, pivots)


@composite(method=False, out=True)
def lu_unpack(LU_data: Any, LU_pivots: Any, unpack_data: bool = True, unpack_pivots: bool = True) -> Any:  # noqa: N803
    """Permutation and triangular factors, from what :func:`corten.linalg.lu_factor` gives."""
    m, n = LU_data.shape[-2:]
    k = min(m, n)
    none = core.empty(0, dtype=LU_data.dtype)
    p = permutation_of(LU_pivots, m, LU_data.dtype) if unpack_pivots else none
    if not unpack_data:
        return return_types.lu_unpack((p, none, none))
    low = tril_op(narrow_op(LU_data, -1, 0, k), -1) + FUNCTIONS["eye"](m, k, dtype=LU_data.dtype)
    return return_types.lu_unpack((p, low, triu_op(narrow_op(LU_data, -2, 0, k), 0)))


@linalg
def lu_solve(LU: Any, pivots: Any, B: Any, *, left: bool = True, adjoint: bool = False) -> Any:  # noqa: N803
    """X with A X = B (or X A = B), from the LU factors of A."""
    check("lu_solve", LU)
    p = permutation_of(pivots, LU.shape[-1], LU.dtype)
    if not left:
        return mt(lu_solve(LU, pivots, mt(B), adjoint=not adjoint))
    if adjoint:
        return mm(p, triangular_op(mt(LU), triangular_op(mt(LU), B, False, False), True, True))
    return triangular_op(LU, triangular_op(LU, mm(mt(p), B), False, True), True, False)


composite(lambda b, LU_data, LU_pivots: lu_solve(LU_data, LU_pivots, b), name="lu_solve", out=True)  # noqa: N803


@linalg
def ldl_factor(A: Any, *, hermitian: bool = False) -> Any:  # noqa: N803
    """Bunch-Kaufman factors of symmetric matrices as LAPACK packs them, and its pivots; no gradient."""
    check("ldl_factor", A)
    return return_types.linalg_ldl_factor(symmetric_factor(A.detach()))


@linalg
def ldl_factor_ex(A: Any, *, hermitian: bool = False, check_errors: bool = False) -> Any:  # noqa: N803
    """:func:`ldl_factor`, and 0 for success."""
    return return_types.linalg_ldl_factor_ex((*ldl_factor(A), core.zeros(A.shape[:-2], dtype=INT32)))


@linalg
def ldl_solve(LD: Any, pivots: Any, B: Any, *, hermitian: bool = False) -> Any:  # noqa: N803
    """X with A X = B, from the packed Bunch-Kaufman factors of A; no gradient."""
    import numpy as np

    def one(packed: Any, rows: Any, b: Any) -> Any:
        return unpacked_ldl_solve(packed, rows[:, 0], b)

    lead = np.broadcast_shapes(LD.shape[:-2], B.shape[:-2])
    rows = np.broadcast_to(pivots.numpy(), (*lead, pivots.shape[-1]))[..., None]
    return lapack("ldl_solve", lambda a, b: each(one, a, rows, b), LD.detach(), B.detach())


def unpacked_ldl_solve(packed: Any, pivots: Any, b: Any) -> Any:
    """Forward, diagonal (1 x 1 and 2 x 2) and backward steps of LAPACK's sytrs for the lower triangle."""
    import numpy as np

    x, n, k, steps = np.array(b), len(packed), 0, []
    while k < n:
        wide = 2 if pivots[k] < 0 else 1
        at, to = k + wide - 1, abs(int(pivots[k])) - 1
        x[[at, to]] = x[[to, at]]
        x[k + wide :] -= packed[k + wide :, k : k + wide] @ x[k : k + wide]
        steps.append((k, wide, at, to))
        block = packed[k : k + wide, k : k + wide]
        block = np.tril(block) + np.tril(block, -1).T
        x[k : k + wide] = np.linalg.solve(block, x[k : k + wide])
        k += wide
    for k, wide, at, to in reversed(steps):
        x[k : k + wide] -= packed[k + wide :, k : k + wide].T @ x[k + wide :]
        x[[at, to]] = x[[to, at]]
    return x


# ---- determinants


def det_vjp(g: Any, input: Any, out: Any) -> Any:
    """:math:`\\bar A = \\bar d\\,\\mathrm{adj}(A)^T`: by the inverse, or for singular matrices by singular values."""
    g = reshape(g, (*g.shape, 1, 1))
    if bool((out.detach() != 0).all()):
        return g * reshape(out, (*out.shape, 1, 1)) * mt(inv_op(input))
    u, s, vh = svd_op(input)
    n = s.shape[-1]
    others = stack([FUNCTIONS["prod"](cat([narrow_op(s, -1, 0, i), narrow_op(s, -1, i + 1, n - i - 1)], s.ndim - 1), -1)
                    for i in range(n)], -1)  # fmt: skip
    sign = det_op(u) * det_op(vh)
    return g * reshape(sign, (*sign.shape, 1, 1)) * mm(u * unsqueeze(others, -2), vh)


det_op = op("linalg_det(input) -> out", impl=lambda x: lapack("det", np_linalg("det"), x), function=False, vjp=det_vjp,
            meta=lambda x: core.empty(x.shape[:-2], dtype=x.dtype, device="meta"), doc="Determinants.")  # fmt: skip


def _slogdet(x: Any) -> Any:
    return lapack("slogdet", lambda a: tuple(np_linalg("slogdet")(a)), x)


slogdet_op = op("linalg_slogdet(input) -> sign, logabsdet", impl=_slogdet, function=False,
                meta=lambda x: (core.empty(x.shape[:-2], dtype=x.dtype, device="meta"),) * 2,
                vjp=lambda g_logabsdet, input: (0 * input if g_logabsdet is None else
                                                reshape(g_logabsdet, (*g_logabsdet.shape, 1, 1)) * mt(inv_op(input))),
                doc="Signs and logarithms of the absolute values of determinants.")  # fmt: skip


@linalg(top="det", method=True)
def det(A: Any) -> Any:  # noqa: N803
    """Determinant of square matrices."""
    check("det", A)
    return det_op(A)


@linalg(top="slogdet", method=True)
def slogdet(A: Any) -> Any:  # noqa: N803
    """Sign and logarithm of the absolute value of the determinant."""
    check("slogdet", A)
    return return_types.linalg_slogdet(slogdet_op(A))


@composite
def logdet(input: Any) -> Any:
    """Logarithm of the determinant; NaN where it is negative."""
    check("logdet", input)
    sign, logarithm = slogdet_op(input)
    return where(sign < 0, math.nan, logarithm)


for _name, _fn in {"qr": top_qr, "svd": top_svd}.items():
    FUNCTIONS[_name] = FUNCTIONS.pop(f"top_{_name}")
    delattr(Tensor, f"top_{_name}")
    setattr(Tensor, _name, _fn)
