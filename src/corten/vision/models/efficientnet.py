"""EfficientNet. Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", arXiv:1905.11946."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from corten import nn
from corten.vision.models.blocks import (
    Conv2dNormActivation,
    Layer,
    SqueezeExcitation,
    StochasticDepth,
    init_convolutions,
    make_divisible,
    no_weights,
)

# expansion, kernel, stride, inputs, outputs, layers of each stage of B0
STAGES = [(1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3), (6, 5, 1, 80, 112, 3),
          (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1)]  # fmt: skip
# width, depth, dropout
SCALES = [(1.0, 1.0, 0.2), (1.0, 1.1, 0.2), (1.1, 1.2, 0.3), (1.2, 1.4, 0.3), (1.4, 1.8, 0.4), (1.6, 2.2, 0.4), (1.8, 2.6, 0.5),
          (2.0, 3.1, 0.5)]  # fmt: skip


class MBConv(nn.Module):
    """Inverted residual block with squeeze and excitation."""

    def __init__(self, inputs: int, outputs: int, expand: int, kernel: int, stride: int, drop: float, norm_layer: Layer) -> None:
        super().__init__()
        hidden = make_divisible(inputs * expand, 8)
        make = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        layers: list[nn.Module] = [make(inputs, hidden, 1)] if hidden != inputs else []
        layers += [make(hidden, hidden, kernel, stride, groups=hidden),
                   SqueezeExcitation(hidden, max(1, inputs // 4), activation=nn.SiLU),
                   Conv2dNormActivation(hidden, outputs, 1, norm_layer=norm_layer, activation_layer=None)]  # fmt: skip
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(drop, "row")
        self.use_res_connect = stride == 1 and inputs == outputs

    def forward(self, input: Any) -> Any:
        """Block."""
        out = self.block(input)
        return input + self.stochastic_depth(out) if self.use_res_connect else out


class EfficientNet(nn.Module):
    """EfficientNet for (N, 3, H, W), H and W from 32 on.

    Parameters
    ----------
    width_mult, depth_mult : float
        By which the widths and depths of B0 are multiplied.
    dropout : float
    stochastic_depth_prob : float
        Of the last block; it grows linearly from 0.
    num_classes : int
    norm_layer : callable
    """

    def __init__(self, width_mult: float, depth_mult: float, dropout: float, stochastic_depth_prob: float = 0.2,
                 num_classes: int = 1000, norm_layer: Layer = nn.BatchNorm2d) -> None:  # fmt: skip
        super().__init__()
        make = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        plan = [(e, k, s, make_divisible(i * width_mult, 8), make_divisible(o * width_mult, 8), math.ceil(n * depth_mult))
                for e, k, s, i, o, n in STAGES]  # fmt: skip
        total, done = sum(stage[5] for stage in plan), 0
        features: list[nn.Module] = [make(3, plan[0][3], stride=2)]
        for expand, kernel, stride, inputs, outputs, count in plan:
            blocks = []
            for i in range(count):
                blocks.append(MBConv(outputs if i else inputs, outputs, expand, kernel, 1 if i else stride,
                                     stochastic_depth_prob * done / total, norm_layer))  # fmt: skip
                done += 1
            features.append(nn.Sequential(*blocks))
        last = plan[-1][4]
        features.append(make(last, 4 * last, 1))
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(4 * last, num_classes))
        init_convolutions(self)
        bound = 1 / math.sqrt(num_classes)
        nn.init.uniform_(self.classifier[1].weight, -bound, bound)
        nn.init.zeros_(self.classifier[1].bias)

    def forward(self, x: Any) -> Any:
        """Logits (N, num_classes)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _efficientnet(size: int, weights: Any, kwargs: dict[str, Any]) -> EfficientNet:
    no_weights(f"efficientnet_b{size}", weights)
    width, depth, dropout = SCALES[size]
    norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01) if size >= 5 else nn.BatchNorm2d
    return EfficientNet(width, depth, kwargs.pop("dropout", dropout), norm_layer=kwargs.pop("norm_layer", norm), **kwargs)


def efficientnet_b0(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """EfficientNet-B0: 5,288,548 parameters."""
    return _efficientnet(0, weights, kwargs)


def efficientnet_b1(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """EfficientNet-B1: 7,794,184 parameters."""
    return _efficientnet(1, weights, kwargs)


def efficientnet_b2(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """EfficientNet-B2: 9,109,994 parameters."""
    return _efficientnet(2, weights, kwargs)


def efficientnet_b3(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """EfficientNet-B3: 12,233,232 parameters."""
    return _efficientnet(3, weights, kwargs)


def efficientnet_b4(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """EfficientNet-B4: 19,341,616 parameters."""
    return _efficientnet(4, weights, kwargs)


def efficientnet_b5(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """EfficientNet-B5: 30,389,784 parameters."""
    return _efficientnet(5, weights, kwargs)


def efficientnet_b6(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """EfficientNet-B6: 43,040,704 parameters."""
    return _efficientnet(6, weights, kwargs)


def efficientnet_b7(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> EfficientNet:
    """EfficientNet-B7: 66,347,960 parameters."""
    return _efficientnet(7, weights, kwargs)
