"""Several transforms after the other, fused where they are the usual ones.

From a Pillow image to a tensor the usual chain (crop, resize, flip, colours, tensor, normalise) would make an image at each
step. Here cropping, resizing and mirroring are only noted, and one native pass makes float planes from Pillow's own memory.
A JPEG that is to be made at least half as large is decoded at a half, a quarter or an eighth to begin with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import corten
from corten.data.images import image_file

from . import _pixels, on_tensors  # type: ignore[attr-defined]
from .convert import Normalize, ToTensor
from .functional import is_pil


class Deferred:
    """A Pillow image with crops, one resize and mirroring that are still to be done; later float planes.

    Parameters
    ----------
    image : PIL.Image
        Mode RGB or L after decoding.
    """

    def __init__(self, image: Any) -> None:
        self.image = image
        self.top = self.left = 0
        self.height, self.width = image.height, image.width
        self.part: tuple[int, int, int, int] | None = None  # of the image, once a size is set
        self.mode = "nearest"
        self.mirrored = False
        self.planes: Any = None

    def crop(self, top: int, left: int, height: int, width: int) -> None:
        """Keep a part; it must lie inside."""
        if top < 0 or left < 0 or top + height > self.height or left + width > self.width:
            raise ValueError(
                f"[crop] part ({top}, {left}, {height}, {width}) of an image of {self.height} x {self.width}"
            )
        if self.part is None and not self.mirrored and self.planes is None:
            self.top, self.left, self.height, self.width = self.top + top, self.left + left, height, width
            return
        planes = self.float_planes()
        self.planes = planes[:, top : top + height, left : left + width].contiguous()
        self.height, self.width = height, width

    def resize(self, height: int, width: int, mode: str) -> None:
        """Set the size."""
        if self.part is not None or self.planes is not None:
            self.planes = on_tensors.resize(self.float_planes(), height, width, mode, mode != "nearest")
        else:
            self.part = (self.top, self.left, self.height, self.width)
            self.mode = mode
        self.height, self.width = height, width

    def hflip(self) -> None:
        """Mirror left to right."""
        if self.planes is not None:
            self.planes = on_tensors.flip(self.planes, -1)
        else:
            self.mirrored = not self.mirrored

    def jitter(self, steps: Sequence[tuple[str, float]]) -> None:
        """Change colours."""
        planes = self.float_planes()
        if planes.shape[0] == 1:
            self.planes = on_tensors.jitter(planes, steps)
        elif steps:
            what = np.array([[_pixels.STEPS[name] for name, _ in steps]], np.int32)
            _pixels.jitter(planes[None].numpy(), what, np.array([[by for _, by in steps]], np.float32))

    def float_planes(self) -> Any:
        """float32, shape (C, H, W), from 0 to 1."""
        if self.planes is None:
            top, left, height, width = self.part or (self.top, self.left, self.height, self.width)
            top, left, height, width = self._draft(top, left, height, width)
            image = self.image
            image.load()
            if image.mode not in ("RGB", "L"):
                image = image.convert("RGB")
            self.planes = corten.empty(3 if image.mode == "RGB" else 1, self.height, self.width)
            _pixels.resample(image, top, left, height, width, self.height, self.width, self.mode, self.mirrored,
                             self.planes.numpy())  # fmt: skip
        return self.planes

    def _draft(self, top: int, left: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Let an undecoded JPEG be decoded smaller, as long as that is not below the size that is wanted."""
        factor = min(height / self.height, width / self.width)
        if self.mode == "nearest" or factor < 2 or getattr(self.image, "format", None) != "JPEG":
            return top, left, height, width
        full = self.image.size
        self.image.draft(None, (int(full[0] / factor), int(full[1] / factor)))
        by_width, by_height = full[0] / self.image.width, full[1] / self.image.height
        if by_width == by_height == 1:
            return top, left, height, width
        low, first = int(top / by_height), int(left / by_width)
        rows = max(1, min(self.image.height - low, round(height / by_height)))
        columns = max(1, min(self.image.width - first, round(width / by_width)))
        return low, first, rows, columns


class Compose:
    """Several transforms, one after the other.

    Parameters
    ----------
    transforms : sequence of callable

    Notes
    -----
    On a Pillow image of mode RGB or L, a chain that begins with :class:`Resize`, :class:`CenterCrop`, :class:`RandomCrop`
    without padding, :class:`RandomResizedCrop`, :class:`RandomHorizontalFlip` and :class:`ColorJitter` and goes on with
    :class:`ToTensor` (and :class:`Normalize`) runs fused. It draws the same random numbers; as nothing is rounded to 8
    bits between the steps, values differ from the unfused ones by a few parts of 255.

    Examples
    --------
    >>> import numpy as np
    >>> from PIL import Image
    >>> from corten.vision import transforms
    >>> chain = transforms.Compose([transforms.Resize(32), transforms.ToTensor()])
    >>> chain(Image.fromarray(np.zeros((64, 64, 3), np.uint8))).shape
    corten.Size([3, 32, 32])
    """

    def __init__(self, transforms: Sequence[Any]) -> None:
        self.transforms = transforms

    def _fused(self) -> int:
        """How many transforms lie before a ToTensor and can be deferred; -1 when the chain is another."""
        for i, transform in enumerate(self.transforms):
            if type(transform) is ToTensor:
                return i
            if not hasattr(transform, "deferred"):
                return -1
        return -1

    def __call__(self, img: Any) -> Any:
        fused = self._fused()
        if fused >= 0 and not isinstance(img, np.ndarray) and is_pil(img) and img.mode in ("RGB", "L"):
            return self._rest(self._planes(img, fused), fused + 1)
        return self._rest(img, 0)

    def from_file(self, path: Any) -> Any:
        """As called with the decoded image of a file, in RGB; decoding itself may take part in the fusion.

        Raises
        ------
        ValueError, OSError
            As :func:`corten.data.open_image`.
        """
        fused = self._fused()
        with image_file(path) as image:
            image = image if image.mode == "RGB" else image.convert("RGB")
            if fused >= 0:
                image = self._planes(image, fused)
            else:
                image.load()
        return self._rest(image, fused + 1)

    def _planes(self, image: Any, fused: int) -> Any:
        deferred = Deferred(image)
        for transform in self.transforms[:fused]:
            transform.deferred(deferred)
        return deferred.float_planes()

    def _rest(self, image: Any, start: int) -> Any:
        for transform in self.transforms[start:]:
            if start and type(transform) is Normalize:  # nobody else has these planes
                image = on_tensors.normalize(image, transform.mean, transform.std, True)
            else:
                image = transform(image)
        return image

    def __repr__(self) -> str:
        return "Compose(\n" + "".join(f"    {t}\n" for t in self.transforms) + ")"
