"""pytest-benchmark entry points: ``pytest benches/test_core.py`` times our side of the short rows of section A."""

from __future__ import annotations

import pytest

from benches.measure import OURS, rows_of

SHORT = [name for name, row in rows_of("benches.core_rows").items() if row.key in ("A1", "A2", "A3", "A4")]


@pytest.mark.parametrize("name", SHORT)
def test_ours(benchmark, name):
    row = rows_of("benches.core_rows")[name]
    run = row.sides[OURS]()
    benchmark.extra_info["operations in a call"] = row.calls
    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
