"""Samplers: the right indices, the right shares, the same for the same seed."""

import numpy as np
import pytest

import corten
from corten.data import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)


def seeded(seed):
    generator = corten.Generator()
    generator.manual_seed(seed)
    return generator


def test_sequential():
    assert list(SequentialSampler("abc")) == [0, 1, 2] == SequentialSampler("abc").index_tensor().tolist()


def test_random_is_a_permutation_and_repeats():
    first, second = (list(RandomSampler(range(50), generator=seeded(3))) for _ in range(2))
    assert first == second and sorted(first) == list(range(50)) and first != list(range(50))
    sampler = RandomSampler(range(50), generator=seeded(3))
    assert list(sampler) == first and list(sampler) != first  # a new epoch, a new order
    corten.manual_seed(1)
    by_default = list(RandomSampler(range(50)))
    corten.manual_seed(1)
    assert list(RandomSampler(range(50))) == by_default
    assert list(RandomSampler([])) == []


def test_random_with_num_samples():
    drawn = list(RandomSampler(range(4), num_samples=10, generator=seeded(0)))
    assert len(drawn) == 10 and sorted(drawn[:4]) == sorted(drawn[4:8]) == [0, 1, 2, 3]
    drawn = list(RandomSampler(range(1000), replacement=True, generator=seeded(0)))
    assert len(drawn) == 1000 and 550 < len(set(drawn)) < 720  # 1 - 1/e of them


def test_subset_random():
    assert sorted(SubsetRandomSampler([5, 7, 9], generator=seeded(0))) == [5, 7, 9]


def test_weighted_with_replacement_has_the_frequencies():
    weights = np.array([1.0, 0.0, 3.0, 6.0, 0.0])
    drawn = list(WeightedRandomSampler(weights.tolist(), 20000, generator=seeded(5)))
    counts = np.bincount(drawn, minlength=5)
    expected = weights / weights.sum() * 20000
    assert counts[1] == counts[4] == 0
    deviation = np.sqrt(expected * (1 - weights / weights.sum()))
    assert (abs(counts - expected) <= 5 * deviation).all()


def test_weighted_without_replacement():
    sampler = WeightedRandomSampler([1, 0, 1, 100], 3, replacement=False, generator=seeded(5))
    drawn = [list(sampler) for _ in range(200)]
    assert all(sorted(d) == [0, 2, 3] for d in drawn)
    assert sum(d[0] == 3 for d in drawn) > 180  # 98 % expected
    with pytest.raises(ValueError, match="3 indices of positive weight"):
        WeightedRandomSampler([1, 0, 1, 100], 4, replacement=False)


@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [1.0, -1.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_weighted_refuses(weights):
    with pytest.raises(ValueError, match="WeightedRandomSampler"):
        WeightedRandomSampler(weights, 2)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("n", [0, 1, 5, 6])
def test_batches(n, drop_last):
    sampler = BatchSampler(SequentialSampler(range(n)), 3, drop_last)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    kept = n - n % 3 if drop_last else n
    assert sum(batches, []) == list(range(kept)) and all(len(b) == 3 for b in batches[:-1])


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("n, replicas", [(10, 3), (9, 3), (2, 5), (0, 2), (1, 1)])
def test_distributed_shares_cover_everything_evenly(n, replicas, drop_last, shuffle):
    shares = [list(DistributedSampler(range(n), replicas, r, shuffle, 7, drop_last)) for r in range(replicas)]
    lengths = {len(s) for s in shares}
    assert lengths == {n // replicas if drop_last else -(-n // replicas)}
    everything = sum(shares, [])
    if drop_last:
        assert len(set(everything)) == len(everything)
    else:
        assert set(everything) == set(range(n))


def test_distributed_epochs_differ_and_repeat():
    sampler = DistributedSampler(range(40), 2, 0)
    first = list(sampler)
    assert first == list(sampler)
    sampler.set_epoch(1)
    assert first != list(sampler)
    sampler.set_epoch(0)
    assert first == list(sampler)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomSampler(range(3), num_samples=0),
        lambda: BatchSampler(range(3), 0, False),
        lambda: WeightedRandomSampler([1.0], 0),
        lambda: DistributedSampler(range(3), 2, 2),
        lambda: DistributedSampler(range(3)),
    ],
)
def test_bad_arguments(make):
    with pytest.raises(ValueError, match=r"^\["):
        make()
