"""DenseNet. Huang et al., "Densely Connected Convolutional Networks", arXiv:1608.06993."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import corten
from corten import nn
from corten.nn import functional as F  # noqa: N812
from corten.vision.models.blocks import init_convolutions, no_weights


class DenseLayer(nn.Module):
    """New features from all earlier ones: a 1 x 1 and a 3 x 3 convolution."""

    def __init__(self, inputs: int, growth_rate: int, bn_size: int, drop_rate: float) -> None:
        super().__init__()
        self.norm1, self.relu1 = nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(inputs, bn_size * growth_rate, 1, bias=False)
        self.norm2, self.relu2 = nn.BatchNorm2d(bn_size * growth_rate), nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(bn_size * growth_rate, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = drop_rate

    def forward(self, features: list[Any]) -> Any:
        """New features."""
        x = features[0] if len(features) == 1 else corten.cat(features, 1)
        x = self.conv2(self.relu2(self.norm2(self.conv1(self.relu1(self.norm1(x))))))
        return F.dropout(x, self.drop_rate, self.training) if self.drop_rate > 0 else x


class DenseBlock(nn.ModuleDict):
    """Layers that each see the outputs of all before."""

    def __init__(self, count: int, inputs: int, bn_size: int, growth_rate: int, drop_rate: float) -> None:
        super().__init__()
        for i in range(count):
            self[f"denselayer{i + 1}"] = DenseLayer(inputs + i * growth_rate, growth_rate, bn_size, drop_rate)

    def forward(self, x: Any) -> Any:
        """All features side by side."""
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return corten.cat(features, 1)


def transition(inputs: int, outputs: int) -> nn.Sequential:
    """Half the size, fewer channels."""
    return nn.Sequential(OrderedDict(norm=nn.BatchNorm2d(inputs), relu=nn.ReLU(inplace=True),
                                     conv=nn.Conv2d(inputs, outputs, 1, bias=False), pool=nn.AvgPool2d(2, 2)))  # fmt: skip


class DenseNet(nn.Module):
    """DenseNet for (N, 3, 224, 224); sizes from 32 on work.

    Parameters
    ----------
    growth_rate : int
        Channels that each layer adds.
    block_config : tuple of int
        Layers of each block.
    num_init_features, bn_size : int
    drop_rate : float
    num_classes : int
    """

    def __init__(self, growth_rate: int = 32, block_config: tuple[int, ...] = (6, 12, 24, 16), num_init_features: int = 64,
                 bn_size: int = 4, drop_rate: float = 0, num_classes: int = 1000) -> None:  # fmt: skip
        super().__init__()
        self.features = nn.Sequential(OrderedDict(
            conv0=nn.Conv2d(3, num_init_features, 7, 2, 3, bias=False), norm0=nn.BatchNorm2d(num_init_features),
            relu0=nn.ReLU(inplace=True), pool0=nn.MaxPool2d(3, 2, 1)))  # fmt: skip
        width = num_init_features
        for i, count in enumerate(block_config):
            self.features.add_module(f"denseblock{i + 1}", DenseBlock(count, width, bn_size, growth_rate, drop_rate))
            width += count * growth_rate
            if i + 1 < len(block_config):
                self.features.add_module(f"transition{i + 1}", transition(width, width // 2))
                width //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, num_classes)
        init_convolutions(self, "fan_in", "leaky_relu")
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Any) -> Any:
        """Logits (N, num_classes)."""
        return self.classifier(self.features(x).relu().mean((2, 3)))


def densenet121(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """DenseNet-121: 7,978,856 parameters."""
    no_weights("densenet121", weights)
    return DenseNet(32, (6, 12, 24, 16), 64, **kwargs)


def densenet161(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """DenseNet-161: 28,681,000 parameters."""
    no_weights("densenet161", weights)
    return DenseNet(48, (6, 12, 36, 24), 96, **kwargs)


def densenet169(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """DenseNet-169: 14,149,480 parameters."""
    no_weights("densenet169", weights)
    return DenseNet(32, (6, 12, 32, 32), 64, **kwargs)


def densenet201(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """DenseNet-201: 20,013,928 parameters."""
    no_weights("densenet201", weights)
    return DenseNet(32, (6, 12, 48, 32), 64, **kwargs)
