"""Parameters of PyTorch's functions, methods and constructors beside Corten's: names and defaults.

PyTorch's come from Python signatures and, for what is compiled, from the first lines of the docstrings, every overload that they
show. A name must be accepted as a keyword (by position where PyTorch's parameter has no name of its own).
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from typing import Any

from corten._core import core
from corten.ops.declare import FUNCTIONS
from corten.ops.later import PUBLISHED
from corten.tensor import Tensor

REQUIRED = object()
#: parameters that mean nothing on one kind of device and memory
IGNORED = {"self", "from", "out_dtype", "orig_func", "layout", "pin_memory", "memory_format", "names", "cls", "is_coalesced",
           "non_blocking", "async"}  # fmt: skip

Parameters = dict[str, Any]


def documented(value: Any, name: str) -> list[Parameters]:
    """The overloads that a docstring begins with."""
    text = inspect.getdoc(value) or ""
    found = []
    for match in re.finditer(rf"^(?:\.\. function:: )?\s*(?:torch\.)?(?:[\w.]*\.)?{re.escape(name)}\(", text, re.M):
        at, depth, inside = match.end(), 1, ""
        while at < len(text) and depth:
            depth += (text[at] in "([{") - (text[at] in ")]}")
            inside += text[at] if depth else ""
            at += 1
        rest = text[at : at + 20]
        if "->" not in rest and found == [] and text[: match.start()].strip() and not text.startswith(".. function"):
            continue  # an example, not a signature
        if "->" in rest or match.start() < 3:
            found.append(parse(inside))
    return [f for f in found if f is not None]


def parse(inside: str) -> Parameters | None:
    """Names and defaults of a parameter list as text."""
    parts, depth, part = [], 0, ""
    for c in inside.replace("\n", " ") + ",":
        if c == "," and depth == 0:
            parts.append(part.strip())
            part = ""
            continue
        depth += (c in "([{<") - (c in ")]}>")
        part += c
    out: Parameters = {}
    for text in parts:
        text = re.sub(r"^(?:[A-Z][\w.\[\], ]*|int|float|bool)\s+(?=\w+(?:\s*=|$))", "", text)
        label, _, default = text.partition("=")
        label = label.partition(":")[0].strip()
        if not label or label in ("*", "/", "..."):
            continue
        if label.startswith("*"):
            out[label] = REQUIRED
            continue
        if not re.fullmatch(r"\w+", label):
            return None
        out[label] = literal(default.strip()) if default else REQUIRED
    return out


class Unknown:
    """A default that is no literal."""


def literal(text: str) -> Any:
    """A default's value."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"inf": float("inf"), "-inf": float("-inf")}.get(text.replace("torch.", "").replace("math.", ""), Unknown)


def signature(value: Any) -> Parameters | None:
    """Parameters of a Python callable."""
    try:
        found = inspect.signature(value)
    except (ValueError, TypeError):
        return None
    out: Parameters = {}
    for p in found.parameters.values():
        label = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "") + p.name
        out[label] = REQUIRED if p.default is p.empty else p.default
    return out


def theirs(value: Any, name: str) -> list[Parameters]:
    """PyTorch's overloads; empty when nothing says them."""
    if inspect.isclass(value):
        found = signature(value.__init__) if "__init__" in vars(value) or not _has_new(value) else signature(value)
        return [] if found is None or set(found) <= {"self", "*args", "**kwargs"} else [found]
    shown = documented(value, name)
    if shown and not (inspect.isfunction(value) and set(shown[0]) < {"self"}):
        python = signature(value) if inspect.isfunction(value) else None
        if python is not None and not any(label.startswith("*") for label in python):
            return [python]
        return shown
    found = signature(value)
    return [] if found is None or any(label.startswith("*") for label in found) else [found]


def _has_new(value: Any) -> bool:
    return any("__new__" in vars(c) for c in value.__mro__[:-1])


