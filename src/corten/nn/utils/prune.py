"""Pruning: weights multiplied by masks of 0 and 1.

A pruned parameter ``weight`` becomes ``weight_orig``, which is trained, and a buffer ``weight_mask``; the product of the
two is made before each forward.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np

from corten._core import core
from corten.ops.random import randperm

__all__ = ["BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "PruningContainer",
           "RandomStructured", "RandomUnstructured", "custom_from_mask", "global_unstructured", "identity", "is_pruned",
           "l1_unstructured", "ln_structured", "random_structured", "random_unstructured", "remove"]  # fmt: skip


def _count(amount: Any, n: int) -> int:
    """How many of n to prune: a share of [0, 1], or a number."""
    if isinstance(amount, bool) or not isinstance(amount, (int, float)) or amount < 0 or (isinstance(amount, float) and amount > 1):
        raise ValueError(f"[prune] got amount={amount!r}, expected an int of at least 0 or a share of [0, 1]")
    count = round(amount * n) if isinstance(amount, float) else amount
    if count > n:
        raise ValueError(f"[prune] got amount={amount} of {n}")
    return count


class BasePruningMethod(ABC):
    """A rule that makes masks; ``apply(module, name, ...)`` puts it to work on a parameter."""

    PRUNING_TYPE = "unstructured"
    _tensor_name: str

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask of a tensor that has ``default_mask`` already."""

    def apply_mask(self, module: Any) -> Any:
        """The masked parameter."""
        original = getattr(module, self._tensor_name + "_orig")
        return getattr(module, self._tensor_name + "_mask").to(original.dtype) * original

    @classmethod
    def apply(cls, module: Any, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any) -> Any:
        """Prune a parameter; on one that is pruned already, prune more of what is left."""
        method = cls(*args, **kwargs)
        method._tensor_name = name
        before = _method_of(module, name)
        if before is not None:
            handle, old = before
            container = old if isinstance(old, PruningContainer) else PruningContainer(old)
            container.add_pruning_method(method)
            handle.remove()
            mask, original = getattr(module, name + "_mask"), getattr(module, name + "_orig")
            scores = original if importance_scores is None else importance_scores
            module._buffers[name + "_mask"] = container.compute_mask(scores.detach(), mask)
            method = container
        else:
            original = getattr(module, name)
            scores = original if importance_scores is None else importance_scores
            if scores.shape != original.shape:
                raise AssertionError(f"[prune] importance scores {tuple(scores.shape)}, expected {tuple(original.shape)}")
            mask = method.compute_mask(scores.detach(), core.ones_like(original.detach()))
            del module._parameters[name]
            module.register_parameter(name + "_orig", original)
            module.register_buffer(name + "_mask", mask.to(original.dtype))
        setattr(module, name, method.apply_mask(module))
        handle = module.register_forward_pre_hook(method)
        module.__dict__.setdefault("_pruning", {})[name] = (handle, method)
        return method

    def prune(self, t: Any, default_mask: Any = None, importance_scores: Any = None) -> Any:
        """A pruned copy of a tensor."""
        scores = t if importance_scores is None else importance_scores
        return t * self.compute_mask(scores, core.ones_like(t) if default_mask is None else default_mask)

    def remove(self, module: Any) -> None:
        """Make the pruning of a parameter permanent."""
        name = self._tensor_name
        value = self.apply_mask(module).detach()
        original = module._parameters.pop(name + "_orig")
        original.data = value
        del module._buffers[name + "_mask"]
        module.__dict__.pop(name, None)
        module.register_parameter(name, original)


def _method_of(module: Any, name: str) -> Any:
    return module.__dict__.get("_pruning", {}).get(name)


class PruningContainer(BasePruningMethod):
    """Several rules, one after the other; each prunes of what the ones before left."""

    PRUNING_TYPE = "container"

    def __init__(self, *methods: BasePruningMethod) -> None:
        self._methods = list(methods)
        if methods:
            self._tensor_name = methods[0]._tensor_name

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """Add a rule."""
        self._methods.append(method)

    def __len__(self) -> int:
        return len(self._methods)

    def __getitem__(self, i: int) -> BasePruningMethod:
        return self._methods[i]

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask after the last rule."""
        method, old = self._methods[-1], np.array(default_mask.numpy())
        if method.PRUNING_TYPE == "unstructured":
            left = old != 0
            values = core.tensor(t.detach().numpy()[left])
            old[left] = method.compute_mask(values, core.ones_like(values)).numpy()
            return core.tensor(old)
        if method.PRUNING_TYPE == "structured":
            dim = method.dim % t.ndim  # type: ignore[attr-defined]
            kept = np.flatnonzero(old.sum(axis=tuple(d for d in range(t.ndim) if d != dim)) != 0)
            part = np.ascontiguousarray(np.take(t.detach().numpy(), kept, dim))
            mask = method.compute_mask(core.tensor(part), core.ones_like(core.tensor(part))).numpy()
            index = [slice(None)] * t.ndim
            index[dim] = kept  # type: ignore[call-overload]
            old[tuple(index)] = mask * old[tuple(index)]
            return core.tensor(old)
        return method.compute_mask(t, default_mask)


class Identity(BasePruningMethod):
    """Prunes nothing: a mask to be changed by hand."""

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask as it is."""
        return default_mask


