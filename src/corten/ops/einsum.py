"""Products of several tensors: einsum, tensordot, kron, and the sums that add a product."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from corten.ops.composite import composite, is_tensor
from corten.ops.matmul import dot, matmul, mm
from corten.ops.reduce import sum_op
from corten.ops.view import core_wrap, diagonal, permute_op, reshape, transpose, unsqueeze

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def parse(equation: str, tensors: Sequence[Any]) -> tuple[list[list[str]], list[str]]:
    """Labels of each operand and of the output; the dimensions of an ellipsis are labelled ``.0``, ``.1`` from the right."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(tensors):
        raise RuntimeError(f"[einsum] {equation!r} names {len(terms)} operands, got {len(tensors)}")
    labels, most = [], 0
    for term, x in zip(terms, tensors, strict=True):
        before, dots, after = term.partition("...")
        if any(c not in LETTERS for c in before + after):
            raise RuntimeError(f"[einsum] {term!r} in {equation!r}: expected letters and at most one '...'")
        spare = x.ndim - len(before) - len(after)
        if spare < 0 or (spare and not dots):
            raise RuntimeError(f"[einsum] {term!r} in {equation!r} does not fit a tensor of {x.ndim} dimensions")
        labels.append([*before, *(f".{i}" for i in range(spare - 1, -1, -1)), *after])
        most = max(most, spare)
    rest = [f".{i}" for i in range(most - 1, -1, -1)]
    if arrow:
        before, dots, after = right.partition("...")
        out = [*before, *(rest if dots else []), *after]
    else:
        names = [c for ls in labels for c in ls if not c.startswith(".")]
        out = [*rest, *sorted({c for c in names if names.count(c) == 1})]
    known = {c for ls in labels for c in ls}
    if any(c not in known for c in out) or len(set(out)) != len(out):
        raise RuntimeError(f"[einsum] the output of {equation!r} repeats a label or names one that no operand has")
    return labels, out


def without_repeats(x: Any, labels: list[str]) -> tuple[Any, list[str]]:
    """Diagonals of dimensions with the same label."""
    for c in dict.fromkeys(labels):
        while labels.count(c) > 1:
            i = labels.index(c)
            j = labels.index(c, i + 1)
            if x.shape[i] != x.shape[j]:
                raise RuntimeError(f"[einsum] label {c!r} stands for sizes {x.shape[i]} and {x.shape[j]}")
            x = diagonal(x, 0, i, j)
            labels = [k for n, k in enumerate(labels) if n not in (i, j)] + [c]
    return x, labels


def summed(x: Any, labels: list[str], keep: Any) -> tuple[Any, list[str]]:
    """Sums over the labels that nothing needs any more."""
    gone = tuple(i for i, c in enumerate(labels) if c not in keep)
    return (sum_op(x, gone), [c for c in labels if c in keep]) if gone else (x, labels)


def arranged(x: Any, labels: list[str], order: Sequence[str]) -> Any:
    """The dimensions in an order of labels; labels that it lacks become dimensions of size 1."""
    have = [c for c in order if c in labels]
    at = [labels.index(c) for c in have]
    x = x if at == list(range(x.ndim)) else permute_op(x, tuple(at))
    for i, c in enumerate(order):
        if c not in labels:
            x = unsqueeze(x, i)
    return x


def contract(a: Any, la: list[str], b: Any, lb: list[str], keep: set[str]) -> tuple[Any, list[str]]:
    """One product of two operands, as a batched matrix product over the labels that both have."""
    a, la = summed(a, la, keep | set(lb))
    b, lb = summed(b, lb, keep | set(la))
    size: dict[str, int] = {}
    for x, ls in ((a, la), (b, lb)):
        for c, s in zip(ls, x.shape, strict=True):
            if size.get(c, 1) != 1 and s not in (1, size[c]):
                raise RuntimeError(f"[einsum] label {c!r} stands for sizes {size[c]} and {s}")
            size[c] = max(size.get(c, 1), s) if s else 0
    both = [c for c in la if c in lb]
    inner = [c for c in both if c not in keep]
    if not inner:
        order = la + [c for c in lb if c not in la]
        return arranged(a, la, order) * arranged(b, lb, order), order
    stretched = [c for c in inner if a.shape[la.index(c)] != b.shape[lb.index(c)]]
    if stretched:  # a size 1 against another: sum the longer one first
        a, la = summed(a, la, set(la) - {c for c in stretched if b.shape[lb.index(c)] == 1})
        b, lb = summed(b, lb, set(lb) - {c for c in stretched if c in la and a.shape[la.index(c)] == 1})
        a = sum_op(a, tuple(la.index(c) for c in stretched if c in la)) if any(c in la for c in stretched) else a
        la = [c for c in la if c not in stretched]
        b = sum_op(b, tuple(lb.index(c) for c in stretched if c in lb)) if any(c in lb for c in stretched) else b
        lb = [c for c in lb if c not in stretched]
        return contract(a, la, b, lb, keep)
    batch = [c for c in both if c in keep]
    rows, columns = [c for c in la if c not in lb], [c for c in lb if c not in la]
    x, y = arranged(a, la, batch + rows + inner), arranged(b, lb, batch + inner + columns)
    lead = len(batch)
    m, k, n = (math.prod(size[c] for c in g) for g in (rows, inner, columns))
    x, y = reshape(x, (*x.shape[:lead], m, k)), reshape(y, (*y.shape[:lead], k, n))
    out = matmul(x, y)
    shape = (*out.shape[:lead], *(size[c] for c in rows), *(size[c] for c in columns))
    return reshape(out, shape), batch + rows + columns


