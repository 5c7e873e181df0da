"""Bad and odd input: the same kind of error as scikit-learn's class, or a result of the same shape and finiteness."""

import importlib
import warnings

import numpy as np
import pytest
import scipy.sparse as sp

rng = np.random.default_rng(0)
N, P = 40, 5
GOOD = np.abs(rng.standard_normal((N, P))) + 0.1
CLASSES = np.arange(N) % 3
NUMBERS = GOOD @ np.arange(1.0, P + 1)

ESTIMATORS = {
    "linear_model.LinearRegression": {}, "linear_model.Ridge": {}, "linear_model.Lasso": {"alpha": 0.01},
    "linear_model.ElasticNet": {"alpha": 0.01}, "linear_model.LogisticRegression": {}, "linear_model.RidgeClassifier": {},
    "linear_model.SGDClassifier": {"random_state": 0}, "linear_model.SGDRegressor": {"random_state": 0},
    "linear_model.Perceptron": {"random_state": 0},
    "cluster.KMeans": {"n_clusters": 3, "random_state": 0}, "cluster.MiniBatchKMeans": {"n_clusters": 3, "random_state": 0},
    "cluster.DBSCAN": {}, "cluster.OPTICS": {}, "cluster.AgglomerativeClustering": {},
    "mixture.GaussianMixture": {"n_components": 2, "random_state": 0},
    "decomposition.PCA": {"n_components": 2}, "decomposition.TruncatedSVD": {"random_state": 0},
    "tree.DecisionTreeClassifier": {"random_state": 0}, "tree.DecisionTreeRegressor": {"random_state": 0},
    "ensemble.RandomForestClassifier": {"n_estimators": 3, "random_state": 0},
    "ensemble.RandomForestRegressor": {"n_estimators": 3, "random_state": 0},
    "ensemble.HistGradientBoostingClassifier": {"max_iter": 2}, "ensemble.HistGradientBoostingRegressor": {"max_iter": 2},
    "svm.SVC": {}, "svm.SVR": {}, "svm.LinearSVC": {"random_state": 0}, "svm.OneClassSVM": {},
    "neighbors.KNeighborsClassifier": {"n_neighbors": 3}, "neighbors.KNeighborsRegressor": {"n_neighbors": 3},
    "neighbors.NearestNeighbors": {"n_neighbors": 3},
    "naive_bayes.GaussianNB": {}, "naive_bayes.MultinomialNB": {}, "naive_bayes.BernoulliNB": {},
    "preprocessing.StandardScaler": {}, "preprocessing.MinMaxScaler": {}, "preprocessing.RobustScaler": {},
    "impute.SimpleImputer": {}, "impute.KNNImputer": {},
}  # fmt: skip


def with_value(value, dtype=np.float64):
    X = GOOD.astype(dtype)
    X[7, 2] = value
    return X


def odd_csr(kind):
    X = sp.csr_matrix(np.where(GOOD > 0.8, GOOD, 0))
    if kind == "unsorted":
        for i in range(N):
            part = slice(X.indptr[i], X.indptr[i + 1])
            X.indices[part], X.data[part] = X.indices[part][::-1].copy(), X.data[part][::-1].copy()
        X.has_sorted_indices = False
    elif kind == "64-bit":
        X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    elif kind == "duplicates":
        X = sp.csr_matrix((np.repeat(X.data / 2, 2), np.repeat(X.indices, 2), X.indptr * 2), shape=X.shape)
    elif kind == "NaN":
        X.data[3] = np.nan
    return X


INPUTS = {
    "NaN": (with_value(np.nan), None), "infinity": (with_value(np.inf), None), "minus infinity": (with_value(-np.inf), None),
    "float32 NaN": (with_value(np.nan, np.float32), None), "beyond float32": (with_value(1e39), None),
    "one dimension": (GOOD[:, 0], None), "three dimensions": (GOOD.reshape(N, P, 1), None), "a number": (3.0, None),
    "no rows": (GOOD[:0], slice(0)), "no columns": (GOOD[:, :0], None), "one row": (GOOD[:1], slice(1)),
    "fewer labels": (GOOD, slice(N - 1)), "strings": (np.full((N, P), "a"), None), "complex": (GOOD + 1j, None),
    "constant columns": (np.ones((N, P)), None), "two distinct rows": (GOOD[np.arange(N) % 2], None),
    "integers": ((GOOD * 10).astype(int), None), "lists": (GOOD.tolist(), None), "Fortran order": (np.asfortranarray(GOOD), None),
    "not contiguous": (np.repeat(GOOD, 2, axis=1)[:, ::2], None), "read-only": (GOOD, None), "huge": (GOOD * 1e150, None),
    "CSR unsorted": (odd_csr("unsorted"), None), "CSR with 64-bit indices": (odd_csr("64-bit"), None),
    "CSR with duplicates": (odd_csr("duplicates"), None), "CSR with NaN": (odd_csr("NaN"), None),
    "one class": (GOOD, "one class"), "NaN in y": (GOOD, "NaN"), "y in two columns": (GOOD, "columns"), "no y": (GOOD, "none"),
}  # fmt: skip
INPUTS["read-only"][0].flags.writeable = False


