"""SqueezeNet. Iandola et al., arXiv:1602.07360."""

from __future__ import annotations

from typing import Any

import corten
from corten import nn
from corten.vision.models.blocks import no_weights


class Fire(nn.Module):
    """Few channels, then 1 x 1 and 3 x 3 convolutions side by side."""

    def __init__(self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        """Both side by side."""
        x = self.squeeze_activation(self.squeeze(x))
        return corten.cat([self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))], 1)


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def _fires(*sizes: tuple[int, int, int]) -> list[nn.Module]:
    return [Fire(i, s, e, e) for i, s, e in sizes]


class SqueezeNet(nn.Module):
    """SqueezeNet for (N, 3, 224, 224).

    Parameters
    ----------
    version : {'1_0', '1_1'}
    num_classes : int
    dropout : float
    """

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        relu = nn.ReLU(inplace=True)
        if version == "1_0":
            layers = [nn.Conv2d(3, 96, 7, 2), relu, _pool(), *_fires((96, 16, 64), (128, 16, 64), (128, 32, 128)), _pool(),
                      *_fires((256, 32, 128), (256, 48, 192), (384, 48, 192), (384, 64, 256)), _pool(),
                      *_fires((512, 64, 256))]  # fmt: skip
        elif version == "1_1":
            layers = [nn.Conv2d(3, 64, 3, 2), relu, _pool(), *_fires((64, 16, 64), (128, 16, 64)), _pool(),
                      *_fires((128, 32, 128), (256, 32, 128)), _pool(),
                      *_fires((256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256))]  # fmt: skip
        else:
            raise ValueError(f"[SqueezeNet] got version={version!r}, expected '1_0' or '1_1'")
        self.features = nn.Sequential(*layers)
        last = nn.Conv2d(512, num_classes, 1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1)))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                if m is last:
                    nn.init.normal_(m.weight, 0.0, 0.01)
                else:
                    nn.init.kaiming_uniform_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x: Any) -> Any:
        """Logits (N, num_classes)."""
        return self.classifier(self.features(x)).flatten(1)


def squeezenet1_0(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> SqueezeNet:
    """SqueezeNet 1.0: 1,248,424 parameters."""
    no_weights("squeezenet1_0", weights)
    return SqueezeNet("1_0", **kwargs)


def squeezenet1_1(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> SqueezeNet:
    """SqueezeNet 1.1: 1,235,496 parameters."""
    no_weights("squeezenet1_1", weights)
    return SqueezeNet("1_1", **kwargs)
