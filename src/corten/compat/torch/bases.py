"""Base classes and small functions that scripts take from the insides of ``torch.nn.modules``."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import Any

from corten.nn.conv import ConvBase as _ConvNd
from corten.nn.linear import Linear as NonDynamicallyQuantizableLinear
from corten.nn.loss import Loss as _Loss
from corten.nn.loss import WeightedLoss as _WeightedLoss
from corten.nn.normalization import BatchNorm as _BatchNorm
from corten.nn.normalization import InstanceNorm as _InstanceNorm

__all__ = ["NonDynamicallyQuantizableLinear", "_BatchNorm", "_ConvNd", "_InstanceNorm", "_Loss", "_WeightedLoss"]


def _ntuple(n: int) -> Callable[[Any], tuple[Any, ...]]:
    def several(x: Any) -> tuple[Any, ...]:
        return tuple(x) if hasattr(x, "__iter__") else tuple(repeat(x, n))

    return several


_single, _pair, _triple, _quadruple = (_ntuple(n) for n in (1, 2, 3, 4))
