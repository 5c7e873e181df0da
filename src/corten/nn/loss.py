"""Losses as modules."""

from __future__ import annotations

from typing import Any

from corten.nn import functional as F  # noqa: N812
from corten.nn.module import Module
from corten.ops.loss import old_reduction

__all__ = ["BCELoss", "BCEWithLogitsLoss", "ContrastiveLoss", "CrossEntropyLoss", "FocalLoss", "HuberLoss", "KLDivLoss",
           "L1Loss", "MSELoss", "NLLLoss", "SmoothL1Loss"]  # fmt: skip


class Loss(Module):
    """What all losses share: how the values of the items become one."""

    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = old_reduction(reduction, size_average, reduce)
        if self.reduction not in ("none", "mean", "sum", "batchmean"):
            raise ValueError(f"[{type(self).__name__}] got reduction={reduction!r}, expected 'none', 'mean' or 'sum'")


class WeightedLoss(Loss):
    """A loss with a weight for each class or item."""

    def __init__(self, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(WeightedLoss):
    """Cross-entropy of logits against class indices or probabilities; see :func:`corten.nn.functional.cross_entropy`.

    Examples
    --------
    >>> import corten
    >>> corten.nn.CrossEntropyLoss()(corten.zeros(2, 4), corten.tensor([1, 3]))
    tensor(1.3863)
    """

    def __init__(self, weight: Any = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None,
                 reduction: str = "mean", label_smoothing: float = 0.0) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        """Loss of logits (N, C, ...) at targets."""
        return F.cross_entropy(input, target, self.weight, None, self.ignore_index, None, self.reduction,
                               self.label_smoothing)  # fmt: skip


class NLLLoss(WeightedLoss):
    """Negative log-likelihood of log-probabilities at class indices."""

    def __init__(self, weight: Any = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None,
                 reduction: str = "mean") -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        """Loss of log-probabilities (N, C, ...) at targets."""
        return F.nll_loss(input, target, self.weight, None, self.ignore_index, None, self.reduction)


class MSELoss(Loss):
    """Squared error."""

    def forward(self, input: Any, target: Any) -> Any:
        """Loss of a prediction."""
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    """Absolute error."""

    def forward(self, input: Any, target: Any) -> Any:
        """Loss of a prediction."""
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(Loss):
    """Squared error below beta, absolute error above."""

    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Any:
        """Loss of a prediction."""
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(Loss):
    """Squared error up to delta, linear above."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Any:
        """Loss of a prediction."""
        return F.huber_loss(input, target, self.reduction, self.delta)


class BCELoss(WeightedLoss):
    """Cross-entropy of probabilities."""

    def forward(self, input: Any, target: Any) -> Any:
        """Loss of probabilities at targets of [0, 1]."""
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(WeightedLoss):
    """Cross-entropy of a logistic output, finite for any logit."""

    def __init__(self, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
                 pos_weight: Any = None) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        """Loss of logits at targets of [0, 1]."""
        return F.binary_cross_entropy_with_logits(input, target, self.weight, reduction=self.reduction,
                                                  pos_weight=self.pos_weight)  # fmt: skip


class KLDivLoss(Loss):
    """Kullback-Leibler divergence of log-probabilities from a target distribution."""

    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Any:
        """Divergence."""
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class FocalLoss(Loss):
    """Cross-entropy that weighs hard items more: :math:`-\\alpha (1 - p_t)^\\gamma \\log p_t`. Lin et al., arXiv:1708.02002.

    Parameters
    ----------
    gamma : float
        How strongly easy items are discounted; 0 is cross-entropy.
    alpha : Tensor, shape (C,), or float, optional
        Weight of each class, or of all.
    """

    def __init__(self, gamma: float = 2.0, alpha: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.gamma = gamma
        self.register_buffer("alpha", alpha if hasattr(alpha, "dtype") else None)
        self.scale = alpha if isinstance(alpha, (int, float)) else 1.0

    def forward(self, input: Any, target: Any) -> Any:
        """Loss of logits (N, C) at class indices (N)."""
        log_p = F.log_softmax(input, 1).gather(1, target.unsqueeze(1)).squeeze(1)
        each = -self.scale * (1 - log_p.exp()) ** self.gamma * log_p
        if self.alpha is not None:
            each = each * self.alpha[target]
        return each if self.reduction == "none" else each.mean() if self.reduction == "mean" else each.sum()


class ContrastiveLoss(Loss):
    """Pulls pairs of one class together and pushes others a margin apart. Hadsell, Chopra and LeCun 2006.

    :math:`y d^2 + (1 - y) \\max(m - d, 0)^2`, halved, of the distance d; y is 1 for pairs of one class.
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        """Loss of two (N, D) and labels (N) of pairs."""
        d = ((input1 - input2) ** 2).sum(-1)
        apart = (self.margin - (d + 1e-12).sqrt()).relu() ** 2
        each = 0.5 * (target * d + (1 - target) * apart)
        return each if self.reduction == "none" else each.mean() if self.reduction == "mean" else each.sum()
