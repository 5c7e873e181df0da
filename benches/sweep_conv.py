"""Convolutions off the table: odd sizes, batch 1, strides, dilation, groups, tiny and large, transposed, 1-d and 3-d.

    python -m benches.sweep_conv [--seconds 0.1] [--only PART] [--all] [--write]

Prints the ten worst ratios PyTorch / ours, the best of several turns each, in one process with the sides taking turns;
``--write`` puts them into SWEEPS.md. With
``CORTEN_NUM_THREADS=1 OMP_NUM_THREADS=1`` the thread's own time is taken, which other processes disturb less.
"""

from __future__ import annotations

import argparse
import datetime
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benches.core_rows import OURS, TORCH, library, numbers
from benches.measure import SETTLE

LEAST = 0.8
SWEEPS = Path(__file__).with_name("SWEEPS.md")
HEAD = """# Shapes off the table

Written by `python -m benches.sweep_conv --write` and `python -m benches.sweep_seq --write`: sizes that nobody tuned for.
"""

# input (N, C, *size), outputs, kernel, then settings that are not usual
CASES: list[tuple[tuple[int, ...], int, int, dict[str, int]]] = [
    ((1, 3, 224, 224), 32, 3, {"stride": 2, "padding": 1}), ((1, 3, 227, 227), 64, 11, {"stride": 4, "padding": 2}),
    ((1, 1, 28, 28), 6, 5, {}), ((64, 6, 14, 14), 16, 5, {}), ((64, 16, 5, 5), 120, 5, {}), ((1, 32, 7, 7), 32, 3, {"padding": 1}),
    ((1, 512, 7, 7), 512, 3, {"padding": 1}), ((1, 256, 14, 14), 256, 1, {}), ((4, 512, 7, 7), 2048, 1, {}),
    ((8, 2048, 1, 1), 512, 1, {}), ((16, 13, 31, 29), 27, 3, {"padding": 1}), ((8, 33, 17, 17), 65, 3, {"padding": 1}),
    ((8, 24, 33, 35), 40, 5, {"padding": 2, "stride": 3}), ((8, 64, 28, 28), 128, 3, {"stride": 2, "padding": 1}),
    ((8, 64, 28, 28), 128, 1, {"stride": 2}), ((4, 32, 40, 40), 32, 3, {"padding": 2, "dilation": 2}),
    ((4, 64, 30, 30), 64, 3, {"padding": 4, "dilation": 4}), ((8, 64, 28, 28), 64, 3, {"padding": 1, "groups": 4}),
    ((8, 128, 28, 28), 128, 3, {"padding": 1, "groups": 32}), ((8, 96, 28, 28), 96, 3, {"padding": 1, "stride": 2, "groups": 96}),
    ((8, 144, 14, 14), 144, 5, {"padding": 2, "groups": 144}), ((2, 192, 7, 7), 192, 7, {"padding": 3, "groups": 192}),
    ((2, 16, 8, 8), 16, 3, {"padding": 1}), ((128, 64, 4, 4), 64, 3, {"padding": 1}), ((32, 64, 2, 2), 64, 3, {"padding": 1}),
    ((2, 8, 300, 300), 8, 3, {"padding": 1}), ((1, 64, 112, 112), 64, 3, {"padding": 1}), ((1, 4, 512, 512), 4, 3, {"padding": 1}),
    ((8, 16, 1000), 32, 5, {"padding": 2}), ((8, 64, 128), 64, 3, {"padding": 1}), ((4, 1, 16000), 64, 80, {"stride": 16}),
    ((2, 32, 500), 32, 3, {"padding": 8, "dilation": 8}), ((2, 4, 16, 28, 28), 8, 3, {"padding": 1}),
    ((1, 16, 8, 14, 14), 32, 3, {"padding": 1, "stride": 2}), ((2, 3, 9, 33, 33), 16, 3, {}),
    ((4, 64, 14, 14), 32, 2, {"stride": 2, "transposed": 1}), ((4, 64, 16, 16), 32, 4, {"stride": 2, "padding": 1, "transposed": 1}),
    ((4, 16, 50), 16, 5, {"stride": 3, "transposed": 1}), ((2, 100, 1, 1), 64, 4, {"transposed": 1}),
]  # fmt: skip


