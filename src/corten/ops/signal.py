"""Windows and short-time Fourier transforms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from corten._core import core
from corten.ops.composite import composite
from corten.ops.declare import FUNCTIONS, function, op
from corten.ops.fourier import FFT
from corten.ops.view import narrow_op, transpose, unfold, unfold_backward, unsqueeze


def window(name: str, shape: Callable[..., Any], doc: str, *parameters: str) -> None:
    """A window function of PyTorch's signature."""

    def run(window_length: int, periodic: bool = True, *rest: float, dtype: Any = None, layout: Any = None, device: Any = None,
            requires_grad: bool = False, pin_memory: bool = False, **named: float) -> Any:  # fmt: skip
        import numpy as np

        unknown = set(named) - set(parameters)
        if unknown or len(rest) > len(parameters):
            raise TypeError(f"[{name}] got unexpected arguments {sorted(unknown) or rest}")
        if window_length < 0:
            raise RuntimeError(f"[{name}] got length {window_length}, expected at least 0")
        dtype = core.get_default_dtype() if dtype is None else dtype
        if not dtype.is_floating_point:
            raise RuntimeError(f"[{name}] got {dtype}, expected a floating-point dtype")
        n = window_length + 1 if periodic else window_length
        if window_length < 2:
            values = np.ones(window_length)
        else:
            values = shape(np, n, **dict(zip(parameters, rest, strict=False)), **named)[:window_length]
        return core.tensor(values, dtype=dtype, requires_grad=requires_grad)

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"{doc}, one period of it (``periodic``) or symmetric."
    function(run)


def cosines(np: Any, n: int, *weights: float) -> Any:
    """:math:`\\sum_k (-1)^k w_k \\cos(2 \\pi k i / (n - 1))`."""
    x = 2 * math.pi * np.arange(n) / (n - 1)
    return sum((-1) ** k * w * np.cos(k * x) for k, w in enumerate(weights))


window("hann_window", lambda np, n: cosines(np, n, 0.5, 0.5), "Hann window")
window(
    "hamming_window",
    lambda np, n, alpha=0.54, beta=0.46: cosines(np, n, alpha, beta),
    "Hamming window",
    "alpha",
    "beta",
)
window("blackman_window", lambda np, n: cosines(np, n, 0.42, 0.5, 0.08), "Blackman window")
window("bartlett_window", lambda np, n: 1 - np.abs(2 * np.arange(n) / (n - 1) - 1), "Triangular window, 0 at its ends")
window("kaiser_window", lambda np, n, beta=12.0: np.i0(beta * np.sqrt(np.maximum(1 - (2 * np.arange(n) / (n - 1) - 1) ** 2, 0)))
       / np.i0(beta), "Kaiser window", "beta")  # fmt: skip

overlap_add = op("overlap_add(input, length: any, step: any) -> out", function=False,
                 impl=lambda x, length, step: unfold_backward.declaration["impl"](x, (*x.shape[:-2], length), -1, x.shape[-1], step),
                 meta=lambda x, length, step: core.empty((*x.shape[:-2], length), dtype=x.dtype, device="meta"),
                 vjp=lambda g, input_shape, step: unfold(g, -1, input_shape[-1], step),
                 doc="Frames (..., T, N) added up, each ``step`` after the one before.")  # fmt: skip


def centred_window(win: Any, win_length: int, n_fft: int, like: Any) -> Any:
    """The window with zeros around it to n_fft."""
    if win is None:
        win = core.ones(win_length, dtype=like)
    if win.ndim != 1 or win.shape[0] != win_length:
        raise RuntimeError(f"[stft] got a window {tuple(win.shape)}, expected ({win_length},)")
    left = (n_fft - win_length) // 2
    return FUNCTIONS["cat"](
        [core.zeros(left, dtype=win.dtype), win, core.zeros(n_fft - win_length - left, dtype=win.dtype)]
    )


