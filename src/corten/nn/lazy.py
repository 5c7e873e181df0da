"""Layers that learn the number of their input features from the first input."""

from __future__ import annotations

import inspect
from typing import Any

from corten._core import core
from corten.autograd import no_grad
from corten.nn import conv, normalization
from corten.nn.linear import Linear
from corten.nn.module import Module
from corten.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

__all__ = ["LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d", "LazyConv1d", "LazyConv2d", "LazyConv3d",
           "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d", "LazyInstanceNorm1d",
           "LazyInstanceNorm2d", "LazyInstanceNorm3d", "LazyLinear"]  # fmt: skip


class LazyModule(Module):
    """A layer without its first setting, which the first input gives; it then becomes the layer itself.

    Parameters exist from the start, so that an optimizer can hold them, but have no shape until then.
    """

    cls_to_become: Any = None  #: the layer it becomes
    feature_name = ""  #: the setting that is missing
    feature_dim = 1  #: the input's dimension that tells it

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        names = list(inspect.signature(self.cls_to_become.__init__).parameters)[2:]
        if len(args) > len(names) or set(kwargs) - set(names):
            raise TypeError(f"[{type(self).__name__}] takes {', '.join(names)}")
        settings = {**dict(zip(names, args, strict=False)), **kwargs}
        least = settings.get("groups", 1)
        pattern = self.cls_to_become(least, **{**settings, "device": "meta"})
        for name, value in pattern.__dict__.items():
            object.__setattr__(self, name, value)
        setattr(self, self.feature_name, 0)
        object.__setattr__(self, "_settings", settings)
        dtype = settings.get("dtype") or core.get_default_dtype()
        for name, p in pattern._parameters.items():
            self.register_parameter(name, None if p is None else UninitializedParameter(dtype=dtype))
        for name, b in pattern._buffers.items():
            shapeless = b is not None and b.ndim > 0
            self._buffers[name] = UninitializedBuffer(dtype=dtype) if shapeless else b if b is None else core.zeros((), dtype=b.dtype)

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer has no shape yet."""
        return any(is_lazy(t) for store in (self._parameters, self._buffers) for t in store.values())

    def initialize_parameters(self, input: Any) -> None:
        """Give parameters and buffers the shapes that an input asks for, and become the layer."""
        dtype = next((t.dtype for s in (self._parameters, self._buffers) for t in s.values() if is_lazy(t)), None)
        real = self.cls_to_become(input.shape[self.feature_dim], **{**self._settings, "dtype": dtype})
        with no_grad():
            for store, new in ((self._parameters, real._parameters), (self._buffers, real._buffers)):
                for name, value in new.items():
                    if is_lazy(store[name]):
                        store[name].materialize(tuple(value.shape))
                        store[name].copy_(value)
        setattr(self, self.feature_name, getattr(real, self.feature_name))
        del self.__dict__["_settings"]
        self.__class__ = self.cls_to_become

    def forward(self, input: Any, *args: Any, **kwargs: Any) -> Any:
        """Learn the features of the input, then run the layer."""
        self.initialize_parameters(input)
        return self.forward(input, *args, **kwargs)

    def reset_parameters(self) -> None:
        """Nothing: parameters are drawn when their shape is known."""

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        for store in (self._parameters, self._buffers):
            for name, t in store.items():
                if t is not None and name not in self._non_persistent_buffers_set:
                    destination[prefix + name] = t if keep_vars or is_lazy(t) else t.detach()

    def _plan_load(self, state: Any, prefix: str, missing: list[str], used: set[str], errors: list[str],
                   plan: list[Any]) -> None:  # fmt: skip
        for store in (self._parameters, self._buffers):
            for name, t in store.items():
                value = state.get(prefix + name)
                if is_lazy(t) and value is not None and not is_lazy(value):
                    t.materialize(tuple(value.shape))
        super()._plan_load(state, prefix, missing, used, errors, plan)


def _lazy(base: Any, feature_name: str, feature_dim: int) -> Any:
    name = f"Lazy{base.__name__}"
    doc = f"{base.__name__} whose ``{feature_name}`` is taken from the first input; other parameters as there."
    return type(name, (LazyModule,), {"__doc__": doc, "__module__": __name__, "cls_to_become": base,
                                      "feature_name": feature_name, "feature_dim": feature_dim})  # fmt: skip


LazyLinear = _lazy(Linear, "in_features", -1)
LazyConv1d = _lazy(conv.Conv1d, "in_channels", -2)
LazyConv2d = _lazy(conv.Conv2d, "in_channels", -3)
LazyConv3d = _lazy(conv.Conv3d, "in_channels", -4)
LazyConvTranspose1d = _lazy(conv.ConvTranspose1d, "in_channels", -2)
LazyConvTranspose2d = _lazy(conv.ConvTranspose2d, "in_channels", -3)
LazyConvTranspose3d = _lazy(conv.ConvTranspose3d, "in_channels", -4)
LazyBatchNorm1d = _lazy(normalization.BatchNorm1d, "num_features", 1)
LazyBatchNorm2d = _lazy(normalization.BatchNorm2d, "num_features", 1)
LazyBatchNorm3d = _lazy(normalization.BatchNorm3d, "num_features", 1)
LazyInstanceNorm1d = _lazy(normalization.InstanceNorm1d, "num_features", -2)
LazyInstanceNorm2d = _lazy(normalization.InstanceNorm2d, "num_features", -3)
LazyInstanceNorm3d = _lazy(normalization.InstanceNorm3d, "num_features", -4)
