"""Parameters: tensors that a module owns and an optimizer trains."""

from __future__ import annotations

from typing import Any

from corten._core import core
from corten.tensor import Tensor


class Parameter(Tensor):
    """A tensor that registers itself when assigned to a module.

    Parameters
    ----------
    data : Tensor
        Its values; the memory is shared.
    requires_grad : bool
        Whether it is trained.
    """

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        made = core.TensorBase.__new__(cls)
        made.data = core.empty(0) if data is None else data.detach()
        if requires_grad:
            made.requires_grad = True
        return made


class UninitializedParameter(Parameter):
    """A parameter whose shape is not known yet; ``materialize(shape)`` gives it one."""

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter of the shape."""
        wanted = self.requires_grad
        self.requires_grad = False
        self.data = core.empty(*shape, dtype=dtype)
        self.__class__ = Parameter
        self.requires_grad = wanted


class Buffer(Tensor):
    """A tensor that registers itself as a buffer when assigned to a module."""

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Buffer:
        made = core.TensorBase.__new__(cls)
        made.data = core.empty(0) if data is None else data.detach()
        made.persistent = persistent
        return made
