"""One value in, one value out: arithmetic, powers, exponentials, trigonometry, special functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from corten._core.core import REGISTRY, Op
from corten.ops.declare import FUNCTIONS, function, op

SQRT_PI = math.sqrt(math.pi)


def gradient_kernel(name: str, *inputs: str, attrs: str = "") -> Op:
    """A native one-pass gradient, as an op of its own: ``name_grad(g, ...)``."""
    made = f"{name}_grad"
    if made not in REGISTRY:
        op(f"{made}({', '.join(('g', *inputs))}{', *, ' + attrs if attrs else ''}) -> d_input", shape="broadcast",
           kernel=made, function=False, sums_down=False)  # fmt: skip
    return REGISTRY[made]


def pair_gradient(name: str, *inputs: str) -> Callable[..., Any]:
    """The native gradient of one operand of an op of two: ``name(g, inputs...)``."""
    op(f"{name}(g, {', '.join(inputs)}) -> dx", shape="broadcast", kernel=name, function=False, sums_down=False)
    return REGISTRY[name]


def unary(
    name: str,
    vjp: Callable[..., Any] | None,
    reference: Callable[..., Any],
    doc: str,
    *,
    saves: str | None = None,
    dtype: str = "float",
    alias: tuple[str, ...] = (),
    **extra: Any,
) -> Op:
    """A function of one tensor; ``saves`` ("input" or "out") names what its native gradient kernel reads."""
    fused = gradient_kernel(name, saves) if saves is not None else None
    return op(f"{name}(input) -> out", shape="same", dtype=dtype, kernel=name, vjp=vjp, vjp_fused=fused,
              reference=reference, method=True, inplace=dtype != "bool", alias=alias, doc=doc, **extra)  # fmt: skip


# ---- arithmetic

add_op = op(
    "add(input, other) -> out", shape="broadcast", kernel="add", function=False,
    vjp=(lambda g: g, lambda g: g),
    reference=lambda xp, input, other: xp.add(input, other),
    doc="Sum, element by element: :math:`a + b`. Shapes broadcast.",
)  # fmt: skip
sub_op = op(
    "sub(input, other) -> out", shape="broadcast", kernel="sub", function=False,
    vjp=(lambda g: g, lambda g: -g),
    reference=lambda xp, input, other: xp.subtract(input, other),
    doc="Difference, element by element: :math:`a - b`. Shapes broadcast.",
)  # fmt: skip
mul = op(
    "mul(input, other) -> out", shape="broadcast", kernel="mul", method=True, inplace=True, alias=("multiply",),
    vjp=(lambda g, other: g * other, lambda g, input: g * input),
    reference=lambda xp, input, other: xp.multiply(input, other),
    doc="Product, element by element: :math:`a b`. Shapes broadcast.",
)  # fmt: skip
div_grad_b = pair_gradient("div_grad_b", "a", "b")
true_divide = op(
    "div(input, other) -> out", shape="broadcast", dtype="float", kernel="div", function=False,
    vjp=(lambda g, other: g / other, lambda g, input, other: -g * (input / other) / other),
    vjp_fused=[lambda g, other: g / other, lambda g, input, other: div_grad_b(g, input, other)],
    reference=lambda xp, input, other: xp.true_divide(input, other),
    doc="Quotient, element by element: :math:`a / b`. Shapes broadcast.",
)  # fmt: skip
add_scaled = op(
    "add_scaled(input, other, *, alpha: float = 1) -> out", shape="broadcast", kernel="add_scaled", function=False,
    vjp=(lambda g: g, lambda g, alpha: g * alpha),
    reference=lambda xp, input, other, alpha: input + alpha * other,
    doc="Sum with a scaled second operand: :math:`a + \\alpha b`.",
)  # fmt: skip
neg = unary("neg", lambda g: -g, lambda xp, input: xp.negative(input), "Negative, element by element: :math:`-x`.",
            dtype="same", alias=("negative",))  # fmt: skip
abs_ = unary("abs", lambda g, input: g * sign(input), lambda xp, input: xp.abs(input),
             "Absolute value, element by element: :math:`|x|`; its gradient at 0 is 0.",
             dtype="same", saves="input", alias=("absolute",))  # fmt: skip
sign = unary("sign", lambda g: g * 0, lambda xp, input: xp.sign(input),
             "Sign, element by element: -1, 0 or 1.", dtype="same", alias=("sgn",))  # fmt: skip
square = unary("square", lambda g, input: g * (2 * input), lambda xp, input: xp.square(input),
               "Square, element by element: :math:`x^2`.", dtype="same")  # fmt: skip
reciprocal = unary("reciprocal", lambda g, out: -g * out * out, lambda xp, input: 1 / input,
                   "Reciprocal, element by element: :math:`1/x`.", saves="out")  # fmt: skip
floor = unary("floor", lambda g: g * 0, lambda xp, input: xp.floor(input),
              "Largest integer not above, element by element.", dtype="same")  # fmt: skip
ceil = unary("ceil", lambda g: g * 0, lambda xp, input: xp.ceil(input),
             "Smallest integer not below, element by element.", dtype="same")  # fmt: skip
round_op = op("round(input) -> out", shape="same", kernel="round", vjp=lambda g: g * 0, function=False,
              reference=lambda xp, input: xp.round(input), doc="Nearest integer, halves to even.")  # fmt: skip
trunc = unary("trunc", lambda g: g * 0, lambda xp, input: xp.trunc(input),
              "Integer part, element by element: towards zero.", dtype="same", alias=("fix",))  # fmt: skip
frac = unary("frac", lambda g: g, lambda xp, input: input - xp.trunc(input),
             "Fraction, element by element: :math:`x - \\mathrm{trunc}(x)`.", dtype="floating")  # fmt: skip
floor_divide = op(
    "floor_divide(input, other) -> out", shape="broadcast", kernel="floor_divide", method=True, inplace=True,
    vjp=(None, None),
    reference=lambda xp, input, other: xp.floor_divide(input, other),
    doc="Quotient rounded down, element by element. No gradient flows through.",
)  # fmt: skip
remainder = op(
    "remainder(input, other) -> out", shape="broadcast", kernel="remainder", method=True, inplace=True,
    vjp=(lambda g: g, lambda g, input, other: -g * (input / other).floor()),
    reference=lambda xp, input, other: xp.remainder(input, other),
    doc="Python's remainder, element by element: it has the sign of the divisor.",
)  # fmt: skip
fmod = op(
    "fmod(input, other) -> out", shape="broadcast", kernel="fmod", method=True, inplace=True,
    vjp=(lambda g: g, lambda g, input, other: -g * (input / other).trunc()),
    reference=lambda xp, input, other: xp.fmod(input, other),
    doc="C's remainder, element by element: it has the sign of the dividend.",
)  # fmt: skip
maximum_grad = pair_gradient("maximum_grad", "mine", "other")
maximum = op(
    "maximum(input, other) -> out", shape="broadcast", kernel="maximum", method=True,
    vjp_fused=[lambda g, input, other: maximum_grad(g, input, other), lambda g, input, other: maximum_grad(g, other, input)],
    vjp=(lambda g, input, other: g * extreme_share(input > other, input == other),
         lambda g, input, other: g * extreme_share(other > input, input == other)),
    reference=lambda xp, input, other: xp.maximum(input, other),
    doc="Larger of two, element by element; NaN when either is. Equal ones share the gradient.",
)  # fmt: skip
minimum_grad = pair_gradient("minimum_grad", "mine", "other")
minimum = op(
    "minimum(input, other) -> out", shape="broadcast", kernel="minimum", method=True,
    vjp_fused=[lambda g, input, other: minimum_grad(g, input, other), lambda g, input, other: minimum_grad(g, other, input)],
    vjp=(lambda g, input, other: g * extreme_share(input < other, input == other),
         lambda g, input, other: g * extreme_share(other < input, input == other)),
    reference=lambda xp, input, other: xp.minimum(input, other),
    doc="Smaller of two, element by element; NaN when either is. Equal ones share the gradient.",
)  # fmt: skip


def extreme_share(wins: Any, ties: Any) -> Any:
    """1 where it wins, 1/2 at a tie, 0 elsewhere."""
    return wins.float() + 0.5 * ties.float()


@function(method=True)
def add(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """Sum, element by element: :math:`a + \\alpha b`. Shapes broadcast.

    Examples
    --------
    >>> import corten
    >>> corten.add(corten.tensor([1.0, 2.0]), 10, alpha=2)
    tensor([21., 22.])
    """
    if out is not None:
        return REGISTRY["write_out"]("add", out, add(input, other, alpha=alpha))
    return add_op(input, other) if alpha == 1 else add_op(input, other * alpha)


@function(method=True)
def sub(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """Difference, element by element: :math:`a - \\alpha b`. Shapes broadcast.

    Examples
    --------
    >>> import corten
    >>> corten.sub(corten.tensor([1.0, 2.0]), 1)
    tensor([0., 1.])
    """
    if out is not None:
        return REGISTRY["write_out"]("sub", out, sub(input, other, alpha=alpha))
    if getattr(input, "dtype", None) is BOOL and getattr(other, "dtype", None) is BOOL:
        raise RuntimeError("[sub] bool tensors cannot be subtracted; use logical_xor()")
    return sub_op(input, other) if alpha == 1 else sub_op(input, other * alpha)


BOOL = __import__("corten._core.core", fromlist=["dtypes"])._dtype_by_name("bool")


@function(method=True)
def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Any:
    """Quotient, element by element; ``rounding_mode`` None (true division), ``'floor'`` or ``'trunc'``.

    Examples
    --------
    >>> import corten
    >>> corten.div(corten.tensor([7, -7]), 2, rounding_mode="floor")
    tensor([ 3, -4])
    """
    if out is not None:
        return REGISTRY["write_out"]("div", out, div(input, other, rounding_mode=rounding_mode))
    if rounding_mode is None:
        return true_divide(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        quotient = true_divide(input, other).trunc()
        whole = not any(isinstance(x, float) or hasattr(x, "dtype") and x.is_floating_point() for x in (input, other))
        return quotient.long() if whole else quotient
    raise RuntimeError(f"[div] got rounding_mode={rounding_mode!r}, expected None, 'floor' or 'trunc'")


@function(method=True)
def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Difference with the operands exchanged: :math:`b - \\alpha a`."""
    return sub(other, input, alpha=alpha)


