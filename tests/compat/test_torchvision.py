"""Transforms, grids and data sets beside Pillow, formulas, and the files themselves."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import corten
from corten.compat.torchvision import datasets, functional, grids, transforms

RNG = np.random.default_rng(0)
PICTURE = Image.fromarray(RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8))


def test_to_tensor_and_back() -> None:
    x = transforms.ToTensor()(PICTURE)
    assert tuple(x.shape) == (3, 20, 30)
    np.testing.assert_allclose(x.numpy(), np.asarray(PICTURE).transpose(2, 0, 1) / 255, rtol=1e-6)
    assert np.array_equal(np.asarray(transforms.ToPILImage()(x)), np.asarray(PICTURE))
    grey = transforms.ToTensor()(PICTURE.convert("L"))
    assert tuple(grey.shape) == (1, 20, 30)
    assert transforms.ToTensor()(np.zeros((4, 5))).dtype is corten.float64


def test_normalize() -> None:
    x = transforms.ToTensor()(PICTURE)
    y = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))])(PICTURE)
    want = (x.numpy() - np.array([0.5, 0.4, 0.3])[:, None, None]) / np.array([0.2, 0.3, 0.4])[:, None, None]
    np.testing.assert_allclose(y.numpy(), want, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="std has a zero"):
        transforms.Normalize((0,), (0,))(x)


@pytest.mark.parametrize("size", [10, (7, 9), 40])
def test_resize_of_pictures_and_tensors(size: object) -> None:
    a = transforms.Resize(size)(PICTURE)
    b = transforms.Resize(size)(transforms.PILToTensor()(PICTURE))
    assert (a.size[1], a.size[0]) == tuple(b.shape[1:])
    assert min(a.size) == size or (a.size[1], a.size[0]) == size
    assert np.abs(np.asarray(a).transpose(2, 0, 1).astype(int) - b.numpy().astype(int)).max() <= 2


def test_crops_flips_and_pads_agree_on_both_forms() -> None:
    x = transforms.PILToTensor()(PICTURE)
    for t in (transforms.CenterCrop(12), transforms.CenterCrop((25, 10)), transforms.Pad(3), transforms.Pad((1, 2, 3, 4)),
              transforms.Pad(2, padding_mode="reflect"), transforms.RandomHorizontalFlip(1.0), transforms.RandomVerticalFlip(1.0),
              transforms.Grayscale(3), transforms.RandomInvert(1.0)):  # fmt: skip
        a, b = transforms.PILToTensor()(t(PICTURE)), t(x)
        assert np.abs(a.numpy().astype(int) - b.numpy().astype(int)).max() <= 1, t


def test_rotation_by_a_right_angle() -> None:
    square = PICTURE.crop((0, 0, 20, 20))
    x = transforms.PILToTensor()(square)
    want = np.rot90(np.asarray(square)).transpose(2, 0, 1)
    np.testing.assert_array_equal(functional.rotate(x, 90).numpy(), want)
    np.testing.assert_array_equal(np.asarray(functional.rotate(square, 90)).transpose(2, 0, 1), want)


def test_random_transforms_draw_from_corten() -> None:
    for t in (transforms.RandomCrop(8, padding=2), transforms.RandomResizedCrop(8), transforms.RandomRotation(30),
              transforms.RandomAffine(10, (0.1, 0.1), (0.8, 1.2), 5), transforms.ColorJitter(0.3, 0.3, 0.3, 0.1),
              transforms.GaussianBlur(3), transforms.RandomChoice([transforms.Pad(1), transforms.Pad(2)]),
              transforms.RandomApply([transforms.Pad(1)], 0.5), transforms.RandomGrayscale(0.5)):  # fmt: skip
        corten.manual_seed(3)
        a = [np.asarray(t(PICTURE)) for _ in range(3)]
        corten.manual_seed(3)
        b = [np.asarray(t(PICTURE)) for _ in range(3)]
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True)), t
    x = transforms.ToTensor()(PICTURE)
    erased = transforms.RandomErasing(1.0)(x)
    assert 0 < int((erased == 0).all(0).sum()) < 600
    assert len(transforms.FiveCrop(8)(PICTURE)) == 5


def test_grid_and_file(tmp_path: Path) -> None:
    x = corten.tensor(RNG.random((5, 1, 4, 6)).astype("float32"))
    grid = grids.make_grid(x, nrow=3, padding=1, pad_value=0.5)
    assert tuple(grid.shape) == (3, 2 * 5 + 1, 3 * 7 + 1)
    np.testing.assert_array_equal(grid[0, 6:10, 8:14].numpy(), x[4, 0].numpy())
    grids.save_image(x, tmp_path / "grid.png", nrow=3, padding=1)
    with Image.open(tmp_path / "grid.png") as img:
        assert img.size == (22, 11)
    scaled = grids.make_grid(x * 7 - 3, normalize=True)
    assert float(scaled.amax()) == pytest.approx(1, abs=1e-5)


def test_folder_of_pictures(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(2):
            PICTURE.save(tmp_path / name / f"{i}.png")
    data = datasets.ImageFolder(str(tmp_path), transform=transforms.ToTensor())
    assert (data.classes, data.targets, len(data)) == (["cat", "dog"], [0, 0, 1, 1], 4)
    batch, labels = next(iter(corten.data.DataLoader(data, batch_size=4)))
    assert tuple(batch.shape) == (4, 3, 20, 30)
    assert labels.tolist() == [0, 0, 1, 1]
    with pytest.raises(FileNotFoundError, match="no folders of classes"):
        datasets.ImageFolder(str(tmp_path / "cat"))


def test_fake_data() -> None:
    data = datasets.FakeData(5, (3, 8, 9), 4, transforms.ToTensor())
    assert len(data) == 5
    assert tuple(data[2][0].shape) == (3, 8, 9)
    assert corten.equal(data[2][0], data[2][0])


@pytest.mark.skipif("CORTEN_DATA" not in os.environ, reason="CORTEN_DATA is not set")
@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_public_digits(name: str, tmp_path: Path) -> None:
    data = getattr(datasets, name)(str(tmp_path), train=False, transform=transforms.ToTensor())
    assert len(data) == 10000
    assert tuple(data[0][0].shape) == (1, 28, 28)
    assert data[0][1] == {"MNIST": 7, "FashionMNIST": 9}[name]
    with pytest.warns(UserWarning, match="are data now"):
        assert data.test_data is data.data
    with pytest.warns(UserWarning, match="are targets now"):
        assert data.test_labels is data.targets
    assert len(data.class_to_idx) == 10


@pytest.mark.skipif("CORTEN_DATA" not in os.environ, reason="CORTEN_DATA is not set")
def test_cifar_of_jpeg_streams() -> None:
    folder = Path(os.environ["CORTEN_DATA"]) / "cifar10"
    if not (folder / "cifar10_jpeg.npz").is_file():
        pytest.skip("CORTEN_DATA has no cifar10_jpeg.npz")
    data = datasets.CIFAR10(str(folder), train=False)
    with np.load(folder / "cifar10_decoded_test10000.npz") as decoded:
        assert data.lossy
        assert len(data) == 10000
        np.testing.assert_array_equal(data.data[:50], decoded["images"][:50])
        assert data.targets == decoded["labels"].tolist()


def test_v2_alone() -> None:
    x = transforms.Compose([transforms.ToImage(), transforms.ToDtype(corten.float32, scale=True)])(PICTURE)
    np.testing.assert_allclose(x.numpy(), np.asarray(PICTURE).transpose(2, 0, 1) / 255, rtol=1e-6)
    assert transforms.ToDtype(corten.float64)(x).dtype is corten.float64


def test_cifar_batches_are_read_without_running_code(tmp_path: Path) -> None:
    import pickle

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    pixels = RNG.integers(0, 256, (4, 3072)).astype(np.uint8)
    (folder / "test_batch").write_bytes(pickle.dumps({b"data": pixels, b"labels": [3, 1, 4, 1]}))
    data = datasets.CIFAR10(str(tmp_path), train=False, transform=transforms.PILToTensor())
    np.testing.assert_array_equal(data[2][0].numpy(), pixels[2].reshape(3, 32, 32))
    assert data[2][1] == 4
    (folder / "test_batch").write_bytes(pickle.dumps({b"data": os.system, b"labels": []}))
    with pytest.raises(pickle.UnpicklingError, match="is not an array"):
        datasets.CIFAR10(str(tmp_path), train=False)
    with pytest.raises(OSError, match="not downloaded"):
        datasets.CIFAR100(str(tmp_path), train=False)
