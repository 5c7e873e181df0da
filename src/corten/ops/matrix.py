"""Functions of matrices on top of the factorisations: norms, ranks, pseudoinverses, powers, products of many."""

from __future__ import annotations

import math
from typing import Any

from corten import return_types
from corten._core import core
from corten.ops.composite import INT64, as_array, composite, from_array, is_tensor, widened
from corten.ops.declare import FUNCTIONS, op
from corten.ops.factor import LinAlgError, check, eigh_op, lapack, mt, product, svd_op
from corten.ops.linalg import LINALG, identity, inv, linalg, qr, svd
from corten.ops.matmul import matmul
from corten.ops.matmul import matmul_op as mm
from corten.ops.pointwise import where
from corten.ops.reduce import amax, amin, sum_op
from corten.ops.shape import roll
from corten.ops.statistics import vector_norm
from corten.ops.view import cat, core_wrap, diagonal, narrow_op, reshape, squeeze, stack, unsqueeze

# ---- norms


@linalg
def matrix_norm(A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None) -> Any:  # noqa: N803
    """Norm of matrices: ``'fro'``, ``'nuc'``, 2, -2 (singular values), 1, -1 (columns), inf, -inf (rows).

    Examples
    --------
    >>> import corten
    >>> corten.linalg.matrix_norm(corten.eye(4))
    tensor(2.)
    """
    if dtype is not None:
        A = A.to(dtype)  # noqa: N806
    check("matrix_norm", A, square=False)
    a, b = (core_wrap(d, A.ndim, "linalg.matrix_norm") for d in dim)
    if a == b:
        raise RuntimeError(f"[linalg.matrix_norm] got dim={tuple(dim)}, expected two different dimensions")
    if ord == "fro":
        return vector_norm(A, 2, (a, b), keepdim)
    if ord in ("nuc", 2, -2):
        s = svd_op(A.movedim((a, b), (-2, -1)))[1]
        out = s.sum(-1) if ord == "nuc" else amax(s, -1) if ord == 2 else amin(s, -1)
        for d in sorted((a, b)) if keepdim else ():
            out = unsqueeze(out, d)
        return out
    if ord not in (1, -1, math.inf, -math.inf):
        raise RuntimeError(f"[linalg.matrix_norm] got ord={ord!r}, expected 'fro', 'nuc', inf, -inf, 1, -1, 2 or -2")
    inner, outer = (a, b) if abs(ord) == 1 else (b, a)
    sums = sum_op(A.abs(), inner, True)
    out = (amax if ord > 0 else amin)(sums, outer, True)
    return out if keepdim else squeeze(out, (a, b))


@linalg
def norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:  # noqa: N803
    """Norm of vectors or matrices: a matrix norm for two dimensions and an ``ord``, else a vector norm."""
    if ord is not None and (dim is None and A.ndim == 2 or isinstance(dim, (tuple, list)) and len(dim) == 2):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"[linalg.norm] ord={ord!r} needs two dimensions, got dim={dim} of {A.ndim}")
    if ord is not None and dim is None and A.ndim > 2:
        raise RuntimeError(f"[linalg.norm] got {A.ndim} dimensions, expected 1 or 2 when ord is given without dim")
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


@linalg
def cond(A: Any, p: Any = None) -> Any:  # noqa: N803
    """Condition number: of singular values (None, 2, -2), or the product of the norms of A and its inverse."""
    if p in (None, 2, -2):
        s = svd_op(A)[1]
        first, last = narrow_op(s, -1, 0, 1), narrow_op(s, -1, s.shape[-1] - 1, 1)
        return squeeze(last / first if p == -2 else first / last, -1)
    try:
        return matrix_norm(A, p) * matrix_norm(inv(A), p)
    except LinAlgError:
        return core.full(A.shape[:-2], math.inf, dtype=A.dtype)


def cut_off(s: Any, shape: Any, atol: Any, rtol: Any) -> Any:
    """Below which singular values count as 0: the larger of atol and rtol times the largest."""
    if rtol is None:
        rtol = core.finfo(s.dtype).eps * max(shape[-2:]) if atol is None else 0.0
    tolerance = amax(s.detach(), -1, True) * (unsqueeze(rtol, -1) if is_tensor(rtol) and rtol.ndim else rtol)
    if atol is None:
        return tolerance
    return FUNCTIONS["maximum"](tolerance, unsqueeze(atol, -1) if is_tensor(atol) and atol.ndim else
                                core.full_like(tolerance, float(atol)))  # fmt: skip


