"""Functions made of ops: how they are published, with their methods, in-place forms and ``out=``."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from corten._core import core
from corten.ops.declare import FUNCTIONS
from corten.tensor import Tensor

BOOL, INT64, INT32 = (core._dtype_by_name(n) for n in ("bool", "int64", "int32"))
FLOAT32, FLOAT64 = (core._dtype_by_name(n) for n in ("float32", "float64"))


def write_out(name: str, out: Any, made: Any) -> Any:
    """A result put into ``out=``, which takes its shape; the dtype must be able to hold it."""
    if isinstance(made, tuple):
        if not isinstance(out, (tuple, list)) or len(out) != len(made):
            raise TypeError(f"[{name}] got {type(out).__name__} for out=, expected {len(made)} tensors")
        pairs = zip(out, made, strict=True)
        kept = tuple(write_out(name, o, m) for o, m in pairs)
        return type(made)(kept) if hasattr(made, "_fields") else kept
    if not isinstance(out, core.TensorBase):
        raise TypeError(f"[{name}] got {type(out).__name__} for out=, expected a tensor")
    if not core.can_cast(made.dtype, out.dtype):
        raise RuntimeError(f"[{name}] result type {made.dtype} cannot be cast to the dtype {out.dtype} of out=")
    if made.requires_grad or out.requires_grad:
        raise RuntimeError(f"[{name}] out= does not record gradients; expected tensors that require none")
    if out.shape != made.shape:
        if out.numel():
            warnings.warn(f"[{name}] out= of shape {tuple(out.shape)} was resized to {tuple(made.shape)}", stacklevel=3)
        out.data = core.empty(tuple(made.shape), dtype=out.dtype)
    core._copy_into(out, made.detach())
    return out


core.REGISTRY["write_out"] = write_out  # what ops do with out=


def with_out(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function with an ``out=`` keyword."""

    @functools.wraps(fn)
    def run(*args: Any, out: Any = None, **kw: Any) -> Any:
        made = fn(*args, **kw)
        return made if out is None else write_out(name, out, made)

    return run


def of_tensors(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function with a TypeError for a first argument that is no tensor."""

    @functools.wraps(fn)
    def run(*args: Any, **kw: Any) -> Any:
        try:
            return fn(*args, **kw)
        except AttributeError:
            first = args[0] if args else next(iter(kw.values()), None)
            if isinstance(first, (core.TensorBase, list, tuple)):
                raise
            raise TypeError(f"[{name}] got {type(first).__name__}, expected a tensor") from None

    return run


def in_place(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The method ``name_``, which writes the function's result into its tensor."""

    def run(self: Any, *args: Any, **kw: Any) -> Any:
        source = self.clone() if self.requires_grad and core.is_grad_enabled() else self
        made = fn(source, *args, **kw)
        if made.shape != self.shape:
            raise RuntimeError(
                f"[{name}_] the result has shape {tuple(made.shape)}, which does not fit into {tuple(self.shape)}"
            )
        if not core.can_cast(made.dtype, self.dtype):
            raise RuntimeError(f"[{name}_] the result type {made.dtype} cannot be cast to {self.dtype}")
        return self.copy_(made)

    run.__name__ = run.__qualname__ = name + "_"
    run.__doc__ = f"In-place version of :func:`corten.{name}`."
    run.__wrapped__ = fn  # type: ignore[attr-defined]  # whose parameters it has
    return run


def composite(
    fn: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    method: bool = True,
    function: bool = True,
    inplace: bool = False,
    alias: Sequence[str] = (),
    out: bool = False,
) -> Any:
    """Publish a function of ops as ``corten.NAME``, as a Tensor method, as ``NAME_`` in place, and under other names.

    ``out`` adds the keyword ``out=`` to the function.
    """

    def publish(f: Callable[..., Any]) -> Callable[..., Any]:
        label = name or f.__name__
        checked = of_tensors(f, label) if method else f
        public = with_out(checked, label) if out and "out" not in f.__code__.co_varnames else checked
        twin = in_place(f, label) if inplace else None
        for n in (label, *alias):
            if function:
                FUNCTIONS[n] = public
            if method:
                setattr(Tensor, n, f)
            if twin is not None:
                setattr(Tensor, n + "_", twin)
                if function:
                    FUNCTIONS[n + "_"] = twin
        return f

    return publish if fn is None else publish(fn)


def is_tensor(x: Any) -> bool:
    """Whether x is a tensor, not a number."""
    return isinstance(x, core.TensorBase)


def need_tensor(name: str, x: Any, what: str = "input") -> None:
    """TypeError for what is not a tensor."""
    if not isinstance(x, core.TensorBase):
        raise TypeError(f"[{name}] got {type(x).__name__} for {what!r}, expected a tensor")


def whole(x: Any) -> bool:
    """Whether the dtype is an integer or bool."""
    return not x.is_floating_point() and not x.is_complex()


def as_real(x: Any) -> Any:
    """Integers as the default floating dtype."""
    return x.to(core.get_default_dtype()) if whole(x) else x


def widened(x: Any) -> Any:
    """Integers other than int64, and bool, as int64: the one integer that sorting and scanning kernels know."""
    return x.to(INT64) if whole(x) and x.dtype is not INT64 else x


def from_array(array: Any, dtype: Any = None) -> Any:
    """A NumPy result as a tensor of a dtype, without a copy where the dtype is its own."""
    made = core.from_numpy(array)
    return made if dtype is None or made.dtype is dtype else core._cast(made, dtype)


def as_array(x: Any) -> Any:
    """A tensor as a NumPy array to compute with: halves as float32."""
    x = x.detach()
    return (x.float() if x.dtype.itemsize == 2 and x.is_floating_point() else x).numpy()
