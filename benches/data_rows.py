"""Rows D1, D2 and D5: JPEG files, tensors in memory and CSV files to batches and tensors."""

from __future__ import annotations

import functools
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benches import pillow_transforms
from benches.core_rows import both, numbers
from benches.measure import Row, agree

KEYS = {"D1", "D2", "D5"}
IMAGES, CSV_ROWS = 256, 1_000_000
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def made(name: str, make: Callable[[Path], None]) -> Path:
    """A file or folder that all sides read, made by the first that comes; it stays in the temporary folder."""
    path = Path(tempfile.gettempdir(), f"corten-benches-{name}")
    if not path.exists():
        part = Path(tempfile.mkdtemp(prefix=path.name), "x")
        make(part)
        part.rename(path)
        part.parent.rmdir()
    return path


# ---- D1


def make_images(root: Path) -> None:
    """Mosaics of small pictures (CIFAR-10 where CORTEN_DATA has it), enlarged, with the grain of a sensor: 500 x 375."""
    from PIL import Image

    from corten.data.images import write_image_folder

    rng = np.random.default_rng(0)
    source = Path(os.environ.get("CORTEN_DATA", "."), "cifar10", "cifar10_exact_train4000.npz")
    small = np.load(source)["images"] if source.exists() else rng.integers(0, 256, (400, 32, 32, 3), np.uint8)

    def mosaic() -> np.ndarray[Any, Any]:
        tiles = (
            small[rng.integers(0, len(small), 12)].reshape(3, 4, 32, 32, 3).transpose(0, 2, 1, 3, 4).reshape(96, 128, 3)
        )
        large = np.asarray(Image.fromarray(tiles).resize((500, 375), Image.Resampling.BICUBIC)).astype(np.float32)
        return (large + rng.normal(0, 6, large.shape)).clip(0, 255).astype(np.uint8)

    write_image_folder(
        root, (mosaic() for _ in range(IMAGES)), [i % 4 for i in range(IMAGES)], list("abcd"), ".jpg", quality=88
    )


def summary(batches: Any) -> list[Any]:
    """Number, mean and deviation of all pixels, and the classes: what random crops leave alike.

    The brightness of 256 images is drawn at random, so that two means are expected to differ by some 0.04.
    """
    n, total, squares, classes = 0, 0.0, 0.0, []
    for x, y in batches:
        a = x.numpy().astype(np.float64)
        n, total, squares = n + a.size, total + a.sum(), squares + (a**2).sum()
        classes += y.tolist()
    mean = total / n
    return [n / 1e6, mean, (squares / n - mean**2) ** 0.5, sorted(classes)]


def each_epoch(loader: Any) -> Callable[[], Any]:
    """All batches of an epoch; the first time their summary."""
    checked: list[Any] = []

    def run() -> Any:
        if not checked:
            checked.append(summary(loader))
            return checked[0]
        for _x, _y in loader:
            pass
        return None

    return run


def ours_of_images(crop: str) -> Callable[[], Any]:
    """Corten: two threads."""
    from corten.data import DataLoader, ImageFolder
    from corten.vision import transforms as T

    first = T.RandomResizedCrop(224) if crop == "resized" else T.RandomCrop(224)
    chain = T.Compose(
        [first, T.RandomHorizontalFlip(), T.ColorJitter(0.4, 0.4, 0.4, 0.1), T.ToTensor(), T.Normalize(MEAN, STD)]
    )
    data = ImageFolder(made("images", make_images), chain)
    return each_epoch(DataLoader(data, 32, shuffle=True, num_workers=2, persistent_workers=True))


def torch_of_images(crop: str, workers: int) -> Callable[[], Any]:
    """PyTorch's loader over Pillow transforms as torchvision writes them."""
    from torch.utils.data import DataLoader

    # PyTorch's workers are children of this process, which the benchmark has started as a daemon
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    data = pillow_transforms.Images(made("images", make_images), crop, MEAN, STD)
    return each_epoch(DataLoader(data, 32, shuffle=True, num_workers=workers, persistent_workers=workers > 0))


# ---- D5


def make_csv(path: Path) -> None:
    """12 columns of numbers with 5 digits behind the point, 6 of whole numbers, 2 with all the digits of a double."""
    rng = np.random.default_rng(0)
    with open(path, "w") as file:
        file.write(",".join(f"c{k}" for k in range(20)) + "\n")
        for _ in range(0, CSV_ROWS, 10_000):
            parts = np.round(rng.normal(size=(10_000, 12)), 5).tolist(), rng.integers(0, 10_000, (10_000, 6)).tolist()
            long = rng.normal(size=(10_000, 2)).tolist()
            file.writelines(",".join(map(repr, (*a, *b, *c))) + "\n" for a, b, c in zip(*parts, long, strict=True))


def ours_of_csv() -> Callable[[], Any]:
    """Corten: read_csv and Table.tensor."""
    from corten.data import read_csv

    path = made("rows.csv", make_csv)
    return lambda: ends(read_csv(path).tensor())


def pandas_of_csv(engine: str) -> Callable[[], Any]:
    """pandas and PyTorch."""
    import pandas
    import torch

    path = made("rows.csv", make_csv)
    return lambda: ends(torch.from_numpy(pandas.read_csv(path, engine=engine).to_numpy(np.float32)))


def ends(x: Any) -> Any:
    """Every thousandth row."""
    return x[::1000]


def shuffled(lib: Any, batch: int, rows: int) -> Callable[[], Any]:
    """An epoch of batches of (rows, 784) and classes; returns what does not depend on the order."""
    data = lib.data if hasattr(lib, "data") and hasattr(lib.data, "DataLoader") else lib.utils.data
    x, y = lib.from_numpy(numbers(rows, 784)), lib.from_numpy(numbers(rows, seed=1))
    loader = data.DataLoader(data.TensorDataset(x, y), batch_size=batch, shuffle=True)
    checked: list[Any] = []

    def run() -> Any:
        if not checked:
            seen = [(bx.sum(1), by) for bx, by in loader]
            checked.append([np.sort(lib.cat([v[k] for v in seen]).numpy()) for k in (0, 1)])
            return checked[0]
        for _bx, _by in loader:
            pass
        return None

    return run


def rows() -> Iterator[Row]:
    """Batches of 32 and of 1024; images; a CSV file."""
    for batch in (32, 1024):
        yield Row("D2", f"shuffled batches of {batch} of 20,000 x 784", both(shuffled, batch, 20_000), 3.0, agree(1e-3, 1e-3),
                  bytes=2 * 4.0 * 785 * 20_000)  # fmt: skip
    for crop in ("resized", "plain"):
        sides = {"corten": functools.partial(ours_of_images, crop)} | {
            f"PyTorch, {n} workers": functools.partial(torch_of_images, crop, n) for n in (0, 2, 3)
        }
        yield Row("D1", f"JPEG files of 500 x 375, random {crop} crop of 224, flip, jitter, normalise", sides, 1.5,
                  agree(0.05, 0.15), calls=IMAGES, pairs=7, note="time for one image; PyTorch: Pillow transforms")  # fmt: skip
    readers = {
        "pandas": functools.partial(pandas_of_csv, "c"),
        "pandas, pyarrow engine": functools.partial(pandas_of_csv, "pyarrow"),
    }
    yield Row(
        "D5", "CSV of 1,000,000 x 20 to a tensor", {"corten": ours_of_csv} | readers, 1.5, agree(1e-6, 1e-6), pairs=7
    )
