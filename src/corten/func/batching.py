"""Batched tensors: what :func:`corten.func.vmap` hands to a function instead of a batch.

A batched tensor shows the shape of one element and has no data; ``whole`` holds all elements along its first dimension. Every
op that meets one is carried out on the wholes by the op's rule (:mod:`corten.func.rules`), or, where an op has none, once for
each element. Wholes of an outer ``vmap`` may be batched tensors themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from corten._core import core
from corten.func.trees import sequence
from corten.ops import random
from corten.ops.view import stack
from corten.tensor import Tensor


class SingleElementError(RuntimeError):
    """The function asked for the number in one element, which differs from element to element."""


class Level:
    """One running ``vmap``: how many elements it has, and whether the function changed something in place."""

    def __init__(self, size: int, depth: int) -> None:
        self.size, self.depth, self.wrote = size, depth, False


class _Running(threading.local):
    def __init__(self) -> None:
        self.levels: list[Level] = []


_running = _Running()


def levels() -> list[Level]:
    """The ``vmap`` calls that this thread is inside of, outermost first."""
    return _running.levels


@contextmanager
def level(size: int) -> Iterator[Level]:
    """Inside, tensors may be batched over ``size`` elements; drawing random numbers raises."""
    own = Level(size, len(_running.levels))
    _running.levels.append(own)
    random.refusing.append(threading.get_ident())
    try:
        yield own
    finally:
        _running.levels.pop()
        random.refusing.remove(threading.get_ident())


def _no_single(name: str) -> Callable[..., Any]:
    def refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise SingleElementError(f"[vmap] {name} of a batched tensor asks for the numbers of single elements")

    refuse.__name__ = name
    return refuse


class BatchedTensor(Tensor):
    """One element of a batch, as a function under ``vmap`` sees it."""

    whole: Any
    level: Level

    def __repr__(self) -> str:
        return f"BatchedTensor(shape={tuple(self.shape)}, dtype={self.dtype}, elements={self.level.size})"

    device = property(lambda self: core.device("cpu"))
    is_meta = property(lambda self: False)
    is_leaf = property(lambda self: self.whole.is_leaf)
    grad_fn = property(lambda self: self.whole.grad_fn)
    data = property(lambda self: self.detach())
    _version = property(lambda self: self.whole._version)
    requires_grad = property(lambda self: self.whole.requires_grad, lambda self, value: self.requires_grad_(value))

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Whether derivatives are wanted."""
        self.whole.requires_grad_(requires_grad)
        return self

    def detach(self) -> Any:
        """The same values off the tape."""
        return batched(self.whole.detach(), self.level)

    def __getitem__(self, key: Any) -> Any:
        from corten.func.rules import get

        return get(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        own = self.level
        own.wrote = True
        for i in range(own.size):
            self.whole.select(0, i)[element(key, own, i)] = element(value, own, i)

    def __iter__(self) -> Any:
        return iter(self.unbind(0))

    def __hash__(self) -> int:
        return id(self)


for _name in ("item", "tolist", "numpy", "__bool__", "__float__", "__int__", "__index__", "__complex__", "__array__", "__contains__",
              "__dlpack__", "__buffer__", "backward", "register_hook", "retain_grad", "data_ptr"):  # fmt: skip
    setattr(BatchedTensor, _name, _no_single(_name))


def batched(whole: Any, own: Level) -> Any:
    """All elements, along the first dimension, as one batched tensor."""
    made: Any = core.TensorBase.__new__(BatchedTensor)
    core._show_element(made, whole)
    made.whole, made.level = whole, own
    return made


def is_batched(x: Any, own: Level) -> bool:
    """Whether a value is a tensor batched by this very ``vmap``."""
    return isinstance(x, BatchedTensor) and x.level is own


def all_the_way(x: Any) -> Any:
    """The real tensor behind a batched one, with a dimension for each level, outermost first."""
    while isinstance(x, BatchedTensor):
        x = x.whole
    return x


def levels_of(x: Any) -> list[Level]:
    """The levels that a tensor is batched over, outermost first."""
    found = []
    while isinstance(x, BatchedTensor):
        found.append(x.level)
        x = x.whole
    return found[::-1]


def under(whole: Any, wanted: list[Level]) -> Any:
    """A real tensor with a dimension for each level, outermost first, as a batched one."""
    for own in wanted:
        whole = batched(whole, own)
    return whole


def spread_over(x: Any, wanted: list[Level]) -> Any:
    """The real tensor of a value with a dimension for each of the levels, repeated along those that it is not batched over."""
    whole, have = all_the_way(x), levels_of(x)
    for at, own in enumerate(wanted):
        if not any(own is h for h in have):
            whole = whole.unsqueeze(at)
            whole = whole.expand((*whole.shape[:at], own.size, *whole.shape[at + 1 :]))
    return whole


def over_all_levels(x: Any) -> Any:
    """A tensor with an element of its own for each element of every running ``vmap``: derivatives in it are one for each."""
    return under(spread_over(x, _running.levels), _running.levels) if _running.levels else x


def element(x: Any, own: Level, i: int) -> Any:
    """Element ``i`` of a value, sequences included; what is not batched is the same for all."""
    if is_batched(x, own):
        return x.whole.select(0, i)
    if type(x) in (tuple, list):
        return sequence(type(x), [element(v, own, i) for v in x])
    return x


def one_by_one(fn: Callable[..., Any], args: Any, own: Level) -> Any:
    """A function of batched arguments, called for each element; its tensors are stacked."""
    results = [fn(*element(tuple(args), own, i)) for i in range(own.size)]
    if isinstance(results[0], tuple):
        columns = [_joined(c, own) for c in zip(*results, strict=True)]
        return sequence(type(results[0]), columns)
    return _joined(results, own)


def _joined(column: Any, own: Level) -> Any:
    return batched(stack(list(column)), own) if isinstance(column[0], core.TensorBase) else column[0]