# ---- powers, exponentials, logarithms

pow_grad_base = pair_gradient("pow_grad_base", "base", "exponent")
op("pow_grad_exponent(g, base, exponent, power) -> dx", shape="broadcast", kernel="pow_grad_exponent", function=False, sums_down=False)


def pow_grad(g: Any, input: Any, exponent: Any) -> Any:
    """Gradient of the base in one pass; of a number's power by the few products that it takes."""
    return g * pow_slope(input, exponent) if isinstance(exponent, (int, float)) else pow_grad_base(g, input, exponent)


pow_ = op(
    "pow(input, exponent) -> out", shape="broadcast", kernel="pow", method=True, inplace=True,
    vjp=(lambda g, input, exponent: g * pow_slope(input, exponent),
         lambda g, input, exponent, out: g * where(((input == 0) & (exponent >= 0)) if hasattr(exponent, "dtype")
                                                   else (input == 0), 0.0, out * input_log(input))),
    vjp_fused=[pow_grad, lambda g, input, exponent, out: REGISTRY["pow_grad_exponent"](g, input, exponent, out)],
    reference=lambda xp, input, exponent: xp.power(input, exponent),
    doc="Power, element by element: :math:`x^p`. Shapes broadcast.",
)  # fmt: skip


def pow_slope(x: Any, p: Any) -> Any:
    """:math:`p x^{p-1}`, 0 where p is 0."""
    if isinstance(p, (int, float)):
        return (x * 0 if p == 0 else 2 * x if p == 2 else p * x ** (p - 1)) if hasattr(x, "dtype") else 0.0
    return where(p == 0, 0.0, p * x ** (p - 1))


