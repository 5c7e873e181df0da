"""Special functions that SciPy computes, with their gradients; :mod:`corten.special` is their public place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from corten._core import core
from corten.ops.composite import as_array, as_real, composite, from_array, in_place, is_tensor, with_out
from corten.ops.declare import FUNCTIONS, op
from corten.ops.elementary import log_softmax, logit, mvlgamma, sinc, softmax, times_log, xlogy
from corten.ops.pointwise import digamma, erf, erfc, erfinv, exp, exp2, expm1, lgamma, log, log1p, trigamma_op, where
from corten.ops.pointwise import round as round_
from corten.ops.reduce import logsumexp_op
from corten.ops.view import _sum_to_size as sum_to_size
from corten.tensor import Tensor

#: functions of corten.special: name -> function
SPECIAL: dict[str, Any] = {}


def scipy_call(name: str, arrays: Any, dtype: Any) -> Any:
    """A ufunc of scipy.special on arrays, computed in float64 where float32 is not offered, as a tensor of a dtype."""
    import numpy as np
    import scipy.special

    with np.errstate(all="ignore"):
        return from_array(np.asarray(getattr(scipy.special, name)(*arrays)), dtype)


def numeric(*xs: Any) -> tuple[Any, ...]:
    """Operands as tensors of one floating dtype."""
    given = [x for x in xs if is_tensor(x)]
    dtype = given[0].dtype
    for x in given[1:]:
        dtype = core.promote_types(dtype, x.dtype)
    dtype = dtype if dtype.is_floating_point else core.get_default_dtype()
    return tuple(x.to(dtype) if is_tensor(x) else core.tensor(x, dtype=dtype) for x in xs)


def unary(name: str, scipy_name: str, slope: Callable[..., Any] | None, doc: str, *, saves_out: bool = False,
          public: str | None = None, alias: tuple[str, ...] = ()) -> Any:  # fmt: skip
    """A function of one real; ``slope`` its derivative, of the input, or of input and output."""
    vjp: Any = None
    if slope is not None:
        vjp = (lambda g, input, out: g * slope(input, out)) if saves_out else (lambda g, input: g * slope(input))
    made = op(f"special_{name}(input) -> out", impl=lambda x: scipy_call(scipy_name, (as_array(x),), x.dtype),
              meta=lambda x: core.empty_like(x), vjp=vjp, function=False, doc=doc)  # fmt: skip

    def run(input: Any) -> Any:
        if not is_tensor(input):
            raise TypeError(f"[{name}] got {type(input).__name__} for 'input', expected a tensor")
        return made(as_real(input))

    return publish(run, name, doc, public, alias)


def publish(run: Any, name: str, doc: str, public: str | None = None, alias: tuple[str, ...] = ()) -> Any:
    """A function under its name in corten.special, and as ``corten.PUBLIC`` and a method where there is one."""
    run.__name__ = run.__qualname__ = name
    run.__doc__ = doc
    for n in (name, *alias):
        SPECIAL[n] = with_out(run, name)
    if public:
        composite(run, name=public, inplace=True, out=True)
    return run


i0 = unary("i0", "i0", lambda x: i1(x), "Modified Bessel function of order 0.", public="i0")
i1 = unary(
    "i1",
    "i1",
    lambda x: i0(x) - where(x == 0, 0.5, i1(x) / where(x == 0, 1.0, x)),
    "Modified Bessel function of order 1.",
)
i0e = unary("i0e", "i0e", lambda x, out: i1e(x) - x.sign() * out, "Modified Bessel function of order 0, times :math:`e^{-|x|}`.",
            saves_out=True)  # fmt: skip
i1e = unary("i1e", "i1e", lambda x, out: i0e(x) - out * (x.sign() + 1 / where(x == 0, 1.0, x)) - 0.5 * (x == 0).to(x.dtype),
            "Modified Bessel function of order 1, times :math:`e^{-|x|}`.", saves_out=True)  # fmt: skip
erfcx = unary("erfcx", "erfcx", lambda x, out: 2 * x * out - 2 / math.sqrt(math.pi), ":math:`e^{x^2} \\mathrm{erfc}(x)`.",
              saves_out=True)  # fmt: skip
ndtri = unary("ndtri", "ndtri", lambda x, out: math.sqrt(2 * math.pi) * exp(out * out / 2),
              "Inverse of the standard normal distribution function.", saves_out=True)  # fmt: skip
log_ndtr = unary("log_ndtr", "log_ndtr", lambda x, out: exp(-x * x / 2 - out) / math.sqrt(2 * math.pi),
                 "Logarithm of the standard normal distribution function.", saves_out=True)  # fmt: skip
for _name, _scipy in {"airy_ai": "airy", "bessel_j0": "j0", "bessel_j1": "j1", "bessel_y0": "y0", "bessel_y1": "y1",
                      "modified_bessel_i0": "i0", "modified_bessel_i1": "i1", "modified_bessel_k0": "k0",
                      "modified_bessel_k1": "k1", "scaled_modified_bessel_k0": "k0e",
                      "scaled_modified_bessel_k1": "k1e"}.items():  # fmt: skip
    if _name != "airy_ai":
        unary(_name, _scipy, None, f"{_name.replace('_', ' ').capitalize()}; no gradient flows through, as in PyTorch.")


def airy_ai(input: Any) -> Any:
    import numpy as np
    import scipy.special

    x = as_real(input)
    return from_array(np.asarray(scipy.special.airy(as_array(x))[0]), x.dtype)


def spherical_bessel_j0(input: Any) -> Any:
    import numpy as np
    import scipy.special

    x = as_real(input)
    return from_array(np.asarray(scipy.special.spherical_jn(0, as_array(x))), x.dtype)


publish(airy_ai, "airy_ai", "Airy function Ai; no gradient flows through.")
publish(spherical_bessel_j0, "spherical_bessel_j0", "Spherical Bessel function of order 0; no gradient flows through.")


def degrees(n: Any) -> Any:
    """Degrees of polynomials as integers. ValueError for NaN and infinities: the recurrence would take 2^63 steps."""
    import numpy as np

    k = as_array(n)
    if not np.isfinite(k).all():
        raise ValueError("[special] got a degree that is NaN or infinite, expected integers")
    return k.astype(int)


def polynomial(name: str, scipy_name: str, shifted: bool = False) -> None:
    def run(input: Any, n: Any) -> Any:
        x, k = numeric(input, n)
        if scipy_name in ("v", "w"):  # third and fourth kind: cosine ratios of the half angle
            return chebyshev_ratio(scipy_name, 2 * x - 1 if shifted else x, k)
        return scipy_call(scipy_name, (degrees(k), as_array(x)), x.dtype)

    publish(run, name, f"{name.replace('_', ' ').capitalize()} of degree n; no gradient flows through, as in PyTorch.")


def chebyshev_ratio(kind: str, x: Any, n: Any) -> Any:
    """:math:`V_n = U_n - U_{n-1}` and :math:`W_n = U_n + U_{n-1}`."""
    import numpy as np
    import scipy.special

    k, a = degrees(n), as_array(x)
    u, before = scipy.special.eval_chebyu(k, a), np.where(k > 0, scipy.special.eval_chebyu(np.maximum(k - 1, 0), a), 0)
    return from_array(np.asarray(u - before if kind == "v" else u + before), x.dtype)


for _name, _scipy in {"t": "eval_chebyt", "u": "eval_chebyu", "v": "v", "w": "w"}.items():
    polynomial(f"chebyshev_polynomial_{_name}", _scipy)
    polynomial(
        f"shifted_chebyshev_polynomial_{_name}", _scipy if _scipy in "vw" else _scipy.replace("cheby", "sh_cheby"), True
    )
polynomial("hermite_polynomial_h", "eval_hermite")
polynomial("hermite_polynomial_he", "eval_hermitenorm")
polynomial("laguerre_polynomial_l", "eval_laguerre")
polynomial("legendre_polynomial_p", "eval_legendre")

# ---- of two values


def binary(
    name: str, scipy_name: str, vjp: Any, doc: str, public: str | None = None, alias: tuple[str, ...] = ()
) -> Any:
    made = op(f"special_{name}(input, other) -> out",
              impl=lambda a, b: scipy_call(scipy_name, (as_array(a), as_array(b)), a.dtype),
              meta=lambda a, b: core.empty_like(a + b), vjp=vjp, function=False, doc=doc)  # fmt: skip

    def run(input: Any, other: Any) -> Any:
        return made(*numeric(input, other))

    return publish(run, name, doc, public, alias)


def gamma_slope(g: Any, a: Any, x: Any) -> Any:
    """:math:`x^{a-1} e^{-x} / \\Gamma(a)`, summed to x's shape."""
    return sum_to_size(g * exp((a - 1) * log(x) - x - lgamma(a)), tuple(x.shape))


