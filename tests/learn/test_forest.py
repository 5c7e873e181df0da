"""Forests against scikit-learn's: bootstrap samples, out-of-bag scores, quality; the same for any number of threads."""

import numpy as np
import pytest
import sklearn.ensemble as theirs
from real_data import california, letters
from sklearn.metrics import r2_score

from corten._core import native
from corten.learn import ensemble as ours


@pytest.fixture(scope="module")
def letter():
    X, y = letters(4000)
    return X[:2500], y[:2500], X[2500:], y[2500:]


@pytest.mark.parametrize("name", ["RandomForestClassifier", "ExtraTreesClassifier"])
def test_classifiers_reach_scikit_learns_accuracy(letter, name):
    X, y, X_test, y_test = letter
    a = getattr(ours, name)(40, random_state=0).fit(X, y)
    b = getattr(theirs, name)(40, random_state=0).fit(X, y)
    assert a.score(X_test, y_test) >= b.score(X_test, y_test) - 0.02
    assert np.corrcoef(a.feature_importances_, b.feature_importances_)[0, 1] > 0.95
    np.testing.assert_allclose(a.predict_proba(X_test).sum(axis=1), 1)


@pytest.mark.parametrize("name", ["RandomForestRegressor", "ExtraTreesRegressor"])
def test_regressors_reach_scikit_learns_fit(name):
    X, y = california()
    order = np.random.default_rng(0).permutation(len(X))[:3000]
    X, y = X[order], y[order]
    a, b = (getattr(m, name)(30, random_state=0).fit(X[:2000], y[:2000]) for m in (ours, theirs))
    score = [r2_score(y[2000:], m.predict(X[2000:])) for m in (a, b)]
    assert score[0] >= score[1] - 0.02


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("RandomForestRegressor", {}),
        ("RandomForestRegressor", {"criterion": "absolute_error"}),
        ("RandomForestRegressor", {"criterion": "poisson"}),
        ("RandomForestClassifier", {"criterion": "entropy"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_row_drawn_twice_counts_twice(name, settings, outputs):
    if outputs == 2 and settings.get("criterion") == "absolute_error":
        pytest.skip("one output")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 3))
    y = np.abs(X[:, :outputs] + rng.standard_normal((120, outputs)))
    y = np.round(y) if name.endswith("Classifier") else y
    a = getattr(ours, name)(4, max_depth=1, max_features=None, random_state=0, **settings).fit(X, y.squeeze())
    b = getattr(theirs, name)(4, max_depth=1, max_features=None, random_state=0, **settings).fit(X, y.squeeze())
    for mine, other in zip(a.estimators_, b.estimators_, strict=True):
        np.testing.assert_allclose(mine.tree_.weighted_n_node_samples, other.tree_.weighted_n_node_samples)
        np.testing.assert_allclose(mine.tree_.impurity, other.tree_.impurity)
        np.testing.assert_allclose(mine.tree_.value, other.tree_.value)


def test_bootstrap_samples_and_out_of_bag_scores_are_scikit_learns(letter):
    X, y = letter[:2]
    a, b = (m.RandomForestClassifier(30, oob_score=True, max_samples=0.7, random_state=3).fit(X, y) for m in (ours, theirs))
    for mine, other in zip(a.estimators_samples_, b.estimators_samples_, strict=True):
        np.testing.assert_array_equal(mine, other)
    assert a.oob_score_ == pytest.approx(b.oob_score_, abs=0.02)
    np.testing.assert_array_equal(np.isnan(a.oob_decision_function_), np.isnan(b.oob_decision_function_))


@pytest.mark.parametrize("name", ["RandomForestClassifier", "ExtraTreesClassifier"])
def test_same_bits_for_any_number_of_threads(letter, name):
    X, y = letter[:2]
    before, found = native.get_num_threads(), []
    try:
        for n in (1, 2, 5):
            native.set_num_threads(n)
            found.append(getattr(ours, name)(12, random_state=1).fit(X, y).predict_proba(X).tobytes())
    finally:
        native.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_warm_start_adds_the_trees_of_one_long_fit(letter):
    X, y, X_test, _ = letter
    whole = ours.RandomForestClassifier(16, random_state=0).fit(X, y)
    grown = ours.RandomForestClassifier(6, random_state=0, warm_start=True).fit(X, y)
    grown.set_params(n_estimators=16).fit(X, y)
    np.testing.assert_array_equal(whole.predict_proba(X_test), grown.predict_proba(X_test))


def test_weights_classes_missing_values_and_progress(letter, capsys):
    X, y = letter[0][:600].copy(), letter[1][:600] < "N"
    X[::7, 3] = np.nan
    for settings in ({"class_weight": "balanced"}, {"class_weight": "balanced_subsample"}, {"max_leaf_nodes": 20}):
        a, b = (m.RandomForestClassifier(25, random_state=0, **settings).fit(X, y) for m in (ours, theirs))
        assert a.score(X, y) >= b.score(X, y) - 0.03
    ours.RandomForestClassifier(5, verbose=2, random_state=0).fit(X, y)
    assert "[RandomForestClassifier] 5/5" in capsys.readouterr().out
