"""Public data sets: MNIST, Fashion-MNIST, and the 8 x 8 digits that come with the package.

The first two are looked for in ``root``, or else in ``$CORTEN_DATA`` and the user's cache, and are downloaded when
they are in none of these (``CORTEN_OFFLINE=1`` forbids that).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import corten

from .dataset import Dataset
from .idx import read_idx
from .sources import DatasetUnavailableError, RemoteFile, Source, cache_folder, locate

__all__ = ["MNIST", "FashionMNIST", "Digits", "ImageClassification", "DatasetUnavailableError", "cache_folder"]

_IDX_NAMES = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
              "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")  # fmt: skip


def _idx_files(*nbytes_and_sha256: tuple[int, str]) -> tuple[RemoteFile, ...]:
    return tuple(RemoteFile(name, n, sha) for name, (n, sha) in zip(_IDX_NAMES, nbytes_and_sha256, strict=True))


MNIST_SOURCE = Source(
    name="MNIST",
    files=_idx_files(
        (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    folders=("mnist", "MNIST/raw"),
)
FASHION_MNIST_SOURCE = Source(
    name="FashionMNIST",
    files=_idx_files(
        (26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        (29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        (4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
    mirrors=(
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    folders=("fashion_mnist", "FashionMNIST/raw"),
)


class ImageClassification(Dataset[Any]):
    """Grey images of one size, each with a class; abstract.

    The images are kept as uint8 and become float32 when they are asked for, so a data set takes a quarter of the
    memory of its batches.

    Parameters
    ----------
    images : numpy.ndarray
        uint8, shape (N, H, W).
    labels : numpy.ndarray
        Integers, shape (N,).
    transform, target_transform : callable, optional
        Called with the float32 image, or the class as an int, of each sample.
    flatten : bool
        Samples of shape (H * W,) instead of (1, H, W).
    normalize : bool
        Subtract ``mean`` and divide by ``std``; otherwise pixels are from 0 to 1.

    Attributes
    ----------
    data : Tensor
        uint8, shape (N, H, W).
    targets : Tensor
        int64, shape (N,).
    """

    name: ClassVar[str]  #: short name, as in ``corten train --data``
    classes: ClassVar[tuple[str, ...]]  #: class names, in order
    white: ClassVar[float]  #: pixel value that becomes 1
    mean: ClassVar[float]  #: of the training images, pixels from 0 to 1
    std: ClassVar[float]  #: likewise
    size: ClassVar[tuple[int, int]]  #: (H, W)

    def __init__(
        self,
        images: np.ndarray[Any, Any],
        labels: np.ndarray[Any, Any],
        transform: Callable[[Any], Any] | None,
        target_transform: Callable[[Any], Any] | None,
        flatten: bool,
        normalize: bool,
    ) -> None:
        kind = type(self).__name__
        if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != self.size:
            raise ValueError(f"[{kind}] images of shape {images.shape}, {images.dtype}, "
                             f"expected (N, {self.size[0]}, {self.size[1]}), uint8")  # fmt: skip
        if labels.shape != images.shape[:1]:
            raise ValueError(f"[{kind}] {labels.shape} labels for {len(images)} images")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(self.classes):
            raise ValueError(f"[{kind}] labels from {labels.min()} to {labels.max()}, "
                             f"expected 0 to {len(self.classes) - 1}")  # fmt: skip
        self.data = corten.from_numpy(images)
        self.targets = corten.from_numpy(labels.astype(np.int64))
        self.transform = transform
        self.target_transform = target_transform
        self.flatten = flatten
        self.normalize = normalize

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class name."""
        return {name: i for i, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return int(self.targets.shape[0])

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"[{type(self).__name__}] index {index} is out of range for {n} samples")
        image = self._as_input(self.data[index : index + 1] if index != -1 else self.data[n - 1 :])[0]
        target = int(self.targets[index].item())
        return (
            image if self.transform is None else self.transform(image),
            target if self.target_transform is None else self.target_transform(target),
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} images of {self.size[0]} x {self.size[1]}, {len(self.classes)} classes)"
        )

    @property
    def take(self) -> Callable[[Any], tuple[Any, Any]]:
        """As :class:`~corten.data.Dataset` says; there is none with transforms, which work on one sample."""
        if self.transform is not None or self.target_transform is not None:
            raise AttributeError(f"[{type(self).__name__}] no take with transforms")
        return self._take

    def _take(self, indices: Any) -> tuple[Any, Any]:
        return self._as_input(self.data.index_select(0, indices)), self.targets.index_select(0, indices)

    def _as_input(self, images: Any) -> Any:
        """uint8 (B, H, W) to float32 (B, 1, H, W), or (B, H * W)."""
        x = images.to(corten.float32)
        if self.normalize:
            x.sub_(self.mean * self.white).div_(self.std * self.white)
        else:
            x.div_(self.white)
        count, (height, width) = int(images.shape[0]), self.size
        return x.reshape(count, height * width) if self.flatten else x.reshape(count, 1, height, width)


