"""Categorical columns of single trees, against all subsets by brute force and against one-hot columns."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from corten import learn
from corten.learn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeRegressor,
    export_text,
    plot_tree,
)


def impurity(y, kind):
    """Of one side of a split, times its rows."""
    if kind == "squared_error":
        return len(y) * np.var(y)
    p = np.unique(y, return_counts=True)[1] / len(y)
    return len(y) * (1 - (p**2).sum() if kind == "gini" else -(p * np.log2(p)).sum())


def best_of_all_sets(codes, y, kind):
    """Least impurity of both sides over every way to part the categories in two."""
    present, found = np.unique(codes), np.inf
    for size in range(1, len(present)):
        for some in combinations(present[1:], size):
            left = np.isin(codes, some)
            found = min(found, impurity(y[left], kind) + impurity(y[~left], kind))
    return found / len(y)


def after_root(model):
    """Impurity of both children of the root, weighted."""
    t = model.tree_
    sides = [t.children_left[0], t.children_right[0]]
    return float((t.impurity[sides] * t.n_node_samples[sides]).sum() / t.n_node_samples[0])


@pytest.mark.parametrize("kind", ["gini", "entropy", "squared_error"])
@pytest.mark.parametrize("seed", range(4))
def test_best_of_all_sets(kind, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 9, 300)
    strength = rng.standard_normal(9)
    noisy = strength[codes] + rng.standard_normal(300)
    y = noisy if kind == "squared_error" else (noisy > 0).astype(int)
    cls = DecisionTreeRegressor if kind == "squared_error" else DecisionTreeClassifier
    model = cls(max_depth=1, criterion=kind, categorical_features=[0]).fit(codes[:, None], y)
    assert after_root(model) == pytest.approx(best_of_all_sets(codes, y, kind), rel=1e-12)
    weighted = cls(max_depth=1, criterion=kind, categorical_features=[0]).fit(codes[:, None], y, np.full(300, 0.5))
    assert (weighted.predict(codes[:, None]) == model.predict(codes[:, None])).all()


def test_many_classes_beat_every_single_class():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 12, 600)
    y = (codes * 7 % 4 + (rng.random(600) < 0.2)) % 4
    found = after_root(DecisionTreeClassifier(max_depth=1, categorical_features=[True]).fit(codes[:, None], y))
    for k in range(4):
        order = np.argsort([np.mean(y[codes == c] == k) for c in range(12)], kind="stable")
        for cut in range(1, 12):
            left = np.isin(codes, order[:cut])
            assert found <= (impurity(y[left], "gini") + impurity(y[~left], "gini")) / 600 + 1e-12


def table(rows=500):
    """A frame with text, a category column with missing entries, and a number; and two targets."""
    rng = np.random.default_rng(1)
    town = rng.choice(["Aix", "Bern", "Cork", "Delft", "Essen"], rows)
    kind = pd.Categorical(rng.choice(["x", "y", "z"], rows))
    kind[rng.random(rows) < 0.1] = None
    size = rng.standard_normal(rows)
    X = pd.DataFrame({"size": size, "town": pd.Categorical(town), "kind": kind})
    value = (
        size
        + 3 * np.isin(town, ["Bern", "Essen"])
        - 2 * (np.asarray(kind.codes) == 1)
        + 5 * (np.asarray(kind.codes) < 0)
    )
    return X, value + 0.1 * rng.standard_normal(rows)


def test_frames_unknown_and_missing():
    X, y = table()
    model = DecisionTreeRegressor(categorical_features="from_dtype", max_leaf_nodes=40).fit(X, y)
    assert list(model.is_categorical_) == [False, True, True] and list(model.feature_names_in_) == [
        "size",
        "town",
        "kind",
    ]
    assert model.score(X, y) > 0.95
    assert model.tree_.categorical.any() and np.isnan(model.tree_.threshold[model.tree_.categorical]).all()
    by_name = DecisionTreeRegressor(categorical_features=["town", "kind"], max_leaf_nodes=40).fit(X, y)
    assert (by_name.predict(X) == model.predict(X)).all()
    strange = X.astype({"town": object}).copy()
    strange["town"] = "Nowhere"
    gone = X.astype({"town": object}).copy()
    gone["town"] = None
    assert (model.predict(strange) == model.predict(gone)).all()
    nodes = model.decision_path(X)
    assert (nodes[np.arange(len(X)), model.apply(X)] == 1).all()


def test_rows_go_as_in_training():
    X, y = table()
    model = DecisionTreeRegressor(categorical_features="from_dtype", min_samples_leaf=5).fit(X, y)
    at, tree = model.apply(X), model.tree_
    assert (
        np.bincount(at, minlength=tree.node_count)[tree.children_left < 0]
        == tree.n_node_samples[tree.children_left < 0]
    ).all()
    np.testing.assert_allclose(model.predict(X), pd.Series(y).groupby(at).transform("mean"))


def test_saved_pruned_and_shown(tmp_path):
    X, y = table()
    model = DecisionTreeClassifier(categorical_features="from_dtype", max_depth=4, ccp_alpha=0.004).fit(X, y > 1)
    model.save(tmp_path / "tree.safetensors")
    again = learn.load(tmp_path / "tree.safetensors")
    assert (again.predict_proba(X) == model.predict_proba(X)).all()
    assert (model.compile()(X) == model.predict(X)).all()
    text = export_text(model, feature_names=["size", "town", "kind"])
    assert ("town in {Bern, Essen}" in text and "town not in {Bern, Essen}" in text) or (
        "town in {Aix, Cork, Delft}" in text and "town not in {Aix, Cork, Delft}" in text
    )
    with pytest.raises(ValueError, match=r"\[plot_tree\] got a tree with categorical features"):
        plot_tree(model)


def test_as_good_as_columns_of_zeros_and_ones():
    X, y = table(2000)
    hot = pd.get_dummies(X, dummy_na=True).to_numpy(np.float32)
    for leaves in (4, 8, 16):
        model = DecisionTreeRegressor(max_leaf_nodes=leaves, categorical_features="from_dtype").fit(X, y)
        assert model.score(X, y) >= DecisionTreeRegressor(max_leaf_nodes=leaves).fit(hot, y).score(hot, y) - 1e-9


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"monotonic_cst": [0, 1, 0]}, "Categorical features cannot have monotonic"),
        ({"categorical_features": [7]}, "categorical_features"),
    ],
)
def test_errors(parameters, message):
    X, y = table(50)
    with pytest.raises(ValueError, match=message):
        DecisionTreeRegressor(**{"categorical_features": [1, 2], **parameters}).fit(X, y)


def test_too_many_categories():
    X = np.arange(300)[:, None]
    with pytest.raises(ValueError, match="cardinality <= 256"):
        DecisionTreeRegressor(categorical_features=[0]).fit(X, X[:, 0])


def test_random_splitter_takes_sets():
    X, y = table()
    for cls in (DecisionTreeRegressor, ExtraTreeRegressor):
        settings = {"splitter": "random", "categorical_features": "from_dtype", "min_samples_leaf": 5, "random_state": 0}
        model = cls(**settings).fit(X, y)
        assert model.tree_.categorical.any()
        np.testing.assert_allclose(model.predict(X), pd.Series(y).groupby(model.apply(X)).transform("mean"))
