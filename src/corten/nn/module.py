"""Module: the base of every layer and network."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from corten._core import core
from corten._core.core import ModuleBase
from corten.nn.parameter import Buffer, Parameter
from corten.tensor import Tensor


class IncompatibleKeys(NamedTuple):
    """What load_state_dict did not find, and what it did not use."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        return "<All keys matched successfully>" if not any(self) else tuple.__repr__(self)


class RemovableHandle:
    """Removes a hook: ``handle.remove()``, or at the end of a ``with``."""

    _ids = itertools.count()

    def __init__(self, hooks: dict[int, Any], entry: Any, prepend: bool = False) -> None:
        self.hooks, self.id = hooks, next(self._ids)
        hooks[self.id] = entry
        if prepend:
            for key in [k for k in hooks if k != self.id]:
                hooks[key] = hooks.pop(key)

    def remove(self) -> None:
        """Take the hook away."""
        self.hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.remove()


class Module(ModuleBase):
    """Base class of networks: assign parameters, buffers and modules to attributes, define ``forward``.

    Examples
    --------
    >>> import corten
    >>> class Net(corten.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = corten.nn.Linear(4, 8)
    ...         self.out = corten.nn.Linear(8, 2)
    ...
    ...     def forward(self, x):
    ...         return self.out(self.hidden(x).relu())
    >>> Net()(corten.ones(3, 4)).shape
    corten.Size([3, 2])
    """

    dump_patches = False
    _version = 1

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every network defines it."""
        raise NotImplementedError(f"[{type(self).__name__}] forward is not defined")

    # ---- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self.register_parameter(name, value)
        elif isinstance(value, ModuleBase):
            self.__dict__.pop(name, None)
            self._parameters.pop(name, None)
            self._buffers.pop(name, None)
            self._modules[name] = value
        elif isinstance(value, Buffer):
            self.register_buffer(name, value, value.persistent)
        elif name in self._parameters:
            if value is not None:
                raise TypeError(f"[{type(self).__name__}] got {type(value).__name__} for parameter {name!r}, expected a "
                                "Parameter or None")  # fmt: skip
            self._parameters[name] = None
        elif name in self._modules:
            if value is not None:
                raise TypeError(f"[{type(self).__name__}] got {type(value).__name__} for module {name!r}, expected a Module "
                                "or None")  # fmt: skip
            self._modules[name] = None
        elif name in self._buffers and (value is None or isinstance(value, Tensor)):
            self._buffers[name] = value
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        for store in (self._parameters, self._buffers, self._modules):
            if name in store:
                del store[name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *self._parameters, *self._buffers, *self._modules})

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name."""
        self._check_name("parameter", name)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"[register_parameter] got {type(param).__name__} for {name!r}, expected a Parameter or None")
        if param is not None and param.grad_fn is not None:
            raise ValueError(f"[register_parameter] {name!r} is not a leaf")
        for store in (self.__dict__, self._buffers, self._modules):
            store.pop(name, None)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the state but is not trained."""
        self._check_name("buffer", name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"[register_buffer] got {type(tensor).__name__} for {name!r}, expected a Tensor or None")
        if name not in self._buffers and hasattr(self, name):
            raise KeyError(f"[register_buffer] attribute {name!r} already exists")
        self._buffers[name] = tensor
        (self._non_persistent_buffers_set.discard if persistent else self._non_persistent_buffers_set.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a submodule under a name."""
        self._check_name("module", name)
        if module is not None and not isinstance(module, ModuleBase):
            raise TypeError(f"[add_module] got {type(module).__name__} for {name!r}, expected a Module or None")
        if name not in self._modules and hasattr(self, name):
            raise KeyError(f"[add_module] attribute {name!r} already exists")
        self._modules[name] = module

    register_module = add_module

    @staticmethod
    def _check_name(kind: str, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"[register_{kind}] got a name of type {type(name).__name__}, expected str")
        if not name or "." in name:
            raise KeyError(f"[register_{kind}] {name!r} cannot be a name: it is empty or contains a dot")

    # ---- what is inside

    def named_modules(self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True) -> Iterator[Any]:
        """Pairs (name, module): this one and all below it, each once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Pairs (name, module) directly below."""
        seen: set[Any] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly below."""
        for _, module in self.named_children():
            yield module

    def _named_members(self, store: str, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        pairs = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for base, module in pairs:
            for name, value in getattr(module, store).items():
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield (f"{base}.{name}" if base else name), value

    def named_parameters(self, prefix: str = "", recurse: bool = True,
                         remove_duplicate: bool = True) -> Iterator[tuple[str, Parameter]]:  # fmt: skip
        """Pairs (name, parameter), of this module and all below it."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters."""
        for _, p in self.named_parameters(recurse=recurse):
            yield p

    def named_buffers(self, prefix: str = "", recurse: bool = True,
                      remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:  # fmt: skip
        """Pairs (name, buffer), of this module and all below it."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers."""
        for _, b in self.named_buffers(recurse=recurse):
            yield b

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path."""
        module: Module = self
        for part in target.split(".") if target else []:
            found = module._modules.get(part)
            if found is None:
                raise AttributeError(f"[get_submodule] {type(module).__name__} has no module {part!r} (of {target!r})")
            module = found
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path."""
        path, _, name = target.rpartition(".")
        found = self.get_submodule(path)._parameters.get(name)
        if found is None:
            raise AttributeError(f"[get_parameter] there is no parameter {target!r}")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path."""
        path, _, name = target.rpartition(".")
        found = self.get_submodule(path)._buffers.get(name)
        if found is None:
            raise AttributeError(f"[get_buffer] there is no buffer {target!r}")
        return found

    # ---- changing what is inside

    def apply(self, fn: Callable[[Module], None]) -> Module:
        """Call ``fn`` on every module, from the leaves up."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Module:
        if recurse:
            for module in self.children():
                module._apply(fn)
        for p in self._parameters.values():
            if p is not None:
                with_grad = p.grad
                wanted, p.grad = p.requires_grad, None
                p.requires_grad = False
                p.data = fn(p.detach())
                p.requires_grad = wanted
                if with_grad is not None:
                    p.grad = fn(with_grad.detach())
        for name, b in self._buffers.items():
            if b is not None:
                self._buffers[name] = fn(b)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Module:
        """Convert floating parameters and buffers to a dtype, move all to a device, in place."""
        dtype, device = kwargs.get("dtype"), kwargs.get("device")
        for a in args:
            if isinstance(a, core.dtype):
                dtype = a
            elif isinstance(a, Tensor):
                dtype, device = a.dtype, a.device
            elif isinstance(a, (str, core.device)):
                device = a
        if device is not None:
            device = core.device(device)
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(f"[to] got {dtype}, expected a floating-point dtype")
        return self._apply(lambda t: t.to(dtype=dtype if t.is_floating_point() else None, device=device))

    def to_empty(self, *, device: Any, recurse: bool = True) -> Module:
        """Give every parameter and buffer new, undefined memory on a device."""
        return self._apply(lambda t: core.empty_like(t, device=device), recurse)

    def type(self, dst_type: Any) -> Module:
        """Convert all parameters and buffers to a dtype."""
        return self._apply(lambda t: t.to(dst_type))

    def float(self) -> Module:
        """Floating parameters and buffers as float32."""
        return self.to(core._dtype_by_name("float32"))

    def double(self) -> Module:
        """Floating parameters and buffers as float64."""
        return self.to(core._dtype_by_name("float64"))

    def half(self) -> Module:
        """Floating parameters and buffers as float16."""
        return self.to(core._dtype_by_name("float16"))

    def bfloat16(self) -> Module:
        """Floating parameters and buffers as bfloat16."""
        return self.to(core._dtype_by_name("bfloat16"))

    def cpu(self) -> Module:
        """This module: it is on the CPU."""
        return self

    def train(self, mode: bool = True) -> Module:
        """Set training mode, here and below."""
        if not isinstance(mode, bool):
            raise ValueError(f"[train] got {mode!r}, expected a bool")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Module:
        """Set evaluation mode, here and below."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Switch gradients of all parameters on or off."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters():
            if p.grad is not None:
                if set_to_none:
                    p.grad = None
                else:
                    p.grad.detach_().zero_()

    def share_memory(self) -> Module:
        """This module: threads share it as it is."""
        return self

    # ---- state

    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> dict[str, Any]:
        """All parameters and persistent buffers by dotted name; they share memory with the module."""
        if args:
            destination, prefix, keep_vars = (*args, *(destination, prefix, keep_vars)[len(args) :])  # type: ignore[misc]
        out = OrderedDict() if destination is None else destination
        self._save_to_state_dict(out, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=out, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        extra = type(self).get_extra_state
        if extra is not Module.get_extra_state:
            out[f"{prefix}_extra_state"] = self.get_extra_state()
        for hook in self.__dict__.get("_state_dict_hooks", {}).values():
            changed = hook(self, out, prefix, {})
            out = out if changed is None else changed
        return out

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        for name, p in self._parameters.items():
            if p is not None:
                destination[prefix + name] = p if keep_vars else p.detach()
        for name, b in self._buffers.items():
            if b is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = b if keep_vars else b.detach()

    def get_extra_state(self) -> Any:
        """More state of one's own for the state dict."""
        raise RuntimeError(f"[get_extra_state] {type(self).__name__} defines none")

    def set_extra_state(self, state: Any) -> None:
        """Take back what get_extra_state gave."""
        raise RuntimeError(f"[set_extra_state] {type(self).__name__} defines none")

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> IncompatibleKeys:
        """Copy values by name from a state dict.

        Parameters
        ----------
        strict : bool
            Raise RuntimeError when names do not match exactly.
        assign : bool
            Take the tensors themselves instead of copying their values.

        Returns
        -------
        IncompatibleKeys
            ``missing_keys`` and ``unexpected_keys``.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"[load_state_dict] got {type(state_dict).__name__}, expected a mapping")
        missing: list[str] = []
        used: set[str] = set()
        errors: list[str] = []
        plan: list[Any] = []
        for path, module in self.named_modules(remove_duplicate=False):
            prefix = f"{path}." if path else ""
            module._plan_load(state_dict, prefix, missing, used, errors, plan)
        unexpected = [k for k in state_dict if k not in used]
        if strict and missing:
            errors.append("missing: " + ", ".join(missing))
        if strict and unexpected:
            errors.append("unexpected: " + ", ".join(unexpected))
        if errors:
            raise RuntimeError(f"[load_state_dict] {type(self).__name__}: " + "; ".join(errors))
        for store, name, target, value in plan:
            if assign:
                store[name] = Parameter(value, target.requires_grad) if isinstance(target, Parameter) else value
            else:
                core._copy_into(target.detach(), value)
        for path, module in self.named_modules():
            key = f"{path}._extra_state" if path else "_extra_state"
            if key in state_dict and type(module).set_extra_state is not Module.set_extra_state:
                module.set_extra_state(state_dict[key])
        result = IncompatibleKeys(missing, unexpected)
        for hook in self.__dict__.get("_load_state_dict_post_hooks", {}).values():
            hook(self, result)
        return result

    def _plan_load(self, state: Mapping[str, Any], prefix: str, missing: list[str], used: set[str], errors: list[str],
                   plan: list[Any]) -> None:  # fmt: skip
        """Match this module's own tensors with the state dict, without changing anything yet."""
        if type(self).set_extra_state is not Module.set_extra_state:
            used.add(f"{prefix}_extra_state")
        for store in (self._parameters, self._buffers):
            for name, target in store.items():
                if target is None or name in self._non_persistent_buffers_set:
                    continue
                key = prefix + name
                if key not in state:
                    missing.append(key)
                    continue
                used.add(key)
                value = state[key]
                if not isinstance(value, core.TensorBase):
                    value = core.as_tensor(value)
                if value.shape != target.shape:
                    errors.append(f"{key} has shape {tuple(value.shape)}, expected {tuple(target.shape)}")
                else:
                    plan.append((store, name, target, value))

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, metadata)`` after state_dict."""
        return RemovableHandle(self.__dict__.setdefault("_state_dict_hooks", {}), hook)

    _register_state_dict_hook = register_state_dict_post_hook

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after load_state_dict."""
        return RemovableHandle(self.__dict__.setdefault("_load_state_dict_post_hooks", {}), hook)

    # ---- hooks

    def register_forward_pre_hook(self, hook: Callable[..., Any], *, prepend: bool = False,
                                  with_kwargs: bool = False) -> RemovableHandle:  # fmt: skip
        """Call ``hook(module, args)`` before forward; what it returns, if not None, replaces the arguments."""
        if self._forward_pre_hooks is None:
            self._forward_pre_hooks = {}  # type: ignore[var-annotated]
        return RemovableHandle(self._forward_pre_hooks, (hook, with_kwargs), prepend)

    def register_forward_hook(self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False,
                              always_call: bool = False) -> RemovableHandle:  # fmt: skip
        """Call ``hook(module, args, output)`` after forward; what it returns, if not None, replaces the output."""
        if self._forward_hooks is None:
            self._forward_hooks = {}  # type: ignore[var-annotated]
        return RemovableHandle(self._forward_hooks, (hook, with_kwargs, always_call), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the inputs are known."""
        if self._backward_hooks is None:
            self._backward_hooks = {}  # type: ignore[var-annotated]
        return RemovableHandle(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the backward of this module."""
        if self._backward_pre_hooks is None:
            self._backward_pre_hooks = {}  # type: ignore[var-annotated]
        return RemovableHandle(self._backward_pre_hooks, hook, prepend)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        from corten.nn.hooks import BackwardGate

        gate = BackwardGate(self) if self._backward_hooks or self._backward_pre_hooks else None
        for hook, with_kwargs in list((self._forward_pre_hooks or {}).values()):
            changed = hook(self, args, kwargs) if with_kwargs else hook(self, args)
            if changed is not None:
                if with_kwargs:
                    args, kwargs = changed
                else:
                    args = changed if isinstance(changed, tuple) else (changed,)
        if gate is not None:
            args = gate.enter(args)
        after = list((self._forward_hooks or {}).values())
        try:
            out = self.forward(*args, **kwargs)
        except BaseException:
            for hook, with_kwargs, always in after:
                if always:
                    hook(self, args, kwargs, None) if with_kwargs else hook(self, args, None)
            raise
        for hook, with_kwargs, _ in after:
            changed = hook(self, args, kwargs, out) if with_kwargs else hook(self, args, out)
            out = out if changed is None else changed
        return out if gate is None else gate.leave(out)

    # ---- text and copies

    def summary(self, *inputs: Any, depth: int | None = None) -> Any:
        """Table of layers, output shapes, parameters and multiply-adds; see :func:`corten.nn.summary.summarize`."""
        from corten.nn.summary import summarize

        return summarize(self, *inputs, depth=depth)

    def extra_repr(self) -> str:
        """The layer's own settings, for its text."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        below = []
        for name, module in self._modules.items():
            below.append(f"({name}): " + repr(module).replace("\n", "\n  "))
        if not below and len(lines) <= 1:
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines + below) + "\n)"

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        for name in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "training", "_forward_hooks",
                     "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):  # fmt: skip
            state[name] = getattr(self, name)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return (_new_module, (type(self),), self.__getstate__())


def _new_module(cls: Any) -> Module:
    return cls.__new__(cls)
