"""Metrics of regressors: squared and absolute error, coefficient of determination."""

from __future__ import annotations

from typing import Any

import numpy as np

from corten.train.metrics.metric import Array, Metric, array


def _pair(owner: str, output: Any, target: Any) -> tuple[Array, Array]:
    """Outputs and targets (N, outputs), float64."""
    out, truth = array(output).astype(np.float64), array(target).astype(np.float64)
    if out.ndim == truth.ndim + 1 and out.shape[-1] == 1:
        out = out[..., 0]
    if out.shape != truth.shape or out.ndim == 0:
        raise ValueError(f"[{owner}] got outputs of shape {out.shape} for targets of shape {truth.shape}, expected the same")
    return out.reshape(len(out), -1), truth.reshape(len(truth), -1)


class _Error(Metric):
    """Base of mean errors."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.total, self.count = 0.0, 0

    def update(self, output: Any, target: Any) -> None:
        """Add a batch of values of one shape; outputs may have a last dimension of 1 more."""
        out, truth = _pair(type(self).__name__, output, target)
        self.total += float(self._errors(out - truth).sum())
        self.count += truth.size

    def _errors(self, difference: Array) -> Array:
        raise NotImplementedError

    def _add(self, other: _Error) -> None:
        self.total += other.total
        self.count += other.count

    def compute(self) -> float:
        """The mean over all values; NaN without any."""
        return self.total / self.count if self.count else float("nan")


class MSE(_Error):
    """Mean squared error.

    Examples
    --------
    >>> metric = MSE()
    >>> metric.update([1.0, 2.0], [1.0, 4.0])
    >>> metric.compute()
    2.0
    """

    def _errors(self, difference: Array) -> Array:
        return difference**2


class MAE(_Error):
    """Mean absolute error.

    Examples
    --------
    >>> metric = MAE()
    >>> metric.update([1.0, 2.0], [1.0, 4.0])
    >>> metric.compute()
    1.0
    """

    def _errors(self, difference: Array) -> Array:
        return np.abs(difference)


class R2(Metric):
    """Coefficient of determination, :math:`1 - \\sum (y - \\hat y)^2 / \\sum (y - \\bar y)^2`, the mean over outputs.

    Means and squared deviations of parts are combined as in Chan, Golub and LeVeque (1979), so that targets far from 0 lose
    no digits.

    Examples
    --------
    >>> metric = R2()
    >>> metric.update([2.5, 0.0, 2.0, 8.0], [3.0, -0.5, 2.0, 7.0])
    >>> round(metric.compute(), 6)
    0.948608
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.count = 0
        self.mean: Array = np.zeros(0)
        self.spread: Array = np.zeros(0)  # sum of squared deviations from the mean
        self.error: Array = np.zeros(0)  # sum of squared errors

    def update(self, output: Any, target: Any) -> None:
        """Add a batch of values (N,) or (N, outputs)."""
        out, truth = _pair("R2", output, target)
        if not len(truth):
            return
        mean = truth.mean(0)
        self._combine(len(truth), mean, ((truth - mean) ** 2).sum(0), ((out - truth) ** 2).sum(0))

    def _combine(self, count: int, mean: Array, spread: Array, error: Array) -> None:
        if not self.count:
            self.count, self.mean, self.spread, self.error = count, mean, spread, error
            return
        if len(mean) != len(self.mean):
            raise ValueError(f"[R2] got {len(mean)} outputs after {len(self.mean)}")
        both = self.count + count
        gap = mean - self.mean
        self.mean = self.mean + gap * (count / both)
        self.spread = self.spread + spread + gap**2 * (self.count * count / both)
        self.error = self.error + error
        self.count = both

    def _add(self, other: R2) -> None:
        if other.count:
            self._combine(other.count, other.mean, other.spread, other.error)

    def compute(self) -> float:
        """At most 1; NaN with fewer than two samples. Constant targets give 1 when they are met exactly and 0 otherwise."""
        if self.count < 2:
            return float("nan")
        scores = np.where(self.error == 0, 1.0, 0.0)
        varies = self.spread > 0
        scores[varies] = 1 - self.error[varies] / self.spread[varies]
        return float(scores.mean())
