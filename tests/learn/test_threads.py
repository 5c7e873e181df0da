"""Results do not depend on the number of threads, limits hold, scikit-learn's machinery takes the estimators."""

import pickle
import threading

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from corten._core import native
from corten.learn import decomposition as d
from corten.learn import linear_model as lm
from corten.learn import naive_bayes as nb
from corten.learn import preprocessing as p
from corten.learn import thread_limit

rng = np.random.default_rng(0)
X = rng.standard_normal((20_000, 37))
Y = (X[:, :4] + rng.gumbel(size=(20_000, 4))).argmax(axis=1)
SPARSE = sp.random(3000, 500, 0.05, format="csr", random_state=0)

CASES = {
    "least squares": lambda t: lm.LinearRegression().fit(X.astype(t), X[:, 0] + X[:, 1] ** 2).coef_,
    "ridge": lambda t: lm.Ridge().fit(X.astype(t), X[:, 0] ** 3).coef_,
    "lasso": lambda t: lm.Lasso(alpha=0.01).fit(X.astype(t), X[:, 0] ** 3).coef_,
    "wide lasso": lambda t: lm.Lasso(alpha=0.01).fit(X[:30].astype(t), X[:30, 0] ** 3).coef_,
    "logistic": lambda t: lm.LogisticRegression(max_iter=20).fit(X.astype(t), Y).coef_,
    "newton": lambda t: lm.LogisticRegression(solver="newton-cholesky").fit(X.astype(t), Y > 1).coef_,
    "sparse logistic": lambda t: lm.LogisticRegression(max_iter=20).fit(SPARSE.astype(t), Y[:3000]).coef_,
    "pca": lambda t: d.PCA(3).fit_transform(X.astype(t)),
    "scaler": lambda t: p.StandardScaler().fit_transform(X.astype(t)),
    "naive bayes": lambda t: nb.GaussianNB().fit(X.astype(t), Y).predict_proba(X.astype(t)),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", CASES)
def test_bit_identical_for_any_thread_count(case, dtype):
    before = native.get_num_threads()
    try:
        results = []
        for n in (1, 2, 5):
            native.set_num_threads(n)
            results.append(CASES[case](dtype).tobytes())
    finally:
        native.set_num_threads(before)
    assert results[0] == results[1] == results[2]


def test_limits_overlap_and_return():
    before = native.get_num_threads()
    try:
        native.set_num_threads(4)
        inside, leave = threading.Event(), threading.Event()

        def other():
            with thread_limit(1):
                inside.set()
                leave.wait(10)

        thread = threading.Thread(target=other)
        with thread_limit(3):
            assert native.get_num_threads() == 3
            thread.start()
            assert inside.wait(10)
            assert native.get_num_threads() == 1
            leave.set()
            thread.join()
            assert native.get_num_threads() == 3
        assert native.get_num_threads() == 4
        with pytest.raises(ValueError, match=r"\[n_jobs\] got 0"), thread_limit(0):
            pass
    finally:
        native.set_num_threads(before)


def worker_threads(_):
    return native.get_num_threads()


def test_workers_share_the_cpus():
    """joblib gives each of two workers half of the CPUs, and the kernels keep to it."""
    import joblib

    found = joblib.Parallel(n_jobs=2)(joblib.delayed(worker_threads)(i) for i in range(4))
    assert max(found) <= max(1, joblib.cpu_count() // 2)


def test_model_selection_around_the_estimators():
    A, y = X[:600], Y[:600]
    pipe = make_pipeline(ColumnTransformer([("s", p.StandardScaler(), list(range(30)))]), lm.LogisticRegression())
    search = GridSearchCV(pipe, {"logisticregression__C": [0.01, 1.0]}, n_jobs=2, cv=2).fit(A, y)
    assert search.best_score_ > 0.3
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(search.best_estimator_)).predict(A), search.predict(A))
    assert cross_val_score(clone(pipe), A, y, cv=2).shape == (2,)
    assert CalibratedClassifierCV(lm.LogisticRegression(), cv=2).fit(A, y).predict_proba(A).shape == (600, 4)
    assert "LogisticRegression" in search.best_estimator_._repr_html_()


def test_frames_in_and_out():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    columns = [f"c{i}" for i in range(37)]
    for kind, frame in (
        ("pandas", pandas.DataFrame(X[:50], columns=columns)),
        ("polars", polars.DataFrame(X[:50], schema=columns)),
    ):
        out = p.StandardScaler().set_output(transform=kind).fit_transform(frame)
        assert list(out.columns) == columns and type(out) is type(frame)
        assert lm.Ridge().fit(frame, X[:50, 0]).feature_names_in_.tolist() == columns


def test_interrupt_reaches_a_long_descent():
    import _thread
    import time

    y = X @ rng.standard_normal(37)
    A = np.cumsum(X, axis=1) + 1e-3 * X  # correlated: coordinate descent needs many rounds
    timer = threading.Timer(0.3, _thread.interrupt_main)
    start = time.monotonic()
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            lm.SGDRegressor(max_iter=10_000_000, tol=None, eta0=1e-6).fit(A, y)
        assert time.monotonic() - start < 3
    finally:
        timer.cancel()
