"""Rows of tables by index, and bags of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from corten._core import core
from corten.ops.declare import op

__all__ = ["embedding_bag"]


def _spread(g: Any, index: Any, rows: int, padding_idx: Any, by_frequency: bool) -> Any:
    """The gradient of a table from that of its looked-up rows."""
    if by_frequency:
        counts = np.bincount(index.numpy().ravel(), minlength=rows)
        g = g / core.tensor(counts[index.numpy()][..., None], dtype=g.dtype)
    return embedding_backward(g, index, padding=-1 - rows if padding_idx is None else padding_idx, rows=rows)


def _gathered(g: Any, index: Any, padding: int) -> Any:
    out = embedding_op(g, index, None, False)
    return out * (index != padding).unsqueeze(-1).to(out.dtype) if padding >= 0 else out


embedding_backward = op(
    "embedding_backward(g, index: int64, *, padding: int, rows: int) -> dw", kernel="embedding_grad", function=False,
    shape=lambda g, index, padding, rows: (rows, g[-1]),
    vjp=lambda g, index, padding: (_gathered(g, index, padding), None),
    doc="Gradients of rows, added up where they came from, in the order of the indices.")  # fmt: skip
embedding_op = op(
    "embedding(weight, index: int64, padding_idx: any = None, by_frequency: any = False) -> out", kernel="index_get",
    function=False, shape=lambda w, index, *rest: (*index, w[1]),
    vjp=lambda g, weight_shape, index, padding_idx, by_frequency: (
        _spread(g, index, weight_shape[0], padding_idx, by_frequency), None),
    doc="Rows of a table by their indices.")  # fmt: skip


def lookup(index: Any, weight: Any, padding_idx: int | None, max_norm: float | None, norm_type: float,
           scale_grad_by_freq: bool) -> Any:  # fmt: skip
    """Rows of ``weight``; rows longer than ``max_norm`` are shortened in place first."""
    if index.dtype.is_floating_point or index.dtype.name == "bool":
        raise TypeError(f"[embedding] got indices of {index.dtype}, expected integers")
    rows = weight.shape[0]
    bad = core.check_index(index.long(), 0, rows, None)
    if bad is not None:
        raise IndexError(f"[embedding] index {bad} is out of range for a table of {rows} rows")
    if padding_idx is not None and padding_idx < 0:
        padding_idx += rows
    if max_norm is not None:
        table = weight.detach().numpy()
        used = np.unique(index.numpy())
        size = np.linalg.norm(table[used], norm_type, axis=1, keepdims=True)
        table[used] = np.where(size > max_norm, table[used] * (max_norm / (size + 1e-7)), table[used])
        core._bump(weight)
    return embedding_op(weight, index.long(), padding_idx, scale_grad_by_freq)


def embedding_bag(input: Any, weight: Any, offsets: Any = None, max_norm: float | None = None, norm_type: float = 2.0,
                  scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, per_sample_weights: Any = None,
                  include_last_offset: bool = False, padding_idx: int | None = None) -> Any:  # fmt: skip
    """Sums, means or maxima of bags of rows of a table, without the rows of ``padding_idx``.

    Parameters
    ----------
    input : int Tensor, shape (B, N), or (K,) with offsets
    weight : Tensor, shape (V, D)
    offsets : int Tensor, shape (B,), or (B + 1,) with include_last_offset
        Where each bag of a 1-d input begins.
    mode : {'sum', 'mean', 'max'}
    per_sample_weights : Tensor of the input's shape, optional
        Factors of the rows, for mode 'sum'.

    Returns
    -------
    Tensor, shape (B, D)
        An empty bag gives zeros.
    """
    name = "embedding_bag"
    if sparse:
        raise NotImplementedError(f"[{name}] sparse gradients are not supported")
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"[{name}] got mode={mode!r}, expected 'sum', 'mean' or 'max'")
    if input.ndim not in (1, 2) or (input.ndim == 2) != (offsets is None):
        raise ValueError(f"[{name}] got input of {input.ndim} dimensions and offsets {'absent' if offsets is None else 'given'}, "
                         "expected 2 without or 1 with")  # fmt: skip
    if per_sample_weights is not None and (mode != "sum" or per_sample_weights.shape != input.shape):
        raise ValueError(f"[{name}] per_sample_weights of shape {tuple(per_sample_weights.shape)} need mode='sum' and input of their shape")
    count = input.numel()
    if offsets is None:
        bags = input.shape[0]
        bag = np.repeat(np.arange(bags), input.shape[1])
    else:
        starts = offsets.numpy().astype(np.int64)
        bags = len(starts) - 1 if include_last_offset else len(starts)
        ends = np.append(starts, count)[: bags + 1]
        if starts.ndim != 1 or (len(starts) and (starts[0] != 0 or ends[-1] > count or (np.diff(ends) < 0).any())):
            raise ValueError(f"[{name}] got offsets {starts.tolist()}, expected rising ones from 0 to at most {count}")
        bag = np.repeat(np.arange(bags), np.diff(ends))
        input = input.narrow(0, 0, len(bag))
        per_sample_weights = None if per_sample_weights is None else per_sample_weights.narrow(0, 0, len(bag))
    flat = input.reshape(-1)
    rows = lookup(flat, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq)
    if offsets is None and padding_idx is None and mode != "max" and count:
        rows = rows if per_sample_weights is None else rows * per_sample_weights.reshape(-1, 1)
        rows = rows.reshape(bags, -1, rows.shape[1])
        return rows.sum(1) if mode == "sum" else rows.mean(1)
    if padding_idx is not None:
        kept = np.flatnonzero(flat.numpy() != padding_idx % weight.shape[0])
        rows, bag = embedding_op(rows, core.tensor(kept)), bag[kept]
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights.reshape(-1)[core.tensor(kept)]
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1, 1)
    if mode == "max":
        return _bag_maxima(rows, bag, bags)
    out = embedding_backward(rows, core.tensor(bag), padding=-1 - bags, rows=bags)  # adds rows up by bag
    if mode == "mean":
        out = out / core.tensor(np.maximum(np.bincount(bag, minlength=bags), 1)[:, None], dtype=out.dtype)
    return out


def _bag_maxima(rows: Any, bag: np.ndarray, bags: int) -> Any:
    """The largest element of each column of each bag; the first of equal ones gets the gradient."""
    values, width = rows.detach().numpy(), rows.shape[1]
    sizes = np.bincount(bag, minlength=bags)
    starts = np.cumsum(sizes) - sizes
    best = np.zeros((bags, width), np.int64)
    for b in np.flatnonzero(sizes):
        best[b] = starts[b] + values[starts[b] : starts[b] + sizes[b]].argmax(0)
    if len(bag) == 0:
        return rows.new_zeros((bags, width))
    at = core.tensor(best * width + np.arange(width))
    out = embedding_op(rows.reshape(-1, 1), at).squeeze(-1)
    return out * core.tensor((sizes > 0)[:, None], dtype=out.dtype)
