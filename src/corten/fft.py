"""Discrete Fourier transforms by PyTorch's names (``torch.fft``)."""

from __future__ import annotations

from corten.ops.fourier import FFT

globals().update(FFT)
__all__ = sorted(FFT)  # noqa: PLE0605