def input_log(x: Any) -> Any:
    """log(x) of a tensor or a number."""
    return x.log() if hasattr(x, "log") else math.log(x) if x > 0 else math.nan if x < 0 else -math.inf


sqrt = unary("sqrt", lambda g, out: g / (2 * out), lambda xp, input: xp.sqrt(input),
             "Square root, element by element: :math:`\\sqrt{x}`.", saves="out")  # fmt: skip
rsqrt = unary("rsqrt", lambda g, out: g * (-0.5 * out * out * out), lambda xp, input: 1 / xp.sqrt(input),
              "Reciprocal square root, element by element: :math:`1/\\sqrt{x}`.", saves="out")  # fmt: skip
exp = unary("exp", lambda g, out: g * out, lambda xp, input: xp.exp(input),
            "Exponential, element by element: :math:`e^x`.")  # fmt: skip
exp2 = unary("exp2", lambda g, out: g * out * math.log(2), lambda xp, input: xp.exp2(input),
             "Power of two, element by element: :math:`2^x`.", saves="out")  # fmt: skip
expm1 = unary("expm1", lambda g, out: g * (out + 1), lambda xp, input: xp.expm1(input),
              "Exponential less one, accurate near 0: :math:`e^x - 1`.", saves="out")  # fmt: skip
