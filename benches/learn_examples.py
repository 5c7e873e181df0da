"""A small problem in the manner of scikit-learn's documentation for each estimator, fitted by both: scores and times.

The data are those that scikit-learn's examples use (its own generators and small sets). The figure of an estimator is the
score of both on rows not seen, which must agree, and the ratio of the times of fit and prediction.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benches.estimator_sides import estimator
from benches.measure import OURS, Row

KEYS = {"CE"}


def rows() -> Iterator[Row]:
    """None: the examples are figures."""
    return iter(())


def iris() -> tuple[np.ndarray, np.ndarray]:
    """Flowers."""
    from sklearn.datasets import load_iris

    return load_iris(return_X_y=True)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Small images."""
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


def diabetes() -> tuple[np.ndarray, np.ndarray]:
    """Progress of a disease."""
    from sklearn.datasets import load_diabetes

    return load_diabetes(return_X_y=True)


def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Three round clusters."""
    from sklearn.datasets import make_blobs

    return make_blobs(1500, centers=3, cluster_std=0.5, random_state=170)


def moons() -> tuple[np.ndarray, np.ndarray]:
    """Two bent clusters."""
    from sklearn.datasets import make_moons

    return make_moons(1500, noise=0.05, random_state=0)


def friedman() -> tuple[np.ndarray, np.ndarray]:
    """A smooth function of ten columns, five of which matter."""
    from sklearn.datasets import make_friedman1

    return make_friedman1(1200, random_state=0, noise=0.5)


def swiss() -> tuple[np.ndarray, np.ndarray]:
    """A rolled sheet."""
    from sklearn.datasets import make_swiss_roll

    return make_swiss_roll(800, random_state=0)


Example = tuple[str, dict[str, Any], Callable[[], tuple[np.ndarray, np.ndarray]], str, float]
# path, parameters, data, how it is judged, how far the two scores may be apart
EXAMPLES: list[Example] = [
    ("linear_model.LinearRegression", {}, diabetes, "score", 1e-6),
    ("linear_model.Ridge", {"alpha": 0.1}, diabetes, "score", 1e-6),
    ("linear_model.RidgeCV", {}, diabetes, "score", 1e-6),
    ("linear_model.Lasso", {"alpha": 0.1}, diabetes, "score", 1e-3),
    ("linear_model.LassoCV", {"cv": 5, "random_state": 0}, diabetes, "score", 1e-3),
    ("linear_model.ElasticNet", {"alpha": 0.01}, diabetes, "score", 1e-3),
    ("linear_model.ElasticNetCV", {"cv": 5, "random_state": 0}, diabetes, "score", 1e-3),
    ("linear_model.LogisticRegression", {"max_iter": 1000}, iris, "score", 1e-6),
    ("linear_model.RidgeClassifier", {}, digits, "score", 1e-6),
    ("linear_model.RidgeClassifierCV", {}, iris, "score", 1e-6),
    ("linear_model.SGDClassifier", {"random_state": 0}, iris, "score", 1e-6),
    ("linear_model.SGDRegressor", {"random_state": 0, "max_iter": 2000}, diabetes, "score", 1e-6),
    ("linear_model.Perceptron", {"random_state": 0}, digits, "score", 1e-6),
    ("cluster.KMeans", {"n_clusters": 3, "random_state": 0, "n_init": 10}, blobs, "labels", 1e-6),
    ("cluster.MiniBatchKMeans", {"n_clusters": 3, "random_state": 0, "n_init": 3}, blobs, "labels", 1e-2),
    ("cluster.DBSCAN", {"eps": 0.2}, moons, "labels", 1e-6),
    ("cluster.OPTICS", {"min_samples": 20, "cluster_method": "dbscan", "eps": 0.2}, moons, "labels", 1e-6),
    ("cluster.AgglomerativeClustering", {"n_clusters": 2, "linkage": "single"}, moons, "labels", 1e-6),
    ("mixture.GaussianMixture", {"n_components": 3, "random_state": 0}, blobs, "labels", 1e-6),
    ("decomposition.PCA", {"n_components": 2}, iris, "variance", 1e-6),
    ("decomposition.IncrementalPCA", {"n_components": 2, "batch_size": 10}, iris, "variance", 1e-6),
    ("decomposition.TruncatedSVD", {"n_components": 5, "random_state": 0}, digits, "variance", 1e-3),
    ("decomposition.KernelPCA", {"n_components": 4, "kernel": "rbf", "gamma": 0.01, "fit_inverse_transform": True}, swiss, "inverse", 1e-3),
    ("decomposition.FastICA", {"n_components": 3, "random_state": 0}, iris, "inverse", 1e-3),
    ("tree.DecisionTreeClassifier", {"random_state": 0, "max_depth": 3}, iris, "score", 0.03),
    ("tree.DecisionTreeRegressor", {"random_state": 0, "max_depth": 5}, friedman, "score", 0.02),
    ("tree.ExtraTreeClassifier", {"random_state": 0}, digits, "score", 0.08),
    ("tree.ExtraTreeRegressor", {"random_state": 0}, friedman, "score", 0.15),
    ("ensemble.RandomForestClassifier", {"random_state": 0}, digits, "score", 0.02),
    ("ensemble.RandomForestRegressor", {"random_state": 0, "n_estimators": 50}, friedman, "score", 0.02),
    ("ensemble.ExtraTreesClassifier", {"random_state": 0}, digits, "score", 0.02),
    ("ensemble.ExtraTreesRegressor", {"random_state": 0, "n_estimators": 50}, friedman, "score", 0.02),
    ("ensemble.HistGradientBoostingClassifier", {"random_state": 0, "max_iter": 30}, digits, "score", 0.02),
    ("ensemble.HistGradientBoostingRegressor", {"random_state": 0}, friedman, "score", 0.02),
    ("svm.SVC", {"gamma": 0.001}, digits, "score", 1e-3),
    ("svm.NuSVC", {"nu": 0.1}, iris, "score", 1e-3),
    ("svm.SVR", {"C": 10.0}, friedman, "score", 1e-3),
    ("svm.NuSVR", {"C": 10.0}, friedman, "score", 1e-3),
    ("svm.OneClassSVM", {"nu": 0.1}, blobs, "inliers", 1e-3),
    ("svm.LinearSVC", {"random_state": 0}, iris, "score", 1e-3),
    ("svm.LinearSVR", {"random_state": 0, "C": 10.0, "max_iter": 100_000}, friedman, "score", 1e-2),
    ("neighbors.KNeighborsClassifier", {}, digits, "score", 1e-6),
    ("neighbors.KNeighborsRegressor", {}, friedman, "score", 1e-6),
    ("neighbors.RadiusNeighborsClassifier", {"radius": 3.0}, iris, "score", 1e-6),
    ("neighbors.RadiusNeighborsRegressor", {"radius": 2.0}, friedman, "score", 1e-6),
    ("naive_bayes.GaussianNB", {}, iris, "score", 1e-6),
    ("naive_bayes.MultinomialNB", {}, digits, "score", 1e-6),
    ("naive_bayes.BernoulliNB", {}, digits, "score", 1e-6),
    ("preprocessing.StandardScaler", {}, digits, "inverse", 1e-9),
    ("preprocessing.MinMaxScaler", {}, digits, "inverse", 1e-9),
    ("preprocessing.RobustScaler", {}, diabetes, "inverse", 1e-9),
]  # fmt: skip


def judged(model: Any, kind: str, X: np.ndarray, y: np.ndarray) -> float:
    """One number for how good a fitted model is."""
    if kind == "score":
        return float(model.score(X, y))
    if kind == "labels":
        from sklearn.metrics import adjusted_rand_score

        return float(adjusted_rand_score(y, model.labels_ if hasattr(model, "labels_") else model.predict(X)))
    if kind == "variance":
        return float(np.sum(model.explained_variance_ratio_))
    if kind == "inliers":
        return float(np.mean(model.predict(X) == 1))
    return float(np.mean((model.inverse_transform(model.transform(X)) - X) ** 2))


def run(example: Example, library: str) -> tuple[float, float]:
    """Score, and the least time of three fits with their judgement."""
    path, parameters, data, kind, _ = example
    X, y = data()
    half = len(X) if kind in ("labels", "variance", "inliers", "inverse") else 3 * len(X) // 4
    order = np.random.default_rng(0).permutation(len(X))
    train, test = (order, order) if half == len(X) else (order[:half], order[half:])
    least = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            start = time.perf_counter()
            model = estimator(library, path)(**parameters).fit(X[train], y[train])
            found = judged(model, kind, X[test], y[test])
            least = min(least, time.perf_counter() - start)
    return found, least


def figures(keys: set[str]) -> Iterator[dict[str, Any]]:
    """Scores of ours and of scikit-learn's, and the ratio of the times."""
    if not KEYS & keys:
        return
    for example in EXAMPLES:
        (a, ours), (b, theirs) = run(example, OURS), run(example, "sklearn")
        yield {"key": "CE", "name": f"example: {example[0].partition('.')[2]} on {example[2].__name__}",
               "goal": f"scores within {example[4]:g}", "met": bool(abs(a - b) <= example[4]),
               "value": f"{a:.4f}, scikit-learn {b:.4f}; {theirs / ours:.1f} times as fast"}  # fmt: skip
