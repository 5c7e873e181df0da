"""Dropout."""

from __future__ import annotations

from typing import Any

from corten.nn import functional as F  # noqa: N812
from corten.nn.module import Module


class DropoutBase(Module):
    """Settings that all forms of dropout share."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"[{type(self).__name__}] got p={p}, expected a probability")
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(DropoutBase):
    """In training, zero elements with probability p and scale the others by 1 / (1 - p). Srivastava et al. 2014."""

    def forward(self, input: Any) -> Any:
        """Drop elements."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(DropoutBase):
    """In training, zero whole channels of (N, C, L)."""

    def forward(self, input: Any) -> Any:
        """Drop channels."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(DropoutBase):
    """In training, zero whole channels of (N, C, H, W)."""

    def forward(self, input: Any) -> Any:
        """Drop channels."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(DropoutBase):
    """In training, zero whole channels of (N, C, D, H, W)."""

    def forward(self, input: Any) -> Any:
        """Drop channels."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(DropoutBase):
    """Dropout that keeps mean and variance of selu networks. Klambauer et al., arXiv:1706.02515."""

    def forward(self, input: Any) -> Any:
        """Drop elements."""
        return F.alpha_dropout(input, self.p, self.training, self.inplace)


