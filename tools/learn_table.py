"""``python tools/learn_table.py [part of an estimator's name ...]``: writes docs/learn.md, every estimator of ``corten.learn``
beside scikit-learn's on six real data sets: what the fit minimises, how far the two are apart, scores and times.

The data are found through CORTEN_DATA. With names, prints their rows only.
"""

from __future__ import annotations

import csv
import functools
import gzip
import importlib
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import sklearn
from sklearn.metrics import adjusted_rand_score

ROOT = Path(__file__).parents[1]

# ---- data: (X dense or CSR, classes, numbers)


def path(*parts: str) -> Path:
    """A file of the data folder."""
    return Path(os.environ["CORTEN_DATA"], *parts)


def shuffled(X: Any, y: np.ndarray, rows: int) -> tuple[Any, np.ndarray]:
    """A random part, the same each time."""
    order = np.random.default_rng(0).permutation(len(y))[:rows]
    return X[order], y[order]


def standard(X: np.ndarray) -> np.ndarray:
    """Columns to mean 0 and deviation 1, constant ones to 0."""
    return (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)


def california() -> tuple[Any, np.ndarray, np.ndarray]:
    """Eight columns; the house value, and its thirds as classes."""
    with open(path("california_housing", "housing.csv")) as file:
        data = np.array([[float(v) for v in list(r.values())[:9]] for r in csv.DictReader(file) if r["total_bedrooms"]])
    X, y = shuffled(standard(data[:, :8]), data[:, 8] / 1e5, 3000)
    return X, np.digitize(y, np.quantile(y, [1 / 3, 2 / 3])), y


def a9a() -> tuple[Any, np.ndarray, np.ndarray]:
    """123 binary columns as CSR."""
    from sklearn.datasets import load_svmlight_file

    X, y = load_svmlight_file(str(path("a9a", "a9a")), n_features=123)
    X, y = shuffled(X, (y > 0).astype(int), 3000)
    return X, y, y.astype(float)


def letter() -> tuple[Any, np.ndarray, np.ndarray]:
    """Sixteen columns, 26 letters."""
    data = np.genfromtxt(path("letter", "letter-recognition.data"), delimiter=",", dtype=str)
    X, y = shuffled(standard(data[:, 1:].astype(float)), data[:, 0], 2600)
    return X, y, np.unique(y, return_inverse=True)[1].astype(float)


def mnist() -> tuple[Any, np.ndarray, np.ndarray]:
    """Digits averaged to 14 x 14 pixels."""
    with gzip.open(path("mnist", "train-images-idx3-ubyte.gz")) as file:
        X = np.frombuffer(file.read(16 + 2000 * 784), dtype=np.uint8)[16:].reshape(2000, 14, 2, 14, 2)
    with gzip.open(path("mnist", "train-labels-idx1-ubyte.gz")) as file:
        y = np.frombuffer(file.read(8 + 2000), dtype=np.uint8)[8:].astype(int)
    return X.mean(axis=(2, 4)).reshape(2000, 196) / 255, y, y.astype(float)


def imdb() -> tuple[Any, np.ndarray, np.ndarray]:
    """Words of film reviews in at least 2 % of them, as CSR counts."""
    from sklearn.feature_extraction.text import CountVectorizer

    with gzip.open(path("imdb", "imdb_train.tsv.gz"), "rt", encoding="utf-8") as file:
        rows = [line.split("\t", 3) for line, _ in zip(file, range(4000), strict=False)]
    texts, labels = [row[3] for row in rows], [int(row[0]) for row in rows]
    X = CountVectorizer(min_df=0.02, max_df=0.5, max_features=600).fit_transform(texts).astype(float)
    X, y = shuffled(X, np.array(labels), 1500)
    return X, y, y.astype(float)


def mammography() -> tuple[Any, np.ndarray, np.ndarray]:
    """Six columns, 2 % positive."""
    data = np.genfromtxt(path("tabular_small", "mammography.csv"), delimiter=",", dtype=str)
    X, y = shuffled(standard(data[:, :-1].astype(float)), (np.char.strip(data[:, -1], "'\"") == "1").astype(int), 4000)
    return X, y, y.astype(float)


DATA = {"a9a": a9a, "letter": letter, "California": california, "MNIST": mnist, "IMDB": imdb, "mammography": mammography}

# ---- what a fit reaches: functions of (model, X, y)


def loss(model: Any, X: Any, y: np.ndarray) -> float:
    """Penalised logistic loss."""
    P = np.clip(model.predict_proba(X), 1e-300, 1)
    return float(-np.log(P[np.arange(len(y)), np.searchsorted(model.classes_, y)]).sum() + 0.5 * np.sum(model.coef_**2))


