"""Saving without pickle: tensors as safetensors, everything around them as JSON in the header.

A file written by :func:`save` is a safetensors file whose metadata entry ``corten`` is a JSON document
``{"format": "corten", "version": 1, "root": node}``. A node is a JSON scalar or an object with one key that says what it
is: ``{"tensor": name}``, ``{"list": [...]}``, ``{"tuple": [...]}``, ``{"dict": [[key, value], ...]}``,
``{"float": "nan"}``, ``{"dtype": name}``, ``{"size": [...]}``, ``{"complex": [re, im]}``. Loading runs no code of the file.

A whole network is ``{"network": number, "class": "module:name", "state": {attribute: node}}``, and where it stands again
``{"network": number}``; a function or class among its attributes is ``{"name": "module:name"}``. These are built only
when :func:`load` is told to import what a file names.
"""

from __future__ import annotations

import importlib
import json
import math
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from corten._core import core
from corten.atomic import atomic_write
from corten.nn.parameter import Parameter, Shapeless
from corten.tensor import Tensor

VERSION = 1
#: names of safetensors for dtypes; bool last, so that both ways are a table
NAMES = {"float32": "F32", "float64": "F64", "float16": "F16", "bfloat16": "BF16", "int8": "I8", "int16": "I16",
         "int32": "I32", "int64": "I64", "uint8": "U8", "bool": "BOOL"}  # fmt: skip
DTYPES = {v: k for k, v in NAMES.items()}
MOST_DEPTH = 200


def _named(path: str) -> Any:
    """What ``module:name`` is, or None; the module is imported."""
    module, _, name = path.partition(":")
    try:
        found = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError):
        return None
    return found