gammainc = binary("gammainc", "gammainc", (None, lambda g, input, other: gamma_slope(g, input, other)),
                  "Regularised lower incomplete gamma function; its gradient is that of the second argument.",
                  "igamma")  # fmt: skip
gammaincc = binary("gammaincc", "gammaincc", (None, lambda g, input, other: gamma_slope(-g, input, other)),
                   "Regularised upper incomplete gamma function; its gradient is that of the second argument.",
                   "igammac")  # fmt: skip
zeta = binary("zeta", "zeta", (None, lambda g, input, other: sum_to_size(-g * input * zeta(input + 1, other), tuple(other.shape))),
              "Hurwitz zeta function :math:`\\sum_k (k + q)^{-x}`; its gradient is that of q.")  # fmt: skip

polygamma_op = op("special_polygamma(input, n: any) -> out",
                  impl=lambda x, n: scipy_call("polygamma", (n, as_array(x)), x.dtype), meta=lambda x, n: core.empty_like(x),
                  vjp=lambda g, input, n: g * polygamma_op(input, n + 1), function=False,
                  doc="The n-th derivative of the digamma function.")  # fmt: skip


def polygamma(n: int, input: Any) -> Any:
    if not isinstance(n, int) or n < 0:
        raise RuntimeError(f"[polygamma] got n={n}, expected an int from 0")
    return digamma(input) if n == 0 else trigamma_op(as_real(input)) if n == 1 else polygamma_op(as_real(input), n)


