"""The command as a whole: help, information, data sets, exit codes."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from corten.cli.app import app
from tests.cli.process import command_line, corten


def invoke(*arguments):
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []], ids=str)
def test_help_names_the_commands(place, arguments):
    done = invoke(*arguments)
    assert done.exit_code == (0 if arguments else 2)
    for name in ("train", "predict", "data", "info"):
        assert name in done.output


@pytest.mark.parametrize("name, words", [
    ("train", ["--data", "--hidden", "--epochs", "--batch-size", "--lr", "--optimizer", "--seed", "--threads", "--out",
               "--json", "--overwrite", "Ctrl-C"]),
    ("predict", ["--invert", "PNG", "CSV"]),
    ("data", ["list", "get"]),
])  # fmt: skip
def test_help_of_each_command(place, name, words):
    done = invoke(name, "--help")
    assert done.exit_code == 0
    for word in words:
        assert word in done.output


def test_help_loads_nothing_heavy():
    heavy = ["matplotlib", "PIL", "sklearn", "scipy.stats", "safetensors", "corten.train", "corten.data", "corten.nn"]
    script = f"""
import sys
sys.argv = ["corten", "--help"]
from corten.cli import main
try:
    main()
except SystemExit as end:
    assert end.code == 0
loaded = [name for name in {heavy!r} if name in sys.modules]
assert not loaded, loaded
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_info(place):
    text = corten("info", cwd=place).stdout
    assert "corten" in text and "instruction set" in text


def test_data_list_and_get(place):
    text = invoke("data", "list").output
    assert "in the package" in text and "corten data get mnist" in text
    done = invoke("data", "get", "digits")
    assert done.exit_code == 0 and "in the package" in done.output
    done = corten("data", "get", "mnist", code=1, cwd=place)
    assert "CORTEN_OFFLINE" in done.stderr
    assert invoke("data", "get", "auto").exit_code == 1
    assert invoke("data", "get").exit_code == 2


def test_unknown_command(place):
    assert invoke("nothing").exit_code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_closed_pipe_is_no_traceback(place):
    process = subprocess.Popen(command_line("info"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    process.wait(60)
    assert "Traceback" not in error and "Exception ignored" not in error
