"""Metrics of rankings: area under the ROC curve, average precision; and the curves themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from corten.train.metrics.metric import Array, Metric, array, log_softmax, same_length


def counts_by_threshold(scores: Array, positive: Array) -> tuple[Array, Array, Array]:
    """False and true positives at each distinct score, the highest first, and these scores."""
    order = np.argsort(-scores, kind="stable")
    scores, positive = scores[order], positive[order].astype(np.int64)
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    true = np.cumsum(positive)[last]
    return 1 + last - true, true, scores[last]


def roc_points(scores: Array, positive: Array) -> tuple[Array, Array]:
    """False and true positive rates, from (0, 0) to (1, 1)."""
    false, true, _ = counts_by_threshold(scores, positive)
    return np.append(0, false) / max(1, false[-1]), np.append(0, true) / max(1, true[-1])


def precision_recall_points(scores: Array, positive: Array) -> tuple[Array, Array]:
    """Precision and recall at each distinct score, the highest first."""
    false, true, _ = counts_by_threshold(scores, positive)
    return true / (true + false), true / max(1, true[-1])


def area_under_roc(scores: Array, positive: Array) -> float:
    """By trapezoids; NaN when only one class occurs."""
    if not len(positive) or positive.all() or not positive.any():
        return float("nan")
    false, true, _ = counts_by_threshold(scores, positive)
    false, true = np.append(0, false), np.append(0, true)
    # counts are integers: the sum is exact
    return float((np.diff(false) * (true[1:] + true[:-1])).sum() / (2.0 * int(false[-1]) * int(true[-1])))


def mean_precision(scores: Array, positive: Array) -> float:
    """:math:`\\sum_k (R_k - R_{k-1}) P_k` over the distinct scores; NaN without positives."""
    if not positive.any():
        return float("nan")
    precision, recall = precision_recall_points(scores, positive)
    return float((np.diff(np.append(0.0, recall)) * precision).sum())


class _Ranking(Metric):
    """Base of figures that need all scores: they are kept, eight bytes a score."""

    def __init__(self, average: str | None = "macro", logits: bool = True) -> None:
        if average not in ("macro", "weighted", None):
            raise ValueError(f"[{type(self).__name__}] got average {average!r}, expected 'macro', 'weighted' or None")
        self.average, self.logits = average, logits
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.scores: list[Array] = []
        self.targets: list[Array] = []

    def update(self, output: Any, target: Any) -> None:
        """Add a batch of scores (N,), (N, 2) or (N, C) and classes (N,)."""
        out, truth = array(output).astype(np.float64), array(target).astype(np.int64).reshape(-1)
        same_length(type(self).__name__, out, truth)
        if out.ndim == 2 and out.shape[1] == 1:
            out = out[:, 0]
        elif out.ndim == 2 and out.shape[1] == 2:
            out = out[:, 1] - out[:, 0] if self.logits else out[:, 1]
        elif out.ndim == 2 and self.logits:
            out = np.exp(log_softmax(out))
        if out.ndim not in (1, 2):
            raise ValueError(f"[{type(self).__name__}] got outputs of shape {out.shape}, expected (N,) or (N, C)")
        if not np.isfinite(out).all():
            raise ValueError(f"[{type(self).__name__}] got scores that are not finite")
        if self.scores and self.scores[0].shape[1:] != out.shape[1:]:
            raise ValueError(f"[{type(self).__name__}] got outputs of shape {out.shape} after {self.scores[0].shape}")
        self.scores.append(out)
        self.targets.append(truth)

    def _add(self, other: _Ranking) -> None:
        self.scores = self.scores + other.scores
        self.targets = self.targets + other.targets

    def _settings(self) -> dict[str, Any]:
        return {"average": self.average, "logits": self.logits}

    def _figure(self, scores: Array, positive: Array) -> float:
        raise NotImplementedError

    def compute(self) -> Any:
        """The figure; for more than two classes each against the rest, averaged."""
        if not self.scores:
            return float("nan")
        scores, targets = np.concatenate(self.scores), np.concatenate(self.targets)
        if scores.ndim == 1:
            return self._figure(scores, targets == 1)
        figures = np.array([self._figure(scores[:, c], targets == c) for c in range(scores.shape[1])])
        if self.average is None:
            return figures
        if self.average == "macro":
            return float(figures.mean())
        support = np.bincount(targets, minlength=len(figures))
        return float((figures * support).sum() / support.sum())


class AUROC(_Ranking):
    """Area under the ROC curve: the probability that a positive scores above a negative, ties counting half.

    Parameters
    ----------
    average : {'macro', 'weighted'} or None
        For more than two classes: the mean of each class against the rest, weighted by how often it occurs; an array.
    logits : bool
        Outputs of more than two classes are logits and become probabilities first; False: probabilities.

    Examples
    --------
    >>> metric = AUROC()
    >>> metric.update([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> metric.compute()
    0.75
    """

    def _figure(self, scores: Array, positive: Array) -> float:
        return area_under_roc(scores, positive)


class AveragePrecision(_Ranking):
    """Mean of the precisions at each threshold, weighted by the step in recall. Parameters as of :class:`AUROC`.

    Examples
    --------
    >>> metric = AveragePrecision()
    >>> metric.update([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> round(metric.compute(), 6)
    0.833333
    """

    def _figure(self, scores: Array, positive: Array) -> float:
        return mean_precision(scores, positive)
