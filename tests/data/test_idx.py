"""idx files: what is read equals what was written, and no bytes whatever crash the reader or make it take memory."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from corten.data import read_idx, write_idx

DTYPES = st.sampled_from([np.uint8, np.int8, np.int16, np.int32, np.float32, np.float64])


@settings(max_examples=60, deadline=None)
@given(
    array=DTYPES.flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=4))),
    suffix=st.sampled_from([".idx", ".idx.gz"]),
)
def test_round_trip(tmp_path_factory, array, suffix):
    path = tmp_path_factory.mktemp("idx") / f"x{suffix}"
    write_idx(path, array)
    back = read_idx(path)
    assert back.dtype == array.dtype and back.shape == array.shape and back.flags.writeable
    np.testing.assert_array_equal(back, array)


def test_reads_a_file_made_byte_by_byte(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(bytes.fromhex("00000b02 00000002 00000003") + struct.pack(">6h", -1, 0, 1, 256, -256, 32767))
    np.testing.assert_array_equal(read_idx(path), [[-1, 0, 1], [256, -256, 32767]])


def labels(count=5):
    return struct.pack(">HBBI", 0, 8, 1, count) + bytes(range(count))


BAD = {
    "empty": (b"", "truncated"),
    "three bytes": (b"\0\0\x08", "truncated"),
    "header cut": (b"\0\0\x08\x03\0\0\0\x01", "truncated in the header"),
    "data cut": (labels()[:-1], "truncated"),
    "too long": (labels() + b"x", "too long"),
    "wrong magic": (b"\x89PNG" + labels(), "magic"),
    "unknown type": (b"\0\0\x0a\x01\0\0\0\x01x", "magic"),
    "no dimensions": (b"\0\0\x08\0", "0 dimensions"),
    "255 dimensions": (b"\0\0\x08\xff" + b"\0\0\0\x01" * 255 + b"x", "255 dimensions"),
    "sizes that overflow": (b"\0\0\x08\x08" + b"\xff" * 32, "truncated"),
    "empty with sizes that overflow": (b"\0\0\x08\x08" + b"\0\0\0\0" + b"\xff" * 28, "possible"),
}


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused(tmp_path, name, compress):
    content, what = BAD[name]
    path = tmp_path / "bad"
    path.write_bytes(gzip.compress(content) if compress and content else content)
    if compress:
        what = {"too long": "more data", "sizes that overflow": "promises"}.get(name, what)
    with pytest.raises(ValueError, match=what) as caught:
        read_idx(path)
    assert "bad" in str(caught.value) or name == "empty with sizes that overflow"


@pytest.mark.parametrize("cut", [1, 3, 12, 20, -9, -8, -1])
def test_damaged_gzip_is_refused(tmp_path, cut):
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(labels(200))[:cut])
    with pytest.raises(ValueError, match="read_idx"):
        read_idx(path)


def test_gzip_checksum_is_verified(tmp_path):
    content = bytearray(gzip.compress(labels(200)))
    content[-8] ^= 1  # the CRC
    path = tmp_path / "x.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        read_idx(path)


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
def test_a_lying_header_takes_no_memory(tmp_path, compress):
    content = struct.pack(">HBBIII", 0, 8, 3, 60000, 4000, 4000) + bytes(2_000_000)
    path = tmp_path / "lie"
    path.write_bytes(gzip.compress(content) if compress else content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="read_idx"):
            read_idx(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 80 << 20  # one first block; the header says 960 GB


def test_a_bounded_lie_is_found_when_the_data_ends(tmp_path):
    """A size that the compressed length could just hold: only what really comes is taken."""
    random = np.random.default_rng(0).bytes(1 << 20)
    content = struct.pack(">HBBI", 0, 8, 1, 1 << 30) + random
    path = tmp_path / "lie.gz"
    path.write_bytes(gzip.compress(content))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="truncated"):
            read_idx(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 80 << 20


@settings(max_examples=300, deadline=None)
@given(
    prefix=st.sampled_from([b"", b"\0\0", b"\0\0\x08", b"\0\0\x08\x01", b"\0\0\x0d\x02\0\0\0\x01", b"\x1f\x8b\x08\0"]),
    rest=st.binary(max_size=80),
    compress=st.booleans(),
)
def test_random_bytes_never_crash(tmp_path_factory, prefix, rest, compress):
    content = prefix + rest
    path = tmp_path_factory.mktemp("idx") / "x"
    path.write_bytes(gzip.compress(content) if compress else content)
    try:
        array = read_idx(path)
    except ValueError as error:
        assert str(error).startswith("[read_idx]")
    else:
        assert array.nbytes <= len(content)


def test_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "none")


def test_write_refuses_what_the_format_lacks(tmp_path):
    with pytest.raises(ValueError, match="dtype int64"):
        write_idx(tmp_path / "x", np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="0 dimensions"):
        write_idx(tmp_path / "x", np.zeros((), np.uint8))
    assert list(tmp_path.iterdir()) == []
