"""Tables of vectors."""

from __future__ import annotations

from typing import Any

from corten._core import core
from corten.nn import init
from corten.nn.functional_embedding import embedding_bag, lookup
from corten.nn.module import Module
from corten.nn.parameter import Parameter


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


class EmbeddingBag(Module):
    """Sums, means or maxima of bags of rows of a table; see :func:`embedding_bag`.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
    max_norm : float, optional
        Rows longer than this are shortened when used.
    mode : {'mean', 'sum', 'max'}
    include_last_offset : bool
        Whether offsets end with the number of indices.
    padding_idx : int, optional
        A row that counts nothing.

    Examples
    --------
    >>> import corten
    >>> corten.nn.EmbeddingBag(10, 3)(corten.tensor([1, 2, 4, 5]), corten.tensor([0, 3])).shape
    corten.Size([2, 3])
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, max_norm: float | None = None, norm_type: float = 2.0,
                 scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, _weight: Any = None,
                 include_last_offset: bool = False, padding_idx: int | None = None, device: Any = None,
                 dtype: Any = None) -> None:  # fmt: skip
        super().__init__()
        if sparse:
            raise NotImplementedError("[EmbeddingBag] sparse gradients are not supported")
        if mode not in ("sum", "mean", "max"):
            raise ValueError(f"[EmbeddingBag] got mode={mode!r}, expected 'sum', 'mean' or 'max'")
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise AssertionError(f"[EmbeddingBag] padding_idx {padding_idx} is outside a table of {num_embeddings} rows")
            padding_idx %= num_embeddings
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        self.mode, self.sparse, self.include_last_offset = mode, False, include_last_offset
        if _weight is None:
            self.weight = Parameter(core.empty(num_embeddings, embedding_dim, device=device, dtype=dtype))
            self.reset_parameters()
        else:
            self.weight = Parameter(_weight)

    def reset_parameters(self) -> None:
        """Normal numbers; zeros in the padding row."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            core._fill(self.weight.detach()[self.padding_idx], 0)

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, max_norm: float | None = None, norm_type: float = 2.0,
                        scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False,
                        include_last_offset: bool = False, padding_idx: int | None = None) -> EmbeddingBag:  # fmt: skip
        """A table with given rows, which stay as they are unless ``freeze`` is False."""
        if embeddings.ndim != 2:
            raise AssertionError(f"[EmbeddingBag] got {embeddings.ndim} dimensions, expected a matrix")
        made = cls(*embeddings.shape, max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings, include_last_offset,  # type: ignore[call-arg]
                   padding_idx)  # fmt: skip
        made.weight.requires_grad_(not freeze)
        return made

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Any:
        """Look bags up."""
        return embedding_bag(input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode, False,
                             per_sample_weights, self.include_last_offset, self.padding_idx)  # fmt: skip

    def extra_repr(self) -> str:
        shown = f"{self.num_embeddings}, {self.embedding_dim}, mode={self.mode!r}"
        return shown + ("" if self.padding_idx is None else f", padding_idx={self.padding_idx}")
