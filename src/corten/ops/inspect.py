"""What a tensor is, asked in PyTorch's words; names of other rooms' functions that PyTorch also has at its top."""

from __future__ import annotations

from typing import Any

from corten._core import core
from corten.ops.composite import composite
from corten.ops.declare import FUNCTIONS, function
from corten.ops.view import to
from corten.tensor import Tensor


def method(fn: Any = None, *, name: str | None = None) -> Any:
    """A Tensor method that is no function."""

    def publish(f: Any) -> Any:
        setattr(Tensor, name or f.__name__, f)
        return f

    return publish if fn is None else publish(fn)


@method
def ndimension(self: Any) -> int:
    """Number of dimensions."""
    return self.ndim


@method
def nelement(self: Any) -> int:
    """Number of elements."""
    return self.numel()


@composite
def is_same_size(input: Any, other: Any) -> bool:
    """Whether two tensors have the same shape."""
    return input.shape == other.shape


@composite
def is_nonzero(input: Any) -> bool:
    """Whether the only element is not 0."""
    if input.numel() != 1:
        raise RuntimeError(f"[is_nonzero] got {input.numel()} elements, expected 1")
    return bool(input)


@method
def is_set_to(self: Any, tensor: Any) -> bool:
    """Whether both show the same memory in the same way."""
    return (self.data_ptr(), self.shape, self.stride(), self.dtype) == (
        tensor.data_ptr(),
        tensor.shape,
        tensor.stride(),
        tensor.dtype,
    )


for _name in ("is_complex", "is_signed", "is_inference", "detach"):
    function(lambda input, _name=_name: getattr(input, _name)(), name=_name)
function(lambda input: input.detach_(), name="detach_")
function(lambda input, value: input.clone().fill_(value), name="fill")
function(lambda input: input.get_device(), name="get_device")
function(lambda t: f"corten.{type(t).__name__}" if isinstance(t, core.TensorBase) else f"{type(t).__module__}.{type(t).__qualname__}",
         name="typename")  # fmt: skip
function(lambda obj: isinstance(obj, core.Storage), name="is_storage")
for _name, _answer in {"is_distributed": False, "is_pinned": False, "is_shared": False, "is_coalesced": True}.items():
    setattr(Tensor, _name, lambda self, _answer=_answer: _answer)
FUNCTIONS["is_distributed"] = Tensor.is_distributed


@method
def pin_memory(self: Any) -> Any:
    """The tensor itself: memory of the CPU is not pinned."""
    return self


Tensor.share_memory_ = Tensor.cpu
TYPE_NAMES = {"FloatTensor": "float32", "DoubleTensor": "float64", "HalfTensor": "float16", "BFloat16Tensor": "bfloat16",
              "IntTensor": "int32", "LongTensor": "int64", "ShortTensor": "int16", "CharTensor": "int8", "ByteTensor": "uint8",
              "BoolTensor": "bool"}  # fmt: skip


@method(name="type")
def type_(self: Any, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The tensor as another dtype (or tensor type, or its name); without one, the name of its type."""
    if dtype is None:
        names = {v: k for k, v in TYPE_NAMES.items()}
        return f"torch.{names.get(self.dtype.name, 'Tensor')}"
    if not isinstance(dtype, core.dtype):
        name = dtype.rpartition(".")[2] if isinstance(dtype, str) else getattr(dtype, "__name__", None)
        if name not in TYPE_NAMES:
            raise ValueError(f"[type] got {dtype!r}, expected one of {', '.join(TYPE_NAMES)}")
        dtype = core._dtype_by_name(TYPE_NAMES[name])
    return to(self, dtype)


@method
def as_subclass(self: Any, cls: Any) -> Any:
    """The same memory as another Tensor class."""
    if not issubclass(cls, core.TensorBase):
        raise TypeError(f"[as_subclass] got {cls!r}, expected a Tensor class")
    made = core.TensorBase.__new__(cls)
    made.data = self
    return made


@method
def new(self: Any, *args: Any, device: Any = None) -> Any:
    """A tensor of this dtype, of sizes or from data."""
    if len(args) == 1 and not isinstance(args[0], int):
        return (
            core.tensor(args[0], dtype=self.dtype)
            if not isinstance(args[0], core.Size)
            else core.empty(args[0], dtype=self.dtype)
        )
    return core.empty(*(args or (0,)), dtype=self.dtype)


@method
def new_empty_strided(self: Any, size: Any, stride: Any, *, dtype: Any = None, device: Any = None,
                      requires_grad: bool = False) -> Any:  # fmt: skip
    """A tensor of undefined values with given strides, of this dtype unless told otherwise."""
    return FUNCTIONS["empty_strided"](size, stride, dtype=dtype or self.dtype, requires_grad=requires_grad)


@method
def to_dense(self: Any, dtype: Any = None) -> Any:
    """The tensor: it is dense."""
    return self if dtype is None else to(self, dtype)


@method
def dim_order(self: Any) -> tuple[int, ...]:
    """Dimensions in the order in which they lie in memory, from the longest stride."""
    return tuple(sorted(range(self.ndim), key=lambda d: (-self.stride()[d], d)))


@method
def storage(self: Any) -> Any:
    """The memory behind the tensor."""
    return self.untyped_storage()


Tensor.const_data_ptr = Tensor.data_ptr
Tensor.dense_dim = Tensor.dim
Tensor.sparse_dim = lambda self: 0
