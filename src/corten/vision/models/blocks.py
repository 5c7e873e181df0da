"""Blocks that several models are made of, named and numbered as in torchvision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import corten
from corten import nn

Layer = Callable[..., nn.Module]


def no_weights(name: str, weights: Any) -> None:
    """Trained weights are not part of this package: raise when some are asked for."""
    if weights is not None:
        raise ValueError(f"[{name}] got weights={weights!r}, expected None: load trained weights with load_state_dict")


def make_divisible(value: float, divisor: int, least: int | None = None) -> int:
    """The multiple of ``divisor`` nearest to ``value`` that is not more than a tenth below it (Sandler et al. 2018)."""
    found = max(divisor if least is None else least, int(value + divisor / 2) // divisor * divisor)
    return found + divisor if found < 0.9 * value else found


def init_convolutions(model: nn.Module, mode: str = "fan_out", nonlinearity: str = "relu") -> None:
    """He et al.'s normal weights for convolutions, zero biases; norms 1 and 0."""
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode=mode, nonlinearity=nonlinearity)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
        elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
            nn.init.ones_(m.weight)
            nn.init.zeros_(m.bias)


class Conv2dNormActivation(nn.Sequential):
    """Convolution, norm, activation; padding keeps the size unless it is given."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1, padding: int | None = None,
                 groups: int = 1, norm_layer: Layer | None = nn.BatchNorm2d, activation_layer: Layer | None = nn.ReLU,
                 dilation: int = 1, bias: bool | None = None) -> None:  # fmt: skip
        padding = (kernel_size - 1) // 2 * dilation if padding is None else padding
        layers: list[nn.Module] = [nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups,
                                             norm_layer is None if bias is None else bias)]  # fmt: skip
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer())
        super().__init__(*layers)
        self.out_channels = out_channels


class SqueezeExcitation(nn.Module):
    """Channels scaled by what a small network makes of their means. Hu et al., arXiv:1709.01507."""

    def __init__(self, input_channels: int, squeeze_channels: int, activation: Layer = nn.ReLU,
                 scale_activation: Layer = nn.Sigmoid) -> None:  # fmt: skip
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, input: Any) -> Any:
        """Scale."""
        return input * self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(input)))))


class StochasticDepth(nn.Module):
    """In training, samples become 0 with probability ``p`` and the others grow to match. Huang et al., arXiv:1603.09382."""

    def __init__(self, p: float, mode: str = "row") -> None:
        super().__init__()
        if not 0 <= p <= 1 or mode not in ("row", "batch"):
            raise ValueError(f"[StochasticDepth] got p={p}, mode={mode!r}, expected p in [0, 1] and 'row' or 'batch'")
        self.p, self.mode = p, mode

    def forward(self, input: Any) -> Any:
        """Drop."""
        if not self.training or self.p == 0:
            return input
        shape = [input.shape[0] if self.mode == "row" else 1] + [1] * (input.ndim - 1)
        kept = (corten.rand(*shape) >= self.p).to(input.dtype)
        return input * (kept / (1 - self.p) if self.p < 1 else kept)

    def extra_repr(self) -> str:
        return f"p={self.p}, mode={self.mode}"


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of (N, C, H, W)."""

    def forward(self, input: Any) -> Any:
        """Normalise each position."""
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Permute(nn.Module):
    """Dimensions in another order."""

    def __init__(self, dims: list[int]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, input: Any) -> Any:
        """Permute."""
        return input.permute(*self.dims)
