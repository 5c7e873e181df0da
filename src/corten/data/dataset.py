"""Data sets: things with samples, and the ways to put them together."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import corten

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """A map from an index to a sample; subclasses define ``__getitem__`` and, nearly always, ``__len__``.

    A subclass may also define ``take(indices)``: given an int64 tensor of B indices, the collated batch as a tuple of
    tensors whose first dimension is B. :class:`~corten.data.DataLoader` then gathers many batches at a time. It must
    mean the same as collating ``self[i]`` for each index.

    Examples
    --------
    >>> class Squares(Dataset):
    ...     def __getitem__(self, i):
    ...         return i * i
    ...     def __len__(self):
    ...         return 4
    >>> [Squares()[i] for i in range(4)]
    [0, 1, 4, 9]
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"[{type(self).__name__}] a Dataset must define __getitem__")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """A stream of samples; subclasses define ``__iter__``.

    With several loader workers each one iterates over the whole stream, so divide it with
    :func:`~corten.data.get_worker_info` where every sample must come once.

    Examples
    --------
    >>> class Count(IterableDataset):
    ...     def __iter__(self):
    ...         return iter(range(3))
    >>> list(Count())
    [0, 1, 2]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"[{type(self).__name__}] an IterableDataset must define __iter__")

    def __add__(self, other: Dataset[Any]) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Any, ...]]):
    """Samples that are rows of tensors: sample ``i`` is ``(t0[i], t1[i], ...)``.

    Parameters
    ----------
    *tensors : Tensor
        Each of shape (N, ...), with the same N.

    Examples
    --------
    >>> import corten
    >>> len(TensorDataset(corten.zeros(5, 2), corten.arange(5)))
    5
    """

    def __init__(self, *tensors: Any) -> None:
        if not tensors:
            raise ValueError("[TensorDataset] got no tensors, expected at least one")
        for position, tensor in enumerate(tensors):
            if not isinstance(tensor, corten.Tensor):
                raise TypeError(f"[TensorDataset] argument {position} is a {type(tensor).__name__}, expected a Tensor")
            if tensor.dim() == 0:
                raise ValueError(f"[TensorDataset] argument {position} is 0-dimensional, expected shape (N, ...)")
        if any(t.shape[0] != tensors[0].shape[0] for t in tensors):
            raise ValueError(
                f"[TensorDataset] first dimensions {[int(t.shape[0]) for t in tensors]} differ, expected one length"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple([t[index] for t in self.tensors])

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])

    def take(self, indices: Any) -> tuple[Any, ...]:
        """The collated batch of the samples at ``indices``, an int64 tensor of shape (B,)."""
        return tuple([t.index_select(0, indices) for t in self.tensors])


class StackDataset(Dataset[Any]):
    """Several data sets side by side: sample ``i`` is the tuple, or the dict, of their samples ``i``.

    Parameters
    ----------
    *args, **kwargs : Dataset
        Either positional data sets (samples are tuples) or named ones (samples are dicts), all of one length.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError("[StackDataset] got positional and named data sets, expected one of the two")
        if not args and not kwargs:
            raise ValueError("[StackDataset] got no data sets, expected at least one")
        self.datasets: Any = args if args else dict(kwargs)
        members = list(args) if args else list(kwargs.values())
        lengths = [len(d) for d in members]
        if len(set(lengths)) != 1:
            raise ValueError(f"[StackDataset] lengths {lengths} differ, expected one length")
        self._length = lengths[0]

    def __getitem__(self, index: int) -> Any:
        if isinstance(self.datasets, dict):
            return {name: d[index] for name, d in self.datasets.items()}
        return tuple([d[index] for d in self.datasets])

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[Any]):
    """Several data sets one after the other.

    Parameters
    ----------
    datasets : iterable of Dataset
        None of them an :class:`IterableDataset` (see :class:`ChainDataset`).
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("[ConcatDataset] got no data sets, expected at least one")
        for d in self.datasets:
            if isinstance(d, IterableDataset):
                raise TypeError(f"[ConcatDataset] got the stream {type(d).__name__}, expected ChainDataset for streams")
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"[ConcatDataset] index {index} is out of range for {n} samples")
        index = index + n if index < 0 else index
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset[Any]):
    """Several streams one after the other.

    Parameters
    ----------
    datasets : iterable of IterableDataset
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for d in self.datasets:
            if not isinstance(d, IterableDataset):
                raise TypeError(f"[ChainDataset] got a {type(d).__name__}, expected an IterableDataset")
            yield from d

    def __len__(self) -> int:
        return sum(len(d) for d in self.datasets)  # type: ignore[arg-type]


