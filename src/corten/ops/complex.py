"""Complex tensors, as far as Fourier transforms need them: parts, views, conjugates, absolute values and angles."""

from __future__ import annotations

import math
from typing import Any

from corten._core import core
from corten.ops.composite import FLOAT32, FLOAT64, composite, from_array, is_tensor
from corten.ops.declare import FUNCTIONS, op
from corten.ops.pointwise import abs_, where
from corten.ops.reduce import axes, count, spread
from corten.ops.view import select, stack, to_dtype
from corten.tensor import Tensor

COMPLEX64, COMPLEX128 = core._dtype_by_name("complex64"), core._dtype_by_name("complex128")

view_as_real = op("view_as_real(input) -> out", impl=core._view_as_real, view=True, vjp=lambda g: view_as_complex(g),
                  doc="Real and imaginary parts as a new last dimension, as a view.")  # fmt: skip


def _pair(x: Any) -> Any:
    import numpy as np

    if x.ndim == 0 or x.shape[-1] != 2 or not x.is_floating_point():
        raise RuntimeError(
            f"[view_as_complex] got {x.dtype} of {tuple(x.shape)}, expected floating pairs in the last dimension"
        )
    if x.dtype not in (FLOAT32, FLOAT64):
        raise RuntimeError(f"[view_as_complex] got {x.dtype}, expected float32 or float64")
    array = x.detach().numpy()
    if x.numel() and x.stride()[-1] != 1:
        raise RuntimeError("[view_as_complex] expected real and imaginary parts beside each other")
    kind = np.complex64 if x.dtype is FLOAT32 else np.complex128
    if any(s % 2 for s in x.stride()[:-1]):
        array = array.copy()
    return from_array(array.view(kind)[..., 0])


def complex_of(x: Any) -> Any:
    """The complex dtype of the same precision."""
    return COMPLEX128 if x.dtype is FLOAT64 or x.dtype is COMPLEX128 else COMPLEX64


view_as_complex = op(
    "view_as_complex(input) -> out", impl=_pair, vjp=lambda g: view_as_real(g),
    meta=lambda x: core.empty(x.shape[:-1], dtype=complex_of(x), device="meta"),
    doc="Pairs in the last dimension as complex numbers of the same memory.")  # fmt: skip


def cartesian(re: Any, im: Any) -> Any:
    """Complex numbers of two parts."""
    return view_as_complex(stack([re, im], -1))


@composite(method=False, out=True)
def complex(real: Any, imag: Any) -> Any:
    """Complex numbers of real and imaginary parts.

    Examples
    --------
    >>> import corten
    >>> corten.complex(corten.tensor([3.0]), corten.tensor([4.0])).abs()
    tensor([5.])
    """
    if real.dtype is not imag.dtype or real.dtype not in (FLOAT32, FLOAT64):
        raise RuntimeError(f"[complex] got {real.dtype} and {imag.dtype}, expected float32 or float64 of both")
    return cartesian(*FUNCTIONS["broadcast_tensors"](real, imag))


@composite(method=False, out=True)
def polar(abs: Any, angle: Any) -> Any:
    """Complex numbers of absolute values and angles."""
    if abs.dtype is not angle.dtype or abs.dtype not in (FLOAT32, FLOAT64):
        raise RuntimeError(f"[polar] got {abs.dtype} and {angle.dtype}, expected float32 or float64 of both")
    return cartesian(abs * angle.cos(), abs * angle.sin())


@composite(method=False)
def real(input: Any) -> Any:
    """Real part, as a view."""
    return select(view_as_real(input), -1, 0) if input.is_complex() else input


@composite(method=False)
def imag(input: Any) -> Any:
    """Imaginary part, as a view."""
    if not input.is_complex():
        raise RuntimeError(f"[imag] got {input.dtype}, expected a complex dtype")
    return select(view_as_real(input), -1, 1)


@composite(alias=("conj_physical",))
def conj(input: Any) -> Any:
    """Complex conjugate; a real tensor as it is."""
    return cartesian(real(input), -imag(input)) if input.is_complex() else input


def conj_physical_(self: Any) -> Any:
    """The tensor conjugated in place."""
    if self.is_complex():
        imag(self).neg_()
    return self


Tensor.conj_physical_ = conj_physical_
FUNCTIONS["conj_physical_"] = conj_physical_


