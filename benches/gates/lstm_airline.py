"""LSTM on monthly airline passengers: the last 29 months, one month ahead, must beat persistence (Box and Jenkins's series)."""

from __future__ import annotations

import csv
import sys
import time

import numpy as np

from benches.gates.forecast import data_file, fit, forecaster, predict, report, windows

HELD_OUT, LENGTH = 29, 24


def main() -> int:
    """Train on the earlier months, forecast the growth of each held-out month from the 24 before it."""
    import corten

    started = time.perf_counter()
    with data_file("time_series", "airline-passengers.csv").open() as f:
        passengers = np.array([float(row[1]) for row in list(csv.reader(f))[1:]])
    growth = np.diff(np.log(passengers))
    scale = growth[: len(growth) - HELD_OUT].std()
    x, y = windows(growth[:, None] / scale, growth / scale, LENGTH)
    corten.manual_seed(0)
    model = forecaster("LSTM", 1, 32)
    fit(model, x[:-HELD_OUT], y[:-HELD_OUT], 200, 16, 1e-2)
    before, truth = passengers[-HELD_OUT - 1 : -1], passengers[-HELD_OUT:]
    return report("LSTM, airline passengers", before * np.exp(predict(model, x[-HELD_OUT:]) * scale), truth, before, started)


if __name__ == "__main__":
    sys.exit(main())
