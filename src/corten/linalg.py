"""Linear algebra by PyTorch's names (``torch.linalg``), on LAPACK, with gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corten.ops import matrix as _matrix  # noqa: F401  (fills the table)
from corten.ops.linalg import LINALG

globals().update(LINALG)
__all__ = sorted(LINALG)  # noqa: PLE0605

if TYPE_CHECKING:  # the names come from the table of declarations

    def __getattr__(name: str) -> Any: ...