class _Writer:
    """Turns an object into a node and a table of tensors."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.names: dict[tuple[Any, ...], str] = {}
        self.networks: dict[int, int] = {}
        self.within = 0  # how many networks are being written

    def node(self, value: Any, depth: int = 0) -> Any:
        if depth > MOST_DEPTH:
            raise ValueError(f"[save] nested deeper than {MOST_DEPTH}: does it contain itself?")
        if value is None or isinstance(value, (bool, str)) or type(value) is int:
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": repr(float(value))}
        if isinstance(value, complex):
            return {"complex": [self.node(value.real), self.node(value.imag)]}
        if isinstance(value, core.TensorBase):
            if isinstance(value, Shapeless):
                raise TypeError("[save] got a parameter whose shape is not known yet; run the network once first")
            made: dict[str, Any] = {"tensor": self.name(value)}
            if value.requires_grad and value.is_leaf:
                made["grad"] = True
            if isinstance(value, Parameter):
                made["parameter"] = True
            return made
        if isinstance(value, core.Size):
            return {"size": list(value)}
        if isinstance(value, core.dtype):
            return {"dtype": value.name}
        if isinstance(value, (list, tuple)):
            return {"tuple" if isinstance(value, tuple) else "list": [self.node(v, depth + 1) for v in value]}
        if isinstance(value, dict):
            return {"dict": [[self.node(k, depth + 1), self.node(v, depth + 1)] for k, v in value.items()]}
        if hasattr(value, "dtype") and hasattr(value, "shape"):  # NumPy
            if value.shape == ():
                return self.node(value.item(), depth + 1)
            return {"array": self.name(core.from_numpy(value))}
        if isinstance(value, core.ModuleBase):
            return self.network(value, depth)
        if self.within:  # what networks have for attributes beside the above
            if isinstance(value, core.device):
                return {"device": str(value)}
            if isinstance(value, (set, frozenset)):
                return {"set": [self.node(v, depth + 1) for v in sorted(value)]}
            path = f"{getattr(value, '__module__', None)}:{getattr(value, '__qualname__', None)}"
            if _named(path) is value:
                return {"name": path}
        if hasattr(value, "state_dict"):
            raise TypeError(f"[save] got a {type(value).__name__}; save its state_dict() instead")
        raise TypeError(f"[save] got {type(value).__name__}, expected tensors, numbers, strings, and lists, tuples and dicts "
                        "of them")  # fmt: skip

    def network(self, value: Any, depth: int) -> Any:
        if id(value) in self.networks:
            return {"network": self.networks[id(value)]}
        number = self.networks[id(value)] = len(self.networks)
        cls = type(value)
        path = f"{cls.__module__}:{cls.__qualname__}"
        if _named(path) is not cls:
            raise TypeError(f"[save] got a network of the class {cls.__qualname__}, which no module has under that name; "
                            "save its state_dict() instead")  # fmt: skip
        state = value.__getstate__()
        for key, held in state.items():
            if key.endswith("_hooks") and held:
                raise TypeError(f"[save] got a {cls.__name__} with hooks, which cannot be saved; save its state_dict() instead")
        self.within += 1
        try:
            nodes = {key: self.node(held, depth + 1) for key, held in state.items()}
        except TypeError as error:
            if str(error).startswith("[save] got a "):
                raise
            raise TypeError(f"[save] got a {cls.__name__} whose attributes cannot all be saved ({error}); save its "
                            "state_dict() instead") from None  # fmt: skip
        finally:
            self.within -= 1
        return {"network": number, "class": path, "state": nodes}

    def name(self, t: Any) -> str:
        if t.dtype.name not in NAMES:
            raise TypeError(f"[save] tensors of {t.dtype} cannot be saved")
        key = (t.data_ptr(), tuple(t.shape), t.stride(), t.dtype)
        if t.numel() and key in self.names:
            return self.names[key]
        name = f"t{len(self.tensors)}"
        self.tensors[name] = t
        self.names[key] = name
        return name


def _bytes_of(t: Tensor) -> memoryview:
    """The elements as bytes."""
    flat = t.detach().contiguous().reshape(-1)
    if flat.numel() == 0:
        return memoryview(b"")
    return memoryview(flat.view(core._dtype_by_name("uint8")) if flat.element_size() > 1 else flat).cast("B")


def write_safetensors(file: IO[bytes], tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write the format of https://github.com/huggingface/safetensors: length, JSON header, elements."""
    header: dict[str, Any] = {"__metadata__": metadata}
    at = 0
    for name, t in tensors.items():
        header[name] = {"dtype": NAMES[t.dtype.name], "shape": list(t.shape), "data_offsets": [at, at + t.nbytes]}
        at += t.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little"))
    file.write(text)
    for t in tensors.values():
        file.write(_bytes_of(t))


