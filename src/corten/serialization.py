"""Saving without pickle: tensors as safetensors, everything around them as JSON in the header.

A file written by :func:`save` is a safetensors file whose metadata entry ``corten`` is a JSON document
``{"format": "corten", "version": 1, "root": node}``. A node is a JSON scalar or an object with one key that says what it
is: ``{"tensor": name}``, ``{"list": [...]}``, ``{"tuple": [...]}``, ``{"dict": [[key, value], ...]}``,
``{"float": "nan"}``, ``{"dtype": name}``, ``{"size": [...]}``, ``{"complex": [re, im]}``. Loading runs no code of the file.
"""

from __future__ import annotations

import json
import math
import os
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any

from corten._core import core
from corten.atomic import atomic_write
from corten.tensor import Tensor

VERSION = 1
#: names of safetensors for dtypes; bool last, so that both ways are a table
NAMES = {"float32": "F32", "float64": "F64", "float16": "F16", "bfloat16": "BF16", "int8": "I8", "int16": "I16",
         "int32": "I32", "int64": "I64", "uint8": "U8", "bool": "BOOL"}  # fmt: skip
DTYPES = {v: k for k, v in NAMES.items()}
MOST_DEPTH = 200


class _Writer:
    """Turns an object into a node and a table of tensors."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.names: dict[tuple[Any, ...], str] = {}

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
            return {"tensor": self.name(value), "grad": True} if value.requires_grad and value.is_leaf else {
                "tensor": self.name(value)}  # fmt: skip
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
        if hasattr(value, "state_dict"):
            raise TypeError(f"[save] got a {type(value).__name__}; save its state_dict() instead")
        raise TypeError(f"[save] got {type(value).__name__}, expected tensors, numbers, strings, and lists, tuples and dicts "
                        "of them")  # fmt: skip

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
        For a network, its ``state_dict()``.
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


def _rebuild(node: Any, tensors: dict[str, Tensor], depth: int = 0) -> Any:
    if depth > MOST_DEPTH:
        raise ValueError("nested too deeply")
    if not isinstance(node, dict):
        if isinstance(node, list):
            raise ValueError("a bare list")
        return node
    kind = next(iter(node))
    value = node[kind]
    if kind == "tensor":
        return tensors[value].requires_grad_(True) if node.get("grad") else tensors[value]
    if kind == "array":
        return tensors[value].numpy()
    if kind in ("list", "tuple"):
        items = [_rebuild(v, tensors, depth + 1) for v in value]
        return items if kind == "list" else tuple(items)
    if kind == "dict":
        return {_rebuild(k, tensors, depth + 1): _rebuild(v, tensors, depth + 1) for k, v in value}
    if kind == "float":
        return float(value)
    if kind == "size":
        return core.Size(int(v) for v in value)
    if kind == "dtype":
        return core._dtype_by_name(value)
    if kind == "complex":
        return complex(*(_rebuild(v, tensors) for v in value))
    raise ValueError(f"unknown kind {kind!r}")


def load(f: str | os.PathLike[str] | IO[bytes], map_location: Any = None, *, weights_only: bool = True,
         mmap: bool | None = None) -> Any:  # fmt: skip
    """Read what :func:`save` wrote; a plain safetensors file as a dict of tensors; an estimator of ``corten.learn``.

    Parameters
    ----------
    f : path or binary file
    map_location : device, optional
        ``'cpu'``.

    Raises
    ------
    ValueError
        When the file is damaged, of another format, or of a later version.
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
        return _rebuild(document["root"], tensors)
    except (ValueError, KeyError, TypeError, StopIteration, AttributeError, IndexError, OverflowError, RuntimeError) as error:
        raise ValueError(f"[load] {name}: the description in the header is damaged ({error})") from None
