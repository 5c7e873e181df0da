"""scikit-learn's estimator checks on every estimator of corten.learn.decomposition."""

import pytest
from families import expected_failures, instances
from sklearn.utils.estimator_checks import parametrize_with_checks

from corten.learn import decomposition


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(instances(decomposition), expected_failed_checks=expected_failures)
def test_check(estimator, check):
    check(estimator)
