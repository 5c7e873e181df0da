"""VGG. Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", arXiv:1409.1556."""

from __future__ import annotations

from typing import Any

from corten import nn
from corten.vision.models.blocks import init_convolutions, no_weights

PLANS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # convolutions before each maximum
WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Stacks of 3 x 3 convolutions for (N, 3, 224, 224); sizes from 32 on work.

    Parameters
    ----------
    features : Module
        The convolutional part, ending in 512 channels.
    num_classes : int
    init_weights : bool
    dropout : float
    """

    def __init__(self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), nn.ReLU(True), nn.Dropout(dropout),
            nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(dropout), nn.Linear(4096, num_classes))  # fmt: skip
        if init_weights:
            init_convolutions(self)
            for m in self.classifier:
                if isinstance(m, nn.Linear):
                    nn.init.normal_(m.weight, 0, 0.01)
                    nn.init.zeros_(m.bias)

    def forward(self, x: Any) -> Any:
        """Logits (N, num_classes)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def make_layers(depth: int, batch_norm: bool) -> nn.Sequential:
    """The convolutional part of a depth."""
    layers: list[nn.Module] = []
    channels = 3
    for width, count in zip(WIDTHS, PLANS[depth], strict=True):
        for _ in range(count):
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(inplace=True))
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)


def _vgg(name: str, depth: int, batch_norm: bool, weights: Any, kwargs: dict[str, Any]) -> VGG:
    no_weights(name, weights)
    return VGG(make_layers(depth, batch_norm), **kwargs)


def vgg11(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-11: 132,863,336 parameters."""
    return _vgg("vgg11", 11, False, weights, kwargs)


def vgg11_bn(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-11 with batch norm: 132,868,840 parameters."""
    return _vgg("vgg11_bn", 11, True, weights, kwargs)


def vgg13(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-13: 133,047,848 parameters."""
    return _vgg("vgg13", 13, False, weights, kwargs)


def vgg13_bn(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-13 with batch norm: 133,053,736 parameters."""
    return _vgg("vgg13_bn", 13, True, weights, kwargs)


def vgg16(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-16: 138,357,544 parameters."""
    return _vgg("vgg16", 16, False, weights, kwargs)


def vgg16_bn(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-16 with batch norm: 138,365,992 parameters."""
    return _vgg("vgg16_bn", 16, True, weights, kwargs)


def vgg19(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-19: 143,667,240 parameters."""
    return _vgg("vgg19", 19, False, weights, kwargs)


def vgg19_bn(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG-19 with batch norm: 143,678,248 parameters."""
    return _vgg("vgg19_bn", 19, True, weights, kwargs)
