"""``verbose`` of every estimator prints how far a fit is, in finite figures; without it nothing is printed."""

import importlib
import re

import numpy as np
import pytest

from corten import learn

rng = np.random.default_rng(0)
X = np.abs(rng.standard_normal((120, 5)))
TALKING = [
    cls
    for package in learn.subpackages()
    for module in [importlib.import_module(f"corten.learn.{package}")]
    for cls in (getattr(module, name) for name in module.__all__)
    if isinstance(cls, type) and hasattr(cls, "_get_param_names") and "verbose" in cls._get_param_names()
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cls", TALKING, ids=lambda cls: cls.__name__)
def test_progress(cls, capsys):
    settings = {"max_iter": 5, "n_estimators": 3}
    settings = {name: value for name, value in settings.items() if name in cls._get_param_names()}
    target = X[:, 0] - X[:, 1]
    y = target > 0 if cls().__sklearn_tags__().estimator_type == "classifier" else target
    cls(**settings).fit(X, y)
    assert capsys.readouterr().out == ""
    cls(verbose=2, **settings).fit(X, y)
    said = capsys.readouterr().out
    assert re.search(r"\d", said) and not re.search(r"\bnan\b", said)
