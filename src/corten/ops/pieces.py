"""Tensors cut into pieces, shapes changed in place, and views as copies."""

from __future__ import annotations

import math
from typing import Any

from corten._core import core
from corten.ops.composite import INT64, composite, is_tensor
from corten.ops.declare import FUNCTIONS, function
from corten.ops.view import cat, core_wrap, flat, index_basic, narrow_op, permute_op, reshape, split, transpose, view_op
from corten.tensor import Tensor

# ---- cutting


@composite
def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """Pieces cut at indices, or a number of them as equal as possible, as views."""
    if input.ndim == 0:
        raise RuntimeError("[tensor_split] got a tensor without dimensions, expected at least one")
    d = core_wrap(dim, input.ndim, "tensor_split")
    n = input.shape[d]
    where = indices_or_sections.tolist() if is_tensor(indices_or_sections) else indices_or_sections
    if isinstance(where, int):
        if where < 1:
            raise RuntimeError(f"[tensor_split] got {where} sections, expected at least 1")
        small, more = divmod(n, where)
        sizes = [small + (i < more) for i in range(where)]
        starts = [sum(sizes[:i]) for i in range(where)]
        return tuple(narrow_op(input, d, a, s) for a, s in zip(starts, sizes, strict=True))
    cuts = [0, *where, n]
    keys = [
        slice(a if i else 0, b if i < len(cuts) - 2 else n)
        for i, (a, b) in enumerate(zip(cuts, cuts[1:], strict=False))
    ]
    spans = [k.indices(n) for k in keys]
    return tuple(narrow_op(input, d, a, max(b - a, 0)) for a, b, _ in spans)


