"""Going on in the middle of an epoch: the rest of the run is the same, bit for bit, for any kind of loader."""

import gc
import os
import signal
from pathlib import Path

import pytest

import corten
from corten.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    batch_generator,
)


class Noisy(Dataset):
    def __len__(self):
        return 23

    def __getitem__(self, index):
        return corten.rand(2, generator=batch_generator()), index


class Stream(IterableDataset):
    def __iter__(self):
        for i in range(17):
            yield corten.rand(1, generator=batch_generator()), i


class Killed(Noisy):
    def __getitem__(self, index):
        if index == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


def seeded(seed):
    return corten.Generator().manual_seed(seed)


LOADERS = {
    "in order": lambda: DataLoader(Noisy(), 4),
    "default generator": lambda: DataLoader(Noisy(), 4, shuffle=True),
    "own generator": lambda: DataLoader(Noisy(), 4, shuffle=True, generator=seeded(3)),
    "two threads": lambda: DataLoader(Noisy(), 4, shuffle=True, num_workers=2),
    "persistent": lambda: DataLoader(Noisy(), 4, shuffle=True, num_workers=2, persistent_workers=True),
    "gathered": lambda: DataLoader(TensorDataset(corten.arange(3000).reshape(300, 10)), 4, shuffle=True),
    "weighted": lambda: DataLoader(
        Noisy(), 4, sampler=WeightedRandomSampler(range(23), 23, generator=seeded(1)), drop_last=True
    ),
    "batch sampler": lambda: DataLoader(
        Noisy(), batch_sampler=BatchSampler(RandomSampler(range(23), generator=seeded(8)), 5, False)
    ),
    "replacement": lambda: DataLoader(Noisy(), 4, sampler=RandomSampler(range(23), True, 40)),
    "distributed": lambda: DataLoader(Noisy(), 3, sampler=DistributedSampler(range(23), 2, 1)),
    "single samples": lambda: DataLoader(Noisy(), batch_size=None, shuffle=True),
    "stream": lambda: DataLoader(Stream(), 4, num_workers=2),
}


def run(loader, epochs, stop=None):
    """Batches as lists, with a draw from the default generator between them as dropout makes; and the two states."""
    seen, states = [], None
    for epoch in range(epochs):
        for number, batch in enumerate(loader):
            seen.append([t if isinstance(t, int) else t.tolist() for t in batch])
            corten.rand(3)
            if stop == (epoch, number):
                return seen, (loader.state_dict(), corten.get_rng_state())
    if stop == "end":
        states = loader.state_dict(), corten.get_rng_state()
    return seen, states


@pytest.mark.parametrize("name", LOADERS)
def test_the_rest_of_a_run_is_the_same(name, tmp_path):
    corten.manual_seed(5)
    whole, _ = run(LOADERS[name](), 3)
    for stop in ((0, 0), (1, 2), "end"):
        corten.manual_seed(5)
        first, states = run(LOADERS[name](), 2, stop)
        corten.save(states, tmp_path / "state")
        corten.manual_seed(77)  # a new process
        position, generator = corten.load(tmp_path / "state")
        loader = LOADERS[name]()
        loader.load_state_dict(position)
        corten.set_rng_state(generator)
        epoch = 2 if stop == "end" else stop[0]
        rest, _ = run(loader, 3 - epoch)
        assert first + rest == whole
        assert loader.state_dict()["epoch"] == 3


def test_number_of_workers_may_change():
    corten.manual_seed(5)
    whole, _ = run(DataLoader(Noisy(), 4, shuffle=True), 1)
    corten.manual_seed(5)
    first, (position, generator) = run(DataLoader(Noisy(), 4, shuffle=True, num_workers=3), 1, (0, 2))
    loader = DataLoader(Noisy(), 4, shuffle=True, num_workers=1)
    loader.load_state_dict(position)
    corten.set_rng_state(generator)
    assert first + run(loader, 1)[0] == whole


def test_after_the_last_batch_nothing_is_left():
    loader = DataLoader(range(4), 2)
    iterator = iter(loader)
    next(iterator), next(iterator)
    state = loader.state_dict()
    other = DataLoader(range(4), 2)
    other.load_state_dict(state)
    assert list(other) == [] and len(list(other)) == 2


def test_what_one_sample_draws_changes_nothing_for_the_others():
    class Greedy(Noisy):
        def __getitem__(self, index):
            drawn = super().__getitem__(index)
            if index == 1:
                corten.rand(5, generator=batch_generator())
            return drawn

    a, b = (next(iter(DataLoader(kind(), 4, generator=seeded(2))))[0] for kind in (Noisy, Greedy))
    assert a.tolist() == b.tolist() and len({tuple(row) for row in a.tolist()}) == 4


def test_outside_a_loader_the_default_generator_is_drawn_from():
    corten.manual_seed(9)
    expected = corten.rand(3)
    corten.manual_seed(9)
    assert (corten.rand(3, generator=batch_generator()) == expected).all()


@pytest.mark.parametrize(
    "change, what",
    [
        (dict(version=9), "version 9"),
        (dict(samples=5), "samples 5"),
        (dict(batch_size=3), "batch_size 3"),
        (dict(now={"generator": None}), "generators"),
    ],
)
def test_states_of_other_loaders_are_refused(change, what):
    with pytest.raises(ValueError, match=what):
        DataLoader(range(4), 2).load_state_dict(DataLoader(range(4), 2).state_dict() | change)
    with pytest.raises(ValueError, match="something else"):
        DataLoader(range(4), 2).load_state_dict({"epoch": 1})


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no /dev/shm to look into")
def test_a_killed_worker_leaves_no_shared_memory():
    before = set(os.listdir("/dev/shm"))
    with pytest.raises(RuntimeError, match="exit code -9"):
        list(DataLoader(Killed(), 2, num_workers=2, multiprocessing_context="forkserver"))
    gc.collect()  # the traceback holds the loader
    left = {name for name in set(os.listdir("/dev/shm")) - before if name.startswith(("psm_", "sem.mp", "corten"))}
    assert not left
