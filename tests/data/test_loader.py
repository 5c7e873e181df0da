"""The loader: the same batches for any number of workers of any kind, and no way to hang or to lose an error."""

import gc
import itertools
import os
import signal
import threading
import time
import traceback

import numpy as np
import pytest

import corten
from corten.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    batch_generator,
    default_collate,
    get_worker_info,
)


def seeded(seed):
    generator = corten.Generator()
    generator.manual_seed(seed)
    return generator


class Noisy(Dataset):
    """Samples with a random part, and slow ones among them."""

    def __init__(self, n=23, slow=0.0):
        self.n, self.slow = n, slow

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        if self.slow:
            time.sleep(self.slow * (index % 3))
        return corten.rand(2, generator=batch_generator()), index


class Failing(Noisy):
    def __init__(self, error, *args):
        super().__init__(12)
        self.error, self.args = error, args

    def __getitem__(self, index):
        if index == 5:
            raise self.error(*self.args)
        return index


class Dying(Noisy):
    def __getitem__(self, index):
        if index == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return index


class Stream(IterableDataset):
    """0 ... n - 1, each once however many workers there are."""

    def __init__(self, n=10):
        self.n = n

    def __iter__(self):
        info = get_worker_info()
        return iter(range(self.n) if info is None else range(info.id, self.n, info.num_workers))


class Unpicklable(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a} {b}")


def initialise(worker):
    get_worker_info().dataset.offset = 100


class Offset(Noisy):
    offset = 0

    def __getitem__(self, index):
        return index + self.offset


def contents(loader):
    return [(x.tolist(), y.tolist()) for x, y in loader]


WORKERS = [dict(num_workers=0), dict(num_workers=1), dict(num_workers=3), dict(num_workers=3, prefetch_factor=5)]
PROCESSES = dict(num_workers=2, multiprocessing_context="spawn")


@pytest.mark.parametrize("options", [*WORKERS[1:], dict(num_workers=3, persistent_workers=True)], ids=str)
def test_same_batches_for_any_number_of_threads(options):
    def epochs(**options):
        loader = DataLoader(Noisy(slow=0.001), 4, shuffle=True, generator=seeded(11), **options)
        return [contents(loader) for _ in range(2)]

    expected = epochs()
    assert expected[0] != expected[1]
    assert sorted(sum((y for _, y in expected[0]), [])) == list(range(23))
    assert epochs(**options) == expected


def test_same_batches_from_processes():
    expected = DataLoader(Noisy(), 4, shuffle=True, generator=seeded(11))
    loader = DataLoader(Noisy(), 4, shuffle=True, generator=seeded(11), persistent_workers=True, **PROCESSES)
    for _ in range(2):
        assert contents(loader) == contents(expected)


def slow_path(batch):  # not default_collate, so not the fast path
    return default_collate(batch)


SAMPLERS = {
    "sequential": dict(),
    "shuffled": dict(shuffle=True),
    "replacement": lambda d: RandomSampler(d, replacement=True, num_samples=57, generator=seeded(2)),
    "subset": lambda d: SubsetRandomSampler(range(5, 31), generator=seeded(2)),
    "weighted": lambda d: WeightedRandomSampler([1.0] * 40, 33, generator=seeded(2)),
    "distributed": lambda d: DistributedSampler(d, 3, 1),
}


@pytest.mark.parametrize("replacement", [False, True])
def test_an_epoch_without_an_end_is_drawn_as_it_goes(replacement):
    data = TensorDataset(corten.arange(40))
    sampler = RandomSampler(data, replacement=replacement, num_samples=10**10)
    loader = DataLoader(data, 32, sampler=sampler)
    assert len(loader) == 312_500_000
    seen = [int(i) for (batch,), _ in zip(loader, range(2500), strict=False) for i in batch]
    counts = np.bincount(seen, minlength=40)  # 80,000 draws: 2,000 of each
    assert len(seen) == 80_000 and (abs(counts - 2000).max() < 250 if replacement else set(counts) == {2000})


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("batch_size", [1, 7, 32, 100])
@pytest.mark.parametrize("name", SAMPLERS)
def test_fast_path_gives_what_the_slow_one_gives(name, batch_size, drop_last):
    data = TensorDataset(corten.rand(40, 3, 2), corten.arange(40))

    def batches(dataset, **options):
        sampling = SAMPLERS[name]
        sampling = sampling if isinstance(sampling, dict) else dict(sampler=sampling(dataset))
        loader = DataLoader(dataset, batch_size, drop_last=drop_last, generator=seeded(4), **sampling, **options)
        out = list(loader)
        assert len(out) == len(loader)
        return [[t.tolist() for t in batch] for batch in out]

    fast = batches(data)
    assert DataLoader(data, batch_size)._is_fast()
    for options in WORKERS[:3]:
        assert batches(data, collate_fn=slow_path, **options) == fast
    assert batches(data, num_workers=3) == fast


