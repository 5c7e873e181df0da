"""scikit-learn's own checks of the estimator contract."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from corten.learn import ensemble


def expected(estimator):
    """What scikit-learn's own class is excused from: quantiles of weighted and of repeated rows differ."""
    return {"check_sample_weight_equivalence_on_dense_data": "bins are not the same"}


@parametrize_with_checks(
    [
        ensemble.HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5),
        ensemble.HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=5),
    ],
    expected_failed_checks=expected,
)
@pytest.mark.filterwarnings("ignore")
def test_contract(estimator, check):
    check(estimator)
