"""Training loops and what goes with them.

The hand-written loop is the first citizen; :class:`Trainer` takes the same steps and adds what long trainings want.
"""

from __future__ import annotations

import importlib
from typing import Any

from .averaging import EMA, SWA, averaged, update_norms
from .callback import Callback, EarlyStopping, LearningRateMonitor
from .checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from .classification import Epoch, Evaluation, evaluate, fit, train_epoch
from .errors import DivergedError, TrainingWarning
from .loggers import CSVLogger, JSONLLogger
from .progress import Progress
from .rate_finder import RateCurve, find_rate
from .trainer import Run, Trainer

#: what needs more than the core is imported when it is first used
_LAZY = {"MLflow": "mlflow", "TensorBoard": "tensorboard", "report": "reporting", "Estimator": "estimator"}

__all__ = [
    "EMA", "SWA", "CSVLogger", "Callback", "Checkpoint", "DivergedError", "EarlyStopping", "Epoch", "Estimator", "Evaluation",
    "JSONLLogger", "LearningRateMonitor", "MLflow", "Progress", "RateCurve", "Run", "TensorBoard", "Trainer",
    "TrainingWarning", "averaged", "evaluate", "find_rate", "fit", "metrics", "read_checkpoint", "report", "train_epoch",
    "tune", "update_norms", "write_checkpoint",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("metrics", "tune"):
        return importlib.import_module(f"corten.train.{name}")
    if name in _LAZY:
        return getattr(importlib.import_module(f"corten.train.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'corten.train' has no attribute {name!r}")
