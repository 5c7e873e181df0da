"""Row C12: multilayer perceptrons against scikit-learn, same start, order and steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import sklearn.neural_network as theirs

from corten.learn import neural_network as ours

KEYS = {"C12"}


def table(rows: int, columns: int, classes: int, dtype: str) -> tuple[Any, Any]:
    """Standard normal rows, and classes that depend on them."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, columns)).astype(dtype)
    scores = X @ rng.standard_normal((columns, classes)).astype(dtype)
    return X, (scores + rng.gumbel(size=scores.shape)).argmax(1)


def fit(module: Any, kind: str, data: tuple[Any, Any], parameters: dict[str, Any]) -> Callable[[], Any]:
    """A fit of a fixed number of epochs; returns the estimator."""

    def run() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(module, kind)(random_state=0, tol=0.0, n_iter_no_change=10**6, **parameters).fit(*data)

    return run


def agree(a: Any, b: Any) -> None:
    """The same losses all along."""
    np.testing.assert_allclose(a.loss_curve_, b.loss_curve_, rtol=1e-3 if a.coefs_[0].dtype == np.float32 else 1e-8)


def rows() -> Iterator[tuple[str, Callable[[], Any], dict[str, Callable[[], Any]], Callable[[Any, Any], None]]]:
    """Fits of a few sizes and solvers."""
    cases = [
        ("MLPClassifier 100, Adam, 5,000 x 100, 10 classes", "MLPClassifier", (5000, 100, 10), {"max_iter": 4}),
        ("MLPClassifier 100, Adam, 4,000 x 784, 10 classes", "MLPClassifier", (4000, 784, 10), {"max_iter": 3}),
        ("MLPClassifier 64-32, momentum, batch 32, 5,000 x 20, 2 classes", "MLPClassifier", (5000, 20, 2),
         {"max_iter": 2, "solver": "sgd", "batch_size": 32, "hidden_layer_sizes": (64, 32)}),
        ("MLPRegressor 100, Adam, 10,000 x 13", "MLPRegressor", (10_000, 13, 5), {"max_iter": 3}),
    ]  # fmt: skip
    for name, kind, shape, parameters in cases:
        for dtype in ("float64", "float32"):
            X, y = table(*shape, dtype)
            data = (X, y.astype(dtype)) if kind == "MLPRegressor" else (X, y)
            yield (f"C12 {name}, {dtype}", fit(ours, kind, data, parameters),
                   {"scikit-learn": fit(theirs, kind, data, parameters)}, agree)  # fmt: skip
