"""Softmax over many classes in clusters by frequency."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from corten._core import core
from corten.nn import functional as F  # noqa: N812
from corten.nn.containers import ModuleList, Sequential
from corten.nn.linear import Linear
from corten.nn.module import Module
from corten.ops.create import arange
from corten.ops.pointwise import where
from corten.ops.view import cat

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class AdaptiveLogSoftmaxOutput(NamedTuple):
    """Log-probabilities of the targets, and their negative mean."""

    output: Any
    loss: Any


class AdaptiveLogSoftmaxWithLoss(Module):
    """Softmax whose rare classes share cluster entries of a small head. Grave et al., arXiv:1609.04309.

    Parameters
    ----------
    in_features, n_classes : int
    cutoffs : sequence of int
        Classes from which on the clusters of the tail begin; classes are sorted by falling frequency.
    div_value : float
        By what each cluster's width is smaller than the one before.
    head_bias : bool
    """

    def __init__(self, in_features: int, n_classes: int, cutoffs: Sequence[int], div_value: float = 4.0,
                 head_bias: bool = False, device: Any = None, dtype: Any = None) -> None:  # fmt: skip
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs or cutoffs != sorted(set(cutoffs)) or cutoffs[0] <= 0 or cutoffs[-1] > n_classes - 1 or \
                any(int(c) != c for c in cutoffs):  # fmt: skip
            raise ValueError(f"[AdaptiveLogSoftmaxWithLoss] got cutoffs {cutoffs}, expected rising ints of 1 ... {n_classes - 1}")
        made = {"device": device, "dtype": dtype}
        self.in_features, self.n_classes, self.div_value, self.head_bias = in_features, n_classes, div_value, head_bias
        self.cutoffs = [*cutoffs, n_classes]
        self.shortlist_size, self.n_clusters = cutoffs[0], len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **made)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(itertools.pairwise(self.cutoffs)):
            width = int(in_features // div_value ** (i + 1))
            self.tail.append(Sequential(Linear(in_features, width, bias=False, **made),
                                        Linear(width, high - low, bias=False, **made)))  # fmt: skip

    def reset_parameters(self) -> None:
        """Weights drawn anew."""
        self.head.reset_parameters()
        for project, spread in self.tail:
            project.reset_parameters()
            spread.reset_parameters()

    def forward(self, input_: Any, target_: Any) -> AdaptiveLogSoftmaxOutput:
        """Log-probabilities (N,) of targets (N,) for inputs (N, in_features), and their negative mean."""
        name = "AdaptiveLogSoftmaxWithLoss"
        if target_.ndim > 1 or input_.ndim != target_.ndim + 1 or input_.shape[:-1] != target_.shape:
            raise RuntimeError(f"[{name}] input {tuple(input_.shape)} and target {tuple(target_.shape)}: expected (N, D) and (N,)")
        single = target_.ndim == 0
        x, t = (input_.unsqueeze(0), target_.unsqueeze(0)) if single else (input_, target_)
        if t.numel() and (int(t.amin()) < 0 or int(t.amax()) >= self.n_classes):
            raise RuntimeError(f"[{name}] a target is outside 0 ... {self.n_classes - 1}")
        entry, order, parts = t, [], []
        for i, (low, high) in enumerate(itertools.pairwise(self.cutoffs)):
            inside = (t >= low) & (t < high)
            entry = where(inside, self.shortlist_size + i, entry)
            rows = inside.nonzero().squeeze(1)
            if rows.numel():
                log_p = F.log_softmax(self.tail[i](x[rows]), 1)
                order.append(rows)
                parts.append(log_p.gather(1, (t[rows] - low).unsqueeze(1)).squeeze(1))
        out = F.log_softmax(self.head(x), 1).gather(1, entry.unsqueeze(1)).squeeze(1)
        if parts:
            rows = cat([*order, (t < self.shortlist_size).nonzero().squeeze(1)])
            back = core.zeros_like(rows)
            back[rows] = arange(rows.shape[0])
            out = out + cat([*parts, out.new_zeros(rows.shape[0] - sum(p.shape[0] for p in parts))])[back]
        loss = -out.mean()
        return AdaptiveLogSoftmaxOutput(out.squeeze(0) if single else out, loss)

    def log_prob(self, input: Any) -> Any:
        """Log-probabilities of all classes, (N, in_features) -> (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        short = self.shortlist_size
        parts = [head[:, :short]]
        for i, cluster in enumerate(self.tail):
            parts.append(F.log_softmax(cluster(input), 1) + head[:, short + i : short + i + 1])
        return cat(parts, 1)

    def predict(self, input: Any) -> Any:
        """The likeliest class of each input, (N, in_features) -> (N,)."""
        return self.log_prob(input).argmax(1)
