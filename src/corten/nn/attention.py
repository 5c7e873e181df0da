"""Multi-head attention."""

from __future__ import annotations

import math
from typing import Any

from corten._core import core
from corten.nn import functional as F  # noqa: N812
from corten.nn import init
from corten.nn.linear import Linear
from corten.nn.module import Module
from corten.nn.parameter import Parameter
from corten.ops.attention import cached_attention_op
from corten.ops.view import cat

__all__ = ["KeyValueCache", "MultiheadAttention"]


def additive_mask(mask: Any, dtype: Any) -> Any:
    """A mask to add to scores: where a bool mask is True, -inf."""
    if mask is None or mask.is_floating_point():
        return mask
    from corten.ops.pointwise import where

    return where(mask, core.full((), -math.inf, dtype=dtype), core.full((), 0.0, dtype=dtype))


class MultiheadAttention(Module):
    """Attention of several heads. Vaswani et al., arXiv:1706.03762.

    :math:`\\mathrm{concat}(h_1, \\ldots, h_n) W_o`, each :math:`h_i` the scaled dot-product attention of the i-th part of
    the projected query, key and value.

    Parameters
    ----------
    embed_dim, num_heads : int
    dropout : float
        Of attention weights.
    bias : bool
    add_bias_kv, add_zero_attn : bool
        A learned, and a zero, key and value more.
    kdim, vdim : int
        Widths of key and value; by default embed_dim.
    batch_first : bool
        (B, T, E) instead of (T, B, E).
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, add_bias_kv: bool = False,
                 add_zero_attn: bool = False, kdim: int | None = None, vdim: int | None = None, batch_first: bool = False,
                 device: Any = None, dtype: Any = None) -> None:  # fmt: skip
        super().__init__()
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"[MultiheadAttention] embed_dim {embed_dim} is no multiple of num_heads {num_heads}")
        made = {"device": device, "dtype": dtype}
        self.embed_dim, self.num_heads, self.dropout, self.batch_first = embed_dim, num_heads, dropout, batch_first
        self.kdim, self.vdim = kdim or embed_dim, vdim or embed_dim
        self.head_dim, self.add_zero_attn = embed_dim // num_heads, add_zero_attn
        self._qkv_same_embed_dim = self.kdim == self.vdim == embed_dim
        whole = self._qkv_same_embed_dim
        shapes = {"in_proj_weight": (3 * embed_dim, embed_dim) if whole else None,
                  "q_proj_weight": None if whole else (embed_dim, embed_dim),
                  "k_proj_weight": None if whole else (embed_dim, self.kdim),
                  "v_proj_weight": None if whole else (embed_dim, self.vdim),
                  "in_proj_bias": (3 * embed_dim,) if bias else None,
                  "bias_k": (1, 1, embed_dim) if add_bias_kv else None,
                  "bias_v": (1, 1, embed_dim) if add_bias_kv else None}  # fmt: skip
        for name, shape in shapes.items():
            self.register_parameter(name, None if shape is None else Parameter(core.empty(shape, **made)))
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, **made)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def _project(self, query: Any, key: Any, value: Any) -> tuple[Any, Any, Any]:
        e, bias = self.embed_dim, self.in_proj_bias
        if self._qkv_same_embed_dim and query is key and key is value:
            return F.linear(query, self.in_proj_weight, bias).chunk(3, -1)
        weights = self.in_proj_weight.chunk(3, 0) if self._qkv_same_embed_dim else \
            (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)  # fmt: skip
        parts = (query, key, value)
        return tuple(F.linear(x, w, None if bias is None else bias[i * e : (i + 1) * e])
                     for i, (x, w) in enumerate(zip(parts, weights, strict=True)))  # type: ignore[return-value]  # fmt: skip

    def forward(self, query: Any, key: Any, value: Any, key_padding_mask: Any = None, need_weights: bool = True,
                attn_mask: Any = None, average_attn_weights: bool = True, is_causal: bool = False) -> tuple[Any, Any]:  # fmt: skip
        """Attend: the output, and with ``need_weights`` the attention weights, else None.

        Parameters
        ----------
        query : Tensor, shape (T, B, E), or (B, T, E) with batch_first, or (T, E)
        key, value : Tensor, shape (S, B, kdim), (S, B, vdim), likewise
        key_padding_mask : Tensor, shape (B, S), optional
            True for keys to leave out; or numbers to add.
        attn_mask : Tensor, shape (T, S) or (B heads, T, S), optional
            Likewise.
        is_causal : bool
            A hint that attn_mask is causal; it needs attn_mask.
        """
        name = "MultiheadAttention"
        if is_causal and attn_mask is None:
            raise RuntimeError(f"[{name}] is_causal is a hint that needs attn_mask")
        if query.ndim not in (2, 3) or key.ndim != query.ndim or value.ndim != query.ndim:
            raise RuntimeError(f"[{name}] got {query.ndim}, {key.ndim} and {value.ndim} dimensions, expected 2 or 3 each")
        if query.shape[-1] != self.embed_dim:
            raise RuntimeError(f"[{name}] got a query of width {query.shape[-1]}, expected {self.embed_dim}")
        single = query.ndim == 2
        alone = self._qkv_same_embed_dim and query is key and key is value and self.bias_k is None and not self.add_zero_attn
        if alone and not need_weights:
            return self._attend_itself(query, attn_mask, key_padding_mask), None
        q, k, v = self._project(query, key, value)
        if single:
            q, k, v = (x.unsqueeze(0) for x in (q, k, v))
        elif not self.batch_first:
            q, k, v = (x.transpose(0, 1) for x in (q, k, v))
        batch, steps, heads = q.shape[0], q.shape[1], self.num_heads
        extra = 0
        if self.bias_k is not None:
            k = cat([k, self.bias_k.expand((batch, 1, self.embed_dim))], 1)
            v = cat([v, self.bias_v.expand((batch, 1, self.embed_dim))], 1)
            extra += 1
        if self.add_zero_attn:
            zero = core.zeros((batch, 1, self.embed_dim), dtype=k.dtype)
            k, v = cat([k, zero], 1), cat([v, zero], 1)
            extra += 1
        q, k, v = (x.reshape((batch, x.shape[1], heads, self.head_dim)).transpose(1, 2) for x in (q, k, v))
        mask = self._mask(attn_mask, key_padding_mask, batch, steps, k.shape[2] - extra, extra, q.dtype)
        drop = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            scores = (q * (1 / math.sqrt(self.head_dim))) @ k.transpose(-2, -1)
            weights = F.softmax(scores if mask is None else scores + mask, -1)
            weights = F.dropout(weights, drop) if drop else weights
            out = weights @ v
            weights = weights.mean(1) if average_attn_weights else weights
            weights = weights.squeeze(0) if single else weights
        else:
            out = F.scaled_dot_product_attention(q, k, v, mask, drop)
        out = self.out_proj(out.transpose(1, 2).reshape((batch, steps, self.embed_dim)))
        return out.squeeze(0) if single else out if self.batch_first else out.transpose(0, 1), weights

    def _attend_itself(self, x: Any, attn_mask: Any, key_padding_mask: Any) -> Any:
        """Self-attention on one projection, of which nothing is copied."""
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        qkv = qkv.unsqueeze(0) if x.ndim == 2 else qkv if self.batch_first else qkv.transpose(0, 1)
        batch, steps = qkv.shape[:2]
        mask = self._mask(attn_mask, key_padding_mask, batch, steps, steps, 0, qkv.dtype)
        out = F.packed_attention(qkv, self.num_heads, mask, self.dropout if self.training else 0.0)
        if x.ndim == 3 and not self.batch_first:
            out = out.transpose(0, 1)
        return self.out_proj(out.squeeze(0) if x.ndim == 2 else out)

    def _mask(self, attn: Any, padding: Any, batch: int, steps: int, keys: int, extra: int, dtype: Any) -> Any:
        attn, padding = additive_mask(attn, dtype), additive_mask(padding, dtype)
        if attn is not None:
            wanted = {2: (steps, keys), 3: (batch * self.num_heads, steps, keys)}
            if tuple(attn.shape) != wanted.get(attn.ndim):
                raise RuntimeError(f"[MultiheadAttention] got attn_mask of shape {tuple(attn.shape)}, expected {wanted[2]} or {wanted[3]}")
            attn = attn.reshape((batch, self.num_heads, steps, keys)) if attn.ndim == 3 else attn[None, None]
            attn = F.pad(attn, (0, extra)) if extra else attn
        if padding is not None:
            padding = padding.unsqueeze(0) if padding.ndim == 1 else padding
            if tuple(padding.shape) != (batch, keys):
                raise RuntimeError(f"[MultiheadAttention] got key_padding_mask of shape {tuple(padding.shape)}, expected {(batch, keys)}")
            padding = (F.pad(padding, (0, extra)) if extra else padding)[:, None, None]
        return attn if padding is None else padding if attn is None else attn + padding


class KeyValueCache:
    """Keys and values of the tokens so far, so that a new token costs one pass of one position.

    Parameters
    ----------
    num_layers : int
        Layers of attention that share it.
    max_length : int
        The most tokens that it holds.

    Notes
    -----
    Memory for ``max_length`` tokens is taken when the first ones arrive. A model calls :meth:`attend` (or :meth:`update`) in
    each layer and then :meth:`advance` once.

    Examples
    --------
    >>> import corten
    >>> cache = corten.nn.KeyValueCache(1, 8)
    >>> k, v = cache.update(0, corten.ones(1, 2, 3, 4), corten.ones(1, 2, 3, 4))
    >>> cache.advance(3)
    >>> k.shape, len(cache)
    (corten.Size([1, 2, 3, 4]), 3)
    """

    def __init__(self, num_layers: int, max_length: int) -> None:
        if num_layers < 1 or max_length < 1:
            raise ValueError(f"[KeyValueCache] got {num_layers} layers of {max_length} tokens, expected numbers above 0")
        self.max_length, self.length = max_length, 0
        self._stored: list[Any] = [None] * num_layers

    def __len__(self) -> int:
        return self.length

    def clear(self) -> None:
        """Forget all tokens; the memory stays."""
        self.length = 0

    def advance(self, steps: int) -> None:
        """Count the tokens whose keys and values every layer has stored."""
        self.length += steps

    def _room(self, layer: int, batch: int, steps: int, heads: int, widths: tuple[int, int], dtype: Any) -> Any:
        """The memory of a layer, for ``steps`` more tokens."""
        if self.length + steps > self.max_length:
            raise ValueError(f"[KeyValueCache] {self.length + steps} tokens exceed the {self.max_length} that it holds")
        stored = self._stored[layer]
        if stored is None or (stored[0].shape[0] != batch and not self.length):
            stored = self._stored[layer] = tuple(core.zeros((batch, heads, self.max_length, w), dtype=dtype) for w in widths)
        have = tuple(stored[0].shape)
        if have[:2] != (batch, heads) or (have[3], stored[1].shape[3]) != widths or stored[0].dtype != dtype:
            raise ValueError(f"[KeyValueCache] got a batch of {batch}, {heads} heads of {widths} and {dtype}, expected those of the "
                             f"tokens before: {have[0]}, {have[1]}, {(have[3], stored[1].shape[3])} and {stored[0].dtype}")  # fmt: skip
        return stored

    def update(self, layer: int, key: Any, value: Any) -> tuple[Any, Any]:
        """Store keys and values (B, H, T, D) of new tokens: those of all tokens, (B, H, length + T, D). No gradient passes."""
        batch, heads, steps, width = key.shape
        stored = self._room(layer, batch, steps, heads, (width, value.shape[3]), key.dtype)
        for whole, new in zip(stored, (key, value), strict=True):
            whole.narrow(2, self.length, steps).copy_(new.detach())
        end = self.length + steps
        return stored[0].narrow(2, 0, end), stored[1].narrow(2, 0, end)

    def attend(self, layer: int, qkv: Any, num_heads: int) -> Any:
        """Causal self-attention of new tokens to all: query, key and value side by side (B, T, 3 E) -> (B, T, E).

        No gradient passes.
        """
        batch, steps, width = qkv.shape
        if width % (3 * num_heads):
            raise RuntimeError(f"[KeyValueCache] got shape {tuple(qkv.shape)}, expected (B, T, 3 E) with E a multiple of {num_heads} heads")
        d = width // 3 // num_heads
        stored = self._room(layer, batch, steps, num_heads, (d, d), qkv.dtype)
        return cached_attention_op(qkv.detach(), *stored, heads=num_heads, start=self.length)
