"""Training loops and what goes with them."""

from .classification import DivergedError, Epoch, Evaluation, evaluate, fit, train_epoch

__all__ = ["DivergedError", "Epoch", "Evaluation", "evaluate", "fit", "train_epoch"]
