"""scikit-learn's estimator checks on every linear model."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from corten.learn import linear_model as lm

FAMILY = [getattr(lm, n)() for n in lm.__all__ if isinstance(getattr(lm, n), type)]
FAMILY += [lm.Ridge(solver="svd"), lm.LogisticRegression(solver="newton-cholesky"), lm.Lasso(selection="random", random_state=0)]


def expected_failures(estimator):
    """What scikit-learn declares for its own class of the same name."""
    from sklearn.utils._test_common.instance_generator import _get_expected_failed_checks

    theirs = next(c for c in type(estimator).__mro__ if c.__module__.startswith("sklearn.") and c.__name__ == type(estimator).__name__)
    return _get_expected_failed_checks(theirs(**estimator.get_params()))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::RuntimeWarning")
@parametrize_with_checks(FAMILY, expected_failed_checks=expected_failures)
def test_check(estimator, check):
    check(estimator)