publish(polygamma, "polygamma", "The n-th derivative of the digamma function.")
FUNCTIONS["polygamma"] = with_out(polygamma, "polygamma")
Tensor.polygamma = lambda self, n: polygamma(n, self)
Tensor.polygamma_ = in_place(lambda self, n: polygamma(n, self), "polygamma")


# ---- made of ops


def entr(input: Any) -> Any:
    x = as_real(input)
    return where(x > 0, -x * log(where(x > 0, x, 1.0)), where(x == 0, 0.0 * x, where(x != x, x, float("-inf"))))


def ndtr(input: Any) -> Any:
    return 0.5 * erfc(as_real(input) * (-1 / math.sqrt(2)))


def xlog1py(input: Any, other: Any) -> Any:
    if is_tensor(other):
        return times_log(input, as_real(other) + 1, lambda y: log1p(y - 1))
    return times_log(input, float(other) + 1, lambda y: log1p(y - 1))


publish(entr, "entr", "Entropy of each value: :math:`-x \\log x`.")
publish(ndtr, "ndtr", "Standard normal distribution function.")
publish(xlog1py, "xlog1py", ":math:`x \\log(1 + y)`, 0 where x is 0.")
SPECIAL.update({
    "softmax": softmax, "log_softmax": log_softmax, "erf": erf, "erfc": erfc, "erfinv": erfinv, "exp2": exp2, "expm1": expm1,
    "log1p": log1p, "digamma": digamma, "psi": digamma, "gammaln": lgamma, "expit": FUNCTIONS["sigmoid"], "logit": logit,
    "sinc": sinc, "round": round_, "xlogy": xlogy, "multigammaln": mvlgamma, "logsumexp": logsumexp_op,
})  # fmt: skip
for _name in ("logit", "sinc", "xlogy", "multigammaln"):
    SPECIAL[_name] = with_out(SPECIAL[_name], _name)
