"""Where a loader is in its epoch, so that another one goes on from there with the same batches.

The order of an epoch is drawn when it begins. A state keeps what it was drawn from, not the order itself: going on sets
those generators back, draws again, and leaves every generator as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import corten

VERSION = 1


def _default() -> Any:
    return corten.default_generator


def _parts(loader: Any) -> dict[str, Any]:
    """The generators and samplers with a state that an order may be drawn from, by name."""
    sampler, batch_sampler = loader.sampler, loader.batch_sampler
    inner = getattr(batch_sampler, "sampler", None)
    found = {"generator": loader.generator}
    for name, part in (("sampler", sampler), ("batch_sampler", batch_sampler), ("inner_sampler", inner)):
        found[f"{name}.generator"] = getattr(part, "generator", None)
        found[name] = part if hasattr(part, "load_state_dict") else None
    seen: set[int] = set()
    parts = {}
    for name, part in found.items():
        if part is not None and id(part) not in seen and part is not _default():
            seen.add(id(part))
            parts[name] = part
    return parts


def _get(part: Any) -> Any:
    return part.get_state() if hasattr(part, "get_state") else part.state_dict()


def _set(part: Any, state: Any) -> None:
    if hasattr(part, "set_state"):
        part.set_state(state)
    else:
        part.load_state_dict(state)


def states(loader: Any) -> dict[str, Any]:
    """The states of the default generator and of the loader's own parts."""
    return {"default": _default().get_state()} | {name: _get(part) for name, part in _parts(loader).items()}


def state_dict(loader: Any) -> dict[str, Any]:
    """What :meth:`DataLoader.state_dict` returns."""
    running = bool(loader._before) and not loader._position.ended
    return {
        "version": VERSION,
        "epoch": loader._epoch,
        "served": int(loader._position.served) if running else 0,
        "running": running,
        "before": loader._before if running else {},
        "now": {name: state for name, state in states(loader).items() if name != "default"},
    } | _shape(loader)


def _shape(loader: Any) -> dict[str, Any]:
    return {"samples": None if loader._stream else len(loader.dataset), "batch_size": loader.batch_size}


def checked(loader: Any, state: dict[str, Any]) -> dict[str, Any] | None:
    """The state to go on from, None when its epoch had ended; generators are set where there is nothing to draw again."""
    if not isinstance(state, dict) or not {"version", "epoch", "served", "running", "before", "now"} <= set(state):
        raise ValueError("[DataLoader] got something else than a state_dict of a DataLoader")
    if state["version"] != VERSION:
        raise ValueError(f"[DataLoader] got a state of version {state['version']}, expected {VERSION}")
    for name, value in _shape(loader).items():
        if state.get(name) != value:
            raise ValueError(f"[DataLoader] got a state of a loader with {name} {state.get(name)}, expected {value}")
    parts = _parts(loader)
    if set(state["now"]) != set(parts):
        raise ValueError(
            f"[DataLoader] got a state with the generators {sorted(state['now'])}, expected {sorted(parts)}"
        )
    for name, part in parts.items():
        _set(part, state["now"][name])
    return state if state["running"] else None


@contextmanager
def replayed(loader: Any, state: dict[str, Any]) -> Iterator[None]:
    """Draw anew, inside, what was drawn when the epoch of ``state`` began."""
    loader._before = state["before"]
    parts = _parts(loader) | {"default": _default()}
    now = {name: _get(part) for name, part in parts.items()}
    for name, part in parts.items():
        _set(part, state["before"][name])
    try:
        yield
    finally:
        for name, part in parts.items():
            _set(part, now[name])
