"""Saving and loading: round trips, damaged files, places that cannot be written."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import corten

DTYPES = ["float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "bool"]


def document() -> dict[str, Any]:
    return {"weights": [corten.arange(6).reshape(2, 3).to(getattr(corten, d)) for d in DTYPES], "none": None, "step": 3,
            "lr": 0.1, "name": "net", "flags": (True, False), "nan": float("inf"), 5: {"deep": [corten.ones(())]},
            "shape": corten.ones(2, 3).shape, "dtype": corten.float64, "grad": corten.ones(2, requires_grad=True),
            "empty": corten.empty(0, 3), "view": corten.arange(6.0).reshape(2, 3).t()}  # fmt: skip


def same(a: Any, b: Any) -> bool:
    if isinstance(a, corten.Tensor):
        return a.dtype is b.dtype and a.requires_grad == b.requires_grad and a.tolist() == b.tolist()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b) and type(a) is type(b)


def test_everything_comes_back(tmp_path: Path) -> None:
    corten.save(document(), tmp_path / "x")
    assert same(corten.load(tmp_path / "x"), document())
    buffer = io.BytesIO()
    corten.save(document(), buffer)
    buffer.seek(0)
    assert same(corten.load(buffer), document())


def test_safetensors_reads_ours_and_we_read_theirs(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([True, False])}
    corten.save({k: corten.from_numpy(v) for k, v in arrays.items()}, tmp_path / "ours")
    assert {tuple(v.shape) for v in safetensors.load_file(tmp_path / "ours").values()} == {(2, 3), (2,)}
    safetensors.save_file(arrays, tmp_path / "theirs")
    loaded = corten.load(tmp_path / "theirs")
    assert {k: v.tolist() for k, v in loaded.items()} == {k: v.tolist() for k, v in arrays.items()}


def test_nothing_is_pickled(tmp_path: Path) -> None:
    for bad in (object(), lambda: 0, {1, 2}, corten.optim.SGD([corten.ones(1)])):
        with pytest.raises(TypeError):
            corten.save({"x": bad}, tmp_path / "x")
    with pytest.raises(TypeError, match="got builtin_function_or_method"):  # beside a network as anywhere else
        corten.save({"net": corten.nn.Linear(1, 1), "f": len}, tmp_path / "x")
    assert os.listdir(tmp_path) == []


# ---- whole networks


class Twice(corten.nn.Module):
    """A module that stands in two places, a weight that two layers share, and attributes of several kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.again = corten.nn.Linear(3, 3)
        self.tied = corten.nn.Linear(3, 3)
        self.tied.weight = self.first.weight
        self.rest = corten.nn.Sequential(corten.nn.BatchNorm1d(3), corten.nn.Dropout(0.5))
        self.activation, self.where, self.kinds = corten.nn.functional.relu, corten.device("cpu"), {"a", "b"}

    def forward(self, x: Any) -> Any:
        return self.rest(self.tied(self.activation(self.again(x))))


def test_a_whole_network_comes_back(tmp_path: Path) -> None:
    net = Twice()
    net(corten.randn(4, 3))  # running statistics
    net.eval()
    corten.save({"net": net, "epoch": 3}, tmp_path / "net")
    with pytest.raises(RuntimeError, match="weights_only=False"):
        corten.load(tmp_path / "net")
    needed = [Twice, *(getattr(corten.nn, n) for n in ("Linear", "Sequential", "BatchNorm1d", "Dropout"))]
    with pytest.raises(RuntimeError, match="functional:relu"), corten.serialization.safe_globals(needed):
        corten.load(tmp_path / "net")
    with corten.serialization.safe_globals([*needed, corten.nn.functional.relu]):
        assert type(corten.load(tmp_path / "net")["net"]) is Twice
    assert corten.serialization.get_safe_globals() == []
    back = corten.load(tmp_path / "net", weights_only=False)["net"]
    assert type(back) is Twice and not back.training and repr(back) == repr(net)
    assert back.first is back.again and back.tied.weight is back.first.weight
    assert isinstance(back.first.weight, corten.nn.Parameter) and back.first.weight.requires_grad
    assert (back.activation, back.where, back.kinds) == (net.activation, net.where, net.kinds)
    x = corten.randn(5, 3)
    assert back(x).tolist() == net(x).tolist()
    back(x).sum().backward()
    assert back.first.weight.grad is not None and list(back.state_dict()) == list(net.state_dict())


@pytest.mark.parametrize("make", [
    lambda: corten.nn.TransformerEncoder(corten.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2),
    lambda: corten.nn.LSTM(8, 4, 2, bidirectional=True, batch_first=True), lambda: corten.nn.Sequential(corten.nn.Linear(8, 2)),
], ids=["transformer", "lstm", "sequential"])  # fmt: skip
def test_networks_of_layers_come_back(make: Any, tmp_path: Path) -> None:
    net = make().eval()
    corten.save(net, tmp_path / "net")
    back = corten.load(tmp_path / "net", weights_only=False)
    x = corten.randn(2, 5, 8)
    first = (lambda out: out[0] if isinstance(out, tuple) else out)  # noqa: E731
    assert first(back(x)).tolist() == first(net(x)).tolist()


