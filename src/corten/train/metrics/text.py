"""Metrics of language models and translation: perplexity, BLEU."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from corten.train.metrics.metric import Metric, array, log_softmax


class Perplexity(Metric):
    """The exponential of the mean negative log-likelihood of the tokens.

    Parameters
    ----------
    ignore_index : int
        Targets that do not count.

    Examples
    --------
    >>> import numpy as np
    >>> metric = Perplexity()
    >>> metric.update(np.zeros((1, 3, 8)), np.array([[1, 2, 3]]))
    >>> round(metric.compute(), 6)
    8.0
    """

    def __init__(self, ignore_index: int = -100) -> None:
        self.ignore_index = ignore_index
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.total, self.count = 0.0, 0

    def update(self, output: Any, target: Any) -> None:
        """Add logits (..., V), or (N, V, ...) as the cross-entropy takes them, for tokens (...)."""
        logits, truth = array(output), array(target).astype(np.int64)
        if logits.shape[:-1] != truth.shape:
            if logits.ndim != truth.ndim + 1 or (logits.shape[0], *logits.shape[2:]) != truth.shape:
                raise ValueError(f"[Perplexity] got logits of shape {logits.shape} for tokens of shape {truth.shape}, expected "
                                 "(..., V) or (N, V, ...)")  # fmt: skip
            logits = np.moveaxis(logits, 1, -1)
        counts = (truth != self.ignore_index).ravel()
        truth, logits = truth.ravel()[counts], logits.reshape(-1, logits.shape[-1])[counts]
        self.total -= float(log_softmax(logits)[np.arange(len(truth)), truth].sum())
        self.count += len(truth)

    def _add(self, other: Perplexity) -> None:
        self.total += other.total
        self.count += other.count

    def _settings(self) -> dict[str, Any]:
        return {"ignore_index": self.ignore_index}

    def compute(self) -> float:
        """At least 1; NaN without tokens."""
        return math.exp(self.total / self.count) if self.count else float("nan")


class BLEU(Metric):
    """Corpus BLEU (Papineni et al. 2002): clipped n-gram precisions, their geometric mean, and the brevity penalty.

    Parameters
    ----------
    longest : int
        Length of the longest n-grams.
    smooth : bool
        Add 1 to counts and totals of n > 1 (Lin and Och 2004), for short texts.

    Examples
    --------
    >>> metric = BLEU()
    >>> metric.update(["the cat is on the mat"], [["the cat is on the mat", "there is a cat"]])
    >>> metric.compute()
    1.0
    """

    def __init__(self, longest: int = 4, smooth: bool = False) -> None:
        if longest < 1:
            raise ValueError(f"[BLEU] got longest {longest}, expected a positive int")
        self.longest, self.smooth = longest, smooth
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.matched, self.total = [0] * self.longest, [0] * self.longest
        self.length = self.reference_length = 0

    def update(self, output: Sequence[Any], target: Sequence[Sequence[Any]]) -> None:
        """Add candidates and, for each, its references; each a list of tokens, or a text that is split at white space."""
        if len(output) != len(target):
            raise ValueError(f"[BLEU] got {len(output)} candidates and references for {len(target)}")
        for candidate, references in zip(output, target, strict=True):
            if isinstance(references, str) or not references:
                raise ValueError("[BLEU] expected a list of at least one reference for each candidate")
            words = _tokens(candidate)
            others = [_tokens(r) for r in references]
            self.length += len(words)
            self.reference_length += min((len(r) for r in others), key=lambda n: (abs(n - len(words)), n))
            for n in range(1, self.longest + 1):
                most: Counter[tuple[Any, ...]] = Counter()
                for r in others:
                    most |= _grams(r, n)
                found = _grams(words, n)
                self.matched[n - 1] += (found & most).total()
                self.total[n - 1] += found.total()

    def _add(self, other: BLEU) -> None:
        self.matched = [a + b for a, b in zip(self.matched, other.matched, strict=True)]
        self.total = [a + b for a, b in zip(self.total, other.total, strict=True)]
        self.length += other.length
        self.reference_length += other.reference_length

    def _settings(self) -> dict[str, Any]:
        return {"longest": self.longest, "smooth": self.smooth}

    @property
    def precisions(self) -> list[float]:
        """Of n-grams of each length."""
        more = [1 if self.smooth and n > 0 else 0 for n in range(self.longest)]
        return [(m + s) / (t + s) if t + s else 0.0 for m, t, s in zip(self.matched, self.total, more, strict=True)]

    def compute(self) -> float:
        """From 0 to 1; NaN without candidates."""
        if not self.reference_length:
            return float("nan")
        precisions = self.precisions
        if not self.length or min(precisions) == 0:
            return 0.0
        penalty = min(1.0, math.exp(1 - self.reference_length / self.length))
        return penalty * math.exp(math.fsum(math.log(p) for p in precisions) / self.longest)


def _tokens(text: Any) -> list[Any]:
    return text.split() if isinstance(text, str) else list(text)


def _grams(words: list[Any], n: int) -> Counter[tuple[Any, ...]]:
    return Counter(zip(*(words[i:] for i in range(n)), strict=False))
