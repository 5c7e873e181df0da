"""The base of optimizers: parameter groups and state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from corten._core import core
from corten.autograd import enable_grad


class Optimizer:
    """Base class: ``param_groups`` (dicts of parameters and their settings) and ``state`` (by parameter).

    Parameters
    ----------
    params : iterable of Tensor, of (name, Tensor), or of dict
        What to train; dicts are groups with settings of their own.
    defaults : dict
        Settings of groups that say nothing else.
    """

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        if isinstance(params, core.TensorBase):
            raise TypeError(f"[{type(self).__name__}] got a tensor, expected an iterable of tensors or dicts")
        self.defaults = defaults
        self.state: Any = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._step_called = False
        self._pre_hooks: dict[int, Callable[..., Any]] = {}
        self._post_hooks: dict[int, Callable[..., Any]] = {}
        groups = list(params)
        if not groups:
            raise ValueError(f"[{type(self).__name__}] got an empty list of parameters")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own."""
        if not isinstance(param_group, dict):
            raise TypeError(f"[add_param_group] got {type(param_group).__name__}, expected a dict")
        group = dict(param_group)
        given = group["params"]
        members = [given] if isinstance(given, core.TensorBase) else list(given)
        if members and isinstance(members[0], tuple):
            group["param_names"] = [name for name, _ in members]
            members = [p for _, p in members]
        for p in members:
            if not isinstance(p, core.TensorBase):
                raise TypeError(f"[{type(self).__name__}] got {type(p).__name__} among the parameters, expected tensors")
            if not p.is_leaf:
                raise ValueError(f"[{type(self).__name__}] a tensor of shape {tuple(p.shape)} is not a leaf")
        if len({id(p) for p in members}) != len(members):
            raise ValueError(f"[{type(self).__name__}] a parameter appears twice in one group")
        seen = {id(p) for g in self.param_groups for p in g["params"]}
        if any(id(p) in seen for p in members):
            raise ValueError(f"[{type(self).__name__}] a parameter appears in more than one group")
        group["params"] = members
        for key, value in self.defaults.items():
            group.setdefault(key, value)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            core.clear_grads(group["params"], set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters; a closure is called first to compute the loss, which is returned."""
        loss = None
        self._step_called = True
        if closure is not None:
            with enable_grad():
                loss = closure()
        if self._pre_hooks:
            for hook in list(self._pre_hooks.values()):
                hook(self, (), {})
        for group in self.param_groups:
            for params, grads in core.params_with_grads(group["params"]):
                self.update(group, params, grads)
        if self._post_hooks:
            for hook in list(self._post_hooks.values()):
                hook(self, (), {})
        return loss

    def update(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        """Take a step for parameters of one dtype; every optimizer defines it."""
        raise NotImplementedError(f"[{type(self).__name__}] update is not defined")

    def tensors(self, params: list[Any], *names: str) -> list[list[Any]]:
        """State tensors by name for each parameter, zeros where new."""
        return core.state_tensors(self.state, params, names)

    def count(self, params: list[Any]) -> list[int]:
        """Number of this step for each parameter, from 1."""
        return core.count_steps(self.state, params)

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> Any:
        """Call ``hook(optimizer, args, kwargs)`` before each step."""
        from corten.nn.module import RemovableHandle

        return RemovableHandle(self._pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> Any:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        from corten.nn.module import RemovableHandle

        return RemovableHandle(self._post_hooks, hook)

    def state_dict(self) -> dict[str, Any]:
        """Settings, and state by the number of the parameter."""
        number = {id(p): i for i, p in enumerate(p for g in self.param_groups for p in g["params"])}
        groups = [{k: [number[id(p)] for p in v] if k == "params" else v for k, v in g.items()} for g in self.param_groups]
        state = {number[id(p)]: dict(s) for p, s in self.state.items() if id(p) in number}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take settings and state from a state dict of the same parameters.

        Raises ValueError when the groups differ in number or size.
        """
        groups = state_dict["param_groups"]
        if [len(g["params"]) for g in groups] != [len(g["params"]) for g in self.param_groups]:
            raise ValueError(f"[{type(self).__name__}] got groups of {[len(g['params']) for g in groups]} parameters, expected "
                             f"{[len(g['params']) for g in self.param_groups]}")  # fmt: skip
        members = [p for g in self.param_groups for p in g["params"]]
        order = [i for g in groups for i in g["params"]]
        self.state = defaultdict(dict)
        for i, p in zip(order, members, strict=True):
            found = state_dict["state"].get(i, state_dict["state"].get(str(i)))
            if found is not None:
                self.state[p] = {k: v.to(p.dtype).clone() if isinstance(v, core.TensorBase) and k != "step" else
                                 int(v.item()) if isinstance(v, core.TensorBase) else v for k, v in found.items()}  # fmt: skip
        for mine, theirs in zip(self.param_groups, groups, strict=True):
            mine.update({k: v for k, v in theirs.items() if k != "params"})

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
        return "\n".join([*lines, ")"])


def batches(params: Iterable[Any]) -> Iterable[tuple[list[Any], list[Any]]]:
    """Parameters that have a gradient, and these, by dtype."""
    return core.params_with_grads(params)


def check(name: str, **bounds: Any) -> None:
    """Raise ValueError for a setting that is negative (or, for betas, not within [0, 1))."""
    for key, value in bounds.items():
        if key == "differentiable":
            if value:
                raise NotImplementedError(f"[{name}] got differentiable=True: steps are not recorded")
        elif key == "betas":
            if not all(0 <= b < 1 for b in value):
                raise ValueError(f"[{name}] got betas={value}, expected numbers of [0, 1)")
        elif not value >= 0:
            raise ValueError(f"[{name}] got {key}={value}, expected a number of at least 0")
