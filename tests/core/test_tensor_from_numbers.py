"""Numbers keep their digits on the way into a tensor."""

import numpy as np
import pytest

import corten


@pytest.mark.parametrize("data", [[1.2, -2.7], [[0.1], [1e300]], (1 / 3,), [1.2, 5]])
def test_float64_from_a_list_is_exact(data):
    np.testing.assert_array_equal(corten.tensor(data, dtype=corten.float64).numpy(), np.array(data, np.float64))


def test_integers_from_large_floats():
    assert corten.tensor([16777217.0], dtype=corten.int64).tolist() == [16777217]


def test_default_dtype_stays_float32():
    assert corten.tensor([1.2]).dtype is corten.float32
    assert corten.tensor([1, 2]).dtype is corten.int64
