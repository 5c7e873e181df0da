"""Rows D3 and D4: the Trainer over the loop that one writes by hand; checkpoints of 500 MB."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benches.core_rows import both, network, numbers
from benches.measure import OURS, Row, agree

KEYS = {"D3", "D4"}
STEPS = 200
TENSORS, ROWS, COLUMNS = 20, 2083, 1000  # 500 MB of weights and two moments each


def epoch(batch: int, by_trainer: bool) -> Callable[[], Any]:
    """An epoch of SGD over shuffled batches of random data; returns the weights."""
    import corten
    from corten.data import DataLoader, TensorDataset
    from corten.train import Trainer

    rows = STEPS * batch
    y = np.random.default_rng(5).integers(0, 10, rows)
    data = TensorDataset(corten.from_numpy(numbers(rows, 784, seed=4)), corten.from_numpy(y))
    corten.manual_seed(0)
    loader = DataLoader(data, batch_size=batch, shuffle=True)
    net, criterion = network(corten), corten.nn.CrossEntropyLoss()
    optimizer = corten.optim.SGD(net.parameters(), lr=0.01)

    def loop() -> Any:
        net.train()
        total = 0.0
        for bx, by in loader:
            optimizer.zero_grad()
            loss = criterion(net(bx), by)
            loss.backward()
            optimizer.step()
            total += loss.item()
        return [p.detach() for p in net.parameters()]

    trainer = Trainer(net, criterion, optimizer)

    def fit() -> Any:
        trainer.fit(loader)
        return [p.detach() for p in net.parameters()]

    return fit if by_trainer else loop


def state(lib: Any) -> dict[str, Any]:
    """What a checkpoint holds: weights, and the moments of Adam."""
    part = numbers(ROWS, COLUMNS)
    parts = {name: [lib.from_numpy(part * np.float32(k + 1)) for k in range(TENSORS)] for name in ("weights", "mean", "square")}
    moments = {k: {"step": 10, "exp_avg": m, "exp_avg_sq": s} for k, (m, s) in enumerate(zip(parts["mean"], parts["square"], strict=True))}
    return {"model": {f"{k}.weight": t for k, t in enumerate(parts["weights"])}, "optimizer": {"state": moments}, "epoch": 3}


def folder() -> Path:
    """A temporary folder that goes with the process."""
    path = tempfile.mkdtemp(prefix="corten-bench-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return Path(path)


def save(lib: Any) -> Callable[[], Any]:
    """Write a checkpoint so that it is on the disk, under its name as a whole."""
    path, content = folder() / "checkpoint", state(lib)
    whole = lib.__name__ == OURS  # corten.save does that by itself

    def run() -> Any:
        if whole:
            lib.save(content, path)
        else:
            with open(f"{path}.part", "wb") as file:
                lib.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(f"{path}.part", path)
        return path.stat().st_size >> 20

    return run


def load(lib: Any) -> Callable[[], Any]:
    """Read a checkpoint that the system has in memory."""
    path = folder() / "checkpoint"
    lib.save(state(lib), path)

    def run() -> Any:
        found = lib.load(path)
        return [found["model"]["7.weight"][:2], found["optimizer"]["state"][11]["exp_avg_sq"][-2:]]

    return run


def rows() -> Iterator[Row]:
    """Both."""
    for batch in (32, 1):
        sides = {OURS: lambda batch=batch: epoch(batch, True), "by hand": lambda batch=batch: epoch(batch, False)}
        yield Row("D3", f"Trainer, an epoch of 784-64-10, SGD, batch {batch}", sides, 1 / 1.05 if batch == 32 else 0.0,
                  agree(0, 0), calls=STEPS, seconds=0.1,
                  note="the peer is our own loop written by hand: 0.952 is 5 % of overhead")  # fmt: skip
    size = 3 * 4.0 * TENSORS * ROWS * COLUMNS
    yield Row("D4", "checkpoint of 500 MB, save", both(save), 1.0, agree(0.01, 1), bytes=size, pairs=7,
              note="both brought to the disk and renamed")  # fmt: skip
    yield Row("D4", "checkpoint of 500 MB, load", both(load), 1.0, agree(0, 0), bytes=size, pairs=7)
