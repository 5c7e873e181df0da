"""Discrete Fourier transforms by PyTorch's names (``torch.fft``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corten.ops.fourier import FFT

globals().update(FFT)
__all__ = sorted(FFT)  # noqa: PLE0605

if TYPE_CHECKING:  # the names come from the table of declarations

    def __getattr__(name: str) -> Any: ...
