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


class Shapeless:
    """A tensor whose shape is not known yet; ``materialize(shape)`` gives it one."""

    cls_to_become: Any = None

    def materialize(self: Any, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter or buffer of the shape."""
        wanted = self.requires_grad
        self.requires_grad = False
        self.data = core.empty(*shape, dtype=dtype or self.dtype, device=device)
        self.__class__ = self.cls_to_become
        self.requires_grad = wanted

    @property
    def shape(self) -> Any:
        """Raises RuntimeError: there is none yet."""
        raise RuntimeError(f"[{type(self).__name__}] has no shape yet: run an input through the module first")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self: Any, memo: dict[int, Any]) -> Any:
        twin = memo[id(self)] = type(self)(self.requires_grad, dtype=self.dtype)
        return twin

    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        return (type(self), (self.requires_grad, None, self.dtype))


class UninitializedParameter(Shapeless, Parameter):
    """A parameter whose shape is not known yet; ``materialize(shape)`` gives it one."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> UninitializedParameter:
        return Parameter.__new__(cls, core.empty(0, dtype=dtype, device=device), requires_grad)  # type: ignore[return-value]


class UninitializedBuffer(Shapeless, Tensor):
    """A buffer whose shape is not known yet; ``materialize(shape)`` gives it one."""

    cls_to_become = Tensor

    def __new__(cls, requires_grad: bool = False, device: Any = None, dtype: Any = None) -> UninitializedBuffer:
        made = core.TensorBase.__new__(cls)
        made.data = core.empty(0, dtype=dtype, device=device)
        return made  # type: ignore[no-any-return]


def is_lazy(value: Any) -> bool:
    """Whether a tensor has no shape yet."""
    return isinstance(value, Shapeless)


class Buffer(Tensor):
    """A tensor that registers itself as a buffer when assigned to a module."""

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Buffer:
        made = core.TensorBase.__new__(cls)
        made.data = core.empty(0) if data is None else data.detach()
        made.persistent = persistent
        return made
