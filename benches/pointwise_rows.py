"""Row A7 over the whole pointwise and reduction set: the ops that the registry knows and PyTorch names alike.

Every op forward, the differentiable ones also forward and backward, in three sizes; a few also at ten million elements.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benches.measure import OURS, Row, agree

KEYS = {"A7"}
TORCH = "PyTorch"
SIZES = (1_000, 100_000, 1_000_000)
#: of inputs, where (0.1, 0.9) is no good domain
DOMAIN = {"acosh": (1.1, 3.0)}
#: called with a matrix x (n / 100, 100), another y, a row r (100) and a column c (n / 100, 1)
MATRIX = {
    "add row": "x + r", "add column": "x + c", "mul column": "x * c", "add scalar": "x + 2.5", "sum": "x.sum()", "sum of rows": "x.sum(1)",
    "sum of columns": "x.sum(0)", "mean": "x.mean()", "mean of rows": "x.mean(1)", "mean of columns": "x.mean(0)",
    "amax of rows": "x.amax(1)", "amax of columns": "x.amax(0)", "amin": "x.amin()", "prod of rows": "x.prod(1)", "var": "x.var()",
    "var of rows": "x.var(1)", "std of columns": "x.std(0)", "norm": "x.norm()", "norm of rows": "x.norm(dim=1)",
    "logsumexp of rows": "L.logsumexp(x, 1)", "logsumexp of columns": "L.logsumexp(x, 0)", "softmax of rows": "F.softmax(x, 1)",
    "softmax of columns": "F.softmax(x, 0)", "log_softmax of rows": "F.log_softmax(x, 1)", "max of rows": "x.max(1)[0]",
    "min of columns": "x.min(0)[0]", "cumsum of rows": "x.cumsum(1)", "cumsum of columns": "x.cumsum(0)", "cumprod of rows": "x.cumprod(1)",
    "where": "L.where(m, x, y)", "clamp": "x.clamp(0.2, 0.7)", "lerp": "L.lerp(x, y, 0.3)", "addcmul": "L.addcmul(x, y, y)",
    "addcdiv": "L.addcdiv(x, y, y)", "pow 3": "x ** 3", "pow 1.7": "x ** 1.7", "flip": "x.flip(1)", "roll": "x.roll(1, 0)",
    "repeat": "x.repeat(1, 2)", "tril": "x.tril()", "cat": "L.cat([x, y])", "transposed copy": "x.t().contiguous()",
    "mse_loss": "F.mse_loss(x, y)", "l1_loss": "F.l1_loss(x, y)", "smooth_l1_loss": "F.smooth_l1_loss(x, y)",
    "bce": "F.binary_cross_entropy(x, y.detach())", "bce with logits": "F.binary_cross_entropy_with_logits(x, y)",
    "cross_entropy": "F.cross_entropy(x, t)", "nan_to_num": "L.nan_to_num(x)",
    "abs": "x.abs()", "round": "x.round()",
}  # fmt: skip
#: likewise, without a gradient
COUNTS = {
    "argmax of rows": "x.argmax(1)", "argmin of columns": "x.argmin(0)", "any of rows": "(x > 2).any(1)", "all": "(x > 0).all()",
    "count_nonzero": "L.count_nonzero(x)", "sort of rows": "x.sort(1)[0]", "topk of rows": "x.topk(5, 1)[0]",
    "median of rows": "x.median(1)[0]",
    "histc": "x.histc(64, 0, 1)", "bincount": "L.bincount(t)", "unique": "L.unique(t)", "searchsorted": "L.searchsorted(r.sort()[0], x)",
    "isnan": "x.isnan()", "logical_and": "L.logical_and(m, m)", "int add": "k + k", "int sum": "k.sum(1)",
}  # fmt: skip
FLAT = {"floor", "ceil", "round", "trunc", "sign", "copysign", "floor_divide"}  # whose gradient is 0, or none
LARGE = {"add", "mul", "exp", "tanh", "gelu", "relu", "sum", "sum of columns", "softmax of rows", "cross_entropy", "add row"}


def library(name: str) -> Any:
    """The tensor library behind a side."""
    if name == OURS:
        import corten

        return corten
    import torch

    return torch


def both(*args: Any) -> dict[str, Any]:
    """Both sides of a workload."""
    return {name: functools.partial(side, name, *args) for name in (OURS, TORCH)}


def side(name: str, call: str, low: float, high: float, size: int, backward: bool, count: int) -> Callable[[], Any]:
    """The call, ``count`` times, with the backward pass of a fixed gradient."""
    lib, rng = library(name), np.random.default_rng(0)
    rows = size // 100

    def real(*shape: int) -> Any:
        return lib.from_numpy(rng.uniform(low, high, shape).astype(np.float32))

    x, y, r, c = real(rows, 100), real(rows, 100), real(100), real(rows, 1)
    space = {"L": lib, "F": lib.nn.functional, "x": x, "y": y, "r": r, "c": c, "m": x > y,
             "t": lib.from_numpy(rng.integers(0, 100, rows)), "k": lib.from_numpy(rng.integers(0, 100, (rows, 100)))}  # fmt: skip
    leaves = [v for n, v in (("x", x), ("y", y), ("r", r), ("c", c)) if backward and uses(call, n)]
    for leaf in leaves:
        leaf.requires_grad_()
    call_it = eval("lambda: " + call, space)
    g = real(*call_it().shape) if backward else None

    def run() -> Any:
        for _ in range(count):
            out = call_it()
            if backward:
                for leaf in leaves:
                    leaf.grad = None
                out.backward(g)
        return [leaf.grad for leaf in leaves] if backward else out

    return run


def uses(call: str, name: str) -> bool:
    """Whether a call reads a variable and PyTorch differentiates for it."""
    bare = call.replace(f"{name}.detach()", "")
    return any(bare[i] == name and not (bare[i - 1 : i].isalnum() or bare[i - 1 : i] in "._" and i) and not bare[i + 1 : i + 2].isalnum()
               and bare[i + 1 : i + 2] != "_" for i in range(len(bare)))  # fmt: skip


def named() -> Iterator[tuple[str, str, bool]]:
    """Ops of one or two tensors without attributes, by PyTorch's name, and activations; whether they are differentiable."""
    import torch

    import corten
    from corten.ops.activation import ACTIVATIONS
    from corten.ops.declare import FUNCTIONS

    seen = set()
    for name, o in sorted(FUNCTIONS.items()):
        if not getattr(o, "has_kernel", ()) or o.attrs or name.endswith("_") or o.name in seen or not hasattr(torch, name):
            continue
        if o.inputs not in (("input",), ("input", "other")) or name.startswith("bitwise"):
            continue
        seen.add(o.name)
        name = o.name if hasattr(torch, o.name) else name
        yield name, f"L.{name}({'x' if len(o.inputs) == 1 else 'x, y'})", o.is_differentiable and name not in FLAT
    for name in ("add", "sub", "div"):
        yield name, f"L.{name}(x, y)", True
    for name in sorted(ACTIVATIONS):
        if name not in seen and hasattr(torch.nn.functional, name) and hasattr(corten.nn.functional, name) and name != "threshold":
            yield name, f"F.{name}(x)", True


def rows() -> Iterator[Row]:
    table = [*named(), *((n, c, True) for n, c in MATRIX.items()), *((n, c, False) for n, c in COUNTS.items())]
    for size in (*SIZES, 10_000_000):
        for name, call, differentiable in table:
            if size > SIZES[-1] and name not in LARGE:
                continue
            low, high = DOMAIN.get(name, (0.1, 0.9))
            count = max(1, 10_000 // size)
            for backward in (False, True) if differentiable else (False,):
                title = f"{name}{' forward and backward' if backward else ''}, {size:.0e}"
                yield Row("A7", title, both(call, low, high, size, backward, count),
                          check=agree(1e-3, 1e-4 if "cum" not in name and "sum" not in name else 1e-6 * size), calls=count, pairs=5,
                          seconds=0.008 if size <= SIZES[-1] else 0.02)  # fmt: skip
