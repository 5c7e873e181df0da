"""Histogram boosting against scikit-learn's: losses, missing values, categories, constraints, early stopping."""

import numpy as np
import pytest
import sklearn.ensemble as theirs
from real_data import california, letters, mammography
from sklearn.metrics import log_loss, mean_absolute_error, mean_pinball_loss, mean_poisson_deviance, mean_squared_error

from corten._core import native
from corten.learn import ensemble as ours


@pytest.fixture(scope="module")
def houses():
    X, y = california()
    order = np.random.default_rng(0).permutation(len(X))[:3000]
    return X[order], y[order]


LOSSES = [
    ({}, mean_squared_error),
    ({"loss": "absolute_error"}, mean_absolute_error),
    ({"loss": "poisson"}, mean_poisson_deviance),
    ({"loss": "quantile", "quantile": 0.8}, lambda y, p: mean_pinball_loss(y, p, alpha=0.8)),
    ({"loss": "gamma"}, mean_squared_error),
]


@pytest.mark.parametrize(("settings", "measure"), LOSSES, ids=lambda v: str(v) if isinstance(v, dict) else "")
def test_losses_reach_scikit_learns(houses, settings, measure):
    X, y = houses
    kw = dict(max_iter=15, random_state=0, early_stopping=False, **settings)
    a, b = (m.HistGradientBoostingRegressor(**kw).fit(X[:2400], y[:2400]) for m in (ours, theirs))
    mine, other = (measure(y[2400:], m.predict(X[2400:])) for m in (a, b))
    assert mine == pytest.approx(other, rel=0.03)
    mine, other = (measure(y[:2400], m.predict(X[:2400])) for m in (a, b))
    assert mine == pytest.approx(other, rel=0.02)


@pytest.mark.parametrize("data", ["mammography", "letter"])
def test_classes_reach_scikit_learns_loss(data):
    X, y = mammography() if data == "mammography" else letters(1500)
    if data == "letter":
        X, y = X[y < "F"], y[y < "F"]
    kw = dict(max_iter=20, random_state=0, early_stopping=False)
    a, b = (m.HistGradientBoostingClassifier(**kw).fit(X, y) for m in (ours, theirs))
    assert log_loss(y, a.predict_proba(X)) == pytest.approx(log_loss(y, b.predict_proba(X)), rel=0.03)
    assert np.mean(a.predict(X) == b.predict(X)) > 0.99
    assert a.decision_function(X[:9]).shape == b.decision_function(X[:9]).shape


def test_missing_values_go_where_they_lower_the_loss(houses):
    X, y = houses[0][:3000].copy(), houses[1][:3000]
    X[np.random.default_rng(1).random(X.shape) < 0.2] = np.nan
    kw = dict(max_iter=15, random_state=0, early_stopping=False)
    a, b = (m.HistGradientBoostingRegressor(**kw).fit(X, y) for m in (ours, theirs))
    assert mean_squared_error(y, a.predict(X)) == pytest.approx(mean_squared_error(y, b.predict(X)), rel=0.03)
    assert np.isfinite(a.predict(np.full((1, 8), np.nan))).all()


def test_categories_are_split_as_sets():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 30, 2000).astype(float)
    y = np.isin(codes, [2, 3, 7, 11, 19, 28]) * 2.0 + 0.01 * rng.standard_normal(2000)
    X = np.c_[codes, rng.standard_normal(2000)]
    kw = dict(max_iter=1, learning_rate=1.0, max_leaf_nodes=2, categorical_features=[0], early_stopping=False)
    a, b = (m.HistGradientBoostingRegressor(**kw).fit(X, y) for m in (ours, theirs))
    np.testing.assert_allclose(a.predict(X), b.predict(X), atol=1e-4)  # one split tells the sets apart
    assert mean_squared_error(y, a.predict(X)) < 1e-3
    ordered = ours.HistGradientBoostingRegressor(**{**kw, "categorical_features": None}).fit(X, y)
    assert mean_squared_error(y, ordered.predict(X)) > 0.3
    assert np.isfinite(a.predict([[77.0, 0.0], [np.nan, 0.0]])).all()  # not seen, missing


