"""Rows C1, C2 and C9: k-means, support vectors, neighbours, DBSCAN, mixtures; three sizes each."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benches.estimator_sides import attributes, estimator, fits, growth, series
from benches.measure import OURS, Row

KEYS = {"C1", "C2", "C9"}
BOTH = ("sklearn", "intelex")
FLOATS = {"f32": np.float32, "f64": np.float64}


def rows() -> Iterator[Row]:
    """All rows of the module."""
    yield from kmeans()
    yield from support_vectors()
    yield from neighbours()
    yield from density()
    yield from gaussians()


def figures(keys: set[str]) -> Iterator[dict[str, Any]]:
    """How the times grow."""
    return growth(__name__, keys)


def near(tolerance: float, index: int = 0) -> Callable[[Any, Any], None]:
    """A check of one number of the results, relative to its size."""

    def check(ours: Any, theirs: Any) -> None:
        a, b = float(ours[index]), float(theirs[index])
        assert abs(a - b) <= tolerance * abs(b), f"{a} and {b}"

    return check


def sizes(dtype: str, *all_of: int) -> tuple[int, ...]:
    """Growth is shown in float32; float64 is measured at the largest size."""
    return all_of if dtype == "f32" else all_of[-1:]


# ---- C1


def normal(n: int, d: int, dtype: str) -> tuple[np.ndarray]:
    """Standard normal rows."""
    return (np.random.default_rng(0).standard_normal((n, d)).astype(FLOATS[dtype]),)


def kmeans() -> Iterator[Row]:
    """Fixed start and 30 iterations; and the k-means++ start with one iteration."""
    for dtype in FLOATS:
        def fixed(n: int, dtype: str = dtype) -> dict[str, Any]:
            return fits("cluster.KMeans", functools.partial(normal, n, 32, dtype), attributes("inertia_"), BOTH, n_clusters=64,
                        init=_first_rows, n_init=1, max_iter=30, tol=0)  # fmt: skip

        yield from series("C1", "KMeans {n} x 32, k 64, fixed start, 30 iterations, " + dtype,
                          sizes(dtype, 50_000, 100_000, 200_000), fixed, 1.5, lambda n: near(1e-4))  # fmt: skip

    sides = fits("cluster.KMeans", functools.partial(normal, 200_000, 32, "f32"), attributes("inertia_"), ("intelex",),
                 n_clusters=64, n_init=1, max_iter=1, random_state=0)  # fmt: skip
    yield Row("C1", "KMeans 200,000 x 32, k 64, k-means++ start, 1 iteration, f32", sides, 2.0, near(2e-2), pairs=7, seconds=0.02,
              note="scikit-learn's own takes several times as long")  # fmt: skip


def _first_rows(X: np.ndarray) -> np.ndarray:
    return X[:64].copy()


# ---- C2


@functools.lru_cache(1)
def two_classes(n: int, dtype: str = "f64") -> tuple[np.ndarray, np.ndarray]:
    """50 scaled columns, 20 of them informative."""
    from sklearn.datasets import make_classification

    X, y = make_classification(n, 50, n_informative=20, random_state=0)
    return ((X - X.mean(axis=0)) / X.std(axis=0)).astype(FLOATS[dtype]), y


def coefficients(fitted: Any, X: np.ndarray, y: np.ndarray) -> list[Any]:
    """Dual coefficients of all samples, and gamma's share."""
    dense = np.zeros(len(X))
    dense[fitted.support_] = np.asarray(fitted.dual_coef_)[0]
    return [dense]


def same_objective(n: int, dtype: str = "f64") -> Callable[[Any, Any], None]:
    """Both dual objectives, computed here in float64, agree to 1e-4 of their size."""

    def objective(dense: np.ndarray) -> float:
        X = two_classes(n, dtype)[0].astype(np.float64)
        at = np.flatnonzero(dense)
        V, c = X[at], dense[at]
        norms, gamma, total = (V * V).sum(axis=1), 1 / (X.shape[1] * X.var()), 0.0
        for i in range(0, len(at), 2048):
            part = slice(i, i + 2048)
            distances = norms[part, None] + norms - 2 * V[part] @ V.T
            total += c[part] @ (np.exp(-gamma * distances) @ c)
        return 0.5 * total - np.abs(c).sum()

    def check(ours: Any, theirs: Any) -> None:
        a, b = objective(ours[0]), objective(theirs[0])
        assert a <= b + 1e-4 * abs(b), f"dual objectives {a} and {b}"

    return check


