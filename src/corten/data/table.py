"""Tables: named columns of numbers, categories and times, and the way from them to tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import corten

_ROWS = 4096  # gathered at a time: a block of 20 columns stays in the second-level cache


@dataclass(frozen=True, eq=False)
class Category:
    """A column of texts, each kept once.

    Attributes
    ----------
    codes : numpy.ndarray
        int64, shape (N,): positions in ``names``, -1 where the value is missing.
    names : tuple of str
        The different texts, in the order of their first appearance.
    """

    codes: np.ndarray[Any, Any]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Any) -> Any:
        codes = self.codes[rows]
        if np.ndim(codes):
            return Category(codes, self.names)
        return None if codes < 0 else self.names[int(codes)]

    def tolist(self) -> list[str | None]:
        """The texts, None where missing."""
        return [None if c < 0 else self.names[c] for c in self.codes.tolist()]


class Table:
    """Columns of one length by name.

    Parameters
    ----------
    columns : mapping
        Name to a NumPy array of shape (N,) (numbers, bools, ``datetime64``), to a :class:`Category`, or to a sequence:
        one with texts becomes a :class:`Category`.

    Notes
    -----
    A missing number is NaN (a column of ints that has one is float64), a missing text has code -1, a missing time is
    ``NaT``.

    Examples
    --------
    >>> table = Table({"hour": [8, 17], "season": ["spring", None]})
    >>> len(table), table.names
    (2, ('hour', 'season'))
    >>> table.tensor(["hour"]).tolist()
    [[8.0], [17.0]]
    """

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.columns: dict[str, Any] = {name: _column(name, values) for name, values in columns.items()}
        lengths = {name: len(values) for name, values in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"[Table] columns of lengths {lengths}, expected one length")
        self._rows = next(iter(lengths.values()), 0)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(self.columns)

    def __len__(self) -> int:
        return self._rows

    def __repr__(self) -> str:
        kinds = ", ".join(f"{name} {self.kind(name)}" for name in self.names)
        return f"Table({len(self)} rows: {kinds})"

    def __getitem__(self, key: Any) -> Any:
        """A column by name; rows (a slice, indices or a mask) as a table; one row by number as a dict."""
        if isinstance(key, str):
            self.require([key])
            return self.columns[key]
        if isinstance(key, (int, np.integer)):
            if not -len(self) <= key < len(self):
                raise IndexError(f"[Table] row {key} is out of range for {len(self)} rows")
            return {name: _scalar(values[int(key)]) for name, values in self.columns.items()}
        rows = key if isinstance(key, slice) else np.asarray(key)
        return Table({name: values[rows] for name, values in self.columns.items()})

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[i] for i in range(len(self)))

    def kind(self, name: str) -> str:
        """``'category'``, or the dtype of a column."""
        values = self[name]
        return "category" if isinstance(values, Category) else str(values.dtype)

    def require(self, names: Sequence[str], who: str = "Table") -> None:
        """Raise ValueError when a column is not there."""
        absent = [name for name in names if name not in self.columns]
        if absent:
            raise ValueError(f"[{who}] lacks the column{'s' * (len(absent) > 1)} {', '.join(map(repr, absent))}; it has "
                             f"{', '.join(self.columns) or 'none'}")  # fmt: skip

    def numbers(self, name: str, who: str = "Table") -> np.ndarray[Any, Any]:
        """A column as an array of numbers or bools.

        Raises
        ------
        ValueError
            When it holds texts or times; the message names the first text that is not a number.
        """
        values = self[name]
        if isinstance(values, Category):
            bad = next((i for i, text in enumerate(values.names) if not _is_number(text)), 0)
            row = int(np.flatnonzero(values.codes == bad)[0]) if (values.codes == bad).any() else 0
            text = values.names[bad] if values.names else ""
            raise ValueError(f"[{who}] column {name!r} holds text, expected numbers: row {row} is {text!r}")
        if values.dtype.kind not in "iufb":
            raise ValueError(f"[{who}] column {name!r} is {values.dtype}, expected numbers")
        return values  # type: ignore[no-any-return]

    def tensor(self, names: Sequence[str] | None = None, dtype: Any = None) -> Any:
        """Columns of numbers side by side.

        Parameters
        ----------
        names : sequence of str, optional
            K columns; all when absent.
        dtype : corten.dtype
            float32 when absent.

        Returns
        -------
        Tensor
            Shape (N, K), contiguous.

        Raises
        ------
        ValueError
            When a column is not there or holds no numbers.
        """
        names = self.names if names is None else tuple(names)
        self.require(names)
        columns = [self.numbers(name) for name in names]
        out = corten.empty(len(self), len(columns), dtype=dtype or corten.float32)
        to = out.numpy()
        for start in range(0, len(self), _ROWS):  # by blocks: whole columns would visit every cache line K times
            rows = slice(start, start + _ROWS)
            for k, values in enumerate(columns):
                to[rows, k] = values[rows]
        return out


def _column(name: str, values: Any) -> Any:
    if isinstance(values, Category):
        return values
    array = values if isinstance(values, np.ndarray) else None
    if array is None:
        values = list(values)
        if any(isinstance(v, str) for v in values):
            return _categorise(values)
        array = np.asarray([np.nan if v is None else v for v in values])
    if array.dtype.kind in "OSU":
        return _categorise(array.tolist())
    if array.ndim != 1:
        raise ValueError(f"[Table] column {name!r} has shape {array.shape}, expected (N,)")
    return array


def _categorise(values: list[Any]) -> Category:
    names: dict[str, int] = {}
    codes = [-1 if v is None else names.setdefault(str(v), len(names)) for v in values]
    return Category(np.asarray(codes, dtype=np.int64), tuple(names))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) and value.dtype.kind != "M" else value
