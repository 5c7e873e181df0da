"""Data sets as torchvision gives them: samples are a Pillow image and a number, through the transforms."""

from __future__ import annotations

import io
import os
import pickle
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from corten._core import core
from corten.data import datasets as ours
from corten.data.dataset import Dataset
from corten.data.sources import DatasetUnavailableError, roots

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class VisionDataset(Dataset[Any]):
    """Pictures with targets, and what is done to them."""

    def __init__(self, root: Any = None, transforms: Any = None, transform: Any = None, target_transform: Any = None) -> None:
        if transforms is not None and (transform is not None or target_transform is not None):
            raise ValueError(f"[{type(self).__name__}] give transforms, or transform and target_transform")
        self.root = os.path.expanduser(root) if isinstance(root, str) else root
        self.transform, self.target_transform, self.transforms = transform, target_transform, transforms

    def through(self, image: Any, target: Any) -> tuple[Any, Any]:
        """A sample after its transforms."""
        if self.transforms is not None:
            return self.transforms(image, target)  # type: ignore[no-any-return]
        image = image if self.transform is None else self.transform(image)
        return image, target if self.target_transform is None else self.target_transform(target)

    def __repr__(self) -> str:
        return f"Dataset {type(self).__name__}\n    Number of datapoints: {len(self)}\n    Root location: {self.root}"


class ArrayDataset(VisionDataset):
    """Pictures in memory."""

    data: Any
    targets: Any
    classes: list[str]

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class name."""
        return {name: i for i, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        picture = self.data[index]
        return self.through(Image.fromarray(picture.numpy() if hasattr(picture, "numpy") else picture), int(self.targets[index]))


class MNIST(ArrayDataset):
    """Handwritten digits, 28 x 28; looked for in ``root`` and in ``$CORTEN_DATA``, and downloaded when told to."""

    source: Any = ours.MNIST

    def __init__(self, root: Any, train: bool = True, transform: Any = None, target_transform: Any = None,
                 download: bool = False) -> None:  # fmt: skip
        super().__init__(root, transform=transform, target_transform=target_transform)
        kept = self._kept(train, download)
        self.train, self.data, self.targets = train, kept.data, kept.targets
        self.classes = list(kept.classes)
        if type(self) is MNIST:
            names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
            self.classes = [f"{i} - {name}" for i, name in enumerate(names)]


    def _kept(self, train: bool, download: bool) -> Any:
        for place in (self.root, None):
            try:
                return self.source(place, train=train, download=False)
            except DatasetUnavailableError:
                continue
        return self.source(self.root, train=train, download=download)

    def _renamed(self, old: str) -> Any:
        new = "targets" if old == "labels" else "data"
        warnings.warn(f"[MNIST] train_{old} and test_{old} are {new} now", UserWarning, stacklevel=3)
        return getattr(self, new)

    train_data = test_data = property(lambda self: self._renamed("data"), doc="The pictures, under their old name.")
    train_labels = test_labels = property(lambda self: self._renamed("labels"), doc="The classes, under their old name.")


class FashionMNIST(MNIST):
    """Clothes, 28 x 28; looked for as :class:`MNIST` is."""

    source = ours.FashionMNIST


class _Plain(pickle.Unpickler):
    """Reads arrays and containers alone: no code of a file runs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module.startswith("numpy") and name in ("_reconstruct", "ndarray", "dtype")) or (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"[CIFAR] {module}.{name} is not an array")