def _read_pair(
    source: Source, root: Any, train: bool, download: bool
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    images, labels = locate(source, root, download)[:2] if train else locate(source, root, download)[2:]
    return read_idx(images), read_idx(labels)


class MNIST(ImageClassification):
    """Handwritten digits, 28 x 28: 60,000 to train with and 10,000 to test (LeCun, Cortes, Burges, 1998).

    Parameters
    ----------
    root : path-like, optional
        The folder that has ``mnist/`` or ``MNIST/raw/``; by default ``$CORTEN_DATA``, then the user's cache.
    train : bool
    transform, target_transform : callable, optional
        Called for each sample; the fast path of the loader needs both absent.
    download : bool
        Download the files where they are not found.
    flatten : bool
        Samples of shape (784,) instead of (1, 28, 28).
    normalize : bool
        Zero mean and unit variance over the training set; otherwise pixels are from 0 to 1.

    Raises
    ------
    DatasetUnavailableError
        When the files are nowhere to be had.
    ValueError
        When a file is damaged.
    """

    name = "mnist"
    classes = tuple(str(digit) for digit in range(10))
    white, mean, std, size = 255.0, 0.1307, 0.3081, (28, 28)

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = True,
        *,
        flatten: bool = False,
        normalize: bool = False,
    ) -> None:
        self.train = train
        super().__init__(*_read_pair(MNIST_SOURCE, root, train, download), transform, target_transform, flatten,
                         normalize)  # fmt: skip


class FashionMNIST(ImageClassification):
    """Pieces of clothing, 28 x 28: 60,000 to train with and 10,000 to test (Xiao, Rasul, Vollgraf, 2017).

    The parameters are those of :class:`MNIST`; the folder is ``fashion_mnist/`` or ``FashionMNIST/raw/``.
    """

    name = "fashion"
    classes = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
    white, mean, std, size = 255.0, 0.2860, 0.3530, (28, 28)

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = True,
        *,
        flatten: bool = False,
        normalize: bool = False,
    ) -> None:
        self.train = train
        super().__init__(*_read_pair(FASHION_MNIST_SOURCE, root, train, download), transform, target_transform, flatten,
                         normalize)  # fmt: skip


class Digits(ImageClassification):
    """Handwritten digits, 8 x 8, that come with the package: 1,437 to train with and 360 to test.

    They are scikit-learn's 1,797 digits (the test part of UCI "Optical Recognition of Handwritten Digits", Alpaydin and
    Kaynak, 1998) in their order, cut after four fifths. Pixels are from 0 to 16 in ``data``.

    Parameters
    ----------
    train : bool
    transform, target_transform : callable, optional
    flatten : bool
        Samples of shape (64,) instead of (1, 8, 8).
    normalize : bool
        Zero mean and unit variance over the training part; otherwise pixels are from 0 to 1.

    Examples
    --------
    >>> import corten
    >>> from corten.data.datasets import Digits
    >>> len(Digits()), len(Digits(train=False))
    (1437, 360)
    """

    name = "digits"
    classes = tuple(str(digit) for digit in range(10))
    white, mean, std, size = 16.0, 0.3054, 0.3755, (8, 8)
    _TRAIN = 1437

    def __init__(
        self,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        *,
        flatten: bool = False,
        normalize: bool = False,
    ) -> None:
        self.train = train
        with resources.as_file(resources.files("corten.data") / "digits.npz") as path:
            images, labels = _read_npz(path)
        part = slice(None, self._TRAIN) if train else slice(self._TRAIN, None)
        super().__init__(images[part].copy(), labels[part], transform, target_transform, flatten, normalize)


def _read_npz(path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    with np.load(path, allow_pickle=False) as archive:
        return archive["images"], archive["labels"]