log = unary("log", lambda g, input: g / input, lambda xp, input: xp.log(input),
            "Natural logarithm, element by element.")  # fmt: skip
log2 = unary("log2", lambda g, input: g / (input * math.log(2)), lambda xp, input: xp.log2(input),
             "Logarithm to base 2, element by element.", saves="input")  # fmt: skip
log10 = unary("log10", lambda g, input: g / (input * math.log(10)), lambda xp, input: xp.log10(input),
              "Logarithm to base 10, element by element.", saves="input")  # fmt: skip
log1p = unary("log1p", lambda g, input: g / (input + 1), lambda xp, input: xp.log1p(input),
              "Logarithm of one more, accurate near 0: :math:`\\log(1 + x)`.", saves="input")  # fmt: skip

# ---- trigonometric and hyperbolic

sin = unary("sin", lambda g, input: g * cos(input), lambda xp, input: xp.sin(input), "Sine, element by element.",
            saves="input")  # fmt: skip
cos = unary("cos", lambda g, input: -g * sin(input), lambda xp, input: xp.cos(input), "Cosine, element by element.",
            saves="input")  # fmt: skip
tan = unary("tan", lambda g, out: g * (1 + out * out), lambda xp, input: xp.tan(input), "Tangent, element by element.",
            saves="out")  # fmt: skip
asin = unary("asin", lambda g, input: g * rsqrt(1 - input * input), lambda xp, input: xp.arcsin(input),
             "Inverse sine, element by element.", saves="input", alias=("arcsin",))  # fmt: skip
acos = unary("acos", lambda g, input: -g * rsqrt(1 - input * input), lambda xp, input: xp.arccos(input),
             "Inverse cosine, element by element.", saves="input", alias=("arccos",))  # fmt: skip
atan = unary("atan", lambda g, input: g / (1 + input * input), lambda xp, input: xp.arctan(input),
             "Inverse tangent, element by element.", saves="input", alias=("arctan",))  # fmt: skip
sinh = unary("sinh", lambda g, input: g * cosh(input), lambda xp, input: xp.sinh(input),
             "Hyperbolic sine, element by element.", saves="input")  # fmt: skip
cosh = unary("cosh", lambda g, input: g * sinh(input), lambda xp, input: xp.cosh(input),
             "Hyperbolic cosine, element by element.", saves="input")  # fmt: skip
tanh = unary("tanh", lambda g, out: g * (1 - out * out), lambda xp, input: xp.tanh(input),
             "Hyperbolic tangent, element by element.", saves="out")  # fmt: skip