def test_fast_path_over_many_blocks(monkeypatch):
    monkeypatch.setattr("corten.data.loader._BLOCK_BYTES", 100)
    data = TensorDataset(corten.arange(103), corten.arange(103).float())
    batches = list(DataLoader(data, 2))
    assert [b[0].tolist() for b in batches] == [list(range(i, min(i + 2, 103))) for i in range(0, 103, 2)]
    assert isinstance(batches[0], list) and batches[0][1].dtype == corten.float32


def test_fast_path_is_not_taken_where_it_would_change_something():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            return (2 * super().__getitem__(index)[0],)

    data = TensorDataset(corten.arange(6))
    assert [b[0].tolist() for b in DataLoader(Doubled(corten.arange(3)), 3)] == [[0, 2, 4]]
    assert DataLoader(data, 2, collate_fn=len).__iter__().__next__() == 2
    assert next(iter(DataLoader(data, batch_size=None)))[0].item() == 0
    for options in (dict(batch_sampler=[[5, 0]]), dict(sampler=[5, 0], batch_size=2)):
        assert next(iter(DataLoader(data, **options)))[0].tolist() == [5, 0]


def test_writing_into_a_batch_leaves_data_set_and_other_batches_alone():
    data = TensorDataset(corten.zeros(6, 2))
    batches = []
    for (x,) in DataLoader(data, 2):
        assert not x.any()
        x.add_(1)
        batches.append(x)
    assert data.tensors[0].sum().item() == 0 and sum(b.sum().item() for b in batches) == 12


def test_a_batch_kept_for_backward_survives_writing_into_the_next_one():
    """Batches of a block share memory but must not share a version."""
    weight = corten.ones(2, requires_grad=True)
    loader = iter(DataLoader(TensorDataset(corten.ones(64, 2)), 1))
    next(loader)
    (first,), (second,) = next(loader), next(loader)
    loss = (first * weight).sum()
    second.mul_(5)
    loss.backward()
    assert weight.grad.tolist() == [1, 1]


@pytest.mark.parametrize("options", [*WORKERS[:3], PROCESSES], ids=str)
def test_streams(options):
    batches = [b.tolist() for b in DataLoader(Stream(10), 4, **options)]
    assert sorted(sum(batches, [])) == list(range(10))
    assert [b.tolist() for b in DataLoader(Stream(10), 4, **options)] == batches
    kept = [b.tolist() for b in DataLoader(Stream(10), 4, drop_last=True, **options)]
    assert kept == [b for b in batches if len(b) == 4]
    assert sorted(DataLoader(Stream(5), batch_size=None, **options)) == list(range(5))
    assert list(DataLoader(Stream(0), 4, **options)) == []


@pytest.mark.parametrize("options", [*WORKERS[:3], PROCESSES], ids=str)
def test_an_exception_comes_with_its_traceback_and_the_rest_goes_on(options):
    loader = iter(DataLoader(Failing(KeyError, "sample five"), 2, **options))
    seen = [next(loader).tolist(), next(loader).tolist()]
    with pytest.raises(KeyError, match="sample five") as caught:
        next(loader)
    text = "".join(traceback.format_exception(caught.value))
    assert "raise self.error(*self.args)" in text
    if options["num_workers"]:
        assert "worker" in text
    seen += [b.tolist() for b in loader]
    assert seen == [[0, 1], [2, 3], [6, 7], [8, 9], [10, 11]]


@pytest.mark.parametrize("options", WORKERS[:2], ids=str)
def test_stop_iteration_in_a_data_set_does_not_end_the_loop(options):
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(DataLoader(Failing(StopIteration), 2, **options))


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_what_ends_a_thread_ends_no_loop_in_silence(error):
    with pytest.raises(error):
        list(DataLoader(Failing(error), 2, num_workers=2))


def test_an_exception_that_cannot_be_sent_is_told():
    with pytest.raises(RuntimeError, match="Unpicklable: one two"):
        list(DataLoader(Failing(Unpicklable, "one", "two"), 2, **PROCESSES))


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_a_worker_that_dies_is_told(context):
    loader = DataLoader(Dying(), 2, num_workers=2, multiprocessing_context=context, persistent_workers=True)
    iterator = iter(loader)
    with pytest.raises(RuntimeError, match="exit code -9"):
        list(iterator)
    assert list(iterator) == []
    assert next(iter(loader)).tolist() == [0, 1]  # from new workers


def test_timeout():
    loader = iter(DataLoader(Noisy(4, slow=0.4), 1, sampler=[2, 0], num_workers=1, timeout=0.1))
    with pytest.raises(RuntimeError, match=r"no batch in 0\.1 seconds"):
        next(loader)
    time.sleep(0.8)
    assert [y.tolist() for _, y in loader] == [[2], [0]]


