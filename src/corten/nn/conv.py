"""Convolution layers."""

from __future__ import annotations

import math
from typing import Any

from corten._core import core
from corten.nn import init
from corten.nn.functional_pooling import pad
from corten.nn.module import Module
from corten.nn.parameter import Parameter
from corten.ops import conv as ops

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class ConvBase(Module):
    """Settings that all convolutions share. ``dims`` and ``transposed`` are fixed by each layer."""

    dims = 0
    transposed = False

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
                 groups: int, bias: bool, padding_mode: str, output_padding: Any, device: Any, dtype: Any) -> None:  # fmt: skip
        super().__init__()
        name, nd = type(self).__name__, self.dims
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"[{name}] got in_channels={in_channels}, out_channels={out_channels}, groups={groups}, "
                             f"expected both divisible by groups")  # fmt: skip
        if padding_mode not in PADDING_MODES or (self.transposed and padding_mode != "zeros"):
            raise ValueError(f"[{name}] got padding_mode={padding_mode!r}, expected one of "
                             f"{PADDING_MODES[:1] if self.transposed else PADDING_MODES}")  # fmt: skip
        if isinstance(padding, str) and (self.transposed or padding not in ("same", "valid")):
            raise ValueError(f"[{name}] got padding={padding!r}, expected ints{'' if self.transposed else ', same or valid'}")
        self.in_channels, self.out_channels, self.groups, self.padding_mode = in_channels, out_channels, groups, padding_mode
        self.kernel_size = ops.sizes(name, "kernel_size", kernel_size, nd)
        self.stride = ops.sizes(name, "stride", stride, nd)
        self.dilation = ops.sizes(name, "dilation", dilation, nd)
        self.output_padding = ops.sizes(name, "output_padding", output_padding, nd)
        self.padding = padding if isinstance(padding, str) else ops.sizes(name, "padding", padding, nd)
        if padding == "same" and max(self.stride) > 1:
            raise ValueError(f"[{name}] padding='same' needs stride 1, got {self.stride}")
        ends = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(core.empty(*ends, *self.kernel_size, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(core.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform numbers within :math:`\\pm 1/\\sqrt{\\mathrm{fan\\_in}}`."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = self.weight.shape[1] * math.prod(self.kernel_size)
            if fan_in > 0:
                init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def convolve(self, function: Any, input: Any) -> Any:
        """Apply conv1d, conv2d or conv3d with this layer's settings."""
        padding = self.padding
        if self.padding_mode != "zeros" and padding != "valid":
            if padding == "same":
                reach = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
                before, after = [r // 2 for r in reach], [r - r // 2 for r in reach]
            else:
                before = after = list(padding)  # type: ignore[arg-type]
            ends = [e for pair in reversed(list(zip(before, after, strict=True))) for e in pair]
            input, padding = pad(input, ends, self.padding_mode), 0  # type: ignore[assignment]
        return function(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def spread(self, function: Any, input: Any, output_size: Any) -> Any:
        """Apply conv_transpose1d, 2d or 3d with this layer's settings."""
        more = self.output_padding
        if output_size is not None:
            wanted = tuple(output_size)[-self.dims :]
            least = [(i - 1) * s - 2 * p + d * (k - 1) + 1 for i, s, p, d, k in zip(  # type: ignore[operator]
                input.shape[-self.dims :], self.stride, self.padding, self.dilation, self.kernel_size, strict=True)]  # fmt: skip
            more = tuple(w - m for w, m in zip(wanted, least, strict=True))
            if any(m < 0 or m >= s for m, s in zip(more, self.stride, strict=True)):
                raise ValueError(f"[{type(self).__name__}] got output_size={wanted}, expected at least {tuple(least)} and "
                                 f"less than a stride more")  # fmt: skip
        return function(input, self.weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * self.dims:
            text += f", padding={self.padding}"
        for name, usual in (("dilation", (1,) * self.dims), ("output_padding", (0,) * self.dims), ("groups", 1)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)}"
        text += "" if self.bias is not None else ", bias=False"
        return text if self.padding_mode == "zeros" else f"{text}, padding_mode={self.padding_mode}"


class Conv1d(ConvBase):
    """Convolution of (N, C, L) or (C, L).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or tuple
    padding : int, tuple, 'same' or 'valid'
    groups : int
        Channels are split into this many groups, each convolved on its own.
    bias : bool
    padding_mode : {'zeros', 'reflect', 'replicate', 'circular'}

    Examples
    --------
    >>> import corten
    >>> corten.nn.Conv1d(3, 4, 3, padding=1)(corten.ones(2, 3, 8)).shape
    corten.Size([2, 4, 8])
    """

    dims = 1

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: Any = None,
                 dtype: Any = None) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, 0,
                         device, dtype)  # fmt: skip

    def forward(self, input: Any) -> Any:
        """Convolve."""
        return self.convolve(ops.conv1d, input)


class Conv2d(ConvBase):
    """Convolution of (N, C, H, W) or (C, H, W).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or tuple
    padding : int, tuple, 'same' or 'valid'
    groups : int
        Channels are split into this many groups, each convolved on its own.
    bias : bool
    padding_mode : {'zeros', 'reflect', 'replicate', 'circular'}

    Examples
    --------
    >>> import corten
    >>> corten.nn.Conv2d(3, 4, 3, padding=1)(corten.ones(2, 3, 8, 8)).shape
    corten.Size([2, 4, 8, 8])
    """

    dims = 2

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: Any = None,
                 dtype: Any = None) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, 0,
                         device, dtype)  # fmt: skip

    def forward(self, input: Any) -> Any:
        """Convolve."""
        return self.convolve(ops.conv2d, input)


class Conv3d(ConvBase):
    """Convolution of (N, C, D, H, W) or (C, D, H, W).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or tuple
    padding : int, tuple, 'same' or 'valid'
    groups : int
        Channels are split into this many groups, each convolved on its own.
    bias : bool
    padding_mode : {'zeros', 'reflect', 'replicate', 'circular'}

    Examples
    --------
    >>> import corten
    >>> corten.nn.Conv3d(3, 4, 3, padding=1)(corten.ones(2, 3, 8, 8, 8)).shape
    corten.Size([2, 4, 8, 8, 8])
    """

    dims = 3

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: Any = None,
                 dtype: Any = None) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, 0,
                         device, dtype)  # fmt: skip

    def forward(self, input: Any) -> Any:
        """Convolve."""
        return self.convolve(ops.conv3d, input)


