"""Collating: from a list of samples to one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import corten


def default_convert(data: Any) -> Any:
    """Turn NumPy arrays inside ``data`` into tensors and leave everything else as it is.

    Mappings, named tuples, tuples and lists are walked through; tuples become lists.

    Examples
    --------
    >>> import numpy as np
    >>> default_convert({"x": np.zeros(3, np.float32)})["x"].shape[0]
    3
    """
    if isinstance(data, corten.Tensor):
        return data
    if isinstance(data, np.ndarray):
        return data if data.dtype.kind in "SUO" else corten.from_numpy(np.ascontiguousarray(data))
    if isinstance(data, np.generic):
        return data if data.dtype.kind in "SUO" else corten.as_tensor(np.asarray(data))
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*[default_convert(x) for x in data])
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return [default_convert(x) for x in data]
    return data


def default_collate(batch: Sequence[Any]) -> Any:
    """Put samples together into one batch, with a new first dimension for the tensors.

    Tensors, NumPy arrays and NumPy scalars are stacked; floats become a float64 tensor, ints an int64 tensor, bools a
    bool tensor; strings and bytes stay as they are. Mappings, named tuples, tuples and lists are collated member by
    member.

    Parameters
    ----------
    batch : sequence
        B samples of the same structure.

    Returns
    -------
    The structure of one sample, with tensors of shape (B, ...) at its leaves. A tuple becomes a list.

    Raises
    ------
    ValueError
        When the samples differ in shape or structure.
    TypeError
        When a sample holds something else.

    Examples
    --------
    >>> default_collate([(1, "a"), (2, "b")])[1]
    ('a', 'b')
    """
    if not batch:
        raise ValueError("[default_collate] got an empty batch, expected at least one sample")
    first = batch[0]
    if isinstance(first, corten.Tensor):
        _same_shapes([tuple(x.shape) for x in batch])
        return corten.stack(batch)
    if isinstance(first, np.ndarray):
        if first.dtype.kind in "SUO":
            raise TypeError(f"[default_collate] got an array of dtype {first.dtype}, expected numbers")
        _same_shapes([np.shape(x) for x in batch])
        return corten.from_numpy(np.stack(batch))
    if isinstance(first, np.generic) and first.dtype.kind not in "SUO":
        return corten.from_numpy(np.asarray(batch, dtype=first.dtype))
    if isinstance(first, bool):
        return corten.tensor(batch, dtype=corten.bool)
    if isinstance(first, float):
        return corten.tensor(batch, dtype=corten.float64)
    if isinstance(first, int):
        return corten.tensor(batch, dtype=corten.int64)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        for sample in batch:
            if set(sample) != set(first):
                raise ValueError(f"[default_collate] samples with keys {sorted(map(str, first))} and "
                                 f"{sorted(map(str, sample))}, expected the same keys")  # fmt: skip
        return _like_mapping(first, {key: default_collate([sample[key] for sample in batch]) for key in first})
    if isinstance(first, Sequence):
        lengths = {len(sample) for sample in batch}
        if len(lengths) != 1:
            raise ValueError(f"[default_collate] samples of lengths {sorted(lengths)}, expected one length")
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        return type(first)(*columns) if isinstance(first, tuple) and hasattr(first, "_fields") else columns
    raise TypeError(
        f"[default_collate] got {type(first).__name__}, expected tensors, arrays, numbers, strings, mappings or"
        " sequences"
    )


def _same_shapes(shapes: list[tuple[int, ...]]) -> None:
    if len(set(shapes)) != 1:
        odd = next(i for i, s in enumerate(shapes) if s != shapes[0])
        raise ValueError(
            f"[default_collate] sample 0 has shape {shapes[0]} and sample {odd} has {shapes[odd]}, expected one shape;"
            " pass collate_fn to pad or crop"
        )


def _like_mapping(original: Mapping[Any, Any], values: dict[Any, Any]) -> Any:
    try:
        return type(original)(values)  # type: ignore[call-arg]
    except TypeError:
        return values
