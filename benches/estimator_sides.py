"""Sides of estimator rows: the same fit with Corten's class and with each peer's, and how times grow with n.

A side imports its library only in its own process; the data are made there too, from a fixed seed. ``series`` writes one
workload at several sizes; ``growth`` then fits the exponent of the measured times over them.
"""

from __future__ import annotations

import functools
import importlib
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from benches.measure import OURS, Row

PACKAGES = {OURS: "corten.learn", "sklearn": "sklearn", "intelex": "sklearnex"}
_sizes: dict[str, list[tuple[int, str]]] = {}  # series -> (n, name of its row), filled while rows are made


def estimator(library: str, path: str) -> Any:
    """The class at ``path`` ("svm.SVC") of a library."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"{PACKAGES[library]}.{module}"), name)


def fits(path: str, data: Callable[[], Sequence[Any]], result: Callable[..., Any], peers: Iterable[str],
         **parameters: Any) -> dict[str, Callable[[], Callable[[], Any]]]:  # fmt: skip
    """Sides that fit the class at ``path`` on ``data()`` and give ``result(fitted, *data)``."""
    return {
        name: functools.partial(_fit_side, name, path, data, result, parameters) for name in (OURS, *peers)
    }


def _fit_side(library: str, path: str, data: Any, result: Any, parameters: dict[str, Any]) -> Callable[[], Any]:
    cls, arrays = estimator(library, path), data()
    values = {k: v(*arrays) if callable(v) else v for k, v in parameters.items()}
    warnings.simplefilter("ignore")  # of convergence: each row says how many iterations it wants

    def run() -> Any:
        return result(cls(**values).fit(*arrays), *arrays)

    return run


def attributes(*names: str) -> Callable[..., list[Any]]:
    """A result: fitted attributes."""

    def read(fitted: Any, *arrays: Any) -> list[Any]:
        return [getattr(fitted, name) for name in names]

    return read


def series(key: str, name: str, sizes: Sequence[int], sides: Callable[[int], dict[str, Any]], goal: float,
           check: Callable[[int], Callable[[Any, Any], None]], note: str = "", pairs: int = 7) -> Iterator[Row]:  # fmt: skip
    """One row for each size; the last carries the goal, the smaller ones show the growth and take three turns.

    ``name`` holds ``{n}`` for the size.
    """
    for n in sizes:
        last = n == sizes[-1]
        row = name.format(n=f"{n:,}")
        _sizes.setdefault(f"{key} {name}", []).append((n, row))
        yield Row(key, row, sides(n), goal if last else 0.0, check(n), pairs=pairs if last else 3,
                  seconds=0.02, note=note if last else "")  # fmt: skip


def growth(module: str, keys: set[str]) -> Iterator[dict[str, Any]]:
    """For each series of a module that has been measured: the exponent of n in our time and in the best peer's."""
    from benches.measure import rows_of
    from benches.table import load

    own, stored = set(rows_of(module)), load()["rows"]
    for title, members in _sizes.items():
        key = title.split()[0]
        rows = [(n, stored.get(f"{key} {name}")) for n, name in members if name in own]
        if key not in keys or len(rows) < 3 or any(r is None or r.get("error") for _, r in rows):
            continue
        ours = exponent([(n, r["ours"]) for n, r in rows])
        peers = sorted(set.intersection(*(set(r["peers"]) for _, r in rows)))
        theirs = ", ".join(f"{p} n^{exponent([(n, r['peers'][p]) for n, r in rows]):.2f}" for p in peers)
        span = title.partition(" ")[2].format(n=" ... ".join(f"{n:,}" for n, _ in (rows[0], rows[-1])))
        yield {"key": key, "name": f"growth: {span}", "goal": "shown", "value": f"n^{ours:.2f}; {theirs}", "met": None}


def exponent(points: Sequence[tuple[int, float]]) -> float:
    """Slope of log time over log n by least squares."""
    x, y = (np.array([math.log(v) for v in column]) for column in zip(*points, strict=True))
    return float(np.polyfit(x, y, 1)[0])
