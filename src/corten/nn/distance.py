"""Distances and angles of vectors as modules."""

from __future__ import annotations

from typing import Any

from corten.nn import functional as F  # noqa: N812
from corten.nn.module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Module):
    """Cosine of the angle between vectors: :math:`x_1 \\cdot x_2 / (\\|x_1\\| \\|x_2\\|)`.

    Examples
    --------
    >>> import corten
    >>> corten.nn.CosineSimilarity()(corten.tensor([[1.0, 0.0]]), corten.tensor([[3.0, 0.0]]))
    tensor([1.])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Any, x2: Any) -> Any:
        """Similarity along the dimension."""
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """p-norm of the difference along the last dimension: :math:`\\|x_1 - x_2 + \\epsilon\\|_p`."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Any, x2: Any) -> Any:
        """Distance of two (..., D)."""
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
