"""Convolution and transposed convolution in one to three dimensions."""

from __future__ import annotations

from typing import Any

from corten.ops.declare import function, op

_GEOMETRY = "nd: int, stride: ints, padding: ints, dilation: ints, groups: int, activation: int"


def out_size(size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> tuple[int, ...]:
    """Output positions in each dimension: :math:`\\lfloor (i + 2p - d (k - 1) - 1) / s \\rfloor + 1`."""
    found = tuple((i + 2 * p - d * (k - 1) - 1) // s + 1
                  for i, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True))  # fmt: skip
    if min(found) < 1:
        raise RuntimeError(f"[conv] got input of size {tuple(size)}, expected at least the kernel's reach: kernel "
                           f"{tuple(kernel)}, padding {tuple(padding)}, dilation {tuple(dilation)}")  # fmt: skip
    return found


def _reference(xp: Any, input: Any, weight: Any, bias: Any, nd: int, stride: Any, padding: Any, dilation: Any,
               groups: int, activation: int) -> Any:  # fmt: skip
    n, o, kernel = input.shape[0], weight.shape[0], weight.shape[2:]
    size = out_size(input.shape[2:], kernel, stride, padding, dilation)
    x = xp.pad(input, [(0, 0), (0, 0), *((p, p) for p in padding)])
    x = x.reshape(n, groups, -1, *x.shape[2:])
    w = weight.reshape(groups, o // groups, -1, *kernel)
    y = xp.zeros((n, groups, o // groups, *size), dtype=input.dtype)
    for tap in xp.ndindex(*kernel):
        at = tuple(slice(t * d, t * d + s * (m - 1) + 1, s)
                   for t, d, s, m in zip(tap, dilation, stride, size, strict=True))  # fmt: skip
        y = y + xp.einsum("goc,ngc...->ngo...", w[(slice(None),) * 3 + tap], x[(slice(None),) * 3 + at])
    y = y.reshape(n, o, *size)
    return y if bias is None else y + bias.reshape(1, -1, *(1,) * nd)


def _vjp(g: Any, input: Any, weight: Any, nd: int, stride: Any, padding: Any, dilation: Any, groups: int, activation: int,
         needs: Any) -> Any:  # fmt: skip
    at = (nd, stride, padding, dilation, groups, 0)
    g = g.contiguous()
    dx = conv_input(g, weight, *at, tuple(input.shape)) if needs[0] else None
    dw = conv_weight(g, input, *at, tuple(weight.shape)) if needs[1] else None
    return dx, dw, conv_bias(g) if needs[2] else None


def _relu_vjp(g: Any, out: Any, input: Any, weight: Any, nd: int, stride: Any, padding: Any, dilation: Any, groups: int,
              activation: int, needs: Any) -> Any:  # fmt: skip
    g = g * (out > 0).to(g.dtype)
    return _vjp(g, input, weight, nd, stride, padding, dilation, groups, 0, needs)


def _out_shape(x: Any, w: Any, b: Any, nd: int, stride: Any, padding: Any, dilation: Any, groups: int,
               activation: int) -> tuple[int, ...]:  # fmt: skip
    return (x[0], w[0], *out_size(x[2:], w[2:], stride, padding, dilation))


def _input_vjp(g: Any, y: Any, weight: Any, nd: int, stride: Any, padding: Any, dilation: Any, groups: int, activation: int,
               size: Any, needs: Any) -> Any:  # fmt: skip
    at = (nd, stride, padding, dilation, groups, 0)
    g = g.contiguous()
    dy = conv_op(g, weight, None, *at) if needs[0] else None
    return dy, conv_weight(y, g, *at, tuple(weight.shape)) if needs[1] else None


def _weight_vjp(g: Any, y: Any, input: Any, nd: int, stride: Any, padding: Any, dilation: Any, groups: int, activation: int,
                size: Any, needs: Any) -> Any:  # fmt: skip
    at = (nd, stride, padding, dilation, groups, 0)
    g = g.contiguous()
    dy = conv_op(input, g, None, *at) if needs[0] else None
    return dy, conv_input(y, g, *at, tuple(input.shape)) if needs[1] else None


conv_op = op(
    f"conv(input, weight, bias: Tensor?, {_GEOMETRY}) -> out", kernel="conv_forward", contiguous=True, function=False, sums_down=False,
    shape=_out_shape, vjp=_vjp, reference=_reference,
    doc="Cross-correlation of (N, C, *size) with weight (O, C / groups, *kernel); inputs are contiguous, activation is 0.",
)  # fmt: skip

conv_relu = op(
    f"conv_relu(input, weight, bias: Tensor?, {_GEOMETRY}) -> out", kernel="conv_forward", contiguous=True, function=False,
    sums_down=False, shape=_out_shape, vjp=_relu_vjp,
    doc="The same and a rectifier in one pass; activation is 1.",
)  # fmt: skip

conv_input = op(
    f"conv_input(y, weight, {_GEOMETRY}, size: ints) -> out", kernel="conv_backward_input", contiguous=True, function=False,
    sums_down=False, shape=lambda *shapes_and_attributes: tuple(shapes_and_attributes[-1]), vjp=_input_vjp,
    doc="Adjoint of conv in its input: from (N, O, *out) to ``size``, which is (N, C, *in).",
)  # fmt: skip

conv_weight = op(
    f"conv_weight(y, input, {_GEOMETRY}, size: ints) -> out", kernel="conv_backward_weight", contiguous=True, function=False,
    sums_down=False, shape=lambda *shapes_and_attributes: tuple(shapes_and_attributes[-1]), vjp=_weight_vjp,
    doc="Adjoint of conv in its weight: from (N, O, *out) and the input to ``size``, which is (O, C / groups, *kernel).",
)  # fmt: skip

conv_bias = op(
    "conv_bias(y) -> out", kernel="conv_backward_bias", contiguous=True, function=False, sums_down=False, shape=lambda y: (y[1],),
    vjp=lambda g, y_shape: g.reshape(1, -1, *(1,) * (len(y_shape) - 2)).expand(*y_shape),
    doc="Sum over all dimensions but the second.",
)  # fmt: skip


def sizes(name: str, what: str, value: Any, nd: int) -> tuple[int, ...]:
    """One number for each dimension, from one number or as many as there are dimensions."""
    found = (int(value),) * nd if isinstance(value, int) else tuple(int(v) for v in value)
    if len(found) == 1:
        found = found * nd
    if len(found) != nd:
        raise RuntimeError(f"[{name}] got {what}={value!r}, expected an int or {nd} ints")
    return found


def _batched(name: str, nd: int, input: Any) -> tuple[Any, bool]:
    if input.ndim not in (nd + 1, nd + 2):
        raise RuntimeError(f"[{name}] got a {input.ndim}-d input, expected (N, C, *size) or (C, *size) with {nd} sizes")
    return (input.unsqueeze(0), True) if input.ndim == nd + 1 else (input, False)


def _conv(nd: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    name = f"conv{nd}d"
    x, single = _batched(name, nd, input)
    if weight.ndim != nd + 2 or x.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise RuntimeError(f"[{name}] got input {tuple(input.shape)}, weight {tuple(weight.shape)} and groups={groups}, "
                           f"expected weight (O, C / groups, *kernel) with O divisible by groups")  # fmt: skip
    stride, dilation = sizes(name, "stride", stride, nd), sizes(name, "dilation", dilation, nd)
    if min(stride) < 1 or min(dilation) < 1:
        raise RuntimeError(f"[{name}] got stride={stride}, dilation={dilation}, expected positive ints")
    if padding == "valid":
        padding = 0
    if padding == "same":
        if max(stride) > 1:
            raise RuntimeError(f"[{name}] padding='same' needs stride 1, got {stride}")
        reach = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        padding = [(r + 1) // 2 for r in reach]
        extra = [r % 2 for r in reach]  # an even reach pads one more at the end: pad both, drop the first output
    else:
        extra = []
    pad = sizes(name, "padding", padding, nd)
    out = conv_op(x.contiguous(), weight.contiguous(), bias, nd, stride, pad, dilation, groups, 0)
    if any(extra):
        out = out[(slice(None), slice(None), *(slice(e, None) for e in extra))]
    return out.squeeze(0) if single else out


def _conv_transpose(nd: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any, groups: int,
                    dilation: Any) -> Any:  # fmt: skip
    name = f"conv_transpose{nd}d"
    x, single = _batched(name, nd, input)
    if weight.ndim != nd + 2 or x.shape[1] != weight.shape[0] or weight.shape[0] % groups:
        raise RuntimeError(f"[{name}] got input {tuple(input.shape)}, weight {tuple(weight.shape)} and groups={groups}, "
                           f"expected weight (C, O / groups, *kernel) with C divisible by groups")  # fmt: skip
    stride, dilation = sizes(name, "stride", stride, nd), sizes(name, "dilation", dilation, nd)
    pad, more = sizes(name, "padding", padding, nd), sizes(name, "output_padding", output_padding, nd)
    if any(m < 0 or m >= max(s, d) for m, s, d in zip(more, stride, dilation, strict=True)):
        raise RuntimeError(f"[{name}] got output_padding={more}, expected less than stride {stride} or dilation {dilation}")
    size = [(i - 1) * s - 2 * p + d * (k - 1) + m + 1
            for i, s, p, d, k, m in zip(x.shape[2:], stride, pad, dilation, weight.shape[2:], more, strict=True)]  # fmt: skip
    if min(size) < 1:
        raise RuntimeError(f"[{name}] got an output of size {tuple(size)}, expected positive sizes")
    out = conv_input(x.contiguous(), weight.contiguous(), nd, stride, pad, dilation, groups, 0,
                     (x.shape[0], weight.shape[1] * groups, *size))  # fmt: skip
    if bias is not None:
        out = out + bias.reshape(1, -1, *(1,) * nd)
    return out.squeeze(0) if single else out


@function
def conv1d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1) -> Any:  # fmt: skip
    """Convolution of (N, C, L) with weight (O, C / groups, K).

    Examples
    --------
    >>> import corten
    >>> corten.conv1d(corten.ones(1, 1, 5), corten.ones(1, 1, 3)).shape
    corten.Size([1, 1, 3])
    """
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


@function
def conv2d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1) -> Any:  # fmt: skip
    """Convolution of (N, C, H, W) with weight (O, C / groups, KH, KW); padding may be 'same' or 'valid'."""
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


@function
def conv3d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1) -> Any:  # fmt: skip
    """Convolution of (N, C, D, H, W) with weight (O, C / groups, KD, KH, KW)."""
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


@function
def conv_transpose1d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
                     groups: int = 1, dilation: Any = 1) -> Any:  # fmt: skip
    """Transposed convolution of (N, C, L) with weight (C, O / groups, K): the adjoint of conv1d."""
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@function
def conv_transpose2d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
                     groups: int = 1, dilation: Any = 1) -> Any:  # fmt: skip
    """Transposed convolution of (N, C, H, W) with weight (C, O / groups, KH, KW): the adjoint of conv2d."""
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@function
def conv_transpose3d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
                     groups: int = 1, dilation: Any = 1) -> Any:  # fmt: skip
    """Transposed convolution of (N, C, D, H, W) with weight (C, O / groups, KD, KH, KW): the adjoint of conv3d."""
    return _conv_transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)
