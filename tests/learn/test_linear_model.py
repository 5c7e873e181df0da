"""Linear models against scikit-learn's coefficients on real data."""

import inspect

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model as theirs
from real_data import a9a, california, letters, mammography, mnist, polarity
from sklearn.exceptions import ConvergenceWarning

from corten.learn import UnsupportedSetting
from corten.learn import linear_model as ours

CLASSES = [n for n in ours.__all__ if hasattr(theirs, n)]


def close(a, b, rtol):
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=0, atol=rtol * max(np.abs(b).max(), 1e-12))


@pytest.mark.parametrize("name", CLASSES)
def test_same_signature(name):
    assert inspect.signature(getattr(ours, name)) == inspect.signature(getattr(theirs, name))


def weights(n):
    return np.random.default_rng(1).uniform(0.0, 2.0, n) * (np.arange(n) % 7 > 0)


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-9), (np.float32, 2e-3)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize(
    "name, parameters",
    [("LinearRegression", {}), ("Ridge", {"alpha": 3.0}), ("Ridge", {"solver": "svd", "alpha": 0.1})],
)
def test_least_squares(name, parameters, intercept, weighted, dtype, tolerance):
    X, y = california()
    X = (X + 5 * np.arange(8)).astype(dtype)
    y = np.c_[y, X[:, 0] ** 2].astype(dtype)
    w = weights(len(X)) if weighted else None
    a = getattr(ours, name)(fit_intercept=intercept, **parameters).fit(X, y, sample_weight=w)
    b = getattr(theirs, name)(fit_intercept=intercept, **parameters).fit(X.astype(float), y, sample_weight=w)
    assert a.coef_.dtype == dtype
    close(a.coef_, b.coef_, tolerance)
    close(a.predict(X), b.predict(X), tolerance)
    if name == "LinearRegression":
        assert a.rank_ == b.rank_
        close(a.singular_, b.singular_, tolerance)


def test_least_squares_of_a_column_twice_is_the_shortest_solution():
    X, y = california()
    X = np.c_[X, X[:, 3]]
    a, b = ours.LinearRegression().fit(X, y), theirs.LinearRegression().fit(X, y)
    assert a.rank_ == b.rank_ == 8
    close(a.coef_, b.coef_, 1e-9)


def test_least_squares_refines_ill_conditioned_columns():
    X, y = california()
    X = np.c_[X, X[:, 3] + 1e-4 * np.random.default_rng(0).standard_normal(len(X))]
    a, b = ours.LinearRegression().fit(X, y), theirs.LinearRegression().fit(X, y)
    close(a.coef_, b.coef_, 1e-8)


def test_wide_ridge_and_singular_ridge():
    X, y = mnist(300)
    close(ours.Ridge(alpha=2.0).fit(X, y).coef_, theirs.Ridge(alpha=2.0).fit(X, y).coef_, 1e-9)
    X, y = mnist(1200)
    a, b = ours.Ridge(alpha=0.0).fit(X, y), theirs.LinearRegression(tol=1e-10).fit(X, y)
    assert np.abs(a.predict(X) - b.predict(X)).max() < 1e-6


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.001, 0.1])
@pytest.mark.parametrize("positive", [False, True])
def test_elastic_net(alpha, positive, weighted):
    X, y = california()
    w = weights(len(X)) if weighted else None
    for name, more in (("Lasso", {}), ("ElasticNet", {"l1_ratio": 0.3})):
        p = {"alpha": alpha, "positive": positive, "tol": 1e-10, "max_iter": 100_000, **more}
        a = getattr(ours, name)(**p).fit(X, y, sample_weight=w)
        b = getattr(theirs, name)(**p).fit(X, y, sample_weight=w)
        close(a.coef_, b.coef_, 1e-6)
        assert abs(a.intercept_ - b.intercept_) < 1e-6
        assert a.dual_gap_ <= 1e-10 * np.dot(y, y)


