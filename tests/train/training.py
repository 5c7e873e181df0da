"""What the tests of training have in common: small networks and a part of MNIST."""

import os
from pathlib import Path

import numpy as np
import pytest

import corten
from corten import nn
from corten.data import DataLoader, TensorDataset
from corten.data.idx import read_idx


def mnist(rows, part="train"):
    """The first images of MNIST as (rows, 784) from 0 to 1, and their classes; skips where it is absent."""
    folder = Path(os.environ.get("CORTEN_DATA", "/nonexistent")) / "mnist"
    if not folder.is_dir():
        pytest.skip("CORTEN_DATA has no mnist")
    stem = "train" if part == "train" else "t10k"
    images = next(folder.glob(f"{stem}-images*"))
    labels = next(folder.glob(f"{stem}-labels*"))
    x = np.asarray(read_idx(images))[:rows].reshape(rows, -1).astype(np.float32) / 255
    return corten.from_numpy(x), corten.from_numpy(np.asarray(read_idx(labels))[:rows].astype(np.int64))


def network(inputs=784, hidden=16, outputs=10, seed=0, norm=False, dropout=0.0):
    corten.manual_seed(seed)
    layers = [nn.Linear(inputs, hidden)]
    if norm:
        layers.append(nn.BatchNorm1d(hidden))
    layers.append(nn.ReLU())
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(hidden, outputs))


def noise(rows=64, features=8, classes=3, seed=0):
    """Points of a few classes around centres of their own."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, rows)
    x = rng.standard_normal((classes, features))[y] + 0.7 * rng.standard_normal((rows, features))
    return corten.from_numpy(x.astype(np.float32)), corten.from_numpy(y)


def loader(data, batch_size=16, shuffle=True, **options):
    return DataLoader(TensorDataset(*data), batch_size=batch_size, shuffle=shuffle, **options)


def same_weights(a, b):
    """Whether two state dicts have the same bits."""
    return a.keys() == b.keys() and all(a[k].numpy().tobytes() == b[k].numpy().tobytes() for k in a)


class Halve:
    """The smallest scheduler: half the rate after every step, with PyTorch's interface."""

    def __init__(self, optimizer):
        self.optimizer, self.taken = optimizer, 0

    def step(self):
        self.taken += 1
        for group in self.optimizer.param_groups:
            group["lr"] *= 0.5

    def state_dict(self):
        return {"taken": self.taken}

    def load_state_dict(self, state):
        self.taken = state["taken"]
