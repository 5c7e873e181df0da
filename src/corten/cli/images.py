"""From an image of any size to the pixels that a classifier was trained on."""

from __future__ import annotations

import csv
import io
import math
import os
import warnings
from typing import Any

import numpy as np

from corten.train.classifier_file import Description

MAX_PIXELS = 50_000_000
MAX_CSV_BYTES = 64 << 20


def read(argument: str, description: Description, invert: str) -> list[tuple[str, np.ndarray[Any, Any]]]:
    """The images that an argument of ``corten predict`` stands for.

    Parameters
    ----------
    argument : str
        An image file, a CSV file, or a row of numbers with commas.
    description : Description
        What the classifier expects.
    invert : {'auto', 'yes', 'no'}
        For image files.

    Returns
    -------
    list of (name, array)
        float32, shape (height, width), from 0 to ``description.white``.

    Raises
    ------
    ValueError
        When it is no image, is damaged, or has the wrong number of pixels.
    OSError
        When it cannot be read.
    """
    if not os.path.exists(argument) and "," in argument:
        return [("row", _row(argument.split(","), "row", description))]
    if argument.lower().endswith((".csv", ".txt")):
        return _read_csv(argument, description)
    return [(argument, fit(_read_grey(argument), description, invert))]


def _read_csv(path: str, description: Description) -> list[tuple[str, np.ndarray[Any, Any]]]:
    if (nbytes := os.path.getsize(path)) > MAX_CSV_BYTES:
        raise ValueError(f"{path}: {nbytes} bytes, expected at most {MAX_CSV_BYTES}")
    with open(path, "rb") as file:
        content = file.read()
    try:
        rows = [
            row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))) if any(cell.strip() for cell in row)
        ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a CSV file ({error})") from None
    if rows and not any(_is_number(cell) for cell in rows[0]):
        del rows[0]  # names of the columns
    if not rows:
        raise ValueError(f"{path}: no rows in it")
    return [(name, _row(row, name, description)) for i, row in enumerate(rows, 1) for name in [f"{path}:{i}"]]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _row(cells: list[str], name: str, description: Description) -> np.ndarray[Any, Any]:
    height, width, white = description.height, description.width, description.white
    if len(cells) != height * width:
        raise ValueError(f"{name}: {len(cells)} values, expected {height * width} pixels ({height} x {width})")
    try:
        values = [float(cell) for cell in cells]
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    odd = next((v for v in values if not 0 <= v <= white), None)  # NaN is odd too
    if odd is not None:
        raise ValueError(f"{name}: a pixel is {odd:g}, expected 0 to {white:g}")
    return np.array(values, np.float32).reshape(height, width)


def _read_grey(path: str) -> np.ndarray[Any, Any]:
    """Brightness from 0 to 1, float32, shape (H, W)."""
    if os.path.getsize(path) == 0:
        raise ValueError(f"{path}: the file is empty")
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        raise ImportError("images need Pillow, which is not installed") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our limit is lower
            with Image.open(path) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ValueError(f"{image.width} x {image.height} pixels, expected at most {MAX_PIXELS:,}")
                image.load()
                upright = ImageOps.exif_transpose(image) or image
                return _grey(upright)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = "not an image, or of an unknown kind" if isinstance(error, UnidentifiedImageError) else error
        raise ValueError(f"{path}: {reason}") from None


def _grey(image: Any) -> np.ndarray[Any, Any]:
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, np.float32)
        top = 65535.0 if image.mode.startswith("I") else float(np.nanmax(values, initial=1.0))
        clipped: np.ndarray[Any, Any] = np.clip(np.nan_to_num(values) / top, 0, 1)
        return clipped
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("L"), np.float32) / 255


def fit(grey: np.ndarray[Any, Any], description: Description, invert: str = "auto") -> np.ndarray[Any, Any]:
    """Bring an image to the size, the polarity and the place that the data set's images have.

    An image of the right size is taken pixel by pixel. In another, a digit (data sets ``mnist`` and ``digits``) is cut
    out along its ink and scaled to fill the same box as in the data set; in MNIST that is 20 x 20 with the centre of
    mass in the middle of 28 x 28. Other images are scaled as a whole and padded with black.

    Parameters
    ----------
    grey : numpy.ndarray
        From 0 (black) to 1 (white), shape (H, W).
    description : Description
    invert : {'auto', 'yes', 'no'}
        'auto' inverts when the border is brighter than middle grey.

    Returns
    -------
    numpy.ndarray
        float32, shape (height, width), from 0 to ``description.white``.
    """
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if invert == "yes" or (invert == "auto" and border.mean() > 0.5):
        grey = 1 - grey
    height, width = description.height, description.width
    if grey.shape != (height, width):
        if description.data in ("mnist", "digits"):
            grey = _place_digit(grey, height, width, margin=4 if description.data == "mnist" else 0)
        else:
            grey = _place(_resize(grey, height, width), height, width, None)
    return (grey * np.float32(description.white)).astype(np.float32)


def _place_digit(grey: np.ndarray[Any, Any], height: int, width: int, margin: int) -> np.ndarray[Any, Any]:
    if grey.max() < 0.1:
        raise ValueError("the image is blank: no digit in it")
    ink = np.argwhere(grey > 0.25 * grey.max())
    (top, left), (bottom, right) = ink.min(0), ink.max(0) + 1
    digit = _resize(grey[top:bottom, left:right], height - 2 * margin, width - 2 * margin)
    if not margin:
        return _place(digit, height, width, None)
    weight = digit.sum() or 1.0
    centre = (
        float(digit.sum(1) @ np.arange(len(digit))) / weight,
        float(digit.sum(0) @ np.arange(digit.shape[1])) / weight,
    )
    return _place(digit, height, width, centre)


def _resize(grey: np.ndarray[Any, Any], height: int, width: int) -> np.ndarray[Any, Any]:
    """Scale to fit (height, width), sides in proportion."""
    from PIL import Image

    scale = min(height / grey.shape[0], width / grey.shape[1])
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    scaled = Image.fromarray(grey.astype(np.float32)).resize(size, Image.Resampling.LANCZOS)
    return np.clip(np.asarray(scaled, np.float32), 0, 1)


def _place(
    part: np.ndarray[Any, Any], height: int, width: int, centre: tuple[float, float] | None
) -> np.ndarray[Any, Any]:
    """Put a part on black, its ``centre`` (or its middle) in the middle, moved inside where it would stick out."""
    whole = np.zeros((height, width), np.float32)
    if centre is None:
        centre = ((part.shape[0] - 1) / 2, (part.shape[1] - 1) / 2)
    top = math.floor((height - 1) / 2 - centre[0] + 0.5)
    left = math.floor((width - 1) / 2 - centre[1] + 0.5)
    top, left = min(max(top, 0), height - part.shape[0]), min(max(left, 0), width - part.shape[1])
    whole[top : top + part.shape[0], left : left + part.shape[1]] = part
    return whole
