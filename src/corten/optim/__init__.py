"""Optimizers: one fused native pass a step, PyTorch's formulas and state dicts."""

from corten.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
from corten.optim.adaptive import Adadelta, Adagrad, RMSprop
from corten.optim.optimizer import Optimizer
from corten.optim.sgd import SGD

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "Optimizer", "RAdam", "RMSprop"]
