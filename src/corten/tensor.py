"""The Tensor class: the compiled core with the ops as its methods."""

from __future__ import annotations

from typing import Any

from corten._core import core


class Tensor(core.TensorBase):
    """A multi-dimensional array that can record what is done with it.

    ``Tensor(data)`` copies ``data`` as the default dtype; ``Tensor(2, 3)`` is an uninitialised 2 x 3 tensor. Usual ways
    to make one are :func:`corten.tensor`, :func:`corten.zeros`, :func:`corten.from_numpy` and their kin.

    Examples
    --------
    >>> import corten
    >>> x = corten.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    __slots__ = ()
    __array_priority__ = 1000.0

    def __new__(cls, *data: Any, device: Any = None) -> Tensor:
        if cls is not Tensor:
            return core.TensorBase.__new__(cls)
        if len(data) == 1 and not isinstance(data[0], int):
            return core.tensor(data[0], dtype=core.get_default_dtype(), device=device)
        return core.empty(*(data or (0,)), device=device)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        core._share_free(cls)

    def __repr__(self) -> str:
        from corten._format import tensor_text

        return tensor_text(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.ndim == 0 else object.__format__(self, spec) if spec else repr(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self.grad_fn is not None:
            raise RuntimeError("[deepcopy] only leaves can be copied deeply; detach() first")
        copy = self.detach().clone()
        memo[id(self)] = copy
        if type(self) is not Tensor:
            twin = core.TensorBase.__new__(type(self))
            twin.data = copy
            copy = twin
            memo[id(self)] = copy
        copy.requires_grad = self.requires_grad
        if self.grad is not None:
            copy.grad = self.grad.detach().clone()
        return copy

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.dtype is core._dtype_by_name("bfloat16"):
            values: Any = self.detach().float().numpy()
        else:
            values = self.detach().contiguous().numpy()
        return (_rebuild, (type(self), values, self.dtype, self.requires_grad))

    @property
    def T(self) -> Tensor:  # noqa: N802
        """The transpose: dimensions in reverse order."""
        return self if self.ndim < 2 else self.permute(tuple(range(self.ndim - 1, -1, -1)))

    @property
    def mT(self) -> Tensor:  # noqa: N802
        """The last two dimensions exchanged."""
        return self.transpose(-2, -1)

    @property
    def H(self) -> Tensor:  # noqa: N802
        """The conjugate transpose of a matrix."""
        return self.T

    def cpu(self) -> Tensor:
        """This tensor: it is on the CPU."""
        return self

    def to_device(self, device: Any, /, *, stream: Any = None) -> Tensor:
        """This tensor on a device, by the Array API's name: there is the CPU alone."""
        if stream is not None:
            raise ValueError(f"[to_device] got stream {stream!r}, expected None: the CPU has none")
        return self.to(device)

    @property
    def is_cuda(self) -> bool:
        """False: tensors are on the CPU."""
        return False

    is_xpu = is_mps = is_mkldnn = is_quantized = is_sparse = is_nested = is_cuda

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """The namespace of the Array API standard; see :mod:`corten.array_api`."""
        from importlib import import_module

        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
            raise ValueError(f"[__array_namespace__] got version {api_version!r}, expected 2021.12 to 2024.12")
        return import_module("corten.array_api")

    @property
    def is_cpu(self) -> bool:
        """Whether the data is on the CPU."""
        return not self.is_meta

    def get_device(self) -> int:
        """-1, as for every CPU tensor."""
        return -1

    def new_tensor(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        """A new tensor from data, of this dtype unless told otherwise."""
        return core.tensor(data, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)

    def new_empty(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        """A tensor of undefined values, of this dtype unless told otherwise."""
        return core.empty(*size, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)

    def new_zeros(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        """A tensor of zeros, of this dtype unless told otherwise."""
        return core.zeros(*size, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)

    def new_ones(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        """A tensor of ones, of this dtype unless told otherwise."""
        return core.ones(*size, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)

    def new_full(self, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None,
                 requires_grad: bool = False) -> Tensor:  # fmt: skip
        """A tensor of one value, of this dtype unless told otherwise."""
        return core.full(size, fill_value, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


def _rebuild(cls: type, values: Any, dtype: Any, requires_grad: bool) -> Tensor:
    t = core.tensor(values, dtype=dtype)
    if cls is not Tensor:
        twin = core.TensorBase.__new__(cls)
        twin.data = t
        t = twin
    t.requires_grad = requires_grad
    return t


core._set_tensor_type(Tensor)
