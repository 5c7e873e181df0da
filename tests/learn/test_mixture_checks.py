"""scikit-learn's estimator checks on the mixtures."""

import pytest
import sklearn.mixture
from sklearn.utils._test_common.instance_generator import PER_ESTIMATOR_XFAIL_CHECKS
from sklearn.utils.estimator_checks import parametrize_with_checks

from corten.learn.mixture import GaussianMixture


def expected(estimator):
    """What scikit-learn's own class fails as well."""
    return PER_ESTIMATOR_XFAIL_CHECKS.get(getattr(sklearn.mixture, type(estimator).__name__), {})


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [GaussianMixture(), GaussianMixture(n_components=2, covariance_type="diag")], expected_failed_checks=expected
)
def test_estimator(estimator, check):
    check(estimator)