def test_elastic_net_takes_the_same_steps():
    X, y = mnist(200)  # wide: columns, not the Gram matrix
    a, b = ours.Lasso(alpha=0.05).fit(X, y), theirs.Lasso(alpha=0.05).fit(X, y)
    assert a.n_iter_ == b.n_iter_
    close(a.coef_, b.coef_, 1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_sparse_lasso(weighted):
    X, y = a9a(3000)
    w = weights(X.shape[0]) if weighted else None
    p = {"alpha": 0.002, "tol": 1e-9, "max_iter": 100_000}
    a = ours.Lasso(**p).fit(X, y.astype(float), sample_weight=w)
    dense = theirs.Lasso(**p).fit(X.toarray(), y.astype(float), sample_weight=w)
    close(a.coef_, dense.coef_, 1e-4)
    assert a.sparse_coef_.nnz == np.count_nonzero(a.coef_)


def test_paths():
    X, y = california()
    X, y = X[:5000], y[:5000] - y[:5000].mean()
    for name in ("lasso_path", "enet_path"):
        a, b = getattr(ours, name)(X, y, tol=1e-8), getattr(theirs, name)(X, y, tol=1e-8)
        close(a[0], b[0], 1e-12)
        close(a[1], b[1], 1e-5)
    with pytest.raises(UnsupportedSetting, match="one target"):
        ours.enet_path(X, np.c_[y, y])


def test_cross_validated_lasso():
    X, y = california()
    a, b = ours.LassoCV(cv=3).fit(X[:3000], y[:3000]), theirs.LassoCV(cv=3).fit(X[:3000], y[:3000])
    assert a.alpha_ == pytest.approx(b.alpha_)
    close(a.mse_path_, b.mse_path_, 1e-6)
    close(a.coef_, b.coef_, 1e-4)


def test_lasso_warns_and_rejects():
    X, y = california()
    with pytest.warns(ConvergenceWarning, match="Duality gap"):
        ours.Lasso(alpha=1e-4, max_iter=1, tol=1e-12).fit(X, y)
    bad = X.copy()
    bad[17, 3] = np.nan
    for cls in (ours.Lasso, ours.Ridge, ours.LinearRegression):
        with pytest.raises(ValueError, match=f"Input X contains NaN.\n{cls.__name__}"):
            cls().fit(bad, y)


def scaled_letters():
    X, y = letters(1500)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


PROBLEMS = {
    "mammography": mammography,
    "letter": scaled_letters,
    "mnist": lambda: mnist(500),
    "a9a": a9a,
    "polarity": lambda: polarity(300),
}


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg", "newton-cholesky", "sag"])
def test_logistic_regression(problem, solver):
    X, y = PROBLEMS[problem]()
    if solver == "newton-cholesky" and problem not in ("mammography", "a9a"):
        pytest.skip("the Hessian is large")
    p = {"C": 0.1, "tol": 1e-7, "max_iter": 3000}
    a = ours.LogisticRegression(solver=solver, **p).fit(X, y)
    b = theirs.LogisticRegression(**p).fit(X, y)
    close(a.predict_proba(X), b.predict_proba(X), 1e-4)
    assert np.mean(a.predict(X) == b.predict(X)) > 0.999


def objective(model, X, y, C, l1_ratio):
    P = np.clip(model.predict_proba(X), 1e-300, 1)
    loss = -np.log(P[np.arange(len(y)), np.searchsorted(model.classes_, y)]).sum()
    W = model.coef_
    return C * loss + (1 - l1_ratio) / 2 * np.sum(W * W) + l1_ratio * np.abs(W).sum()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # of the peer
@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
@pytest.mark.parametrize("sparse", [False, True])
def test_logistic_regression_l1(l1_ratio, sparse):
    X, y = a9a(1000)
    A = X if sparse else X.toarray()
    p = {"C": 0.5, "l1_ratio": l1_ratio, "solver": "saga"}
    a = ours.LogisticRegression(tol=1e-5, max_iter=3000, **p).fit(A, y)
    b = theirs.LogisticRegression(tol=1e-4, max_iter=1000, random_state=0, **p).fit(X, y)
    assert objective(a, X, y, 0.5, l1_ratio) <= objective(b, X, y, 0.5, l1_ratio) + 1e-2
    assert np.count_nonzero(a.coef_) < a.coef_.size
    assert np.mean(a.predict(X) == b.predict(X)) > 0.99


def test_multinomial_l1_optimality():
    """At the optimum the gradient of the loss is within the strength for zeros, and its opposite elsewhere."""
    X, y = scaled_letters()
    X, y = X[y < "G"], y[y < "G"]
    a = ours.LogisticRegression(C=0.2, l1_ratio=1.0, solver="saga", tol=1e-6, max_iter=5000).fit(X, y)
    R = a.predict_proba(X) - (y[:, None] == a.classes_)
    G, W = R.T @ X, a.coef_
    assert np.abs(G[W == 0]).max() <= 5.0 + 1e-2
    assert np.abs(G[W != 0] + 5.0 * np.sign(W[W != 0])).max() < 1e-2
    assert 0.05 < np.mean(W == 0) < 0.95


def test_logistic_regression_weights_float32_and_warm_start():
    X, y = mammography()
    w = weights(len(X))
    p = {"class_weight": "balanced", "tol": 1e-7, "max_iter": 2000}
    a = ours.LogisticRegression(**p).fit(X, y, sample_weight=w)
    close(a.coef_, theirs.LogisticRegression(**p).fit(X, y, sample_weight=w).coef_, 1e-4)
    single = ours.LogisticRegression(**p).fit(X.astype(np.float32), y, sample_weight=w)
    assert single.coef_.dtype == single.predict_proba(X.astype(np.float32)).dtype == np.float32
    close(single.coef_, a.coef_, 1e-2)
    warm = ours.LogisticRegression(warm_start=True, **p).fit(X, y)
    assert warm.fit(X, y).n_iter_[0] <= 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [2, 4])
