"""Categorical columns of forests, against all sets by brute force, single trees and one-hot columns."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import sklearn.ensemble as theirs
from real_data import path
from test_tree_categories import after_root, best_of_all_sets, table

from corten import learn
from corten._core import native
from corten.learn import ensemble
from corten.learn.tree import DecisionTreeRegressor, export_text

ALL = ["RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor"]


def fitted(name, X, y, **settings):
    """A small forest on the frame of ``table``."""
    target = y > 1 if name.endswith("Classifier") else y
    made = getattr(ensemble, name)(8, categorical_features="from_dtype", random_state=0, min_samples_leaf=3, **settings)
    return made.fit(X, target)


@pytest.mark.parametrize("kind", ["gini", "squared_error"])
def test_every_tree_finds_the_best_of_all_sets_of_its_sample(kind):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 8, 200)
    noisy = rng.standard_normal(8)[codes] + rng.standard_normal(200)
    y = noisy if kind == "squared_error" else (noisy > 0).astype(int)
    name = "RandomForestRegressor" if kind == "squared_error" else "RandomForestClassifier"
    model = getattr(ensemble, name)(6, max_depth=1, criterion=kind, categorical_features=[0], random_state=0)
    model.fit(codes[:, None], y)
    for tree, rows in zip(model.estimators_, model.estimators_samples_, strict=True):
        t, kept = tree.tree_, np.bincount(rows, minlength=200)
        sides = [t.children_left[0], t.children_right[0]]
        found = float((t.impurity[sides] * t.weighted_n_node_samples[sides]).sum() / t.weighted_n_node_samples[0])
        assert found == pytest.approx(best_of_all_sets(np.repeat(codes, kept), np.repeat(y, kept), kind), rel=1e-12)


def test_one_tree_on_all_rows_and_columns_is_the_single_tree():
    X, y = table()
    settings = {"categorical_features": "from_dtype", "min_samples_leaf": 4}
    forest = ensemble.RandomForestRegressor(1, bootstrap=False, max_features=None, random_state=0, **settings).fit(X, y)
    single = DecisionTreeRegressor(**settings).fit(X, y)
    np.testing.assert_array_equal(forest.predict(X), single.predict(X))
    assert list(forest.is_categorical_) == [False, True, True] and forest.estimators_[0].tree_.categorical.any()


@pytest.mark.parametrize("name", ALL)
def test_rows_go_as_in_training_and_the_mean_is_the_trees(name):
    X, y = table()
    model = fitted(name, X, y)
    leaves = model.apply(X)
    for i, tree in enumerate(model.estimators_):
        weight = np.bincount(model.estimators_samples_[i], minlength=len(X)) if model.bootstrap else np.ones(len(X))
        inside = np.bincount(leaves[:, i], weight, tree.tree_.node_count)
        leaf = tree.tree_.children_left < 0
        np.testing.assert_allclose(inside[leaf], tree.tree_.weighted_n_node_samples[leaf])
        np.testing.assert_array_equal(tree.apply(X), leaves[:, i])
    method = "predict_proba" if name.endswith("Classifier") else "predict"
    mean = np.mean([getattr(tree, method)(X) for tree in model.estimators_], axis=0)
    np.testing.assert_allclose(getattr(model, method)(X), mean, rtol=1e-12)
    path, starts = model.decision_path(X)
    assert path.shape == (len(X), starts[-1])


@pytest.mark.parametrize("name", ALL)
def test_unknown_missing_saved_and_threads(name, tmp_path):
    X, y = table(300)
    model = fitted(name, X, y)
    method = "predict_proba" if name.endswith("Classifier") else "predict"
    result = getattr(model, method)(X)
    strange, gone = (X.astype({"town": object}) for _ in range(2))
    strange["town"], gone["town"] = "Nowhere", None
    np.testing.assert_array_equal(getattr(model, method)(strange), getattr(model, method)(gone))
    model.save(tmp_path / "m")
    again = learn.load(tmp_path / "m")
    np.testing.assert_array_equal(getattr(again, method)(X), result)
    np.testing.assert_array_equal(again.compile()(X), model.predict(X))
    assert "town in {" in export_text(model.estimators_[0], feature_names=["size", "town", "kind"])
    before = native.get_num_threads()
    try:
        for n in (1, 2, 5):
            native.set_num_threads(n)
            assert getattr(fitted(name, X, y), method)(X).tobytes() == result.tobytes()
    finally:
        native.set_num_threads(before)


def test_random_sets_are_all_drawn_alike():
    codes = np.arange(90) % 3
    y = np.random.default_rng(0).standard_normal(90)
    model = ensemble.ExtraTreesRegressor(600, max_depth=1, categorical_features=[0], random_state=0).fit(codes[:, None], y)
    sides = Counter(tuple(t.tree_.goes_left(0, np.arange(3.0))) for t in model.estimators_)
    assert len(sides) == 6  # every way but all and none
    assert min(sides.values()) > 60 and max(sides.values()) < 150  # 100 each, ten standard deviations apart at most
    for tree in model.estimators_:
        assert 0 <= after_root(tree) <= np.var(y) + 1e-12


def test_random_split_of_one_category_and_missing_ones():
    kind = pd.Categorical(["a"] * 20)
    kind[::2] = None
    y = np.arange(20) % 2.0
    model = ensemble.ExtraTreesRegressor(10, categorical_features="from_dtype", random_state=0)
    X = pd.DataFrame({"kind": kind})
    np.testing.assert_array_equal(model.fit(X, y).predict(X), y)


def test_out_of_bag_rows_are_coded_too():
    X, y = table(400)
    model = ensemble.RandomForestRegressor(40, categorical_features="from_dtype", oob_score=True, random_state=0).fit(X, y)
    assert 0.8 < model.oob_score_ < model.score(X, y)


def test_warm_start_needs_the_same_categories():
    X, y = table(200)
    whole = ensemble.RandomForestRegressor(6, categorical_features=["town", "kind"], random_state=0).fit(X, y)
    grown = ensemble.RandomForestRegressor(2, categorical_features=["town", "kind"], random_state=0, warm_start=True)
    grown.fit(X, y).set_params(n_estimators=6).fit(X, y)
    np.testing.assert_array_equal(whole.predict(X), grown.predict(X))
    other = X[X["town"] != "Aix"]
    with pytest.raises(ValueError, match="warm_start=True got other categories"):
        grown.set_params(n_estimators=8).fit(other, y[other.index])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"monotonic_cst": [0, 1, 0]}, "Categorical features cannot have monotonic"),
        ({"categorical_features": [7]}, "categorical_features"),
        ({"categorical_features": "dtype"}, "categorical_features"),
    ],
)
def test_errors(settings, message):
    X, y = table(50)
    with pytest.raises(ValueError, match=message):
        ensemble.RandomForestRegressor(2, **{"categorical_features": [1, 2], **settings}).fit(X, y)
    with pytest.raises(ValueError, match="2 outputs, expected one"):
        ensemble.ExtraTreesRegressor(2, categorical_features=[1, 2]).fit(X, np.stack([y, y], axis=1))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ensemble.RandomForestRegressor(2, categorical_features=[1, 2]).fit(X, y[:-1])


def test_adult_as_good_as_one_hot():
    frame = pd.read_csv(path("adult", "adult-train.csv"), header=None, skipinitialspace=True, na_values="?").iloc[:6000]
    X, y = frame.iloc[:, :-1], (frame.iloc[:, -1] == ">50K").to_numpy()
    text = [c for c in X.columns if not pd.api.types.is_numeric_dtype(X[c])]
    assert len(text) == 8
    hot = pd.get_dummies(X, columns=text, dummy_na=True).to_numpy(np.float32)
    X = X.astype(dict.fromkeys(text, "category"))
    for name in ("RandomForestClassifier", "ExtraTreesClassifier"):
        settings = {"n_estimators": 60, "min_samples_leaf": 3, "random_state": 0}
        ours = getattr(ensemble, name)(categorical_features="from_dtype", **settings).fit(X[:4000], y[:4000])
        other = getattr(theirs, name)(**settings).fit(hot[:4000], y[:4000])
        assert ours.score(X[4000:], y[4000:]) >= other.score(hot[4000:], y[4000:]) - 0.005
