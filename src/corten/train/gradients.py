"""What is done to gradients between backward and the step, in native passes over all of them."""

from __future__ import annotations

import math
from typing import Any

import corten._core.optim as native
from corten._core import core


def gradients_by_dtype(params: list[Any]) -> list[list[Any]]:
    """Contiguous gradients of the parameters that have one, those of one dtype together."""
    groups = []
    for members, grads in core.params_with_grads(params):
        dense = []
        for p, g in zip(members, grads, strict=True):
            if not g.is_contiguous():
                g = p.grad = g.contiguous()
            dense.append(g)
        groups.append(dense)
    return groups


def scale(params: list[Any], factor: float) -> None:
    """Multiply all gradients."""
    for grads in gradients_by_dtype(params):
        native.scale(grads, factor)


def clip_norm(params: list[Any], most: float) -> float:
    """Scale all gradients so that their Euclidean norm is at most ``most``; returns what it was.

    The formula is PyTorch's: the factor is :math:`\\min(1, most / (norm + 10^{-6}))`.
    """
    groups = gradients_by_dtype(params)
    norm = math.sqrt(sum(native.sum_square(grads) for grads in groups))
    if norm + 1e-6 > most:
        for grads in groups:
            native.scale(grads, most / (norm + 1e-6))
    return norm


def clip_value(params: list[Any], most: float) -> None:
    """Bring every element of the gradients into [-most, most]."""
    for grads in gradients_by_dtype(params):
        native.clamp(grads, -most, most)