@linalg
def matrix_rank(A: Any, tol: Any = None, *, atol: Any = None, rtol: Any = None, hermitian: bool = False) -> Any:  # noqa: N803
    """Number of singular values above a tolerance."""
    check("matrix_rank", A, square=hermitian)
    atol = tol if atol is None else atol
    if A.numel() == 0:
        return core.zeros(A.shape[:-2], dtype=INT64)
    s = eigh_op(A.detach())[0].abs() if hermitian else svd_op(A.detach())[1]
    return (s > cut_off(s, A.shape, atol, 0.0 if tol is not None else rtol)).sum(-1)


# ---- pseudoinverse, least squares


def _pinv(x: Any, tolerance: Any) -> Any:
    u, s, vh = svd_op(x)
    kept = s > tolerance
    return mm(mt(vh) * unsqueeze(where(kept, 1 / where(kept, s, 1.0), 0.0), -2), mt(u))


def pinv_vjp(g: Any, input: Any, out: Any) -> Any:
    """Golub and Pereyra, SIAM J. Numer. Anal. 10 (1973): constant rank."""
    m, n = input.shape[-2:]
    left, right = identity(m, input) - mm(input, out), identity(n, input) - mm(out, input)
    first = -product(mt(out), g, mt(out))
    return first + product(left, mt(g), out, mt(out)) + product(mt(out), out, mt(g), right)


pinv_op = op("linalg_pinv(input, tolerance: any) -> out", impl=_pinv, function=False, vjp=pinv_vjp,
             meta=lambda x, tolerance: core.empty((*x.shape[:-2], x.shape[-1], x.shape[-2]), dtype=x.dtype, device="meta"),
             doc="Pseudoinverse by singular values above a tolerance.")  # fmt: skip


@linalg
def pinv(A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Any:  # noqa: N803
    """Moore-Penrose pseudoinverse."""
    check("pinv", A, square=hermitian)
    s = svd_op(A.detach())[1]
    if A.numel() == 0:
        return core.zeros((*A.shape[:-2], A.shape[-1], A.shape[-2]), dtype=A.dtype)
    return pinv_op(A, cut_off(s, A.shape, atol, rcond if rcond is not None else rtol))


composite(lambda input, rcond=1e-15: pinv(input, rcond=rcond), name="pinverse")


@linalg
def lstsq(A: Any, B: Any, rcond: float | None = None, *, driver: str | None = None) -> Any:  # noqa: N803
    """X that makes :math:`|A X - B|_F` least; (solution, residuals, rank, singular_values).

    Its gradient is that of the pseudoinverse, for A of full rank.
    """
    check("lstsq", A, square=False)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"[linalg.lstsq] got driver={driver!r}, expected gels, gelsy, gelsd or gelss")
    vector = B.ndim == A.ndim - 1
    b = unsqueeze(B, -1) if vector else B
    if b.shape[-2] != A.shape[-2]:
        raise RuntimeError(f"[linalg.lstsq] got A {tuple(A.shape)} and B {tuple(B.shape)}: incompatible shapes")
    solution = mm(pinv(A, rtol=rcond), b)
    none = core.empty(0, dtype=A.dtype)
    rank = matrix_rank(A, rtol=rcond) if driver != "gels" else core.empty(0, dtype=INT64)
    m, n = A.shape[-2:]
    full = m > n and bool((matrix_rank(A) == n).all())
    residuals = ((mm(A, solution) - b) ** 2).sum(-2) if full else none
    values = svd_op(A.detach())[1] if driver in ("gelsd", "gelss") else none
    return return_types.linalg_lstsq((squeeze(solution, -1) if vector else solution, residuals, rank, values))


# ---- powers and products


def _expm(x: Any) -> Any:
    def run(a: Any) -> Any:
        import numpy as np
        import scipy.linalg

        return scipy.linalg.expm(a) if a.size else np.array(a)

    return lapack("matrix_exp", run, x)