asinh = unary("asinh", lambda g, input: g * rsqrt(1 + input * input), lambda xp, input: xp.arcsinh(input),
              "Inverse hyperbolic sine, element by element.", saves="input", alias=("arcsinh",))  # fmt: skip
acosh = unary("acosh", lambda g, input: g * rsqrt(input * input - 1), lambda xp, input: xp.arccosh(input),
              "Inverse hyperbolic cosine, element by element.", saves="input", alias=("arccosh",))  # fmt: skip
atanh = unary("atanh", lambda g, input: g / (1 - input * input), lambda xp, input: xp.arctanh(input),
              "Inverse hyperbolic tangent, element by element.", saves="input", alias=("arctanh",))  # fmt: skip
atan2_grad_a, atan2_grad_b = pair_gradient("atan2_grad_a", "a", "b"), pair_gradient("atan2_grad_b", "a", "b")
atan2 = op(
    "atan2(input, other) -> out", shape="broadcast", dtype="float", kernel="atan2", method=True, inplace=True,
    alias=("arctan2",),
    vjp_fused=[lambda g, input, other: atan2_grad_a(g, input, other), lambda g, input, other: atan2_grad_b(g, input, other)],
    vjp=(lambda g, input, other: g * other / (input * input + other * other),
         lambda g, input, other: -g * input / (input * input + other * other)),
    reference=lambda xp, input, other: xp.arctan2(input, other),
    doc="Angle of the point (other, input), element by element, in (-pi, pi].",
)  # fmt: skip
hypot = op(
    "hypot(input, other) -> out", shape="broadcast", dtype="floating", kernel="hypot", method=True, inplace=True,
    vjp=(lambda g, input, out: g * input / out, lambda g, other, out: g * other / out),
    reference=lambda xp, input, other: xp.hypot(input, other),
    doc="Length of the hypotenuse, without overflow: :math:`\\sqrt{a^2 + b^2}`.",
)  # fmt: skip
copysign = op(
    "copysign(input, other) -> out", shape="broadcast", dtype="float", kernel="copysign", method=True, inplace=True,
    vjp=(lambda g, input, out: g * sign(input) * sign(out), None),
    reference=lambda xp, input, other: xp.copysign(input, other),
    doc="Magnitude of the first with the sign of the second, element by element.",
)  # fmt: skip

# ---- special functions

erf = unary("erf", lambda g, input: g * (2 / SQRT_PI) * exp(-input * input),
            lambda xp, input: __import__("scipy.special", fromlist=["erf"]).erf(input),
            "Error function: :math:`\\frac{2}{\\sqrt\\pi}\\int_0^x e^{-t^2} dt`.", saves="input")  # fmt: skip
erfc = unary("erfc", lambda g, input: -g * (2 / SQRT_PI) * exp(-input * input),
             lambda xp, input: __import__("scipy.special", fromlist=["erfc"]).erfc(input),
             "Complementary error function: :math:`1 - \\mathrm{erf}(x)`, accurate for large x.",
             saves="input")  # fmt: skip
erfinv = unary("erfinv", lambda g, out: g * (SQRT_PI / 2) * exp(out * out),
               lambda xp, input: __import__("scipy.special", fromlist=["erfinv"]).erfinv(input),
               "Inverse error function.", saves="out")  # fmt: skip
lgamma = unary("lgamma", lambda g, input: g * digamma(input),
               lambda xp, input: __import__("scipy.special", fromlist=["gammaln"]).gammaln(input),
               "Logarithm of the absolute value of the gamma function.")  # fmt: skip
digamma = unary("digamma", lambda g, input: g * trigamma_op(input),
                lambda xp, input: __import__("scipy.special", fromlist=["digamma"]).digamma(input),
                "Derivative of the logarithm of the gamma function.", saves="input")  # fmt: skip


