"""Trained weights are the same bits for any number of threads and of loader workers."""

from __future__ import annotations

import itertools
import os

import pytest

import corten
from corten.data import DataLoader, TensorDataset, datasets


def trained(threads: int, workers: int, batch: int, data: TensorDataset, optimizer: str) -> bytes:
    """The weights after one pass over shuffled data."""
    before = corten.get_num_threads()
    corten.set_num_threads(threads)
    try:
        corten.manual_seed(3)
        net = corten.nn.Sequential(corten.nn.Linear(784, 128), corten.nn.ReLU(), corten.nn.Dropout(0.2), corten.nn.Linear(128, 10))
        criterion = corten.nn.CrossEntropyLoss()
        opt = getattr(corten.optim, optimizer)(net.parameters(), lr=0.01)
        for x, y in DataLoader(data, batch_size=batch, shuffle=True, num_workers=workers):
            opt.zero_grad()
            criterion(net(x), y).backward()
            opt.step()
        return b"".join(p.detach().numpy().tobytes() for p in net.parameters())
    finally:
        corten.set_num_threads(before)


@pytest.mark.parametrize(("batch", "count", "optimizer"), [(1, 100, "SGD"), (64, 512, "Adam"), (512, 1024, "SGD")])
def test_mnist_weights_are_bit_identical(batch: int, count: int, optimizer: str) -> None:
    if not os.environ.get("CORTEN_DATA"):
        pytest.skip("needs MNIST in CORTEN_DATA")
    data = TensorDataset(*datasets.MNIST(train=True, flatten=True).take(corten.arange(count)))
    ends = {trained(threads, workers, batch, data, optimizer) for threads, workers in itertools.product((1, 2), (0, 1, 3))}
    assert len(ends) == 1