def save(obj: Any, f: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write tensors, numbers, strings, and lists, tuples and dicts of them, all or nothing.

    Parameters
    ----------
    obj : object
        For a network, best its ``state_dict()``. A whole network is saved by the names of its classes and its attributes;
        :func:`load` builds it again with ``weights_only=False``, where the classes can be imported.
    f : path or binary file

    Raises
    ------
    TypeError
        For an object of another kind: nothing is pickled.
    OSError
        When it cannot be written; a file that was there before is kept.

    Examples
    --------
    >>> import corten, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "x.safetensors")
    >>> corten.save({"x": corten.ones(2), "step": 3}, path)
    >>> corten.load(path)
    {'x': tensor([1., 1.]), 'step': 3}
    """
    writer = _Writer()
    text = json.dumps({"format": "corten", "version": VERSION, "root": writer.node(obj)})
    if hasattr(f, "write"):
        write_safetensors(f, writer.tensors, {"corten": text})  # type: ignore[arg-type]
        return
    with atomic_write(f) as file:  # type: ignore[arg-type]
        write_safetensors(file, writer.tensors, {"corten": text})


def read_safetensors(f: str | os.PathLike[str] | IO[bytes]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file. Raises ValueError when it is damaged: nothing in it is believed unchecked."""
    name = getattr(f, "name", "file") if hasattr(f, "read") else os.fspath(f)  # type: ignore[arg-type]
    if not hasattr(f, "read"):
        with open(f, "rb") as file:  # type: ignore[arg-type]
            return read_safetensors(file)
    file = f  # type: ignore[assignment]
    start = file.tell()
    total = file.seek(0, os.SEEK_END) - start
    file.seek(start)
    length = int.from_bytes(file.read(8), "little")
    if total < 10 or not 2 <= length <= min(total - 8, 100 << 20):
        raise ValueError(f"[load] {name}: not a safetensors file, or truncated ({total} bytes)")
    try:
        header = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        entries: list[Any] = sorted(((*map(int, e["data_offsets"]), str(key), str(e["dtype"]), [int(s) for s in e["shape"]])
                          for key, e in header.items()), key=lambda e: e[:2])  # fmt: skip
        metadata = {str(k): str(v) for k, v in metadata.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"[load] {name}: the header is damaged ({error})") from None
    tensors: dict[str, Tensor] = {}
    at = 0
    for begin, end, key, kind, shape in entries:
        if kind not in DTYPES:
            raise ValueError(f"[load] {name}: tensor {key!r} has dtype {kind}, expected one of {', '.join(DTYPES)}")
        dtype = core._dtype_by_name(DTYPES[kind])
        count = math.prod(shape)
        if begin != at or min(shape, default=0) < 0 or len(shape) > 8 or end - begin != count * dtype.itemsize \
                or end > total - 8 - length or max(shape, default=0) > total:  # fmt: skip
            raise ValueError(f"[load] {name}: tensor {key!r} {kind} {shape} does not lie at bytes {begin} to {end} of "
                             f"{total - 8 - length}")  # fmt: skip
        t = core.empty(shape, dtype=dtype)
        if count:
            if file.readinto(_bytes_of(t)) != end - begin:  # type: ignore[attr-defined]
                raise ValueError(f"[load] {name}: truncated in tensor {key!r}")
            if kind == "BOOL" and int(t.view(core._dtype_by_name("uint8")).amax().item()) > 1:
                raise ValueError(f"[load] {name}: tensor {key!r} is bool and has a byte above 1")
        tensors[key] = t
        at = end
    if at != total - 8 - length:
        raise ValueError(f"[load] {name}: {total - 8 - length - at} bytes too many")
    return tensors, metadata


_safe: list[Any] = []


def add_safe_globals(safe_globals: Sequence[Any]) -> None:
    """Let :func:`load` build networks of these classes (and with these functions) from now on, whatever ``weights_only``."""
    _safe.extend(safe_globals)


def get_safe_globals() -> list[Any]:
    """What :func:`add_safe_globals` was told."""
    return list(_safe)


def clear_safe_globals() -> None:
    """Forget what :func:`add_safe_globals` was told."""
    _safe.clear()


@contextmanager
def safe_globals(safe_globals: Sequence[Any]) -> Iterator[None]:
    """:func:`add_safe_globals` within a block."""
    before = get_safe_globals()
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _safe[:] = before


class NetworkError(RuntimeError):
    """A file holds a whole network, which is not to be built, or cannot be."""


