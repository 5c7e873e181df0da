"""Opening files: local or remote, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import os
from pathlib import Path
from typing import IO, Any

_COMPRESSED = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def needs(module: str, what: str, extra: str) -> Any:
    """An optional library, or an ImportError that says how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f"[{what}] needs {package}: pip install 'corten[{extra}]'") from error


def is_remote(path: str | os.PathLike[str]) -> bool:
    """True for an address such as ``s3://bucket/x.csv``, which fsspec opens."""
    return "://" in os.fspath(path)


def suffix_of(path: str | os.PathLike[str]) -> str:
    """The suffix in lower case, without that of the compression: ``'.csv'`` for ``x.CSV.gz``."""
    suffixes = [s.lower() for s in Path(os.fspath(path).split("?")[0]).suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def open_input(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open a file for reading bytes.

    Parameters
    ----------
    path : path-like or str
        A local path, or an address that fsspec knows, such as ``s3://...``, ``https://...`` or ``memory://...``. What
        ends in ``.gz``, ``.bz2`` or ``.xz`` is unpacked on the way.

    Raises
    ------
    OSError
        When it cannot be opened; FileNotFoundError when it is not there.
    ImportError
        When an address is given and fsspec is not installed.
    """
    name = os.fspath(path)
    if is_remote(name):
        try:
            return needs("fsspec", "open_input", "data").open(name, "rb", compression="infer").open()  # type: ignore[no-any-return]
        except ValueError as error:  # fsspec's word for an unknown protocol
            raise OSError(f"[open_input] {name}: {error}") from error
    unpack: Any = _COMPRESSED.get(Path(name).suffix.lower(), open)
    return unpack(name, "rb")  # type: ignore[no-any-return]
