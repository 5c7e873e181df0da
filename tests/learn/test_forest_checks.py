"""scikit-learn's own checks of the estimator contract."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from corten.learn import ensemble


def expected(estimator):
    """What scikit-learn's own class is excused from: weights steer the bootstrap and are not repetitions."""
    if estimator.bootstrap:
        return {"check_sample_weight_equivalence_on_dense_data": "rows are drawn by their weight"}
    return {}


@parametrize_with_checks(
    [
        ensemble.RandomForestClassifier(n_estimators=5),
        ensemble.RandomForestRegressor(n_estimators=5),
        ensemble.ExtraTreesClassifier(n_estimators=5),
        ensemble.ExtraTreesRegressor(n_estimators=5),
    ],
    expected_failed_checks=expected,
)
@pytest.mark.filterwarnings("ignore")
def test_contract(estimator, check):
    check(estimator)