class _Reader:
    """Turns a node and the tensors back into an object."""

    def __init__(self, tensors: dict[str, Tensor], trusted: bool) -> None:
        self.tensors, self.trusted = tensors, trusted
        self.parameters: dict[str, Any] = {}
        self.networks: dict[int, Any] = {}

    def build(self, node: Any, depth: int = 0) -> Any:
        if depth > MOST_DEPTH:
            raise ValueError("nested too deeply")
        if not isinstance(node, dict):
            if isinstance(node, list):
                raise ValueError("a bare list")
            return node
        kind = next(iter(node))
        value = node[kind]
        if kind == "tensor":
            return self.tensor(value, bool(node.get("grad")), bool(node.get("parameter")))
        if kind == "array":
            return self.tensors[value].numpy()
        if kind in ("list", "tuple", "set"):
            items = [self.build(v, depth + 1) for v in value]
            return items if kind == "list" else tuple(items) if kind == "tuple" else set(items)
        if kind == "dict":
            return {self.build(k, depth + 1): self.build(v, depth + 1) for k, v in value}
        if kind == "float":
            return float(value)
        if kind == "size":
            return core.Size(int(v) for v in value)
        if kind == "dtype":
            return core._dtype_by_name(value)
        if kind == "device":
            return core.device(value)
        if kind == "complex":
            return complex(*(self.build(v) for v in value))
        if kind == "network":
            return self.network(value, node, depth)
        if kind == "name":
            return self.named(value)
        raise ValueError(f"unknown kind {kind!r}")

    def tensor(self, name: str, grad: bool, parameter: bool) -> Any:
        if parameter:
            if name not in self.parameters:
                self.parameters[name] = Parameter(self.tensors[name], requires_grad=grad)
            return self.parameters[name]
        return self.tensors[name].requires_grad_(True) if grad else self.tensors[name]

    def named(self, path: str) -> Any:
        if not self.trusted:
            for one in _safe:
                if path == f"{one.__module__}:{one.__qualname__}":
                    return one
            raise NetworkError(f"a whole network is in it, of {path}; weights_only=False imports what it names and builds it, "
                               "add_safe_globals([...]) allows single classes")  # fmt: skip
        found = _named(path)
        if found is None:
            raise NetworkError(f"there is no {path} here: define or import it first")
        return found

    def network(self, number: int, node: dict[str, Any], depth: int) -> Any:
        made: Any
        if number in self.networks:
            return self.networks[number]
        cls = self.named(node["class"])
        if not (isinstance(cls, type) and issubclass(cls, core.ModuleBase)):
            raise NetworkError(f"{node['class']} is no class of networks")
        made = self.networks[number] = cls.__new__(cls)  # type: ignore[call-overload]
        made.__setstate__({key: self.build(held, depth + 1) for key, held in node["state"].items()})
        return made


def load(f: str | os.PathLike[str] | IO[bytes], map_location: Any = None, *, weights_only: bool = True,
         mmap: bool | None = None) -> Any:  # fmt: skip
    """Read what :func:`save` wrote; a plain safetensors file as a dict of tensors; an estimator of ``corten.learn``.

    Parameters
    ----------
    f : path or binary file
    map_location : device, optional
        ``'cpu'``.
    weights_only : bool
        False lets a file hold a whole network: the modules that it names are imported, so trust the file.

    Raises
    ------
    ValueError
        When the file is damaged, of another format, or of a later version.
    RuntimeError
        When it holds a whole network and ``weights_only``, or a class of it is not here.
    OSError
        When it cannot be read.
    """
    if map_location is not None and not callable(map_location) and not isinstance(map_location, dict):
        core.device(map_location)
    if not hasattr(f, "read") and Path(f).is_dir():  # type: ignore[arg-type]
        raise IsADirectoryError(f"[load] {os.fspath(f)} is a folder")  # type: ignore[arg-type]
    tensors, metadata = read_safetensors(f)
    name = getattr(f, "name", "file") if hasattr(f, "read") else os.fspath(f)  # type: ignore[arg-type]
    if metadata.get("format") == "corten.learn":
        from corten import learn

        return learn.load(f)
    if "corten" not in metadata:
        return OrderedDict(tensors)
    try:
        document = json.loads(metadata["corten"])
        found = (document["format"], document["version"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"[load] {name}: the description in the header is damaged") from None
    if found != ("corten", VERSION):
        raise ValueError(f"[load] {name}: got format {found[0]!r} version {found[1]}, expected 'corten' version {VERSION}")
    try:
        return _Reader(tensors, trusted=not weights_only).build(document["root"])
    except NetworkError as error:
        raise RuntimeError(f"[load] {name}: {error}") from None
    except (ValueError, KeyError, TypeError, StopIteration, AttributeError, IndexError, OverflowError, RuntimeError) as error:
        raise ValueError(f"[load] {name}: the description in the header is damaged ({error})") from None
