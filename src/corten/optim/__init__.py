"""Optimizers: one fused native pass a step, PyTorch's formulas and state dicts."""

from typing import Any

from corten.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
from corten.optim.adaptive import Adadelta, Adagrad, RMSprop
from corten.optim.asgd import ASGD, Rprop
from corten.optim.lbfgs import LBFGS
from corten.optim.matrix import Adafactor, Muon
from corten.optim.optimizer import Optimizer
from corten.optim.sgd import SGD
from corten.optim.sparse_adam import SparseAdam

__all__ = ["ASGD", "LBFGS", "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Muon", "NAdam",
           "Optimizer", "RAdam", "RMSprop", "Rprop", "SparseAdam"]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("lr_scheduler", "swa_utils"):
        import importlib

        return importlib.import_module(f"corten.optim.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
