"""Data sets and their compositions."""

import pytest

import corten
from corten.data import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from corten.data.dataset import has_take


class Stream(IterableDataset):
    def __init__(self, *values):
        self.values = values

    def __iter__(self):
        return iter(self.values)

    def __len__(self):
        return len(self.values)


def pairs(n=6):
    return TensorDataset(corten.arange(2 * n).reshape(n, 2), corten.arange(n) * 10)


def test_tensor_dataset():
    data = pairs()
    assert len(data) == 6
    x, y = data[2]
    assert x.tolist() == [4, 5] and y.item() == 20
    assert data[-1][1].item() == 50
    x, y = data.take(corten.tensor([3, 0, 3]))
    assert x.tolist() == [[6, 7], [0, 1], [6, 7]] and y.tolist() == [30, 0, 30]


@pytest.mark.parametrize(
    "make, what",
    [
        (lambda: TensorDataset(), "at least one"),
        (lambda: TensorDataset(corten.zeros(2), corten.zeros(3)), "differ"),
        (lambda: TensorDataset(corten.tensor(1.0)), "0-dimensional"),
        (lambda: StackDataset(), "at least one"),
        (lambda: StackDataset(pairs(2), pairs(3)), "differ"),
        (lambda: StackDataset(pairs(2), a=pairs(2)), "one of the two"),
        (lambda: ConcatDataset([]), "at least one"),
        (lambda: random_split(pairs(), [3, 2]), "add up to 5"),
        (lambda: random_split(pairs(), [0.5, 0.4]), "expected 1"),
        (lambda: random_split(pairs(), [7, -1]), "negative"),
    ],
)
def test_bad_arguments(make, what):
    with pytest.raises(ValueError, match=what):
        make()


def test_types_are_checked():
    with pytest.raises(TypeError, match="argument 1 is a list"):
        TensorDataset(corten.zeros(2), [1, 2])
    with pytest.raises(TypeError, match="ChainDataset"):
        ConcatDataset([Stream(1)])
    with pytest.raises(TypeError, match="IterableDataset"):
        list(ChainDataset([pairs()]))


def test_concat_chain_stack_subset():
    both = pairs(3) + pairs(2)
    assert len(both) == 5 and [both[i][1].item() for i in range(5)] == [0, 10, 20, 0, 10]
    assert both[-1][1].item() == 10 and both[-5][1].item() == 0
    for index in (5, -6):
        with pytest.raises(IndexError, match="out of range"):
            both[index]
    assert list(Stream(1, 2) + Stream(3)) == [1, 2, 3] and len(Stream(1, 2) + Stream(3)) == 3
    assert StackDataset(Numbers(3), Numbers(3))[1] == (1, 1)
    assert StackDataset(a=Numbers(3), b=Numbers(3))[2] == {"a": 2, "b": 2}
    assert [Subset(Numbers(9), [7, 1])[i] for i in range(2)] == [7, 1]


class Numbers(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return index


class Doubled(TensorDataset):
    def __getitem__(self, index):
        return tuple(2 * t for t in super().__getitem__(index))


class DoubledSubset(Subset):
    def __getitem__(self, index):
        return 2 * super().__getitem__(index)[0]


def test_take_is_used_only_where_it_means_the_same():
    assert has_take(pairs()) and has_take(Subset(Subset(pairs(), [3, 1]), [1]))
    assert not has_take(Doubled(corten.zeros(3)))
    assert not has_take(Subset(Doubled(corten.zeros(3)), [0]))
    assert not has_take(DoubledSubset(pairs(), [0]))
    assert not has_take(Numbers(3)) and not has_take(Subset(Numbers(3), [1]))
    x, y = Subset(Subset(pairs(), [3, 1, 5]), [2, 0]).take(corten.tensor([1, 0]))
    assert y.tolist() == [30, 50] and x.tolist() == [[6, 7], [10, 11]]


def test_random_split_divides_and_repeats():
    def split(seed, lengths):
        generator = corten.Generator()
        generator.manual_seed(seed)
        return [list(p.indices) for p in random_split(Numbers(10), lengths, generator)]

    for lengths, sizes in (([7, 3], [7, 3]), ([0.5, 0.25, 0.25], [6, 2, 2]), ([10, 0], [10, 0])):
        parts = split(1, lengths)
        assert [len(p) for p in parts] == sizes
        assert sorted(sum(parts, [])) == list(range(10))
        assert parts == split(1, lengths)
    assert split(1, [10]) != split(2, [10])
