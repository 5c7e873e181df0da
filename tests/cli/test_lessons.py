"""`corten bike` and `corten gpt` are the lessons under another name."""

import pytest

from tests.cli.process import corten


@pytest.mark.parametrize("name, words", [("bike", ["train", "predict"]), ("gpt", ["train", "generate"])])
def test_help(name, words):
    for arguments in ([], ["--help"]):
        out = corten(name, *arguments).stdout
        assert f"corten {name}" in out and all(word in out for word in words)
    assert "--json" in corten(name, words[1], "--help").stdout


def test_errors_are_one_line(tmp_path):
    done = corten("bike", "predict", "--hr", "8", code=1, cwd=tmp_path)
    assert done.stderr.startswith("error: ") and "train first" in done.stderr and done.stderr.count("\n") == 1
    done = corten("gpt", "train", "--data", "absent.txt", code=1, cwd=tmp_path)
    assert "absent.txt: No such file" in done.stderr
    assert "Invalid value for '--hr'" in corten("bike", "predict", "--hr", "24", code=2, cwd=tmp_path).stderr
