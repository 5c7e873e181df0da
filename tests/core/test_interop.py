"""Memory shared with NumPy, the buffer protocol and DLPack, both ways."""

from __future__ import annotations

import gc
import pickle
import weakref

import numpy as np
import pytest

import corten

torch = pytest.importorskip("torch")

NUMPY_DTYPES = ["float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "bool", "complex64", "complex128"]


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
def test_numpy_shares_memory_both_ways(dtype: str) -> None:
    array = np.zeros((3, 4), dtype)
    t = corten.from_numpy(array)
    array[1, 2] = 1
    assert t.dtype is getattr(corten, dtype)
    assert t[1, 2].item() == 1
    back = t.numpy()
    back[0, 0] = 1
    assert array[0, 0] == 1
    assert back.dtype == array.dtype
    assert np.shares_memory(array, back)


def test_strided_views_keep_their_strides() -> None:
    array = np.arange(24.0).reshape(4, 6)
    t = corten.from_numpy(array[1:, ::2])
    assert t.stride() == (6, 2)
    np.testing.assert_array_equal(t.t().numpy(), array[1:, ::2].T)
    assert not t.is_contiguous()


def test_what_numpy_has_and_tensors_lack() -> None:
    assert corten.from_numpy(np.arange(4)[::-1]).tolist() == [3, 2, 1, 0]  # copied, where PyTorch refuses
    with pytest.raises(TypeError):
        corten.from_numpy(np.array(["a"]))
    with pytest.raises(TypeError):
        corten.from_numpy([1, 2])  # type: ignore[arg-type]
    read_only = np.ones(3)
    read_only.flags.writeable = False
    corten.from_numpy(read_only).add_(1)  # copied
    assert read_only.tolist() == [1, 1, 1]
    swapped = corten.tensor(np.arange(3, dtype=">i4"))
    assert swapped.tolist() == [0, 1, 2]


def test_memory_outlives_whichever_side_made_it() -> None:
    array = np.ones(1000)
    ref = weakref.ref(array)
    t = corten.from_numpy(array)
    del array
    gc.collect()
    assert ref() is not None
    assert t.sum().item() == 1000
    del t
    gc.collect()
    assert ref() is None
    back = corten.ones(1000).numpy()
    gc.collect()
    assert back.sum() == 1000


def test_numpy_functions_and_operators_take_tensors() -> None:
    t = corten.tensor([1.0, 4.0])
    np.testing.assert_array_equal(np.sqrt(np.asarray(t)), [1, 2])
    assert isinstance(np.ones(2) * t, corten.Tensor)
    assert isinstance(t + np.float64(1), corten.Tensor)
    assert (t + np.ones(2)).tolist() == [2, 5]
    with pytest.raises(RuntimeError, match="detach"):
        t.requires_grad_().numpy()


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
def test_buffer_protocol(dtype: str) -> None:
    t = corten.ones(2, 3, dtype=getattr(corten, dtype))
    view = memoryview(t)
    assert view.shape == (2, 3)
    assert view.nbytes == t.nbytes
    assert np.asarray(view).dtype == np.dtype(dtype)
    np.asarray(view)[1, 1] = 0
    assert t[1, 1].item() == 0


def test_frombuffer_reads_bytes() -> None:
    data = bytearray(np.arange(6, dtype=np.int32).tobytes())
    t = corten.frombuffer(data, dtype=corten.int32, offset=8)
    assert t.tolist() == [2, 3, 4, 5]
    data[8:12] = (77).to_bytes(4, "little")
    assert t[0].item() == 77
    with pytest.raises(ValueError):
        corten.frombuffer(data, dtype=corten.int32, count=7)
    with pytest.raises(ValueError):
        corten.frombuffer(data, dtype=corten.int32, offset=30)


@pytest.mark.parametrize("dtype", [*NUMPY_DTYPES, "bfloat16"])
def test_dlpack_with_pytorch_both_ways(dtype: str) -> None:
    mine = corten.zeros(3, 4, dtype=getattr(corten, dtype))
    theirs = torch.from_dlpack(mine.t())
    theirs[1, 2] = 1
    assert mine[2, 1].item() == 1
    assert theirs.dtype is getattr(torch, dtype)
    back = corten.from_dlpack(theirs[:2])
    back[0, 0] = 1
    assert mine[0, 0].item() == 1
    assert back.dtype is getattr(corten, dtype)


def test_dlpack_with_numpy() -> None:
    t = corten.arange(6.0).reshape(2, 3)
    array = np.from_dlpack(t)
    assert np.shares_memory(array, t.numpy())
    assert corten.from_dlpack(np.arange(3)).tolist() == [0, 1, 2]


def test_dlpack_refuses_what_it_cannot_share() -> None:
    with pytest.raises(TypeError):
        corten.from_dlpack(3)
    with pytest.raises((BufferError, RuntimeError)):
        corten.ones(2, requires_grad=True).__dlpack__()
    with pytest.raises((BufferError, RuntimeError, NotImplementedError)):
        corten.empty(2, device="meta").__dlpack__()
    capsule = corten.ones(2).__dlpack__()
    corten.from_dlpack(capsule)
    with pytest.raises(TypeError):
        corten.from_dlpack(capsule)


def test_unused_capsules_free_their_memory() -> None:
    before = corten.memory_stats()["in_use"]
    for _ in range(50):
        corten.ones(1000, 100).__dlpack__()
    gc.collect()
    assert corten.memory_stats()["in_use"] - before < 500_000


@pytest.mark.parametrize("dtype", [*NUMPY_DTYPES, "bfloat16"])
def test_pickle_and_copies(dtype: str) -> None:
    import copy

    t = corten.arange(6).reshape(2, 3).to(getattr(corten, dtype))
    for again in (pickle.loads(pickle.dumps(t)), copy.deepcopy(t), copy.copy(t)):
        assert again.dtype is t.dtype
        assert again.tolist() == t.tolist()
    p = corten.nn.Parameter(corten.ones(2))
    assert isinstance(pickle.loads(pickle.dumps(p)), corten.nn.Parameter)
    assert copy.deepcopy(p).data_ptr() != p.data_ptr()


def test_numbers_come_out_as_pythons() -> None:
    assert isinstance(corten.tensor(2).item(), int)
    assert isinstance(corten.tensor(2.0).item(), float)
    assert isinstance(corten.tensor(True).item(), bool)
    assert float(corten.tensor([2.5])) == 2.5
    assert [10, 20, 30][corten.tensor(1)] == 20
    with pytest.raises(RuntimeError):
        corten.ones(2).item()
    with pytest.raises(RuntimeError, match="ambiguous"):
        bool(corten.ones(2))
    with pytest.raises(TypeError):
        len(corten.tensor(1.0))
