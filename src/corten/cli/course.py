"""What the numbered examples share: options, data, figures, the comparison of two implementations, the closing line.

An example is a folder with ``main.py``, which ends in ``course.start(main, __file__)``. ``main`` gets a :class:`Run`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from corten.atomic import atomic_write


class GoalMissed(Exception):
    """A metric that was not reached, or two implementations that do not agree."""


class Run:
    """One run of an example.

    Attributes
    ----------
    quick : bool
        Whether a few seconds are all there is: less data, fewer steps.
    seed : int
        For every generator of the run.
    out : Path
        The folder that gets the figures and ``result.json``.
    """

    def __init__(self, name: str, quick: bool, seed: int, out: Path, quiet: bool = False) -> None:
        self.name, self.quick, self.seed, self.out = name, quick, seed, out
        self.console = Console(stderr=quiet, highlight=False)
        self.source = ""
        self.metrics: list[dict[str, Any]] = []
        self.agreements: list[dict[str, Any]] = []
        self.speedups: list[dict[str, Any]] = []
        self.figures: list[str] = []

    # ---- data

    def data(self, *names: str) -> list[Path] | None:
        """Files of ``CORTEN_DATA`` (such as ``"titanic/train.csv"``), or None where one of them is absent."""
        base = os.environ.get("CORTEN_DATA")
        if not base:
            return None
        paths = [Path(base, name) for name in names]
        return paths if all(path.is_file() for path in paths) else None

    def uses(self, source: str) -> None:
        """Say which data the run is on."""
        self.source = source
        self.say(f"data: {source}")

    def digits(self, n_train: int, n_test: int) -> tuple[Any, Any, Any, Any, int]:
        """Handwritten digits: images (n, side * side) float64 from 0 to 1, labels, to train and to test with, and the side.

        MNIST where it is on this machine, else the embedded 1,797 digits of 8 x 8 pixels.
        """
        from corten.data.datasets import MNIST, Digits
        from corten.data.sources import DatasetUnavailableError

        parts: list[Any]
        try:
            parts = [MNIST(train=train, download=False) for train in (True, False)]
            name = "MNIST"
        except DatasetUnavailableError:
            parts = [Digits(train=train) for train in (True, False)]
            name = "digits of 8 x 8 pixels that come with the package (set CORTEN_DATA for MNIST)"
        arrays: list[Any] = []
        for part, n in zip(parts, (n_train, n_test), strict=True):
            n = min(n, len(part))
            arrays += [part.data[:n].numpy().reshape(n, part.size[0] * part.size[1]) / part.white, part.targets[:n].numpy()]
        self.uses(f"{len(arrays[1]):,} + {len(arrays[3]):,} digits of MNIST" if name == "MNIST" else
                  f"{len(arrays[1]):,} + {len(arrays[3]):,} {name}")  # fmt: skip
        return (*arrays, parts[0].size[0])  # type: ignore[return-value]

    # ---- what is shown

    def heading(self, text: str) -> None:
        """Begin a part."""
        self.console.print(f"\n[bold]{text}[/bold]")

    def say(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, markup=False, soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
        """Print a table; floats get four digits."""
        table = Table(title=title or None, title_justify="left")
        for i, column in enumerate(columns):
            table.add_column(column, justify="left" if i == 0 else "right")
        for row in rows:
            table.add_row(*[f"{cell:.4g}" if isinstance(cell, (float, np.floating)) else str(cell) for cell in row])
        self.console.print(table)

    def subplots(self, rows: int = 1, columns: int = 1, size: tuple[float, float] = (8, 5), title: str = "") -> Any:
        """A figure and its axes, drawn without a display and without pyplot's global state."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=size, dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        if title:
            figure.suptitle(title)
        return figure, figure.subplots(rows, columns)

    def save(self, figure: Any, name: str) -> Path:
        """Write a figure as ``NAME.png`` into the run's folder."""
        path = self.out / f"{name}.png"
        self.out.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            figure.savefig(file, format="png")
        self.figures.append(path.name)
        self.say(f"figure: {path}")
        return path

    # ---- what is measured

    def time(self, call: Callable[[], Any], repeat: int = 1) -> tuple[Any, float]:
        """The result of a call and the seconds of the fastest of ``repeat`` calls."""
        best = float("inf")
        for _ in range(repeat):
            began = time.perf_counter()
            result = call()
            best = min(best, time.perf_counter() - began)
        return result, best

    def agree(self, what: str, scratch: Any, corten: Any, *, atol: float = 1e-8, rtol: float = 0.0) -> None:
        """Check that both implementations give the same numbers.

        Raises
        ------
        GoalMissed
            When they differ by more than ``atol + rtol * |corten|``.
        """
        a, b = np.asarray(scratch, float), np.asarray(corten, float)
        if a.shape != b.shape:
            raise GoalMissed(f"{what}: from scratch has shape {a.shape}, Corten's {b.shape}")
        difference = float(np.max(np.abs(a - b), initial=0.0))
        if not np.all(np.abs(a - b) <= atol + rtol * np.abs(b)):
            raise GoalMissed(f"{what}: both implementations differ by {difference:.3g}, expected at most {atol:g}")
        self.agreements.append({"what": what, "difference": difference, "atol": atol, "rtol": rtol})
        self.say(f"agree: {what}, largest difference {difference:.2g}")

    def faster(self, what: str, scratch: float, corten: float) -> None:
        """Note the seconds of both implementations for the same work."""
        self.speedups.append({"what": what, "scratch_s": scratch, "corten_s": corten, "ratio": scratch / corten})
        self.say(f"time: {what}: from scratch {1e3 * scratch:.3g} ms, Corten {1e3 * corten:.3g} ms: "
                 f"{scratch / corten:.1f} times as fast")  # fmt: skip

    def metric(
        self, name: str, value: float, *, at_least: float | None = None, at_most: float | None = None
    ) -> None:
        """Note a metric and the value that it must reach; a run that misses one ends with exit code 1."""
        value = float(value)
        met = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
        goal = "" if at_least is None and at_most is None else (
            f">= {at_least:g}" if at_least is not None else f"<= {at_most:g}")  # fmt: skip
        self.metrics.append({"name": name, "value": value, "goal": goal, "met": met})
        self.say(f"metric: {name} {value:.4g}" + (f" (goal {goal}{'' if met else ', MISSED'})" if goal else ""))

    def result(self, seconds: float) -> dict[str, Any]:
        """All that was noted, for ``result.json``."""
        return {
            "example": self.name, "data": self.source, "quick": self.quick, "seed": self.seed, "metrics": self.metrics,
            "agreements": self.agreements, "speedups": self.speedups, "figures": self.figures, "seconds": seconds,
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }  # fmt: skip