def pass_of(lib: Any, case: Any, backward: bool) -> Callable[[], Any]:
    """One pass of a case."""
    shape, outputs, k, settings = case
    settings = dict(settings)
    transposed, nd = settings.pop("transposed", 0), len(shape) - 2
    conv = getattr(lib.nn.functional, f"conv_transpose{nd}d" if transposed else f"conv{nd}d")
    groups = settings.get("groups", 1)
    weight = (shape[1], outputs, *(k,) * nd) if transposed else (outputs, shape[1] // groups, *(k,) * nd)
    x, w = lib.from_numpy(numbers(*shape)), lib.from_numpy(numbers(*weight, seed=1) / np.float32(np.sqrt(np.prod(weight[1:]))))
    if not backward:

        def run() -> Any:
            with lib.no_grad():
                return conv(x, w, **settings)

        return run
    x.requires_grad_(), w.requires_grad_()
    y = conv(x, w, **settings)
    g = lib.from_numpy(numbers(*y.shape, seed=2))

    def run_backward() -> Any:
        x.grad = w.grad = None
        conv(x, w, **settings).backward(g)
        return w.grad

    return run_backward


def one_thread() -> bool:
    """Whether the environment asks for one thread."""
    return os.environ.get("OMP_NUM_THREADS") == "1"


def ratios(seconds: float, only: str) -> Iterator[tuple[float, str, float]]:
    """(PyTorch / ours, what, seconds of ours) of each case and pass."""
    clock = time.thread_time if one_thread() else time.perf_counter
    for case in CASES:
        for backward in (False, True):
            shape, outputs, k, settings = case
            what = f"{shape} -> {outputs} k{k} {settings or ''} {'forward+backward' if backward else 'forward'}"
            if only not in what:
                continue
            best: dict[str, float] = {}
            runs = {name: pass_of(library(name), case, backward) for name in (OURS, TORCH)}
            results = {name: run().detach().numpy() for name, run in runs.items()}
            np.testing.assert_allclose(results[OURS], results[TORCH], rtol=0, atol=2e-5 * np.abs(results[TORCH]).max())
            for _ in range(5):
                for name, run in runs.items():
                    time.sleep(SETTLE)
                    start, turns = clock(), 0
                    while turns == 0 or clock() - start < seconds / 10:
                        run()
                        turns += 1
                    best[name] = min(best.get(name, np.inf), (clock() - start) / turns)
            yield best[TORCH] / best[OURS], what, best[OURS]


def table(found: Sequence[tuple[float, str, float]], rows: int) -> str:
    """Of (PyTorch / ours, what, seconds of ours) from the worst on: the first rows and a summary, in Markdown."""
    ratio = [r for r, *_ in found]
    lines = [f"{len(found)} cases, geometric mean {np.exp(np.mean(np.log(ratio))):.2f}, {sum(r < LEAST for r in ratio)} below {LEAST}."]
    lines += ["", "| PyTorch / ours | ours, us | case |", "| ---: | ---: | --- |"]
    return "\n".join(lines + [f"| {r:.2f} | {took * 1e6:.0f} | {what} |" for r, what, took in found[:rows]])


def write(title: str, text: str, alone: bool) -> None:
    """Put a section into SWEEPS.md, over what it was; ``alone``: it is the time of one thread."""
    whole = SWEEPS.read_text() if SWEEPS.exists() else HEAD
    sections = dict(part.split("\n\n", 1) for part in whole.split("\n## ")[1:])
    how = "one thread and its own time" if alone else f"{os.cpu_count()} threads"
    sections[title] = f"Measured {datetime.date.today()}, {how}. {text}\n"
    SWEEPS.write_text(HEAD + "".join(f"\n## {key}\n\n{value.rstrip()}\n" for key, value in sorted(sections.items())))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--only", default="")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--write", action="store_true", help="the worst ten into SWEEPS.md")
    options = parser.parse_args()
    found = sorted(ratios(options.seconds, options.only))
    text = table(found, len(found) if options.all else 10)
    print(text)
    if options.write:
        write("Convolutions", table(found, 10), one_thread())


if __name__ == "__main__":
    main()
