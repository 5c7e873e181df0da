"""Indexing with tensors, gathering and scattering."""

from __future__ import annotations

from typing import Any

from corten._core import core
from corten.ops.declare import function, op
from corten.ops.view import core_wrap, fill_op, index_basic  # noqa: F401


def plain_key(key: Any) -> Any:
    """A key in which tensors and lists are NumPy arrays."""
    if isinstance(key, tuple):
        return tuple(plain_key(k) for k in key)
    if isinstance(key, core.TensorBase):
        if key.dtype is core._dtype_by_name("uint8"):
            return key.bool().numpy()
        if key.is_floating_point():
            raise IndexError(f"[index] got an index of {key.dtype}, expected integers or bools")
        return key.detach().numpy()
    if isinstance(key, list):
        import numpy as np

        array = np.array([k.item() if isinstance(k, core.TensorBase) and k.ndim == 0 else k for k in key])
        return array.astype(np.int64) if array.size == 0 else array
    if isinstance(key, range):
        return plain_key(list(key))
    return key


def _take(x: Any, key: Any) -> Any:
    picked = x.detach().numpy()[key]
    return core.tensor(picked, dtype=x.dtype)


def _put_zeros(g: Any, shape: Any, key: Any) -> Any:
    import numpy as np

    out = core.zeros(shape, dtype=g.dtype)
    np.add.at(out.numpy(), key, g.detach().numpy())
    return out


advanced_index = op("advanced_index(input, key: any) -> out", impl=_take, function=False,
                    vjp=lambda g, input_shape, key: advanced_index_backward(g, input_shape, key),
                    doc="What a key of integer or bool arrays selects, as a copy.")  # fmt: skip
advanced_index_backward = op("advanced_index_backward(g, shape: any, key: any) -> dx", impl=_put_zeros, function=False,
                             vjp=lambda g, key: advanced_index(g, key),
                             doc="Zeros of a shape, with g added where the key selects.")  # fmt: skip


def _put(x: Any, value: Any, key: Any, accumulate: bool) -> Any:
    import numpy as np

    out = x.clone()
    if accumulate:
        np.add.at(out.numpy(), key, value.detach().numpy().astype(out.numpy().dtype))
    else:
        out.numpy()[key] = value.detach().numpy()
    return out


index_put_op = op("index_put_op(input, value, key: any, accumulate: any) -> out", impl=_put, function=False,
                  vjp=lambda g, key, accumulate, value_shape, needs: (
                      None if not needs[0] else g if accumulate else index_put_op(g, g.new_zeros(()), key, False),
                      None if not needs[1] else core.REGISTRY["sum_to_size"](advanced_index(g, key), value_shape)),
                  doc="The input with the values written (or added) where the key selects.")  # fmt: skip
core.REGISTRY["index_put_"] = index_put_op.in_place()


def advanced_get(x: Any, key: Any) -> Any:
    """x[key] for a key with arrays in it."""
    if isinstance(key, bool):
        return x.unsqueeze(0) if key else x.unsqueeze(0)[:0]
    if isinstance(key, tuple) and any(isinstance(k, bool) for k in key):
        key = tuple(core.tensor(k) if isinstance(k, bool) else k for k in key)
    return advanced_index(x, plain_key(key))


def advanced_set(x: Any, key: Any, value: Any) -> None:
    """x[key] = value for a key with arrays in it."""
    value = value if isinstance(value, core.TensorBase) else core.as_tensor(value, dtype=x.dtype)
    core.REGISTRY["index_put_"](x, value, plain_key(key), False)


@function(method=True)
def index_put_(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """Write values where a tuple of index tensors points, in place."""
    return core.REGISTRY["index_put_"](input, values, plain_key(tuple(indices)), accumulate)


@function(method=True)
def index_select(input: Any, dim: int, index: Any) -> Any:
    """Slices of a dimension, by their indices.

    Examples
    --------
    >>> import corten
    >>> corten.arange(4.0).index_select(0, corten.tensor([3, 0]))
    tensor([3., 0.])
    """
    d = core_wrap(dim, input.ndim, "index_select")
    return input[(slice(None),) * d + (index,)]


def _along(x: Any, dim: int, index: Any) -> tuple[Any, ...]:
    """The key that gather takes along a dimension."""
    import numpy as np

    d = core_wrap(dim, x.ndim, "gather")
    at = index.detach().numpy()
    grid = list(np.ogrid[tuple(slice(0, s) for s in at.shape)])
    grid[d] = at
    if at.size and (at.min() < 0 or at.max() >= x.shape[d]):
        raise IndexError(f"[gather] an index is out of range for dimension {d} of size {x.shape[d]}")
    return tuple(grid)


@function(method=True)
def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    """Elements picked along a dimension: ``out[i][j] = input[index[i][j]][j]`` for dim 0.

    Examples
    --------
    >>> import corten
    >>> corten.tensor([[1, 2], [3, 4]]).gather(1, corten.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    if input.ndim != index.ndim:
        raise RuntimeError(f"[gather] got an index of {index.ndim} dimensions, expected {input.ndim}")
    return advanced_index(input, _along(input, dim, index))


@function(method=True)
def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """``value`` where the mask holds, the input elsewhere."""
    from corten.ops.pointwise import where_op

    value = value.to(input.dtype) if hasattr(value, "dtype") else value
    if not input.is_floating_point() and isinstance(value, float):
        value = int(value)
    return where_op(mask, value, input)


@function(method=True)
def masked_fill_(input: Any, mask: Any, value: Any) -> Any:
    """Write ``value`` where the mask holds, in place."""
    return input.copy_(masked_fill(input, mask, value))


@function(method=True)
def masked_select(input: Any, mask: Any) -> Any:
    """The elements where the mask holds, in one dimension."""
    return input.expand(*(mask | (input == input)).shape)[mask] if input.shape != mask.shape else input[mask]


@function(method=True)
def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """Indices of the nonzero elements: a row each, or a tuple with a tensor for each dimension."""
    import numpy as np

    found = np.nonzero(input.detach().numpy())
    if as_tuple:
        return tuple(core.tensor(f) for f in found)
    return core.tensor(np.stack(found, 1) if input.ndim else np.empty((int(input.item() != 0), 0), np.int64))
