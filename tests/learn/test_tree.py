"""Trees against scikit-learn's on real data: the same impurity at every size, pruning, constraints, pictures."""

import numpy as np
import pytest
import sklearn.tree as theirs
from real_data import california, letters, mammography
from sklearn.metrics import log_loss

from corten.learn import tree as ours


def leaf_impurity(model):
    """Weighted mean impurity of the leaves."""
    t = model.tree_
    leaf = t.children_left < 0
    return float((t.impurity[leaf] * t.weighted_n_node_samples[leaf]).sum() / t.weighted_n_node_samples[0])


CLASSIFIER_RULES = [
    {"max_depth": 6},
    {"criterion": "entropy", "max_depth": 5},
    {"max_leaf_nodes": 30},
    {"min_samples_leaf": 12, "max_depth": 8},
    {"min_impurity_decrease": 1e-3},
    {"class_weight": "balanced", "max_depth": 5},
]


@pytest.mark.parametrize("rules", CLASSIFIER_RULES, ids=str)
@pytest.mark.parametrize("data", ["mammography", "letter"])
def test_classifier_is_scikit_learns(data, rules):
    X, y = mammography() if data == "mammography" else letters(2500)
    a = ours.DecisionTreeClassifier(random_state=0, **rules).fit(X, y)
    b = theirs.DecisionTreeClassifier(random_state=0, **rules).fit(X, y)
    # ties between equally good splits may go either way, so trees are compared by what they reach
    assert leaf_impurity(a) == pytest.approx(leaf_impurity(b), rel=0.03, abs=1e-4)
    assert abs(a.get_n_leaves() - b.get_n_leaves()) <= 0.05 * b.get_n_leaves() + 1
    assert np.mean(a.predict(X) == b.predict(X)) > 0.96
    np.testing.assert_allclose(a.tree_.impurity[0], b.tree_.impurity[0])
    assert (a.tree_.feature[0], a.tree_.threshold[0]) == (b.tree_.feature[0], b.tree_.threshold[0])


REGRESSOR_RULES = [{"max_depth": 7}, {"max_leaf_nodes": 50}, {"min_samples_leaf": 20}, {"criterion": "poisson", "max_depth": 5}]


@pytest.mark.parametrize("rules", REGRESSOR_RULES, ids=str)
def test_regressor_is_scikit_learns(rules):
    X, y = california()
    X, y = X[:4000].astype(np.float32), y[:4000]
    a = ours.DecisionTreeRegressor(random_state=0, **rules).fit(X, y)
    b = theirs.DecisionTreeRegressor(random_state=0, **rules).fit(X, y)
    assert leaf_impurity(a) == pytest.approx(leaf_impurity(b), rel=0.01)
    assert np.mean(np.isclose(a.predict(X), b.predict(X))) > 0.98


def test_absolute_error_finds_medians():
    X, y = california()
    X, y = X[:800].astype(np.float32), y[:800]
    kw = dict(criterion="absolute_error", max_depth=4, random_state=0)
    a, b = ours.DecisionTreeRegressor(**kw).fit(X, y), theirs.DecisionTreeRegressor(**kw).fit(X, y)
    assert np.abs(a.predict(X) - y).mean() == pytest.approx(np.abs(b.predict(X) - y).mean(), rel=1e-6)


def test_missing_values_are_split_natively():
    X, y = california()
    X = X[:3000].astype(np.float32).copy()
    y = y[:3000]
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    kw = dict(max_depth=6, random_state=0)
    a, b = ours.DecisionTreeRegressor(**kw).fit(X, y), theirs.DecisionTreeRegressor(**kw).fit(X, y)
    assert leaf_impurity(a) == pytest.approx(leaf_impurity(b), rel=0.01)
    labels = y > np.median(y)
    a, b = ours.DecisionTreeClassifier(**kw).fit(X, labels), theirs.DecisionTreeClassifier(**kw).fit(X, labels)
    assert log_loss(labels, a.predict_proba(X)) == pytest.approx(log_loss(labels, b.predict_proba(X)), rel=0.02)


