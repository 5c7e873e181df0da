"""Metrics of classifiers: accuracy, precision, recall, F1, confusion matrix, log loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from corten.train.metrics.metric import Array, Metric, array, classes_of, grown, log_softmax, same_length


class Accuracy(Metric):
    """The share of samples whose class is found, or is among the ``top_k`` highest scores.

    Of equal scores the one of the higher class number counts as higher, as in scikit-learn.

    Parameters
    ----------
    top_k : int
    threshold : float
        For one score a sample (a binary logit): class 1 above it.

    Examples
    --------
    >>> import numpy as np
    >>> metric = Accuracy()
    >>> metric.update(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    >>> metric.compute()
    0.5
    """

    def __init__(self, top_k: int = 1, threshold: float = 0.0) -> None:
        if top_k < 1:
            raise ValueError(f"[Accuracy] got top_k {top_k}, expected a positive int")
        self.top_k, self.threshold = top_k, threshold
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.right = self.count = 0

    def update(self, output: Any, target: Any) -> None:
        """Add a batch of scores (N, C) or class numbers (N,)."""
        if self.top_k == 1:
            found, truth = classes_of("Accuracy", output, target, self.threshold)
            self.right += int((found == truth).sum())
            self.count += truth.size
            return
        scores, truth = array(output), array(target).astype(np.int64)
        same_length("Accuracy", scores, truth)
        if scores.ndim != 2 or truth.ndim != 1:
            raise ValueError(f"[Accuracy] top_k needs scores (N, C) and classes (N,), got {scores.shape} and {truth.shape}")
        own = scores[np.arange(len(truth)), truth][:, None]
        higher = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) > truth[:, None]))
        self.right += int((higher.sum(1) < self.top_k).sum())
        self.count += len(truth)

    def _add(self, other: Accuracy) -> None:
        self.right += other.right
        self.count += other.count

    def _settings(self) -> dict[str, Any]:
        return {"top_k": self.top_k, "threshold": self.threshold}

    def compute(self) -> float:
        """From 0 to 1; NaN without samples."""
        return self.right / self.count if self.count else float("nan")


class ConfusionMatrix(Metric):
    """How many samples of the row's class were taken for the column's: int64, (C, C).

    Parameters
    ----------
    classes : int, optional
        C; when absent, as many as were seen.
    threshold : float
        For one score a sample: class 1 above it.

    Examples
    --------
    >>> metric = ConfusionMatrix()
    >>> metric.update([0, 1, 1], [0, 1, 0])
    >>> metric.compute().tolist()
    [[1, 1], [0, 1]]
    """

    def __init__(self, classes: int | None = None, threshold: float = 0.0) -> None:
        self.classes, self.threshold = classes, threshold
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.counts: Array = np.zeros((self.classes or 0,) * 2, np.int64)

    def update(self, output: Any, target: Any) -> None:
        """Add a batch of scores (N, C, ...) or class numbers."""
        found, truth = classes_of("ConfusionMatrix", output, target, self.threshold)
        if not truth.size:
            return
        size = int(max(found.max(), truth.max())) + 1
        if self.classes is not None and size > self.classes:
            raise ValueError(f"[ConfusionMatrix] got class {size - 1}, expected classes below {self.classes}")
        self.counts = grown(self.counts, size)
        n = len(self.counts)
        self.counts += np.bincount(truth * n + found, minlength=n * n).reshape(n, n)

    def _add(self, other: ConfusionMatrix) -> None:
        size = max(len(self.counts), len(other.counts))
        self.counts = grown(self.counts, size) + grown(other.counts, size)

    def _settings(self) -> dict[str, Any]:
        return {"classes": self.classes, "threshold": self.threshold}

    def compute(self) -> Array:
        """The matrix."""
        return self.counts.copy()


class _Rates(Metric):
    """Base of precision, recall and F1: true positives, and how often each class was predicted and was true."""

    def __init__(self, average: str | None = "macro", threshold: float = 0.0) -> None:
        if average not in ("micro", "macro", "weighted", "binary", None):
            raise ValueError(f"[{type(self).__name__}] got average {average!r}, expected 'micro', 'macro', 'weighted', 'binary' "
                             "or None")  # fmt: skip
        self.average, self.threshold = average, threshold
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.counts: Array = np.zeros((0, 3), np.int64)  # true positives, predicted, true

    def update(self, output: Any, target: Any) -> None:
        """Add a batch of scores (N, C, ...) or class numbers."""
        found, truth = classes_of(type(self).__name__, output, target, self.threshold)
        if not truth.size:
            return
        n = max(len(self.counts), int(max(found.max(), truth.max())) + 1)
        new = [np.bincount(v, minlength=n) for v in (truth[found == truth], found, truth)]
        self._take(np.stack(new, 1))

    def _take(self, counts: Array) -> None:
        n = max(len(self.counts), len(counts))
        padded = [np.pad(c, [(0, n - len(c)), (0, 0)]) for c in (self.counts, counts)]
        self.counts = padded[0] + padded[1]

    def _add(self, other: _Rates) -> None:
        self._take(other.counts)

    def _settings(self) -> dict[str, Any]:
        return {"average": self.average, "threshold": self.threshold}

    def _rate(self, right: Array, predicted: Array, true: Array) -> Array:
        raise NotImplementedError

    def compute(self) -> Any:
        """The average over the classes that occur; of ``average=None`` an array of them all. 0 where 0 is divided by 0."""
        counts = self.counts
        if self.average == "binary":
            counts = np.pad(counts, [(0, max(0, 2 - len(counts))), (0, 0)])
            if len(counts) > 2:
                raise ValueError(f"[{type(self).__name__}] average 'binary' got {len(counts)} classes")
            return float(self._rate(*counts[1:2].T)[0])
        if self.average == "micro":
            return float(self._rate(*counts.sum(0, keepdims=True).T)[0])
        rates = self._rate(*counts.T)
        if self.average is None:
            return rates
        occurs = counts[:, 1:].sum(1) > 0
        if not occurs.any():
            return float("nan")
        if self.average == "macro":
            return float(rates[occurs].mean())
        support = counts[occurs, 2]
        return float((rates[occurs] * support).sum() / support.sum())


def ratio(a: Array, b: Array) -> Array:
    """a / b, 0 where b is 0."""
    return np.divide(a, b, out=np.zeros(len(a)), where=b != 0)


class Precision(_Rates):
    """True positives over predicted ones.

    Parameters
    ----------
    average : {'macro', 'micro', 'weighted', 'binary'} or None
        Over the classes; ``'binary'`` is class 1 alone, None gives an array.
    threshold : float
        For one score a sample: class 1 above it.

    Examples
    --------
    >>> metric = Precision("binary")
    >>> metric.update([1, 1, 0, 1], [1, 0, 0, 1])
    >>> round(metric.compute(), 4)
    0.6667
    """

    def _rate(self, right: Array, predicted: Array, true: Array) -> Array:
        return ratio(right, predicted)


class Recall(_Rates):
    """True positives over true ones. Parameters as of :class:`Precision`.

    Examples
    --------
    >>> metric = Recall("binary")
    >>> metric.update([1, 1, 0, 0], [1, 0, 0, 1])
    >>> metric.compute()
    0.5
    """

    def _rate(self, right: Array, predicted: Array, true: Array) -> Array:
        return ratio(right, true)


class F1(_Rates):
    """The harmonic mean of precision and recall, :math:`2 TP / (predicted + true)`. Parameters as of :class:`Precision`.

    Examples
    --------
    >>> metric = F1("macro")
    >>> metric.update([0, 1, 1, 1], [0, 1, 0, 1])
    >>> round(metric.compute(), 4)
    0.7333
    """

    def _rate(self, right: Array, predicted: Array, true: Array) -> Array:
        return ratio(2 * right, predicted + true)


class LogLoss(Metric):
    """Mean cross-entropy in nats.

    Parameters
    ----------
    logits : bool
        Outputs are logits (N, C), or (N,) for two classes; False: probabilities, which are kept away from 0 and 1 by the
        resolution of their dtype, as in scikit-learn.

    Examples
    --------
    >>> metric = LogLoss(logits=False)
    >>> metric.update([[0.5, 0.5]], [1])
    >>> round(metric.compute(), 6)
    0.693147
    """

    def __init__(self, logits: bool = True) -> None:
        self.logits = logits
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.total, self.count = 0.0, 0

    def update(self, output: Any, target: Any) -> None:
        """Add a batch."""
        out, truth = array(output), array(target).astype(np.int64)
        same_length("LogLoss", out, truth)
        if out.ndim == 2 and out.shape[1] == 1:
            out = out[:, 0]
        truth = truth.reshape(-1)
        if out.ndim == 1:
            out = np.stack([np.zeros_like(out), out] if self.logits else [1 - out, out], 1)
        if out.ndim != 2 or truth.size and not 0 <= truth.min() <= truth.max() < out.shape[1]:
            raise ValueError(f"[LogLoss] got outputs of shape {out.shape} for classes up to {truth.max(initial=0)}, expected (N, C)")
        if self.logits:
            logs = log_softmax(out)
        else:
            eps = np.finfo(out.dtype if out.dtype.kind == "f" else np.float64).eps
            logs = np.log(np.clip(out.astype(np.float64), eps, 1 - eps))
        self.total -= float(logs[np.arange(len(truth)), truth].sum())
        self.count += len(truth)

    def _add(self, other: LogLoss) -> None:
        self.total += other.total
        self.count += other.count

    def _settings(self) -> dict[str, Any]:
        return {"logits": self.logits}

    def compute(self) -> float:
        """In nats; NaN without samples."""
        return self.total / self.count if self.count else float("nan")
