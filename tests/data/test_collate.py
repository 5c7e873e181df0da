"""Collating, with PyTorch as the judge."""

from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import corten
from corten.data import default_collate, default_convert

Point = namedtuple("Point", "x y")

BATCHES = [
    [1, 2, 3],
    [1.5, 2.5],
    [True, False],
    ["a", "b"],
    [b"a", b"b"],
    [np.float32(1), np.float32(2)],
    [np.int16(1), np.int16(2)],
    [np.arange(3), np.arange(3) + 1],
    [np.ones((2, 2), np.float32)] * 3,
    [(1, 2.0, "x"), (3, 4.0, "y")],
    [[1, 2], [3, 4]],
    [{"a": 1, "b": [1.0, 2.0]}, {"a": 2, "b": [3.0, 4.0]}],
    [Point(1, 2), Point(3, 4)],
    [OrderedDict(a=1), OrderedDict(a=2)],
    [{"deep": (np.zeros(2), {"x": 1})}] * 2,
]


def plain(value):
    """A nest of lists with dtype names, alike for both libraries."""
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return str(value.dtype).split(".")[-1], tuple(value.shape), value.tolist()
    if isinstance(value, dict):
        return type(value).__name__, {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [plain(v) for v in value]
    return value


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_as_pytorch(batch):
    torch_data = pytest.importorskip("torch.utils.data")
    assert plain(default_collate(batch)) == plain(torch_data.default_collate(batch))
    assert plain(default_convert(batch[0])) == plain(torch_data.default_convert(batch[0]))


def test_tensors_are_stacked():
    out = default_collate([corten.tensor([1.0, 2.0]), corten.tensor([3.0, 4.0])])
    assert tuple(out.shape) == (2, 2) and out.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "batch, error, what",
    [
        ([], ValueError, "empty"),
        ([(1, 2), (1,)], ValueError, "lengths"),
        ([{"a": 1}, {"b": 1}], ValueError, "keys"),
        ([np.zeros(2), np.zeros(3)], ValueError, r"sample 1 has \(3,\)"),
        ([object(), object()], TypeError, "object"),
        ([np.array(["a"]), np.array(["b"])], TypeError, "dtype"),
    ],
)
def test_bad_batches(batch, error, what):
    with pytest.raises(error, match=what):
        default_collate(batch)


def test_tensors_of_different_shapes():
    with pytest.raises(ValueError, match="collate_fn"):
        default_collate([corten.zeros(2), corten.zeros(2), corten.zeros(1)])
