"""scikit-learn's estimator checks on every estimator of corten.learn.covariance."""

import pytest
from families import expected_failures, instances
from sklearn.utils.estimator_checks import parametrize_with_checks

from corten.learn import covariance


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(instances(covariance), expected_failed_checks=expected_failures)
def test_check(estimator, check):
    check(estimator)
