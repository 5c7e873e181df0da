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


NUMPY_NUMBERS = [np.float64(1.5), np.float32(1.5), np.float16(1.5), np.int32(3), np.int64(3), np.uint8(3), np.bool_(True), np.complex64(1j)]


@pytest.mark.parametrize("value", NUMPY_NUMBERS, ids=lambda v: type(v).__name__)
def test_numpy_numbers_keep_their_dtype_as_in_torch(value):
    torch = pytest.importorskip("torch")
    for make in ("tensor", "as_tensor"):
        assert str(getattr(corten, make)(value).dtype)[7:] == str(getattr(torch, make)(value).dtype)[6:], make
        assert str(getattr(corten, make)([value]).dtype)[7:] == str(getattr(torch, make)([value]).dtype)[6:], make
    assert corten.tensor(value).tolist() == value.item()


@pytest.mark.parametrize("data", [[np.float64(1.5), 1.0], [1.0, np.float64(1.5)], [np.float32(1.5), 1.0], [[1.0], [np.float64(2)]]])
def test_a_float64_among_floats_decides_as_in_torch(data):
    torch = pytest.importorskip("torch")
    assert str(corten.tensor(data).dtype)[7:] == str(torch.tensor(data).dtype)[6:]


def test_full_takes_numpy_numbers():
    for value in (np.float64(1.5), np.float32(1.5)):
        filled = corten.full((2,), value)
        assert filled.dtype is corten.float32
        assert filled.tolist() == [1.5, 1.5]
    assert corten.full((2,), np.int32(3)).dtype is corten.int64
