"""Samplers: in which order a loader visits a data set.

Every sampler yields Python ints. Those that know a whole epoch beforehand also have ``index_tensor()``, the same
indices as one int64 tensor: the loader gathers from that without a Python int for each sample.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import corten

#: an epoch of more indices is drawn piece by piece, as it is asked for: 10^10 of them are a usual way to say "for ever"
WHOLE = 1 << 24
PIECE = 1 << 16


def draw_seed(generator: Any = None) -> int:
    """A non-negative seed of 62 bits from ``generator``, or from the default one."""
    return int(corten.randint(0, 2**62, (1,), dtype=corten.int64, generator=generator).item())


class Sampler:
    """Base of samplers; subclasses define ``__iter__`` and usually ``__len__``."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"[{type(self).__name__}] a Sampler must define __iter__")


class SequentialSampler(Sampler):
    """0, 1, ..., N - 1.

    Parameters
    ----------
    data_source : sized
        Something of length N.
    """

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)

    def index_tensor(self) -> Any:
        """The indices of one epoch, int64, shape (N,)."""
        return corten.arange(len(self.data_source), dtype=corten.int64)


class RandomSampler(Sampler):
    """A fresh permutation of 0 ... N - 1 each epoch, or draws with replacement.

    Parameters
    ----------
    data_source : sized
        Something of length N.
    replacement : bool
        Draw each index independently.
    num_samples : int, optional
        How many indices an epoch has; N when absent.
    generator : corten.Generator, optional
        Source of randomness. When absent each epoch seeds its own from the default generator.
    """

    def __init__(
        self, data_source: Any, replacement: bool = False, num_samples: int | None = None, generator: Any = None
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"[RandomSampler] replacement is {replacement!r}, expected a bool")
        if num_samples is not None and (not isinstance(num_samples, int) or num_samples <= 0):
            raise ValueError(f"[RandomSampler] num_samples is {num_samples!r}, expected a positive int")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator

    @property
    def num_samples(self) -> int:
        """How many indices an epoch has."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def index_tensor(self) -> Any:
        """The indices of a new epoch, int64, shape (num_samples,)."""
        pieces = list(self._pieces(self.num_samples))
        if not pieces:
            return corten.zeros(0, dtype=corten.int64)
        return pieces[0] if len(pieces) == 1 else corten.cat(pieces)

    def _pieces(self, size: int) -> Iterator[Any]:
        """The indices of a new epoch: draws ``size`` at a time, or one permutation after the other."""
        n, left, generator = len(self.data_source), self.num_samples, self.generator
        if generator is None:
            generator = corten.Generator()
            generator.manual_seed(draw_seed())
        while left > 0 and n > 0:
            if self.replacement:
                piece = corten.randint(0, n, (min(left, size),), dtype=corten.int64, generator=generator)
            else:
                piece = corten.randperm(n, generator=generator)[:left]
            left -= len(piece)
            yield piece

    def __iter__(self) -> Iterator[int]:
        pieces = self._pieces(PIECE if self.num_samples > WHOLE else self.num_samples)
        return itertools.chain.from_iterable(piece.tolist() for piece in pieces)

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """The given indices, in a fresh random order each epoch.

    Parameters
    ----------
    indices : sequence of int
    generator : corten.Generator, optional
    """

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices = indices
        self.generator = generator

    def index_tensor(self) -> Any:
        """The indices of a new epoch, int64, shape (len(indices),)."""
        positions = corten.tensor([int(i) for i in self.indices], dtype=corten.int64)
        return positions.index_select(0, corten.randperm(len(self.indices), generator=self.generator))

    def __iter__(self) -> Iterator[int]:
        return iter(self.index_tensor().tolist())

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """Draws 0 ... N - 1 with the given probabilities.

    Parameters
    ----------
    weights : sequence of float
        N weights, not negative; they need not add up to 1.
    num_samples : int
        How many indices an epoch has.
    replacement : bool
        With False every index comes at most once.
    generator : corten.Generator, optional
    """

    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Any = None
    ) -> None:
        if isinstance(num_samples, bool) or not isinstance(num_samples, int) or num_samples <= 0:
            raise ValueError(f"[WeightedRandomSampler] num_samples is {num_samples!r}, expected a positive int")
        if not isinstance(replacement, bool):
            raise TypeError(f"[WeightedRandomSampler] replacement is {replacement!r}, expected a bool")
        self.weights = corten.as_tensor(weights, dtype=corten.float64)
        if self.weights.dim() != 1:
            raise ValueError(f"[WeightedRandomSampler] weights of shape {tuple(self.weights.shape)}, expected (N,)")
        values = self.weights.tolist()
        if not all(0 <= w < math.inf for w in values) or not sum(values) > 0:
            raise ValueError("[WeightedRandomSampler] weights must be finite, not negative, and not all zero")
        if not replacement and sum(w > 0 for w in values) < num_samples:
            raise ValueError(
                f"[WeightedRandomSampler] {num_samples} samples without replacement from"
                f" {sum(w > 0 for w in values)} indices of positive weight"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def index_tensor(self) -> Any:
        """The indices of a new epoch, int64, shape (num_samples,).

        With replacement by inversion of the cumulative distribution; without, by the exponential race of Efraimidis
        and Spirakis (2006): the ``num_samples`` smallest of :math:`-\\log(u_i) / w_i`.
        """
        import numpy as np

        weights = self.weights.numpy()
        count = self.num_samples if self.replacement else len(weights)
        u = corten.rand(count, dtype=corten.float64, generator=self.generator).numpy()
        if self.replacement:
            cumulative = np.cumsum(weights)
            drawn = np.searchsorted(cumulative, u * cumulative[-1], side="right")
            # rounding can land on the end, or on an index of zero weight behind the last positive one
            drawn = np.minimum(drawn, int(np.flatnonzero(weights)[-1]))
        else:
            with np.errstate(divide="ignore"):
                race = -np.log1p(-u) / weights
            race[weights == 0] = np.inf
            drawn = np.argsort(race, kind="stable")[: self.num_samples]
        return corten.from_numpy(np.ascontiguousarray(drawn, dtype=np.int64))

    def __iter__(self) -> Iterator[int]:
        return iter(self.index_tensor().tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of ``batch_size`` indices from another sampler.

    Parameters
    ----------
    sampler : Sampler or iterable of int
    batch_size : int
    drop_last : bool
        Leave out a last batch that is not full.

    Examples
    --------
    >>> list(BatchSampler(SequentialSampler(range(5)), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size <= 0:
            raise ValueError(f"[BatchSampler] batch_size is {batch_size!r}, expected a positive int")
        if not isinstance(drop_last, bool):
            raise TypeError(f"[BatchSampler] drop_last is {drop_last!r}, expected a bool")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


class DistributedSampler(Sampler):
    """One process's share of a data set: every ``num_replicas``-th index, beginning with ``rank``.

    All shares have the same length: indices from the front are repeated, or with ``drop_last`` the tail is left out.
    Call :meth:`set_epoch` before each epoch, or every epoch has the same order.

    Parameters
    ----------
    dataset : sized
    num_replicas : int
        Number of processes.
    rank : int
        This process, 0 ... num_replicas - 1.
    shuffle : bool
    seed : int
        The same in every process.
    drop_last : bool
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise ValueError("[DistributedSampler] num_replicas and rank must be given")
        if num_replicas < 1 or not 0 <= rank < num_replicas:
            raise ValueError(f"[DistributedSampler] rank {rank} of {num_replicas}, expected 0 ... num_replicas - 1")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.epoch = 0
        n = len(dataset)
        self.num_samples = n // num_replicas if drop_last else -(-n // num_replicas)
        self.total_size = self.num_samples * num_replicas

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next epoch."""
        self.epoch = epoch

    def state_dict(self) -> dict[str, int]:
        """The epoch whose order comes next."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.set_epoch(state["epoch"])

    def index_tensor(self) -> Any:
        """The indices of this epoch and process, int64, shape (num_samples,)."""
        n = len(self.dataset)
        if self.total_size == 0:
            return corten.zeros(0, dtype=corten.int64)
        if self.shuffle:
            generator = corten.Generator()
            generator.manual_seed(self.seed + self.epoch)
            order = corten.randperm(n, generator=generator)
        else:
            order = corten.arange(n, dtype=corten.int64)
        if self.total_size > n:
            order = corten.cat([order] * math.ceil(self.total_size / n))
        return order[self.rank : self.total_size : self.num_replicas].contiguous()

    def __iter__(self) -> Iterator[int]:
        return iter(self.index_tensor().tolist())

    def __len__(self) -> int:
        return self.num_samples
