"""The examples in the docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

import corten.data

MODULES = [m.name for m in pkgutil.iter_modules(corten.data.__path__, "corten.data.") if not m.name.endswith("_batches")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
