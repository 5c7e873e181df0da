"""Image files: reading one, and folders with a folder for each class."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import corten

from .dataset import Dataset
from .files import needs, open_input
from .readers import register_format

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
MAX_PIXELS = 89_478_485  #: as Pillow's own limit: a quarter of a GiB as RGB


@contextmanager
def image_file(path: Any, max_pixels: int = MAX_PIXELS) -> Iterator[Any]:
    """A Pillow image of a file, open and not decoded yet; errors of decoding inside the block become ours.

    Parameters
    ----------
    path : path-like, str or binary file
    max_pixels : int
        A file that says that it is larger is refused before it is decoded.

    Raises
    ------
    ValueError
        When it is no image, damaged, truncated, empty or too large.
    OSError
        When the file cannot be read.
    """
    Image = needs("PIL.Image", "image_file", "vision")
    label = getattr(path, "name", "the image") if hasattr(path, "read") else os.fspath(path)
    file = path if hasattr(path, "read") else open_input(path)
    try:
        image = Image.open(file)
        width, height = image.size
        if width * height > max_pixels:
            raise ValueError(f"{width} x {height} pixels, more than the {max_pixels} that are allowed")
        yield image
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError, TypeError, KeyError, ZeroDivisionError,
            struct.error, zlib.error, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:  # fmt: skip
        # Pillow's plugins tell of damage in all these ways
        if str(error).startswith("["):  # ours, of a transform
            raise
        raise ValueError(f"[read_image] {label}: not an image, or damaged ({error})") from error
    finally:
        if file is not path:
            file.close()


def open_image(path: Any, mode: str | None = "RGB", max_pixels: int = MAX_PIXELS) -> Any:
    """Decode an image file into a Pillow image.

    Parameters
    ----------
    path, max_pixels
        As for :func:`image_file`.
    mode : str or None
        Pillow's mode to convert to; None keeps the file's.

    Raises
    ------
    ValueError, OSError
        As :func:`image_file`.
    """
    with image_file(path, max_pixels) as image:
        if mode is not None and image.mode != mode:
            return image.convert(mode)
        image.load()
        return image


def read_image(path: Any, mode: str | None = "RGB", max_pixels: int = MAX_PIXELS) -> Any:
    """Read an image file into a tensor.

    Parameters
    ----------
    path, mode, max_pixels
        As for :func:`open_image`.

    Returns
    -------
    Tensor
        uint8, shape (C, H, W).

    Raises
    ------
    ValueError, OSError
        As :func:`open_image`.
    """
    pixels = np.asarray(open_image(path, mode, max_pixels))
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * 255
    pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return corten.from_numpy(np.ascontiguousarray(pixels) if pixels.base is None else np.array(pixels, order="C"))


class ImageFolder(Dataset[tuple[Any, int]]):
    """Images in a folder for each class: ``root/cat/1.jpg``, ``root/dog/2.png``.

    Parameters
    ----------
    root : path-like
    transform : callable, optional
        Called with the Pillow image of each sample; without one a sample is that image, so give at least
        :class:`corten.vision.transforms.ToTensor` for a loader.
    target_transform : callable, optional
        Called with the number of the class.
    loader : callable
        From a path to an image.
    is_valid_file : callable, optional
        From a path to whether it is a sample; by default the suffix tells.
    allow_empty : bool
        Folders without images are classes too.

    Attributes
    ----------
    classes : list of str
        The names of the folders, sorted.
    class_to_idx : dict
        The number of each.
    samples : list of (str, int)
        Path and class of each sample, sorted.
    targets : list of int

    Raises
    ------
    FileNotFoundError
        When there is no class, or a class has no image.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] = open_image,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        self.root = os.fspath(root)
        self.transform, self.target_transform, self.loader = transform, target_transform, loader
        self.classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
        if not self.classes:
            raise FileNotFoundError(f"[ImageFolder] {self.root} has no folders, expected one for each class")
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        valid = is_valid_file or (lambda path: path.lower().endswith(IMAGE_SUFFIXES))
        self.samples: list[tuple[str, int]] = []
        for name, number in self.class_to_idx.items():
            found = [p for p in sorted(map(str, Path(root, name).rglob("*"))) if os.path.isfile(p) and valid(p)]
            if not found and not allow_empty:
                raise FileNotFoundError(f"[ImageFolder] {Path(root, name)} has no image ({' '.join(IMAGE_SUFFIXES)})")
            self.samples += [(path, number) for path in found]
        self.imgs = self.samples
        self.targets = [number for _, number in self.samples]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        from_file = getattr(self.transform, "from_file", None)
        if self.loader is open_image and from_file is not None:
            sample = from_file(path)
        else:
            image = self.loader(path)
            sample = image if self.transform is None else self.transform(image)
        return (
            sample,
            target if self.target_transform is None else self.target_transform(target),
        )

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        return f"ImageFolder({len(self)} images of {len(self.classes)} classes in {self.root})"


def write_image_folder(root: str | os.PathLike[str], images: Any, targets: Sequence[int], classes: Sequence[str],
                       suffix: str = ".png", **options: Any) -> None:  # fmt: skip
    """Write arrays as image files in a folder for each class.

    Parameters
    ----------
    root : path-like
    images : iterable of numpy.ndarray
        Each uint8, shape (H, W) or (H, W, 3).
    targets : sequence of int
    classes : sequence of str
    suffix : str
    **options
        Pillow's for the format, such as ``quality=90``.
    """
    Image = needs("PIL.Image", "write_image_folder", "vision")
    for name in classes:
        Path(root, name).mkdir(parents=True, exist_ok=True)
    for i, (image, target) in enumerate(zip(images, targets, strict=True)):
        Image.fromarray(np.asarray(image)).save(Path(root, classes[target], f"{i:06d}{suffix}"), **options)


register_format("image", IMAGE_SUFFIXES, read_image)
