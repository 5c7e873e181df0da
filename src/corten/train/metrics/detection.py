"""Metrics of segmentation and detection: intersection over union, mean average precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from corten.train.metrics.classification import ConfusionMatrix
from corten.train.metrics.metric import Array, Metric, array


class IoU(Metric):
    """Intersection over union of the classes of pixels (the Jaccard index), averaged over the classes that occur.

    Parameters
    ----------
    average : bool
        False gives an array of all classes, NaN where one does not occur.
    threshold : float
        For one score a pixel: class 1 above it.

    Examples
    --------
    >>> metric = IoU()
    >>> metric.update([[0, 1, 1]], [[0, 0, 1]])
    >>> metric.compute()
    0.5
    """

    def __init__(self, average: bool = True, threshold: float = 0.0) -> None:
        self.average, self.threshold = average, threshold
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.confusion = ConfusionMatrix(threshold=self.threshold)

    def update(self, output: Any, target: Any) -> None:
        """Add scores (N, C, ...) or class numbers for class numbers (N, ...)."""
        self.confusion.update(output, target)

    def _add(self, other: IoU) -> None:
        self.confusion.merge(other.confusion)

    def _settings(self) -> dict[str, Any]:
        return {"average": self.average, "threshold": self.threshold}

    def compute(self) -> Any:
        """From 0 to 1; NaN without pixels."""
        counts = self.confusion.counts
        both = np.diag(counts)
        either = counts.sum(0) + counts.sum(1) - both
        values = np.divide(both, either, out=np.full(len(both), np.nan), where=either > 0)
        if not self.average:
            return values
        return float(np.nanmean(values)) if (either > 0).any() else float("nan")


def box_iou(a: Any, b: Any) -> Array:
    """Intersection over union of each pair of boxes (x1, y1, x2, y2).

    Parameters
    ----------
    a, b : (N, 4), (M, 4)

    Returns
    -------
    float64 (N, M)

    Examples
    --------
    >>> box_iou([[0, 0, 2, 2]], [[1, 0, 3, 2]]).round(4).tolist()
    [[0.3333]]
    """
    a, b = array(a).astype(np.float64).reshape(-1, 4), array(b).astype(np.float64).reshape(-1, 4)
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(2)
    sizes = [np.clip(x[:, 2:] - x[:, :2], 0, None).prod(1) for x in (a, b)]
    either = sizes[0][:, None] + sizes[1][None] - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


class MeanAveragePrecision(Metric):
    """Mean average precision of detected boxes, as COCO defines it: over classes and IoU thresholds, 101 recalls.

    A detection, the most certain first, takes the free box of its class that it overlaps most, and is right when the IoU is
    at least the threshold.

    Parameters
    ----------
    thresholds : sequence of float
        IoU thresholds; 0.5, 0.55 ... 0.95 when absent.
    most : int
        Detections of a class that count in an image, the most certain ones.

    Examples
    --------
    >>> metric = MeanAveragePrecision()
    >>> boxes = [[0, 0, 10, 10]]
    >>> metric.update([{"boxes": boxes, "scores": [0.9], "labels": [1]}], [{"boxes": boxes, "labels": [1]}])
    >>> round(metric.compute()["map"], 6)
    1.0
    """

    def __init__(self, thresholds: Sequence[float] | None = None, most: int = 100) -> None:
        self.thresholds = [0.5 + 0.05 * i for i in range(10)] if thresholds is None else [float(t) for t in thresholds]
        self.most = most
        self.reset()

    def reset(self) -> None:
        """Forget all images."""
        self.scores: dict[int, list[Array]] = {}
        self.right: dict[int, list[Array]] = {}  # (thresholds, detections) of each image
        self.boxes: dict[int, int] = {}

    def update(self, output: Sequence[Mapping[str, Any]], target: Sequence[Mapping[str, Any]]) -> None:
        """Add images: detections ``{"boxes", "scores", "labels"}`` and truths ``{"boxes", "labels"}``."""
        if len(output) != len(target):
            raise ValueError(f"[MeanAveragePrecision] got detections of {len(output)} images and truths of {len(target)}")
        for found, truth in zip(output, target, strict=True):
            labels, true_labels = array(found["labels"]).reshape(-1), array(truth["labels"]).reshape(-1)
            scores = array(found["scores"]).reshape(-1).astype(np.float64)
            boxes, true_boxes = array(found["boxes"]).reshape(-1, 4), array(truth["boxes"]).reshape(-1, 4)
            if not len(labels) == len(scores) == len(boxes) or len(true_labels) != len(true_boxes):
                raise ValueError("[MeanAveragePrecision] got boxes, scores and labels of different lengths")
            for label in np.unique(np.concatenate([labels, true_labels])).tolist():
                mine = np.flatnonzero(labels == label)
                mine = mine[np.argsort(-scores[mine], kind="stable")][: self.most]
                overlaps = box_iou(boxes[mine], true_boxes[true_labels == label])
                key = int(label)
                self.boxes[key] = self.boxes.get(key, 0) + overlaps.shape[1]
                self.scores.setdefault(key, []).append(scores[mine])
                self.right.setdefault(key, []).append(np.stack([_matched(overlaps, t) for t in self.thresholds]))

    def _add(self, other: MeanAveragePrecision) -> None:
        for key, count in other.boxes.items():
            self.boxes[key] = self.boxes.get(key, 0) + count
            self.scores[key] = self.scores.get(key, []) + other.scores[key]
            self.right[key] = self.right.get(key, []) + other.right[key]

    def _settings(self) -> dict[str, Any]:
        return {"thresholds": self.thresholds, "most": self.most}

    def compute(self) -> dict[str, float]:
        """``map``, ``map_50`` and ``map_75`` where these thresholds are there, and ``map_class_<label>``."""
        figures: dict[int, Array] = {}
        for key, count in sorted(self.boxes.items()):
            if count:
                scores, right = np.concatenate(self.scores[key]), np.concatenate(self.right[key], 1)
                order = np.argsort(-scores, kind="stable")
                figures[key] = np.array([_interpolated(row[order], count) for row in right])
        if not figures:
            return {"map": float("nan")}
        table = np.stack(list(figures.values()))
        result = {"map": float(table.mean())}
        for name, wanted in (("map_50", 0.5), ("map_75", 0.75)):
            at = [i for i, t in enumerate(self.thresholds) if abs(t - wanted) < 1e-9]
            if at:
                result[name] = float(table[:, at[0]].mean())
        return result | {f"map_class_{key}": float(row.mean()) for key, row in figures.items()}


def _matched(overlaps: Array, threshold: float) -> Array:
    """Which detections, in order, find a free box."""
    free = np.ones(overlaps.shape[1], bool)
    right = np.zeros(len(overlaps), bool)
    for i, row in enumerate(overlaps):
        if not free.any():
            break
        j = int(np.where(free, row, -1.0).argmax())
        if row[j] >= min(threshold, 1 - 1e-10):
            free[j], right[i] = False, True
    return right


def _interpolated(right: Array, boxes: int) -> float:
    """Average precision at the recalls 0, 0.01 ... 1, each with the best precision at that recall or a higher one."""
    if not len(right):
        return 0.0
    true = np.cumsum(right)
    recall, precision = true / boxes, true / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
    return float(np.append(precision, 0.0)[at].mean())
