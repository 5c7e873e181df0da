"""Rows C3, C4, C5 and C10: decompositions, linear models and one-row prediction."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benches.estimator_sides import attributes, estimator, fits, growth, series
from benches.measure import OURS, Row

KEYS = {"C3", "C4", "C5", "C10"}
BOTH = ("sklearn", "intelex")
FLOATS = {"f32": np.float32, "f64": np.float64}
SLOWER = "scikit-learn's own takes several times as long"
LOOSE = {"f32": 1e-3, "f64": 1e-8}


def rows() -> Iterator[Row]:
    """All rows of the module."""
    yield from components()
    yield from logistic()
    yield from least_squares()
    yield from one_row()


def figures(keys: set[str]) -> Iterator[dict[str, Any]]:
    """How the times grow."""
    return growth(__name__, keys)


@functools.lru_cache(1)
def table(n: int, p: int, dtype: str, classes: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Correlated columns with means and scales of their own, and a target."""
    rng, number = np.random.default_rng(0), FLOATS[dtype]
    X = rng.standard_normal((n, p), dtype=np.float32).astype(number)
    X[:, 1:] += number(0.5) * X[:, :-1]
    X *= rng.uniform(0.5, 2.0, p).astype(number)
    X += rng.standard_normal(p).astype(number)
    if classes:
        scores = X @ rng.standard_normal((p, classes)).astype(number) * number(0.3)
        return X, (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    return X, (X @ rng.standard_normal(p).astype(number) + rng.standard_normal(n)).astype(number)


def close(tolerance: float) -> Callable[[Any, Any], None]:
    """A check that the first result agrees, relative to its largest element."""

    def check(ours: Any, theirs: Any) -> None:
        a, b = np.asarray(ours[0], np.float64).ravel(), np.asarray(theirs[0], np.float64).ravel()
        worst = np.abs(a - b).max() / np.abs(b).max()
        assert worst <= tolerance, f"differs by {worst:.2e}"

    return check


# ---- C3


def rows_only(n: int, p: int, dtype: str) -> tuple[np.ndarray]:
    """The table without its target."""
    return (table(n, p, dtype)[0],)


def low_rank(n: int, p: int, dtype: str) -> tuple[np.ndarray]:
    """Forty directions of falling strength, and noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 40)) @ (rng.standard_normal((40, p)) * np.geomspace(10, 1, 40)[:, None])
    return ((X + rng.standard_normal((n, p))).astype(FLOATS[dtype]),)


def components() -> Iterator[Row]:
    """PCA by the covariance of many rows, and by random projection of wide ones."""
    for dtype in FLOATS:
        def full(n: int, dtype: str = dtype) -> dict[str, Any]:
            return fits("decomposition.PCA", functools.partial(rows_only, n, 100, dtype), attributes("explained_variance_"), BOTH,
                        n_components=10)  # fmt: skip

        yield from series("C3", "PCA {n} x 100 to 10, " + dtype, (25_000, 50_000, 100_000), full, 3.0,
                          lambda n, dtype=dtype: close(LOOSE[dtype]))  # fmt: skip

        def random(n: int, dtype: str = dtype) -> dict[str, Any]:
            return fits("decomposition.PCA", functools.partial(low_rank, n, 2000, dtype), attributes("explained_variance_"), BOTH,
                        n_components=20, svd_solver="randomized", random_state=0)  # fmt: skip

        sizes = (2_500, 5_000, 10_000) if dtype == "f32" else (10_000,)
        yield from series("C3", "PCA {n} x 2000 to 20, randomized, " + dtype, sizes, random, 1.2, lambda n: close(1e-4))


# ---- C4


def fitted_loss(fitted: Any, X: np.ndarray, y: np.ndarray) -> list[Any]:
    """What the loss is computed from; not timed work: references only."""
    return [fitted.coef_, fitted.intercept_]


def same_loss(n: int, dtype: str) -> Callable[[Any, Any], None]:
    """Our penalised loss, computed here in float64, is at most 1e-3 above theirs, relatively."""

    def objective(coef: Any, intercept: Any) -> float:
        X, y = table(n, 100, dtype, 5)
        coef = np.asarray(coef, np.float64)
        scores = X @ coef.T + np.asarray(intercept, np.float64)
        top = scores.max(axis=1)
        total = np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top - scores[np.arange(n), y]
        return float(total.sum() + 0.5 * np.sum(coef * coef))

    def check(ours: Any, theirs: Any) -> None:
        a, b = objective(*ours), objective(*theirs)
        assert a <= b * (1 + 1e-3), f"losses {a} and {b}"

    return check


def logistic() -> Iterator[Row]:
    """L-BFGS with the defaults, five classes."""
    for dtype in FLOATS:
        def sides(n: int, dtype: str = dtype) -> dict[str, Any]:
            return fits("linear_model.LogisticRegression", functools.partial(table, n, 100, dtype, 5), fitted_loss, ("intelex",))

        sizes = (50_000, 100_000, 200_000) if dtype == "f64" else (200_000,)
        yield from series("C4", "LogisticRegression {n} x 100, 5 classes, " + dtype, sizes, sides, 2.0,
                          lambda n, dtype=dtype: same_loss(n, dtype), note=SLOWER)  # fmt: skip


# ---- C5


def path_side(library: str, n: int, dtype: str) -> Callable[[], Any]:
    """The lasso path with its default hundred strengths."""
    X, y = table(n, 100, dtype)
    run = estimator("sklearn" if library != OURS else OURS, "linear_model.lasso_path")
    return lambda: [run(X, y)[1]]


def least_squares() -> Iterator[Row]:
    """Normal equations of tall tables, and the path of the lasso."""
    for dtype in FLOATS:
        for path in ("LinearRegression", "Ridge"):
            def sides(n: int, path: str = path, dtype: str = dtype) -> dict[str, Any]:
                return fits(f"linear_model.{path}", functools.partial(table, n, 100, dtype), attributes("coef_"), BOTH)

            sizes = (125_000, 250_000, 500_000) if dtype == "f32" else (500_000,)
            yield from series("C5", path + " {n} x 100, " + dtype, sizes, sides, 1.5, lambda n, dtype=dtype: close(LOOSE[dtype]))

        def paths(n: int, dtype: str = dtype) -> dict[str, Any]:
            return {name: functools.partial(path_side, name, n, dtype) for name in (OURS, "sklearn")}

        sizes = (125_000, 250_000, 500_000) if dtype == "f32" else (500_000,)
        yield from series("C5", "lasso_path {n} x 100, " + dtype, sizes, paths, 2.0, lambda n: close(2e-2))


# ---- C10


def row_side(library: str, make: str, method: str) -> Callable[[], Any]:
    """Two hundred predictions of one row."""
    import sklearn.pipeline

    warnings.simplefilter("ignore")
    X, y = table(2000, 30, "f64", 3)
    row = np.ascontiguousarray(X[:1])
    model = estimator(library, "linear_model.LogisticRegression")(max_iter=1000, tol=1e-6)
    if make == "pipeline":
        model = sklearn.pipeline.make_pipeline(estimator(library, "preprocessing.StandardScaler")(), model)
    call = getattr(model.fit(X, y), method)
    if make == "compiled" and library == OURS:
        call = model.compile()

    def run() -> Any:
        for _ in range(200):
            out = call(row)
        return [out]

    return run


def one_row() -> Iterator[Row]:
    """Against scikit-learn; Intel's classes go through the same validation."""
    cases = (("logistic regression", "alone", "predict"), ("logistic regression", "alone", "predict_proba"),
             ("scaler + logistic regression", "pipeline", "predict"), ("compiled logistic regression", "compiled", "predict"))  # fmt: skip
    for name, make, method in cases:
        sides = {library: functools.partial(row_side, library, make, method) for library in (OURS, "sklearn")}
        yield Row("C10", f"one row, {name}, {method}", sides, 5.0, close(1e-3), calls=200)
