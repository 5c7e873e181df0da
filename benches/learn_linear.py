"""Rows C3, C4, C5 and C10: decompositions, linear models and one-row prediction against scikit-learn and its Intel
form.

``rows()`` yields ``(name, ours, peers, check)``: a callable, a dict of callables by name, and a function of both
results that
raises when they differ. ``python -m benches.learn_linear [part of a name ...]`` prints the ratios, interleaved.
"""

import functools
import statistics
import sys
import time
import warnings

import numpy as np
import sklearn.decomposition as sk_decomposition
import sklearn.linear_model as sk_linear
import sklearn.pipeline
import sklearn.preprocessing as sk_preprocessing

from corten.learn import decomposition, linear_model, preprocessing

KEYS = {"C3", "C4", "C5", "C10"}


def intel(path):
    """The class of scikit-learn-intelex, or None when it is not installed."""
    try:
        module = __import__(f"sklearnex.{path.rsplit('.', 1)[0]}", fromlist=["x"])
    except ImportError:
        return None
    return getattr(module, path.rsplit(".", 1)[1], None)


@functools.lru_cache(1)
def table(n, p, dtype, classes=0):
    """Correlated columns with means and scales of their own, and a target."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p), dtype=np.float32).astype(dtype)
    X[:, 1:] += dtype(0.5) * X[:, :-1]
    X *= rng.uniform(0.5, 2.0, p).astype(dtype)
    X += rng.standard_normal(p).astype(dtype)
    if classes:
        scores = X @ rng.standard_normal((p, classes)).astype(dtype) * dtype(0.3)
        return X, (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    return X, (X @ rng.standard_normal(p).astype(dtype) + rng.standard_normal(n)).astype(dtype)


def agree(attribute, tolerance):
    """A check that an attribute of two estimators agrees, relative to its largest element."""

    def check(ours, theirs):
        a, b = (np.asarray(getattr(e, attribute), dtype=np.float64) for e in (ours, theirs))
        worst = np.abs(a - b).max() / np.abs(b).max()
        assert worst <= tolerance, f"{attribute} differs by {worst:.2e}"

    return check


def fits(name, path, ours, data, check, **parameters):
    """A row that fits ours, scikit-learn's and Intel's class with the same parameters."""
    package, cls = path.split(".")
    theirs = {"sklearn": getattr(__import__(f"sklearn.{package}", fromlist=["x"]), cls), "intelex": intel(path)}
    peers = {k: functools.partial(_fit, c, parameters, data) for k, c in theirs.items() if c is not None}
    return name, functools.partial(_fit, ours, parameters, data), peers, check


def _fit(cls, parameters, data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cls(**parameters).fit(*data())


def rows():
    lm, sl = linear_model, sk_linear
    for dtype, name, loose in ((np.float64, "f64", 1e-8), (np.float32, "f32", 1e-3)):
        wide = functools.partial(table, 100_000, 100, dtype)
        yield fits(f"C3 PCA 100k x 100 to 10 {name}", "decomposition.PCA", decomposition.PCA, lambda d=wide: d()[:1],
                   agree("explained_variance_", loose), n_components=10)  # fmt: skip
        tall = functools.partial(_low_rank, 10_000, 2000, dtype)
        yield fits(f"C3 PCA randomized 10k x 2000 to 20 {name}", "decomposition.PCA", decomposition.PCA, tall,
                   # fmt: skip
                   agree("explained_variance_", 1e-4), n_components=20, svd_solver="randomized", random_state=0)
        labelled = functools.partial(table, 200_000, 100, dtype, 5)
        yield fits(f"C4 LogisticRegression 200k x 100, 5 classes {name}", "linear_model.LogisticRegression",
                   lm.LogisticRegression, labelled, _same_accuracy(labelled))  # fmt: skip
        big = functools.partial(table, 500_000, 100, dtype)
        yield fits(f"C5 LinearRegression 500k x 100 {name}", "linear_model.LinearRegression", lm.LinearRegression, big,
                   agree("coef_", loose))  # fmt: skip
        yield fits(f"C5 Ridge 500k x 100 {name}", "linear_model.Ridge", lm.Ridge, big, agree("coef_", loose))
        yield (f"C5 lasso_path 500k x 100 {name}", lambda d=big: lm.lasso_path(*d()),
               {"sklearn": lambda d=big: sl.lasso_path(*d())}, _same_path)  # fmt: skip
    yield from one_row()


@functools.lru_cache(1)
def _low_rank(n, p, dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 40)) @ (rng.standard_normal((40, p)) * np.geomspace(10, 1, 40)[:, None])
    return ((X + rng.standard_normal((n, p))).astype(dtype),)


def _same_accuracy(data):
    def check(ours, theirs):
        X, y = data()
        a, b = ours.score(X, y), theirs.score(X, y)
        assert a >= b - 1e-3, f"accuracy {a:.4f} against {b:.4f}"

    return check


def _same_path(ours, theirs):
    assert np.allclose(ours[0], theirs[0], rtol=1e-2)
    assert np.abs(ours[1] - theirs[1]).max() <= 2e-2 * np.abs(theirs[1]).max()


def one_row():
    X, y = table(2000, 30, np.float64, 3)
    row = np.ascontiguousarray(X[:1])
    pipe = sklearn.pipeline.make_pipeline

    def same(a, b):
        assert np.allclose(a, b)

    def repeated(function, count):
        def run():
            for _ in range(count):
                out = function(row)
            return out

        return run

    mine = linear_model.LogisticRegression(max_iter=1000).fit(X, y)
    theirs = sk_linear.LogisticRegression(max_iter=1000).fit(X, y)
    for method in ("predict", "predict_proba"):
        yield (
            f"C10 one row, logistic regression {method} (x 200)",
            repeated(getattr(mine, method), 200),
            {"sklearn": repeated(getattr(theirs, method), 200)},
            lambda a, b: np.testing.assert_allclose(a, b, atol=2e-3),
        )
    mine_pipe = pipe(preprocessing.StandardScaler(), linear_model.LogisticRegression(max_iter=1000)).fit(X, y)
    theirs_pipe = pipe(sk_preprocessing.StandardScaler(), sk_linear.LogisticRegression(max_iter=1000)).fit(X, y)
    yield ("C10 one row, scaler + logistic regression (x 200)", repeated(mine_pipe.predict, 200),
           {"sklearn": repeated(theirs_pipe.predict, 200)}, same)  # fmt: skip
    yield ("C10 one row, compiled logistic regression (x 200)", repeated(mine.compile(), 200),
           {"sklearn": repeated(theirs.predict, 200)}, same)  # fmt: skip
    a, b = decomposition.PCA(10).fit(X), sk_decomposition.PCA(10).fit(X)
    yield ("one row, PCA transform (x 200)", repeated(a.transform, 200), {"sklearn": repeated(b.transform, 200)}, same)


def measure(ours, peers, check, pairs=7, seconds=12.0):
    """Median and spread of peer time / ours for each peer, interleaved; ours in seconds too."""
    result = ours()
    for peer in peers.values():
        check(result, peer())
    ratios, times, end = {k: [] for k in peers}, [], time.perf_counter() + seconds
    while len(times) < 3 or (len(times) < pairs and time.perf_counter() < end):
        start = time.perf_counter()
        ours()
        times.append(time.perf_counter() - start)
        for k, peer in peers.items():
            start = time.perf_counter()
            peer()
            ratios[k].append((time.perf_counter() - start) / times[-1])
    return statistics.median(times), {k: (statistics.median(r), min(r), max(r), len(r)) for k, r in ratios.items()}


def main(parts):
    for name, ours, peers, check in rows():
        if parts and not any(p in name for p in parts):
            continue
        try:
            took, ratios = measure(ours, peers, check)
        except AssertionError as error:
            print(f"{name}: RESULTS DIFFER: {error}", flush=True)
            continue
        text = "  ".join(f"{k} {m:.2f} ({lo:.2f}-{hi:.2f}, {n} pairs)" for k, (m, lo, hi, n) in ratios.items())
        print(f"{name}: {took * 1e3:.2f} ms  {text}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