def test_networks_that_cannot_be_saved_say_why(tmp_path: Path) -> None:
    net = Twice()
    net.other = object()  # type: ignore[assignment]
    with pytest.raises(TypeError, match="Twice whose attributes"):
        corten.save(net, tmp_path / "net")
    hooked = corten.nn.Linear(2, 2)
    hooked.register_forward_hook(lambda *a: None)
    with pytest.raises(TypeError, match="hooks"):
        corten.save(hooked, tmp_path / "net")

    class Inner(corten.nn.Module):
        pass

    with pytest.raises(TypeError, match="no module has under that name"):
        corten.save(Inner(), tmp_path / "net")
    with pytest.raises(TypeError, match="shape is not known"):
        corten.save(corten.nn.LazyLinear(2), tmp_path / "net")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("name", "text"), [("os:system", "no class of networks"), ("corten.nn.linear:Linea", "there is no")])
def test_only_networks_are_built(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    dumps = json.dumps
    monkeypatch.setattr("json.dumps", lambda *a, **k: dumps(*a, **k).replace("corten.nn.linear:Linear", name))
    corten.save(corten.nn.Linear(1, 1), file)
    file.seek(0)
    with pytest.raises(RuntimeError, match=text):
        corten.load(file, weights_only=False)


# ---- damaged files


@pytest.fixture(scope="module")
def whole() -> bytes:
    buffer = io.BytesIO()
    corten.save(document(), buffer)
    return buffer.getvalue()


def refused(data: bytes) -> None:
    """Loading either works or raises ValueError; nothing else."""
    try:
        corten.load(io.BytesIO(data))
    except ValueError:
        pass


def test_every_truncation_is_refused(whole: bytes) -> None:
    for end in {*range(0, len(whole), 7), len(whole) - 1}:
        with pytest.raises(ValueError):
            corten.load(io.BytesIO(whole[:end]))


def test_bytes_too_many_are_refused(whole: bytes) -> None:
    with pytest.raises(ValueError, match="too many"):
        corten.load(io.BytesIO(whole + b"\0"))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_flipped_bytes_never_do_more_than_raise_value_error(whole: bytes, data: Any) -> None:
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    refused(bytes(damaged))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data: bytes) -> None:
    refused(data)
    refused(len(data).to_bytes(8, "little") + data)


JSON = st.recursive(st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=6),
                    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(
                        ["dtype", "shape", "data_offsets", "__metadata__", "corten", "tensor", "dict", "list", "x"]), x, max_size=4),
                    max_leaves=12)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(JSON, st.binary(max_size=40))
def test_random_headers_are_refused(header: Any, body: bytes) -> None:
    text = json.dumps(header).encode()
    refused(len(text).to_bytes(8, "little") + text + body)


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_random_descriptions_are_refused(root: Any) -> None:
    description = json.dumps({"format": "corten", "version": 1, "root": root})
    text = json.dumps({"__metadata__": {"corten": description}, "x": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}}).encode()
    refused(len(text).to_bytes(8, "little") + text + bytes(8))


@pytest.mark.parametrize(
    "entry",
    [{"shape": [2**62, 4]}, {"shape": [-1, -8]}, {"shape": [2**60, 0]}, {"shape": [2.5]}, {"shape": [1] * 9}, {"shape": "8"},
     {"data_offsets": [0, 2**70]}, {"data_offsets": [-8, 0]}, {"data_offsets": [8, 0]}, {"data_offsets": [0]}, {"dtype": "F31"},
     {"dtype": "BOOL", "shape": [8]}])
def test_impossible_tensors_are_refused(entry: dict[str, Any]) -> None:
    header = {"x": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8], **entry}}
    text = json.dumps(header).encode()
    with pytest.raises(ValueError):
        corten.load(io.BytesIO(len(text).to_bytes(8, "little") + text + b"\7" * 8))


def test_a_header_of_terabytes_allocates_nothing() -> None:
    with pytest.raises(ValueError):
        corten.load(io.BytesIO((1 << 45).to_bytes(8, "little") + b"{}"))


# ---- places


def test_errors_of_places_keep_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    corten.save({"a": corten.ones(3)}, path)
    before = path.read_bytes()

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("corten.serialization.write_safetensors", full)
    with pytest.raises(OSError, match="No space"):
        corten.save({"a": corten.zeros(3)}, path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_device_raises() -> None:
    with open("/dev/full", "wb", buffering=0) as file, pytest.raises(OSError) as caught:
        corten.save({"a": corten.ones(1000)}, file)
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_FSIZE")
def test_a_file_that_outgrows_its_place_leaves_the_old_one(tmp_path: Path) -> None:
    import resource
    import signal

    path = tmp_path / "x"
    corten.save({"a": corten.ones(3)}, path)
    before = path.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
        with pytest.raises(OSError):
            corten.save({"a": corten.ones(100_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, old)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x"]


def test_places_that_cannot_be_written_or_read(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        corten.save({}, tmp_path / "no" / "folder")
    with pytest.raises(OSError):
        corten.save({}, tmp_path)
    with pytest.raises(FileNotFoundError):
        corten.load(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        corten.load(tmp_path)
