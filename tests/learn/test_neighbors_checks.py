"""scikit-learn's estimator checks on the neighbour estimators."""

import pytest
import sklearn.neighbors
from sklearn.utils._test_common.instance_generator import PER_ESTIMATOR_XFAIL_CHECKS
from sklearn.utils.estimator_checks import parametrize_with_checks

from corten.learn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    NearestNeighbors,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)


def expected(estimator):
    """What scikit-learn's own class fails as well."""
    return PER_ESTIMATOR_XFAIL_CHECKS.get(getattr(sklearn.neighbors, type(estimator).__name__), {})


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [
        NearestNeighbors(),
        NearestNeighbors(algorithm="brute"),
        KNeighborsClassifier(),
        KNeighborsClassifier(algorithm="brute", weights="distance"),
        KNeighborsRegressor(),
        RadiusNeighborsClassifier(),
        RadiusNeighborsRegressor(),
    ],
    expected_failed_checks=expected,
)
def test_estimator(estimator, check):
    check(estimator)