@composite(out=True)
def angle(input: Any) -> Any:
    """Angle in the complex plane; of a real, 0 or pi."""
    if input.is_complex():
        return imag(input).atan2(real(input))
    x = input if input.is_floating_point() else input.to(core.get_default_dtype())
    return where(x != x, x, (x < 0).to(x.dtype) * math.pi)


def absolute(input: Any) -> Any:
    """Absolute value, element by element: :math:`|x|`; its gradient at 0 is 0."""
    if is_tensor(input) and input.is_complex():
        re, im = real(input), imag(input)
        square = re * re + im * im
        if not square.requires_grad:
            return re.hypot(im)
        zero = square.detach() == 0
        return where(zero, 0.0, where(zero, 1.0, square).sqrt())
    return abs_(input)


for _name in ("abs", "absolute"):
    FUNCTIONS[_name] = absolute
    setattr(Tensor, _name, absolute)


core.REGISTRY["real"] = real  # what a cast to a real dtype is, to the tape

# ---- arithmetic: each op's twin for complex operands, by NumPy. A gradient is dL/da + i dL/db, so factors are conjugated.


def number(x: Any) -> Any:
    """A tensor as an array, a number as it is."""
    return x.detach().numpy() if is_tensor(x) else x


def twin(name: str, inputs: str, compute: Any, vjp: Any = None) -> Any:
    """The form of an op that complex operands take."""

    def impl(*args: Any) -> Any:
        import numpy as np

        with np.errstate(all="ignore"):
            made = np.asarray(compute(np, *(number(a) for a in args)))
        kinds = [a.dtype for a in args if is_tensor(a)]
        single = all(k.itemsize <= 8 and k is not FLOAT64 or not (k.is_floating_point or k.is_complex) for k in kinds)
        return from_array(made.astype(np.complex64) if single and made.dtype == np.complex128 else made)

    return op(f"{name}_complex({inputs}) -> out", impl=impl, vjp=vjp, function=False, sums_down=True,
              meta=lambda *args: core.empty(tuple(FUNCTIONS["broadcast_shapes"](*[a.shape for a in args if is_tensor(a)])),
                                            dtype=COMPLEX64, device="meta"),
              doc=f"{name} of complex numbers.")  # fmt: skip


def bar(x: Any) -> Any:
    """The conjugate of a tensor or number."""
    return conj(x) if is_tensor(x) else x.conjugate()


twin("add", "input, other", lambda np, a, b: a + b, (lambda g: g, lambda g: g))
twin("sub", "input, other", lambda np, a, b: a - b, (lambda g: g, lambda g: -g))
twin("mul", "input, other", lambda np, a, b: a * b, (lambda g, other: g * bar(other), lambda g, input: g * bar(input)))
twin("div", "input, other", lambda np, a, b: np.divide(a, b),
     (lambda g, other: g / bar(other), lambda g, other, out: -g * bar(out / other)))  # fmt: skip
twin("neg", "input", lambda np, a: -a, lambda g: -g)
twin("square", "input", lambda np, a: a * a, lambda g, input: g * bar(2 * input))
twin("reciprocal", "input", lambda np, a: 1 / a, lambda g, out: -g * bar(out * out))
twin("exp", "input", lambda np, a: np.exp(a), lambda g, out: g * bar(out))
twin("log", "input", lambda np, a: np.log(a), lambda g, input: g / bar(input))
twin("sqrt", "input", lambda np, a: np.sqrt(a), lambda g, out: g / bar(2 * out))
twin("sin", "input", lambda np, a: np.sin(a), lambda g, input: g * bar(input.cos()))
twin("cos", "input", lambda np, a: np.cos(a), lambda g, input: -g * bar(input.sin()))
for _name, _slope in {
    "tan": lambda g, out: g * bar(1 + out * out), "asin": lambda g, input: g / bar((1 - input * input).sqrt()),
    "acos": lambda g, input: -g / bar((1 - input * input).sqrt()), "atan": lambda g, input: g / bar(1 + input * input),
    "sinh": lambda g, input: g * bar(input.cosh()), "cosh": lambda g, input: g * bar(input.sinh()),
    "tanh": lambda g, out: g * bar(1 - out * out), "asinh": lambda g, input: g / bar((1 + input * input).sqrt()),
    "acosh": lambda g, input: g / bar((input - 1).sqrt() * (input + 1).sqrt()),
    "atanh": lambda g, input: g / bar(1 - input * input), "expm1": lambda g, out: g * bar(out + 1),
    "log1p": lambda g, input: g / bar(1 + input), "log2": lambda g, input: g / bar(input * math.log(2)),
    "log10": lambda g, input: g / bar(input * math.log(10)), "exp2": lambda g, out: g * bar(out * math.log(2)),
    "rsqrt": lambda g, out: -g * bar(out * out * out / 2)}.items():  # fmt: skip
    _numpy = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh"}
    _called = _numpy.get(_name, _name)
    twin(_name, "input", (lambda np, a: 1 / np.sqrt(a)) if _name == "rsqrt" else lambda np, a, _f=_called: getattr(np, _f)(a), _slope)
