"""Normalisation layers."""

from __future__ import annotations

from typing import Any

from corten._core import core
from corten.nn import functional as F  # noqa: N812
from corten.nn import init
from corten.nn.module import Module
from corten.nn.parameter import Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d",
           "InstanceNorm3d", "LayerNorm", "RMSNorm"]  # fmt: skip


class ChannelNorm(Module):
    """Settings, parameters and running statistics of norms by channel."""

    dims: tuple[int, ...] = ()

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, device: Any = None, dtype: Any = None, *,
                 bias: bool = True) -> None:  # fmt: skip
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        made = {"device": device, "dtype": dtype}
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(name, Parameter(core.empty(num_features, **made)) if wanted else None)
        self.register_buffer("running_mean", core.zeros(num_features, **made) if track_running_stats else None)
        self.register_buffer("running_var", core.ones(num_features, **made) if track_running_stats else None)
        counter = core.tensor(0, dtype=core._dtype_by_name("int64")) if track_running_stats else None
        self.register_buffer("num_batches_tracked", counter)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the running statistics."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Running statistics 0 and 1, weight 1, bias 0."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check(self, input: Any) -> None:
        name = type(self).__name__
        if input.ndim not in self.dims:
            raise ValueError(f"[{name}] got {input.ndim} dimensions, expected {' or '.join(map(str, self.dims))}")

    def extra_repr(self) -> str:
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
                f"track_running_stats={self.track_running_stats}")  # fmt: skip


class BatchNorm(ChannelNorm):
    """Forward of batch norms."""

    def forward(self, input: Any) -> Any:
        """Normalise (N, C, spatial...)."""
        self._check(input)
        factor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                factor = 1.0 / float(self.num_batches_tracked.item())
        tracked = not self.training or self.track_running_stats
        return F.batch_norm(input, self.running_mean if tracked else None, self.running_var if tracked else None,
                            self.weight, self.bias, self.training or self.running_mean is None, factor, self.eps)  # fmt: skip


class BatchNorm1d(BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L). Ioffe and Szegedy, arXiv:1502.03167.

    Parameters
    ----------
    num_features : int
        C.
    eps : float
        Added to the variance.
    momentum : float or None
        How far running statistics move towards each batch's; None: their plain mean.
    affine : bool
        Whether to learn weight and bias.
    track_running_stats : bool
        Whether to keep running statistics for evaluation.

    Examples
    --------
    >>> import corten
    >>> corten.nn.BatchNorm1d(3)(corten.rand(8, 3)).shape
    corten.Size([8, 3])
    """

    dims = (2, 3)


class BatchNorm2d(BatchNorm):
    """Batch normalisation of (N, C, H, W); see :class:`BatchNorm1d`."""

    dims = (4,)


class BatchNorm3d(BatchNorm):
    """Batch normalisation of (N, C, D, H, W); see :class:`BatchNorm1d`."""

    dims = (5,)


class InstanceNorm(ChannelNorm):
    """Forward of instance norms."""

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
                 track_running_stats: bool = False, device: Any = None, dtype: Any = None, *,
                 bias: bool = True) -> None:  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Any) -> Any:
        """Normalise each channel of each sample; the batch dimension may be missing."""
        self._check(input)
        single = input.ndim == self.dims[0]
        x = input.unsqueeze(0) if single else input
        if x.shape[1] != self.num_features:
            raise ValueError(f"[{type(self).__name__}] got {x.shape[1]} channels, expected {self.num_features}")
        out = F.instance_norm(x, self.running_mean, self.running_var, self.weight, self.bias,
                              self.training or not self.track_running_stats, self.momentum or 0.0, self.eps)  # fmt: skip
        return out.squeeze(0) if single else out


class InstanceNorm1d(InstanceNorm):
    """Instance normalisation of (N, C, L). Ulyanov et al., arXiv:1607.08022."""

    dims = (2, 3)


class InstanceNorm2d(InstanceNorm):
    """Instance normalisation of (N, C, H, W)."""

    dims = (3, 4)


class InstanceNorm3d(InstanceNorm):
    """Instance normalisation of (N, C, D, H, W)."""

    dims = (4, 5)


class GroupNorm(Module):
    """Normalisation over groups of channels of each sample. Wu and He, arXiv:1803.08494."""

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, device: Any = None,
                 dtype: Any = None, *, bias: bool = True) -> None:  # fmt: skip
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"[GroupNorm] {num_channels} channels are no multiple of {num_groups} groups")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            made = Parameter(core.empty(num_channels, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        """Normalise (N, C, spatial...)."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class LayerNorm(Module):
    """Normalisation of the last dimensions. Ba, Kiros, Hinton, arXiv:1607.06450.

    Examples
    --------
    >>> import corten
    >>> corten.nn.LayerNorm(4)(corten.rand(2, 3, 4)).shape
    corten.Size([2, 3, 4])
    """

    def __init__(self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True,
                 device: Any = None, dtype: Any = None) -> None:  # fmt: skip
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        for name, wanted in (("weight", elementwise_affine), ("bias", elementwise_affine and bias)):
            made = Parameter(core.empty(self.normalized_shape, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        """Normalise."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class RMSNorm(Module):
    """Division of the last dimensions by their root mean square. Zhang and Sennrich, arXiv:1910.07467."""

    def __init__(self, normalized_shape: Any, eps: float | None = None, elementwise_affine: bool = True, device: Any = None,
                 dtype: Any = None) -> None:  # fmt: skip
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        made = Parameter(core.empty(self.normalized_shape, device=device, dtype=dtype)) if elementwise_affine else None
        self.register_parameter("weight", made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Any) -> Any:
        """Normalise."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
