"""Fourier transforms by SciPy's pocketfft, with gradients: complex to complex, real to complex, complex to real.

A gradient of a complex tensor is :math:`\\partial L / \\partial a + i\\,\\partial L / \\partial b`, as in PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from corten._core import core
from corten.ops.complex import COMPLEX128, complex_of, conj, real
from corten.ops.composite import FLOAT32, FLOAT64, from_array, whole, with_out
from corten.ops.declare import op
from corten.ops.shape import roll
from corten.ops.view import cat, core_wrap, narrow_op

#: functions of corten.fft: name -> function
FFT: dict[str, Any] = {}
#: the same factor in the transform of the other direction
TWIN = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def scipy_fft(name: str, x: Any, *rest: Any) -> Any:
    """A function of scipy.fft on as many threads as the kernels use."""
    import scipy.fft

    from corten._core.native import get_num_threads

    sizes, dims, norm = rest
    return from_array(getattr(scipy.fft, name)(x.detach().numpy(), sizes, dims, norm, workers=get_num_threads()))


def real_of(x: Any) -> Any:
    """The real dtype of the same precision."""
    return FLOAT64 if x.dtype in (FLOAT64, COMPLEX128) else FLOAT32


def _c2c(x: Any, dims: Any, norm: str, forward: bool) -> Any:
    return scipy_fft("fftn" if forward else "ifftn", x, None, dims, norm)


def _r2c(x: Any, dims: Any, norm: str) -> Any:
    return scipy_fft("rfftn", x, None, dims, norm)


def _c2r(x: Any, dims: Any, norm: str, n: int) -> Any:
    return scipy_fft("irfftn", x, [*(x.shape[d] for d in dims[:-1]), n], dims, norm)


def half(n: int) -> int:
    """How many of n coefficients a real signal has."""
    return n // 2 + 1


def resized(shape: Any, d: int, n: int) -> tuple[int, ...]:
    """A shape with another size at a dimension."""
    out = list(shape)
    out[d] = n
    return tuple(out)


c2c = op("fft_c2c(input, dims: any, norm: any, forward: any) -> out", impl=_c2c, function=False,
         meta=lambda x, dims, norm, forward: core.empty_like(x),
         vjp=lambda g, dims, norm, forward: c2c(g, dims, TWIN[norm], not forward), doc="Complex transform.")  # fmt: skip
r2c = op("fft_r2c(input, dims: any, norm: any) -> out", impl=_r2c, function=False,
         meta=lambda x, dims, norm: core.empty(resized(x.shape, dims[-1], half(x.shape[dims[-1]])), dtype=complex_of(x), device="meta"),
         vjp=lambda g, input_shape, dims, norm: real(c2c(padded(g, dims[-1], input_shape[dims[-1]]), dims, TWIN[norm], False)),
         doc="Transform of a real signal: half of the coefficients.")  # fmt: skip
c2r = op("fft_c2r(input, dims: any, norm: any, n: any) -> out", impl=_c2r, function=False,
         meta=lambda x, dims, norm, n: core.empty(resized(x.shape, dims[-1], n), dtype=real_of(x), device="meta"),
         vjp=lambda g, dims, norm, n: doubled(r2c(g, dims, TWIN[norm]), dims[-1], n),
         doc="Real signal of half of its coefficients.")  # fmt: skip


def _doubled(x: Any, d: int, n: int) -> Any:
    import numpy as np

    out = np.array(x.detach().numpy())
    np.moveaxis(out, d, 0)[1 : (n + 1) // 2] *= 2
    return from_array(out)


doubled = op("fft_doubled(input, dim: any, n: any) -> out", impl=_doubled, function=False, meta=lambda x, d, n: core.empty_like(x),
             vjp=lambda g, dim, n: doubled(g, dim, n),
             doc="Coefficients that stand for two, twice; n is the length of the real signal.")  # fmt: skip


def padded(x: Any, d: int, n: int) -> Any:
    """Cut to n along a dimension, or filled up with 0."""
    size = x.shape[d]
    if n < size:
        return narrow_op(x, d, 0, n)
    return x if n == size else cat([x, core.zeros(resized(x.shape, d, n - size), dtype=x.dtype, device=x.device)], d)


# ---- public functions


def fourier(fn: Callable[..., Any]) -> Callable[..., Any]:
    FFT[fn.__name__] = with_out(fn, fn.__name__)
    return fn


def plan(name: str, input: Any, s: Any, dim: Any, norm: str | None) -> tuple[list[int], list[int], str]:
    """Sizes and dimensions of a transform, and its scale."""
    if norm not in (None, "backward", "forward", "ortho"):
        raise RuntimeError(f"[fft.{name}] got norm={norm!r}, expected 'backward', 'forward' or 'ortho'")
    if input.dtype.itemsize == 2 and input.is_floating_point():
        raise RuntimeError(f"[fft.{name}] got {input.dtype}, expected float32 or float64")
    if dim is None:
        dims = list(range(input.ndim)) if s is None else list(range(input.ndim - len(s), input.ndim))
    else:
        dims = [core_wrap(d, input.ndim, f"fft.{name}") for d in ((dim,) if isinstance(dim, int) else dim)]
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"[fft.{name}] got dim={dim}, expected different dimensions")
    sizes = (
        [input.shape[d] for d in dims]
        if s is None
        else [input.shape[d] if n == -1 else n for n, d in zip(s, dims, strict=False)]
    )
    if s is not None and len(s) != len(dims):
        raise RuntimeError(f"[fft.{name}] got {len(s)} sizes for {len(dims)} dimensions")
    if any(n < 1 for n in sizes):
        raise RuntimeError(f"[fft.{name}] got sizes {sizes}, expected at least 1")
    return sizes, dims, norm or "backward"


def as_complex(x: Any) -> Any:
    """Reals (and integers) as complex numbers."""
    x = x.to(core.get_default_dtype()) if whole(x) else x
    return x if x.is_complex() else x.to(complex_of(x))


def complex_transform(name: str, input: Any, s: Any, dim: Any, norm: str | None, forward: bool) -> Any:
    sizes, dims, scale = plan(name, input, s, dim, norm)
    x = as_complex(input)
    if not dims:
        return x
    for d, n in zip(dims, sizes, strict=True):
        x = padded(x, d, n)
    return c2c(x, tuple(dims), scale, forward)


def real_transform(name: str, input: Any, s: Any, dim: Any, norm: str | None) -> Any:
    if input.is_complex():
        raise RuntimeError(f"[fft.{name}] got {input.dtype}, expected a real dtype")
    sizes, dims, scale = plan(name, input, s, dim, norm)
    x = input.to(core.get_default_dtype()) if whole(input) else input
    for d, n in zip(dims, sizes, strict=True):
        x = padded(x, d, n)
    return r2c(x, tuple(dims), scale)


def inverse_real_transform(name: str, input: Any, s: Any, dim: Any, norm: str | None) -> Any:
    sizes, dims, scale = plan(name, input, s, dim, norm)
    if s is None:
        sizes[-1] = 2 * (input.shape[dims[-1]] - 1)
        if sizes[-1] < 1:
            raise RuntimeError(f"[fft.{name}] got {sizes[-1]} samples, expected at least 1")
    x = as_complex(input)
    for d, n in zip(dims[:-1], sizes[:-1], strict=True):
        x = padded(x, d, n)
    x = padded(x, dims[-1], half(sizes[-1]))
    return c2r(x, tuple(dims), scale, sizes[-1])


def hermitian(name: str, input: Any, s: Any, dim: Any, norm: str | None, inverse: bool) -> Any:
    """The transforms of a signal that is symmetric: the real ones the other way round."""
    scale = TWIN[norm or "backward"] if norm in (None, "backward", "forward", "ortho") else norm
    if inverse:
        return conj(real_transform(name, input, s, dim, scale))
    return inverse_real_transform(name, conj(as_complex(input)), s, dim, scale)


def one_dimension(name: str, run: Callable[..., Any], doc: str) -> None:
    def transform(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
        return run(name, input, None if n is None else (n,), dim, norm)

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = (
        f"{doc} along one dimension, cut or filled up with 0 to n. ``norm`` 'backward', 'ortho' or 'forward'."
    )
    fourier(transform)


def several(name: str, run: Callable[..., Any], doc: str, last_two: bool) -> None:
    def transform(input: Any, s: Any = None, dim: Any = (-2, -1) if last_two else None, norm: str | None = None) -> Any:
        return run(name, input, s, dim, norm)

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = f"{doc} along {'two' if last_two else 'several'} dimensions."
    fourier(transform)


for _stem, _run, _doc in (
    ("fft", lambda name, x, s, dim, norm: complex_transform(name, x, s, dim, norm, True), "Discrete Fourier transform"),
    (
        "ifft",
        lambda name, x, s, dim, norm: complex_transform(name, x, s, dim, norm, False),
        "Inverse discrete Fourier transform",
    ),
    ("rfft", real_transform, "Fourier transform of a real signal, half of its coefficients,"),
    ("irfft", inverse_real_transform, "Real signal of half of its Fourier coefficients"),
    (
        "hfft",
        lambda name, x, s, dim, norm: hermitian(name, x, s, dim, norm, False),
        "Transform of half of a Hermitian signal",
    ),
    ("ihfft", lambda name, x, s, dim, norm: hermitian(name, x, s, dim, norm, True), "Inverse of hfft()"),
):
    one_dimension(_stem, _run, _doc)
    several(_stem + "2", _run, _doc, True)
    several(_stem + "n", _run, _doc, False)


@fourier
def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Frequencies of the coefficients of :func:`fft` for samples ``d`` apart."""
    import numpy as np

    return core.tensor(np.fft.fftfreq(n, d), dtype=dtype or core.get_default_dtype(), requires_grad=requires_grad)


@fourier
def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Frequencies of the coefficients of :func:`rfft` for samples ``d`` apart."""
    import numpy as np

    return core.tensor(np.fft.rfftfreq(n, d), dtype=dtype or core.get_default_dtype(), requires_grad=requires_grad)


def shift(input: Any, dim: Any, inverse: bool) -> Any:
    dims = list(range(input.ndim)) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    sizes = [input.shape[d] for d in dims]
    return roll(input, [(s + 1) // 2 if inverse else s // 2 for s in sizes], dims) if dims else input


@fourier
def fftshift(input: Any, dim: Any = None) -> Any:
    """Frequency 0 moved to the middle."""
    return shift(input, dim, False)


@fourier
def ifftshift(input: Any, dim: Any = None) -> Any:
    """Inverse of :func:`fftshift`."""
    return shift(input, dim, True)