twin("pow", "input, exponent", lambda np, a, p: np.power(a, p),
     (lambda g, input, exponent: g * bar(exponent * input ** (exponent - 1)),
      lambda g, input, out: g * bar(out * input.log())))  # fmt: skip
twin("eq", "input, other", lambda np, a, b: a == b)
twin("ne", "input, other", lambda np, a, b: a != b)
twin("where", "condition: mask, input, other", lambda np, m, a, b: np.where(m, a, b),
     (None, lambda g, condition: where(condition, g, 0.0), lambda g, condition: where(condition, 0.0, g)))  # fmt: skip


def along(name: str, scale: Any) -> None:
    """A sum or mean of complex numbers."""

    def impl(x: Any, dim: Any, keepdim: bool, dtype: Any = None) -> Any:
        import numpy as np

        return from_array(np.asarray(getattr(np, name)(number(x), axis=tuple(axes(dim, x.ndim)), keepdims=bool(keepdim))))

    op(f"{name}_complex(input, dim: any = None, keepdim: any = False, dtype: any = None) -> out", impl=impl, function=False,
       meta=lambda x, dim, keepdim, dtype: core.REGISTRY[name](core.empty(x.shape, device="meta"), dim, keepdim).to(x.dtype),
       vjp=lambda g, input_shape, dim, keepdim: spread(scale(g, input_shape, dim), input_shape, dim, keepdim),
       doc=f"{name.capitalize()} of complex numbers.")  # fmt: skip


along("sum", lambda g, shape, dim: g)
along("mean", lambda g, shape, dim: g / count(shape, dim))


def is_zero_imaginary(input: Any) -> Any:
    """Whether the imaginary part is 0, element by element."""
    return imag(input) == 0 if input.is_complex() else input == input if not input.is_floating_point() else core.ones_like(
        input, dtype=core._dtype_by_name("bool"))  # fmt: skip


composite(is_zero_imaginary, name="isreal")
for _name in ("resolve_conj", "resolve_neg"):
    composite(lambda input: input, name=_name)
for _name in ("is_conj", "is_neg"):
    composite(lambda input: False, name=_name)


def _convert(name: str, dtype: Any) -> None:
    def convert(input: Any) -> Any:
        return input if input.dtype is dtype else to_dtype(input, dtype)

    convert.__name__, convert.__doc__ = name, f"The tensor as {dtype.name}."
    setattr(Tensor, name, convert)


for _name, _view in {"view_as_real": view_as_real, "view_as_complex": view_as_complex}.items():
    FUNCTIONS[_name + "_copy"] = lambda input, _view=_view: _view(input).clone()
_convert("cfloat", COMPLEX64)
_convert("cdouble", COMPLEX128)


def _set_part(self: Any, which: int, value: Any) -> None:
    select(view_as_real(self), -1, which).copy_(value if is_tensor(value) else core.tensor(value))


Tensor.real = property(real, lambda self, value: self.copy_(value) if not self.is_complex() else _set_part(self, 0, value),
                       doc="Real part, as a view.")  # fmt: skip
Tensor.imag = property(imag, lambda self, value: _set_part(self, 1, value), doc="Imaginary part, as a view.")
setattr(Tensor, "H", property(lambda self: conj(self.T), doc="The conjugate transpose of a matrix."))  # noqa: B010
Tensor.mH = property(lambda self: conj(self.transpose(-2, -1)), doc="The last two dimensions exchanged, conjugated.")