def test_newton_cg(classes, dtype):
    """Weights, no penalty, and a multinomial whose Hessian is singular along constants."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 6)).astype(dtype)
    y = (X[:, :classes] + rng.gumbel(size=(400, classes))).argmax(axis=1)
    w = rng.uniform(0.5, 2, 400)
    for p in ({"C": 0.3}, {"C": np.inf}, {"C": 5.0, "fit_intercept": False}):
        a = ours.LogisticRegression(solver="newton-cg", tol=1e-6 if dtype == np.float64 else 1e-4, **p).fit(X, y, w)
        b = theirs.LogisticRegression(solver="newton-cg", tol=1e-8, **p).fit(X.astype(float), y, w)
        close(a.predict_proba(X), b.predict_proba(X.astype(float)), 1e-4 if dtype == np.float64 else 2e-3)
        assert a.n_iter_[0] < 20


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"C": 0.1, "intercept_scaling": 5.0},
        {"dual": True, "C": 0.3},
        {"l1_ratio": 1.0, "C": 0.05},
        {"l1_ratio": 1.0, "C": 0.02, "intercept_scaling": 0.5},
        {"fit_intercept": False, "class_weight": "balanced"},
    ],
    ids=str,
)
@pytest.mark.parametrize("sparse", [False, True])
def test_liblinear_penalises_the_intercept(settings, sparse):
    X, y = a9a(1500) if sparse else mammography()
    w = weights(len(y))
    a = ours.LogisticRegression(solver="liblinear", tol=1e-8, max_iter=3000, **settings).fit(X, y, w)
    b = theirs.LogisticRegression(solver="liblinear", tol=1e-8, max_iter=30000, **settings).fit(X, y, w)
    close(a.coef_, b.coef_, 1e-4)
    np.testing.assert_allclose(a.intercept_, b.intercept_, atol=1e-4)
    close(a.predict_proba(X), b.predict_proba(X), 1e-4)
    if settings.get("l1_ratio") == 1.0:
        np.testing.assert_array_equal(a.coef_ == 0, np.abs(b.coef_) < 1e-7)


def test_liblinear_errors():
    X, y = mammography()
    with pytest.raises(ValueError, match="does not support multiclass"):
        ours.LogisticRegression(solver="liblinear").fit(X, np.arange(len(X)) % 3)
    with pytest.raises(ValueError, match="frozen fit"):
        ours.LogisticRegression(solver="liblinear").fit(X * 1e35, y)
    with pytest.raises(ValueError, match="intercept_scaling"):
        ours.LogisticRegression(solver="liblinear", intercept_scaling=0).fit(X, y)


def test_logistic_regression_that_runs_out():
    X, y = mammography()
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge after 2"):
        ours.LogisticRegression(max_iter=2).fit(X, y)


SGD_CASES = [
    {},
    {"loss": "log_loss", "penalty": "elasticnet"},
    {"loss": "log_loss", "penalty": "l1"},
    {"loss": "modified_huber", "average": True},
    {"loss": "squared_hinge", "average": 10},
]


@pytest.mark.parametrize("parameters", SGD_CASES, ids=str)
def test_sgd_takes_the_same_steps(parameters):
    X, y = scaled_letters()
    p = {"random_state": 3, "max_iter": 5, "tol": None, "learning_rate": "constant", "eta0": 1e-3, **parameters}
    a, b = ours.SGDClassifier(**p).fit(X, y), theirs.SGDClassifier(**p).fit(X, y)
    close(a.coef_, b.coef_, 1e-12)
    close(a.intercept_, b.intercept_, 1e-12)


@pytest.mark.parametrize("parameters", SGD_CASES[1:4], ids=str)
def test_sgd_steps_part_no_further_than_rounding_lets_them(parameters):
    """The first "optimal" rates are near 10, and steps of a curved loss then grow any rounding: scikit-learn parts from
    itself as far when it sums the columns in another order."""
    X, y = scaled_letters()
    p = {"random_state": 3, "max_iter": 5, "tol": None, **parameters}
    a, b = ours.SGDClassifier(**p).fit(X, y).coef_, theirs.SGDClassifier(**p).fit(X, y).coef_
    other = theirs.SGDClassifier(**p).fit(X[:, ::-1], y).coef_[:, ::-1]
    assert np.abs(a - b).max() <= 3 * np.abs(other - b).max()


def test_sgd_hinge_sparse_and_perceptron_take_the_same_steps():
    X, y = scaled_letters()
    close(ours.SGDClassifier(random_state=3).fit(X, y).coef_, theirs.SGDClassifier(random_state=3).fit(X, y).coef_, 1e-8)
    p, S = {"random_state": 0, "max_iter": 3, "tol": None}, sp.csr_matrix(X)
    close(ours.SGDRegressor(**p).fit(S, X[:, 0]).coef_, theirs.SGDRegressor(**p).fit(S, X[:, 0]).coef_, 1e-8)
    close(ours.Perceptron().fit(X, y).coef_, theirs.Perceptron().fit(X, y).coef_, 1e-8)


@pytest.mark.parametrize("method", ["batch", "stochastic", "mini-batch"])
def test_gradient_descent_reaches_least_squares(method):
    X, y = california()
    X, y = X[:500, [0, 2, 7]], y[:500]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    p = (
        {"max_iter": 20_000, "tol": 1e-10}
        if method == "batch"
        else {"max_iter": 100, "learning_rate": 1e-3 if method == "stochastic" else 1e-2, "tol": None}
    )
    a = ours.GradientDescentRegressor(method, random_state=0, **p).fit(X, y)
    assert a.loss_history_.shape == (a.n_iter_ + 1,)
    assert a.loss_history_[-1] < a.loss_history_[0]
    best = 0.5 * np.mean((theirs.LinearRegression().fit(X, y).predict(X) - y) ** 2)
    assert a.loss_history_[-1] < best * (1.001 if method == "batch" else 1.3)


def test_gradient_descent_says_when_it_diverges():
    X, y = california()
    with pytest.raises(ValueError, match="diverged in pass"):
        ours.GradientDescentRegressor(learning_rate=10.0).fit(X, y)
