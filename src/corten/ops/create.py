"""Ranges and random tensors."""

from __future__ import annotations

import builtins
import math
from typing import Any

from corten._core import core
from corten.ops.declare import function


@function
def arange(start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None,
           requires_grad: bool = False, layout: Any = None, pin_memory: bool = False, out: Any = None) -> Any:  # fmt: skip
    """Numbers from ``start`` (included) to ``end`` (not included), ``step`` apart; integers when all three are.

    Examples
    --------
    >>> import corten
    >>> corten.arange(1, 6, 2)
    tensor([1, 3, 5])
    """
    import numpy as np

    if end is None:
        start, end = 0, start
    start, end, step = (v.item() if hasattr(v, "item") else v for v in (start, end, step))
    if step == 0 or (end - start) * step < 0:
        raise RuntimeError(f"[arange] got start {start}, end {end}, step {step}: they never meet")
    if dtype is None:
        whole = all(isinstance(v, int) for v in (start, end, step))
        dtype = core._dtype_by_name("int64") if whole else core.get_default_dtype()
    n = max(math.ceil((end - start) / step), 0)
    values = start + np.arange(n, dtype=np.int64 if isinstance(start, int) and isinstance(step, int) else float) * step
    return into(out, core.tensor(values, dtype=dtype, device=device), requires_grad)


@function
def linspace(start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False, layout: Any = None, out: Any = None) -> Any:  # fmt: skip
    """``steps`` numbers from ``start`` to ``end``, both included, evenly spaced."""
    import numpy as np

    start, end = (v.item() if hasattr(v, "item") else v for v in (start, end))
    return into(out, core.tensor(np.linspace(start, end, steps), dtype=dtype or core.get_default_dtype(), device=device), requires_grad)


@function
def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, layout: Any = None,
        out: Any = None) -> Any:  # fmt: skip
    """A matrix with ones on the diagonal."""
    if n < 0 or (m is not None and m < 0):
        raise RuntimeError(f"[eye] got {n} x {m}, expected sizes from 0")
    made = core.zeros(n, n if m is None else m, dtype=dtype, device=device)
    if not made.is_meta:
        core._fill(core._diagonal(made), 1)
    return into(out, made, requires_grad)


@function
def logspace(start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False, layout: Any = None, out: Any = None) -> Any:  # fmt: skip
    """``steps`` powers of ``base``, of evenly spaced exponents from ``start`` to ``end``."""
    import numpy as np

    if steps < 0:
        raise RuntimeError(f"[logspace] got {steps} steps, expected at least 0")
    start, end = (v.item() if hasattr(v, "item") else v for v in (start, end))
    made = core.tensor(np.power(float(base), np.linspace(start, end, steps)), dtype=dtype or core.get_default_dtype(), device=device)
    return into(out, made, requires_grad)


@function
def range(start: Any = 0, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
          layout: Any = None, out: Any = None) -> Any:  # fmt: skip
    """Numbers from ``start`` to ``end``, both included, ``step`` apart; deprecated in favour of :func:`arange`."""
    if end is None:
        start, end = 0, start
    n = math.floor((end - start) / step) + 1
    import numpy as np

    return into(out, core.tensor(start + np.arange(n) * step, dtype=dtype or core.get_default_dtype(), device=device), requires_grad)


def into(out: Any, made: Any, requires_grad: bool) -> Any:
    """Into ``out=`` when it is given."""
    if out is not None:
        from corten.ops.composite import write_out

        return write_out("create", out, made)
    return made.requires_grad_(True) if requires_grad else made


@function
def scalar_tensor(s: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
                  pin_memory: bool = False) -> Any:  # fmt: skip
    """A number as a tensor without dimensions, of the default dtype."""
    return core.tensor(s, dtype=dtype or core.get_default_dtype(), device=device, requires_grad=requires_grad)


@function
def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False) -> Any:
    """An array, tensor, buffer or sequence as a tensor, sharing memory unless ``copy`` says otherwise."""
    if copy:
        made = core.tensor(obj.detach() if hasattr(obj, "detach") else obj, dtype=dtype, device=device)
    else:
        made = core.as_tensor(obj, dtype=dtype, device=device)
        if copy is False and not hasattr(obj, "__array__") and not hasattr(obj, "__dlpack__"):
            raise ValueError("[asarray] copy=False: this object cannot be a tensor without a copy")
    return made.requires_grad_(True) if requires_grad else made


@function
def empty_strided(size: Any, stride: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
                  requires_grad: bool = False, pin_memory: bool = False) -> Any:  # fmt: skip
    """A tensor of undefined values with given strides."""
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride):
        raise RuntimeError(f"[empty_strided] got {len(size)} sizes and {len(stride)} strides")
    n = 0 if 0 in size else 1 + sum((s - 1) * t for s, t in zip(size, stride, strict=True))
    return core._as_strided(core.empty(n, dtype=dtype, device=device), size, stride, 0).requires_grad_(requires_grad)


@function
def empty_permuted(size: Any, physical_layout: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
                   requires_grad: bool = False, pin_memory: bool = False) -> Any:  # fmt: skip
    """A tensor of undefined values whose memory has the dimensions in another order."""
    size, order = tuple(size), tuple(physical_layout)
    back = tuple(sorted(builtins.range(len(order)), key=order.__getitem__))
    made = core._permute(core.empty([size[d] for d in order], dtype=dtype, device=device), back)
    return made.requires_grad_(requires_grad)


def triangle_indices(name: str) -> None:
    def run(row: int, col: int | None = None, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None) -> Any:
        import numpy as np

        if row < 0 or (col is not None and col < 0):
            raise RuntimeError(f"[{name}] got {row} x {col}, expected sizes from 0")
        made = getattr(np, name)(row, offset, row if col is None else col)
        return core.tensor(np.stack(made), dtype=dtype or core._dtype_by_name("int64"), device=device)

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"Rows and columns of the {'lower' if name[2] == 'i' and name[3] == 'l' else 'upper'} triangle of a matrix, (2, n)."
    function(run)


triangle_indices("tril_indices")
triangle_indices("triu_indices")
