"""scikit-learn's estimator checks on the clusterers."""

import pytest
import sklearn.cluster
from sklearn.utils._test_common.instance_generator import PER_ESTIMATOR_XFAIL_CHECKS
from sklearn.utils.estimator_checks import parametrize_with_checks

from corten.learn.cluster import DBSCAN, OPTICS, AgglomerativeClustering, KMeans, MiniBatchKMeans


def expected(estimator):
    """What scikit-learn's own class fails as well."""
    return PER_ESTIMATOR_XFAIL_CHECKS.get(getattr(sklearn.cluster, type(estimator).__name__), {})


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [
        DBSCAN(),
        OPTICS(),
        AgglomerativeClustering(),
        AgglomerativeClustering(linkage="single"),
        AgglomerativeClustering(linkage="average"),
        KMeans(n_clusters=2, max_iter=5, n_init=2),
        KMeans(n_clusters=2, max_iter=5, n_init=2, algorithm="elkan"),
        MiniBatchKMeans(n_clusters=2, max_iter=5, n_init=2, batch_size=10),
    ],
    expected_failed_checks=expected,
)
def test_estimator(estimator, check):
    check(estimator)
