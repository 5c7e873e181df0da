"""ConvNeXt. Liu et al., "A ConvNet for the 2020s", arXiv:2201.03545."""

from __future__ import annotations

from functools import partial
from typing import Any

import corten
from corten import nn
from corten.vision.models.blocks import Conv2dNormActivation, LayerNorm2d, Permute, StochasticDepth, no_weights


class CNBlock(nn.Module):
    """Depthwise 7 x 7, then two linear layers at each position, scaled, beside a shortcut."""

    def __init__(self, dim: int, layer_scale: float, stochastic_depth_prob: float) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, 7, padding=3, groups=dim), Permute([0, 2, 3, 1]), nn.LayerNorm(dim, eps=1e-6),
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim), Permute([0, 3, 1, 2]))  # fmt: skip
        self.layer_scale = nn.Parameter(corten.ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: Any) -> Any:
        """Block."""
        return input + self.stochastic_depth(self.layer_scale * self.block(input))


class ConvNeXt(nn.Module):
    """ConvNeXt for (N, 3, 224, 224); sizes from 32 on work.

    Parameters
    ----------
    block_setting : list of (int, int)
        Width and number of blocks of each stage.
    stochastic_depth_prob : float
        Of the last block; it grows linearly from 0.
    layer_scale : float
    num_classes : int
    """

    def __init__(self, block_setting: list[tuple[int, int]], stochastic_depth_prob: float = 0.0, layer_scale: float = 1e-6,
                 num_classes: int = 1000) -> None:  # fmt: skip
        super().__init__()
        norm = partial(LayerNorm2d, eps=1e-6)
        features: list[nn.Module] = [Conv2dNormActivation(3, block_setting[0][0], 4, 4, 0, norm_layer=norm, activation_layer=None,
                                                          bias=True)]  # fmt: skip
        total, done = max(1, sum(n for _, n in block_setting) - 1), 0
        for i, (width, count) in enumerate(block_setting):
            blocks = []
            for _ in range(count):
                blocks.append(CNBlock(width, layer_scale, stochastic_depth_prob * done / total))
                done += 1
            features.append(nn.Sequential(*blocks))
            if i + 1 < len(block_setting):
                features.append(nn.Sequential(norm(width), nn.Conv2d(width, block_setting[i + 1][0], 2, 2)))
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        last = block_setting[-1][0]
        self.classifier = nn.Sequential(norm(last), nn.Flatten(1), nn.Linear(last, num_classes))
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(m.weight, std=0.02)
                nn.init.zeros_(m.bias)

    def forward(self, x: Any) -> Any:
        """Logits (N, num_classes)."""
        return self.classifier(self.avgpool(self.features(x)))


def _convnext(name: str, widths: tuple[int, ...], depth: int, drop: float, weights: Any, kwargs: dict[str, Any]) -> ConvNeXt:
    no_weights(name, weights)
    setting = list(zip(widths, (3, 3, depth, 3), strict=True))
    return ConvNeXt(setting, kwargs.pop("stochastic_depth_prob", drop), **kwargs)


def convnext_tiny(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ConvNeXt:
    """ConvNeXt-Tiny: 28,589,128 parameters."""
    return _convnext("convnext_tiny", (96, 192, 384, 768), 9, 0.1, weights, kwargs)


def convnext_small(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ConvNeXt:
    """ConvNeXt-Small: 50,223,688 parameters."""
    return _convnext("convnext_small", (96, 192, 384, 768), 27, 0.4, weights, kwargs)


def convnext_base(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ConvNeXt:
    """ConvNeXt-Base: 88,591,464 parameters."""
    return _convnext("convnext_base", (128, 256, 512, 1024), 27, 0.5, weights, kwargs)


def convnext_large(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ConvNeXt:
    """ConvNeXt-Large: 197,767,336 parameters."""
    return _convnext("convnext_large", (192, 384, 768, 1536), 27, 0.5, weights, kwargs)
