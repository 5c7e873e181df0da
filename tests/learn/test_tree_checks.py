"""scikit-learn's own checks of the estimator contract."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from corten.learn import tree


@parametrize_with_checks(
    [tree.DecisionTreeClassifier(), tree.DecisionTreeRegressor(), tree.ExtraTreeClassifier(), tree.ExtraTreeRegressor()]
)
@pytest.mark.filterwarnings("ignore")
def test_contract(estimator, check):
    check(estimator)
