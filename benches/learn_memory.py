"""Row C11: peak resident memory of the fits of C1, C2 and C7, each in a process of its own."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from benches.measure import OURS, Row

KEYS = {"C11"}
CASES = {  # name -> module, part of the row's name
    "KMeans 200,000 x 32, float32": ("benches.learn_kernel", "KMeans 200,000 x 32, k 64, fixed start, 30 iterations, f32"),
    "SVC rbf 20,000 x 50": ("benches.learn_kernel", "SVC rbf 20,000 x 50, f64"),
    "RandomForestClassifier 50,000 x 50": ("benches.learn_trees", "RandomForestClassifier 50,000 x 50, 100 trees"),
}  # fmt: skip


def rows() -> Iterator[Row]:
    """None: memory is a figure."""
    return iter(())


def peak(module: str, name: str, side: str) -> float:
    """Megabytes of a process that sets the side up and fits once."""
    done = subprocess.run([sys.executable, "-m", "benches.learn_memory", module, name, side], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def figures(keys: set[str]) -> Iterator[dict[str, Any]]:
    """Ours over the least of the peers'; the libraries and the data themselves are in it."""
    if "C11" not in keys:
        return
    from benches.measure import rows_of

    for title, (module, name) in CASES.items():
        found = {side: peak(module, name, side) for side in rows_of(module)[name].sides}
        least = min(v for k, v in found.items() if k != OURS)
        value = f"{found[OURS] / least:.2f} ({', '.join(f'{k} {v:.0f} MB' for k, v in found.items())})"
        yield {"key": "C11", "name": f"peak memory of {title}", "goal": "<= 1.0 of the least peer's", "value": value,
               "met": found[OURS] <= least}  # fmt: skip


def main() -> None:
    """Fit one side once and print the peak."""
    from benches.measure import rows_of

    module, name, side = sys.argv[1:]
    rows_of(module)[name].sides[side]()()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
