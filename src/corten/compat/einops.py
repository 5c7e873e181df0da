"""einops on tensors: importing this module makes `einops.rearrange`, `reduce`, `repeat`, `einsum` and the rest know them.

Scripts that run by ``python -m corten.compat.torch`` need nothing: there einops finds a module called torch.
"""

from __future__ import annotations

from typing import Any

from einops._backends import AbstractBackend  # einops asks every subclass whether a tensor is its own

import corten

__all__ = ["CortenBackend"]


class CortenBackend(AbstractBackend):  # type: ignore[misc]
    """How einops moves, reduces and repeats axes of a tensor; all of it on the tape."""

    framework_name = "corten"

    def is_appropriate_type(self, tensor: Any) -> bool:
        """Whether a value is a tensor."""
        return isinstance(tensor, corten.Tensor)

    def from_numpy(self, x: Any) -> Any:
        """A tensor of an array."""
        return corten.from_numpy(x)

    def to_numpy(self, x: Any) -> Any:
        """An array of a tensor."""
        return x.detach().numpy()

    def arange(self, start: int, stop: int) -> Any:
        """Whole numbers."""
        return corten.arange(start, stop)

    def shape(self, x: Any) -> tuple[int, ...]:
        """The shape."""
        return tuple(x.shape)

    def transpose(self, x: Any, axes: Any) -> Any:
        """Axes in another order."""
        return x.permute(tuple(axes))

    def reduce(self, x: Any, operation: str, axes: Any) -> Any:
        """One of einops' reductions over axes."""
        return getattr(corten.array_api, operation)(x, axis=tuple(axes))

    def stack_on_zeroth_dimension(self, tensors: list[Any]) -> Any:
        """Joined along a new first axis."""
        return corten.stack(tensors)

    def add_axis(self, x: Any, new_position: int) -> Any:
        """With a new axis of size 1."""
        return x.unsqueeze(new_position)

    def add_axes(self, x: Any, n_axes: int, pos2len: dict[int, int]) -> Any:
        """With new axes along which everything is repeated, without a copy."""
        sizes = [-1] * n_axes
        for position, length in pos2len.items():
            x = x.unsqueeze(position)
            sizes[position] = length
        return x.expand(sizes)

    def tile(self, x: Any, repeats: Any) -> Any:
        """Repeated along each axis."""
        return x.repeat(tuple(repeats))

    def concat(self, tensors: list[Any], axis: int) -> Any:
        """Joined along an axis."""
        return corten.cat(tensors, axis)

    def is_float_type(self, x: Any) -> bool:
        """Whether a mean makes sense."""
        return bool(x.is_floating_point())

    def einsum(self, pattern: str, *x: Any) -> Any:
        """Sums of products."""
        return corten.einsum(pattern, *x)