class RandomUnstructured(BasePruningMethod):
    """Prunes single weights at random."""

    def __init__(self, amount: Any) -> None:
        _count(amount, 2**62)
        self.amount = amount

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Zeros at random places."""
        mask = np.array(default_mask.numpy())
        mask.reshape(-1)[randperm(t.numel()).numpy()[: _count(self.amount, t.numel())]] = 0
        return core.tensor(mask)


class L1Unstructured(RandomUnstructured):
    """Prunes the weights of least magnitude."""

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Zeros where the magnitude is least."""
        mask = np.array(default_mask.numpy())
        order = np.argsort(np.abs(t.detach().numpy()).ravel(), kind="stable")
        mask.reshape(-1)[order[: _count(self.amount, t.numel())]] = 0
        return core.tensor(mask)


class RandomStructured(BasePruningMethod):
    """Prunes whole channels at random."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: Any, dim: int = -1) -> None:
        _count(amount, 2**62)
        self.amount, self.dim = amount, dim

    def scores(self, t: Any) -> Any:
        """What the channels are sorted by: the least go."""
        return randperm(t.shape[self.dim]).numpy()

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Zeros in whole channels."""
        if not -t.ndim <= self.dim < t.ndim:
            raise IndexError(f"[prune] dimension {self.dim} is out of range for {t.ndim} dimensions")
        channels = t.shape[self.dim]
        gone = np.argsort(self.scores(t), kind="stable")[: _count(self.amount, channels)]
        keep = np.ones(channels, default_mask.numpy().dtype)
        keep[gone] = 0
        shape = [1] * t.ndim
        shape[self.dim] = channels
        return core.tensor(default_mask.numpy() * keep.reshape(shape))


class LnStructured(RandomStructured):
    """Prunes the channels of least n-norm."""

    def __init__(self, amount: Any, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def scores(self, t: Any) -> Any:
        """Norms of the channels."""
        rows = np.moveaxis(t.detach().numpy(), self.dim, 0).reshape(t.shape[self.dim], -1)
        return np.linalg.norm(rows, None if self.n == "fro" else self.n, axis=1)


class CustomFromMask(BasePruningMethod):
    """Prunes by a mask of one's own."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Both masks."""
        return default_mask * self.mask.to(default_mask.dtype)


def identity(module: Any, name: str) -> Any:
    """Prepare a parameter for pruning; its mask is 1."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Any, name: str, amount: Any) -> Any:
    """Prune weights at random: a share or a number."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Any, name: str, amount: Any, importance_scores: Any = None) -> Any:
    """Prune the weights of least magnitude: a share or a number."""
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Any, name: str, amount: Any, dim: int) -> Any:
    """Prune channels of a dimension at random: a share or a number."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module: Any, name: str, amount: Any, n: Any, dim: int, importance_scores: Any = None) -> Any:
    """Prune the channels of a dimension with the least n-norm: a share or a number."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Any, name: str, mask: Any) -> Any:
    """Prune by a mask."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(parameters: Iterable[tuple[Any, str]], pruning_method: Any, importance_scores: Any = None,
                        **kwargs: Any) -> None:  # fmt: skip
    """Prune over several parameters at once, given as pairs (module, name)."""
    pairs = list(parameters)
    scores = importance_scores or {}
    values = [scores.get((m, n), getattr(m, n)).detach() for m, n in pairs]
    masks = [getattr(m, n + "_mask", core.ones_like(v)) for (m, n), v in zip(pairs, values, strict=True)]
    flat = core.tensor(np.concatenate([v.numpy().ravel() for v in values]))
    old = core.tensor(np.concatenate([k.numpy().ravel() for k in masks]))
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(f"[global_unstructured] got a {method.PRUNING_TYPE} method, expected an unstructured one")
    method._tensor_name = "all"
    container = PruningContainer(method)
    mask = container.compute_mask(flat, old).numpy()
    at = 0
    for (m, n), v in zip(pairs, values, strict=True):
        custom_from_mask(m, n, core.tensor(mask[at : at + v.numel()].reshape(tuple(v.shape))))
        at += v.numel()


def is_pruned(module: Any) -> bool:
    """Whether a parameter of this module or of one below is pruned."""
    return any(m.__dict__.get("_pruning") for m in module.modules())


def remove(module: Any, name: str) -> Any:
    """Make the pruning of a parameter permanent: it becomes a plain parameter again."""
    found = _method_of(module, name)
    if found is None:
        raise ValueError(f"[prune] parameter {name!r} of {type(module).__name__} is not pruned")
    handle, method = found
    handle.remove()
    method.remove(module)
    del module.__dict__["_pruning"][name]
    return module
