"""``torch.jit``: modules and functions stay what they are."""

from __future__ import annotations

from typing import Any


def script(obj: Any, *args: Any, **kwargs: Any) -> Any:
    """The object itself: it runs as Python."""
    return obj


def trace(func: Any, example_inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
    """The function or module itself: it runs as Python."""
    return func


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """A decorator that changes nothing."""
    return drop if callable(drop) else lambda fn: fn


def unused(fn: Any) -> Any:
    """A decorator that changes nothing."""
    return fn


export = script_if_tracing = unused
Final = Any


def is_scripting() -> bool:
    """False."""
    return False


def is_tracing() -> bool:
    """False."""
    return False


class ScriptModule:
    """Raises NotImplementedError: there is no script form of a module."""

    def __init__(self) -> None:
        raise NotImplementedError("[torch.jit] ScriptModule: there is no script form of a module")


def save(m: Any, f: Any, *args: Any) -> None:
    """Raises NotImplementedError: there is no script form of a module; save its state dict."""
    raise NotImplementedError("[torch.jit] save: there is no script form of a module; save its state_dict()")


def load(f: Any, *args: Any, **kwargs: Any) -> Any:
    """Raises NotImplementedError: there is no script form of a module."""
    raise NotImplementedError("[torch.jit] load: there is no script form of a module")