def test_frames_tell_categories_by_dtype():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"town": pandas.Categorical(rng.choice(list("abcdef"), 500)), "size": rng.standard_normal(500)})
    y = frame["town"].isin(["b", "e"]) * 3.0 + frame["size"]
    kw = dict(max_iter=20, random_state=0)
    a, b = (m.HistGradientBoostingRegressor(**kw).fit(frame, y) for m in (ours, theirs))
    np.testing.assert_array_equal(a.is_categorical_, [True, False])
    assert a.score(frame, y) == pytest.approx(b.score(frame, y), abs=5e-3)
    with pytest.raises(ValueError, match="feature names"):
        a.predict(frame[["size", "town"]])


@pytest.mark.parametrize("sign", [1, -1])
def test_monotonic_constraints_hold(houses, sign):
    X, y = houses
    model = ours.HistGradientBoostingRegressor(monotonic_cst=[0] * 7 + [sign], max_iter=15).fit(X, y)
    rows = np.repeat(X[:40], 40, axis=0)
    rows[:, 7] = np.tile(np.linspace(-3, 5, 40), 40)
    assert (sign * np.diff(model.predict(rows).reshape(40, 40), axis=1) >= -1e-12).all()
    peer = theirs.HistGradientBoostingRegressor(monotonic_cst=[0] * 7 + [sign], max_iter=15).fit(X, y)
    assert model.score(X, y) == pytest.approx(peer.score(X, y), abs=0.01)


def test_interaction_constraints_hold(houses):
    X, y = houses[0][:2000], houses[1][:2000]
    model = ours.HistGradientBoostingRegressor(interaction_cst=[{0, 1, 2, 3, 4, 5, 6}, {7}], max_iter=20).fit(X, y)
    # without interaction the effect of column 7 is the same for all rows
    low, high = X[:30].copy(), X[:30].copy()
    low[:, 7], high[:, 7] = -1.0, 2.0
    effect = model.predict(high) - model.predict(low)
    np.testing.assert_allclose(effect, effect[0], rtol=1e-9)


def test_early_stopping_and_staged_scores(houses):
    X, y = houses
    kw = dict(max_iter=200, learning_rate=0.5, early_stopping=True, n_iter_no_change=5, random_state=0)
    a, b = (m.HistGradientBoostingRegressor(**kw).fit(X, y) for m in (ours, theirs))
    assert a.n_iter_ < 200 and a.validation_score_.shape == (a.n_iter_ + 1,)
    assert max(a.validation_score_) == pytest.approx(max(b.validation_score_), rel=0.05)
    staged = list(a.staged_predict(X[:20]))
    assert len(staged) == a.n_iter_
    np.testing.assert_array_equal(staged[-1], a.predict(X[:20]))


def test_same_bits_for_any_number_of_threads(houses):
    X, y = houses
    before, found = native.get_num_threads(), []
    try:
        for n in (1, 2, 5):
            native.set_num_threads(n)
            found.append(ours.HistGradientBoostingRegressor(max_iter=10, random_state=0).fit(X, y).predict(X).tobytes())
    finally:
        native.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_warm_start_goes_on(houses):
    X, y = houses[0][:1500], houses[1][:1500]
    kw = dict(random_state=0, early_stopping=False)
    whole = ours.HistGradientBoostingRegressor(max_iter=12, **kw).fit(X, y)
    grown = ours.HistGradientBoostingRegressor(max_iter=5, warm_start=True, **kw).fit(X, y).set_params(max_iter=12).fit(X, y)
    np.testing.assert_allclose(grown.predict(X), whole.predict(X), rtol=1e-6)


def test_verbose_lines(houses, capsys):
    ours.HistGradientBoostingRegressor(max_iter=3, verbose=2).fit(houses[0][:200], houses[1][:200])
    out = capsys.readouterr().out
    assert "[3/3] 1 tree" in out and "Fit 3 trees in" in out