def test_worker_init_and_info():
    assert get_worker_info() is None
    assert [b.tolist() for b in DataLoader(Offset(4), 2, num_workers=1, worker_init_fn=initialise)] == [
        [100, 101],
        [102, 103],
    ]
    batches = DataLoader(Offset(4), 2, worker_init_fn=initialise, **PROCESSES)
    assert [b.tolist() for b in batches] == [[100, 101], [102, 103]]

    def fails(worker):
        raise OSError("no such disk")

    with pytest.raises(OSError, match="no such disk"):
        list(DataLoader(Offset(4), 2, num_workers=2, worker_init_fn=fails))


def loader_threads():
    return {t for t in threading.enumerate() if t.name.startswith("corten-loader")}


def test_workers_end():
    before = loader_threads()
    for leave_early in (False, True):
        iterator = iter(DataLoader(Noisy(50), 1, num_workers=3))
        list(itertools.islice(iterator, 3) if leave_early else iterator)
        del iterator
        gc.collect()
        deadline = time.monotonic() + 5
        while loader_threads() > before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert loader_threads() <= before


def test_persistent_workers_stay_and_forget_an_unfinished_epoch():
    before = loader_threads()
    loader = DataLoader(Noisy(20), 2, num_workers=2, persistent_workers=True)
    first = iter(loader)
    next(first)
    threads = loader_threads() - before
    assert len(threads) == 2
    assert [y.tolist() for _, y in loader] == [[i, i + 1] for i in range(0, 20, 2)]
    assert loader_threads() - before == threads
    with pytest.raises(RuntimeError, match="taken over"):
        next(first)


def test_lengths():
    assert len(DataLoader(Noisy(23), 4)) == 6 and len(DataLoader(Noisy(23), 4, drop_last=True)) == 5
    assert len(DataLoader(Noisy(23), batch_size=None)) == 23
    assert len(DataLoader(Noisy(23), batch_sampler=BatchSampler(SequentialSampler(range(4)), 3, False))) == 2
    with pytest.raises(TypeError):
        len(DataLoader(Stream()))


@pytest.mark.parametrize(
    "options, what",
    [
        (dict(num_workers=-1), "num_workers"),
        (dict(timeout=-1), "timeout"),
        (dict(prefetch_factor=2), "num_workers > 0"),
        (dict(persistent_workers=True), "num_workers > 0"),
        (dict(num_workers=1, prefetch_factor=0), "prefetch_factor"),
        (dict(multiprocessing_context="spawn"), "num_workers > 0"),
        (dict(num_workers=1, multiprocessing_context="thread"), "expected 'spawn'"),
        (dict(batch_size=0), "batch_size"),
        (dict(batch_size=None, drop_last=True), "drop_last"),
        (dict(batch_sampler=[[0]], batch_size=2), "batch_sampler"),
        (dict(sampler=[0], shuffle=True), "sampler"),
    ],
    ids=str,
)
def test_bad_options(options, what):
    with pytest.raises(ValueError, match=what):
        DataLoader(Noisy(), **options)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork_is_refused():
    with pytest.raises(ValueError, match="can hang"):
        DataLoader(Noisy(), num_workers=1, multiprocessing_context="fork")


@pytest.mark.parametrize("options", [dict(shuffle=True), dict(sampler=[0]), dict(batch_sampler=[[0]])], ids=str)
def test_streams_have_no_order(options):
    with pytest.raises(ValueError, match="IterableDataset"):
        DataLoader(Stream(), **options)


def test_pin_memory_warns():
    with pytest.warns(UserWarning, match="pin_memory"):
        DataLoader(Noisy(), pin_memory=True)


@pytest.mark.parametrize("options", [dict(num_workers=2), PROCESSES], ids=str)
def test_all_kinds_of_batches_come_through(options):
    class_free = [{"x": np.arange(3, dtype=np.float32) + i, "s": f"s{i}", "n": (i, [i * 0.5])} for i in range(4)]
    batches = list(DataLoader(class_free, 2, **options))
    assert batches[1]["x"].tolist() == [[2, 3, 4], [3, 4, 5]] and batches[1]["s"] == ["s2", "s3"]
    assert batches[1]["n"][0].tolist() == [2, 3] and batches[1]["n"][1][0].tolist() == [1.0, 1.5]
    empty = list(DataLoader([np.zeros((0, 3))] * 2, 2, **options))
    assert tuple(empty[0].shape) == (2, 0, 3)


def test_subset_of_a_split_is_fast_too():
    loader = DataLoader(Subset(TensorDataset(corten.arange(10)), [8, 2, 5]), 2)
    assert loader._is_fast() and [b[0].tolist() for b in loader] == [[8, 2], [5]]
