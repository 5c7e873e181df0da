"""Ranges and random tensors."""

from __future__ import annotations

import math
from typing import Any

from corten._core import core
from corten.ops.declare import function


@function
def arange(start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None,
           requires_grad: bool = False, layout: Any = None, pin_memory: bool = False) -> Any:  # fmt: skip
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
    return core.tensor(values, dtype=dtype, device=device, requires_grad=requires_grad)


@function
def linspace(start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False) -> Any:  # fmt: skip
    """``steps`` numbers from ``start`` to ``end``, both included, evenly spaced."""
    import numpy as np

    start, end = (v.item() if hasattr(v, "item") else v for v in (start, end))
    return core.tensor(np.linspace(start, end, steps), dtype=dtype or core.get_default_dtype(), device=device,
                       requires_grad=requires_grad)  # fmt: skip


@function
def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """A matrix with ones on the diagonal."""
    out = core.zeros(n, n if m is None else m, dtype=dtype, device=device)
    if not out.is_meta:
        core._fill(core._diagonal(out), 1)
    return out.requires_grad_(requires_grad)
