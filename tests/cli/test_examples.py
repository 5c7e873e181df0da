"""`corten examples` finds an example by its name, number or beginning."""

import json

import pytest

from tests.cli.process import corten


def test_list_names_each_example():
    lines = corten("examples", "list").stdout.splitlines()
    assert any(line.startswith("02  linear_regression ") for line in lines)
    assert [line[:2] for line in lines] == sorted(line[:2] for line in lines)


@pytest.mark.parametrize("name", ["linear_regression", "02_linear_regression", "02", "linear"])
def test_run_by_name(name, tmp_path):
    done = corten("examples", "run", name, "--help", cwd=tmp_path)
    assert "python examples/02_linear_regression" in done.stdout


def test_run_hands_options_on(tmp_path):
    done = corten("examples", "run", "linear", "--quick", "--json", "--out", tmp_path / "run", cwd=tmp_path)
    assert json.loads(done.stdout)["quick"] is True


def test_unknown_name_is_told(tmp_path):
    done = corten("examples", "run", "astrology", code=1, cwd=tmp_path)
    assert "astrology names no example" in done.stderr and "linear_regression" in done.stderr
