"""scikit-learn's machinery around every family: pipelines, searches, calibration, frames; and threads under a search."""

import os
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from corten._core import native
from corten.learn import (
    cluster,
    decomposition,
    ensemble,
    linear_model,
    mixture,
    naive_bayes,
    neighbors,
    preprocessing,
    svm,
    tree,
)

rng = np.random.default_rng(0)
X = np.abs(rng.standard_normal((240, 6)))
Y = (X[:, 0] + X[:, 1] > 1.5).astype(int) + (X[:, 2] > 1)

CLASSIFIERS = [
    (linear_model.LogisticRegression(), {"C": [0.1, 1.0]}), (linear_model.SGDClassifier(random_state=0), {"alpha": [1e-4, 1e-2]}),
    (svm.SVC(), {"C": [0.5, 2.0]}), (svm.LinearSVC(random_state=0), {"C": [0.5, 2.0]}),
    (neighbors.KNeighborsClassifier(), {"n_neighbors": [3, 7]}), (naive_bayes.GaussianNB(), {"var_smoothing": [1e-9, 1e-3]}),
    (tree.DecisionTreeClassifier(random_state=0), {"max_depth": [2, 4]}),
    (ensemble.RandomForestClassifier(8, random_state=0), {"max_depth": [2, 4]}),
    (ensemble.HistGradientBoostingClassifier(max_iter=5), {"max_depth": [2, 4]}),
]  # fmt: skip


@pytest.mark.parametrize(("model", "grid"), CLASSIFIERS, ids=lambda v: type(v).__name__)
def test_pipelines_searches_and_calibration(model, grid):
    name = type(model).__name__.lower()
    columns = ColumnTransformer([("s", preprocessing.StandardScaler(), [0, 1, 2]), ("m", preprocessing.MinMaxScaler(), [3, 4, 5])])
    pipe = make_pipeline(columns, clone(model))
    search = GridSearchCV(pipe, {f"{name}__{k}": v for k, v in grid.items()}, cv=2).fit(X, Y)
    assert search.best_score_ > 0.6
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(search)).predict(X), search.predict(X))
    assert cross_val_score(clone(pipe), X, Y, cv=2).min() > 0.5
    calibrated = CalibratedClassifierCV(clone(model), cv=2).fit(X, Y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    assert type(model).__name__ in pipe._repr_html_() and type(model).__name__ in search._repr_html_()


TRANSFORMERS = [
    decomposition.PCA(2), decomposition.TruncatedSVD(2, random_state=0), cluster.KMeans(3, random_state=0),
    preprocessing.RobustScaler(), preprocessing.PolynomialFeatures(2), preprocessing.KBinsDiscretizer(3, encode="ordinal"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("model", TRANSFORMERS, ids=lambda v: type(v).__name__)
def test_set_output_for_both_kinds_of_frames(model):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    names = [f"c{i}" for i in range(6)]
    plain = clone(model).fit_transform(X)
    for kind, frame in (("pandas", pandas.DataFrame(X, columns=names)), ("polars", polars.DataFrame(X, schema=names))):
        fitted = clone(model).set_output(transform=kind).fit(frame)
        out = fitted.transform(frame)
        assert type(out) is type(frame) and list(out.columns) == list(fitted.get_feature_names_out())
        np.testing.assert_allclose(np.asarray(out), plain, rtol=1e-7, atol=1e-9)


class Counting(svm.SVC):
    """Reports how many threads its fit may use, as its score."""

    def score(self, X, y):
        return float(native.get_num_threads())


def test_a_search_on_two_processes_does_not_oversubscribe():
    search = GridSearchCV(Counting(), {"C": [0.5, 1.0]}, cv=2, n_jobs=2).fit(X, Y)
    scores = np.concatenate([search.cv_results_[f"split{i}_test_score"] for i in range(2)])
    assert scores.max() <= max(1, (os.cpu_count() or 1) // 2)


CASES = {
    "svc": lambda: svm.SVC().fit(X, Y).dual_coef_,
    "linear svc": lambda: svm.LinearSVC(random_state=0).fit(X, Y).coef_,
    "optics": lambda: cluster.OPTICS().fit(X).reachability_,
    "dbscan": lambda: cluster.DBSCAN(0.8).fit(X).labels_,
    "mixture": lambda: mixture.GaussianMixture(3, random_state=0).fit(X).means_,
    "neighbours": lambda: neighbors.NearestNeighbors(algorithm="brute").fit(X).kneighbors(X)[0],
    "tree": lambda: tree.DecisionTreeClassifier(random_state=0).fit(X, Y).predict_proba(X),
    "agglomerative": lambda: cluster.AgglomerativeClustering(4).fit(X).children_,
}


@pytest.mark.parametrize("case", CASES)
def test_same_bits_for_any_number_of_threads_and_again(case):
    before, found = native.get_num_threads(), []
    try:
        for n in (1, 2, 5, 2):
            native.set_num_threads(n)
            found.append(CASES[case]().tobytes())
    finally:
        native.set_num_threads(before)
    assert len(set(found)) == 1
