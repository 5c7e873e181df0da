"""Sequences of different lengths, packed step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from corten._core import core

__all__ = ["PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence",
           "pad_sequence", "unpack_sequence", "unpad_sequence"]  # fmt: skip


class PackedSequence(NamedTuple):
    """Steps of several sequences without padding: step 0 of all, step 1 of those that have one, and so on.

    Attributes
    ----------
    data : Tensor, shape (rows, ...)
    batch_sizes : int64 Tensor, shape (T,)
        How many sequences have each step.
    sorted_indices, unsorted_indices : int64 Tensor or None
        The order by falling length, and back.
    """

    data: Any
    batch_sizes: Any
    sorted_indices: Any = None
    unsorted_indices: Any = None

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Convert the data."""
        return self._replace(data=self.data.to(*args, **kwargs))

    def double(self) -> PackedSequence:
        """The data as float64."""
        return self._replace(data=self.data.double())


def invert_permutation(permutation: Any) -> Any:
    """The permutation that undoes one."""
    return None if permutation is None else core.tensor(np.argsort(permutation.numpy(), kind="stable"))


def _lengths(lengths: Any, name: str) -> np.ndarray:
    found = np.asarray(lengths.numpy() if hasattr(lengths, "numpy") else lengths, np.int64)
    if found.ndim != 1 or not found.size or found.min() < 1:
        raise RuntimeError(f"[{name}] got lengths {found.tolist()}, expected one number above 0 for each sequence")
    return found


def pack_padded_sequence(input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True) -> PackedSequence:
    """Pack (T, B, ...) sequences, or (B, T, ...) with ``batch_first``.

    Examples
    --------
    >>> import corten
    >>> from corten.nn.utils.rnn import pack_padded_sequence
    >>> pack_padded_sequence(corten.zeros(3, 2, 5), [3, 1]).batch_sizes
    tensor([2, 1, 1])
    """
    found = _lengths(lengths, "pack_padded_sequence")
    x = input.transpose(0, 1) if batch_first else input
    if len(found) != x.shape[1] or found.max() > x.shape[0]:
        raise RuntimeError(f"[pack_padded_sequence] lengths {found.tolist()} do not fit {x.shape[1]} sequences of {x.shape[0]} steps")
    order = None
    if enforce_sorted:
        if (np.diff(found) > 0).any():
            raise RuntimeError("[pack_padded_sequence] lengths must fall when enforce_sorted=True")
    else:
        order = np.argsort(-found, kind="stable")
        found = found[order]
        x = x.index_select(1, core.tensor(order))
    sizes = (found[None, :] > np.arange(found[0])[:, None]).sum(1)
    batch = x.shape[1]
    rows = np.concatenate([t * batch + np.arange(n) for t, n in enumerate(sizes)])
    data = x.reshape((x.shape[0] * batch, *x.shape[2:])).index_select(0, core.tensor(rows))
    sorted_indices = None if order is None else core.tensor(order)
    return PackedSequence(data, core.tensor(sizes.astype(np.int64)), sorted_indices, invert_permutation(sorted_indices))


def pad_packed_sequence(sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0,
                        total_length: int | None = None) -> tuple[Any, Any]:  # fmt: skip
    """The inverse of :func:`pack_padded_sequence`: padded sequences and their lengths."""
    sizes = sequence.batch_sizes.numpy()
    steps, batch = len(sizes), int(sizes[0])
    if total_length is not None and total_length < steps:
        raise ValueError(f"[pad_packed_sequence] got total_length={total_length}, expected at least {steps}")
    total = total_length or steps
    rows = np.full((total, batch), sequence.data.shape[0], np.int64)
    at = 0
    for t, n in enumerate(sizes):
        rows[t, :n] = np.arange(at, at + n)
        at += int(n)
    lengths = (np.arange(batch)[None, :] < sizes[:, None]).sum(0)
    if sequence.unsorted_indices is not None:
        back = sequence.unsorted_indices.numpy()
        rows, lengths = rows[:, back], lengths[back]
    data = sequence.data
    filler = core.full((1, *data.shape[1:]), padding_value, dtype=data.dtype)
    from corten.ops.view import cat

    flat = rows.T if batch_first else rows
    out = cat([data, filler], 0).index_select(0, core.tensor(np.ascontiguousarray(flat).reshape(-1)))
    return out.reshape((*flat.shape, *data.shape[1:])), core.tensor(lengths.astype(np.int64))


def pad_sequence(sequences: Sequence[Any], batch_first: bool = False, padding_value: float = 0.0,
                 padding_side: str = "right") -> Any:  # fmt: skip
    """Stack sequences (L, ...) of different lengths, padded to the longest: (T, B, ...)."""
    from corten.nn.functional_pooling import pad
    from corten.ops.view import stack

    if padding_side not in ("left", "right"):
        raise ValueError(f"[pad_sequence] got padding_side={padding_side!r}, expected 'left' or 'right'")
    longest = max(s.shape[0] for s in sequences)
    padded = []
    for s in sequences:
        n = longest - s.shape[0]
        amounts = [0, 0] * (s.ndim - 1) + ([n, 0] if padding_side == "left" else [0, n])
        padded.append(pad(s, amounts, value=padding_value) if n else s)
    return stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """The single sequences of a padded batch."""
    x = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [x[i, :n] for i, n in enumerate(_lengths(lengths, "unpad_sequence").tolist())]


def pack_sequence(sequences: Sequence[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (L, ...)."""
    return pack_padded_sequence(pad_sequence(sequences), [s.shape[0] for s in sequences], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """The single sequences of a packed one."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences))