def dual(model: Any, X: Any, y: np.ndarray) -> float:
    """Dual objective of two classes in float64, from coefficients and support vectors."""
    V = model.support_vectors_.toarray() if sp.issparse(model.support_vectors_) else model.support_vectors_
    c = model.dual_coef_.toarray()[0] if sp.issparse(model.dual_coef_) else model.dual_coef_[0]
    squares = (V * V).sum(axis=1)
    dense = X.toarray() if sp.issparse(X) else X
    K = np.exp(-np.maximum(squares[:, None] + squares - 2 * V @ V.T, 0) / (X.shape[1] * dense.var()))
    return float(0.5 * c @ K @ c - np.abs(c).sum())


def leaf_impurity(model: Any, X: Any, y: np.ndarray) -> float:
    """Weighted impurity of the leaves."""
    t = model.tree_
    leaf = t.children_left < 0
    return float((t.impurity[leaf] * t.weighted_n_node_samples[leaf]).sum() / t.weighted_n_node_samples[0])


def log_loss(model: Any, X: Any, y: np.ndarray) -> float:
    """Mean logistic loss on the training rows."""
    P = np.clip(model.predict_proba(X), 1e-15, 1)
    return float(-np.log(P[np.arange(len(y)), np.searchsorted(model.classes_, y)]).mean())


def squared(model: Any, X: Any, y: np.ndarray) -> float:
    """Mean squared error on the training rows."""
    return float(np.mean((model.predict(X) - y) ** 2))


def attribute(name: str) -> Callable[[Any, Any, Any], Any]:
    """A fitted attribute."""
    return lambda model, X, y: getattr(model, name)


def method(name: str) -> Callable[[Any, Any, Any], Any]:
    """The result of a method on the training rows."""

    def call(model: Any, X: Any, y: Any) -> Any:
        out = getattr(model, name)(X)
        out = out[0] if isinstance(out, tuple) else out
        return out.toarray() if sp.issparse(out) else out

    return call