class CIFAR10(ArrayDataset):
    """Photographs of 10 classes, 32 x 32 in colour; looked for in ``root`` and in ``$CORTEN_DATA/cifar10``.

    Files are the batches for Python of the authors, packed or not, which are read without running code; or, where there are
    none, ``cifar10_jpeg.npz`` (``train_jpeg``, the streams one behind the other, ``train_offsets``, ``train_labels``, and the same of
    ``test``). ``lossy`` says that the pictures went through JPEG: accuracies on them are not those of the original ones.
    """

    lossy = False

    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    folder, python_folder = "cifar10", "cifar-10-batches-py"
    train_files, test_files = tuple(f"data_batch_{i}" for i in range(1, 6)), ("test_batch",)
    label = b"labels"

    def __init__(self, root: Any, train: bool = True, transform: Any = None, target_transform: Any = None,
                 download: bool = False) -> None:  # fmt: skip
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train, self.classes = train, list(self.names)
        for _, base in [*roots(self.root), *roots()]:
            for place in (base, base / self.folder):
                found = self._read(place)
                if found is not None:
                    self.data, self.targets = found
                    return
        raise DatasetUnavailableError(f"[{type(self).__name__}] is neither in {self.root} nor in $CORTEN_DATA/{self.folder}; it is not "
                                      "downloaded")  # fmt: skip

    def _read(self, place: Path) -> Any:
        import tarfile

        wanted = self.train_files if self.train else self.test_files
        for packed in sorted(place.glob("*.tar.gz")) if place.is_dir() else []:
            with tarfile.open(packed) as tar:
                members = {Path(m.name).name: m for m in tar.getmembers() if m.isfile()}
                if all(name in members for name in wanted):
                    return self._python([tar.extractfile(members[name]) for name in wanted])
        for part in (place / self.python_folder, place):
            if all((part / name).is_file() for name in wanted):
                with ExitStack() as files:
                    return self._python([files.enter_context(open(part / name, "rb")) for name in wanted])
        packed = place / f"{self.folder}_jpeg.npz"
        return self._jpeg(packed) if packed.is_file() else None

    def _jpeg(self, path: Path) -> Any:
        part = "train" if self.train else "test"
        with np.load(path, allow_pickle=False) as held:
            stream, ends = held[f"{part}_jpeg"].tobytes(), held[f"{part}_offsets"]
            labels = held[f"{part}_labels"].tolist()
        pictures = np.empty((len(labels), 32, 32, 3), np.uint8)
        for i in range(len(labels)):
            with Image.open(io.BytesIO(stream[ends[i] : ends[i + 1]])) as img:
                pictures[i] = np.asarray(img.convert("RGB"))
        self.lossy = True
        return pictures, labels

    def _python(self, files: Any) -> Any:
        pictures, labels = [], []
        for file in files:
            batch = _Plain(file, encoding="bytes").load()
            pictures.append(np.asarray(batch[b"data"], np.uint8))
            labels += list(batch[self.label])
        return np.ascontiguousarray(np.concatenate(pictures).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels


class CIFAR100(CIFAR10):
    """Photographs of 100 classes, 32 x 32 in colour; looked for in ``root`` and in ``$CORTEN_DATA/cifar100``."""

    names = tuple(str(i) for i in range(100))
    folder, python_folder = "cifar100", "cifar-100-python"
    train_files, test_files, label = ("train",), ("test",), b"fine_labels"


def pil_loader(path: Any) -> Any:
    """An RGB Pillow image of a file."""
    with open(path, "rb") as file, Image.open(file) as img:
        return img.convert("RGB")


default_loader = pil_loader


class DatasetFolder(VisionDataset):
    """Files in one folder for each class: ``root/class/.../file``."""

    def __init__(self, root: Any, loader: Callable[[Any], Any], extensions: Any = None, transform: Any = None,
                 target_transform: Any = None, is_valid_file: Any = None, allow_empty: bool = False) -> None:  # fmt: skip
        super().__init__(root, transform=transform, target_transform=target_transform)
        base = Path(self.root)
        self.classes = sorted(entry.name for entry in base.iterdir() if entry.is_dir())
        if not self.classes:
            raise FileNotFoundError(f"[{type(self).__name__}] {base} has no folders of classes")
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self.loader, self.extensions, self.samples = loader, extensions, []
        for name in self.classes:
            members = sorted(str(f) for f in (base / name).rglob("*") if f.is_file())
            kept = [f for f in members if (is_valid_file(f) if is_valid_file else f.lower().endswith(tuple(extensions)))]
            if not kept and not allow_empty:
                raise FileNotFoundError(f"[{type(self).__name__}] {base / name} has no files of {extensions}")
            self.samples += [(f, self.class_to_idx[name]) for f in kept]
        self.targets = [t for _, t in self.samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self.through(self.loader(path), target)


class ImageFolder(DatasetFolder):
    """Pictures in one folder for each class."""

    def __init__(self, root: Any, transform: Any = None, target_transform: Any = None, loader: Any = pil_loader,
                 is_valid_file: Any = None, allow_empty: bool = False) -> None:  # fmt: skip
        super().__init__(root, loader, IMG_EXTENSIONS, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples


class FakeData(VisionDataset):
    """Random pictures with random classes, the same each time."""

    def __init__(self, size: int = 1000, image_size: Any = (3, 224, 224), num_classes: int = 10, transform: Any = None,
                 target_transform: Any = None, random_offset: int = 0) -> None:  # fmt: skip
        super().__init__(None, transform=transform, target_transform=target_transform)
        self.size, self.image_size, self.num_classes, self.random_offset = size, image_size, num_classes, random_offset

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not 0 <= index < self.size:
            raise IndexError(f"[FakeData] index {index} is outside 0 ... {self.size - 1}")
        from corten.compat.torchvision.functional import to_pil_image

        rng = np.random.default_rng(index + self.random_offset)
        picture = core.tensor(rng.integers(0, 256, self.image_size).astype(np.uint8))
        return self.through(to_pil_image(picture), int(rng.integers(0, self.num_classes)))
