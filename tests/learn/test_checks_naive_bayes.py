"""scikit-learn's estimator checks on every estimator of corten.learn.naive_bayes."""

import pytest
from families import expected_failures, instances
from sklearn.utils.estimator_checks import parametrize_with_checks

from corten.learn import naive_bayes


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(instances(naive_bayes), expected_failed_checks=expected_failures)
def test_check(estimator, check):
    check(estimator)