trigamma_op = op("trigamma(input) -> out", dtype="float", kernel="trigamma", function=False,
                 vjp=lambda g, input: g * FUNCTIONS["polygamma"](2, input),
                 reference=lambda xp, input: __import__("scipy.special", fromlist=["polygamma"]).polygamma(1, input),
                 doc="Second derivative of the logarithm of the gamma function.")  # fmt: skip


# ---- limits

clamp_grad = gradient_kernel("clamp", "input", attrs="min: float, max: float")
clamp_range = op(
    "clamp_range(input, *, min: float, max: float) -> out", shape="same", kernel="clamp", function=False,
    vjp=lambda g, input, min, max: g * ((input >= min) & (input <= max)),
    vjp_fused=lambda g, input, min, max: clamp_grad(g, input, min=min, max=max),
    reference=lambda xp, input, min, max: xp.clip(input, min, max),
    doc="Values limited to [min, max]; NaN stays.",
)  # fmt: skip
nan_to_num_grad = gradient_kernel("nan_to_num", "input")
nan_to_num_op = op(
    "nan_to_num_op(input, *, nan: float, posinf: float, neginf: float) -> out", shape="same", kernel="nan_to_num",
    function=False, vjp=lambda g, input: g * input.isfinite(), vjp_fused=lambda g, input: nan_to_num_grad(g, input),
    reference=lambda xp, input, nan, posinf, neginf: xp.nan_to_num(input, nan=nan, posinf=posinf, neginf=neginf),
    doc="NaN and infinities replaced.",
)  # fmt: skip
where_op = op(
    "where(condition: mask, input, other) -> out", shape="broadcast", kernel="where", function=False, sums_down=True,
    vjp=(None, lambda g, condition: where(condition, g, 0.0), lambda g, condition: where(condition, 0.0, g)),
    reference=lambda xp, condition, input, other: xp.where(condition, input, other),
    doc="``input`` where the condition holds, ``other`` elsewhere.",
)  # fmt: skip
lerp_op = op(
    "lerp(input, end, weight) -> out", shape="broadcast", dtype="floating", kernel="lerp", method=True, inplace=True,
    vjp=(lambda g, weight: g * (1 - weight), lambda g, weight: g * weight, lambda g, input, end: g * (end - input)),
    reference=lambda xp, input, end, weight: input + weight * (end - input),
    doc="Linear interpolation: :math:`a + w (b - a)`.",
)  # fmt: skip
addcmul = op(
    "addcmul(input, tensor1, tensor2, *, value: float = 1) -> out", shape="broadcast", kernel="addcmul", method=True,
    inplace=True,
    vjp=(lambda g: g, lambda g, tensor2, value: g * tensor2 * value, lambda g, tensor1, value: g * tensor1 * value),
    reference=lambda xp, input, tensor1, tensor2, value: input + value * tensor1 * tensor2,
    doc="Product added: :math:`x + v a b`.",
)  # fmt: skip
addcdiv = op(
    "addcdiv(input, tensor1, tensor2, *, value: float = 1) -> out", shape="broadcast", dtype="floating",
    kernel="addcdiv", method=True, inplace=True,
    vjp=(lambda g: g, lambda g, tensor2, value: g * value / tensor2,
         lambda g, tensor1, tensor2, value: -g * value * tensor1 / (tensor2 * tensor2)),
    reference=lambda xp, input, tensor1, tensor2, value: input + value * tensor1 / tensor2,
    doc="Quotient added: :math:`x + v a / b`.",
)  # fmt: skip


