"""What training raises and warns of."""

from __future__ import annotations


class DivergedError(ArithmeticError):
    """The loss has become infinite or not a number."""


class TrainingWarning(RuntimeWarning):
    """Something beside the training failed - a tracker, a full disk - and the training goes on."""
