"""ResNet for 32 x 32 images. He et al., arXiv:1512.03385, section 4.2: shortcuts without parameters."""

from __future__ import annotations

from typing import Any

from corten import nn
from corten.nn import functional as F  # noqa: N812
from corten.vision.models.blocks import init_convolutions, no_weights
from corten.vision.models.resnet import conv3x3


class CifarBlock(nn.Module):
    """Two 3 x 3 convolutions; where the size changes the shortcut takes every other position and zeros for new channels."""

    def __init__(self, inplanes: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3x3(inplanes, planes, stride), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv3x3(planes, planes), nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.stride, self.more = stride, planes - inplanes

    def forward(self, x: Any) -> Any:
        """Sum with the shortcut."""
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        if self.more:
            x = F.pad(x, (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))
        out += x
        return self.relu(out)


class CifarResNet(nn.Module):
    """Three stages of ``blocks`` blocks with 16, 32 and 64 channels for (N, 3, 32, 32).

    Parameters
    ----------
    blocks : int
        Of each stage; the depth is ``6 * blocks + 2``.
    num_classes : int
    """

    def __init__(self, blocks: int, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu = conv3x3(3, 16), nn.BatchNorm2d(16), nn.ReLU(inplace=True)
        inputs = 16
        for stage, width in enumerate((16, 32, 64), 1):
            layers = [CifarBlock(inputs if i == 0 else width, width, 2 if i == 0 and stage > 1 else 1) for i in range(blocks)]
            setattr(self, f"layer{stage}", nn.Sequential(*layers))
            inputs = width
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(64, num_classes)
        init_convolutions(self)

    def forward(self, x: Any) -> Any:
        """Logits (N, num_classes)."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(self.avgpool(x).flatten(1))


def _cifar(name: str, depth: int, weights: Any, kwargs: dict[str, Any]) -> CifarResNet:
    no_weights(name, weights)
    return CifarResNet((depth - 2) // 6, **kwargs)


def resnet20(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> CifarResNet:
    """ResNet-20 for CIFAR: 269,722 parameters (0.27 M)."""
    return _cifar("resnet20", 20, weights, kwargs)


def resnet32(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> CifarResNet:
    """ResNet-32 for CIFAR: 464,154 parameters (0.46 M)."""
    return _cifar("resnet32", 32, weights, kwargs)


def resnet44(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> CifarResNet:
    """ResNet-44 for CIFAR: 658,586 parameters (0.66 M)."""
    return _cifar("resnet44", 44, weights, kwargs)


def resnet56(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> CifarResNet:
    """ResNet-56 for CIFAR: 853,018 parameters (0.85 M)."""
    return _cifar("resnet56", 56, weights, kwargs)


def resnet110(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> CifarResNet:
    """ResNet-110 for CIFAR: 1,727,962 parameters (1.7 M)."""
    return _cifar("resnet110", 110, weights, kwargs)
