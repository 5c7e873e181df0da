"""GRU on hourly bike rentals: the last 60 days, one hour ahead, must beat persistence (Fanaee-T and Gama 2013)."""

from __future__ import annotations

import csv
import sys
import time

import numpy as np

from benches.gates.forecast import data_file, fit, forecaster, predict, report, windows

HELD_OUT, LENGTH = 60 * 24, 24


def main() -> int:
    """Train on the earlier hours, forecast each held-out hour from the 24 before it: rentals, hour, day, weather."""
    import corten

    started = time.perf_counter()
    with data_file("bike_sharing", "hour.csv").open() as f:
        table = list(csv.DictReader(f))
    rentals = np.array([float(r["cnt"]) for r in table])
    hour = np.array([float(r["hr"]) for r in table]) * 2 * np.pi / 24
    weather = np.array([[float(r["temp"]), float(r["hum"]), float(r["workingday"])] for r in table])
    scale = rentals[:-HELD_OUT].std()
    features = np.column_stack([rentals / scale, np.sin(hour), np.cos(hour), weather])
    x, y = windows(features, np.append(0, np.diff(rentals)) / scale, LENGTH)
    corten.manual_seed(0)
    model = forecaster("GRU", features.shape[1], 48)
    fit(model, x[:-HELD_OUT], y[:-HELD_OUT], 8, 64, 5e-3)
    before, truth = rentals[-HELD_OUT - 1 : -1], rentals[-HELD_OUT:]
    return report("GRU, hourly bike rentals", before + predict(model, x[-HELD_OUT:]) * scale, truth, before, started)


if __name__ == "__main__":
    sys.exit(main())
