"""Ctrl-C ends a long fit within a second, in a process of its own, and leaves the process in working order."""

import subprocess
import sys
import time

import pytest

FITS = {
    "SVC": "svm.SVC(C=1e4, gamma=2.0, tol=1e-9).fit(X[:12000], noise[:12000])",
    "KMeans": "cluster.KMeans(200, max_iter=100000, tol=0, n_init=1000).fit(X)",
    "HistGradientBoosting": "ensemble.HistGradientBoostingRegressor(max_iter=100000, early_stopping=False).fit(X, X[:, 0])",
    "RandomForest": "ensemble.RandomForestClassifier(100000).fit(X, noise)",
    "LinearSVC": "svm.LinearSVC(C=1e6, tol=1e-12, max_iter=10**8, loss='hinge').fit(X, noise)",
    "DBSCAN": "cluster.DBSCAN(eps=3.0).fit(np.random.default_rng(0).standard_normal((100000, 20)))",
    "neighbours": "neighbors.NearestNeighbors(algorithm='brute').fit(wide()).kneighbors(wide())",
    "OPTICS": "cluster.OPTICS().fit(np.random.default_rng(0).random((100000, 12)))",
}
PROGRAM = """
import resource, signal, sys, time
import numpy as np
from corten.learn import cluster, ensemble, linear_model, neighbors, svm
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored
rng = np.random.default_rng(0)
X = rng.standard_normal((20000, 20))
noise = rng.integers(0, 2, len(X))
def wide():
    return np.random.default_rng(0).standard_normal((30000, 500), np.float32)
print("ready", flush=True)
try:
    {fit}
    print("finished")
except KeyboardInterrupt:
    print("interrupted", flush=True)
    time.sleep(0.2)  # until the other end has read the clock
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
y = X[:500, 0] > 0
assert svm.SVC().fit(X[:500], y).score(X[:500], y) > 0.9
assert ensemble.RandomForestClassifier(5).fit(X[:500], y).score(X[:500], y) > 0.9
print("works", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a child there")
@pytest.mark.parametrize("name", FITS)
def test_ctrl_c(name):
    import signal

    psutil = pytest.importorskip("psutil")
    child = subprocess.Popen([sys.executable, "-c", PROGRAM.format(fit=FITS[name])], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.5)
        assert child.poll() is None
        start, before = time.monotonic(), psutil.Process(child.pid).cpu_times()
        child.send_signal(signal.SIGINT)
        said = child.stdout.readline()
        took, after = time.monotonic() - start, psutil.Process(child.pid).cpu_times()
        rest, _ = child.communicate(timeout=60)
    finally:
        child.kill()
    assert said == "interrupted\n"
    work = after.user - before.user + after.system - before.system
    assert min(took, work) < 1.0  # on a machine that is busy with other things, the work done meanwhile tells
    assert rest == "works True\n"
