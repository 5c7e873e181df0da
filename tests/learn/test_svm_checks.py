"""scikit-learn's estimator checks on the support vector machines."""

import pytest
import sklearn.svm
from sklearn.utils._test_common.instance_generator import PER_ESTIMATOR_XFAIL_CHECKS
from sklearn.utils.estimator_checks import parametrize_with_checks

from corten.learn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR, OneClassSVM


def expected(estimator):
    """What scikit-learn's own class fails as well."""
    return PER_ESTIMATOR_XFAIL_CHECKS.get(getattr(sklearn.svm, type(estimator).__name__), {})


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [
        LinearSVC(), LinearSVC(dual=True, loss="hinge"), LinearSVC(multi_class="crammer_singer"), LinearSVR(), SVC(), NuSVC(), SVR(),
        NuSVR(), OneClassSVM(), SVC(kernel="linear"),
    ],  # fmt: skip
    expected_failed_checks=expected,
)
def test_estimator(estimator, check):
    check(estimator)