@composite(method=False)
def einsum(equation: Any, *operands: Any) -> Any:
    """Sums of products, by labels of dimensions: Einstein's convention.

    Two operands at a time, from the left, as (batched) matrix products.

    Parameters
    ----------
    equation : str
        ``'ij,jk->ik'``; without ``->`` the labels that occur once, sorted. ``...`` stands for the dimensions that are
        left over, which broadcast. Or operands and lists of int labels in turn.

    Examples
    --------
    >>> import corten
    >>> corten.einsum("ij,jk->ik", corten.ones(2, 3), corten.ones(3, 4)).shape
    corten.Size([2, 4])
    """
    if not isinstance(equation, str):
        equation, operands = from_lists((equation, *operands))
    tensors = list(operands[0] if len(operands) == 1 and isinstance(operands[0], (tuple, list)) else operands)
    if not tensors:
        raise ValueError("[einsum] expected at least one operand")
    labels, out = parse(equation, tensors)
    a, la = without_repeats(tensors[0], labels[0])
    for i in range(1, len(tensors)):
        b, lb = without_repeats(tensors[i], labels[i])
        later = {c for ls in labels[i + 1 :] for c in ls}
        a, la = contract(a, la, b, lb, set(out) | later)
    a, la = summed(a, la, set(out))
    return arranged(a, la, out)


