"""Weights as lengths times directions. Salimans and Kingma, arXiv:1602.07868."""

from __future__ import annotations

from typing import Any

from corten.autograd import no_grad
from corten.nn.module import Module
from corten.nn.parameter import Parameter

__all__ = ["norm_except_dim", "remove_weight_norm", "weight_norm"]


def norm_except_dim(v: Any, pow: int = 2, dim: int | None = 0) -> Any:
    """Norm over all dimensions but ``dim``, which stay with size 1; with dim None or -1 over all, without dimensions."""
    if dim is None or dim == -1:
        return (v.abs() ** pow).sum() ** (1 / pow) if pow != 2 else (v * v).sum().sqrt()
    others = [d for d in range(v.ndim) if d != dim]
    squares = v * v if pow == 2 else v.abs() ** pow
    sums = squares.sum(others, keepdim=True) if others else squares
    return sums.sqrt() if pow == 2 else sums ** (1 / pow)


def weight_of(g: Any, v: Any, dim: int | None) -> Any:
    """:math:`g\\,v / |v|`."""
    return v * (g / norm_except_dim(v, 2, dim))


class _WeightNorm:
    """The hook that computes the weight before each call."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name, self.dim = name, dim

    def weight(self, module: Module) -> Any:
        """The weight."""
        return weight_of(getattr(module, self.name + "_g"), getattr(module, self.name + "_v"), self.dim)

    def __call__(self, module: Module, args: Any) -> None:
        object.__setattr__(module, self.name, self.weight(module))


def _hook_of(module: Module, name: str) -> Any:
    for key, (hook, _) in (module._forward_pre_hooks or {}).items():
        if isinstance(hook, _WeightNorm) and hook.name == name:
            return key, hook
    return None


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train the length ``name_g`` and the direction ``name_v`` of a weight instead of itself.

    Parameters
    ----------
    module : Module
    name : str
    dim : int or None
        Each index of this dimension has a length of its own; None: the whole weight has one.

    Notes
    -----
    See :func:`corten.nn.utils.parametrizations.weight_norm` for the newer form.

    Examples
    --------
    >>> import corten
    >>> layer = corten.nn.utils.weight_norm(corten.nn.Linear(3, 2))
    >>> layer.weight_g.shape
    corten.Size([2, 1])
    """
    if _hook_of(module, name) is not None:
        raise RuntimeError(f"[weight_norm] {name!r} has it already")
    weight = module._parameters.get(name)
    if weight is None:
        raise ValueError(f"[weight_norm] {type(module).__name__} has no parameter {name!r}")
    hook = _WeightNorm(name, dim)
    del module._parameters[name]
    with no_grad():
        module.register_parameter(name + "_g", Parameter(norm_except_dim(weight, 2, dim).detach()))
    module.register_parameter(name + "_v", Parameter(weight.detach()))
    object.__setattr__(module, name, hook.weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight a plain parameter again, with its present value."""
    found = _hook_of(module, name)
    if found is None:
        raise ValueError(f"[remove_weight_norm] {name!r} of {type(module).__name__} has none")
    key, hook = found
    with no_grad():
        value = hook.weight(module).detach()
    del module._forward_pre_hooks[key]  # type: ignore[attr-defined]
    if not module._forward_pre_hooks:
        module._forward_pre_hooks = None  # type: ignore[assignment]
    object.__delattr__(module, name)
    del module._parameters[name + "_g"], module._parameters[name + "_v"]
    module.register_parameter(name, Parameter(value))
    return module
