"""Row D2: tensors in memory to shuffled batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benches.core_rows import both, numbers
from benches.measure import Row, agree

KEYS = {"D2"}


def shuffled(lib: Any, batch: int, rows: int) -> Callable[[], Any]:
    """An epoch of batches of (rows, 784) and classes; returns what does not depend on the order."""
    data = lib.data if hasattr(lib, "data") and hasattr(lib.data, "DataLoader") else lib.utils.data
    x, y = lib.from_numpy(numbers(rows, 784)), lib.from_numpy(numbers(rows, seed=1))
    loader = data.DataLoader(data.TensorDataset(x, y), batch_size=batch, shuffle=True)
    checked: list[Any] = []

    def run() -> Any:
        if not checked:
            seen = [(bx.sum(1), by) for bx, by in loader]
            checked.append([lib.cat([v[k] for v in seen]).sort()[0] for k in (0, 1)])
            return checked[0]
        for _bx, _by in loader:
            pass
        return None

    return run


def rows() -> Iterator[Row]:
    """Batches of 32 and of 1024."""
    for batch in (32, 1024):
        yield Row("D2", f"shuffled batches of {batch} of 20,000 x 784", both(shuffled, batch, 20_000), 3.0, agree(1e-3, 1e-3),
                  bytes=2 * 4.0 * 785 * 20_000)  # fmt: skip