def expm_vjp(g: Any, input: Any) -> Any:
    """The derivative in direction g at :math:`A^T`, as a block of a larger exponential; Mathias (1996)."""
    n = input.shape[-1]
    a = mt(input)
    top, bottom = cat([a, g], a.ndim - 1), cat([core.zeros_like(a), a], a.ndim - 1)
    whole_ = matrix_exp_op(cat([top, bottom], a.ndim - 2))
    return narrow_op(narrow_op(whole_, -2, 0, n), -1, n, n)


matrix_exp_op = op("linalg_matrix_exp(input) -> out", impl=_expm, meta=lambda x: core.empty_like(x), vjp=expm_vjp,
                   function=False, doc="Exponential of square matrices.")  # fmt: skip


@linalg(top="matrix_exp", method=True)
def matrix_exp(A: Any) -> Any:  # noqa: N803
    """Exponential of square matrices: :math:`\\sum_k A^k / k!`."""
    check("matrix_exp", A)
    return matrix_exp_op(A)


@linalg(top="matrix_power", method=True)
def matrix_power(A: Any, n: int) -> Any:  # noqa: N803
    """Power of square matrices with an integer exponent, by squaring; negative ones of the inverse."""
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise RuntimeError(f"[linalg.matrix_power] got {tuple(A.shape)}, expected square matrices")
    if n < 0:
        return matrix_power(inv(A), -n)
    if n == 0:
        return identity(A.shape[-1], A).expand(A.shape).clone()
    out: Any = None
    base = A
    while n:
        if n & 1:
            out = base if out is None else mm(out, base)
        n >>= 1
        if n:
            base = mm(base, base)
    return out if out is not A else A.clone()


@linalg
def multi_dot(tensors: Any) -> Any:
    """Product of several matrices in the cheapest order; the first and last may be vectors."""
    items = list(tensors)
    if len(items) < 2:
        raise RuntimeError(f"[linalg.multi_dot] got {len(items)} tensors, expected at least 2")
    first, last = items[0].ndim == 1, items[-1].ndim == 1
    items[0] = unsqueeze(items[0], 0) if first else items[0]
    items[-1] = unsqueeze(items[-1], 1) if last else items[-1]
    if any(x.ndim != 2 for x in items):
        raise RuntimeError("[linalg.multi_dot] expected matrices between the first and the last tensor")
    sizes = [items[0].shape[0], *(x.shape[1] for x in items)]
    n = len(items)
    cost = [[0] * n for _ in range(n)]
    cut = [[0] * n for _ in range(n)]
    for length in range(1, n):  # Cormen et al., chapter 15
        for i in range(n - length):
            j = i + length
            cost[i][j], cut[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )

    def run(i: int, j: int) -> Any:
        return items[i] if i == j else matmul(run(i, cut[i][j]), run(cut[i][j] + 1, j))

    out = run(0, n - 1)
    return reshape(out, tuple(s for s, gone in zip(out.shape, (first, last), strict=True) if not gone))


@linalg
def vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    """Inner products of vectors along a dimension."""
    return sum_op(x * y, dim)


