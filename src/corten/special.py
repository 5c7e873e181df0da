"""Special functions by PyTorch's names (``torch.special``)."""

from __future__ import annotations

from corten.ops.special import SPECIAL

globals().update(SPECIAL)
__all__ = sorted(SPECIAL)  # noqa: PLE0605
