"""Losses written in ops: margins, pairs, triplets and likelihoods, with PyTorch's names and arguments."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from corten.autograd import no_grad
from corten.nn.functional_sequence import pairwise_distance
from corten.ops import activation as act
from corten.ops.create import arange
from corten.ops.loss import reduction_code
from corten.ops.pointwise import where

__all__ = ["gaussian_nll_loss", "hinge_embedding_loss", "linear_cross_entropy", "margin_ranking_loss", "multi_margin_loss",
           "multilabel_margin_loss", "multilabel_soft_margin_loss", "pdist", "poisson_nll_loss", "soft_margin_loss",
           "triplet_margin_loss", "triplet_margin_with_distance_loss"]  # fmt: skip


def reduced(name: str, each: Any, reduction: str, size_average: Any = None, reduce: Any = None) -> Any:
    """The losses of the items, their mean, or their sum."""
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
    code = reduction_code(name, reduction)
    return each if code == 0 else each.mean() if code == 1 else each.sum()


def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, size_average: Any = None,
                        reduce: Any = None, reduction: str = "mean") -> Any:  # fmt: skip
    """:math:`\\max(0, -t (x_1 - x_2) + m)`: target 1 wants the first input larger, -1 the second."""
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(f"[margin_ranking_loss] got {input1.ndim}, {input2.ndim} and {target.ndim} dimensions, expected the same")
    each = (-target * (input1 - input2) + margin).clamp(min=0)
    return reduced("margin_ranking_loss", each, reduction, size_average, reduce)


def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, size_average: Any = None, reduce: Any = None,
                         reduction: str = "mean") -> Any:  # fmt: skip
    """x for target 1, :math:`\\max(0, m - x)` for target -1: distances of like and unlike pairs."""
    each = where(target != 1, (margin - input).clamp(min=0), 0.0) + where(target != -1, input, 0.0)
    return reduced("hinge_embedding_loss", each, reduction, size_average, reduce)


def soft_margin_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Any:
    """:math:`\\log(1 + e^{-t x})` for targets of -1 and 1, finite for any x."""
    return reduced("soft_margin_loss", -act.logsigmoid(target * input), reduction, size_average, reduce)


def gaussian_nll_loss(input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6,
                      reduction: str = "mean") -> Any:  # fmt: skip
    """:math:`(\\log v + (x - t)^2 / v) / 2`: targets drawn from normal distributions of mean x and variance v.

    Parameters
    ----------
    var : Tensor or float
        v, of the shape of the input, or one for each row, or one for all.
    full : bool
        Whether to add the constant :math:`\\log(2 \\pi) / 2`.
    eps : float
        The least v counted with; the gradient passes by it.
    """
    name = "gaussian_nll_loss"
    if isinstance(var, (int, float)):
        var = input.new_full(input.shape, float(var)) if var >= 0 else input.new_full((1,), float(var))
    elif var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif not (input.ndim == var.ndim and sum(a != b for a, b in zip(input.shape, var.shape, strict=True)) == 1
                  and 1 in var.shape):  # fmt: skip
            raise ValueError(f"[{name}] var of shape {tuple(var.shape)} does not fit input {tuple(input.shape)}")
    if bool((var.detach() < 0).any()):
        raise ValueError(f"[{name}] var has negative entries")
    var = var.clone()
    with no_grad():
        var.clamp_(min=eps)
    each = 0.5 * (var.log() + (input - target) ** 2 / var)
    return reduced(name, each + 0.5 * math.log(2 * math.pi) if full else each, reduction)


def poisson_nll_loss(input: Any, target: Any, log_input: bool = True, full: bool = False, size_average: Any = None,
                     eps: float = 1e-8, reduce: Any = None, reduction: str = "mean") -> Any:  # fmt: skip
    """:math:`e^x - t x`, or :math:`x - t \\log(x + \\epsilon)`: counts of Poisson distributions of (logarithm of) rate x.

    ``full`` adds Stirling's approximation of :math:`\\log t!` for targets above 1.
    """
    each = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        high = where(target > 1, target, 1.0)
        each = each + where(target > 1, high * high.log() - high + 0.5 * (2 * math.pi * high).log(), 0.0)
    return reduced("poisson_nll_loss", each, reduction, size_average, reduce)


def multilabel_soft_margin_loss(input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None,
                                reduction: str = "mean") -> Any:  # fmt: skip
    """Binary cross-entropy of the logits of all classes, averaged over them."""
    each = -(target * act.logsigmoid(input) + (1 - target) * act.logsigmoid(-input))
    if weight is not None:
        each = each * weight
    return reduced("multilabel_soft_margin_loss", each.mean(-1), reduction, size_average, reduce)


def multi_margin_loss(input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None, size_average: Any = None,
                      reduce: Any = None, reduction: str = "mean") -> Any:  # fmt: skip
    """:math:`\\sum_{i \\ne t} \\max(0, m - x_t + x_i)^p / C` of scores (N, C) or (C,)."""
    name = "multi_margin_loss"
    if p not in (1, 2):
        raise ValueError(f"[{name}] got p={p}, expected 1 or 2")
    x, t = (input.unsqueeze(0), target.reshape(1)) if input.ndim == 1 else (input, target)
    if x.ndim != 2 or t.shape != x.shape[:1]:
        raise RuntimeError(f"[{name}] got {tuple(input.shape)} and targets {tuple(target.shape)}, expected (N, C) and (N,)")
    picked = t.long().unsqueeze(1)
    own = arange(x.shape[1]) == picked
    gap = (margin - x.gather(1, picked) + x).clamp(min=0)
    gap = where(own, 0.0, gap if p == 1 else gap * gap)
    if weight is not None:
        gap = gap * weight[picked]
    each = gap.sum(1) / x.shape[1]
    return reduced(name, each.squeeze(0) if input.ndim == 1 else each, reduction, size_average, reduce)


def multilabel_margin_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None,
                           reduction: str = "mean") -> Any:  # fmt: skip
    """:math:`\\sum_{j \\in t, i \\notin t} \\max(0, 1 - x_j + x_i) / C`; a row of targets ends at its first -1."""
    name = "multilabel_margin_loss"
    if input.shape != target.shape or input.ndim not in (1, 2):
        raise RuntimeError(f"[{name}] got {tuple(input.shape)} and {tuple(target.shape)}, expected two (N, C) or two (C,)")
    x, t = (input.unsqueeze(0), target.unsqueeze(0)) if input.ndim == 1 else (input, target)
    if bool((t >= x.shape[1]).any()):
        raise RuntimeError(f"[{name}] a target is outside 0 ... {x.shape[1] - 1}")
    place = arange(x.shape[1])
    end = where(t < 0, place, x.shape[1]).amin(1, keepdim=True)
    valid = place < end
    labels = where(valid, t, 0)
    hot = ((labels.unsqueeze(2) == place) & valid.unsqueeze(2)).any(1)
    gap = (1 - x.gather(1, labels).unsqueeze(2) + x.unsqueeze(1)).clamp(min=0)
    each = where(valid.unsqueeze(2) & ~hot.unsqueeze(1), gap, 0.0).sum((1, 2)) / x.shape[1]
    return reduced(name, each.squeeze(0) if input.ndim == 1 else each, reduction, size_average, reduce)


def triplet_margin_with_distance_loss(anchor: Any, positive: Any, negative: Any, *,
                                      distance_function: Callable[[Any, Any], Any] | None = None, margin: float = 1.0,
                                      swap: bool = False, reduction: str = "mean") -> Any:  # fmt: skip
    """:math:`\\max(0, d(a, p) - d(a, n) + m)` with a distance of one's own."""
    if margin <= 0:
        raise ValueError(f"[triplet_margin_with_distance_loss] got margin={margin}, expected margin > 0")
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return reduced("triplet_margin_with_distance_loss", (margin + near - far).clamp(min=0), reduction)


