"""Metrics: gathered batch by batch, and mergeable; see :class:`Metric`."""

from .classification import F1, Accuracy, ConfusionMatrix, LogLoss, Precision, Recall
from .detection import IoU, MeanAveragePrecision, box_iou
from .metric import Metric
from .ranking import AUROC, AveragePrecision, precision_recall_points, roc_points
from .regression import MAE, MSE, R2
from .text import BLEU, Perplexity

__all__ = [
    "AUROC", "BLEU", "F1", "MAE", "MSE", "R2", "Accuracy", "AveragePrecision", "ConfusionMatrix", "IoU", "LogLoss",
    "MeanAveragePrecision", "Metric", "Perplexity", "Precision", "Recall", "box_iou", "precision_recall_points", "roc_points",
]  # fmt: skip
