"""Matrix products."""

from __future__ import annotations

from typing import Any

from corten._core import core
from corten.ops.declare import function, op
from corten.ops.view import transpose, unsqueeze, view_op

matmul_op = op(
    "matmul_op(input, other) -> out", shape="matmul", kernel="matmul", function=False,
    vjp=(lambda g, other: matmul_op(g, transpose(other, -2, -1)), lambda g, input: matmul_op(transpose(input, -2, -1), g)),
    reference=lambda xp, input, other: xp.matmul(input, other),
    doc="Matrix product of (..., M, K) and (..., K, N), batch dimensions broadcast.",
)  # fmt: skip

linear_grad = op(
    "linear_grad(g, input) -> d_weight, d_bias", function=False, kernel="linear_grad",
    shape=lambda g, x: ((g[-1], x[-1]), (g[-1],)),
    doc="Gradient of linear for its weight, (O, I), and its bias, (O), from g (..., O) and x (..., I).",
)  # fmt: skip
linear_grad_input = op(
    "linear_grad_input(g, weight) -> d_input", function=False, kernel="linear_grad_input",
    shape=lambda g, w: (*g[:-1], w[1]), doc="Gradient of linear for its input, (..., I), from g (..., O) and W (O, I).",
)  # fmt: skip


def _linear_vjp(g: Any, input: Any, weight: Any, needs: Any) -> Any:
    dx = matmul(g, weight) if needs[0] else None
    flat_g, flat_x = g.reshape(-1, g.shape[-1]), input.reshape(-1, input.shape[-1])
    dw = matmul_op(transpose(flat_g, 0, 1), flat_x) if needs[1] else None
    return dx, dw, flat_g.sum(0) if needs[2] else None


linear_op = op(
    "linear(input, weight, bias: Tensor?) -> out", shape="linear", kernel="linear", function=False, sums_down=False,
    vjp=_linear_vjp, vjp_fused=(linear_grad_input, linear_grad),
    reference=lambda xp, input, weight, bias: input @ weight.T + (0 if bias is None else bias),
    doc="Affine map :math:`x W^T + b`.",
)  # fmt: skip


def _through_activation(g: Any, out: Any, activation: int) -> Any:
    """The gradient before a fused activation, from its output: 1 relu, 2 tanh, 3 sigmoid."""
    from corten.ops import activation as act

    return (act.relu_grad, act.tanh_grad, act.sigmoid_grad)[activation - 1](g, out)


def _linear_activated_vjp(g: Any, input: Any, weight: Any, out: Any, activation: int, needs: Any) -> Any:
    slope = (out > 0).to(g.dtype) if activation == 1 else 1 - out * out if activation == 2 else out * (1 - out)
    return _linear_vjp(g * slope, input, weight, needs)


def _linear_activated_fused(g: Any, input: Any, weight: Any, out: Any, activation: int, needs: Any) -> Any:
    g = _through_activation(g, out, activation)
    dw, db = linear_grad(g, input) if needs[1] or needs[2] else (None, None)
    return linear_grad_input(g, weight) if needs[0] else None, dw, db


linear_activated = op(
    "linear_activated(input, weight, bias: Tensor?, *, activation: int) -> out", shape="linear", kernel="linear_activated",
    function=False, sums_down=False, vjp=_linear_activated_vjp, vjp_fused=_linear_activated_fused,
    reference=lambda xp, input, weight, bias, activation: (
        lambda v: xp.maximum(v, 0), xp.tanh, lambda v: 1 / (1 + xp.exp(-v)))[activation - 1](
            input @ weight.T + (0 if bias is None else bias)),
    doc="Affine map :math:`x W^T + b`, then an activation (1 relu, 2 tanh, 3 sigmoid), in one pass.",
)  # fmt: skip


def _exact(a: Any, b: Any) -> Any:
    import numpy as np

    return core.from_numpy(np.asarray(a.detach().numpy() @ b.detach().numpy()))


exact_matmul = op(
    "exact_matmul(input, other) -> out", impl=_exact, function=False, sums_down=True,
    meta=lambda a, b: core.empty(tuple(matmul_op(core.empty(a.shape, device="meta"), core.empty(b.shape, device="meta")).shape),
                                 dtype=a.dtype, device="meta"),
    vjp=(lambda g, other: exact_matmul(g, transpose(other, -2, -1).conj()),
         lambda g, input: exact_matmul(transpose(input, -2, -1).conj(), g)),
    doc="Matrix product of integers or complex numbers, by NumPy.",
)  # fmt: skip
core.REGISTRY["matmul_op_complex"] = exact_matmul  # what a product of matrices is for complex ones


@function(method=True)
def matmul(input: Any, other: Any) -> Any:
    """Matrix product; vectors stand for rows on the left and columns on the right, batch dimensions broadcast.

    Parameters
    ----------
    input : Tensor, shape (..., M, K) or (K,)
    other : Tensor, shape (..., K, N) or (K,)

    Examples
    --------
    >>> import corten
    >>> corten.matmul(corten.ones(2, 3), corten.ones(3, 4)).shape
    corten.Size([2, 4])
    """
    n, m = input.ndim, other.ndim
    if input.dtype is not other.dtype:
        raise RuntimeError(f"[matmul] got dtypes {input.dtype} and {other.dtype}, expected the same")
    product = matmul_op if input.is_floating_point() else exact_matmul
    if n >= 2 and m >= 2:
        return product(input, other)
    if n == 0 or m == 0:
        raise RuntimeError(f"[matmul] got {n}-d and {m}-d tensors, expected at least 1-d ones")
    if input.shape[-1] != other.shape[0 if m == 1 else -2]:
        raise RuntimeError(f"[matmul] {tuple(input.shape)} @ {tuple(other.shape)}: inner dimensions {input.shape[-1]} and "
                           f"{other.shape[0 if m == 1 else -2]} differ")  # fmt: skip
    out = product(unsqueeze(input, 0) if n == 1 else input, unsqueeze(other, 1) if m == 1 else other)
    shape = tuple(out.shape)
    if m == 1:
        shape = shape[:-1]
    if n == 1:
        shape = shape[:-2] + shape[-1:] if m != 1 else shape[:-1]
    return view_op(out, shape)


@function(method=True)
def mm(input: Any, mat2: Any) -> Any:
    """Product of two matrices."""
    if input.ndim != 2 or mat2.ndim != 2:
        raise RuntimeError(f"[mm] got {input.ndim}-d and {mat2.ndim}-d tensors, expected matrices")
    return matmul(input, mat2)


@function(method=True)
def bmm(input: Any, mat2: Any) -> Any:
    """Products of two batches of matrices, (B, M, K) and (B, K, N)."""
    if input.ndim != 3 or mat2.ndim != 3 or input.shape[0] != mat2.shape[0]:
        raise RuntimeError(f"[bmm] got {tuple(input.shape)} and {tuple(mat2.shape)}, expected (B, M, K) and (B, K, N)")
    return matmul(input, mat2)


@function(method=True)
def mv(input: Any, vec: Any) -> Any:
    """Product of a matrix and a vector."""
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"[mv] got {input.ndim}-d and {vec.ndim}-d tensors, expected a matrix and a vector")
    return matmul(input, vec)


@function(method=True)
def dot(input: Any, tensor: Any) -> Any:
    """Inner product of two vectors."""
    if input.ndim != 1 or tensor.ndim != 1 or input.shape != tensor.shape:
        raise RuntimeError(f"[dot] got {tuple(input.shape)} and {tuple(tensor.shape)}, expected vectors of one length")
    return matmul(input, tensor)