def start(main: Callable[[Run], None], file: str) -> None:
    """Run an example's ``main`` with the options of this process's command line, and exit.

    Parameters
    ----------
    main : callable
        Takes the :class:`Run`; its docstring's first line is the description.
    file : str
        The example's ``__file__``; its folder gives the name.
    """
    folder = Path(file).resolve().parent
    name, room = folder.name, "examples/lessons" if folder.parent.name == "lessons" else "examples"
    parser = argparse.ArgumentParser(prog=f"python {room}/{name}", description=(main.__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few seconds: less data, fewer steps, lower goals")
    parser.add_argument("--seed", type=int, default=0, help="for every generator (default 0)")
    parser.add_argument("--out", type=Path, default=Path("runs", "examples", name), metavar="FOLDER",
                        help="gets the figures and result.json (default %(default)s)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="result.json on stdout, all else on stderr")
    options = parser.parse_args()
    run = Run(name, options.quick, options.seed, options.out, quiet=options.json)
    began = time.perf_counter()
    try:
        main(run)
    except GoalMissed as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    result = run.result(time.perf_counter() - began)
    run.out.mkdir(parents=True, exist_ok=True)
    with atomic_write(run.out / "result.json") as stream:
        stream.write((json.dumps(result, indent=1) + "\n").encode())
    if options.json:
        print(json.dumps(result))
    missed = [m["name"] for m in run.metrics if not m["met"]]
    run.say(f"\n{name}: {'all goals reached' if not missed else 'MISSED ' + ', '.join(missed)} in {result['seconds']:.1f} s")
    sys.exit(1 if missed else 0)
