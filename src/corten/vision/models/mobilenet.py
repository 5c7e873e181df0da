"""MobileNetV2 (arXiv:1801.04381) and MobileNetV3 (arXiv:1905.02244)."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from corten import nn
from corten.vision.models.blocks import (
    Conv2dNormActivation,
    Layer,
    SqueezeExcitation,
    init_convolutions,
    make_divisible,
    no_weights,
)


def _linear_init(model: nn.Module) -> None:
    for m in model.modules():
        if isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, 0, 0.01)
            nn.init.zeros_(m.bias)


class InvertedResidual(nn.Module):
    """1 x 1 to more channels, depthwise 3 x 3, 1 x 1 to few; a shortcut where the shape stays."""

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: Layer) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"[InvertedResidual] got stride={stride}, expected 1 or 2")
        hidden = round(inp * expand_ratio)
        make = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.ReLU6)
        layers: list[nn.Module] = [make(inp, hidden, 1)] if expand_ratio != 1 else []
        layers += [make(hidden, hidden, stride=stride, groups=hidden), nn.Conv2d(hidden, oup, 1, bias=False), norm_layer(oup)]
        self.conv = nn.Sequential(*layers)
        self.use_res_connect = stride == 1 and inp == oup

    def forward(self, x: Any) -> Any:
        """Block."""
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


V2 = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]


class MobileNetV2(nn.Module):
    """MobileNetV2 for (N, 3, 224, 224); sizes from 32 on work.

    Parameters
    ----------
    num_classes : int
    width_mult : float
        By which all widths are multiplied.
    inverted_residual_setting : list or None
        (expansion, channels, blocks, stride) of each stage.
    round_nearest : int
        Widths are multiples of it.
    norm_layer : callable
    dropout : float
    """

    def __init__(self, num_classes: int = 1000, width_mult: float = 1.0, inverted_residual_setting: Any = None,
                 round_nearest: int = 8, norm_layer: Layer = nn.BatchNorm2d, dropout: float = 0.2) -> None:  # fmt: skip
        super().__init__()
        width = make_divisible(32 * width_mult, round_nearest)
        self.last_channel = make_divisible(1280 * max(1.0, width_mult), round_nearest)
        make = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.ReLU6)
        features: list[nn.Module] = [make(3, width, stride=2)]
        for expand, channels, count, stride in inverted_residual_setting or V2:
            outputs = make_divisible(channels * width_mult, round_nearest)
            for i in range(count):
                features.append(InvertedResidual(width, outputs, stride if i == 0 else 1, expand, norm_layer))
                width = outputs
        features.append(make(width, self.last_channel, 1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes))
        init_convolutions(self)
        _linear_init(self)

    def forward(self, x: Any) -> Any:
        """Logits (N, num_classes)."""
        return self.classifier(self.features(x).mean((2, 3)))


class BlockV3(NamedTuple):
    """Settings of a block of MobileNetV3."""

    inputs: int
    kernel: int
    expanded: int
    outputs: int
    use_se: bool
    use_hs: bool
    stride: int


class InvertedResidualV3(nn.Module):
    """The block of MobileNetV2 with squeeze and excitation and other activations."""

    def __init__(self, cnf: BlockV3, norm_layer: Layer) -> None:
        super().__init__()
        make = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.Hardswish if cnf.use_hs else nn.ReLU)
        layers: list[nn.Module] = [make(cnf.inputs, cnf.expanded, 1)] if cnf.expanded != cnf.inputs else []
        layers.append(make(cnf.expanded, cnf.expanded, cnf.kernel, cnf.stride, groups=cnf.expanded))
        if cnf.use_se:
            layers.append(SqueezeExcitation(cnf.expanded, make_divisible(cnf.expanded // 4, 8), scale_activation=nn.Hardsigmoid))
        layers.append(Conv2dNormActivation(cnf.expanded, cnf.outputs, 1, norm_layer=norm_layer, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.use_res_connect = cnf.stride == 1 and cnf.inputs == cnf.outputs

    def forward(self, input: Any) -> Any:
        """Block."""
        return input + self.block(input) if self.use_res_connect else self.block(input)


LARGE = [BlockV3(*b) for b in (
    (16, 3, 16, 16, False, False, 1), (16, 3, 64, 24, False, False, 2), (24, 3, 72, 24, False, False, 1),
    (24, 5, 72, 40, True, False, 2), (40, 5, 120, 40, True, False, 1), (40, 5, 120, 40, True, False, 1),
    (40, 3, 240, 80, False, True, 2), (80, 3, 200, 80, False, True, 1), (80, 3, 184, 80, False, True, 1),
    (80, 3, 184, 80, False, True, 1), (80, 3, 480, 112, True, True, 1), (112, 3, 672, 112, True, True, 1),
    (112, 5, 672, 160, True, True, 2), (160, 5, 960, 160, True, True, 1), (160, 5, 960, 160, True, True, 1))]  # fmt: skip
SMALL = [BlockV3(*b) for b in (
    (16, 3, 16, 16, True, False, 2), (16, 3, 72, 24, False, False, 2), (24, 3, 88, 24, False, False, 1),
    (24, 5, 96, 40, True, True, 2), (40, 5, 240, 40, True, True, 1), (40, 5, 240, 40, True, True, 1),
    (40, 5, 120, 48, True, True, 1), (48, 5, 144, 48, True, True, 1), (48, 5, 288, 96, True, True, 2),
    (96, 5, 576, 96, True, True, 1), (96, 5, 576, 96, True, True, 1))]  # fmt: skip


class MobileNetV3(nn.Module):
    """MobileNetV3 for (N, 3, 224, 224); sizes from 32 on work.

    Parameters
    ----------
    inverted_residual_setting : list of BlockV3
    last_channel : int
        Width of the classifier's hidden layer.
    num_classes : int
    dropout : float
    """

    def __init__(self, inverted_residual_setting: list[BlockV3], last_channel: int, num_classes: int = 1000,
                 dropout: float = 0.2) -> None:  # fmt: skip
        super().__init__()
        norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        make = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.Hardswish)
        last = inverted_residual_setting[-1].outputs
        self.features = nn.Sequential(make(3, inverted_residual_setting[0].inputs, stride=2),
                                      *(InvertedResidualV3(b, norm) for b in inverted_residual_setting),
                                      make(last, 6 * last, 1))  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Linear(6 * last, last_channel), nn.Hardswish(), nn.Dropout(dropout),
                                        nn.Linear(last_channel, num_classes))  # fmt: skip
        init_convolutions(self)
        _linear_init(self)

    def forward(self, x: Any) -> Any:
        """Logits (N, num_classes)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def mobilenet_v2(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> MobileNetV2:
    """MobileNetV2: 3,504,872 parameters."""
    no_weights("mobilenet_v2", weights)
    return MobileNetV2(**kwargs)


def mobilenet_v3_large(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> MobileNetV3:
    """MobileNetV3-Large: 5,483,032 parameters."""
    no_weights("mobilenet_v3_large", weights)
    return MobileNetV3(LARGE, 1280, **kwargs)


def mobilenet_v3_small(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> MobileNetV3:
    """MobileNetV3-Small: 2,542,856 parameters."""
    no_weights("mobilenet_v3_small", weights)
    return MobileNetV3(SMALL, 1024, **kwargs)