# Dense input only, by design: scikit-learn's own error for estimators without sparse support.
DENSE = ("cluster.DBSCAN", "cluster.OPTICS", "tree.", "ensemble.RandomForest", "neighbors.")
# liblinear does not come back from values of 1e150.
ENDLESS = {("svm.LinearSVC", "huge")}


def targets(cls, kind):
    y = CLASSES if any(base.__name__ == "ClassifierMixin" for base in cls.__mro__) else NUMBERS
    if kind is None:
        return y
    if isinstance(kind, slice):
        return y[kind]
    if kind == "one class":
        return np.zeros_like(y)
    if kind == "NaN":
        return np.where(np.arange(N) == 3, np.nan, y)
    return np.c_[y, y] if kind == "columns" else None


def outcome(path, library, X, kind):
    """An exception's type, or the results of everything that the class does after a fit."""
    module, name = path.split(".")
    cls = getattr(importlib.import_module(f"{library}.{module}"), name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = cls(**ESTIMATORS[path]).fit(X, targets(cls, kind))
            found = {}
            for method in ("predict", "transform", "decision_function", "kneighbors"):
                if hasattr(model, method):
                    found[method] = getattr(model, method)(X)
            if hasattr(model, "labels_"):
                found["labels"] = model.labels_
        except Exception as error:
            return type(error)
    return found


def described(found):
    """What the two outcomes have to share."""
    if isinstance(found, type):
        return found.__name__
    out = {}
    for name, value in found.items():
        value = value[0] if isinstance(value, tuple) else value
        value = value.toarray() if sp.issparse(value) else np.asarray(value)
        out[name] = (value.shape, value.dtype.kind, bool(np.isfinite(value).all()) if value.dtype.kind == "f" else True)
    return out


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", ESTIMATORS)
def test_as_scikit_learn(path):
    differences = {}
    for name, (X, kind) in INPUTS.items():
        if name.startswith("CSR") and path.startswith(DENSE):
            if outcome(path, "corten.learn", X, kind) is not TypeError:
                differences[name] = "no TypeError"
            continue
        if (path, name) in ENDLESS:
            continue
        ours, theirs = (described(outcome(path, library, X, kind)) for library in ("corten.learn", "sklearn"))
        if ours != theirs:
            differences[name] = (ours, theirs)
    assert not differences


@pytest.mark.parametrize("path", [
    "linear_model.Ridge", "linear_model.LogisticRegression", "svm.SVC", "svm.LinearSVC", "cluster.KMeans",
    "naive_bayes.MultinomialNB", "decomposition.TruncatedSVD", "preprocessing.StandardScaler",
])  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_odd_csr_is_the_same_data(path):
    """Unsorted and 64-bit indices change nothing in the result, or are refused as scikit-learn refuses them."""
    settings = {"with_mean": False} if path.endswith("StandardScaler") else {}
    module, name = path.split(".")
    cls = getattr(importlib.import_module(f"corten.learn.{module}"), name)
    y = NUMBERS if name == "Ridge" else CLASSES
    plain = cls(**ESTIMATORS.get(path, {}), **settings).fit(odd_csr("plain"), y)
    for kind in ("unsorted", "64-bit"):
        X = odd_csr(kind)
        if kind == "64-bit" and name in ("LinearSVC", "SVC", "KMeans"):
            with pytest.raises(ValueError, match="32-bit integer indices"):
                cls(**ESTIMATORS.get(path, {}), **settings).fit(X, y)
            continue
        before = (X.indices.copy(), X.data.copy())
        odd = cls(**ESTIMATORS.get(path, {}), **settings).fit(X, y)
        method = "transform" if hasattr(cls, "transform") and not hasattr(cls, "predict") else "predict"
        a, b = getattr(odd, method)(X), getattr(plain, method)(X)
        if sp.issparse(a):
            a, b = a.toarray(), b.toarray()
        np.testing.assert_allclose(a, b, rtol=1e-9)
        np.testing.assert_array_equal(X.indices, before[0])  # the caller's matrix is left as it is
        np.testing.assert_array_equal(X.data, before[1])


def test_messages_name_the_estimator_and_the_fault():
    from corten.learn import cluster, svm

    with pytest.raises(ValueError, match="n_samples=2 should be >= n_clusters=3"):
        cluster.KMeans(3).fit(GOOD[:2])
    with pytest.raises(ValueError, match="Input X contains NaN.\nSVC does not accept missing values"):
        svm.SVC().fit(with_value(np.nan), CLASSES)
    with pytest.warns(match="Number of distinct clusters \\(2\\) found smaller than n_clusters \\(3\\)"):
        cluster.KMeans(3, random_state=0).fit(GOOD[np.arange(N) % 2])


def test_empty_clusters_are_given_points():
    """A start far from all points leaves clusters empty; they take the farthest points, as in scikit-learn."""
    import sklearn.cluster

    from corten.learn import cluster

    start = np.vstack([GOOD[:2], np.full((2, P), 1e3)])
    ours, theirs = (m.KMeans(4, init=start, n_init=1).fit(GOOD) for m in (cluster, sklearn.cluster))
    assert np.unique(ours.labels_).size == 4
    assert ours.inertia_ == pytest.approx(theirs.inertia_)
