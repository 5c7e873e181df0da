"""DataLoader: from a data set to batches."""

from __future__ import annotations

import itertools
import multiprocessing
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from . import position
from ._batches import Batches, Counted, Position
from .collate import default_collate, default_convert
from .dataset import IterableDataset, has_take
from .sampler import WHOLE, BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed
from .workers import DEAD, END, Fetcher, ProcessWorker, Result, Setup, ThreadWorker

T_co = TypeVar("T_co", covariant=True)
_BLOCK_BYTES = 1 << 19  # how much the fast path gathers at a time: it stays in the second-level cache


class DataLoader(Generic[T_co]):
    """Batches of a data set, in order or shuffled, loaded by worker threads or processes.

    The order of the batches and what is in them do not depend on the number of workers. Random choices inside a data
    set or a collate function keep that promise when they draw from :func:`corten.data.batch_generator`.

    A data set with a ``take`` method (:class:`TensorDataset`, a :class:`Subset` of one, the public data sets without
    transforms) and the default collate function takes a fast path: the rows of many batches are gathered at once and
    handed out as views. It needs no workers and starts none.

    Parameters
    ----------
    dataset : Dataset
        N samples, or a stream (:class:`IterableDataset`).
    batch_size : int or None
        Samples in a batch; None hands out single samples, or what the sampler's index gives.
    shuffle : bool
        A new order each epoch.
    sampler : Sampler or iterable of int, optional
        Instead of ``shuffle``.
    batch_sampler : iterable of lists of int, optional
        Instead of ``batch_size``, ``shuffle``, ``sampler`` and ``drop_last``.
    num_workers : int
        0 loads in the calling thread.
    collate_fn : callable, optional
        From a list of samples to a batch; :func:`default_collate` when absent.
    pin_memory : bool
        Warned about and ignored: there is no device to pin for.
    drop_last : bool
        Leave out a last batch that is not full.
    timeout : float
        Seconds to wait for a worker's batch; 0 waits as long as it takes.
    worker_init_fn : callable, optional
        Called in each worker with its number.
    multiprocessing_context : {'spawn', 'forkserver'} or context, optional
        Workers are processes of this kind; threads when absent. Forked processes are refused: a fork of a process
        with threads can hang.
    generator : corten.Generator, optional
        Source of the order and of the workers' seeds; the default generator when absent.
    prefetch_factor : int, optional
        Batches that each worker loads ahead; 2 when absent.
    persistent_workers : bool
        Keep the workers from one epoch to the next.
    in_order : bool
        Accepted; batches always come in order.

    Raises
    ------
    ValueError, TypeError
        When the parameters do not fit together.

    Notes
    -----
    An exception in a worker is raised here, with the worker's traceback; the next batch can still be asked for. When a
    worker process dies, a RuntimeError says with which exit code.

    Examples
    --------
    >>> import corten
    >>> from corten.data import TensorDataset
    >>> loader = DataLoader(TensorDataset(corten.arange(5)), batch_size=2)
    >>> [batch[0].tolist() for batch in loader]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable[Any] | None = None,
        batch_sampler: Sampler | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if not isinstance(num_workers, int) or num_workers < 0:
            raise ValueError(f"[DataLoader] num_workers is {num_workers!r}, expected an int of at least 0")
        if timeout < 0:
            raise ValueError(f"[DataLoader] timeout is {timeout}, expected at least 0")
        if num_workers == 0:
            for name, given in (("prefetch_factor", prefetch_factor is not None),
                                ("persistent_workers", persistent_workers)):  # fmt: skip
                if given:
                    raise ValueError(f"[DataLoader] {name} needs num_workers > 0")
        if prefetch_factor is not None and prefetch_factor < 1:
            raise ValueError(f"[DataLoader] prefetch_factor is {prefetch_factor}, expected at least 1")
        if pin_memory:
            warnings.warn("[DataLoader] pin_memory has no effect: there is no device to pin for", stacklevel=2)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.pin_memory = pin_memory
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.generator = generator
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self.multiprocessing_context = _checked_context(multiprocessing_context, num_workers)
        self._set_samplers(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if collate_fn is None:
            collate_fn = default_collate if self.batch_sampler is not None else default_convert
            if self._stream and batch_size is not None:
                collate_fn = default_collate
        self.collate_fn = collate_fn
        self._pool: _Pool | None = None
        self._epoch = 0  # how many were begun
        self._position = Position()
        self._before: dict[str, Any] = {}  # the states of what the epoch's order was drawn from
        self._resumed: dict[str, Any] | None = None

    def _set_samplers(
        self, batch_size: int | None, shuffle: bool | None, sampler: Any, batch_sampler: Any, drop_last: bool
    ) -> None:
        self._stream = isinstance(self.dataset, IterableDataset)
        if self._stream:
            for name, given in (("shuffle", shuffle), ("sampler", sampler is not None),
                                ("batch_sampler", batch_sampler is not None)):  # fmt: skip
                if given:
                    raise ValueError(f"[DataLoader] {name} cannot be given with an IterableDataset")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("[DataLoader] batch_sampler excludes batch_size, shuffle, sampler and drop_last")
            batch_size = None
        elif batch_size is None:
            if drop_last:
                raise ValueError("[DataLoader] drop_last needs a batch_size")
        elif isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"[DataLoader] batch_size is {batch_size!r}, expected a positive int or None")
        if sampler is not None and shuffle:
            raise ValueError("[DataLoader] sampler excludes shuffle")
        if sampler is None and not self._stream:
            if shuffle:
                sampler = RandomSampler(self.dataset, generator=self.generator)
            else:
                sampler = SequentialSampler(self.dataset)
        if batch_sampler is None and batch_size is not None and not self._stream:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler

    def __len__(self) -> int:
        if self._stream:
            n = len(self.dataset)
            if self.batch_size is None:
                return n
            return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
        return len(self.batch_sampler if self.batch_sampler is not None else self.sampler)

    def __iter__(self) -> Iterator[Any]:
        resumed, self._resumed = self._resumed, None
        if resumed is None:
            self._epoch += 1
            self._before = position.states(self)
            self._position = Position()
            return Counted(self._begin(0), self._position)
        with position.replayed(self, resumed):
            self._position = Position(resumed["served"])
            return Counted(self._begin(resumed["served"]), self._position)

    def _begin(self, start: int) -> Iterator[Any]:
        """An epoch without its first ``start`` batches. Every random choice of the order is made here."""
        base_seed = draw_seed(self.generator)  # drawn on every path, so that all paths shuffle alike
        if self._is_fast():
            return itertools.chain.from_iterable(self._blocks(self.sampler.index_tensor(), start))
        tasks = self._tasks(start)
        if self.num_workers == 0:
            iterator: Iterator[Any] = _SerialIterator(self._fetcher(base_seed), tasks)
        else:
            if self._pool is None or self._pool.broken:
                pool = _Pool(self)
                self._pool = pool if self.persistent_workers else None
            else:
                pool = self._pool
            iterator = _ParallelIterator(pool, tasks, base_seed, self.prefetch_factor or 2, self.timeout,
                                         keep=self.persistent_workers)  # fmt: skip
        if self._stream:  # what was handed out of a stream is read again
            for _ in itertools.islice(iterator, start):
                pass
        return iterator

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is: the epoch, the batches handed out, and the generators that its order was drawn from.

        After :meth:`load_state_dict` in a loader with the same parameters, the next iteration goes on with the next
        batch of the same epoch, whatever the number of workers; after a finished epoch it begins the next one. The
        default generator's own state is not part of it: save ``corten.get_rng_state()`` beside.

        Returns
        -------
        dict
            Numbers and tensors, as ``corten.save`` takes them.

        Examples
        --------
        >>> import corten
        >>> loader = DataLoader(range(6), batch_size=2)
        >>> batch = next(iter(loader))
        >>> state = loader.state_dict()
        >>> other = DataLoader(range(6), batch_size=2)
        >>> other.load_state_dict(state)
        >>> [b.tolist() for b in other]
        [[2, 3], [4, 5]]
        """
        if self._resumed is not None:
            return self._resumed
        return position.state_dict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`: the next iteration is the rest of that epoch.

        The batches of a map-style data set that were handed out before are not loaded again; those of a stream are
        read and dropped.

        Raises
        ------
        ValueError
            When the state is of another version, or of a loader over another number of samples or of another batch
            size.
        """
        self._resumed = position.checked(self, state)
        self._epoch = state["epoch"]
        self._before, self._position = {}, Position()

    def _is_fast(self) -> bool:
        return (
            self.collate_fn is default_collate
            and type(self.batch_sampler) is BatchSampler
            and self.batch_sampler.sampler is self.sampler
            and hasattr(self.sampler, "index_tensor")
            and len(self.sampler) <= WHOLE  # type: ignore[arg-type]
            and self.worker_init_fn is None
            and self.multiprocessing_context is None
            and has_take(self.dataset)
        )

    def _blocks(self, indices: Any, served: int) -> Iterator[Iterator[list[Any]]]:
        """Iterators over the batches after ``served``; each gathers its rows when its turn comes."""
        size = self.batch_size
        assert size is not None
        n = int(indices.shape[0])
        if self.drop_last:
            n -= n % size
        rows = size  # the first block is one batch, and tells how large a row is
        first = start = served * size
        while start < n:
            stop = min(start + rows, n)
            block = self.dataset.take(indices[start:stop])
            if start == first:
                row_bytes = sum(t.numel() * t.element_size() for t in block) // (stop - start)
                rows = size * max(1, _BLOCK_BYTES // max(1, row_bytes * size))
            start = stop
            yield Batches(block, size)

    def _fetcher(self, base_seed: int) -> Fetcher:
        return Fetcher(self.dataset, self.collate_fn, self._batched, self.drop_last, base_seed)

    @property
    def _batched(self) -> bool:
        return self.batch_sampler is not None or (self._stream and self.batch_size is not None)

    def _tasks(self, start: int) -> Iterator[tuple[int, Any]]:
        """The number of each batch and what it is loaded from: indices, one index, or a number of samples of a stream.

        The first ``start`` of a map-style data set are left out.
        """
        if self._stream:
            return enumerate(itertools.repeat(self.batch_size))
        tasks = enumerate(self.batch_sampler if self.batch_sampler is not None else self.sampler)
        for _ in itertools.islice(tasks, start):
            pass
        first = list(itertools.islice(tasks, 1))  # here the sampler draws its order
        return itertools.chain(first, tasks)


def _checked_context(context: Any, num_workers: int) -> Any:
    if context is None:
        return None
    if num_workers == 0:
        raise ValueError("[DataLoader] multiprocessing_context needs num_workers > 0")
    if isinstance(context, str):
        if context not in multiprocessing.get_all_start_methods():
            raise ValueError(f"[DataLoader] multiprocessing_context is {context!r}, expected 'spawn' or 'forkserver'")
        context = multiprocessing.get_context(context)
    if not hasattr(context, "get_start_method"):
        raise TypeError(
            f"[DataLoader] multiprocessing_context is a {type(context).__name__}, expected a str or context"
        )
    if context.get_start_method() == "fork":
        raise ValueError("[DataLoader] multiprocessing_context 'fork' can hang in a process with threads, "
                         "expected 'spawn', 'forkserver' or None for threads")  # fmt: skip
    return context


class _SerialIterator:
    """Batches loaded in the calling thread."""

    def __init__(self, fetcher: Fetcher, tasks: Iterator[tuple[int, Any]]) -> None:
        self._fetcher = fetcher
        self._tasks = tasks

    def __iter__(self) -> _SerialIterator:
        return self

    def __next__(self) -> Any:
        number, task = next(self._tasks)
        try:
            return self._fetcher(number, task)
        except StopIteration as error:
            if self._fetcher.stream is None:
                raise RuntimeError("[DataLoader] the data set raised StopIteration") from error
            self._tasks = iter(())
            raise


class _Pool:
    """The workers of a loader."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.workers: list[ThreadWorker | ProcessWorker] = []
        self.epoch = 0
        self.broken = False
        self.outstanding: deque[Any] = deque()  # the workers that owe a batch, in the order of the batches
        # this runs too when the start of a worker fails, and at exit
        self.shutdown = weakref.finalize(self, _stop, self.workers)
        context = loader.multiprocessing_context
        for i in range(loader.num_workers):
            setup = Setup(i, loader.num_workers, loader.dataset, loader.collate_fn, loader._batched, loader.drop_last,
                          loader.worker_init_fn)  # fmt: skip
            self.workers.append(ThreadWorker(setup) if context is None else ProcessWorker(setup, context))

    def begin(self, base_seed: int) -> int:
        """Start an epoch; what an unfinished one left behind is thrown away."""
        self.epoch += 1
        while self.outstanding:
            self.outstanding.popleft().receive(None)
        for worker in self.workers:
            worker.send(("epoch", base_seed))
        return self.epoch


def _stop(workers: list[Any]) -> None:
    for worker in workers:
        worker.stop()
    for worker in workers:
        if isinstance(worker, ProcessWorker):  # threads end by themselves; one may even be the caller
            worker.join()


class _ParallelIterator:
    """Batches loaded by workers: dealt out in turn, taken back in turn."""

    def __init__(
        self, pool: _Pool, tasks: Iterator[tuple[int, Any]], base_seed: int, prefetch_factor: int, timeout: float,
        keep: bool,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._tasks = tasks
        self._timeout = timeout
        self._keep = keep
        self._turn = itertools.cycle(pool.workers)
        self._ended: set[int] = set()  # ids of workers whose stream has ended
        self._epoch = pool.begin(base_seed)
        for _ in range(prefetch_factor * len(pool.workers)):
            self._deal()

    def __iter__(self) -> _ParallelIterator:
        return self

    def _deal(self) -> None:
        """Hand the next task to the next worker that still has samples."""
        if len(self._ended) == len(self._pool.workers):
            return
        for number, task in self._tasks:
            worker = next(w for w in self._turn if id(w) not in self._ended)
            worker.send(("load", number, task))
            self._pool.outstanding.append(worker)
            return

    def __next__(self) -> Any:
        pool = self._pool
        if pool.epoch != self._epoch:
            raise RuntimeError("[DataLoader] a later iteration has taken over the persistent workers")
        while pool.outstanding:
            worker = pool.outstanding[0]
            try:
                result: Result = worker.receive(self._timeout or None)
            except TimeoutError:
                raise RuntimeError(f"[DataLoader] {worker.name} gave no batch in {self._timeout} seconds") from None
            pool.outstanding.popleft()
            if result.kind == DEAD:
                pool.broken = True
                pool.outstanding.clear()
                self._tasks = iter(())
                pool.shutdown()
                raise RuntimeError(f"[DataLoader] {worker.name} {result.value}")
            if result.kind == END:
                self._ended.add(id(worker))
                self._deal()
                continue
            self._deal()
            if result.kind == "error":
                _raise(result.value, worker.name)
            return result.value
        if not self._keep:
            pool.shutdown()
        raise StopIteration


def _raise(error: BaseException, name: str) -> None:
    if isinstance(error, StopIteration):  # would end the loop in silence
        raise RuntimeError(f"[DataLoader] the data set raised StopIteration in {name}") from error
    note = f"[DataLoader] raised in {name}"
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)
    raise error


__all__ = ["DataLoader"]