def triplet_margin_loss(anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2, eps: float = 1e-6,
                        swap: bool = False, size_average: Any = None, reduce: Any = None,
                        reduction: str = "mean") -> Any:  # fmt: skip
    """:math:`\\max(0, \\|a - p\\| - \\|a - n\\| + m)`: the positive nearer than the negative by a margin.

    ``swap`` takes the nearer of the negative's distances to anchor and positive. Balntas et al. 2016.
    """
    if margin <= 0:
        raise ValueError(f"[triplet_margin_loss] got margin={margin}, expected margin > 0")
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = far.minimum(pairwise_distance(positive, negative, p, eps))
    return reduced("triplet_margin_loss", (margin + near - far).clamp(min=0), reduction, size_average, reduce)


def pdist(input: Any, p: float = 2.0) -> Any:
    """p-norm distances of all pairs i < j of the rows of (N, D): N (N - 1) / 2 numbers."""
    if input.ndim != 2:
        raise RuntimeError(f"[pdist] got {input.ndim} dimensions, expected 2")
    if p < 0:
        raise RuntimeError(f"[pdist] got p={p}, expected p >= 0")
    import numpy as np

    from corten._core import core

    i, j = (core.from_numpy(np.ascontiguousarray(v)) for v in np.triu_indices(input.shape[0], 1))
    d = (input[i] - input[j]).abs()
    if p == 0:
        return (d != 0).to(d.dtype).sum(1)
    if p == 1:
        return d.sum(1)
    if p == math.inf:
        return d.amax(1)
    same = (d.detach() == 0).all(1)
    power = where(same, 1.0, (d**p).sum(1))  # the root has no slope at 0: pairs of equal rows get no gradient
    return where(same, 0.0, power ** (1 / p))


def linear_cross_entropy(input: Any, linear_weight: Any, target: Any, *, linear_bias: Any = None, weight: Any = None,
                         reduction: str = "mean", ignore_index: int | None = None, label_smoothing: float = 0.0,
                         options: Any = None) -> Any:  # fmt: skip
    """Cross-entropy of logits that an affine map makes of (D,) or (N, D); weight (C, D) or (C, S..., D)."""
    from corten.nn.functional import cross_entropy, linear

    if options is not None:
        raise NotImplementedError("[linear_cross_entropy] got options, expected None: the product is made at once")
    bias = None if linear_bias is None else linear_bias.flatten()
    logits = linear(input, linear_weight.flatten(0, -2), bias)
    if linear_weight.ndim > 2:
        logits = logits.reshape((*input.shape[:-1], *linear_weight.shape[:-1]))
    return cross_entropy(logits, target, weight, None, -100 if ignore_index is None else ignore_index, None, reduction,
                         label_smoothing)  # fmt: skip
