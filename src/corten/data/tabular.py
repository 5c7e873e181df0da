"""From table columns to network inputs, with statistics of the training part alone."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import corten
from corten.atomic import atomic_write

from .table import Category, Table

VERSION = 1
_SCALES = ("standard", "minmax", "none")


class Tabular:
    """Numbers scaled, categories one-hot, the target scaled: fitted on training rows, saved with the model.

    A number :math:`x` becomes :math:`(x - a) / b`: mean and standard deviation of the training rows (``'standard'``), or
    their least value and range (``'minmax'``). A missing number takes the mean of the training rows first. A category is
    one column of 0 or 1 for each text of the training rows; a missing or unknown text is all 0.

    Parameters
    ----------
    numeric : sequence of str
        Columns of numbers.
    categorical : sequence of str
        Columns of texts or of whole numbers to be taken as categories.
    target : str, optional
        Column to predict: numbers, or texts, which become classes.
    scale : {'standard', 'minmax', 'none'}
        For the numbers.
    target_scale : {'standard', 'minmax', 'none'}
        For a target of numbers.

    Attributes
    ----------
    feature_names : list of str
        The K columns that come out.
    classes : tuple of str or None
        The classes of a target of texts.

    Examples
    --------
    >>> table = Table({"x": [0.0, 2.0, 4.0], "kind": ["a", "b", "a"], "y": [1.0, 2.0, 3.0]})
    >>> prepare = Tabular(["x"], ["kind"], target="y").fit(table[:2])
    >>> prepare.transform(table).tolist()
    [[-1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [3.0, 1.0, 0.0]]
    """

    def __init__(
        self,
        numeric: Sequence[str] = (),
        categorical: Sequence[str] = (),
        target: str | None = None,
        *,
        scale: str = "standard",
        target_scale: str = "standard",
    ) -> None:
        for name, value in (("scale", scale), ("target_scale", target_scale)):
            if value not in _SCALES:
                raise ValueError(f"[Tabular] {name} is {value!r}, expected one of {', '.join(_SCALES)}")
        self.numeric, self.categorical = tuple(numeric), tuple(categorical)
        if not self.numeric and not self.categorical:
            raise ValueError("[Tabular] got no columns, expected numeric or categorical ones")
        columns = [*self.numeric, *self.categorical, *([target] if target is not None else [])]
        if len(set(columns)) < len(columns):
            raise ValueError(f"[Tabular] columns {columns} come twice, expected each once")
        self.target, self.scale, self.target_scale = target, scale, target_scale
        self.fitted = False
        self.offsets: dict[str, tuple[float, float, float]] = {}  # column -> subtract, divide, mean
        self.categories: dict[str, tuple[str, ...]] = {}
        self.classes: tuple[str, ...] | None = None

    @property
    def feature_names(self) -> list[str]:
        """The names of the K columns that come out."""
        return [*self.numeric, *(f"{c}={value}" for c in self.categorical for value in self.categories.get(c, ()))]

    def fit(self, table: Table) -> Tabular:
        """Take the statistics of the training rows.

        Raises
        ------
        ValueError
            When there are no rows, a column is absent or of another type, or has no value at all.
        """
        needed = [*self.numeric, *self.categorical, *([self.target] if self.target is not None else [])]
        table.require(needed, "Tabular")
        if len(table) == 0:
            raise ValueError("[Tabular] got a table of 0 rows, expected at least one to fit")
        self.offsets = {name: _offsets(table.numbers(name, "Tabular"), name, self.scale) for name in self.numeric}
        self.categories = {name: _texts(table, name) for name in self.categorical}
        self.classes = None
        if self.target is not None:
            if table.kind(self.target) == "category":
                self.classes = tuple(sorted(set(table[self.target].tolist()) - {None}))
            else:
                self.offsets[self.target] = _offsets(
                    table.numbers(self.target, "Tabular"), self.target, self.target_scale
                )
        self.fitted = True
        return self

    def transform(self, table: Table | Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Any:
        """The inputs of a network.

        Parameters
        ----------
        table : Table, dict or sequence of dicts
            N rows; a dict is one row. Columns that are not needed are ignored.

        Returns
        -------
        Tensor
            float32, shape (N, K).

        Raises
        ------
        ValueError
            When a column is absent or of another type.
        RuntimeError
            Before :meth:`fit`.
        """
        self._need_fit()
        rows = _as_table(table, [*self.numeric, *self.categorical])
        out = np.empty((len(rows), len(self.feature_names)), np.float32)
        for k, name in enumerate(self.numeric):
            a, b, mean = self.offsets[name]
            x = rows.numbers(name, "Tabular").astype(np.float64)
            out[:, k] = (np.where(np.isnan(x), mean, x) - a) / b
        at = len(self.numeric)
        for name in self.categorical:
            known = self.categories[name]
            codes = _codes(rows, name, known)
            out[:, at : at + len(known)] = codes[:, None] == np.arange(len(known))
            at += len(known)
        return corten.from_numpy(out)

    def transform_target(self, table: Table) -> Any:
        """The target of each row: scaled, float32, shape (N, 1); or the class, int64, shape (N,).

        Raises
        ------
        ValueError
            When a value is missing or a class is new.
        """
        self._need_fit()
        if self.target is None:
            raise ValueError("[Tabular] has no target")
        table.require([self.target], "Tabular")
        if self.classes is not None:
            codes = _codes(table, self.target, self.classes)
            if len(codes) and codes.min() < 0:
                bad = int(np.flatnonzero(codes < 0)[0])
                raise ValueError(f"[Tabular] row {bad}: target {table[self.target][bad]!r} is none of the classes "
                                 f"{', '.join(self.classes)}")  # fmt: skip
            return corten.from_numpy(codes)
        a, b, _ = self.offsets[self.target]
        y = table.numbers(self.target, "Tabular").astype(np.float64)
        if np.isnan(y).any():
            raise ValueError(f"[Tabular] row {int(np.flatnonzero(np.isnan(y))[0])}: the target is missing")
        return corten.from_numpy(((y - a) / b).astype(np.float32)[:, None])

    def inverse_target(self, y: Any) -> Any:
        """A network's output in the target's own unit: :math:`b y + a`."""
        self._need_fit()
        if self.target is None or self.classes is not None:
            raise ValueError("[Tabular] has no target of numbers")
        a, b, _ = self.offsets[self.target]
        return y * b + a

    def _need_fit(self) -> None:
        if not self.fitted:
            raise RuntimeError("[Tabular] call fit with the training rows first")

    def state_dict(self) -> dict[str, Any]:
        """Columns and statistics, as JSON or ``corten.save`` take them."""
        self._need_fit()
        return {
            "version": VERSION,
            "numeric": list(self.numeric),
            "categorical": list(self.categorical),
            "target": self.target,
            "scale": self.scale,
            "target_scale": self.target_scale,
            "offsets": {name: list(values) for name, values in self.offsets.items()},
            "categories": {name: list(values) for name, values in self.categories.items()},
            "classes": None if self.classes is None else list(self.classes),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Tabular:
        """The pipeline of a :meth:`state_dict`.

        Raises
        ------
        ValueError
            When the state is damaged or of another version.
        """
        try:
            if state["version"] != VERSION:
                raise ValueError(f"[Tabular] got a state of version {state['version']}, expected {VERSION}")
            made = cls(state["numeric"], state["categorical"], state["target"], scale=state["scale"],
                       target_scale=state["target_scale"])  # fmt: skip
            made.offsets = {str(k): (float(a), float(b), float(m)) for k, (a, b, m) in state["offsets"].items()}
            made.categories = {str(k): tuple(map(str, v)) for k, v in state["categories"].items()}
            made.classes = None if state["classes"] is None else tuple(map(str, state["classes"]))
            wanted = {*made.numeric, *([made.target] if made.target is not None and made.classes is None else [])}
            if set(made.offsets) != wanted or set(made.categories) != set(made.categorical):
                raise KeyError("statistics of other columns")
            if not all(math.isfinite(v) for values in made.offsets.values() for v in values) \
                    or any(b == 0 for _, b, _ in made.offsets.values()):  # fmt: skip
                raise ValueError("[Tabular] the state has statistics that are not finite")
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if str(error).startswith("["):
                raise
            raise ValueError(f"[Tabular] the state is damaged ({error})") from error
        made.fitted = True
        return made

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state as JSON, all or nothing."""
        with atomic_write(path) as file:
            file.write(json.dumps(self.state_dict(), indent=1).encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Tabular:
        """Read what :meth:`save` wrote. Raises ValueError when it is damaged."""
        with open(path, "rb") as file:
            try:
                state = json.loads(file.read())
            except (ValueError, RecursionError) as error:
                raise ValueError(f"[Tabular] {os.fspath(path)} is not JSON ({error})") from error
        if not isinstance(state, dict):
            raise ValueError(f"[Tabular] {os.fspath(path)} is not a saved pipeline")
        return cls.from_state_dict(state)


def _offsets(values: np.ndarray[Any, Any], name: str, scale: str) -> tuple[float, float, float]:
    x = values.astype(np.float64)
    x = x[~np.isnan(x)]
    if not len(x):
        raise ValueError(f"[Tabular] column {name!r} has no value in the rows to fit")
    if not np.isfinite(x).all():
        raise ValueError(f"[Tabular] column {name!r} has an infinite value")
    mean = float(x.mean())
    if scale == "none":
        return 0.0, 1.0, mean
    if scale == "minmax":
        low = float(x.min())
        return low, float(x.max()) - low or 1.0, mean
    return mean, float(x.std()) or 1.0, mean


def _as_texts(table: Table, name: str) -> list[str | None]:
    values = table[name]
    if isinstance(values, Category):
        return values.tolist()
    if values.dtype.kind not in "iufb":
        raise ValueError(f"[Tabular] column {name!r} is {values.dtype}, expected texts or whole numbers")
    return [None if v != v else str(int(v)) if float(v).is_integer() else str(v) for v in values.tolist()]


def _texts(table: Table, name: str) -> tuple[str, ...]:
    found = sorted({text for text in _as_texts(table, name) if text is not None}, key=lambda t: (len(t), t))
    if not found:
        raise ValueError(f"[Tabular] column {name!r} has no value in the rows to fit")
    return tuple(found)


def _codes(table: Table, name: str, known: Sequence[str]) -> np.ndarray[Any, Any]:
    number = {text: i for i, text in enumerate(known)}
    return np.asarray([-1 if text is None else number.get(text, -1) for text in _as_texts(table, name)], np.int64)


def _as_table(rows: Any, names: Sequence[str]) -> Table:
    if isinstance(rows, Table):
        rows.require(names, "Tabular")
        return rows
    if isinstance(rows, Mapping):
        rows = [rows]
    rows = list(rows)
    for number, row in enumerate(rows):
        absent = [name for name in names if name not in row]
        if absent:
            raise ValueError(f"[Tabular] row {number} lacks {', '.join(map(repr, absent))}")
    return Table({name: [row[name] for row in rows] for name in names})