class Subset(Dataset[Any]):
    """The samples of a data set at the given indices, in that order.

    Parameters
    ----------
    dataset : Dataset
    indices : sequence of int
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices
        self._positions: Any = None

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[Any]:
        """The samples at several indices, through the data set's own ``__getitems__`` where it has one."""
        if callable(getattr(self.dataset, "__getitems__", None)):
            samples: list[Any] = self.dataset.__getitems__([self.indices[i] for i in indices])
            return samples
        return [self.dataset[self.indices[i]] for i in indices]

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def take(self) -> Callable[[Any], tuple[Any, ...]]:
        """As :class:`Dataset` says; a Subset has it where its data set has it."""
        if not has_take(self.dataset):
            raise AttributeError(f"[Subset] {type(self.dataset).__name__} has no take")
        return self._take

    def _take(self, indices: Any) -> tuple[Any, ...]:
        if self._positions is None:
            self._positions = corten.tensor([int(i) for i in self.indices], dtype=corten.int64)
        taken: tuple[Any, ...] = self.dataset.take(self._positions.index_select(0, indices))
        return taken


def has_take(dataset: Any) -> bool:
    """True when ``dataset.take`` may stand for its ``__getitem__``.

    A subclass that redefines ``__getitem__`` below the class that defined ``take`` has changed what a sample is.
    """
    if not hasattr(dataset, "take"):
        return False
    for cls in type(dataset).__mro__:
        if "take" in vars(cls):
            return True
        if "__getitem__" in vars(cls) or "__getitems__" in vars(cls):
            return False
    return False


def random_split(dataset: Any, lengths: Sequence[float], generator: Any = None) -> list[Subset]:
    """Divide a data set at random into parts of the given lengths.

    Parameters
    ----------
    dataset : Dataset
        N samples.
    lengths : sequence of int or float
        Sizes that add up to N, or fractions that add up to 1. Fractions are rounded down and what is left over goes
        to the first parts, one sample each.
    generator : corten.Generator, optional
        Source of randomness; the default generator when absent.

    Returns
    -------
    list of Subset

    Raises
    ------
    ValueError
        When the lengths do not add up, or one is negative.

    Examples
    --------
    >>> import corten
    >>> parts = random_split(TensorDataset(corten.arange(10)), [0.7, 0.3])
    >>> [len(p) for p in parts]
    [7, 3]
    """
    n = len(dataset)
    if any(length < 0 for length in lengths):
        raise ValueError(f"[random_split] lengths {list(lengths)} contain a negative one")
    if any(isinstance(length, float) for length in lengths) and math.isclose(sum(lengths), 1.0):
        sizes = [math.floor(n * fraction) for fraction in lengths]
        for i in range(n - sum(sizes)):
            sizes[i % len(sizes)] += 1
    else:
        if any(int(length) != length for length in lengths):
            raise ValueError(f"[random_split] fractions {list(lengths)} add up to {sum(lengths)}, expected 1")
        sizes = [int(length) for length in lengths]
    if sum(sizes) != n:
        raise ValueError(f"[random_split] lengths {sizes} add up to {sum(sizes)}, expected {n}")
    order = corten.randperm(n, generator=generator).tolist()
    ends = list(itertools.accumulate(sizes))
    return [Subset(dataset, order[end - size : end]) for end, size in zip(ends, sizes, strict=True)]
