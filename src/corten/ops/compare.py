"""Comparisons, tests and logic."""

from __future__ import annotations

from typing import Any

from corten._core.core import REGISTRY
from corten.ops.declare import function, op


def comparison(name: str, numpy_name: str, doc: str, alias: tuple[str, ...] = ()) -> Any:
    """A test of two values, element by element."""
    return op(f"{name}(input, other) -> out", shape="broadcast", dtype="bool", kernel=name, method=True, alias=alias,
              reference=lambda xp, input, other: getattr(xp, numpy_name)(input, other), doc=doc)  # fmt: skip


eq = comparison("eq", "equal", "Whether equal, element by element.")
ne = comparison("ne", "not_equal", "Whether different, element by element.", ("not_equal",))
lt = comparison("lt", "less", "Whether less, element by element.", ("less",))
le = comparison("le", "less_equal", "Whether less or equal, element by element.", ("less_equal",))
gt = comparison("gt", "greater", "Whether greater, element by element.", ("greater",))
ge = comparison("ge", "greater_equal", "Whether greater or equal, element by element.", ("greater_equal",))


def check(name: str, doc: str) -> Any:
    """A test of one value, element by element; integers have neither NaN nor infinities."""
    made = op(f"{name}_op(input) -> out", shape="same", dtype="bool", kernel=name, function=False,
              reference=lambda xp, input: getattr(xp, name)(input), doc=doc)  # fmt: skip

    def run(input: Any) -> Any:
        if input.is_floating_point():
            return made(input)
        return (input == input) if name == "isfinite" else (input != input)

    run.__name__, run.__doc__ = name, doc
    return function(run, method=True)


isnan = check("isnan", "Whether NaN, element by element.")
isinf = check("isinf", "Whether infinite, element by element.")
isfinite = check("isfinite", "Whether finite, element by element.")


def bitwise(name: str, numpy_name: str, doc: str) -> Any:
    """Bits of two integers, or the logic of two bools."""
    return op(f"{name}(input, other) -> out", shape="broadcast", kernel=name, method=True, inplace=True,
              reference=lambda xp, input, other: getattr(xp, numpy_name)(input, other), doc=doc)  # fmt: skip


bitwise_and = bitwise("bitwise_and", "bitwise_and", "Bitwise and (logical and of bools), element by element.")
bitwise_or = bitwise("bitwise_or", "bitwise_or", "Bitwise or (logical or of bools), element by element.")
bitwise_xor = bitwise("bitwise_xor", "bitwise_xor", "Bitwise exclusive or, element by element.")
bitwise_left_shift = bitwise("bitwise_left_shift", "left_shift", "Bits shifted to the left, element by element.")
bitwise_right_shift = bitwise("bitwise_right_shift", "right_shift", "Bits shifted to the right, element by element.")
bitwise_not = op("bitwise_not(input) -> out", shape="same", kernel="bitwise_not", method=True, inplace=True,
                 reference=lambda xp, input: xp.invert(input),
                 doc="Bitwise complement (logical not of bools), element by element.")  # fmt: skip


def truth(x: Any) -> Any:
    """Whether not zero, as bool."""
    return x if str(x.dtype) == "corten.bool" else x != 0


@function(method=True)
def logical_and(input: Any, other: Any, *, out: Any = None) -> Any:
    """Whether both are nonzero, element by element."""
    if out is not None:
        return REGISTRY["write_out"]("logical_and", out, logical_and(input, other))
    return bitwise_and(truth(input), truth(other))


@function(method=True)
def logical_or(input: Any, other: Any, *, out: Any = None) -> Any:
    """Whether either is nonzero, element by element."""
    if out is not None:
        return REGISTRY["write_out"]("logical_or", out, logical_or(input, other))
    return bitwise_or(truth(input), truth(other))


@function(method=True)
def logical_xor(input: Any, other: Any, *, out: Any = None) -> Any:
    """Whether exactly one is nonzero, element by element."""
    if out is not None:
        return REGISTRY["write_out"]("logical_xor", out, logical_xor(input, other))
    return bitwise_xor(truth(input), truth(other))


@function(method=True)
def logical_not(input: Any, *, out: Any = None) -> Any:
    """Whether zero, element by element."""
    if out is not None:
        return REGISTRY["write_out"]("logical_not", out, logical_not(input))
    return input == 0


@function(method=True)
def isclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether close, element by element: :math:`|a - b| \\le atol + rtol |b|`, or equal.

    Examples
    --------
    >>> import corten
    >>> corten.isclose(corten.tensor([1.0]), corten.tensor([1.0 + 1e-7]))
    tensor([True])
    """
    same = input == other
    if not input.is_floating_point():
        input, other = input.double(), other.double()
    near = isfinite(input) & isfinite(other) & ((input - other).abs() <= atol + rtol * other.abs())
    result = same | near
    return result | (isnan(input) & isnan(other)) if equal_nan else result


@function(method=True)
def allclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close; see :func:`isclose`."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


@function(method=True)
def equal(input: Any, other: Any) -> bool:
    """Whether two tensors have the same shape and elements."""
    return input.shape == other.shape and bool((input == other).all())
