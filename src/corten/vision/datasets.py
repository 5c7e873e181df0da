"""Public image sets as torchvision gives them: a sample is (Pillow image, class) before the transforms."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import corten
from corten.data import Dataset, ImageFolder
from corten.data import datasets as arrays

from .transforms import Compose, Normalize, ToTensor

__all__ = ["FakeData", "FashionMNIST", "ImageFolder", "MNIST"]


def tensor_chain(transform: Any) -> list[Normalize] | None:
    """The normalisations of a transform that is ToTensor and perhaps Normalize, None for any other."""
    chain = list(transform.transforms) if type(transform) is Compose else [transform]
    if chain and type(chain[0]) is ToTensor and all(type(t) is Normalize for t in chain[1:]):
        return chain[1:]
    return None


class _Grey(Dataset[tuple[Any, Any]]):
    """Grey images of one size that are held as bytes; abstract.

    Attributes
    ----------
    data : Tensor
        uint8, shape (N, H, W).
    targets : Tensor
        int64, shape (N,).
    classes : list of str
    """

    source: type[arrays.ImageClassification]

    def __init__(self, root: str | os.PathLike[str] | None = None, train: bool = True,
                 transform: Callable[[Any], Any] | None = None, target_transform: Callable[[Any], Any] | None = None,
                 download: bool = False) -> None:  # fmt: skip
        if root is not None and not os.path.isdir(root):
            os.makedirs(root)
        try:
            held = self.source(None, train=train, download=False)  # type: ignore[call-arg, arg-type]
        except arrays.DatasetUnavailableError:
            held = self.source(root, train=train, download=download)  # type: ignore[call-arg, arg-type]
        self.root, self.train, self.transform, self.target_transform = root, train, transform, target_transform
        self.data, self.targets, self.classes = held.data, held.targets, list(held.classes)

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class name."""
        return {name: i for i, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return int(self.data.shape[0])

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from PIL import Image

        image, target = Image.fromarray(self.data[index].numpy()), int(self.targets[index].item())
        return (
            image if self.transform is None else self.transform(image),
            target if self.target_transform is None else self.target_transform(target),
        )

    @property
    def take(self) -> Callable[[Any], tuple[Any, Any]]:
        """As :class:`~corten.data.Dataset` says, where the transform is ToTensor, or that and Normalize."""
        if self.target_transform is not None or tensor_chain(self.transform) is None:
            raise AttributeError(f"[{type(self).__name__}] no take with these transforms")
        return self._take

    def _take(self, indices: Any) -> tuple[Any, Any]:
        x = self.data.index_select(0, indices).unsqueeze(1).to(corten.float32).div_(255)
        for normalise in tensor_chain(self.transform) or ():
            x = normalise(x)
        return x, self.targets.index_select(0, indices)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} images, train={self.train}, transform={self.transform})"


class MNIST(_Grey):
    """Handwritten digits (LeCun, Cortes, Burges, 1998).

    Parameters
    ----------
    root : path-like, optional
        Where the files are looked for and downloaded to, after ``$CORTEN_DATA`` and the user's cache.
    train : bool
    transform, target_transform : callable, optional
        With :class:`~corten.vision.transforms.ToTensor`, and perhaps ``Normalize`` behind it, whole batches are made at once.
    download : bool

    Raises
    ------
    DatasetUnavailableError
        When the files are nowhere to be had.
    """

    source = arrays.MNIST


class FashionMNIST(_Grey):
    """Pieces of clothing (Xiao, Rasul, Vollgraf, 2017); parameters as for :class:`MNIST`."""

    source = arrays.FashionMNIST


class FakeData(Dataset[tuple[Any, Any]]):
    """Random images, the same at each call.

    Parameters
    ----------
    size : int
    image_size : (int, int, int)
        Channels, height, width.
    num_classes : int
    transform, target_transform : callable, optional
    random_offset : int
        Added to the seed of each sample.
    """

    def __init__(self, size: int = 1000, image_size: tuple[int, int, int] = (3, 224, 224), num_classes: int = 10,
                 transform: Callable[[Any], Any] | None = None, target_transform: Callable[[Any], Any] | None = None,
                 random_offset: int = 0) -> None:  # fmt: skip
        self.size, self.image_size, self.num_classes, self.random_offset = size, image_size, num_classes, random_offset
        self.transform, self.target_transform = transform, target_transform

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from .transforms.functional import to_pil_image

        if not 0 <= index < self.size:
            raise IndexError(f"[FakeData] index {index} is out of range for {self.size} samples")
        generator = corten.Generator().manual_seed(index + self.random_offset)
        image = to_pil_image(corten.rand(*self.image_size, generator=generator))
        target = int(corten.randint(0, self.num_classes, (1,), generator=generator).item())
        return (
            image if self.transform is None else self.transform(image),
            target if self.target_transform is None else self.target_transform(target),
        )