def from_lists(parts: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """The equation of operands and lists of labels in turn."""

    def text(labels: Any) -> str:
        return "".join("..." if c is Ellipsis else LETTERS[int(c)] for c in labels)

    pairs, out = (parts[:-1], parts[-1]) if len(parts) % 2 else (parts, None)
    equation = ",".join(text(ls) for ls in pairs[1::2]) + ("" if out is None else "->" + text(out))
    return equation, tuple(pairs[::2])


@composite(method=False, out=True)
def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Sum of products over dimensions: the last ``dims`` of a and the first of b, or two lists of them."""
    if is_tensor(dims):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"[tensordot] got dims={dims}, expected at least 0")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"[tensordot] got dims={dims} for {a.ndim} and {b.ndim} dimensions")
        da, db = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        da, db = ([d] if isinstance(d, int) else list(d) for d in dims)
        da, db = [core_wrap(d, a.ndim, "tensordot") for d in da], [core_wrap(d, b.ndim, "tensordot") for d in db]
    if len(da) != len(db):
        raise RuntimeError(f"[tensordot] got {len(da)} and {len(db)} dimensions, expected as many")
    for i, j in zip(da, db, strict=True):
        if a.shape[i] != b.shape[j] and 1 not in (a.shape[i], b.shape[j]):
            raise RuntimeError(
                f"[tensordot] dimension {i} of size {a.shape[i]} does not fit dimension {j} of size {b.shape[j]}"
            )
        if a.shape[i] != b.shape[j]:
            a = sum_op(a, i, True) if b.shape[j] == 1 else a
            b = sum_op(b, j, True) if a.shape[i] == 1 else b
    fa, fb = [d for d in range(a.ndim) if d not in da], [d for d in range(b.ndim) if d not in db]
    k = math.prod(a.shape[d] for d in da)
    rows, columns = [a.shape[d] for d in fa], [b.shape[d] for d in fb]
    x = reshape(permute_op(a, (*fa, *da)), (math.prod(rows), k))
    y = reshape(permute_op(b, (*db, *fb)), (k, math.prod(columns)))
    return reshape(matmul(x, y), (*rows, *columns))


@composite(out=True)
def kron(input: Any, other: Any) -> Any:
    """Kronecker product: every element of the first times the whole second tensor."""
    n = max(input.ndim, other.ndim)
    a, b = ((1,) * (n - x.ndim) + tuple(x.shape) for x in (input, other))
    x = reshape(input, tuple(s for p in a for s in (p, 1)))
    y = reshape(other, tuple(s for p in b for s in (1, p)))
    return reshape(x * y, tuple(p * q for p, q in zip(a, b, strict=True)))


@composite(out=True)
def inner(input: Any, other: Any) -> Any:
    """Sums of products over the last dimensions."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(f"[inner] got {tuple(input.shape)} and {tuple(other.shape)}, expected the same last size")
    return tensordot(input, other, ([-1], [-1]))


@composite(out=True)
def vdot(input: Any, other: Any) -> Any:
    """Inner product of two vectors, the first conjugated."""
    return dot(input.conj() if input.is_complex() else input, other)


@composite(out=True, alias=("ger",))
def outer(input: Any, vec2: Any) -> Any:
    """Outer product of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"[outer] got {input.ndim} and {vec2.ndim} dimensions, expected vectors")
    return unsqueeze(input, 1) * unsqueeze(vec2, 0)


@composite(method=False)
def chain_matmul(*matrices: Any) -> Any:
    """Product of several matrices, in the cheapest order."""
    from corten.ops.matrix import multi_dot

    items = matrices[0] if len(matrices) == 1 and isinstance(matrices[0], (tuple, list)) else matrices
    return items[0] if len(items) == 1 else multi_dot(items)


# ---- a product added


def added(name: str, product: Any, doc: str, inputs: tuple[str, str]) -> None:
    """:math:`\\beta C + \\alpha P`, as a function and in place."""
    first, second = inputs
    source = (f"def {name}(input, {first}, {second}, *, beta=1, alpha=1):\n"
              f"    return weighted({name!r}, input, product({first}, {second}), beta, alpha)")  # fmt: skip
    space = {"product": product, "weighted": weighted}
    exec(source, space)  # the parameters have PyTorch's names
    run = space[name]
    run.__doc__ = f"{doc}: :math:`\\beta C + \\alpha P`; C is ignored (also its NaN) when beta is 0."
    composite(run, inplace=True, out=True)


def weighted(name: str, input: Any, product: Any, beta: float, alpha: float) -> Any:
    """beta input + alpha product, in the dtype of both."""
    if product.dtype is not input.dtype:
        raise RuntimeError(f"[{name}] got dtypes {input.dtype} and {product.dtype}, expected the same")
    whole = not product.is_floating_point() and not product.is_complex()
    if whole and (isinstance(alpha, float) or isinstance(beta, float)):
        raise RuntimeError(f"[{name}] alpha and beta must be integers for tensors of integers")
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        input.expand(product.shape)
        return product
    made = product + (input if beta == 1 else input * beta)
    if made.shape != product.shape:
        raise RuntimeError(f"[{name}] {tuple(input.shape)} does not broadcast to {tuple(product.shape)}")
    return made


def batch_product(name: str) -> Any:
    def run(a: Any, b: Any) -> Any:
        if a.ndim != 3 or b.ndim != 3 or a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
            raise RuntimeError(f"[{name}] got {tuple(a.shape)} and {tuple(b.shape)}, expected (B, M, K) and (B, K, N)")
        return matmul(a, b)

    return run


def matrix_vector(a: Any, b: Any) -> Any:
    """(M, K) times (K)."""
    if a.ndim != 2 or b.ndim != 1:
        raise RuntimeError(f"[addmv] got {tuple(a.shape)} and {tuple(b.shape)}, expected a matrix and a vector")
    return matmul(a, b)


def batch_sum(a: Any, b: Any) -> Any:
    """Sum over the batch of products: one long product."""
    if a.ndim != 3 or b.ndim != 3 or a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise RuntimeError(f"[addbmm] got {tuple(a.shape)} and {tuple(b.shape)}, expected (B, M, K) and (B, K, N)")
    n, m, k = a.shape
    return matmul(reshape(transpose(a, 0, 1), (m, n * k)), reshape(b, (n * k, b.shape[2])))


added("addmm", mm, "Matrix product added", ("mat1", "mat2"))
added("addmv", matrix_vector, "Product of a matrix and a vector added", ("mat", "vec"))
added("addr", outer, "Outer product added", ("vec1", "vec2"))
added("baddbmm", batch_product("baddbmm"), "Products of batches of matrices added", ("batch1", "batch2"))
added("addbmm", batch_sum, "Sum of the products of batches of matrices added", ("batch1", "batch2"))


@composite(method=False)
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """:math:`y_k = x_1^T W_k x_2 + b_k` for (..., I), (..., J), (K, I, J) and (K)."""
    out = einsum("...i,kij,...j->...k", input1, weight, input2)
    return out if bias is None else out + bias
