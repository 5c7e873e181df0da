"""torchvision's image sets: the batched path gives what the samples give."""

import numpy as np
import pytest

import corten
from corten.data import DataLoader
from corten.data.idx import write_idx
from corten.vision import datasets
from corten.vision import transforms as T


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CORTEN_OFFLINE", "1")
    monkeypatch.delenv("CORTEN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "mnist").mkdir()
    rng = np.random.default_rng(0)
    for name, n in (("train", 20), ("t10k", 7)):
        write_idx(tmp_path / "mnist" / f"{name}-images-idx3-ubyte.gz", rng.integers(0, 256, (n, 28, 28), np.uint8))
        write_idx(tmp_path / "mnist" / f"{name}-labels-idx1-ubyte.gz", rng.integers(0, 10, n).astype(np.uint8))
    return tmp_path


@pytest.mark.parametrize("chain", [T.ToTensor(), T.Compose([T.ToTensor(), T.Normalize((0.1307,), (0.3081,))])])
def test_batches_are_the_samples(root, chain):
    data = datasets.MNIST(root, train=True, transform=chain)
    loader = DataLoader(data, 8)
    assert loader._is_fast() and len(data) == 20
    whole = [corten.cat(list(column)) for column in zip(*loader, strict=True)]
    for i in range(20):
        x, y = data[i]
        np.testing.assert_allclose(whole[0][i].numpy(), x.numpy(), rtol=1e-6, atol=1e-6)
        assert y == whole[1][i].item()


def test_other_transforms_take_the_samples(root):
    data = datasets.MNIST(root, train=False, transform=T.Compose([T.Resize(14), T.ToTensor()]))
    assert not DataLoader(data, 2)._is_fast() and tuple(next(iter(DataLoader(data, 3)))[0].shape) == (3, 1, 14, 14)
    assert datasets.MNIST(root, train=False)[0][0].size == (28, 28) and "7 images" in repr(data)
    assert data.class_to_idx["3"] == 3
    with pytest.raises(OSError, match="FashionMNIST"):
        datasets.FashionMNIST(root)


def test_fake_data():
    data = datasets.FakeData(5, (3, 8, 9), transform=T.ToTensor())
    assert (
        tuple(data[2][0].shape) == (3, 8, 9) and (data[2][0] == data[2][0]).all() and (data[2][0] != data[3][0]).any()
    )
    with pytest.raises(IndexError):
        data[5]
