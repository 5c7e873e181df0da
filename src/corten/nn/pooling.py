"""Pooling, padding, folding and resizing layers: modules around the functions of the same names."""

from __future__ import annotations

import re
from typing import Any

from corten.nn import functional as F  # noqa: N812
from corten.nn.module import Module

__all__ = ["Fold", "PixelShuffle", "PixelUnshuffle", "Unfold", "Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]
_NEEDED = type("Needed", (), {"__repr__": lambda self: "required"})()


def _layer(name: str, fn: Any, doc: str, settings: dict[str, Any], call: Any = None) -> None:
    """Publish a module that keeps settings as attributes and calls a function with them."""

    class Layer(Module):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__()
            keys = list(settings)
            if len(args) > len(keys):
                raise TypeError(f"[{name}] got {len(args)} arguments, expected at most {len(keys)}: {', '.join(keys)}")
            given = {**settings, **dict(zip(keys, args, strict=False)), **kwargs}
            unknown = sorted(set(given) - set(keys))
            missing = [k for k, v in given.items() if v is _NEEDED]
            if unknown or missing:
                what = f"an unexpected argument {unknown[0]!r}" if unknown else f"no {missing[0]!r}"
                raise TypeError(f"[{name}] got {what}; it takes {', '.join(keys)}")
            if given.get("stride", 0) is None:
                given["stride"] = given["kernel_size"]
            for key, value in given.items():
                object.__setattr__(self, key, value)

        def forward(self, input: Any, *more: Any, **also: Any) -> Any:
            """Apply the function."""
            kept = {k: getattr(self, k) for k in settings}
            return call(input, *more, **kept, **also) if call else fn(input, *more, **kept, **also)

        def extra_repr(self) -> str:
            return ", ".join(f"{k}={getattr(self, k)!r}" for k in settings)

    Layer.__name__ = Layer.__qualname__ = name
    Layer.__doc__ = doc
    globals()[name] = Layer
    if name not in __all__:
        __all__.append(name)


def _unpool(fn: Any) -> Any:
    def call(input: Any, indices: Any, output_size: Any = None, **kept: Any) -> Any:
        return fn(input, indices, output_size=output_size, **kept)

    return call


for _d in (1, 2, 3):
    _k: dict[str, Any] = {"kernel_size": _NEEDED, "stride": None, "padding": 0}
    _layer(f"MaxPool{_d}d", getattr(F, f"max_pool{_d}d"), f"Largest of each window; see :func:`functional.max_pool{_d}d`.",
           {**_k, "dilation": 1, "return_indices": False, "ceil_mode": False})  # fmt: skip
    _layer(f"AvgPool{_d}d", getattr(F, f"avg_pool{_d}d"), f"Mean of each window; see :func:`functional.avg_pool{_d}d`.",
           {**_k, "ceil_mode": False, "count_include_pad": True, **({"divisor_override": None} if _d > 1 else {})})  # fmt: skip
    _layer(f"LPPool{_d}d", getattr(F, f"lp_pool{_d}d"), "p-norm of each window.",
           {"norm_type": _NEEDED, "kernel_size": _NEEDED, "stride": None, "ceil_mode": False})  # fmt: skip
    _layer(f"MaxUnpool{_d}d", None, "Inverse of max pooling: values at their indices, zeros elsewhere.", _k,
           _unpool(getattr(F, f"max_unpool{_d}d")))  # fmt: skip
    _layer(f"AdaptiveAvgPool{_d}d", getattr(F, f"adaptive_avg_pool{_d}d"), "Mean of windows that cut the input evenly.",
           {"output_size": _NEEDED})  # fmt: skip
    _layer(f"AdaptiveMaxPool{_d}d", getattr(F, f"adaptive_max_pool{_d}d"), "Largest of windows that cut the input evenly.",
           {"output_size": _NEEDED, "return_indices": False})  # fmt: skip

    def _pad(mode: str, dims: int, name: str) -> Any:
        def call(input: Any, padding: Any, value: float | None = None) -> Any:
            amounts = (padding,) * (2 * dims) if isinstance(padding, int) else tuple(padding)
            if len(amounts) != 2 * dims:
                raise ValueError(f"[{name}] got {len(amounts)} amounts, expected one or {2 * dims}")
            return F.pad(input, amounts, mode, value)

        return call

    for _mode, _name in (("constant", "ConstantPad"), ("constant", "ZeroPad"), ("reflect", "ReflectionPad"),
                         ("replicate", "ReplicationPad"), ("circular", "CircularPad")):  # fmt: skip
        _value = {"value": _NEEDED} if _name == "ConstantPad" else {}
        _title = f"{_name}{_d}d"
        _layer(_title, None, f"{re.sub('Pad', '', _name)} padding around the last {_d} dimensions.",
               {"padding": _NEEDED, **_value}, _pad(_mode, _d, _title))  # fmt: skip

_layer("Unfold", F.unfold, "Windows of an image as columns; see :func:`functional.unfold`.",
       {"kernel_size": _NEEDED, "dilation": 1, "padding": 0, "stride": 1})  # fmt: skip
_layer("Fold", F.fold, "Columns added up to an image; see :func:`functional.fold`.",
       {"output_size": _NEEDED, "kernel_size": _NEEDED, "dilation": 1, "padding": 0, "stride": 1})  # fmt: skip
_layer("PixelShuffle", F.pixel_shuffle, "Channels to pixels; see :func:`functional.pixel_shuffle`.", {"upscale_factor": _NEEDED})
_layer("PixelUnshuffle", F.pixel_unshuffle, "Pixels to channels.", {"downscale_factor": _NEEDED})
_layer("Upsample", F.interpolate, "Resize the spatial dimensions; see :func:`functional.interpolate`.",
       {"size": None, "scale_factor": None, "mode": "nearest", "align_corners": None, "recompute_scale_factor": None})  # fmt: skip


def _nearest(input: Any, size: Any, scale_factor: Any) -> Any:
    return F.interpolate(input, size, scale_factor, "nearest")


def _bilinear(input: Any, size: Any, scale_factor: Any) -> Any:
    return F.interpolate(input, size, scale_factor, "bilinear", True)


_layer("UpsamplingNearest2d", None, "Resize to the nearest pixels.", {"size": None, "scale_factor": None}, _nearest)
_layer("UpsamplingBilinear2d", None, "Resize linearly, corners aligned.", {"size": None, "scale_factor": None}, _bilinear)
