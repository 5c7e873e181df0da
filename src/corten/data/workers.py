"""Loader workers: threads, or processes that are never forked, behind one interface.

A worker gets tasks in order and gives their results in the same order. The loader deals tasks out in turn, so the
order of the batches does not depend on how fast each worker is, nor on how many there are.
"""

from __future__ import annotations

import pickle
import queue
import random
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import corten

from .dataset import IterableDataset

END = "end"  # a stream has no more samples
DEAD = "dead"  # the worker is gone
POLL_SECONDS = 5.0


@dataclass
class WorkerInfo:
    """What a worker knows about itself.

    Attributes
    ----------
    id : int
        0 ... num_workers - 1.
    num_workers : int
    seed : int
        The seed of this worker in this epoch.
    dataset : Dataset
        The data set: in a process its own copy, in a thread the loader's.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


@dataclass
class _Local(threading.local):
    info: WorkerInfo | None = None
    seed: int | None = None
    generator: Any = None


_local = _Local()


def get_worker_info() -> WorkerInfo | None:
    """The :class:`WorkerInfo` of the worker that calls, or None outside a worker.

    Examples
    --------
    >>> get_worker_info() is None
    True
    """
    return _local.info


def batch_generator() -> Any:
    """A generator for the random choices of a data set, seeded by the epoch, the batch and the place in the batch.

    Draw from it in ``__getitem__``, in transforms and in collate functions: the values are then the same for any
    number of workers, threads or processes, and what one sample draws changes nothing for the others. Outside a loader
    it is the default generator.

    Returns
    -------
    corten.Generator

    Examples
    --------
    >>> import corten
    >>> noise = corten.rand(3, generator=batch_generator())
    """
    if _local.seed is None:
        return corten.default_generator
    if _local.generator is None:
        _local.generator = corten.Generator().manual_seed(_local.seed)
    return _local.generator


def mixed_seed(base: int, index: int) -> int:
    """One seed of 62 bits from the seed of the epoch and the number of a batch (splitmix64, Steele et al. 2014)."""
    z = (base + (index + 1) * 0x9E3779B97F4A7C15) & (2**64 - 1)
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
    return (z ^ (z >> 31)) >> 2


class Fetcher:
    """Loads batches of one epoch from a data set: from indices, or the next ones of a stream.

    Parameters
    ----------
    dataset : Dataset
    collate : callable
    batched : bool
        False: single samples, given to ``collate`` as they are.
    drop_last : bool
        For streams.
    base_seed : int
        The seed of the epoch.
    """

    def __init__(
        self, dataset: Any, collate: Callable[[Any], Any], batched: bool, drop_last: bool, base_seed: int
    ) -> None:
        self.dataset = dataset
        self.collate = collate
        self.batched = batched
        self.drop_last = drop_last
        self.base_seed = base_seed
        self.stream: Iterator[Any] | None = iter(dataset) if isinstance(dataset, IterableDataset) else None

    def __call__(self, number: int, indices: Any) -> Any:
        """Batch ``number`` of the epoch. ``indices`` are the samples, or how many to take from a stream.

        Raises
        ------
        StopIteration
            When the stream has no more samples.
        """
        outside = _local.seed, _local.generator
        _local.seed, _local.generator = mixed_seed(self.base_seed, number), None
        try:
            return self._load(indices)
        finally:
            _local.seed, _local.generator = outside

    def _load(self, indices: Any) -> Any:
        if self.stream is not None:
            if not self.batched:
                return self.collate(next(self.stream))
            samples = [sample for _, sample in zip(range(indices), self.stream, strict=False)]
            if not samples or (self.drop_last and len(samples) < indices):
                raise StopIteration
            return self.collate(samples)
        if not self.batched:
            return self.collate(self.dataset[indices])
        if callable(many := getattr(self.dataset, "__getitems__", None)):
            return self.collate(many(indices))
        samples = []
        batch_seed = _local.seed
        for place, i in enumerate(indices):
            _local.seed, _local.generator = mixed_seed(batch_seed or 0, place), None
            samples.append(self.dataset[i])
        _local.seed, _local.generator = batch_seed, None
        return self.collate(samples)


@dataclass
class Setup:
    """What a worker is started with."""

    id: int
    num_workers: int
    dataset: Any
    collate: Callable[[Any], Any]
    batched: bool
    drop_last: bool
    init: Callable[[int], Any] | None


@dataclass
class Result:
    """What became of a task: a batch, an exception, the end of a stream, or of the worker."""

    kind: str  # "batch", "error", END or DEAD
    value: Any = None
    text: str = field(default="", repr=False)  # the traceback in a worker process


def _work(setup: Setup, receive: Callable[[], Any], give: Callable[[Result], None], seed_globals: bool) -> None:
    """A worker's life: tasks ("epoch", seed), ("load", number, indices), and None to stop."""
    fetcher: Fetcher | Result | None = None
    ended = False
    initialised = False
    while (task := receive()) is not None:
        try:
            if task[0] == "epoch":
                seed = task[1]
                _local.info = WorkerInfo(setup.id, setup.num_workers, seed + setup.id, setup.dataset)
                _local.seed, _local.generator = mixed_seed(seed, -1 - setup.id), None
                ended = False
                try:
                    if seed_globals:
                        _seed_globals(seed + setup.id)
                    if not initialised and setup.init is not None:
                        setup.init(setup.id)
                    initialised = True
                    fetcher = Fetcher(setup.dataset, setup.collate, setup.batched, setup.drop_last, seed)
                except BaseException as error:  # told at the first load
                    fetcher = _failure(error)
                continue
            _, number, indices = task
            if isinstance(fetcher, Result):
                give(fetcher)
            elif ended:
                give(Result(END))
            else:
                assert fetcher is not None
                if seed_globals:
                    _seed_globals(mixed_seed(fetcher.base_seed, number))
                try:
                    give(Result("batch", fetcher(number, indices)))
                except StopIteration:
                    if fetcher.stream is None:
                        raise
                    ended = True
                    give(Result(END))
        except BaseException as error:
            give(_failure(error))


