"""The examples in the docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

import corten.data

NAMES = [module.name for module in pkgutil.iter_modules(corten.data.__path__, "corten.data.")]


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("_batches")])
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
