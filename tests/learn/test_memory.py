"""No matrix of all pairs is ever held: peak memory of fits whose pairs would take gigabytes, each in its own process."""

import subprocess
import sys

import pytest

# 8,000 rows: all pairs in float32 take 256 MB
FITS = {
    "SVC": "svm.SVC(cache_size=50, max_iter=500).fit(X, X[:, 0] + X[:, 1] > 0)",
    "SVC predict": "svm.SVC(cache_size=50).fit(X[:400], X[:400, 0] > 0).decision_function(X)",
    "DBSCAN": "cluster.DBSCAN(eps=1.5).fit(X)",
    "OPTICS": "cluster.OPTICS(cluster_method='dbscan', eps=1.0, max_eps=1.5).fit(X)",
    "brute": "neighbors.NearestNeighbors(algorithm='brute').fit(X).kneighbors(X[:3000])",
    "KMeans": "cluster.KMeans(50, n_init=1, max_iter=5).fit(X)",
    "GaussianMixture": "mixture.GaussianMixture(4, max_iter=3).fit(X)",
}
PROGRAM = """
import resource, warnings
import numpy as np
warnings.simplefilter("ignore")
from corten.learn import cluster, mixture, neighbors, svm
X = np.random.default_rng(0).standard_normal((8000, 8)).astype(np.float32)
svm.SVC().fit(X[:100], X[:100, 0] > 0)  # what is loaded on first use
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{fit}
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss in KB is Linux's")
@pytest.mark.parametrize("fit", FITS.values(), ids=list(FITS))
def test_pairs_are_never_held(fit):
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(fit=fit)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 150  # MB, of which the SVC's cache is 50
