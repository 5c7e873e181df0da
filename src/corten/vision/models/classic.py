"""LeNet-5 (LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998) and AlexNet (Krizhevsky, "One weird
trick for parallelizing convolutional neural networks", arXiv:1404.5997)."""

from __future__ import annotations

from typing import Any

from corten import nn
from corten.vision.models.blocks import no_weights


class LeNet5(nn.Module):
    """Two convolutions and three linear layers for (N, 1, 28, 28), with rectifiers and maxima as is usual today.

    Parameters
    ----------
    num_classes : int
    in_channels : int

    Examples
    --------
    >>> import corten
    >>> LeNet5()(corten.ones(2, 1, 28, 28)).shape
    corten.Size([2, 10])
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2))  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, num_classes))  # fmt: skip

    def forward(self, x: Any) -> Any:
        """Logits (N, num_classes)."""
        return self.classifier(self.features(x))


def lenet5(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> LeNet5:
    """LeNet-5: 61,706 parameters."""
    no_weights("lenet5", weights)
    return LeNet5(**kwargs)


class AlexNet(nn.Module):
    """AlexNet for (N, 3, 224, 224); sizes from 63 on work.

    Parameters
    ----------
    num_classes : int
    dropout : float
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2))  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(inplace=True),
            nn.Dropout(dropout), nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Linear(4096, num_classes))  # fmt: skip

    def forward(self, x: Any) -> Any:
        """Logits (N, num_classes)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def alexnet(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> AlexNet:
    """AlexNet: 61,100,840 parameters."""
    no_weights("alexnet", weights)
    return AlexNet(**kwargs)