@linalg
def cross(input: Any, other: Any, *, dim: int = -1) -> Any:
    """Cross products of vectors of 3 elements along a dimension.

    Examples
    --------
    >>> import corten
    >>> corten.linalg.cross(corten.tensor([1.0, 0.0, 0.0]), corten.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    if input.ndim != other.ndim:
        raise RuntimeError(f"[linalg.cross] got {input.ndim} and {other.ndim} dimensions, expected as many")
    if input.shape[dim] != 3 or other.shape[dim] != 3:
        raise RuntimeError(
            f"[linalg.cross] got {tuple(input.shape)} and {tuple(other.shape)}, expected 3 elements along {dim}"
        )
    lead = tuple(FUNCTIONS["broadcast_shapes"](input.shape, other.shape))
    a, b = input.expand(lead), other.expand(lead)
    return roll(a, -1, dim) * roll(b, -2, dim) - roll(a, -2, dim) * roll(b, -1, dim)


@composite(name="cross", out=True)
def top_cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """Cross products along a dimension; the first of size 3 when left out."""
    if dim is None:
        found = [i for i, s in enumerate(input.shape) if s == 3]
        if not found:
            raise RuntimeError(f"[cross] no dimension of {tuple(input.shape)} has size 3")
        dim = found[0]
    return cross(input, other, dim=dim)


LINALG["vander"] = lambda x, *, N=None: vandermonde(x, N, True)  # noqa: N803


def vandermonde(x: Any, n: int | None, increasing: bool) -> Any:
    """Powers 0, 1, ... of each element, a row each."""
    if x.ndim == 0:
        raise RuntimeError("[vander] got a tensor without dimensions, expected at least one")
    n = x.shape[-1] if n is None else n
    if n < 0:
        raise RuntimeError(f"[vander] got N={n}, expected at least 0")
    x = widened(x)
    one = core.ones_like(x)
    powers = [one]
    for _ in range(n - 1):
        powers.append(powers[-1] * x)
    powers = powers[:n]
    if not powers:
        return core.empty((*x.shape, 0), dtype=x.dtype)
    return stack(powers if increasing else powers[::-1], -1)


@composite(method=False)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:  # noqa: N803
    """Vandermonde matrix of a vector: falling powers, or rising ones."""
    if x.ndim != 1:
        raise RuntimeError(f"[vander] got {x.ndim} dimensions, expected a vector")
    return vandermonde(x, N, increasing)


def matrix_diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:  # noqa: N803
    """Diagonals of matrices, as a view."""
    return diagonal(A, offset, dim1, dim2)


LINALG["diagonal"] = matrix_diagonal

# ---- few singular vectors


@composite(method=False)
def svd_lowrank(A: Any, q: int = 6, niter: int = 2, M: Any = None) -> Any:  # noqa: N803
    """The q largest singular values and vectors by random projection; Halko, Martinsson and Tropp, arXiv:0909.4061, algorithm 5.1."""
    a = A if M is None else A - M
    m, n = a.shape[-2:]
    if m < n:
        u, s, v = svd_lowrank(mt(a), q, niter)
        return return_types.svd((v, s, u))
    x = mm(a, FUNCTIONS["randn"](n, min(q, m, n), dtype=a.dtype).expand(*a.shape[:-2], n, min(q, m, n)))
    basis = qr(x)[0]
    for _ in range(niter):
        basis = qr(mm(a, qr(mm(mt(a), basis))[0]))[0]
    u, s, vh = svd(mm(mt(basis), a), full_matrices=False)
    return return_types.svd((mm(basis, u), s, mt(vh)))


@composite(method=False)
def pca_lowrank(A: Any, q: int | None = None, center: bool = True, niter: int = 2) -> Any:  # noqa: N803
    """Principal components by :func:`svd_lowrank`."""
    m, n = A.shape[-2:]
    q = min(6, m, n) if q is None else q
    if not 0 <= q <= min(m, n):
        raise ValueError(f"[pca_lowrank] got q={q} for {m} x {n} matrices")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter)


@composite(method=False)
def lobpcg(A: Any, k: int | None = None, B: Any = None, X: Any = None, n: int | None = None, iK: Any = None,  # noqa: N803
           niter: int | None = None, tol: float | None = None, largest: bool | None = None, method: str | None = None,
           tracker: Any = None, ortho_iparams: Any = None, ortho_fparams: Any = None, ortho_bparams: Any = None) -> Any:  # fmt: skip
    """The k largest or smallest eigenvalues and vectors of a symmetric matrix, by SciPy's LOBPCG; no gradient."""
    import numpy as np
    import scipy.sparse.linalg

    size = A.shape[-1]
    k = (X.shape[-1] if X is not None else 1) if k is None else k
    start = as_array(X) if X is not None else FUNCTIONS["randn"](size, n or k, dtype=A.dtype).numpy()
    w, v = scipy.sparse.linalg.lobpcg(as_array(A), start, B=None if B is None else as_array(B), tol=tol,
                                      M=None if iK is None else as_array(iK), maxiter=niter or 1000,
                                      largest=True if largest is None else largest)  # fmt: skip
    return from_array(np.ascontiguousarray(w[:k]), A.dtype), from_array(np.ascontiguousarray(v[:, :k]), A.dtype)