def reflected(x: Any, n: int, mode: str) -> Any:
    """n samples more at both ends."""
    if mode == "constant":
        side = core.zeros((x.shape[0], n), dtype=x.dtype)
        return FUNCTIONS["cat"]([side, x, side], 1)
    if mode != "reflect":
        raise NotImplementedError(f"[stft] pad_mode={mode!r} is not supported, only 'reflect' and 'constant'")
    if n >= x.shape[1]:
        raise RuntimeError(f"[stft] {n} samples of padding do not fit a signal of {x.shape[1]}")
    left = narrow_op(x, 1, 1, n).flip(1)
    right = narrow_op(x, 1, x.shape[1] - n - 1, n).flip(1)
    return FUNCTIONS["cat"]([left, x, right], 1)


@composite
def stft(input: Any, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None,
         center: bool = True, pad_mode: str = "reflect", normalized: bool = False, onesided: bool | None = None,
         return_complex: bool | None = None, align_to_window: bool | None = None) -> Any:  # fmt: skip
    """Fourier transforms of overlapping frames of a signal (N) or signals (B, N): (B, frequencies, frames), complex."""
    if input.ndim not in (1, 2):
        raise RuntimeError(f"[stft] got {input.ndim} dimensions, expected 1 or 2")
    if not return_complex:
        raise RuntimeError("[stft] return_complex=True is required: the result of a real input is complex")
    hop, length = n_fft // 4 if hop_length is None else hop_length, n_fft if win_length is None else win_length
    if hop <= 0 or not 0 < length <= n_fft:
        raise RuntimeError(f"[stft] got hop_length={hop}, win_length={length}, n_fft={n_fft}")
    x = unsqueeze(input, 0) if input.ndim == 1 else input
    if center:
        x = reflected(x, n_fft // 2, pad_mode)
    if x.shape[1] < n_fft:
        raise RuntimeError(f"[stft] got {x.shape[1]} samples, expected at least n_fft={n_fft}")
    frames = unfold(x, -1, n_fft, hop) * centred_window(window, length, n_fft, x.dtype)
    transform = FFT["rfft"] if onesided is None or onesided else FFT["fft"]
    out = transpose(transform(frames, norm="ortho" if normalized else None), 1, 2)
    return FUNCTIONS["squeeze"](out, 0) if input.ndim == 1 else out


@composite
def istft(input: Any, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None,
          center: bool = True, normalized: bool = False, onesided: bool | None = None, length: int | None = None,
          return_complex: bool = False) -> Any:  # fmt: skip
    """The signal of short-time transforms, by the least-squares inverse: Griffin and Lim (1984)."""
    if not input.is_complex() or input.ndim not in (2, 3):
        raise RuntimeError(f"[istft] got {input.dtype} of {input.ndim} dimensions, expected complex of 2 or 3")
    if return_complex:
        raise NotImplementedError("[istft] return_complex=True is not supported")
    hop, size = n_fft // 4 if hop_length is None else hop_length, n_fft if win_length is None else win_length
    x = unsqueeze(input, 0) if input.ndim == 2 else input
    half = x.shape[1] == n_fft // 2 + 1 if onesided is None else onesided
    spectra = transpose(x, 1, 2)
    norm = "ortho" if normalized else None
    frames = (
        FFT["irfft"](spectra, n_fft, norm=norm) if half else FUNCTIONS["real"](FFT["ifft"](spectra, n_fft, norm=norm))
    )
    win = centred_window(window, size, n_fft, frames.dtype)
    total = n_fft + hop * (frames.shape[1] - 1)
    signal = overlap_add((frames * win).contiguous(), total, hop)
    weight = overlap_add((win * win).expand(1, frames.shape[1], n_fft).contiguous(), total, hop)
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total - (n_fft // 2 if center else 0)
    stop = min(end, total)
    weight = narrow_op(weight, 1, start, stop - start)
    if float(weight.abs().amin()) < 1e-11:
        raise RuntimeError("[istft] the windows do not overlap everywhere: a sample has weight 0")
    out = narrow_op(signal, 1, start, stop - start) / weight
    if end > stop:
        out = FUNCTIONS["cat"]([out, core.zeros((out.shape[0], end - stop), dtype=out.dtype)], 1)
    return FUNCTIONS["squeeze"](out, 0) if input.ndim == 2 else out
