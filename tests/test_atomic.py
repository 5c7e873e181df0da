"""A file that is written atomically is the old one or the new one."""

import os
import stat
import subprocess
import sys

import pytest

from corten.atomic import atomic_write


def test_replaces_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["x"]


def test_an_exception_keeps_the_old_file(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write(b"ne")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["x"]


@pytest.mark.skipif(os.name != "posix", reason="POSIX modes")
def test_the_mode_follows_the_umask(tmp_path):
    with atomic_write(tmp_path / "x") as file:
        file.write(b"x")
    (tmp_path / "y").write_bytes(b"y")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "xy"}
    assert len(modes) == 1


@pytest.mark.skipif(os.name != "posix", reason="RLIMIT_FSIZE")
def test_no_room_keeps_the_old_file(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    script = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
from corten.atomic import atomic_write
try:
    with atomic_write(sys.argv[1]) as file:
        file.write(bytes(100_000))
except OSError as error:
    print("OSError", error.errno)
"""
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("OSError"), done.stderr
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["x"]
