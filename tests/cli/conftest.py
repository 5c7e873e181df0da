"""A place to run the command in, where nothing is downloaded and little is printed."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty current folder, without MNIST and without a network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CORTEN_DATA", raising=False)
    monkeypatch.delenv("CORTEN_DEBUG", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CORTEN_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def command_line(*arguments):
    """The command line of a real process."""
    return [sys.executable, "-m", "corten.cli", *map(str, arguments)]


def corten(*arguments, code=0, **options):
    """Run the command in a process of its own and check its exit code and that it shows no traceback."""
    done = subprocess.run(command_line(*arguments), capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr and "Traceback" not in done.stdout, done.stderr
    return done


QUICK = ("--data", "digits", "--epochs", "2", "--batch-size", "16", "--lr", "0.1")


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folder of a short run on the digits."""
    folder = tmp_path_factory.mktemp("trained")
    corten("train", *QUICK, "--out", folder / "run", cwd=folder, env=os.environ | {"CORTEN_OFFLINE": "1"})
    return folder / "run"