class ConvTranspose1d(ConvBase):
    """Transposed convolution of (N, C, L) or (C, L): the adjoint of Conv1d.

    Examples
    --------
    >>> import corten
    >>> corten.nn.ConvTranspose1d(3, 4, 2, stride=2)(corten.ones(2, 3, 5)).shape
    corten.Size([2, 4, 10])
    """

    dims = 1
    transposed = True

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1, padding_mode: str = "zeros",
                 device: Any = None, dtype: Any = None) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
                         output_padding, device, dtype)  # fmt: skip

    def forward(self, input: Any, output_size: Any = None) -> Any:
        """Convolve."""
        return self.spread(ops.conv_transpose1d, input, output_size)


class ConvTranspose2d(ConvBase):
    """Transposed convolution of (N, C, H, W) or (C, H, W): the adjoint of Conv2d.

    Examples
    --------
    >>> import corten
    >>> corten.nn.ConvTranspose2d(3, 4, 2, stride=2)(corten.ones(2, 3, 5, 5)).shape
    corten.Size([2, 4, 10, 10])
    """

    dims = 2
    transposed = True

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1, padding_mode: str = "zeros",
                 device: Any = None, dtype: Any = None) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
                         output_padding, device, dtype)  # fmt: skip

    def forward(self, input: Any, output_size: Any = None) -> Any:
        """Convolve."""
        return self.spread(ops.conv_transpose2d, input, output_size)


class ConvTranspose3d(ConvBase):
    """Transposed convolution of (N, C, D, H, W) or (C, D, H, W): the adjoint of Conv3d.

    Examples
    --------
    >>> import corten
    >>> corten.nn.ConvTranspose3d(3, 4, 2, stride=2)(corten.ones(2, 3, 5, 5, 5)).shape
    corten.Size([2, 4, 10, 10, 10])
    """

    dims = 3
    transposed = True

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1, padding_mode: str = "zeros",
                 device: Any = None, dtype: Any = None) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
                         output_padding, device, dtype)  # fmt: skip

    def forward(self, input: Any, output_size: Any = None) -> Any:
        """Convolve."""
        return self.spread(ops.conv_transpose3d, input, output_size)
