"""The fast path for one row says what the general path says, and leaves the doubtful rows to it."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from corten.learn import cluster, ensemble, neighbors, svm
from corten.learn import decomposition as d
from corten.learn import linear_model as lm
from corten.learn import naive_bayes as nb
from corten.learn import preprocessing as p

rng = np.random.default_rng(0)
X = rng.standard_normal((200, 7))
Y3, Y2 = rng.integers(0, 3, 200), np.array(["no", "yes"])[rng.integers(0, 2, 200)]
COUNTS = rng.integers(0, 5, (200, 7)).astype(float)

CASES = [
    (lm.LogisticRegression(), X, Y3, ["predict", "predict_proba", "decision_function"]),
    (lm.LogisticRegression(), X, Y2, ["predict", "predict_proba", "decision_function"]),
    (lm.RidgeClassifier(), X, Y2, ["predict", "decision_function"]),
    (lm.SGDClassifier(random_state=0), X, Y3, ["predict", "decision_function"]),
    (lm.Ridge(), X, X[:, 0], ["predict"]),
    (lm.LinearRegression(fit_intercept=False), X, X[:, :2], ["predict"]),
    (lm.Lasso(alpha=0.01), X, X[:, 0], ["predict"]),
    (nb.MultinomialNB(), COUNTS, Y3, ["predict"]),
    (p.StandardScaler(), X, None, ["transform"]),
    (p.StandardScaler(with_mean=False), X, None, ["transform"]),
    (p.MinMaxScaler(), X, None, ["transform"]),
    (p.RobustScaler(), X, None, ["transform"]),
    (d.PCA(3), X, None, ["transform"]),
    (d.PCA(3, whiten=True), X, None, ["transform"]),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("model, data, y, methods", CASES, ids=lambda v: type(v).__name__)
def test_row_equals_its_place_in_the_table(model, data, y, methods, dtype):
    data = data.astype(dtype)
    model = model.fit(data, y)
    for method in methods:
        table, compiled = getattr(model, method)(data), model.compile(method)
        for i in range(20):
            row = np.ascontiguousarray(data[i : i + 1])
            for one in (getattr(model, method)(row), compiled(row)):
                assert one.shape == table[i : i + 1].shape and one.dtype == table.dtype
                if one.dtype.kind == "f":
                    np.testing.assert_allclose(
                        one, table[i : i + 1], rtol=1e-5 if dtype == np.float32 else 1e-10, atol=1e-5
                    )
                else:
                    assert one[0] == table[i]
        bulk = compiled(np.ascontiguousarray(data))
        if bulk.dtype.kind == "f":
            np.testing.assert_allclose(bulk, table, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("model, data, y, methods", CASES, ids=lambda v: type(v).__name__)
def test_row_with_infinity_or_of_another_width_is_rejected(model, data, y, methods):
    model = model.fit(data, y)
    bad = data[:1].copy()
    bad[0, 2] = np.inf
    for method in methods:
        with pytest.raises(ValueError, match="infinity"):
            getattr(model, method)(bad)
        with pytest.raises(ValueError, match="expecting 7 features"):
            getattr(model, method)(data[:1, :6].copy())


def test_names_are_still_checked():
    pandas = pytest.importorskip("pandas")
    model = lm.Ridge().fit(pandas.DataFrame(X, columns=list("abcdefg")), X[:, 0])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X[:1])


def test_compiled_keeps_a_snapshot():
    model = lm.Ridge().fit(X, X[:, 0])
    rows, before = model.compile(), model.predict(X[:1])
    model.fit(X, -X[:, 0])
    np.testing.assert_allclose(rows(X[:1]), before)
    with pytest.raises(AttributeError):
        model.compile("transform")


@pytest.mark.parametrize(
    "model",
    [
        cluster.KMeans(3, n_init=1, random_state=0),
        cluster.MiniBatchKMeans(3, n_init=1, random_state=0, batch_size=200),
        neighbors.KNeighborsClassifier(3),
        nb.GaussianNB(),
        svm.SVC(),
        ensemble.HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=5),
    ],
    ids=lambda m: type(m).__name__,
)
def test_a_later_fit_does_not_change_what_was_compiled(model):
    other = np.random.default_rng(1).standard_normal((200, 7)) * 3
    rows = model.fit(X, Y3).compile()
    before = rows(X)
    if hasattr(model, "partial_fit"):
        model.partial_fit(other, (Y3 + 1) % 3)
        np.testing.assert_array_equal(rows(X), before)
    model.fit(other, (Y3 + 1) % 3)
    np.testing.assert_array_equal(rows(X), before)
    assert (model.predict(X) != before).any()


@pytest.mark.parametrize("model", [svm.LinearSVC(random_state=0), svm.LinearSVC(fit_intercept=False), svm.LinearSVR()], ids=str)
def test_linear_machines_take_the_fast_path(model):
    for y in (Y3, Y2) if hasattr(model, "multi_class") else (X[:, 0],):
        model = model.fit(X, y)
        for method in ("predict", "decision_function"):
            if hasattr(model, method):
                table, one = getattr(model, method)(X), getattr(model, method)(X[:1].copy())
                rows = model.compile(method)
                assert one.shape == table[:1].shape == rows(X[:1]).shape and one.dtype == table.dtype
                close = np.testing.assert_allclose if table.dtype.kind == "f" else np.testing.assert_array_equal
                close(one, table[:1])
                close(rows(X), table)
    with pytest.raises(ValueError, match="NaN"):
        model.predict(np.full((1, 7), np.nan))


def test_few_plain_rows_are_still_checked():
    model = neighbors.KNeighborsClassifier(3).fit(X, Y3)
    np.testing.assert_array_equal(model.predict(X[:5]), model.predict(X)[:5])
    for bad, message in ((np.nan, "NaN"), (np.inf, "infinity")):
        row = X[:2].copy()
        row[1, 3] = bad
        with pytest.raises(ValueError, match=message):
            model.predict(row)
    with pytest.raises(ValueError, match="6 features"):
        model.predict(X[:2, :6].copy())
    with pytest.raises(ValueError, match="2D array"):
        model.predict(X[0])


def test_set_output_holds_for_one_row():
    pytest.importorskip("pandas")
    out = make_pipeline(p.StandardScaler()).set_output(transform="pandas").fit(X).transform(X[:1])
    assert list(out.columns) == [f"x{i}" for i in range(7)]
