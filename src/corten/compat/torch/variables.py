"""``torch.autograd.Variable``, which has been a tensor for long."""

from __future__ import annotations

from typing import Any

from corten.tensor import Tensor


class _Kind(type):
    def __instancecheck__(cls, obj: Any) -> bool:
        return isinstance(obj, Tensor)

    def __call__(cls, data: Any, requires_grad: bool = False, volatile: bool = False) -> Any:
        t = data.detach() if isinstance(data, Tensor) else Tensor(data)
        return t.requires_grad_() if requires_grad else t


class Variable(metaclass=_Kind):
    """A tensor of the same memory; every tensor is one."""