def _failure(error: BaseException) -> Result:
    return Result("error", error, traceback.format_exc())


def _seed_globals(seed: int) -> None:
    """Seed the generators of a worker process, so that what a batch holds does not depend on who loads it."""
    corten.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


class ThreadWorker:
    """A worker in a thread of this process."""

    def __init__(self, setup: Setup) -> None:
        self.name = f"worker thread {setup.id}"
        tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._tasks, self._results = tasks, results
        # a daemon: a data set that blocks for ever must not keep the interpreter alive
        thread = threading.Thread(target=_work, args=(setup, tasks.get, results.put, False), daemon=True,
                                  name=f"corten-loader-{setup.id}")  # fmt: skip
        self._thread = thread
        thread.start()

    def send(self, task: Any) -> None:
        """Hand over a task."""
        self._tasks.put(task)

    def receive(self, timeout: float | None) -> Result:
        """The result of the oldest task, or TimeoutError."""
        try:
            return self._results.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError from None

    def stop(self) -> None:
        """Let the thread end after the task it is at."""
        while True:
            try:
                self._tasks.get_nowait()
            except queue.Empty:
                break
        self._tasks.put(None)

    def join(self) -> None:
        """Wait for the end, for a little while."""
        if self._thread is not threading.current_thread():
            self._thread.join(POLL_SECONDS)


class ProcessWorker:
    """A worker in a process of its own, started by spawn or forkserver."""

    def __init__(self, setup: Setup, context: Any) -> None:
        self.name = f"worker process {setup.id}"
        self._tasks = context.Queue()  # has a feeder thread: sending never blocks on a worker that is sending
        self._results, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_process_main, args=(setup, self._tasks, theirs), daemon=True,
                                        name=f"corten-loader-{setup.id}")  # fmt: skip
        self._process.start()
        theirs.close()  # so that the end of the process closes the pipe

    def send(self, task: Any) -> None:
        """Hand over a task."""
        self._tasks.put(task)

    def receive(self, timeout: float | None) -> Result:
        """The result of the oldest task, or TimeoutError."""
        if not self._results.poll(timeout):  # true also when the other end is closed
            raise TimeoutError
        try:
            result = _receive(self._results)
        except (EOFError, OSError):
            self._process.join(POLL_SECONDS)
            return Result(DEAD, f"(pid {self._process.pid}) ended unexpectedly with exit code {self._process.exitcode}")
        if result.kind == "error" and result.text:
            result.value.__cause__ = RemoteTraceback(result.text)
        return result

    def stop(self) -> None:
        """Ask the process to end."""
        if self._process.is_alive():
            self._tasks.put(None)
        self._results.close()  # a worker that is sending gets a broken pipe and ends

    def join(self) -> None:
        """Wait for the end, for a little while; then terminate it."""
        self._process.join(POLL_SECONDS)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(POLL_SECONDS)
        self._tasks.cancel_join_thread()
        self._tasks.close()
        if not self._process.is_alive():
            self._process.close()


class RemoteTraceback(Exception):
    """The traceback of an exception in a worker process, as text."""

    def __str__(self) -> str:
        return "\n" + str(self.args[0])


def _process_main(setup: Setup, tasks: Any, results: Any) -> None:
    """The main function of a worker process."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the loader's to handle
    corten.set_num_threads(1)
    try:
        _work(setup, tasks.get, lambda result: _send(results, result), True)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the loader has gone


def _send(pipe: Any, result: Result) -> None:
    """Send a result, with the memory of its arrays beside the pickle instead of inside."""
    buffers: list[pickle.PickleBuffer] = []
    result.value = _pack(result.value)
    try:
        head = pickle.dumps(result, protocol=5, buffer_callback=buffers.append)
        if result.kind == "error":
            pickle.loads(head)  # some exceptions pickle, but cannot be built again
    except Exception as error:
        buffers.clear()
        if result.kind == "error":
            text = result.text
            told: Exception = RuntimeError(f"{type(result.value).__name__}: {result.value}")
        else:
            text = traceback.format_exc()
            told = TypeError(f"[DataLoader] a batch cannot be sent from a worker process: {error}")
        head = pickle.dumps(Result("error", told, text), protocol=5)
    pipe.send((head, len(buffers)))
    for buffer in buffers:
        pipe.send_bytes(buffer.raw())


def _receive(pipe: Any) -> Result:
    head, count = pipe.recv()
    buffers = [bytearray(pipe.recv_bytes()) for _ in range(count)]
    result: Result = pickle.loads(head, buffers=buffers)
    result.value = _unpack(result.value)
    return result


@dataclass
class _Packed:
    """A tensor on its way between processes."""

    array: np.ndarray[Any, Any]


def _pack(value: Any) -> Any:
    return _walk(value, corten.Tensor, lambda t: _Packed(np.ascontiguousarray(t.detach().numpy())))


def _unpack(value: Any) -> Any:
    return _walk(value, _Packed, lambda p: corten.from_numpy(p.array))


def _walk(value: Any, kind: type, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, kind):
        return change(value)
    if type(value) in (list, tuple):
        return type(value)([_walk(v, kind, change) for v in value])
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[_walk(v, kind, change) for v in value])
    if type(value) is dict:
        return {k: _walk(v, kind, change) for k, v in value.items()}
    return value
