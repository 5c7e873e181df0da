"""A module called with other parameters than its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = ["functional_call"]


@contextmanager
def _replaced(module: Any, values: Mapping[str, Any], tie_weights: bool) -> Iterator[None]:
    """Within it, the module's tensors of these names are others."""
    names: dict[int, list[tuple[Any, str]]] = {}
    own: dict[str, tuple[Any, str]] = {}
    for path, part in module.named_modules(remove_duplicate=False):
        for store in (part._parameters, part._buffers):
            for name, t in store.items():
                own[f"{path}.{name}" if path else name] = (store, name)
                if t is not None:
                    names.setdefault(id(t), []).append((store, name))
    kept = []
    try:
        for key, value in values.items():
            if key not in own:
                raise KeyError(f"[functional_call] the module has no tensor {key!r}")
            store, name = own[key]
            places = names.get(id(store[name]), [(store, name)]) if tie_weights else [(store, name)]
            for store, name in places:
                kept.append((store, name, store[name]))
                store[name] = value
        yield
    finally:
        for store, name, value in reversed(kept):
            store[name] = value


def functional_call(module: Any, parameter_and_buffer_dicts: Any, args: Any = None, kwargs: dict[str, Any] | None = None, *,
                    tie_weights: bool = True, strict: bool = False) -> Any:  # fmt: skip
    """Call a module with other parameters and buffers than its own, which stay as they are.

    Parameters
    ----------
    module : Module
    parameter_and_buffer_dicts : dict of str to Tensor, or sequence of these
        By dotted name; what is missing is the module's own.
    args : tuple or Tensor
    kwargs : dict
    tie_weights : bool
        Whether a tensor that the module has under several names is replaced under all of them.
    strict : bool
        Raise RuntimeError when a name is missing or not the module's.

    Examples
    --------
    >>> import corten
    >>> layer = corten.nn.Linear(2, 1)
    >>> weights = {"weight": corten.ones(1, 2), "bias": corten.zeros(1)}
    >>> corten.func.functional_call(layer, weights, corten.tensor([[3.0, 4.0]]))
    tensor([[7.]])
    """
    values: dict[str, Any] = {}
    for part in [parameter_and_buffer_dicts] if isinstance(parameter_and_buffer_dicts, Mapping) else parameter_and_buffer_dicts:
        values.update(part)
    if strict:
        own = {n for n, _ in module.named_parameters()} | {n for n, _ in module.named_buffers()}
        if own != set(values):
            raise RuntimeError(f"[functional_call] missing: {sorted(own - set(values))}, unexpected: {sorted(set(values) - own)}")
    with _replaced(module, values, tie_weights):
        return module(*(() if args is None else args if isinstance(args, tuple) else (args,)), **(kwargs or {}))