def test_pruning_path_and_pruned_trees():
    X, y = mammography()
    X, y = X[:3000], y[:3000]
    a, b = ours.DecisionTreeClassifier(random_state=0, max_depth=6), theirs.DecisionTreeClassifier(random_state=0, max_depth=6)
    path, expected = a.cost_complexity_pruning_path(X, y), b.cost_complexity_pruning_path(X, y)
    assert len(path.ccp_alphas) == pytest.approx(len(expected.ccp_alphas), abs=3)
    np.testing.assert_allclose(path.ccp_alphas[-4:], expected.ccp_alphas[-4:], rtol=1e-6)
    np.testing.assert_allclose(path.impurities[-4:], expected.impurities[-4:], rtol=1e-6)
    assert (np.diff(path.ccp_alphas) >= 0).all() and (np.diff(path.impurities) >= -1e-15).all()
    leaves = [ours.DecisionTreeClassifier(random_state=0, max_depth=6, ccp_alpha=c).fit(X, y).get_n_leaves() for c in path.ccp_alphas]
    assert leaves == sorted(leaves, reverse=True) and leaves[-1] == 1


def test_monotonic_constraints_hold():
    X, y = california()
    X, y = X[:3000].astype(np.float32), y[:3000]
    constraints = [0, 0, 0, 0, 0, 0, 0, 1]
    model = ours.DecisionTreeRegressor(monotonic_cst=constraints, max_depth=8, random_state=0).fit(X, y)
    rows = np.repeat(X[:50], 30, axis=0)
    rows[:, 7] = np.tile(np.linspace(-3, 5, 30), 50)
    assert (np.diff(model.predict(rows).reshape(50, 30), axis=1) >= 0).all()
    peer = theirs.DecisionTreeRegressor(monotonic_cst=constraints, max_depth=8, random_state=0).fit(X, y)
    assert leaf_impurity(model) == pytest.approx(leaf_impurity(peer), rel=0.03)


def test_several_outputs_paths_and_importances():
    X, y = california()
    X, Y = X[:2000].astype(np.float32), np.c_[y[:2000], X[:2000, 0] ** 2]
    a = ours.DecisionTreeRegressor(max_depth=5, random_state=0).fit(X, Y)
    b = theirs.DecisionTreeRegressor(max_depth=5, random_state=0).fit(X, Y)
    np.testing.assert_allclose(a.predict(X), b.predict(X), rtol=1e-9)
    t, gain = a.tree_, np.zeros(8)  # the definition; two columns that split alike may share it differently in scikit-learn's
    for node in np.flatnonzero(t.children_left >= 0):
        children = [t.children_left[node], t.children_right[node]]
        inside = t.weighted_n_node_samples[children] @ t.impurity[children]
        gain[t.feature[node]] += t.weighted_n_node_samples[node] * t.impurity[node] - inside
    np.testing.assert_allclose(a.feature_importances_, gain / gain.sum(), atol=1e-12)
    path, leaves = a.decision_path(X), a.apply(X)
    assert path.shape == (2000, t.node_count) and np.asarray(path[np.arange(2000), leaves]).all()
    np.testing.assert_array_equal(np.asarray(path.sum(axis=0)).ravel(), t.n_node_samples)


def test_text_and_pictures_are_scikit_learns():
    agg, figure = pytest.importorskip("matplotlib.backends.backend_agg"), pytest.importorskip("matplotlib.figure")
    X, y = mammography()
    a, b = (m.DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y) for m in (ours, theirs))
    names = [f"c{i}" for i in range(X.shape[1])]
    assert ours.export_text(a, feature_names=names) == theirs.export_text(b, feature_names=names)
    assert ours.export_graphviz(a) == theirs.export_graphviz(b)
    axes = [agg.FigureCanvasAgg(figure.Figure()).figure.subplots() for _ in range(2)]
    drawn = ours.plot_tree(a, feature_names=names, ax=axes[0])
    expected = theirs.plot_tree(b, feature_names=names, ax=axes[1])
    assert [t.get_text() for t in drawn] == [t.get_text() for t in expected]
