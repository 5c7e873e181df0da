"""Unmodified scripts on our estimators."""

import logging
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import sklearn.linear_model

import corten.compat.sklearn as compat
from corten.learn import UnsupportedSetting, linear_model

X = np.random.default_rng(0).standard_normal((80, 4))
y = (X[:, 0] > 0).astype(int)


@pytest.fixture
def patched():
    compat.patch_sklearn()
    yield
    compat.unpatch_sklearn()


def test_patch_and_back():
    original = sklearn.linear_model.Ridge
    compat.patch_sklearn()
    assert issubclass(sklearn.linear_model.Ridge, linear_model.Ridge)
    assert "sklearn.linear_model.Ridge" in compat.patched_names()
    compat.patch_sklearn()  # twice is once
    compat.unpatch_sklearn()
    assert sklearn.linear_model.Ridge is original and compat.patched_names() == []


def test_fallback_names_the_parameter(patched, caplog):
    with caplog.at_level(logging.WARNING, "corten.compat.sklearn"):
        model = sklearn.linear_model.RidgeClassifier(solver="sag", alpha=2.0).fit(X, y)
    assert "RidgeClassifier: solver='sag' is not supported" in caplog.text
    assert type(model).__module__.startswith("sklearn.") and model.alpha == 2.0 and model.score(X, y) > 0.9
    caplog.clear()
    assert sklearn.linear_model.LogisticRegression().fit(X, y).score(X, y) > 0.9
    assert not caplog.text


def test_function_falls_back(patched, caplog):
    with caplog.at_level(logging.WARNING, "corten.compat.sklearn"):
        assert sklearn.linear_model.enet_path(X, np.c_[y, y].astype(float), alphas=[0.1])[1].shape == (2, 4, 1)
    assert "enet_path: y.ndim=2" in caplog.text


def test_strict_raises():
    compat.patch_sklearn(strict=True)
    try:
        with pytest.raises(UnsupportedSetting, match="sag"):
            sklearn.linear_model.Ridge(solver="sag").fit(X, y)
    finally:
        compat.unpatch_sklearn()


def test_pickles_and_files(patched, tmp_path):
    model = sklearn.linear_model.Ridge().fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    model.save(tmp_path / "m")
    from corten.learn import load

    assert type(load(tmp_path / "m")) is linear_model.Ridge


def test_names():
    with pytest.raises(ValueError, match=r"\[patch_sklearn\] got \['Nothing'\]"):
        compat.patch_sklearn(names=["Nothing"])
    compat.patch_sklearn(names=["Lasso"])
    assert compat.patched_names() == ["sklearn.linear_model.Lasso"]
    compat.unpatch_sklearn()


def test_script(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import sys
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.datasets import load_iris
        from sklearn.model_selection import GridSearchCV
        X, y = load_iris(return_X_y=True)
        search = GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1.0]}, n_jobs=2).fit(X, y)
        print(type(search.best_estimator_).__module__, round(search.best_score_, 2), sys.argv[1:], __name__)
        Ridge(solver="sag").fit(X, y > 0)
        """)
    )
    run = [sys.executable, "-m", "corten.compat.sklearn"]
    done = subprocess.run([*run, str(script), "one"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["corten.compat.sklearn", "0.97", "['one']", "__main__"]
    assert "solver='sag' is not supported" in done.stderr
    script.write_text("from sklearn.linear_model import Ridge\n"
                      "Ridge(solver='sag').fit([[0.0], [1.0]], [0, 1])\n")  # fmt: skip
    strict = subprocess.run([*run, "--strict", str(script)], capture_output=True, text=True, timeout=120)
    assert strict.returncode != 0 and "UnsupportedSetting" in strict.stderr
    assert subprocess.run(run, capture_output=True, timeout=60).returncode == 2
