"""The public data sets: found, downloaded from a mirror on this machine, or refused with all that was tried."""

import functools
import hashlib
import http.server
import os
import threading

import numpy as np
import pytest

import corten
from corten.data import DataLoader, datasets, sources, write_idx
from corten.data.datasets import MNIST, Digits, FashionMNIST

NAMES = [file.name for file in datasets.MNIST_SOURCE.files]


def small_files(folder, n=20, labels=10, size=28):
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in zip(NAMES, (n, n, n // 2, n // 2), strict=True):
        shape = (count, size, size) if "images" in name else (count,)
        write_idx(folder / name, random.integers(0, 256 if "images" in name else labels, shape, dtype=np.uint8))


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No data set here, and no way out."""
    monkeypatch.delenv("CORTEN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CORTEN_OFFLINE", "1")
    return tmp_path


@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw"])
@pytest.mark.parametrize("where", ["root", "CORTEN_DATA", "cache"])
def test_found(nowhere, monkeypatch, where, folder):
    base = nowhere / "cache/corten/data" if where == "cache" else nowhere / "here"
    small_files(base / folder)
    if where == "CORTEN_DATA":
        monkeypatch.setenv("CORTEN_DATA", str(base))
    data = MNIST(base if where == "root" else None)
    assert len(data) == 20 and len(MNIST(base if where == "root" else None, train=False)) == 10


def test_uncompressed_files_are_found(nowhere):
    small_files(nowhere / "mnist")
    import gzip

    for name in NAMES:
        path = nowhere / "mnist" / name
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert len(MNIST(nowhere)) == 20


def test_samples_and_batches_agree(nowhere):
    small_files(nowhere / "fashion_mnist")
    raw = FashionMNIST(nowhere)
    images = raw.data.numpy().astype(np.float64)
    for flatten in (False, True):
        for normalize in (False, True):
            data = FashionMNIST(nowhere, flatten=flatten, normalize=normalize)
            expected = images / 255
            if normalize:
                expected = (expected - data.mean) / data.std
            expected = expected.reshape(20, *((784,) if flatten else (1, 28, 28)))
            x, y = next(iter(DataLoader(data, batch_size=20)))
            np.testing.assert_allclose(x.numpy(), expected, rtol=2e-6, atol=1e-6)
            assert x.dtype == corten.float32 and y.dtype == corten.int64
            for i in (0, 7, -1):
                assert (data[i][0] == x[i]).all() and data[i][1] == y[i].item() and isinstance(data[i][1], int)
    with pytest.raises(IndexError, match="out of range"):
        raw[20]
    assert raw.class_to_idx["Trouser"] == 1


def test_transforms_are_applied(nowhere):
    small_files(nowhere / "mnist")
    data = MNIST(nowhere, transform=lambda x: x + 1, target_transform=lambda y: -y)
    assert not DataLoader(data)._is_fast() and DataLoader(MNIST(nowhere))._is_fast()
    x, y = next(iter(DataLoader(data, batch_size=4)))
    plain_x, plain_y = next(iter(DataLoader(MNIST(nowhere), batch_size=4)))
    assert (x == plain_x + 1).all() and (y == -plain_y).all()
    data = MNIST(nowhere)
    loader = DataLoader(data, batch_size=4)
    data.target_transform = lambda y: 7  # set later
    assert next(iter(loader))[1].tolist() == [7] * 4


def test_damaged_files_are_refused(nowhere):
    small_files(nowhere / "mnist", size=27)
    with pytest.raises(ValueError, match="27, 27"):
        MNIST(nowhere)
    small_files(nowhere / "mnist", labels=200)
    with pytest.raises(ValueError, match="labels from"):
        MNIST(nowhere)
    small_files(nowhere / "mnist")
    write_idx(nowhere / "mnist" / NAMES[1], np.zeros(3, np.uint8))
    with pytest.raises(ValueError, match="labels for 20 images"):
        MNIST(nowhere)


def test_offline_names_what_was_tried(nowhere):
    with pytest.raises(datasets.DatasetUnavailableError) as caught:
        MNIST()
    text = str(caught.value)
    assert "CORTEN_DATA: not set" in text and str(nowhere / "cache") in text and "CORTEN_OFFLINE" in text
    with pytest.raises(datasets.DatasetUnavailableError, match="not asked for"):
        MNIST(nowhere, download=False)


@pytest.fixture
def mirror(nowhere, monkeypatch):
    """A web server on this machine with the files, and a source that knows their sums."""
    folder = nowhere / "www"
    small_files(folder)
    files = []
    for name in NAMES:
        content = (folder / name).read_bytes()
        files.append(sources.RemoteFile(name, len(content), hashlib.sha256(content).hexdigest()))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}/"
    dead = "http://127.0.0.1:1/"
    source = sources.Source("MNIST", tuple(files), (dead, address), ("mnist",))
    monkeypatch.setattr(datasets, "MNIST_SOURCE", source)
    monkeypatch.delenv("CORTEN_OFFLINE")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield folder, source
    server.shutdown()
    server.server_close()
    thread.join()


def test_downloaded_into_the_cache_from_the_second_mirror(nowhere, mirror):
    assert len(MNIST()) == 20
    assert sorted(os.listdir(nowhere / "cache/corten/data/mnist")) == sorted(NAMES)
    assert len(MNIST(download=False)) == 20


@pytest.mark.parametrize("change, what", [
    (lambda c: c[:-1] + bytes([c[-1] ^ 1]), "SHA-256"),
    (lambda c: c[:-5], "bytes, expected"),
    (lambda c: c + b"x" * 100000, "longer"),
])  # fmt: skip
def test_a_wrong_file_is_not_kept(nowhere, mirror, change, what):
    folder, _ = mirror
    path = folder / NAMES[2]
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(datasets.DatasetUnavailableError, match=what) as caught:
        MNIST()
    assert "127.0.0.1:1/" in str(caught.value)  # both mirrors are named
    assert sorted(os.listdir(nowhere / "cache/corten/data/mnist")) == sorted(NAMES[:2])


def test_digits_are_scikit_learns():
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    expected = sklearn_datasets.load_digits()
    images = np.concatenate([Digits(train=t).data.numpy() for t in (True, False)])
    targets = np.concatenate([Digits(train=t).targets.numpy() for t in (True, False)])
    np.testing.assert_array_equal(images, expected.images)
    np.testing.assert_array_equal(targets, expected.target)


def test_stated_mean_and_std():
    data = Digits()
    pixels = data.data.numpy() / 16
    assert abs(pixels.mean() - data.mean) < 1e-4 and abs(pixels.std() - data.std) < 1e-4


@pytest.mark.skipif("CORTEN_DATA" not in os.environ, reason="needs MNIST in CORTEN_DATA")
@pytest.mark.parametrize("kind", [MNIST, FashionMNIST])
def test_the_real_files(kind):
    try:
        data, test = kind(download=False), kind(train=False, download=False)
    except datasets.DatasetUnavailableError:
        pytest.skip("not in CORTEN_DATA")
    assert len(data) == 60000 and len(test) == 10000
    pixels = data.data.numpy()
    assert abs(pixels.mean() / 255 - data.mean) < 1e-4 and abs(pixels.std() / 255 - data.std) < 1e-4
    counts = np.bincount(test.targets.numpy())
    assert len(counts) == 10 and (kind is MNIST or (counts == 1000).all())
