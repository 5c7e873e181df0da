"""Support vector machines against scikit-learn's (libsvm, liblinear) and against their optimality conditions."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.svm as peer
from sklearn.datasets import load_svmlight_file, make_classification, make_regression
from sklearn.utils.multiclass import _ovr_decision_function

from corten._core import native
from corten.learn import svm
from corten.learn.svm import SVC, LinearSVC, LinearSVR

pytestmark = pytest.mark.slow  # libsvm and liblinear at tight tolerances are the judges

DATA = Path(os.environ.get("CORTEN_DATA", "data"))


@pytest.fixture(scope="module")
def two_classes():
    X, y = make_classification(1200, 12, n_informative=8, flip_y=0.05, random_state=0)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


@pytest.fixture(scope="module")
def a9a():
    path = DATA / "a9a" / "a9a"
    if not path.exists():
        pytest.skip("a9a not found; set CORTEN_DATA")
    X, y = load_svmlight_file(str(path))
    return X[:1500], y[:1500]


def objective(est, X, y, gamma):
    """1/2 a'Qa - sum a in float64, from the stored coefficients."""
    coef = est.dual_coef_.toarray()[0] if sp.issparse(est.dual_coef_) else est.dual_coef_[0]
    sv = est.support_vectors_.toarray() if sp.issparse(est.support_vectors_) else est.support_vectors_
    sv = sv.astype(np.float64)
    d = ((sv**2).sum(1)[:, None] + (sv**2).sum(1) - 2 * sv @ sv.T).clip(0)
    return 0.5 * coef @ np.exp(-gamma * d) @ coef - np.abs(coef).sum()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("C", [0.1, 1.0, 50.0])
def test_dual_objective_is_libsvms(two_classes, dtype, C):
    X, y = two_classes[0].astype(dtype), two_classes[1]
    ours, theirs = SVC(C=C, gamma=0.08).fit(X, y), peer.SVC(C=C, gamma=0.08).fit(X, y)
    assert ours.support_vectors_.dtype == dtype
    assert objective(ours, X, y, 0.08) == pytest.approx(objective(theirs, X, y, 0.08), rel=1e-5)
    assert (ours.predict(X) == theirs.predict(X)).mean() > 0.999
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=5e-3)
    assert abs(ours.dual_coef_.sum()) < 1e-6 * C * len(X)
    assert np.abs(ours.dual_coef_).max() <= C


@pytest.mark.filterwarnings("ignore:Solver terminated early")
@pytest.mark.parametrize("kernel", ["linear", "poly", "rbf"])  # sigmoid is not definite: optima differ
@pytest.mark.parametrize("cls", ["SVC", "NuSVC", "SVR", "NuSVR", "OneClassSVM"])
def test_machines_and_kernels(two_classes, kernel, cls):
    X, y = two_classes[0][:200], two_classes[1][:200]
    kw = dict(kernel=kernel, gamma=0.05, coef0=0.3)
    kw["tol"] = 1e-5
    if cls.startswith("Nu"):
        kw["nu"] = 0.4
    ours = getattr(svm, cls)(**kw).fit(X, y)
    theirs = getattr(peer, cls)(max_iter=100000, **kw).fit(X, y)  # libsvm may not end below
    function = "predict" if cls.endswith("R") else "decision_function"
    a, b = getattr(ours, function)(X), getattr(theirs, function)(X)
    np.testing.assert_allclose(a, b, atol=2e-3 * max(1.0, np.abs(b).max()))
    np.testing.assert_array_equal(ours.n_support_.shape, theirs.n_support_.shape)


def test_optimality_conditions_hold(two_classes):
    X, y = two_classes
    est = SVC(C=2.0, gamma=0.1, tol=1e-3).fit(X, y)
    sign = np.where(y == est.classes_[1], 1, -1)
    margin = sign * est.decision_function(X)
    alpha = np.zeros(len(X))
    alpha[est.support_] = np.abs(est.dual_coef_[0])
    assert margin[alpha == 0].min() > 1 - 2e-3
    assert margin[alpha == 2.0].max() < 1 + 2e-3
    free = (alpha > 0) & (alpha < 2.0)
    np.testing.assert_allclose(margin[free], 1, atol=2e-3)


@pytest.mark.parametrize("shape", ["ovr", "ovo"])
def test_many_classes_and_layout(shape):
    path = DATA / "letter" / "letter-recognition.data"
    if not path.exists():
        pytest.skip("letter data not found; set CORTEN_DATA")
    raw = np.loadtxt(path, delimiter=",", dtype=str, max_rows=1200)
    X, y = raw[:, 1:].astype(float), raw[:, 0]
    kw = dict(C=5.0, decision_function_shape=shape)
    ours, theirs = SVC(**kw).fit(X, y), peer.SVC(**kw).fit(X, y)
    assert ours.dual_coef_.shape[0] == 25 and ours.intercept_.shape == (325,)
    by_class = np.split(ours.support_, np.cumsum(ours.n_support_)[:-1])
    np.testing.assert_array_equal(ours.support_, np.concatenate([np.sort(p) for p in by_class]))
    assert (ours.predict(X) == theirs.predict(X)).mean() > 0.999
    a, b = ours.decision_function(X), theirs.decision_function(X)
    if shape == "ovr":  # whole votes: compared with what scikit-learn makes of the same pairs, as a pair near zero may flip
        pairs = ours.set_params(decision_function_shape="ovo").decision_function(X)
        np.testing.assert_allclose(a, _ovr_decision_function(pairs < 0, -pairs, 26), atol=1e-10)
        assert np.isclose(a, b, atol=2e-2).mean() > 0.99
    else:
        np.testing.assert_allclose(a, b, atol=2e-2)