def ours(value: Any) -> tuple[Parameters, bool] | None:
    """What a callable of Corten takes, and whether also any keyword."""
    name = getattr(value, "__name__", "")
    if (getattr(value, "__doc__", None) or "").startswith("See ``corten.ops."):  # a stand-in for what is imported late
        for module in PUBLISHED:
            importlib.import_module(f"corten.ops.{module}")
        value = FUNCTIONS.get(name) or getattr(Tensor, name)
    if isinstance(value, core.Op):
        inside = value.signature.partition("(")[2].rpartition("->")[0]
        text = re.sub(r":\s*([\w?]+)", lambda m: "=None" if "?" in m.group(1) else "", inside)
        found = parse(text.strip()[:-1].replace("*dim", "dim").replace("*dims", "dims")) or {}
        if value.__name__ == value.name:
            found["out"] = None
        for alias, key in {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other",
                           "self": "input", "axis0": "dim0", "axis1": "dim1"}.items():  # fmt: skip
            if key in found and alias not in found:
                found[alias] = found[key]
        return found, False
    found: Any = signature(value.__init__ if inspect.isclass(value) and "__init__" in vars(value) else value)
    if found is None:
        return None
    inner = value
    while inner is not None:
        for label, default in (getattr(inner, "__kwdefaults__", None) or {}).items():
            found.setdefault(label, default)  # what a wrapper adds
        inner = getattr(inner, "__wrapped__", None)
    return found, any(label.startswith("**") for label in found)


def same(a: Any, b: Any) -> bool:
    """Whether two defaults mean the same."""
    if a is Unknown or b is Unknown:
        return True
    if a is b or repr(a) == repr(b):
        return True
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if {repr(a), repr(b)} in ({"None", "-1"}, {"None", "()"}, {"None", "'cpu'"}):
        return True  # two ways to say the last dimension, all of them, the one device
    if callable(b) and getattr(b, "__name__", "") == a:
        return True
    try:
        return bool(a == b)
    except Exception:
        return False


def differences(peer: Any, own: Any, name: str, method: bool) -> str | None:
    """What differs; '' for nothing, None when one side does not say what it takes."""
    overloads, known = theirs(peer, name), ours(own)
    if not overloads or known is None:
        return None
    taken, open_ended = known
    if open_ended and inspect.isclass(own):
        return probed(own, overloads[0])
    varied = [label for label in taken if label.startswith("*") and not label.startswith("**")]
    said = []
    first = next(iter(taken), None)
    for overload in overloads:
        for k, (label, default) in enumerate(overload.items()):
            if label in IGNORED or label.startswith(("*", "_")):
                continue
            if label not in taken:
                if varied and default is REQUIRED:
                    continue
                if method and default is REQUIRED and k + 1 < len(taken):
                    continue  # docstrings of methods name what goes by position as they like
                if k == 0 and not method and default is REQUIRED and first is not None:
                    said.append(f"`{first}` for `{label}`")
                    continue
                said.append(f"no `{label}`")
            elif default is not REQUIRED and not same(default, taken[label]):
                if any(later is REQUIRED for later in list(overload.values())[k:]):
                    continue  # documented as a default before what is needed: an overload in itself
                if taken[label] is REQUIRED:
                    said.append(f"`{label}` has no default")
                elif len(overloads) == 1:
                    said.append(f"`{label}={shown(taken[label])}` for `{shown(default)}`")
    return ", ".join(dict.fromkeys(said))


#: what constructors need before anything else, for trying the rest
SAMPLES = {"kernel_size": 2, "num_features": 2, "in_channels": 2, "out_channels": 2, "in_features": 2, "out_features": 2,
           "output_size": 2, "num_parameters": 1, "threshold": 0.1, "value": 0.1, "norm_type": 2.0, "num_groups": 1, "num_channels": 2,
           "input_size": 2, "hidden_size": 2, "upscale_factor": 2, "downscale_factor": 2, "bias": True}  # fmt: skip


def probed(own: Any, overload: Parameters) -> str:
    """Which keywords a constructor that takes any refuses, each tried with PyTorch's default."""
    from corten.nn import Parameter

    samples = {**SAMPLES, "params": [Parameter(core.zeros(2))]}
    needed = {k: samples[k] for k, default in overload.items() if default is REQUIRED and k in samples}
    said = []
    for label, default in overload.items():
        if label in IGNORED or label in needed or label.startswith(("*", "_")) or default is Unknown or default is REQUIRED:
            continue
        try:
            own(**needed, **{label: default})
        except (TypeError, NotImplementedError) as error:
            if label in str(error) or "argument" in str(error):
                said.append(f"no `{label}`")
        except Exception:  # noqa: S112  (the keyword is known; its value does not fit the sample)
            continue
    return ", ".join(said)


def shown(default: Any) -> str:
    """A default as text."""
    text = getattr(default, "__name__", None) or repr(default)
    return text if len(text) < 30 else "..."
