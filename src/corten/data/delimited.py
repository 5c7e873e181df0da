"""CSV and TSV files: typed columns, missing values, categories, and files larger than memory.

Numbers are parsed by a native kernel on all cores. Texts, times, quoted fields and streams are left to pyarrow, whose
errors become ones that name file, line and column.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import lzma
import mmap
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import _csv  # type: ignore[attr-defined]
from .dataset import IterableDataset
from .files import needs, open_input, suffix_of
from .table import Category, Table
from .workers import get_worker_info

#: texts that stand for a missing value unless ``missing`` says otherwise
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "#N/A", "-nan", "-NaN")
_TYPES = {
    "float": "float64",
    "float32": "float32",
    "float64": "float64",
    "int": "int64",
    "int64": "int64",
    "int32": "int32",
    "bool": "bool_",
    "category": "string",
    "str": "string",
}
_NUMPY = {"float": np.float64, "float64": np.float64, "float32": np.float32, "int": np.int64, "int64": np.int64,
          "int32": np.int32}  # fmt: skip
_CHUNK = 1 << 24
_BLOCK = 1 << 20


def read_csv(
    path: Any,
    *,
    delimiter: str | None = None,
    columns: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    dtypes: Mapping[str, str] | None = None,
    missing: Sequence[str] = MISSING,
) -> Table:
    """Read a CSV or TSV file into a table.

    Types are found from the whole file: int64, else float64, bool (``true``/``false``), a time (ISO 8601), else a
    category. Quotes, a byte order mark and either kind of line end are understood.

    Parameters
    ----------
    path : path-like, str or binary file
        Also an address for fsspec, also compressed: see :func:`corten.data.open_input`.
    delimiter : str, optional
        One character; by default a tab for ``.tsv`` and ``.tab``, else a comma.
    columns : sequence of str, optional
        Read these alone, in this order.
    names : sequence of str, optional
        The names of the columns, for a file without a header line.
    dtypes : mapping of str to str, optional
        ``'float'``, ``'int'``, ``'bool'``, ``'category'``, ``'float32'``, ``'int32'`` for some columns.
    missing : sequence of str
        Texts that mean that there is no value.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        When a row has too few or too many fields, a value is not of the type that ``dtypes`` says, a column is absent,
        a name comes twice, or the file is empty.
    OSError
        When it cannot be read.

    Examples
    --------
    >>> import io
    >>> table = read_csv(io.BytesIO(b"hour,season\\n8,spring\\n17,\\n"))
    >>> table["hour"].tolist(), table["season"].tolist()
    ([8, 17], ['spring', None])
    """
    label = getattr(path, "name", "the file") if hasattr(path, "read") else os.fspath(path)
    delimiter = _delimiter(path, delimiter)
    for name, kind in (dtypes or {}).items():
        if kind not in _TYPES:
            raise ValueError(f"[read_csv] dtype {kind!r} for column {name!r}, expected one of {', '.join(_TYPES)}")
    with _content(path, label) as data:
        if data.find(b'"', 0 if names is not None else data.find(b"\n") + 1) >= 0:
            return _by_pyarrow(data, label, delimiter, columns, names, dtypes, missing)
        return _by_kernel(data, label, delimiter, columns, names, dict(dtypes or {}), missing)


@contextmanager
def _content(path: Any, label: str) -> Iterator[Any]:
    """The bytes of a file: mapped where it is local and plain, else in memory."""
    file = path if hasattr(path, "read") else open_input(path)
    try:
        if isinstance(file, io.BufferedReader) and os.fstat(file.fileno()).st_size and file is not path:
            # not closed here: an error's traceback may hold a part of it; the last reference closes it
            yield mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return
        content = file.read()
        if not content:
            raise ValueError(f"[read_csv] {label}: the file is empty")
        yield content
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise ValueError(f"[read_csv] {label}: the compressed data is damaged ({error})") from error
    finally:
        if file is not path:
            file.close()


def _delimiter(path: Any, given: str | None) -> str:
    if given is None:
        return "\t" if not hasattr(path, "read") and suffix_of(path) in (".tsv", ".tab") else ","
    if len(given) != 1 or given.isalnum() or given in '+-."\r\n' or not given.isascii():
        raise ValueError(f"[read_csv] delimiter is {given!r}, expected one character that no number has")
    return given


def _by_kernel(
    data: Any, label: str, delimiter: str, columns: Any, names: Any, dtypes: dict[str, str], missing: Sequence[str]
) -> Table:  # fmt: skip
    """Numbers by the native parser, the other columns by pyarrow."""
    start = 3 if data[:3] == codecs.BOM_UTF8 else 0
    if names is None:
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        try:
            found = next(csv.reader([data[start:end].rstrip(b"\r").decode()], delimiter=delimiter), [""])
        except UnicodeDecodeError as error:
            raise ValueError(f"[read_csv] {label}: the header is not UTF-8 ({error.reason})") from error
        start = end + 1
    else:
        found = list(names)
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise ValueError(f"[read_csv] {label}: the column {twice[0]!r} comes twice")
    chosen = list(found if columns is None else columns)
    absent = [name for name in [*chosen, *dtypes] if name not in found]
    if absent:
        raise ValueError(f"[read_csv] {label}: lacks the column {absent[0]!r}; it has {', '.join(found)}")
    numeric = [name in chosen and dtypes.get(name) not in ("bool", "category", "str") for name in found]
    try:
        rows, values, flags = _csv.parse(
            data, start, bytearray(numeric), delimiter.encode(), [m.encode() for m in missing]
        )
    except _csv.RowLengthError as error:
        line = error.args[0] + (2 if names is None else 1)
        raise ValueError(f"[read_csv] {label}: line {line} has {error.args[1]} fields, expected {len(found)}") from None
    if rows == 0:
        return Table({name: np.zeros(0, _NUMPY.get(dtypes.get(name, "float"), np.float64)) for name in chosen})
    done: dict[str, Any] = {}
    for name, array, flag in zip(found, values, flags.tolist(), strict=True):
        if array is None:
            continue
        kind = dtypes.get(name)
        if kind is not None and (
            flag & _csv.TEXT or (kind.startswith("int") and flag & (_csv.FRACTION | _csv.MISSING))
        ):
            raise ValueError(f"[read_csv] {label}: {_first_bad(data, start, delimiter, found, name, kind, missing)}")
        if flag & _csv.LONG and kind in (None, "int", "int64") or flag & _csv.TEXT:
            continue  # texts, times and ints that no double holds are pyarrow's
        done[name] = array.astype(_NUMPY[kind or ("float" if flag else "int")], copy=False)
    if rest := [name for name in chosen if name not in done]:
        given = {k: v for k, v in dtypes.items() if k in rest}
        header = found if names is not None else None
        done |= _by_pyarrow(data, label, delimiter, rest, header, given, missing).columns
    return Table({name: done[name] for name in chosen})


def _first_bad(data: Any, start: int, delimiter: str, found: list[str], name: str, kind: str, missing: Any) -> str:
    """Where a column is not of the type that was asked for; only read when it is not."""
    at = found.index(name)
    texts = bytes(data[start:]).decode(errors="replace").splitlines()
    for number, line in enumerate(texts, 1 + bytes(data[:start]).count(b"\n")):
        if line:
            text = line.split(delimiter)[at]
            try:
                if text not in missing or kind.startswith("int"):
                    int(text) if kind.startswith("int") else float(text)
            except ValueError:
                return f"line {number}, column {name!r}: {text!r} is not of type {kind}"
    return f"column {name!r} is not of type {kind}"


def _by_pyarrow(
    data: Any, label: str, delimiter: str, columns: Any, names: Any, dtypes: Any, missing: Sequence[str]
) -> Table:  # fmt: skip
    arrow_csv = needs("pyarrow.csv", "read_csv", "data")
    import pyarrow

    parse, convert, read = _options(arrow_csv, delimiter, columns, names, dtypes, missing, data.find(b'"') >= 0)
    try:
        try:
            arrow = arrow_csv.read_csv(
                pyarrow.py_buffer(data), read_options=read, parse_options=parse, convert_options=convert
            )
        except ValueError:
            read.use_threads = False  # slower, but then the error knows the line
            arrow = arrow_csv.read_csv(
                pyarrow.py_buffer(data), read_options=read, parse_options=parse, convert_options=convert
            )
        return from_arrow(arrow, label)
    except (OSError, ValueError, KeyError, NotImplementedError) as error:  # pyarrow's are subclasses
        raise _translated(error, label) from error


def iter_csv(path: Any, *, chunk_bytes: int = _CHUNK, **options: Any) -> Iterator[Table]:
    """Read a CSV or TSV file as tables of some rows each, so that it need not fit into memory.

    The types of the columns are found from the first ``chunk_bytes``; give ``dtypes`` where later rows differ.

    Parameters
    ----------
    path, **options
        As for :func:`read_csv`.
    chunk_bytes : int
        How much of the file is parsed at a time.

    Yields
    ------
    Table

    Raises
    ------
    ValueError, OSError
        As :func:`read_csv`, when it comes to the row.
    """
    arrow_csv = needs("pyarrow.csv", "iter_csv", "data")
    label = getattr(path, "name", "the file") if hasattr(path, "read") else os.fspath(path)
    given: dict[str, Any] = dict.fromkeys(("delimiter", "columns", "names", "dtypes")) | {"missing": MISSING} | options
    given["delimiter"] = _delimiter(path, given["delimiter"])
    parse, convert, read = _options(arrow_csv, **given, quoted=True)
    read.block_size = chunk_bytes
    file = path if hasattr(path, "read") else open_input(path)
    try:
        with arrow_csv.open_csv(file, read_options=read, parse_options=parse, convert_options=convert) as reader:
            for batch in reader:
                if batch.num_rows:
                    yield from_arrow(batch, label)
    except (OSError, ValueError, KeyError, NotImplementedError) as error:
        raise _translated(error, label) from error
    finally:
        if file is not path:
            file.close()


class CSVStream(IterableDataset[dict[str, Any]]):
    """The rows of a CSV file as dicts, without holding the file; with several workers each takes every so many rows.

    Parameters
    ----------
    path, **options
        As for :func:`iter_csv`.
    """

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        self.path = path
        self.options = options

    def __iter__(self) -> Iterator[dict[str, Any]]:
        info = get_worker_info()
        number, of = (0, 1) if info is None else (info.id, info.num_workers)
        at = 0
        for table in iter_csv(self.path, **self.options):
            for row in range((number - at) % of, len(table), of):
                yield table[row]
            at += len(table)


def _options(
    arrow_csv: Any, delimiter: str, columns: Any, names: Any, dtypes: Any, missing: Sequence[str], quoted: bool
) -> Any:  # fmt: skip
    import pyarrow

    types = {name: getattr(pyarrow, _TYPES[kind])() for name, kind in (dtypes or {}).items()}
    parse = arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=quoted)
    convert = arrow_csv.ConvertOptions(column_types=types, null_values=list(missing), strings_can_be_null=True,
                                 include_columns=list(columns) if columns is not None else None)  # fmt: skip
    read = arrow_csv.ReadOptions(column_names=list(names) if names is not None else None, block_size=_BLOCK)
    return parse, convert, read


def _translated(error: Exception, label: str) -> Exception:
    """pyarrow's error in our words; its types are subclasses of Python's."""
    if isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError)):
        return error
    text = str(error)
    if text.startswith("["):  # ours
        return error
    if isinstance(error, KeyError):
        missing = re.search(r"Column '(.*)' in include_columns", text)
        return ValueError(
            f"[read_csv] {label}: lacks the column {missing[1]!r}" if missing else f"[read_csv] {label}: {text}"
        )
    if found := re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", text):
        return ValueError(f"[read_csv] {label}: line {found[1]} has {found[3]} fields, expected {found[2]}")
    if found := re.search(r"Expected (\d+) columns, got (\d+)", text):
        return ValueError(f"[read_csv] {label}: a row has {found[2]} fields, expected {found[1]}: {text[-80:]}")
    if found := re.search(
        r"In CSV column #(\d+)(?:: Row #(\d+))?: CSV conversion error to (\S+): invalid value '(.*)'", text
    ):
        row = f"line {found[2]}, " if found[2] else ""
        return ValueError(f"[read_csv] {label}: {row}column {found[1]}: {found[4]!r} is not of type {found[3]}")
    if "Empty CSV" in text:
        return ValueError(f"[read_csv] {label}: the file is empty")
    kind = OSError if isinstance(error, OSError) else ValueError
    return kind(f"[read_csv] {label}: {text}")


def from_arrow(arrow: Any, label: str = "table") -> Table:
    """An Arrow table or batch as a :class:`Table`. Raises ValueError when two columns have one name."""
    import pyarrow

    found = arrow.schema.names
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise ValueError(f"[read_csv] {label}: the column {twice[0]!r} comes twice")
    try:
        return Table({name: _from_arrow(pyarrow, arrow.column(i), name) for i, name in enumerate(found)})
    except ValueError as error:
        raise ValueError(f"[read_csv] {label}: {error}") from error


def _from_arrow(pyarrow: Any, column: Any, name: str) -> Any:
    types = pyarrow.types
    kind = column.type
    if types.is_binary(kind):
        raise ValueError(f"column {name!r} is not UTF-8 text")
    if types.is_null(kind):
        return np.full(len(column), np.nan)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind):
        if not types.is_dictionary(kind):
            column = column.dictionary_encode()
        if isinstance(column, pyarrow.ChunkedArray):
            column = column.unify_dictionaries().combine_chunks()
        if isinstance(column, pyarrow.ChunkedArray):  # no chunk at all
            return Category(np.zeros(0, np.int64), ())
        codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return Category(codes, tuple(map(str, column.dictionary.to_pylist())))
    if types.is_boolean(kind) and column.null_count:
        column = column.cast(pyarrow.float64())
    if types.is_date(kind) or types.is_time(kind):
        column = column.cast(pyarrow.timestamp("s")) if types.is_date(kind) else column.cast(pyarrow.string())
        if types.is_string(column.type):
            return _from_arrow(pyarrow, column, name)
    if types.is_integer(kind) and column.null_count:
        column = column.cast(pyarrow.float64(), safe=False)
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_temporal(kind)
            or types.is_decimal(kind)):  # fmt: skip
        raise ValueError(f"column {name!r} has the Arrow type {kind}, expected numbers, texts or times")
    if types.is_decimal(kind):
        column = column.cast(pyarrow.float64())
    return column.to_numpy() if isinstance(column, pyarrow.ChunkedArray) else column.to_numpy(zero_copy_only=False)
