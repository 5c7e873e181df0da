"""Parameters computed from others: ``register_parametrization(layer, "weight", rule)``.

The class of a parametrized module is replaced by one of its own, in which the tensor is a property; the values that are
trained are ``layer.parametrizations.weight.original`` (or ``original0``, ``original1`` ... when the rule takes several).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from corten.autograd import no_grad
from corten.nn.containers import ModuleDict, ModuleList
from corten.nn.module import Module
from corten.nn.parameter import Parameter
from corten.tensor import Tensor

__all__ = ["ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations",
           "type_before_parametrizations"]  # fmt: skip

_cache: dict[tuple[int, str], Any] = {}
_caching = 0


@contextmanager
def cached() -> Iterator[None]:
    """Within it, each parametrized tensor is computed once."""
    global _caching
    _caching += 1
    try:
        yield
    finally:
        _caching -= 1
        if not _caching:
            _cache.clear()


class ParametrizationList(ModuleList):
    """The rules of one tensor, in order, and the values that they start from."""

    def __init__(self, modules: Sequence[Module], original: Any, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("[parametrize] expected at least one parametrization")
        super().__init__(modules)
        self.unsafe = unsafe
        start = original
        with no_grad():
            for rule in reversed(list(self)):
                if hasattr(rule, "right_inverse"):
                    start = rule.right_inverse(start)
        trained = isinstance(original, Parameter)
        self.ntensors, self.is_tensor = (1, True) if isinstance(start, Tensor) else (len(start), False)
        values = [start] if self.is_tensor else list(start)
        for i, value in enumerate(values):
            name = "original" if self.is_tensor else f"original{i}"
            if trained:
                kept = original if value is original else Parameter(value.detach(), original.requires_grad)
                self.register_parameter(name, kept)
            else:
                self.register_buffer(name, value.detach())

    def originals(self) -> list[Any]:
        """The values that the rules start from."""
        return [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Any) -> None:
        """Set the original values so that the tensor becomes ``value``, as far as the rules can."""
        with no_grad():
            for rule in reversed(list(self)):
                if not hasattr(rule, "right_inverse"):
                    raise RuntimeError(f"[parametrize] {type(rule).__name__} has no right_inverse, so the tensor cannot be set")
                value = rule.right_inverse(value)
            for own, new in zip(self.originals(), [value] if self.is_tensor else value, strict=True):
                own.detach().copy_(new)

    def forward(self) -> Any:
        """The tensor."""
        rules = list(self)
        out = rules[0](*self.originals())
        for rule in rules[1:]:
            out = rule(out)
        return out


def _property(name: str) -> property:
    def get(self: Any) -> Any:
        rules = self._modules.get("parametrizations")
        if rules is None or name not in rules:
            raise AttributeError(name)  # plain again: found among parameters or buffers
        if not _caching:
            return rules[name]()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = rules[name]()
        return _cache[key]

    return property(get)


def _parametrized_class(module: Module) -> None:
    """Give a module a class of its own."""
    old = type(module)

    def set_value(self: Any, name: str, value: Any) -> None:
        rules = self.__dict__.get("parametrizations", self._modules.get("parametrizations"))
        if rules is not None and name in rules and isinstance(value, Tensor):
            rules[name].right_inverse(value)
        else:
            old.__setattr__(self, name, value)

    new = type(f"Parametrized{old.__name__}", (old,), {"__setattr__": set_value, "__module__": old.__module__, "_before": old,
                                                      "__doc__": old.__doc__})  # fmt: skip
    object.__setattr__(module, "__class__", new)


def register_parametrization(module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False) -> Module:
    """Compute a parameter or buffer of a module by a rule, on every access.

    Parameters
    ----------
    module : Module
    tensor_name : str
    parametrization : Module
        From the original value (or values) to the tensor. With a method ``right_inverse(tensor)`` it also says where to
        start from, and makes assignment work.
    unsafe : bool
        Whether the result may have another shape or dtype.

    Returns
    -------
    Module
        The same module.

    Raises
    ------
    ValueError
        If the module has no such tensor, or the result has another shape or dtype.

    Examples
    --------
    >>> import corten
    >>> from corten.nn.utils import parametrize
    >>> class Symmetric(corten.nn.Module):
    ...     def forward(self, x):
    ...         return (x + x.t()) / 2
    >>> layer = parametrize.register_parametrization(corten.nn.Linear(3, 3), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.t()).all())
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        rules = module.parametrizations[tensor_name]
        before = rules()
        with no_grad():
            after = parametrization(before)
        _same(tensor_name, before, after, unsafe)
        rules.append(parametrization)
        return module
    store = module._parameters if tensor_name in module._parameters else module._buffers
    original = store.get(tensor_name)
    if original is None:
        raise ValueError(f"[parametrize] {type(module).__name__} has no parameter or buffer {tensor_name!r}")
    rules = ParametrizationList([parametrization], original, unsafe)
    with no_grad():
        _same(tensor_name, original, rules(), unsafe)
    del store[tensor_name]
    if not is_parametrized(module):
        _parametrized_class(module)
        module.parametrizations = ModuleDict()
    setattr(type(module), tensor_name, _property(tensor_name))
    module.parametrizations[tensor_name] = rules
    return module


def _same(name: str, before: Any, after: Any, unsafe: bool) -> None:
    if not isinstance(after, Tensor):
        raise ValueError(f"[parametrize] got {type(after).__name__} for {name!r}, expected a Tensor")
    if not unsafe and (after.shape != before.shape or after.dtype != before.dtype):
        raise ValueError(f"[parametrize] got {after.dtype} of shape {tuple(after.shape)} for {name!r}, expected {before.dtype} "
                         f"{tuple(before.shape)}")  # fmt: skip


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrized tensors, or this one."""
    rules = module._modules.get("parametrizations")
    if not isinstance(rules, ModuleDict) or not hasattr(type(module), "_before"):
        return False
    return len(rules) > 0 if tensor_name is None else tensor_name in rules


def type_before_parametrizations(module: Module) -> type:
    """The class that a module had."""
    return getattr(type(module), "_before", type(module))


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make a parametrized tensor plain again: with its present value, or (``leave_parametrized=False``) the original one."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"[parametrize] {tensor_name!r} of {type(module).__name__} is not parametrized")
    rules = module.parametrizations[tensor_name]
    if not leave_parametrized and not rules.is_tensor:
        raise ValueError(f"[parametrize] {tensor_name!r} comes from {rules.ntensors} tensors, so it can only be left parametrized")
    first = rules.originals()[0]
    if leave_parametrized:
        with no_grad():
            value = rules().detach().clone()
        kept = Parameter(value, first.requires_grad) if isinstance(first, Parameter) else value
    else:
        kept = first
    del module.parametrizations[tensor_name]
    if len(module.parametrizations) == 0:
        del module._modules["parametrizations"]
        object.__setattr__(module, "__class__", type_before_parametrizations(module))
    if isinstance(kept, Parameter):
        module.register_parameter(tensor_name, kept)
    else:
        module.register_buffer(tensor_name, kept)
    return module
