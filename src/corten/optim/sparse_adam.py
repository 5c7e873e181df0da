"""Adam for sparse gradients."""

from __future__ import annotations

from typing import Any

from corten.optim.optimizer import Optimizer


class SparseAdam(Optimizer):
    """Raises: gradients here are dense, and an entry of 0 cannot be told from one that is not there; use Adam."""

    def __init__(self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 maximize: bool = False) -> None:  # fmt: skip
        raise NotImplementedError("[SparseAdam] there are no sparse gradients; use Adam")
