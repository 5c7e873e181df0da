"""Tables of vectors."""

from __future__ import annotations

from typing import Any

from corten._core import core
from corten.nn import init
from corten.nn.module import Module
from corten.nn.parameter import Parameter
from corten.ops.declare import op
from corten.ops.indexing import embedding_op

scaled_gradient = op("scaled_gradient(input, factor: raw) -> out", impl=lambda input, factor: input.clone(), function=False,
                     vjp=(lambda g, factor: g * factor, None),
                     doc="The input; its gradient is multiplied by a factor.")  # fmt: skip


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
        import numpy as np

        table = weight.detach().numpy()
        used = np.unique(index.numpy())
        size = np.linalg.norm(table[used], norm_type, axis=1, keepdims=True)
        table[used] = np.where(size > max_norm, table[used] * (max_norm / (size + 1e-7)), table[used])
        core._bump(weight)
    index = index.detach().long()
    rows_used = embedding_op(weight, index, skip=-1 if padding_idx is None else padding_idx)
    if scale_grad_by_freq:
        flat = index.reshape(-1)
        count = core.zeros(rows, dtype=weight.dtype).scatter_add(0, flat, core.ones(flat.numel(), dtype=weight.dtype))
        rows_used = scaled_gradient(rows_used, (1 / count[index]).unsqueeze(-1))
    return rows_used


class Embedding(Module):
    """A table of vectors looked up by index: (...) of int -> (..., embedding_dim).

    Parameters
    ----------
    num_embeddings, embedding_dim : int
    padding_idx : int, optional
        A row that stays zero and gets no gradient.
    max_norm : float, optional
        Rows longer than this are shortened when used.

    Examples
    --------
    >>> import corten
    >>> corten.nn.Embedding(10, 3)(corten.tensor([1, 2])).shape
    corten.Size([2, 3])
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None,
                 max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
                 sparse: bool = False, _weight: Any = None, _freeze: bool = False, device: Any = None,
                 dtype: Any = None) -> None:  # fmt: skip
        super().__init__()
        if sparse:
            raise NotImplementedError("[Embedding] sparse gradients are not supported")
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise AssertionError(f"[Embedding] padding_idx {padding_idx} is outside a table of {num_embeddings} rows")
            padding_idx %= num_embeddings
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse = max_norm, norm_type, scale_grad_by_freq, False
        if _weight is None:
            self.weight = Parameter(core.empty(num_embeddings, embedding_dim, device=device, dtype=dtype), not _freeze)
            self.reset_parameters()
        else:
            self.weight = Parameter(_weight, not _freeze)

    def reset_parameters(self) -> None:
        """Normal numbers; zeros in the padding row."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            core._fill(self.weight.detach()[self.padding_idx], 0)

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None,
                        max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
                        sparse: bool = False) -> Embedding:  # fmt: skip
        """A table with given rows, which stay as they are unless ``freeze`` is False."""
        if embeddings.ndim != 2:
            raise AssertionError(f"[Embedding] got {embeddings.ndim} dimensions, expected a matrix")
        return cls(*embeddings.shape, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, embeddings, freeze)  # type: ignore[call-arg]

    def forward(self, input: Any) -> Any:
        """Look rows up."""
        return lookup(input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq)

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}" + (
            "" if self.padding_idx is None else f", padding_idx={self.padding_idx}")  # fmt: skip