@function(method=False)
def where(condition: Any, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """``input`` where the condition holds, ``other`` elsewhere; with the condition alone, the indices where it holds.

    Examples
    --------
    >>> import corten
    >>> x = corten.tensor([-1.0, 2.0])
    >>> corten.where(x > 0, x, 0.0)
    tensor([0., 2.])
    """
    if out is not None:
        return REGISTRY["write_out"]("where", out, where(condition, input, other))
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    return where_op(condition, input, other)


@function(method=True)
def clamp(input: Any, min: Any = None, max: Any = None, *, out: Any = None) -> Any:
    """Values limited to [min, max], either of which may be None, a number or a tensor.

    Examples
    --------
    >>> import corten
    >>> corten.clamp(corten.tensor([-2.0, 0.5, 3.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if out is not None:
        return REGISTRY["write_out"]("clamp", out, clamp(input, min, max))
    if min is None and max is None:
        raise ValueError("[clamp] at least one of min and max must be given")
    if hasattr(min, "dtype") or hasattr(max, "dtype"):
        out = input if min is None else maximum_keep(input, min)
        return out if max is None else minimum_keep(out, max)
    if not input.is_floating_point() and (isinstance(min, float) or isinstance(max, float)):
        input = input.float()
    low = -math.inf if min is None else min
    high = math.inf if max is None else max
    if not input.is_floating_point():
        out = input if min is None else maximum(input, int(low))
        return out if max is None else minimum(out, int(high))
    return clamp_range(input, min=low, max=high)


def maximum_keep(x: Any, low: Any) -> Any:
    """maximum whose whole gradient goes to x at a tie, as clamp's does."""
    return where(x >= low, x, low) if hasattr(low, "dtype") else maximum(x, low)


def minimum_keep(x: Any, high: Any) -> Any:
    """minimum whose whole gradient goes to x at a tie, as clamp's does."""
    return where(x <= high, x, high) if hasattr(high, "dtype") else minimum(x, high)


LIMITS: dict[Any, tuple[float, float]] = {}  # largest and smallest number of each dtype, once asked for


@function(method=True)
def nan_to_num(input: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None, *, out: Any = None) -> Any:
    """NaN and infinities replaced; None stands for the largest and smallest finite number.

    Examples
    --------
    >>> import corten
    >>> corten.nan_to_num(corten.tensor([float("nan"), 1.0]))
    tensor([0., 1.])
    """
    if out is not None:
        return REGISTRY["write_out"]("nan_to_num", out, nan_to_num(input, nan, posinf, neginf))
    from corten._core.core import finfo

    if not input.is_floating_point():
        return input.clone()
    if posinf is None or neginf is None:
        limit = LIMITS.get(input.dtype) or LIMITS.setdefault(input.dtype, (finfo(input.dtype).max, finfo(input.dtype).min))
        posinf, neginf = limit[0] if posinf is None else posinf, limit[1] if neginf is None else neginf
    return nan_to_num_op(input, nan=nan, posinf=posinf, neginf=neginf)


@function(method=True)
def round(input: Any, *, decimals: int = 0, out: Any = None) -> Any:
    """Nearest integer, halves to even; with ``decimals``, the nearest multiple of :math:`10^{-d}`.

    Examples
    --------
    >>> import corten
    >>> corten.round(corten.tensor([0.5, 1.5, 2.6]))
    tensor([0., 2., 3.])
    """
    if out is not None:
        return REGISTRY["write_out"]("round", out, round(input, decimals=decimals))
    if decimals == 0:
        return round_op(input)
    scale = 10.0**decimals
    return round_op(input * scale) / scale


for _name, _fn in {"divide": div, "true_divide": div, "subtract": sub, "clip": clamp}.items():
    function(_fn, name=_name, method=True)


def bind_inplace() -> None:
    """The in-place methods of add, sub and div, which are functions over several ops."""
    from corten.tensor import Tensor

    add_, sub_, div_ = (REGISTRY[n + "_"] for n in ("add", "sub", "div"))
    Tensor.add_ = lambda self, other, *, alpha=1: add_(self, other if alpha == 1 else other * alpha)
    Tensor.sub_ = lambda self, other, *, alpha=1: sub_(self, other if alpha == 1 else other * alpha)
    Tensor.div_ = lambda self, other, *, rounding_mode=None: (
        div_(self, other) if rounding_mode is None else self.copy_(div(self, other, rounding_mode=rounding_mode)))
    Tensor.subtract_, Tensor.divide_, Tensor.true_divide_ = Tensor.sub_, Tensor.div_, Tensor.div_