# estimator -> (what it needs, parameters, name of the quantity, the quantity). Needs: "sparse" takes CSR, "dense" not,
# "counts" wants non-negative numbers, "two" wants two classes, "few" at most a thousand rows.
C, R, U = "classes", "numbers", "none"
ESTIMATORS: dict[str, tuple[str, str, dict[str, Any], str, Callable[[Any, Any, Any], Any]]] = {
    "linear_model.LinearRegression": (R, "dense", {}, "predictions", method("predict")),
    "linear_model.Ridge": (R, "sparse", {"alpha": 2.0, "tol": 1e-10}, "coefficients", attribute("coef_")),
    "linear_model.Lasso": (R, "sparse", {"alpha": 0.01, "tol": 1e-8, "max_iter": 20000}, "coefficients", attribute("coef_")),
    "linear_model.ElasticNet": (R, "sparse", {"alpha": 0.01, "tol": 1e-8, "max_iter": 20000}, "coefficients", attribute("coef_")),
    "linear_model.LassoCV": (R, "dense few", {"cv": 3, "tol": 1e-5}, "chosen alpha", attribute("alpha_")),
    "linear_model.ElasticNetCV": (R, "dense few", {"cv": 3, "tol": 1e-5}, "chosen alpha", attribute("alpha_")),
    "linear_model.RidgeCV": (R, "dense few", {}, "chosen alpha", attribute("alpha_")),
    "linear_model.RidgeClassifier": (C, "dense", {}, "coefficients", attribute("coef_")),
    "linear_model.RidgeClassifierCV": (C, "dense few", {}, "chosen alpha", attribute("alpha_")),
    "linear_model.LogisticRegression": (C, "sparse", {"max_iter": 2000}, "penalised loss", loss),
    "linear_model.SGDClassifier": (C, "sparse", {"random_state": 0, "learning_rate": "constant", "eta0": 1e-3}, "coefficients",
                                   attribute("coef_")),
    "linear_model.SGDRegressor": (R, "sparse", {"random_state": 0, "eta0": 1e-4}, "coefficients", attribute("coef_")),
    "linear_model.Perceptron": (C, "sparse", {"random_state": 0}, "coefficients", attribute("coef_")),
    "cluster.KMeans": (U, "sparse", {"n_clusters": 8, "random_state": 0, "n_init": 1}, "inertia", attribute("inertia_")),
    "cluster.MiniBatchKMeans": (U, "sparse", {"n_clusters": 8, "random_state": 0, "n_init": 3}, "inertia", attribute("inertia_")),
    "cluster.DBSCAN": (U, "dense", {"eps": 2.0}, "labels", attribute("labels_")),
    "cluster.OPTICS": (U, "dense few", {"min_samples": 10}, "labels", attribute("labels_")),
    "cluster.AgglomerativeClustering": (U, "dense few", {"n_clusters": 8}, "labels", attribute("labels_")),
    "mixture.GaussianMixture": (U, "dense", {"n_components": 4, "random_state": 0, "reg_covar": 1e-3}, "lower bound",
                                attribute("lower_bound_")),
    "decomposition.PCA": (U, "dense", {"n_components": 5}, "explained variance", attribute("explained_variance_")),
    "decomposition.IncrementalPCA": (U, "dense", {"n_components": 5}, "explained variance", attribute("explained_variance_")),
    "decomposition.TruncatedSVD": (U, "sparse", {"n_components": 5, "random_state": 0, "n_iter": 20}, "singular values",
                                   attribute("singular_values_")),
    "decomposition.KernelPCA": (U, "dense few", {"n_components": 5, "kernel": "rbf", "gamma": 0.01}, "eigenvalues",
                                attribute("eigenvalues_")),
    "decomposition.FastICA": (U, "dense few", {"n_components": 3, "random_state": 0, "max_iter": 1000}, "reconstruction",
                              lambda m, X, y: m.inverse_transform(m.transform(X))),
    "tree.DecisionTreeClassifier": (C, "dense", {"max_depth": 8, "random_state": 0}, "leaf impurity", leaf_impurity),
    "tree.DecisionTreeRegressor": (R, "dense", {"max_depth": 8, "random_state": 0}, "leaf impurity", leaf_impurity),
    "tree.ExtraTreeClassifier": (C, "dense", {"random_state": 0}, "none", lambda m, X, y: None),
    "tree.ExtraTreeRegressor": (R, "dense", {"random_state": 0}, "none", lambda m, X, y: None),
    "ensemble.RandomForestClassifier": (C, "dense", {"n_estimators": 50, "random_state": 0}, "none", lambda m, X, y: None),
    "ensemble.RandomForestRegressor": (R, "dense", {"n_estimators": 20, "random_state": 0}, "none", lambda m, X, y: None),
    "ensemble.ExtraTreesClassifier": (C, "dense", {"n_estimators": 50, "random_state": 0}, "none", lambda m, X, y: None),
    "ensemble.ExtraTreesRegressor": (R, "dense", {"n_estimators": 20, "random_state": 0}, "none", lambda m, X, y: None),
    "ensemble.HistGradientBoostingClassifier": (C, "dense", {"max_iter": 20, "random_state": 0}, "training loss", log_loss),
    "ensemble.HistGradientBoostingRegressor": (R, "dense", {"max_iter": 20, "random_state": 0}, "training error", squared),
    "svm.SVC": (C, "sparse two few", {}, "dual objective", dual),
    "svm.NuSVC": (C, "sparse two few", {"nu": 0.02, "tol": 1e-5}, "decisions", method("decision_function")),
    "svm.SVR": (R, "sparse few", {"tol": 1e-5}, "predictions", method("predict")),
    "svm.NuSVR": (R, "sparse few", {"tol": 1e-4, "max_iter": 200_000}, "predictions", method("predict")),
    "svm.OneClassSVM": (U, "sparse few", {"nu": 0.1, "tol": 1e-6}, "decisions", method("decision_function")),
    "svm.LinearSVC": (C, "sparse few", {"dual": False, "tol": 1e-8, "max_iter": 5000}, "coefficients", attribute("coef_")),
    "svm.LinearSVR": (R, "sparse few", {"dual": False, "loss": "squared_epsilon_insensitive", "tol": 1e-10, "max_iter": 10000},
                      "coefficients", attribute("coef_")),
    "neighbors.NearestNeighbors": (U, "dense", {"n_neighbors": 5}, "distances", method("kneighbors")),
    "neighbors.KNeighborsClassifier": (C, "dense", {}, "probabilities", method("predict_proba")),
    "neighbors.KNeighborsRegressor": (R, "dense", {}, "predictions", method("predict")),
    "neighbors.RadiusNeighborsClassifier": (C, "dense few", {"radius": 1e3}, "probabilities", method("predict_proba")),
    "neighbors.RadiusNeighborsRegressor": (R, "dense few", {"radius": 1e3}, "predictions", method("predict")),
    "naive_bayes.GaussianNB": (C, "dense", {"var_smoothing": 1e-3}, "probabilities", method("predict_proba")),
    "naive_bayes.MultinomialNB": (C, "sparse counts", {}, "probabilities", method("predict_proba")),
    "naive_bayes.BernoulliNB": (C, "sparse", {}, "probabilities", method("predict_proba")),
    "preprocessing.StandardScaler": (U, "dense", {}, "result", method("transform")),
    "preprocessing.MinMaxScaler": (U, "dense", {}, "result", method("transform")),
    "preprocessing.RobustScaler": (U, "dense", {}, "result", method("transform")),
    "preprocessing.PolynomialFeatures": (U, "dense few", {"interaction_only": True}, "result", method("transform")),
    "preprocessing.KBinsDiscretizer": (U, "dense few", {"encode": "ordinal", "quantile_method": "averaged_inverted_cdf"}, "result",
                                       method("transform")),
    "impute.SimpleImputer": (U, "dense holes", {}, "result", method("transform")),
    "impute.KNNImputer": (U, "dense holes few", {}, "result", method("transform")),
}  # fmt: skip


