"""A place to run the command in, where nothing is downloaded and little is printed."""

import os

import pytest

from tests.cli.process import QUICK, corten


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


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folder of a short run on the digits."""
    folder = tmp_path_factory.mktemp("trained")
    corten("train", *QUICK, "--out", folder / "run", cwd=folder, env=os.environ | {"CORTEN_OFFLINE": "1"})
    return folder / "run"
