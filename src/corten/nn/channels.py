"""Layers across channels, and pooling at pseudo-random places."""

from __future__ import annotations

from typing import Any

from corten.nn import functional as F  # noqa: N812
from corten.nn import functional_pooling
from corten.nn.dropout import DropoutBase
from corten.nn.module import Module

__all__ = ["ChannelShuffle", "CrossMapLRN2d", "FeatureAlphaDropout", "FractionalMaxPool2d", "FractionalMaxPool3d",
           "LocalResponseNorm"]  # fmt: skip


class ChannelShuffle(Module):
    """Channels (g, c) in the order (c, g). Zhang et al., ShuffleNet, arXiv:1707.01083."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Any) -> Any:
        """Shuffle (N, C, ...)."""
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class LocalResponseNorm(Module):
    """Divide by the mean square over neighbouring channels; see :func:`corten.nn.functional.local_response_norm`."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Any) -> Any:
        """Normalise (N, C, ...)."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(Module):
    """LocalResponseNorm of images, whose window begins a channel earlier when ``size`` is even."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Any) -> Any:
        """Normalise (N, C, H, W)."""
        if input.ndim != 4:
            raise ValueError(f"[CrossMapLRN2d] got {input.ndim} dimensions, expected 4")
        reach = (self.size - 1) // 2 + 1
        square = (input * input).reshape((input.shape[0], 1, input.shape[1], -1))
        total = functional_pooling.avg_pool2d(F.pad(square, (0, 0, reach - 1, reach - 1)), (2 * reach - 1, 1), stride=1) * (2 * reach - 1)
        return input / (total.reshape(input.shape) * (self.alpha / self.size) + self.k) ** self.beta

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class FeatureAlphaDropout(DropoutBase):
    """AlphaDropout of whole channels."""

    def forward(self, input: Any) -> Any:
        """Drop channels of (N, C, ...)."""
        return F.feature_alpha_dropout(input, self.p, self.training, self.inplace)


class FractionalPool(Module):
    """Settings of both fractional poolings."""

    dims = 2

    def __init__(self, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
                 _random_samples: Any = None) -> None:  # fmt: skip
        super().__init__()
        name = type(self).__name__
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"[{name}] give either output_size or output_ratio")
        if output_ratio is not None:
            ratio = output_ratio if isinstance(output_ratio, (list, tuple)) else (output_ratio,)
            if not all(0 < r < 1 for r in ratio):
                raise ValueError(f"[{name}] got output_ratio={output_ratio}, expected numbers between 0 and 1")
        self.kernel_size, self.output_size, self.output_ratio = kernel_size, output_size, output_ratio
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)

    def forward(self, input: Any) -> Any:
        """Pool a batch."""
        pool = F.fractional_max_pool2d if self.dims == 2 else F.fractional_max_pool3d
        return pool(input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples)


class FractionalMaxPool2d(FractionalPool):
    """Maxima of windows at pseudo-random places of (N, C, H, W). Graham, arXiv:1412.6071."""


class FractionalMaxPool3d(FractionalPool):
    """Maxima of windows at pseudo-random places of (N, C, D, H, W). Graham, arXiv:1412.6071."""

    dims = 3

