"""Pictures in a grid, and as files."""

from __future__ import annotations

import math
from typing import Any

from corten._core import core
from corten.compat.torchvision.functional import to_pil_image
from corten.ops.view import cat, stack


def make_grid(tensor: Any, nrow: int = 8, padding: int = 2, normalize: bool = False, value_range: Any = None,
              scale_each: bool = False, pad_value: float = 0.0) -> Any:  # fmt: skip
    """Pictures (N, C, H, W), or a list of (C, H, W), in rows of ``nrow``: (3, rows, columns).

    ``normalize`` brings values to [0, 1]: those of ``value_range``, or the least and the greatest.
    """
    x = stack(list(tensor), 0) if isinstance(tensor, (list, tuple)) else tensor
    x = x.detach()
    while x.ndim < 4:
        x = x.unsqueeze(0)
    if x.shape[1] == 1:
        x = cat([x, x, x], 1)
    if normalize:
        x = x.clone()
        for part in list(x) if scale_each else [x]:
            low, high = value_range or (float(part.amin()), float(part.amax()))
            part.clamp_(min=low, max=high).sub_(low).div_(max(high - low, 1e-5))
    n, channels, h, w = x.shape
    if n == 1:
        return x[0]
    columns = min(nrow, n)
    rows = math.ceil(n / columns)
    grid = core.full((channels, rows * (h + padding) + padding, columns * (w + padding) + padding), pad_value, dtype=x.dtype)
    for i in range(n):
        top, left = (i // columns) * (h + padding) + padding, (i % columns) * (w + padding) + padding
        grid[:, top : top + h, left : left + w] = x[i]
    return grid


def save_image(tensor: Any, fp: Any, format: str | None = None, **options: Any) -> None:
    """Pictures in a grid as a file; options are those of :func:`make_grid`."""
    grid = make_grid(tensor, **options)
    to_pil_image((grid * 255 + 0.5).clamp(min=0, max=255).to(core._dtype_by_name("uint8"))).save(fp, format=format)
