"""The examples in docstrings and in docs/training.md run."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import corten.train

MODULES = [m.name for m in pkgutil.walk_packages(corten.train.__path__, "corten.train.")]
NEEDS = {"corten.train.tune": "optuna", "corten.train.tensorboard": "tensorboard", "corten.train.mlflow": "mlflow"}
PAGE = Path(__file__).parents[2] / "docs" / "training.md"


@pytest.mark.parametrize("name", [*MODULES, "corten.learn.neural_network._perceptron"])
def test_docstrings(name, tmp_path, monkeypatch):
    pytest.importorskip(NEEDS.get(name, "corten"))
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


@pytest.mark.parametrize("number", range(4))
def test_page(number, tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 4
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks[number], f"docs/training.md, block {number}", "exec"), {"__name__": "page"})
