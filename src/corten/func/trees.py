"""Nested tuples, lists and dicts of tensors as flat lists, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def flatten(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The leaves in order, and what builds a tree of this form from others."""
    if isinstance(tree, Mapping):
        parts = [flatten(v) for v in tree.values()]
        keys = list(tree)
        return _joined(parts, lambda values: type(tree)(zip(keys, values, strict=True)) if type(tree) is not dict  # type: ignore[call-arg]
                       else dict(zip(keys, values, strict=True)))  # fmt: skip
    if isinstance(tree, (tuple, list)):
        parts = [flatten(v) for v in tree]
        return _joined(parts, lambda values: sequence(type(tree), values))
    return [tree], lambda leaves: leaves[0]


def sequence(kind: Any, values: Any) -> Any:
    """A tuple or list of some kind, named tuples included."""
    return kind._make(values) if hasattr(kind, "_make") else kind(values)


def _joined(parts: list[Any], build: Callable[[list[Any]], Any]) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    def whole(leaves: list[Any]) -> Any:
        values, at = [], 0
        for own, rebuild in parts:
            values.append(rebuild(leaves[at : at + len(own)]))
            at += len(own)
        return build(values)

    return [leaf for own, _ in parts for leaf in own], whole


def mapped(fn: Callable[..., Any], tree: Any) -> Any:
    """The tree with a function of each leaf."""
    leaves, build = flatten(tree)
    return build([fn(leaf) for leaf in leaves])
