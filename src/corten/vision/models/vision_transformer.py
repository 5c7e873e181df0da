"""Vision Transformer. Dosovitskiy et al., "An Image is Worth 16x16 Words", arXiv:2010.11929."""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import partial
from typing import Any

import corten
from corten import nn
from corten.vision.models.blocks import no_weights


class MLPBlock(nn.Sequential):
    """Two linear layers with GELU between."""

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(nn.Linear(in_dim, mlp_dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(mlp_dim, in_dim), nn.Dropout(dropout))
        for i in (0, 3):
            nn.init.xavier_uniform_(self[i].weight)
            nn.init.normal_(self[i].bias, std=1e-6)


class EncoderBlock(nn.Module):
    """Attention and two linear layers, each after a norm and beside a shortcut."""

    def __init__(self, num_heads: int, hidden_dim: int, mlp_dim: int, dropout: float, attention_dropout: float,
                 norm_layer: Any) -> None:  # fmt: skip
        super().__init__()
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(hidden_dim, num_heads, dropout=attention_dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Any) -> Any:
        """(N, T, D) to (N, T, D)."""
        x = self.ln_1(input)
        x = self.dropout(self.self_attention(x, x, x, need_weights=False)[0]) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Learned positions and blocks."""

    def __init__(self, seq_length: int, num_layers: int, num_heads: int, hidden_dim: int, mlp_dim: int, dropout: float,
                 attention_dropout: float, norm_layer: Any) -> None:  # fmt: skip
        super().__init__()
        self.pos_embedding = nn.Parameter(corten.randn(1, seq_length, hidden_dim) * 0.02)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(OrderedDict(
            (f"encoder_layer_{i}", EncoderBlock(num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer))
            for i in range(num_layers)))  # fmt: skip
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Any) -> Any:
        """(N, T, D) to (N, T, D)."""
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """A transformer over patches of (N, 3, image_size, image_size).

    Parameters
    ----------
    image_size, patch_size : int
    num_layers, num_heads, hidden_dim, mlp_dim : int
    dropout, attention_dropout : float
    num_classes : int
    representation_size : int or None
        Width of a hidden layer before the last.
    norm_layer : callable
    """

    def __init__(self, image_size: int, patch_size: int, num_layers: int, num_heads: int, hidden_dim: int, mlp_dim: int,
                 dropout: float = 0.0, attention_dropout: float = 0.0, num_classes: int = 1000,
                 representation_size: int | None = None, norm_layer: Any = None) -> None:  # fmt: skip
        super().__init__()
        norm_layer = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        if image_size % patch_size:
            raise ValueError(f"[VisionTransformer] got image_size={image_size}, expected a multiple of patch_size={patch_size}")
        self.image_size, self.patch_size, self.hidden_dim = image_size, patch_size, hidden_dim
        self.conv_proj = nn.Conv2d(3, hidden_dim, patch_size, patch_size)
        self.class_token = nn.Parameter(corten.zeros(1, 1, hidden_dim))
        self.encoder = Encoder((image_size // patch_size) ** 2 + 1, num_layers, num_heads, hidden_dim, mlp_dim, dropout,
                               attention_dropout, norm_layer)  # fmt: skip
        heads: OrderedDict[str, nn.Module] = OrderedDict()
        if representation_size is not None:
            heads["pre_logits"], heads["act"] = nn.Linear(hidden_dim, representation_size), nn.Tanh()
        heads["head"] = nn.Linear(representation_size or hidden_dim, num_classes)
        self.heads = nn.Sequential(heads)
        nn.init.trunc_normal_(self.conv_proj.weight, std=math.sqrt(1 / (3 * patch_size * patch_size)))
        nn.init.zeros_(self.conv_proj.bias)
        if representation_size is not None:
            nn.init.trunc_normal_(self.heads.pre_logits.weight, std=math.sqrt(1 / hidden_dim))
            nn.init.zeros_(self.heads.pre_logits.bias)
        nn.init.zeros_(self.heads.head.weight)
        nn.init.zeros_(self.heads.head.bias)

    def forward(self, x: Any) -> Any:
        """Logits (N, num_classes)."""
        if tuple(x.shape[2:]) != (self.image_size,) * 2:
            raise ValueError(f"[VisionTransformer] got images of {tuple(x.shape[2:])}, expected {(self.image_size,) * 2}")
        x = self.conv_proj(x).flatten(2).permute(0, 2, 1)
        x = corten.cat([self.class_token.expand(x.shape[0], -1, -1), x], 1)
        return self.heads(self.encoder(x)[:, 0])


def _vit(name: str, patch: int, layers: int, heads: int, width: int, weights: Any, kwargs: dict[str, Any]) -> VisionTransformer:
    no_weights(name, weights)
    return VisionTransformer(kwargs.pop("image_size", 224), patch, layers, heads, width, kwargs.pop("mlp_dim", 4 * width), **kwargs)


def vit_b_16(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VisionTransformer:
    """ViT-B/16: 86,567,656 parameters."""
    return _vit("vit_b_16", 16, 12, 12, 768, weights, kwargs)


def vit_b_32(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VisionTransformer:
    """ViT-B/32: 88,224,232 parameters."""
    return _vit("vit_b_32", 32, 12, 12, 768, weights, kwargs)


def vit_l_16(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VisionTransformer:
    """ViT-L/16: 304,326,632 parameters."""
    return _vit("vit_l_16", 16, 24, 16, 1024, weights, kwargs)


def vit_l_32(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VisionTransformer:
    """ViT-L/32: 306,535,400 parameters."""
    return _vit("vit_l_32", 32, 24, 16, 1024, weights, kwargs)


def vit_h_14(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VisionTransformer:
    """ViT-H/14: 632,045,800 parameters."""
    return _vit("vit_h_14", 14, 32, 16, 1280, weights, kwargs)
