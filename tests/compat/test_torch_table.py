"""The committed table of PyTorch's names has the counts of today."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import pytest

pytest.importorskip("torch")
ROOT = Path(__file__).parents[2]


def test_counts_are_current() -> None:
    spec = importlib.util.spec_from_file_location("torch_table", ROOT / "tools" / "torch_table.py")
    assert spec is not None
    assert spec.loader is not None
    table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, _ = table.sections()
    page = (ROOT / "docs" / "pytorch.md").read_text()
    for title, rows in found:
        absent = sum(state == "absent" for _, state in rows)
        row = next(line for line in page.split("\n") if line.startswith(f"| `{title}` |"))
        cells = [c.strip() for c in row.strip("|").split("|")]
        assert int(cells[1]) == len(rows), f"{title}: run tools/torch_table.py"
        differ = sum(state not in ("absent", "same", "same name") for _, state in rows)
        for cell, now in ((cells[5], absent), (cells[4], differ)):
            assert now - 3 <= int(cell) <= now + 3, f"{title}: run tools/torch_table.py"
    compared = [state for _, rows in found for _, state in rows if state not in ("absent", "same name")]
    assert compared.count("same") >= 0.9 * len(compared)
    total = sum(len(rows) for _, rows in found)
    assert sum(state != "absent" for _, rows in found for _, state in rows) >= 0.9 * total
