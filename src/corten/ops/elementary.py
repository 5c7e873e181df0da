"""One value in, one value out: the less frequent functions, made of native kernels or of other ops."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from corten import return_types
from corten._core import core
from corten.ops.activation import ACTIVATIONS, log_softmax_op, softmax_op
from corten.ops.composite import (
    BOOL,
    FLOAT64,
    INT32,
    as_array,
    as_real,
    composite,
    from_array,
    in_place,
    is_tensor,
    whole,
)
from corten.ops.declare import FUNCTIONS, op
from corten.ops.pointwise import (
    clamp,
    copysign,
    gradient_kernel,
    log,
    maximum,
    minimum,
    nan_to_num,
    pair_gradient,
    pow_,
    where,
)
from corten.ops.pointwise import round as round_
from corten.tensor import Tensor

# ---- native rows


def number_extreme(name: str, not_worse: Callable[[Any, Any], Any], doc: str) -> Any:
    """fmax or fmin. The gradient goes to the first operand where it is not worse or the second is NaN, otherwise to the second."""
    to_first, to_second = pair_gradient(f"{name}_grad_a", "a", "b"), pair_gradient(f"{name}_grad_b", "a", "b")

    def first(input: Any, other: Any) -> Any:
        return not_worse(input, other) | (other != other)

    return op(f"{name}(input, other) -> out", shape="broadcast", kernel=name, method=True,
              vjp=(lambda g, input, other: where(first(input, other), g, 0.0),
                   lambda g, input, other: where(first(input, other), 0.0, g)),
              vjp_fused=[lambda g, input, other: to_first(g, input, other), lambda g, input, other: to_second(g, input, other)],
              reference=lambda xp, input, other: getattr(xp, name)(input, other),
              doc=f"{doc} of two, element by element; the number when one is NaN.")  # fmt: skip


fmax = number_extreme("fmax", lambda a, b: a >= b, "Larger")
fmin = number_extreme("fmin", lambda a, b: a <= b, "Smaller")
logit_grad = gradient_kernel("logit", "input", attrs="eps: float")
logit_op = op("logit_op(input, *, eps: float = None) -> out", shape="same", dtype="float", kernel="logit", function=False,
              vjp=lambda g, input, eps: g / (input * (1 - input)) if eps is None else
              where((input >= eps) & (input <= 1 - eps), g / (input * (1 - input)), 0.0),
              vjp_fused=lambda g, input, eps: logit_grad(g, input, eps=eps),
              reference=lambda xp, input, eps: xp.log(input / (1 - input)),
              doc="Logarithm of the odds; eps None is no limit.")  # fmt: skip


@composite(inplace=True, out=True)
def logit(input: Any, eps: float | None = None) -> Any:
    """Logarithm of the odds: :math:`\\log(x / (1 - x))`, with x limited to [eps, 1 - eps].

    Examples
    --------
    >>> import corten
    >>> corten.logit(corten.tensor(0.5))
    tensor(0.)
    """
    return logit_op(input, eps=eps)


# ---- made of ops


@composite(inplace=True, out=True)
def clamp_min(input: Any, min: Any) -> Any:
    """Values not below a limit."""
    return clamp(input, min=min)


@composite(inplace=True, out=True)
def clamp_max(input: Any, max: Any) -> Any:
    """Values not above a limit."""
    return clamp(input, max=max)


@composite(inplace=True, out=True)
def deg2rad(input: Any) -> Any:
    """Degrees as radians."""
    return input * (math.pi / 180)


@composite(inplace=True, out=True)
def rad2deg(input: Any) -> Any:
    """Radians as degrees."""
    return input * (180 / math.pi)


@composite
def positive(input: Any) -> Any:
    """The tensor itself."""
    if input.dtype is BOOL:
        raise RuntimeError("[positive] bool tensors have no sign")
    return input


@composite(inplace=True, out=True)
def float_power(input: Any, exponent: Any) -> Any:
    """Power in float64."""
    a, b = (x.to(FLOAT64) if is_tensor(x) else float(x) for x in (input, exponent))
    return pow_(a, b)


@composite(out=True)
def signbit(input: Any) -> Any:
    """Whether the sign bit is set: also of -0.0."""
    return input < 0 if whole(input) else copysign(core.ones((), dtype=input.dtype), input.detach()) < 0


@composite(out=True)
def isneginf(input: Any) -> Any:
    """Whether minus infinity."""
    return input == float("-inf") if not whole(input) else input != input


@composite(out=True)
def isposinf(input: Any) -> Any:
    """Whether plus infinity."""
    return input == float("inf") if not whole(input) else input != input


@composite(inplace=True, out=True)
def heaviside(input: Any, values: Any) -> Any:
    """Unit step: 0 below zero, 1 above, ``values`` at zero."""
    if is_tensor(values) and values.dtype is not input.dtype:
        raise RuntimeError(f"[heaviside] got {input.dtype} and {values.dtype}, expected the same dtype")
    up = (input > 0).to(input.dtype)
    step = where(input == 0, values, up)
    return where(input != input, input, step) if input.is_floating_point() else step


@composite(inplace=True, out=True)
def sinc(input: Any) -> Any:
    """:math:`\\sin(\\pi x) / (\\pi x)`, 1 at 0."""
    x = as_real(input) * math.pi
    safe = where(x == 0, 1.0, x)
    return where(x == 0, 1.0 - x * x / 6, safe.sin() / safe)


@composite(inplace=True, out=True)
def xlogy(input: Any, other: Any) -> Any:
    """:math:`x \\log y`, 0 where x is 0 (unless y is NaN)."""
    return times_log(input, other, log)


def times_log(x: Any, y: Any, logarithm: Callable[[Any], Any]) -> Any:
    """x log(y) with 0 log 0 = 0."""
    x = x if is_tensor(x) else core.tensor(x, dtype=core.get_default_dtype() if whole(y) else y.dtype)
    y = as_real(y) if is_tensor(y) else core.tensor(float(y), dtype=core.get_default_dtype() if whole(x) else x.dtype)
    zero = (x == 0) & (y == y)
    return where(zero, x * 0.0, x * logarithm(where(zero, 1.0, y)))


@composite(out=True)
def logaddexp(input: Any, other: Any) -> Any:
    """:math:`\\log(e^a + e^b)`, without overflow."""
    high, low = maximum(input, other), minimum(input, other)
    same = high == low  # also both infinite
    return where(same, high + math.log(2.0), high + (where(same, 0.0, low - high)).exp().log1p())


@composite(out=True)
def logaddexp2(input: Any, other: Any) -> Any:
    """:math:`\\log_2(2^a + 2^b)`, without overflow."""
    high, low = maximum(input, other), minimum(input, other)
    same = high == low
    return where(same, high + 1.0, high + (where(same, 0.0, low - high)).exp2().log1p() / math.log(2.0))


@composite(inplace=True, out=True)
def ldexp(input: Any, other: Any) -> Any:
    """:math:`x\\,2^p`."""
    return input * (2.0**other if is_tensor(other) is False else core.full_like(as_real(other), 2.0) ** other)


@composite(out=True)
def frexp(input: Any) -> Any:
    """Mantissa, of [0.5, 1), and exponent of 2 whose product is x."""
    import numpy as np

    if whole(input):
        raise RuntimeError(f"[frexp] got {input.dtype}, expected a floating-point dtype")
    mantissa, power = np.frexp(as_array(input))
    return return_types.frexp(
        (from_array(np.asarray(mantissa), input.dtype), from_array(np.asarray(power, np.int32), INT32))
    )


@composite(out=True)
def mvlgamma(input: Any, p: int) -> Any:
    """Logarithm of the multivariate gamma function of dimension p."""
    if p < 1:
        raise RuntimeError(f"[mvlgamma] got p={p}, expected at least 1")
    x = as_real(input)
    total = core.full((), p * (p - 1) / 4 * math.log(math.pi), dtype=x.dtype)
    for i in range(p):
        total = total + (x - i / 2).lgamma()
    return total


for _name in ("mvlgamma",):
    setattr(Tensor, _name + "_", in_place(mvlgamma, _name))

# ---- in-place forms of what is not one op

for _name, _fn in {"nan_to_num": nan_to_num, "round": round_, "clamp": clamp, "clip": clamp}.items():
    _twin = in_place(_fn, _name)
    setattr(Tensor, _name + "_", _twin)
    FUNCTIONS[_name + "_"] = _twin


def comparison_in_place(name: str) -> Any:
    fn = FUNCTIONS[name]

    def run(self: Any, *args: Any) -> Any:
        made = fn(self.detach(), *args)
        if made.shape != self.shape:
            raise RuntimeError(
                f"[{name}_] the result has shape {tuple(made.shape)}, which does not fit into {tuple(self.shape)}"
            )
        return self.copy_(made.to(self.dtype))

    run.__name__ = run.__qualname__ = name + "_"
    run.__doc__ = f"In-place version of :func:`corten.{name}`: 1 or 0 in the dtype of the tensor."
    setattr(Tensor, name + "_", run)
    return run


for _name in ("eq", "ne", "lt", "le", "gt", "ge", "not_equal", "less", "less_equal", "greater", "greater_equal",
              "logical_and", "logical_or", "logical_xor", "logical_not"):  # fmt: skip
    comparison_in_place(_name)


@composite(out=True)
def softmax(input: Any, dim: int, dtype: Any = None) -> Any:
    """Exponentials divided by their sum along a dimension.

    Examples
    --------
    >>> import corten
    >>> corten.softmax(corten.tensor([0.0, 0.0]), 0)
    tensor([0.5000, 0.5000])
    """
    return softmax_op(input if dtype is None else input.to(dtype), dim)


@composite(out=True)
def log_softmax(input: Any, dim: int, dtype: Any = None) -> Any:
    """Logarithm of softmax, without overflow."""
    return log_softmax_op(input if dtype is None else input.to(dtype), dim)


for _name in ("celu", "selu", "threshold"):
    FUNCTIONS[_name + "_"] = in_place(ACTIVATIONS[_name], _name)


@composite(function=False)
def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """Values within [-lambda, lambda] set to zero."""
    return ACTIVATIONS["hardshrink"](input, lambd=lambd)


# ---- integers


def integer_pair(name: str) -> Any:
    def run(input: Any, other: Any) -> Any:
        import numpy as np

        for x in (input, other):
            if not whole(x) or x.dtype is BOOL:
                raise NotImplementedError(f"[{name}] got {x.dtype}, expected integers")
        return from_array(np.asarray(getattr(np, name)(input.numpy(), other.numpy())))

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"{'Greatest common divisor' if name == 'gcd' else 'Least common multiple'}, element by element."
    return composite(run, inplace=True, out=True)


gcd, lcm = integer_pair("gcd"), integer_pair("lcm")


@composite(inplace=True, out=True)
def nextafter(input: Any, other: Any) -> Any:
    """The next representable number towards another, element by element. No gradient flows through."""
    import numpy as np

    if input.dtype is not other.dtype or input.dtype.itemsize < 4 or whole(input):
        raise NotImplementedError(f"[nextafter] got {input.dtype} and {other.dtype}, expected float32 or float64")
    return from_array(np.asarray(np.nextafter(as_array(input), as_array(other))))


# ---- Python functions over elements


def from_values(self: Any, values: list[Any]) -> Any:
    """Write a list of numbers into a tensor."""
    import numpy as np

    return self.copy_(from_array(np.asarray(values)).reshape(tuple(self.shape)))


def apply_(self: Any, callable: Callable[[Any], Any]) -> Any:
    """Replace each element by a Python function of it; slow."""
    return from_values(self, [callable(v) for v in self.detach().reshape(-1).tolist()])


def map_(self: Any, tensor: Any, callable: Callable[[Any, Any], Any]) -> Any:
    """Replace each element by a Python function of it and another tensor's; slow."""
    pairs = zip(self.detach().reshape(-1).tolist(), tensor.expand_as(self).reshape(-1).tolist(), strict=True)
    return from_values(self, [callable(a, b) for a, b in pairs])


def map2_(self: Any, x: Any, y: Any, callable: Callable[[Any, Any, Any], Any]) -> Any:
    """Replace each element by a Python function of it and two other tensors'; slow."""
    rows = zip(*(t.detach().expand_as(self).reshape(-1).tolist() for t in (self, x, y)), strict=True)
    return from_values(self, [callable(*r) for r in rows])


for _fn in (apply_, map_, map2_):
    setattr(Tensor, _fn.__name__, _fn)


def tensor_where(self: Any, condition: Any, other: Any) -> Any:
    """The tensor where the condition holds, ``other`` elsewhere."""
    return where(condition, self, other)


Tensor.where = tensor_where
