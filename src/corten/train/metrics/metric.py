"""The base of metrics: streaming, and mergeable."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from corten._core import core

Array = np.ndarray[Any, Any]


class Metric:
    """A figure that is gathered batch by batch.

    ``update(output, target)`` takes a batch, ``compute()`` gives the figure of all batches so far, ``merge(other)`` adds what
    another metric of the same kind has seen (other workers, other parts of the data): the merge of parts equals the whole.
    ``reset()`` begins anew. Sums are kept in float64 and counts as integers.

    Tensors and NumPy arrays are taken. Outputs of classifiers are logits or class numbers, as said there.
    """

    def update(self, output: Any, target: Any) -> None:
        """Add a batch."""
        raise NotImplementedError(f"[{type(self).__name__}] update is not defined")

    def compute(self) -> Any:
        """The figure."""
        raise NotImplementedError(f"[{type(self).__name__}] compute is not defined")

    def merge(self, other: Any) -> Any:
        """Add what ``other`` has seen; returns this metric. Raises TypeError or ValueError for one of another kind."""
        if type(other) is not type(self):
            raise TypeError(f"[{type(self).__name__}] got a {type(other).__name__} to merge, expected the same kind")
        if other._settings() != self._settings():
            raise ValueError(f"[{type(self).__name__}] got one with {other._settings()} to merge, expected {self._settings()}")
        self._add(other)
        return self

    def reset(self) -> None:
        """Forget all batches."""
        raise NotImplementedError(f"[{type(self).__name__}] reset is not defined")

    def _settings(self) -> dict[str, Any]:
        return {}

    def _add(self, other: Any) -> None:
        raise NotImplementedError(f"[{type(self).__name__}] merge is not defined")

    def copy(self) -> Any:
        """A metric of its own with the same settings and batches."""
        return copy.deepcopy(self)


def array(value: Any) -> Array:
    """A tensor, list or array as an array."""
    if isinstance(value, core.TensorBase):
        value = value.detach()
        return np.asarray(value.float().numpy() if value.dtype.name in ("bfloat16", "float16") else value.numpy())
    return np.asarray(value)


def same_length(owner: str, output: Array, target: Array) -> None:
    """Raise ValueError unless two batches have the same length."""
    if output.ndim == 0 or target.ndim == 0 or len(output) != len(target):
        raise ValueError(f"[{owner}] got outputs of shape {output.shape} and targets of shape {target.shape}, expected the same "
                         "number of samples")  # fmt: skip


def classes_of(owner: str, output: Any, target: Any, threshold: float = 0.0) -> tuple[Array, Array]:
    """Predicted and true class numbers, each (M,).

    ``output`` holds scores (N, C, ...) for targets (N, ...), whose highest wins; one score for each target (a binary logit:
    class 1 above ``threshold``); or class numbers.
    """
    out, truth = array(output), array(target)
    same_length(owner, out, truth)
    if truth.dtype.kind == "f" and not np.array_equal(truth, np.floor(truth)):
        raise TypeError(f"[{owner}] got targets of {truth.dtype} that are no class numbers")
    if out.ndim == truth.ndim + 1 and out.shape[1] == 1:
        out = out[:, 0]
    if out.ndim == truth.ndim + 1:
        found = out.argmax(1)
    elif out.shape != truth.shape:
        raise ValueError(f"[{owner}] got outputs of shape {out.shape} for targets of shape {truth.shape}, expected (N, C, ...) "
                         "for (N, ...), or the same shape")  # fmt: skip
    else:
        found = (out > threshold).astype(np.int64) if out.dtype.kind == "f" else out.astype(np.int64)
    truth = truth.astype(np.int64)
    if found.size and min(int(found.min()), int(truth.min())) < 0:
        raise ValueError(f"[{owner}] got class numbers below 0")
    return found.ravel(), truth.ravel()


def log_softmax(logits: Array) -> Array:
    """Over the last dimension, in float64."""
    z = logits.astype(np.float64)
    z = z - z.max(-1, keepdims=True)
    return np.asarray(z - np.log(np.exp(z).sum(-1, keepdims=True)))


def grown(a: Array, size: int) -> Array:
    """A vector or square matrix of counts, with zeros up to ``size``."""
    if len(a) >= size:
        return a
    return np.pad(a, [(0, size - len(a))] * a.ndim)