def support_vectors() -> Iterator[Row]:
    """rbf, default settings; libsvm at the smallest size only: it takes a minute at the largest."""
    def sides(n: int, peers: tuple[str, ...] = ("intelex",), dtype: str = "f64") -> dict[str, Any]:
        return fits("svm.SVC", functools.partial(two_classes, n, dtype), coefficients, peers)  # fmt: skip

    yield from series("C2", "SVC rbf {n} x 50, f64", (10_000, 20_000, 40_000), sides, 1.2, same_objective, pairs=3)
    for dtype, peer, goal in (("f64", "sklearn", 3.0), ("f64", "intelex", 1.2), ("f32", "intelex", 1.2)):
        name = "libsvm" if peer == "sklearn" else peer
        yield Row("C2", f"SVC rbf 10,000 x 50, {dtype}, against {name}", sides(10_000, (peer,), dtype), goal,
                  same_objective(10_000, dtype), pairs=7, seconds=0.02)  # fmt: skip


# ---- C9


def two_sets(n: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Points and 10,000 queries in 32 dimensions."""
    rng = np.random.default_rng(0)
    queries = rng.standard_normal((10_000, 32)).astype(FLOATS[dtype])
    return rng.standard_normal((n, 32)).astype(FLOATS[dtype]), queries


def search(library: str, n: int, dtype: str) -> Callable[[], Any]:
    """Fit and query 10 neighbours by brute force."""
    points, queries = two_sets(n, dtype)
    cls = estimator(library, "neighbors.NearestNeighbors")

    def run() -> Any:
        return list(cls(n_neighbors=10, algorithm="brute").fit(points).kneighbors(queries))

    return run


def same_neighbours(ours: Any, theirs: Any) -> None:
    """Distances agree; indices do but for ties within rounding."""
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-4)
    assert np.mean(ours[1] == theirs[1]) > 0.9999


def neighbours() -> Iterator[Row]:
    """10 of n for 10,000 queries."""
    for dtype in FLOATS:
        def sides(n: int, dtype: str = dtype) -> dict[str, Any]:
            return {name: functools.partial(search, name, n, dtype) for name in (OURS, *BOTH)}

        yield from series("C9", "10 neighbours by brute force, {n} x 32 against 10,000, " + dtype,
                          sizes(dtype, 10_000, 20_000, 40_000), sides, 1.5, lambda n: same_neighbours)  # fmt: skip


def blobs(n: int, d: int, centers: int, spread: float, dtype: str) -> tuple[np.ndarray]:
    """Gaussian blobs."""
    from sklearn.datasets import make_blobs

    return (make_blobs(n, d, centers=centers, cluster_std=spread, random_state=0)[0].astype(FLOATS[dtype]),)


def same_partition(ours: Any, theirs: Any) -> None:
    """The same clusters under the same numbers; the numbers of border points may go to either cluster."""
    assert np.mean(np.asarray(ours[0]) == np.asarray(theirs[0])) > 0.9999


def density() -> Iterator[Row]:
    """DBSCAN in 8 dimensions."""
    for dtype in FLOATS:
        def sides(n: int, dtype: str = dtype) -> dict[str, Any]:
            return fits("cluster.DBSCAN", functools.partial(blobs, n, 8, 10, 1.0, dtype), attributes("labels_"), BOTH, eps=1.5)

        yield from series("C9", "DBSCAN {n} x 8, " + dtype, sizes(dtype, 5_000, 10_000, 20_000), sides, 1.5, lambda n: same_partition)


def gaussians() -> Iterator[Row]:
    """8 full components in 16 dimensions."""
    for dtype in FLOATS:
        def sides(n: int, dtype: str = dtype) -> dict[str, Any]:
            return fits("mixture.GaussianMixture", functools.partial(blobs, n, 16, 8, 4.0, dtype), attributes("lower_bound_"),
                        ("sklearn",), n_components=8, random_state=0)  # fmt: skip

        tolerance = 1e-6 if dtype == "f64" else 1e-3
        yield from series("C9", "GaussianMixture {n} x 16, 8 full components, " + dtype, sizes(dtype, 12_500, 25_000, 50_000), sides, 1.5,
                          lambda n, tolerance=tolerance: near(tolerance))  # fmt: skip
