"""Special functions by PyTorch's names (``torch.special``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corten.ops.special import SPECIAL

globals().update(SPECIAL)
__all__ = sorted(SPECIAL)  # noqa: PLE0605

if TYPE_CHECKING:  # the names come from the table of declarations

    def __getattr__(name: str) -> Any: ...