@functools.lru_cache
def loaded(data: str) -> tuple[Any, np.ndarray, np.ndarray]:
    """A data set, read once."""
    return DATA[data]()


@functools.lru_cache
def prepared(data: str, needs: str) -> tuple[Any, np.ndarray, np.ndarray]:
    """A data set in the form that an estimator takes."""
    X, classes, numbers = loaded(data)
    if "few" in needs:
        X, classes, numbers = X[:1000], classes[:1000], numbers[:1000]
    if "two" in needs:
        codes = np.unique(classes, return_inverse=True)[1]
        classes = (codes > codes.max() // 2).astype(int)
    if sp.issparse(X) and "dense" in needs:
        X = X[:, :100].toarray()
    if "counts" in needs and not sp.issparse(X):
        X = X - X.min(axis=0)
    if "holes" in needs:
        X = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    return X, classes, numbers


def difference(a: Any, b: Any, name: str) -> float:
    """One minus the adjusted Rand index for labels; else the largest difference over the largest value."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if name == "labels":
        return 1.0 - adjusted_rand_score(a, b)
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-300))


def compared(estimator: str, data: str) -> str:
    """One row of the table."""
    target, needs, parameters, name, quantity = ESTIMATORS[estimator]
    X, classes, numbers = prepared(data, needs)
    y = {C: classes, R: numbers, U: None}[target]
    split = X.shape[0] * 3 // 4
    found = []
    for library in ("corten.learn", "sklearn"):
        module, cls = estimator.split(".")
        make = getattr(importlib.import_module(f"{library}.{module}"), cls)
        model, took = make(**parameters), []
        for _ in range(2):
            start = time.perf_counter()
            model.fit(*((X[:split],) if y is None else (X[:split], y[:split])))
            took.append(time.perf_counter() - start)
        score = model.score(X[split:], y[split:]) if y is not None and hasattr(model, "score") else None
        found.append((quantity(model, X[:split], None if y is None else y[:split]), score, min(took)))
    (a, score_a, time_a), (b, score_b, time_b) = found
    shown = ["", ""] if a is None or np.ndim(a) else [f"{float(a):.7g}", f"{float(b):.7g}"]
    apart = "" if a is None else f"{difference(a, b, name):.1e}"
    scores = "" if score_a is None else f"{score_a:.4f} / {score_b:.4f}"
    label = "" if name == "none" else name
    return (f"| {estimator.partition('.')[2]} | {data} | {label} | {shown[0]} | {shown[1]} | {apart} | {scores} | "
            f"{time_a * 1e3:.2f} / {time_b * 1e3:.2f} | {time_b / time_a:.1f} |")  # fmt: skip


def rows(parts: list[str]) -> Iterator[str]:
    """The rows of all estimators, or of those whose names hold a part."""
    for estimator in ESTIMATORS:
        if not parts or any(part in estimator for part in parts):
            for data in DATA:
                yield compared(estimator, data)


HEAD = f"""# Estimators beside scikit-learn's

Written by `python tools/learn_table.py` (scikit-learn {sklearn.__version__}, {platform.machine()}, {os.cpu_count()} cores). Each
estimator is fitted twice with the same parameters on the same three quarters of a data set, and scored on the rest. The
quantity is what the fit minimises where there is one number for it; the difference is relative to its largest value (for
labels: one minus the adjusted Rand index). Exact trees may break ties between equally good splits otherwise, forests and extra
trees draw other columns: they are compared by their scores. Times are the better of two fits, in milliseconds, on a shared
machine and small data: `benches/RESULTS.md` has the measured comparison.

| estimator | data | quantity | ours | scikit-learn | difference | score ours / theirs | ms ours / theirs | ratio |
| --- | --- | --- | ---: | ---: | ---: | --- | --- | ---: |
"""


def main() -> None:
    """Write the page, or print some rows."""
    warnings.simplefilter("ignore")
    parts = sys.argv[1:]
    lines = []
    for line in rows(parts):
        lines.append(line)
        print(line, flush=True)
    if not parts:
        (ROOT / "docs" / "learn.md").write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
