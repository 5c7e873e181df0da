"""Transformers. Vaswani et al., arXiv:1706.03762."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from corten._core import core
from corten.nn import functional as F  # noqa: N812
from corten.nn import init
from corten.nn.attention import MultiheadAttention, additive_mask
from corten.nn.containers import ModuleList
from corten.nn.dropout import Dropout
from corten.nn.linear import Linear
from corten.nn.module import Module
from corten.nn.normalization import LayerNorm

__all__ = ["Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer"]


def _activation(activation: str | Callable[[Any], Any]) -> Callable[[Any], Any]:
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"[Transformer] got activation={activation!r}, expected 'relu' or 'gelu'")
    return F.relu if activation == "relu" else F.gelu


def causal_mask(size: int, dtype: Any = None) -> Any:
    """(size, size) with -inf above the diagonal and 0 elsewhere."""
    return core.tensor(np.triu(np.full((size, size), -np.inf), 1), dtype=dtype or core.get_default_dtype())


def hides_the_future(mask: Any) -> bool:
    """Whether a mask is square, hides what lies above the diagonal and changes nothing else."""
    if mask is None or mask.is_meta or mask.ndim != 2 or mask.shape[0] != mask.shape[1]:
        return False
    values = mask.detach().numpy()
    later = np.triu(np.ones(values.shape, bool), 1)
    return bool((values == (np.where(later, -np.inf, 0) if mask.is_floating_point() else later)).all())


class TransformerEncoderLayer(Module):
    """Self-attention and a feed-forward network, each with dropout, residual and layer norm.

    Parameters
    ----------
    d_model, nhead, dim_feedforward : int
    dropout : float
    activation : {'relu', 'gelu'} or callable
    layer_norm_eps : float
    batch_first : bool
        (B, T, E) instead of (T, B, E).
    norm_first : bool
        Whether to normalise before each part (pre-norm) instead of after.
    bias : bool
    """

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
                 activation: str | Callable[[Any], Any] = "relu", layer_norm_eps: float = 1e-5, batch_first: bool = False,
                 norm_first: bool = False, bias: bool = True, device: Any = None, dtype: Any = None) -> None:  # fmt: skip
        super().__init__()
        made = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **made)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **made)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, **made)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, **made)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)
        self.activation = _activation(activation)

    def forward(self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Any:
        """Encode (T, B, E)."""
        x = src

        def attend(y: Any) -> Any:
            return self.dropout1(self.self_attn(y, y, y, src_key_padding_mask, False, src_mask, is_causal=is_causal)[0])

        if self.norm_first:
            x = x + attend(self.norm1(x))
            return x + self._feed(self.norm2(x))
        x = self.norm1(x + attend(x))
        return self.norm2(x + self._feed(x))

    def _feed(self, x: Any) -> Any:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerDecoderLayer(Module):
    """Self-attention, attention to the encoder's memory, and a feed-forward network; see :class:`TransformerEncoderLayer`."""

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
                 activation: str | Callable[[Any], Any] = "relu", layer_norm_eps: float = 1e-5, batch_first: bool = False,
                 norm_first: bool = False, bias: bool = True, device: Any = None, dtype: Any = None) -> None:  # fmt: skip
        super().__init__()
        made = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **made)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **made)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **made)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, **made)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, **made)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias, **made)
        self.dropout1, self.dropout2, self.dropout3 = Dropout(dropout), Dropout(dropout), Dropout(dropout)
        self.activation = _activation(activation)

    def forward(self, tgt: Any, memory: Any, tgt_mask: Any = None, memory_mask: Any = None, tgt_key_padding_mask: Any = None,
                memory_key_padding_mask: Any = None, tgt_is_causal: bool = False, memory_is_causal: bool = False) -> Any:  # fmt: skip
        """Decode (T, B, E) with the memory (S, B, E)."""

        def itself(y: Any) -> Any:
            return self.dropout1(self.self_attn(y, y, y, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)[0])

        def other(y: Any) -> Any:
            return self.dropout2(self.multihead_attn(y, memory, memory, memory_key_padding_mask, False, memory_mask,
                                                     is_causal=memory_is_causal)[0])  # fmt: skip

        def feed(y: Any) -> Any:
            return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(y)))))

        x = tgt
        if self.norm_first:
            x = x + itself(self.norm1(x))
            x = x + other(self.norm2(x))
            return x + feed(self.norm3(x))
        x = self.norm1(x + itself(x))
        x = self.norm2(x + other(x))
        return self.norm3(x + feed(x))


class TransformerEncoder(Module):
    """A stack of encoder layers, copies of one."""

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None, enable_nested_tensor: bool = True,
                 mask_check: bool = True) -> None:  # fmt: skip
        super().__init__()
        self.layers = ModuleList([copy.deepcopy(encoder_layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm

    def forward(self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None) -> Any:
        """Encode (T, B, E)."""
        causal = hides_the_future(mask) if is_causal is None else is_causal
        x, mask = src, additive_mask(mask, src.dtype)
        for layer in self.layers:
            x = layer(x, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=causal)
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """A stack of decoder layers, copies of one."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = ModuleList([copy.deepcopy(decoder_layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm

    def forward(self, tgt: Any, memory: Any, tgt_mask: Any = None, memory_mask: Any = None, tgt_key_padding_mask: Any = None,
                memory_key_padding_mask: Any = None, tgt_is_causal: bool | None = None, memory_is_causal: bool = False) -> Any:  # fmt: skip
        """Decode (T, B, E) with the memory (S, B, E)."""
        x, causal = tgt, hides_the_future(tgt_mask) if tgt_is_causal is None else tgt_is_causal
        for layer in self.layers:
            x = layer(x, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask, causal, memory_is_causal)
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """Encoder and decoder; see :class:`TransformerEncoderLayer` for the parameters.

    Examples
    --------
    >>> import corten
    >>> net = corten.nn.Transformer(8, 2, 1, 1, 16)
    >>> net(corten.rand(5, 3, 8), corten.rand(4, 3, 8)).shape
    corten.Size([4, 3, 8])
    """

    def __init__(self, d_model: int = 512, nhead: int = 8, num_encoder_layers: int = 6, num_decoder_layers: int = 6,
                 dim_feedforward: int = 2048, dropout: float = 0.1, activation: str | Callable[[Any], Any] = "relu",
                 custom_encoder: Any = None, custom_decoder: Any = None, layer_norm_eps: float = 1e-5,
                 batch_first: bool = False, norm_first: bool = False, bias: bool = True, device: Any = None,
                 dtype: Any = None) -> None:  # fmt: skip
        super().__init__()
        made = {"device": device, "dtype": dtype}
        shape = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*shape, **made), num_encoder_layers, LayerNorm(d_model, layer_norm_eps, bias=bias, **made))
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*shape, **made), num_decoder_layers, LayerNorm(d_model, layer_norm_eps, bias=bias, **made))
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)

    def forward(self, src: Any, tgt: Any, src_mask: Any = None, tgt_mask: Any = None, memory_mask: Any = None,
                src_key_padding_mask: Any = None, tgt_key_padding_mask: Any = None, memory_key_padding_mask: Any = None,
                src_is_causal: bool | None = None, tgt_is_causal: bool | None = None, memory_is_causal: bool = False) -> Any:  # fmt: skip
        """Encode src (S, B, E) and decode tgt (T, B, E)."""
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(f"[Transformer] got widths {src.shape[-1]} and {tgt.shape[-1]}, expected {self.d_model}")
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask, tgt_is_causal,
                            memory_is_causal)  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Any:
        """A causal mask: -inf above the diagonal, else 0."""
        return causal_mask(sz, dtype)
