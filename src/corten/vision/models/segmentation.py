"""U-Net. Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", arXiv:1505.04597; padded, with
batch norm."""

from __future__ import annotations

from typing import Any

import corten
from corten import nn
from corten.nn import functional as F  # noqa: N812
from corten.vision.models.blocks import no_weights


class DoubleConv(nn.Sequential):
    """Twice a 3 x 3 convolution, batch norm and rectifier."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
                         nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))  # fmt: skip


class UNet(nn.Module):
    """An encoder and a decoder with shortcuts at each size, for (N, in_channels, H, W) of any size from 16 on.

    Parameters
    ----------
    in_channels, num_classes : int
    features : int
        Channels at full size; they double at each halving.
    depth : int
        Halvings.

    Examples
    --------
    >>> import corten
    >>> UNet(1, 2, features=4, depth=2)(corten.ones(1, 1, 21, 16)).shape
    corten.Size([1, 2, 21, 16])
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 1, features: int = 64, depth: int = 4) -> None:
        super().__init__()
        widths = [features * 2**i for i in range(depth + 1)]
        self.encoder = nn.ModuleList([DoubleConv(i, o) for i, o in zip([in_channels, *widths], widths, strict=False)])
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList([nn.ConvTranspose2d(2 * w, w, 2, 2) for w in reversed(widths[:-1])])
        self.decoder = nn.ModuleList([DoubleConv(2 * w, w) for w in reversed(widths[:-1])])
        self.head = nn.Conv2d(features, num_classes, 1)

    def forward(self, x: Any) -> Any:
        """Logits (N, num_classes, H, W)."""
        kept = []
        for i, block in enumerate(self.encoder):
            x = block(self.pool(x) if i else x)
            kept.append(x)
        kept.pop()
        for up, block in zip(self.up, self.decoder, strict=True):
            x, side = up(x), kept.pop()
            h, w = side.shape[2] - x.shape[2], side.shape[3] - x.shape[3]
            if h or w:
                x = F.pad(x, (w // 2, w - w // 2, h // 2, h - h // 2))
            x = block(corten.cat([side, x], 1))
        return self.head(x)


def unet(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> UNet:
    """U-Net: 31,037,633 parameters for 3 channels and 1 class."""
    no_weights("unet", weights)
    return UNet(**kwargs)
