"""Drawing the next token from logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from corten._core import core
from corten.ops.random import rand

__all__ = ["sample"]


def sample(logits: Any, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None,
           generator: Any = None) -> Any:  # fmt: skip
    """One token for each row of logits.

    Parameters
    ----------
    logits : Tensor, shape (B, V)
    temperature : float
        Logits are divided by it; 0 takes the most probable token.
    top_k : int, optional
        Sample among the k most probable tokens.
    top_p : float, optional
        Sample among the fewest tokens whose probabilities reach p. Holtzman et al., arXiv:1904.09751.
    generator : Generator, optional

    Returns
    -------
    Tensor, int64, shape (B, 1)

    Raises
    ------
    ValueError
        If ``temperature`` is negative, ``top_k`` below 1 or ``top_p`` outside (0, 1].

    Examples
    --------
    >>> import corten
    >>> from corten.text.sampling import sample
    >>> sample(corten.tensor([[0.0, 3.0, 1.0]]), temperature=0)
    tensor([[1]])
    """
    if temperature < 0:
        raise ValueError(f"[sample] got temperature={temperature}, expected a number not below 0")
    if top_k is not None and top_k < 1:
        raise ValueError(f"[sample] got top_k={top_k}, expected at least 1")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"[sample] got top_p={top_p}, expected a number in (0, 1]")
    if temperature == 0:
        return logits.argmax(1, keepdim=True)
    x = logits.detach().numpy().astype(np.float64) / temperature
    if top_k is not None and top_k < x.shape[1]:
        least = np.partition(x, -top_k, axis=1)[:, -top_k, None]
        x = np.where(x < least, -np.inf, x)
    p = np.exp(x - x.max(1, keepdims=True))
    if top_p is not None and top_p < 1:
        order = np.argsort(-p, axis=1, kind="stable")
        ranked = np.take_along_axis(p, order, 1)
        before = np.cumsum(ranked, 1) - ranked  # what the more probable ones reach
        np.put_along_axis(p, order, np.where(before < top_p * ranked.sum(1, keepdims=True), ranked, 0), 1)
    reached = np.cumsum(p, 1)
    u = rand(len(p), 1, generator=generator, dtype=core._dtype_by_name("float64")).numpy() * reached[:, -1:]
    return core.tensor((reached <= u).sum(1, keepdims=True))
