"""Multilayer perceptrons: scikit-learn's estimator checks, and scikit-learn itself as the judge of what they find."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.neural_network as judge
from families import expected_failures, instances
from sklearn.datasets import make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from corten import learn
from corten.learn import neural_network
from corten.learn.neural_network import MLPClassifier, MLPRegressor

rng = np.random.default_rng(0)
X = rng.standard_normal((300, 12))
Y = (X @ rng.standard_normal((12, 4)) + rng.gumbel(size=(300, 4))).argmax(1)


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(instances(neural_network), expected_failed_checks=expected_failures)
def test_check(estimator, check):
    check(estimator)


def both(kind, X, y, weight=None, **parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ours = getattr(neural_network, kind)(random_state=0, **parameters).fit(X, y, sample_weight=weight)
        theirs = getattr(judge, kind)(random_state=0, **parameters).fit(X, y, sample_weight=weight)
    return ours, theirs


def same(ours, theirs, X, tolerance=1e-10):
    assert ours.n_iter_ == theirs.n_iter_ and ours.out_activation_ == theirs.out_activation_
    for a, b in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=max(1e-9, 100 * tolerance))
    if hasattr(theirs, "loss_curve_"):
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=max(1e-9, 100 * tolerance))
        assert ours.t_ == theirs.t_
    if getattr(theirs, "validation_scores_", None):
        assert ours.validation_scores_ == pytest.approx(theirs.validation_scores_, abs=1e-9)
    method = "predict_proba" if hasattr(theirs, "predict_proba") else "predict"
    np.testing.assert_allclose(getattr(ours, method)(X), getattr(theirs, method)(X), rtol=0, atol=100 * tolerance)
    assert ours.score(X, theirs.predict(X)) == theirs.score(X, theirs.predict(X))


@pytest.mark.parametrize("parameters", [
    {}, {"activation": "tanh", "hidden_layer_sizes": (9, 5)}, {"activation": "logistic", "hidden_layer_sizes": ()},
    {"activation": "identity", "alpha": 1.0, "beta_1": 0.5}, {"solver": "sgd", "learning_rate_init": 0.1},
    {"solver": "sgd", "nesterovs_momentum": False}, {"solver": "sgd", "momentum": 0.0},
    {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.5, "power_t": 0.2},
    {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.2, "tol": 0.02, "n_iter_no_change": 2},
    {"solver": "lbfgs"}, {"early_stopping": True}, {"shuffle": False, "batch_size": 64},
], ids=str)  # fmt: skip
def test_classifier_finds_what_scikit_learn_finds(parameters):
    same(*both("MLPClassifier", X, Y, max_iter=15, **parameters), X)


def test_two_classes_several_labels_names_weights_and_sparse_rows():
    names = np.array(["no", "yes"])[(Y > 1).astype(int)]
    same(*both("MLPClassifier", X, names, max_iter=10), X)
    many = make_multilabel_classification(200, 8, n_classes=3, random_state=0)
    same(*both("MLPClassifier", *many, max_iter=10), many[0])
    weight = rng.random(len(X))
    same(*both("MLPClassifier", X, Y, weight, max_iter=10), X)
    same(*both("MLPClassifier", X, Y, weight, max_iter=10, solver="lbfgs"), X)
    same(*both("MLPClassifier", X, names, weight, max_iter=10, early_stopping=True), X)
    sparse = sp.random(150, 30, 0.1, "csr", random_state=0)
    same(*both("MLPClassifier", sparse, Y[:150], max_iter=10), sparse)
    ours, _ = both("MLPClassifier", sparse, Y[:150], max_iter=10)
    np.testing.assert_allclose(ours.predict_proba(sparse.toarray()), ours.predict_proba(sparse), atol=1e-14)


def test_regressor_finds_what_scikit_learn_finds():
    target = X[:, 0] ** 2 + X[:, 1]
    for parameters in ({}, {"solver": "lbfgs", "activation": "tanh"}, {"early_stopping": True}):
        same(*both("MLPRegressor", X, target, max_iter=15, **parameters), X)
    same(*both("MLPRegressor", X, X[:, :3], max_iter=15), X)
    counts = rng.poisson(np.exp(0.3 * X[:, 0]))
    same(*both("MLPRegressor", X, counts, max_iter=15, loss="poisson"), X)
    same(*both("MLPRegressor", X, counts, rng.random(len(X)), max_iter=15, loss="poisson"), X)


def test_float32_stays_float32():
    ours, theirs = both("MLPClassifier", X.astype(np.float32), Y, max_iter=10)
    assert ours.coefs_[0].dtype == np.float32 and ours.predict_proba(X.astype(np.float32)).dtype == np.float32
    same(ours, theirs, X.astype(np.float32), 2e-6)


def test_partial_fit_and_warm_start_go_on():
    ours, theirs = MLPClassifier((8,), random_state=0), judge.MLPClassifier((8,), random_state=0)
    for start in range(0, 300, 100):
        part = slice(start, start + 100)
        for net in (ours, theirs):
            net.partial_fit(X[part], Y[part], classes=range(4))
    same(ours, theirs, X)
    copy = pickle.loads(pickle.dumps(ours)).partial_fit(X, Y)  # with the moments of its steps
    same(copy, theirs.partial_fit(X, Y), X)
    nets = both("MLPRegressor", X, X[:, 0], max_iter=5, warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        same(*(net.fit(X, X[:, 0]) for net in nets), X)
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping"):
        MLPClassifier(early_stopping=True).partial_fit(X, Y, classes=range(4))
    with pytest.raises(ValueError, match="The validation set is too small"):
        MLPRegressor(early_stopping=True).fit(X[:5], X[:5, 0])


def test_a_saved_network_predicts_the_same(tmp_path):
    for net in (MLPClassifier((8,), random_state=0, max_iter=30), MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", random_state=0)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            net.fit(X, Y)
        net.save(tmp_path / "net.safetensors")
        again = learn.load(tmp_path / "net.safetensors")
        assert (again.predict(X) == net.predict(X)).all() and again.get_params() == net.get_params()


def test_adult_income_in_a_pipeline_and_a_grid():
    import os
    from pathlib import Path

    path = Path(os.environ.get("CORTEN_DATA", "/nonexistent")) / "adult"
    if not path.is_dir():
        pytest.skip("CORTEN_DATA has no adult")
    file = path / "adult-train.csv"
    rows = [line.split(",") for line in file.read_text().splitlines()[:3000] if line.strip()]
    table = np.array([[v.strip() for v in row] for row in rows], dtype=object)
    income = np.array([v.startswith(">50K") for v in table[:, -1]]).astype(int)
    numbers = table[:, [0, 4, 10, 11, 12]].astype(np.float64)
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit_transform(table[:, [1, 5, 6, 7, 9]].astype(str))
    data = np.hstack([numbers, words])
    pipe = make_pipeline(StandardScaler(), MLPClassifier((16,), random_state=0, max_iter=12))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = GridSearchCV(pipe, {"mlpclassifier__alpha": [1e-4, 1.0]}, cv=3).fit(data[:2000], income[:2000])
    assert search.score(data[2000:], income[2000:]) > max(income.mean(), 1 - income.mean()) + 0.03
