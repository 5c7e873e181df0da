"""Rows C6, C7, C8 and the forest of C10: trees, forests and gradient boosting."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benches.estimator_sides import estimator, fits, growth, series
from benches.measure import OURS, Row

KEYS = {"C6", "C7", "C8", "C10"}
TEST = 5000  # rows behind the training rows on which the results are compared


def rows() -> Iterator[Row]:
    """All rows of the module."""
    yield from trees()
    yield from forests()
    yield from boosting()
    yield from one_row()


def figures(keys: set[str]) -> Iterator[dict[str, Any]]:
    """How the times grow."""
    return growth(__name__, keys)


@functools.lru_cache(1)
def labelled(n: int, p: int, kind: str = "classes") -> tuple[np.ndarray, np.ndarray]:
    """n training rows and TEST more, float32: two classes, or a smooth target with noise."""
    from sklearn.datasets import make_classification

    if kind == "classes":
        X, y = make_classification(n + TEST, p, n_informative=20, flip_y=0.05, random_state=0)
        return X.astype(np.float32), y
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n + TEST, p), dtype=np.float32)
    y = 3 * np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + np.abs(X[:, 3]) + 0.5 * rng.standard_normal(n + TEST)
    return X, y


def training(n: int, p: int, kind: str = "classes") -> tuple[np.ndarray, np.ndarray]:
    """The training rows."""
    X, y = labelled(n, p, kind)
    return X[:n], y[:n]


def no_worse(slack: float) -> Callable[[Any, Any], None]:
    """A check that our accuracy or R^2 on rows not seen is at most ``slack`` below theirs."""

    def check(ours: Any, theirs: Any) -> None:
        a, b = float(ours[0]), float(theirs[0])
        assert a >= b - slack, f"scores {a:.4f} and {b:.4f}"

    return check


def score(n: int, p: int, kind: str = "classes") -> Callable[..., list[float]]:
    """A result: the score on the test rows; some milliseconds, the same work for all sides of a row."""

    def read(fitted: Any, *arrays: Any) -> list[float]:
        X, y = labelled(n, p, kind)
        return [fitted.score(X[n:], y[n:])]

    return read


# ---- C6, C7


def trees() -> Iterator[Row]:
    """Grown to the end, exact splits; the best of scikit-learn's and Intel's."""
    for kind, path in (("classes", "DecisionTreeClassifier"), ("numbers", "DecisionTreeRegressor")):
        def sides(n: int, kind: str = kind, path: str = path) -> dict[str, Any]:
            return fits(f"tree.{path}", functools.partial(training, n, 50, kind), score(n, 50, kind), ("sklearn",), random_state=0)

        sizes = (12_500, 25_000, 50_000) if kind == "classes" else (50_000,)
        yield from series("C6", path + " {n} x 50, exact", sizes, sides, 2.0, lambda n: no_worse(0.02))


def forests() -> Iterator[Row]:
    """100 trees, both cores."""
    def sides(n: int) -> dict[str, Any]:
        return fits("ensemble.RandomForestClassifier", functools.partial(training, n, 50), score(n, 50), ("intelex",),
                    n_jobs=2, random_state=0)  # fmt: skip

    yield from series("C7", "RandomForestClassifier {n} x 50, 100 trees", (12_500, 25_000, 50_000), sides, 1.2,
                      lambda n: no_worse(0.01), note="scikit-learn's own takes several times as long")  # fmt: skip


# ---- C8


def boosted(library: str, n: int, kind: str, dtype: str) -> Callable[[], Any]:
    """100 rounds of 31 leaves, 255 bins, shrinkage 0.1, at least 20 rows a leaf, no other penalty."""
    warnings.simplefilter("ignore")
    X, y = labelled(n, 100, kind)
    X = X.astype({"f32": np.float32, "f64": np.float64}[dtype])
    what = "Classifier" if kind == "classes" else "Regressor"
    if library == "LightGBM":
        import lightgbm

        make = functools.partial(getattr(lightgbm, f"LGBM{what}"), n_estimators=100, num_leaves=31, max_bin=255, learning_rate=0.1,
                                 min_child_samples=20, min_child_weight=0.0, n_jobs=2, verbose=-1, random_state=0)  # fmt: skip
    elif library == "XGBoost":
        import xgboost

        make = functools.partial(getattr(xgboost, f"XGB{what}"), n_estimators=100, tree_method="hist", grow_policy="lossguide",
                                 max_leaves=31, max_depth=0, max_bin=255, learning_rate=0.1, reg_lambda=0.0,
                                 min_child_weight=5.0 if kind == "classes" else 20.0, n_jobs=2)  # fmt: skip
    else:
        make = functools.partial(estimator(library, f"ensemble.HistGradientBoosting{what}"), early_stopping=False, random_state=0)

    def run() -> Any:
        model = make().fit(X[:n], y[:n])
        if kind == "classes":
            p = np.clip(model.predict_proba(X[n:])[:, 1], 1e-12, 1 - 1e-12)
            return [-np.mean(np.where(y[n:] == 1, np.log(p), np.log(1 - p)))]
        return [np.mean((model.predict(X[n:]) - y[n:]) ** 2)]

    return run


def same_loss(ours: Any, theirs: Any) -> None:
    """Our loss on rows not seen is at most 2 % above theirs."""
    a, b = float(ours[0]), float(theirs[0])
    assert a <= b * 1.02, f"losses {a:.5f} and {b:.5f}"


def boosting() -> Iterator[Row]:
    """Fit and the loss of 5,000 rows, binning included."""
    for kind, dtype in (("classes", "f32"), ("numbers", "f32"), ("classes", "f64")):
        def sides(n: int, kind: str = kind, dtype: str = dtype) -> dict[str, Any]:
            return {name: functools.partial(boosted, name, n, kind, dtype) for name in (OURS, "LightGBM", "XGBoost")}

        sizes = (50_000, 100_000, 200_000) if (kind, dtype) == ("classes", "f32") else (200_000,)
        name = "HistGradientBoosting{n} x 100, 100 rounds, " + f"{kind}, {dtype}"
        yield from series("C8", name.replace("{n}", " {n}"), sizes, sides, 1.0, lambda n: same_loss)


# ---- C10


def forest_row(library: str, method: str) -> Callable[[], Any]:
    """Twenty predictions of one row by a forest of 100."""
    X, y = training(2000, 30)
    row = np.ascontiguousarray(X[:1])
    call = getattr(estimator(library, "ensemble.RandomForestClassifier")(random_state=0).fit(X, y), method)

    def run() -> Any:
        for _ in range(20):
            out = call(row)
        return [out]

    return run


def one_row() -> Iterator[Row]:
    """The faster of scikit-learn and Intel."""
    for method in ("predict", "predict_proba"):
        sides = {library: functools.partial(forest_row, library, method) for library in (OURS, "sklearn", "intelex")}
        yield Row("C10", f"one row, forest of 100, {method}", sides, 5.0, None, calls=20)