def test_sparse_is_dense_on_real_data(a9a):
    X, y = a9a
    sparse = SVC(gamma=0.05).fit(X, y)
    dense = SVC(gamma=0.05).fit(X.toarray(), y)
    assert sp.issparse(sparse.support_vectors_) and sp.issparse(sparse.dual_coef_)
    np.testing.assert_allclose(sparse.decision_function(X), dense.decision_function(X.toarray()), atol=5e-3)
    assert objective(sparse, X, y, 0.05) == pytest.approx(objective(peer.SVC(gamma=0.05).fit(X, y), X, y, 0.05), rel=1e-5)


def test_weights_leave_out_and_scale(two_classes):
    X, y = two_classes[0][:400], two_classes[1][:400]
    weight = np.random.default_rng(0).uniform(-0.3, 2, 400)
    ours, theirs = (c(tol=1e-6).fit(X, y, sample_weight=weight) for c in (SVC, peer.SVC))
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-3)
    assert not np.isin(np.flatnonzero(weight <= 0), ours.support_).any()


def test_a_tiny_cache_gives_the_same_machine(two_classes):
    X, y = two_classes
    a, b = SVC(cache_size=200).fit(X, y), SVC(cache_size=1).fit(X, y)
    np.testing.assert_allclose(a.decision_function(X), b.decision_function(X), atol=5e-3)


def test_any_number_of_threads_gives_the_same_bits(two_classes):
    X, y = two_classes
    before, found = native.get_num_threads(), []
    try:
        for n in (1, 2, 4):
            native.set_num_threads(n)
            est = SVC().fit(X, y)
            found.append(est.dual_coef_.tobytes() + est.decision_function(X).tobytes())
    finally:
        native.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_precomputed_and_callable_kernels(two_classes):
    X, y = two_classes[0][:300], two_classes[1][:300]

    def kernel(a, b):
        return a @ b.T

    base = SVC(kernel="linear", tol=1e-6).fit(X, y)
    gram = SVC(kernel="precomputed", tol=1e-6).fit(X @ X.T, y)
    called = SVC(kernel=kernel, tol=1e-6).fit(X, y)
    np.testing.assert_allclose(gram.decision_function(X @ X.T), base.decision_function(X), atol=1e-4)
    np.testing.assert_allclose(called.decision_function(X), base.decision_function(X), atol=1e-4)


def test_probability(two_classes):
    X, y = two_classes[0][:600], two_classes[1][:600]
    with pytest.warns(FutureWarning, match="probability"):
        ours = SVC(probability=True, random_state=0).fit(X, y)
    with pytest.warns(FutureWarning):
        theirs = peer.SVC(probability=True, random_state=0).fit(X, y)
    p, q = ours.predict_proba(X), theirs.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert np.abs(p - q).mean() < 0.03


@pytest.mark.parametrize(
    ("settings", "tol"),
    [
        (dict(dual=False), 1e-4),
        (dict(dual=True), 1e-3),
        (dict(loss="hinge", dual=True), 5e-3),
        (dict(penalty="l1", dual=False), 5e-3),
        (dict(dual=False, class_weight="balanced"), 1e-4),
    ],
)
@pytest.mark.filterwarnings("ignore:Liblinear failed")
@pytest.mark.parametrize("sparse", [False, True])
def test_linear_svc_reaches_liblinears_optimum(two_classes, settings, tol, sparse):
    X, y = two_classes
    data = sp.csr_matrix(X) if sparse else X
    X, y = X[:500], y[:500]
    data = data[:500]
    kw = dict(C=0.5, tol=1e-6, max_iter=50_000, random_state=0, **settings)
    ours, theirs = LinearSVC(**kw).fit(data, y), peer.LinearSVC(**kw).fit(data, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=tol)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=tol)


@pytest.mark.filterwarnings("ignore:Liblinear failed")
@pytest.mark.parametrize(
    "settings", [dict(), dict(loss="squared_epsilon_insensitive", dual=False), dict(loss="squared_epsilon_insensitive", dual=True)]
)
def test_linear_svr_reaches_liblinears_optimum(settings):
    X, y = make_regression(300, 6, noise=5.0, random_state=0)
    y = y / 50
    kw = dict(C=0.7, epsilon=0.1, tol=1e-7, max_iter=50_000, random_state=0, **settings)
    ours, theirs = LinearSVR(**kw).fit(X, y), peer.LinearSVR(**kw).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-3)


def test_pickle_and_save(two_classes, tmp_path):
    import corten.learn

    X, y = two_classes[0][:200], two_classes[1][:200]
    for est in (SVC().fit(X, y), LinearSVC(random_state=0).fit(X, y), SVC().fit(sp.csr_matrix(X), y)):
        expected = est.decision_function(X)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(est)).decision_function(X), expected)
        est.save(tmp_path / "m.safetensors")
        np.testing.assert_array_equal(corten.learn.load(tmp_path / "m.safetensors").decision_function(X), expected)
