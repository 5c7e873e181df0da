"""Reading data files by their suffix, and the way to add another format.

>>> import corten.data as data, numpy as np, pathlib, tempfile
>>> def read_pgm(path):
...     with data.open_input(path) as file:
...         kind, width, height, white = file.readline().split()
...         return np.frombuffer(file.read(), np.uint8).reshape(int(height), int(width))
>>> data.register_format("pgm", [".pgm"], read_pgm)
>>> path = pathlib.Path(tempfile.mkdtemp(), "x.pgm")
>>> n = path.write_bytes(b"P5 2 1 255\\n" + bytes([0, 255]))
>>> data.read(path).tolist()
[[0, 255]]
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import corten

from .dataset import Dataset, IterableDataset
from .delimited import from_arrow, read_csv
from .files import needs, open_input, suffix_of
from .idx import read_idx
from .table import Table
from .workers import get_worker_info

_FORMATS: dict[str, tuple[str, Callable[..., Any]]] = {}  # suffix -> (name, reader)


def register_format(name: str, suffixes: Sequence[str], reader: Callable[..., Any]) -> None:
    """Have :func:`read` read files of another format.

    Parameters
    ----------
    name : str
    suffixes : sequence of str
        With their dot, in lower case; one that is known already gets the new reader.
    reader : callable
        From a path (or an address, see :func:`open_input`) and options to what is read: a :class:`Table`, a tensor, a
        data set. It raises ValueError for a damaged file.
    """
    for suffix in suffixes:
        if not suffix.startswith(".") or suffix != suffix.lower():
            raise ValueError(f"[register_format] suffix {suffix!r}, expected a dot and lower case")
        _FORMATS[suffix] = (name, reader)


def read(path: str | os.PathLike[str], **options: Any) -> Any:
    """Read a data file; its suffix says how.

    ========================= =====================================================
    ``.csv .tsv .tab``        :func:`read_csv`: a :class:`Table`
    ``.parquet``              :func:`read_parquet`: a :class:`Table`
    ``.jsonl .ndjson``        :func:`read_jsonl`: a list of dicts
    ``.npy .npz``             :func:`read_npy`: a tensor, or a dict of them
    ``.txt``                  :func:`read_lines`: a list of str
    ``.png .jpg .jpeg ...``   :func:`read_image`: a tensor (C, H, W), uint8
    ``.idx``                  :func:`read_idx`: an array
    ``.safetensors``          ``corten.load``
    ========================= =====================================================

    Parameters
    ----------
    path : path-like or str
        Local, or an address that fsspec knows; ``.gz``, ``.bz2`` and ``.xz`` behind the suffix are unpacked.
    **options
        The reader's.

    Raises
    ------
    ValueError
        When the suffix is not known or the file is damaged.
    OSError
        When it cannot be read.
    """
    suffix = suffix_of(path)
    if suffix not in _FORMATS:
        raise ValueError(f"[read] {os.fspath(path)}: suffix {suffix!r} is not known, expected one of "
                         f"{' '.join(sorted(_FORMATS))}")  # fmt: skip
    return _FORMATS[suffix][1](path, **options)


def read_npy(path: Any, *, names: Sequence[str] | None = None) -> Any:
    """Read an ``.npy`` array as a tensor, or the arrays of an ``.npz`` as a dict of tensors.

    Nothing is unpickled.

    Parameters
    ----------
    path : path-like or str
    names : sequence of str, optional
        Of an ``.npz``, these arrays alone.

    Raises
    ------
    ValueError
        When the file is damaged, holds objects, or lacks a name.
    """
    label = os.fspath(path)
    with open_input(path) as file:
        try:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return _tensor(loaded)
            with loaded:
                absent = [name for name in names or () if name not in loaded]
                if absent:
                    raise ValueError(f"has no array {absent[0]!r}; it has {', '.join(loaded.files)}")
                return {name: _tensor(loaded[name]) for name in names or loaded.files}
        except (ValueError, EOFError, zipfile.BadZipFile, SyntaxError, TypeError, KeyError) as error:
            raise ValueError(f"[read_npy] {label}: {error}") from error


def _tensor(array: np.ndarray[Any, Any]) -> Any:
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return corten.from_numpy(
        array if array.flags.writeable and array.flags.c_contiguous else np.array(array, order="C")
    )


def read_lines(path: Any, *, encoding: str = "utf-8-sig") -> list[str]:
    """Read a text file as a list of its lines, without the line ends.

    Raises
    ------
    ValueError
        When it is not text in this encoding.
    """
    return list(_lines(path, encoding))


def _lines(path: Any, encoding: str) -> Iterator[str]:
    number = 0
    with open_input(path) as file:
        for number, line in enumerate(file, 1):
            try:
                yield line.decode(encoding if number == 1 else encoding.removesuffix("-sig")).rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"[read_lines] {os.fspath(path)}: line {number} is not {encoding} ({error.reason})"
                ) from error


def read_jsonl(path: Any) -> list[Any]:
    """Read a file with a JSON value on each line; empty lines are skipped.

    Raises
    ------
    ValueError
        Naming the line that is not JSON.
    """
    return list(_json_lines(path))


def _json_lines(path: Any) -> Iterator[Any]:
    for number, line in enumerate(_lines(path, "utf-8-sig"), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"[read_jsonl] {os.fspath(path)}: line {number} is not JSON ({error})") from error


def read_parquet(path: Any, *, columns: Sequence[str] | None = None) -> Table:
    """Read a Parquet file into a :class:`Table`.

    Raises
    ------
    ValueError
        When it is damaged, lacks a column, or a column is neither numbers nor texts nor times.
    """
    parquet = needs("pyarrow.parquet", "read_parquet", "data")
    with open_input(path) as file:
        try:
            arrow = parquet.read_table(file, columns=list(columns) if columns is not None else None)
        except (ValueError, OSError) as error:
            raise ValueError(f"[read_parquet] {os.fspath(path)}: {error}") from error
    table = from_arrow(arrow, os.fspath(path))
    table.require(columns or (), "read_parquet")
    return table


class Lines(IterableDataset[Any]):
    """The lines of a text or JSONL file as a stream; with several workers each takes every so many lines.

    Parameters
    ----------
    path : path-like or str
        ``.jsonl`` and ``.ndjson`` give the values, everything else the lines.
    transform : callable, optional
        Called with each.
    """

    def __init__(self, path: str | os.PathLike[str], transform: Callable[[Any], Any] | None = None) -> None:
        self.path = path
        self.transform = transform

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        number, of = (0, 1) if info is None else (info.id, info.num_workers)
        values = (
            _json_lines(self.path) if suffix_of(self.path) in (".jsonl", ".ndjson") else _lines(self.path, "utf-8-sig")
        )
        for i, value in enumerate(values):
            if i % of == number:
                yield value if self.transform is None else self.transform(value)


class TableDataset(Dataset[tuple[Any, Any]]):
    """The rows of a table as (features, target) pairs of tensors.

    Parameters
    ----------
    table : Table
    features : sequence of str
        K columns of numbers.
    target : str
        A column of numbers, or a category, whose codes become int64.
    dtype : corten.dtype
        Of the features, and of a target of numbers; float32 when absent.
    """

    def __init__(self, table: Table, features: Sequence[str], target: str, dtype: Any = None) -> None:
        self.features = table.tensor(features, dtype)
        if table.kind(target) == "category":
            self.classes = table[target].names
            self.target = corten.from_numpy(table[target].codes)
        else:
            self.target = table.tensor([target], dtype)

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        return self.features[index], self.target[index]

    def __len__(self) -> int:
        return int(self.features.shape[0])

    def take(self, indices: Any) -> tuple[Any, Any]:
        """As :class:`~corten.data.Dataset` says."""
        return self.features.index_select(0, indices), self.target.index_select(0, indices)


def _load(path: Any) -> Any:
    return corten.load(path)


register_format("csv", [".csv", ".tsv", ".tab"], read_csv)
register_format("parquet", [".parquet"], read_parquet)
register_format("jsonl", [".jsonl", ".ndjson"], read_jsonl)
register_format("numpy", [".npy", ".npz"], read_npy)
register_format("text", [".txt"], read_lines)
register_format("idx", [".idx"], read_idx)
register_format("safetensors", [".safetensors"], _load)