def cutter(name: str, dim: Any, least: int) -> None:
    def run(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
        if input.ndim < least:
            raise RuntimeError(f"[{name}] got {input.ndim} dimensions, expected at least {least}")
        d = (0 if input.ndim == 1 else 1) if dim is None else dim
        if isinstance(indices_or_sections, int) and (indices_or_sections < 1 or input.shape[d] % indices_or_sections):
            raise RuntimeError(
                f"[{name}] dimension {d} of size {input.shape[d]} cannot be cut into {indices_or_sections} equal pieces"
            )
        return tensor_split(input, indices_or_sections, d)

    run.__name__ = run.__qualname__ = name
    run.__doc__ = "Pieces of equal size, or cut at indices, as views."
    composite(run)


cutter("hsplit", None, 1)
cutter("vsplit", 0, 2)
cutter("dsplit", 2, 3)


@composite(alias=("unsafe_split_with_sizes",))
def split_with_sizes(input: Any, split_sizes: Any, dim: int = 0) -> tuple[Any, ...]:
    """Pieces of given sizes along a dimension, as views."""
    return split(input, list(split_sizes), dim)


# ---- in-place changes of shape; copies of views


def in_place_view(name: str, view: Any) -> None:
    def run(self: Any, *args: Any, **kw: Any) -> Any:
        if self.requires_grad:
            raise RuntimeError(
                f"[{name}_] a tensor that requires a gradient cannot change its shape in place; use {name}()"
            )
        self.data = view(self, *args, **kw)
        return self

    run.__name__ = run.__qualname__ = name + "_"
    run.__doc__ = f"The tensor itself made {name}() of what it was."
    run.__wrapped__ = view  # type: ignore[attr-defined]
    setattr(Tensor, name + "_", run)


for _name in ("squeeze", "unsqueeze", "transpose", "swapaxes", "swapdims", "t", "as_strided"):
    in_place_view(_name, getattr(Tensor, _name))


def copy_of_view(name: str, view: Any) -> None:
    def run(*args: Any, **kw: Any) -> Any:
        made = view(*args, **kw)
        return tuple(m.clone() for m in made) if isinstance(made, tuple) else made.clone()

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"What {name[:-5]}() gives, as a copy."
    composite(run, method=name == "narrow_copy")


for _name in ("alias", "as_strided", "detach", "diagonal", "expand", "narrow", "permute", "select", "split", "split_with_sizes",
              "squeeze", "t", "transpose", "unbind", "unfold", "unsqueeze", "view"):  # fmt: skip
    copy_of_view(_name + "_copy", getattr(Tensor, _name, None) or FUNCTIONS.get(_name) or core.REGISTRY[_name])


@composite(method=False)
def view_copy(input: Any, size: Any) -> Any:
    """The elements in another shape, or the bytes as another dtype, as a copy."""
    return (FUNCTIONS["view"](input, size) if isinstance(size, core.dtype) else reshape(input, flat((size,)))).clone()


@composite(method=False)
def slice_copy(input: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    """A slice of one dimension, as a copy."""
    return index_basic(input, (slice(None),) * core_wrap(dim, input.ndim) + (slice(start, end, step),)).clone()


FUNCTIONS["moveaxis"] = FUNCTIONS["movedim"]
Tensor.moveaxis = FUNCTIONS["movedim"]
for _name in ("split", "chunk"):
    function(FUNCTIONS[_name], name="unsafe_" + _name, method=True)


def resize_(self: Any, *sizes: Any, memory_format: Any = None) -> Any:
    """Another shape in place; elements beyond the old ones are undefined."""
    if self.requires_grad:
        raise RuntimeError("[resize_] a tensor that requires a gradient cannot be resized")
    size = flat(sizes)
    n, flat_self = math.prod(size), reshape(self, (-1,))
    if n <= self.numel():
        self.data = view_op(narrow_op(flat_self, 0, 0, n), size)
    else:
        made = core.empty(n, dtype=self.dtype)
        core._copy_into(narrow_op(made, 0, 0, self.numel()), flat_self)
        self.data = view_op(made, size)
    return self


def set_(self: Any, source: Any = None) -> Any:
    """Share another tensor's memory and shape."""
    if self.requires_grad:
        raise RuntimeError("[set_] a tensor that requires a gradient cannot be set")
    if source is not None and source.dtype is not self.dtype:
        raise RuntimeError(f"[set_] got {source.dtype}, expected {self.dtype}")
    self.data = core.empty(0, dtype=self.dtype) if source is None else source
    return self


def resize_as_(self: Any, other: Any, memory_format: Any = None) -> Any:
    """The shape of another tensor, in place."""
    return resize_(self, tuple(other.shape))


for _fn in (resize_, resize_as_, set_):
    setattr(Tensor, _fn.__name__, _fn)
FUNCTIONS["resize_as_"] = resize_as_
FUNCTIONS["as_strided_"] = Tensor.as_strided_


@composite(method=False)
def constant_pad_nd(input: Any, pad: Any, value: float = 0) -> Any:
    """One value around the last dimensions: pairs of sizes, from the last dimension on; negative ones cut."""
    for i in range(len(pad) // 2):
        d, before, after = input.ndim - 1 - i, pad[2 * i], pad[2 * i + 1]
        start, length = max(-before, 0), input.shape[d] + min(before, 0) + min(after, 0)
        input = narrow_op(input, d, start, length)
        sides = [core.full((*input.shape[:d], max(n, 0), *input.shape[d + 1 :]), value, dtype=input.dtype, device=input.device)
                 for n in (before, after)]  # fmt: skip
        input = cat([sides[0], input, sides[1]], d)
    return input


@composite
def adjoint(input: Any) -> Any:
    """The last two dimensions exchanged (and conjugated)."""
    if input.ndim < 2:
        raise RuntimeError(f"[adjoint] got {input.ndim} dimensions, expected at least 2")
    return FUNCTIONS["conj"](transpose(input, -2, -1))


@composite(method=False)
def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """Coordinates from positions in the flattened tensor of a shape."""
    sizes = (shape,) if isinstance(shape, int) else tuple(int(s) for s in shape)
    if indices.is_floating_point():
        raise TypeError(f"[unravel_index] got {indices.dtype}, expected integers")
    out, indices = [], indices.to(INT64)
    for s in reversed(sizes):
        out.append(indices % s)
        indices = indices.div(s, rounding_mode="floor")
    return tuple(reversed(out))


@composite(method=False)
def channel_shuffle(input: Any, groups: int) -> Any:
    """Channels (dimension 1) of several groups dealt out in turn."""
    n, c = input.shape[:2]
    if groups < 1 or c % groups:
        raise RuntimeError(f"[channel_shuffle] got {groups} groups for {c} channels")
    x = reshape(input, (n, groups, c // groups, -1))
    return reshape(permute_op(x, (0, 2, 1, 3)), tuple(input.shape))
