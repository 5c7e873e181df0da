"""What the two forecasting gates share: a recurrent layer on windows of a series, against persistence."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np


def data_file(*parts: str) -> Path:
    """A file below ``CORTEN_DATA``."""
    root = os.environ.get("CORTEN_DATA")
    if not root:
        raise SystemExit("set CORTEN_DATA to the folder with the public data sets")
    return Path(root, *parts)


def windows(features: np.ndarray, target: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``length`` rows before each step, (N, length, F), and the step's target, (N,)."""
    at = np.arange(length, len(target))
    return np.stack([features[i - length : i] for i in at]), target[at]


def forecaster(kind: str, inputs: int, hidden: int) -> Any:
    """A recurrent layer and a linear map of its last state."""
    from corten import nn

    class Forecaster(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = getattr(nn, kind)(inputs, hidden, batch_first=True)
            self.out = nn.Linear(hidden, 1)

        def forward(self, x: Any) -> Any:
            return self.out(self.layer(x)[0][:, -1]).squeeze(-1)

    return Forecaster()


def fit(model: Any, x: np.ndarray, y: np.ndarray, epochs: int, batch: int, rate: float) -> None:
    """Adam with a falling rate, on shuffled batches."""
    import corten

    optimizer = corten.optim.Adam(model.parameters(), rate)
    rng = np.random.default_rng(0)
    xs, ys = corten.tensor(x.astype(np.float32)), corten.tensor(y.astype(np.float32))
    for epoch in range(epochs):
        for group in optimizer.param_groups:
            group["lr"] = rate * 0.5 * (1 + np.cos(np.pi * epoch / epochs))
        order = rng.permutation(len(x))
        for i in range(0, len(x), batch):
            rows = corten.tensor(order[i : i + batch])
            loss = corten.nn.functional.mse_loss(model(xs[rows]), ys[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def predict(model: Any, x: np.ndarray) -> np.ndarray:
    """The forecasts."""
    import corten

    with corten.no_grad():
        return np.asarray(model(corten.tensor(x.astype(np.float32))).numpy(), np.float64)


def report(gate: str, forecast: np.ndarray, truth: np.ndarray, before: np.ndarray, started: float, **more: Any) -> int:
    """Print root mean square errors of the forecast and of persistence; 0 if the forecast's is lower."""
    ours, theirs = (float(np.sqrt(np.mean((p - truth) ** 2))) for p in (forecast, before))
    print(json.dumps({"gate": gate, "rmse": round(ours, 3), "persistence_rmse": round(theirs, 3), "met": ours < theirs,
                      "held_out": len(truth), "seconds": round(time.perf_counter() - started, 1), **more}))  # fmt: skip
    return 0 if ours < theirs else 1
