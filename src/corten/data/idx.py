"""The idx format of the MNIST files, plain or gzip-compressed.

A file is ``00 00 type ndim``, then ``ndim`` big-endian uint32 sizes, then the numbers, big-endian, last index fastest
(Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", 1998).
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from corten.atomic import atomic_write

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_DIM = 8
_DEFLATE_RATIO = 1032  # no deflate stream expands more than this
_FIRST_BLOCK = 64 << 20
_PIECE = 1 << 20


def read_idx(path: str | os.PathLike[str]) -> np.ndarray[Any, Any]:
    """Read an idx file, gzip-compressed or not, into an array.

    Memory is never taken on the word of a header: a plain file must have the length that its header says, and a
    compressed one is unpacked into a buffer that grows with the data that really comes.

    Parameters
    ----------
    path : path-like
        Compression is told from the content, not from the name.

    Returns
    -------
    numpy.ndarray
        In this machine's byte order, writable.

    Raises
    ------
    ValueError
        When the file is not idx, or is truncated, damaged or longer than its header says.
    OSError
        When it cannot be read.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "x.idx")
    >>> write_idx(path, np.arange(6, dtype=np.uint8).reshape(2, 3))
    >>> read_idx(path).shape
    (2, 3)
    """
    name = os.fspath(path)
    length = os.path.getsize(path)
    with open(path, "rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not compressed:
            dtype, shape, expected = _header(raw, name)
            rest = length - raw.tell()
            if rest != expected:
                raise ValueError(_length_message(name, shape, dtype, expected, rest))
            return _to_array(bytearray(raw.read(expected)), dtype, shape)
        try:
            with gzip.GzipFile(fileobj=raw) as file:
                dtype, shape, expected = _header(file, name)
                if expected > _DEFLATE_RATIO * length:
                    raise ValueError(
                        f"[read_idx] {name}: the header promises {expected} bytes of data, more than {length} bytes of"
                        " gzip can hold"
                    )
                return _to_array(_unpack(file, name, dtype, shape, expected), dtype, shape)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"[read_idx] {name}: the gzip data is damaged or truncated ({error})") from error


def _header(file: IO[bytes] | gzip.GzipFile, name: str) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    magic = file.read(4)
    if len(magic) < 4:
        raise ValueError(f"[read_idx] {name}: truncated, {len(magic)} bytes, expected a header of at least 8")
    if magic[0] or magic[1] or magic[2] not in _TYPES:
        raise ValueError(f"[read_idx] {name}: magic {magic.hex(' ')}, expected 00 00, a type of "
                         f"{', '.join(f'{t:02x}' for t in _TYPES)}, and the number of dimensions")  # fmt: skip
    if not 1 <= magic[3] <= _MAX_DIM:
        raise ValueError(f"[read_idx] {name}: {magic[3]} dimensions, expected 1 to {_MAX_DIM}")
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise ValueError(f"[read_idx] {name}: truncated in the header")
    shape = struct.unpack(f">{magic[3]}I", sizes)
    dtype = np.dtype(_TYPES[magic[2]])
    return dtype, shape, math.prod(shape) * dtype.itemsize


def _unpack(file: gzip.GzipFile, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], expected: int) -> bytearray:
    data = bytearray(min(expected, _FIRST_BLOCK))
    filled = 0
    while filled < expected:
        if filled == len(data):
            data.extend(bytes(min(len(data), expected - filled)))
        with memoryview(data) as view:
            got = file.readinto(view[filled : min(filled + _PIECE, len(data))])
        if not got:
            raise ValueError(_length_message(name, shape, dtype, expected, filled))
        filled += got
    if file.read(1):  # also reads to the end, where the checksum is
        raise ValueError(f"[read_idx] {name}: more data than the {expected} bytes that the header {shape} says")
    return data


def _length_message(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], expected: int, got: int) -> str:
    what = "truncated" if got < expected else "too long"
    return f"[read_idx] {name}: {what}, {got} bytes of data, expected {expected} for shape {shape} of {dtype.name}"


def _to_array(data: bytearray, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    try:
        array = np.frombuffer(data, dtype=dtype).reshape(shape)
    except ValueError as error:  # an empty array whose other sizes overflow
        raise ValueError(f"[read_idx] shape {shape} is not possible ({error})") from error
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def write_idx(path: str | os.PathLike[str], array: np.ndarray[Any, Any]) -> None:
    """Write an array as an idx file, gzip-compressed when the name ends in ``.gz``.

    Parameters
    ----------
    path : path-like
        Replaced at once when it exists.
    array : numpy.ndarray
        uint8, int8, int16, int32, float32 or float64, of 1 to 8 dimensions.

    Raises
    ------
    ValueError
        For another dtype or number of dimensions.
    """
    array = np.asarray(array)
    code = next((c for c, t in _TYPES.items() if np.dtype(t) == array.dtype.newbyteorder(">")), None)
    if code is None:
        raise ValueError(f"[write_idx] dtype {array.dtype}, expected uint8, int8, int16, int32, float32 or float64")
    if not 1 <= array.ndim <= _MAX_DIM:
        raise ValueError(f"[write_idx] {array.ndim} dimensions, expected 1 to {_MAX_DIM}")
    content = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    content += array.astype(_TYPES[code]).tobytes()
    if Path(path).suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    with atomic_write(path) as file:
        file.write(content)
