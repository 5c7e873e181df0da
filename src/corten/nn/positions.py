"""Positions of tokens for attention: sinusoidal, learned and rotary."""

from __future__ import annotations

from typing import Any

import numpy as np

from corten._core import core
from corten.nn import init
from corten.nn.module import Module
from corten.nn.parameter import Parameter
from corten.ops.view import cat

__all__ = ["LearnedPositions", "RotaryPositions", "SinusoidalPositions"]


def _fits(name: str, steps: int, start: int, max_length: int) -> None:
    if start < 0 or start + steps > max_length:
        raise RuntimeError(f"[{name}] got positions {start} ... {start + steps - 1}, expected them within 0 ... {max_length - 1}")


class SinusoidalPositions(Module):
    """Adds sines and cosines of falling frequencies. Vaswani et al., arXiv:1706.03762.

    :math:`P_{t,2i} = \\sin(t / 10000^{2i/E})`, :math:`P_{t,2i+1} = \\cos(t / 10000^{2i/E})`.

    Parameters
    ----------
    embed_dim : int
        E.
    max_length : int
        The most positions.
    batch_first : bool
        (B, T, E) instead of (T, B, E).

    Examples
    --------
    >>> import corten
    >>> corten.nn.SinusoidalPositions(4, 10)(corten.zeros(1, 1, 4))
    tensor([[[0., 1., 0., 1.]]])
    """

    table: Any

    def __init__(self, embed_dim: int, max_length: int = 5000, batch_first: bool = True) -> None:
        super().__init__()
        if embed_dim < 1 or max_length < 1:
            raise ValueError(f"[SinusoidalPositions] got embed_dim={embed_dim}, max_length={max_length}, expected numbers above 0")
        self.embed_dim, self.max_length, self.batch_first = embed_dim, max_length, batch_first
        even = np.arange(0, embed_dim, 2)
        angle = np.arange(max_length)[:, None] / 10000.0 ** (even / embed_dim)
        table = np.stack([np.sin(angle), np.cos(angle)], 2).reshape(max_length, -1)[:, :embed_dim]
        self.register_buffer("table", core.tensor(table, dtype=core.get_default_dtype()), persistent=False)

    def forward(self, x: Any, start: int = 0) -> Any:
        """Add the positions from ``start`` to (B, T, E)."""
        steps = x.shape[1 if self.batch_first else 0]
        _fits("SinusoidalPositions", steps, start, self.max_length)
        rows = self.table.narrow(0, start, steps)
        return x + (rows if self.batch_first else rows.unsqueeze(1))

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, max_length={self.max_length}"


class LearnedPositions(Module):
    """Adds a vector of its own for each position, which is trained.

    Parameters
    ----------
    max_length, embed_dim : int
    batch_first : bool
        (B, T, E) instead of (T, B, E).

    Examples
    --------
    >>> import corten
    >>> corten.nn.LearnedPositions(10, 4)(corten.zeros(2, 3, 4)).shape
    corten.Size([2, 3, 4])
    """

    def __init__(self, max_length: int, embed_dim: int, batch_first: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.max_length, self.embed_dim, self.batch_first = max_length, embed_dim, batch_first
        self.weight = Parameter(core.empty(max_length, embed_dim, device=device, dtype=dtype))
        init.normal_(self.weight, 0.0, 0.02)

    def forward(self, x: Any, start: int = 0) -> Any:
        """Add the positions from ``start`` to (B, T, E)."""
        steps = x.shape[1 if self.batch_first else 0]
        _fits("LearnedPositions", steps, start, self.max_length)
        rows = self.weight.narrow(0, start, steps)
        return x + (rows if self.batch_first else rows.unsqueeze(1))

    def extra_repr(self) -> str:
        return f"{self.max_length}, {self.embed_dim}"


class RotaryPositions(Module):
    """Turns pairs of features by an angle that grows with the position, so that scores depend on distances.

    Each pair :math:`(x_i, x_j)` at position t is turned by :math:`t\\,b^{-2i/D}`. Su et al., arXiv:2104.09864.

    Parameters
    ----------
    head_dim : int
        D, even.
    max_length : int
        The most positions.
    base : float
        b.
    interleaved : bool
        Whether neighbours make a pair (as in the paper) instead of the i-th and the (i + D / 2)-th feature (as in GPT-NeoX
        and Llama).

    Examples
    --------
    >>> import corten
    >>> rotary = corten.nn.RotaryPositions(4, 10)
    >>> q, k = rotary(corten.ones(1, 2, 3, 4)), rotary(corten.ones(1, 2, 1, 4), start=3)
    >>> q.shape, k.shape
    (corten.Size([1, 2, 3, 4]), corten.Size([1, 2, 1, 4]))
    """

    cos: Any
    sin: Any

    def __init__(self, head_dim: int, max_length: int = 4096, base: float = 10000.0, interleaved: bool = False) -> None:
        super().__init__()
        if head_dim < 2 or head_dim % 2:
            raise ValueError(f"[RotaryPositions] got head_dim={head_dim}, expected an even number")
        self.head_dim, self.max_length, self.base, self.interleaved = head_dim, max_length, base, interleaved
        angle = np.arange(max_length)[:, None] / base ** (np.arange(0, head_dim, 2) / head_dim)
        for name, table in (("cos", np.cos(angle)), ("sin", np.sin(angle))):
            self.register_buffer(name, core.tensor(table, dtype=core.get_default_dtype()), persistent=False)

    def forward(self, x: Any, start: int = 0) -> Any:
        """Turn queries or keys (..., T, D), whose first position is ``start``."""
        steps, half = x.shape[-2], self.head_dim // 2
        if x.shape[-1] != self.head_dim:
            raise RuntimeError(f"[RotaryPositions] got shape {tuple(x.shape)}, expected (..., T, {self.head_dim})")
        _fits("RotaryPositions", steps, start, self.max_length)
        cos, sin = (table.narrow(0, start, steps) for table in (self.cos, self.sin))
        if self.interleaved:
            pairs = x.reshape((*x.shape[:-1], half, 2))
            a, b = pairs.select(-1, 0), pairs.select(-1, 1)
        else:
            a, b = x.narrow(-1, 0, half), x.narrow(-1, half, half)
        turned = (a * cos - b * sin, a * sin + b * cos)
        if self.interleaved:
            return cat([t.unsqueeze(-1) for t in turned], -1).reshape(x.shape)
        return cat(list(turned), -1)

    def extra_repr(self) -> str:
        return f"{self.head_dim}, max_length={self.max_length}, base={self.base:g}, interleaved={self.interleaved}"
