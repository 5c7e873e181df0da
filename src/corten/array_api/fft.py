"""The Fourier extension of the Array API standard, 2024.12."""

from __future__ import annotations

from typing import Any

import corten

__all__ = ["fft", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifftn", "ifftshift", "ihfft", "irfft", "irfftn", "rfft", "rfftfreq",
           "rfftn"]  # fmt: skip


def _along_one(name: str) -> Any:
    def run(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
        return getattr(corten.fft, name)(x, n, axis, norm)

    run.__name__, run.__doc__ = name, f"{name} along an axis."
    return run


def _along_several(name: str) -> Any:
    def run(x: Any, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Any:
        return getattr(corten.fft, name)(x, s, axes, norm)

    run.__name__, run.__doc__ = name, f"{name} along axes."
    return run


def _shift(name: str) -> Any:
    def run(x: Any, /, *, axes: Any = None) -> Any:
        return getattr(corten.fft, name)(x, axes)

    run.__name__, run.__doc__ = name, f"{name} along axes."
    return run


def _frequencies(name: str) -> Any:
    def run(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Any:
        return getattr(corten.fft, name)(n, d, dtype=dtype)

    run.__name__, run.__doc__ = name, f"{name} of n samples."
    return run


fft, ifft, rfft, irfft, hfft, ihfft = (_along_one(n) for n in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"))
fftn, ifftn, rfftn, irfftn = (_along_several(n) for n in ("fftn", "ifftn", "rfftn", "irfftn"))
fftshift, ifftshift = _shift("fftshift"), _shift("ifftshift")
fftfreq, rfftfreq = _frequencies("fftfreq"), _frequencies("rfftfreq")
