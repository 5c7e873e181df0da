"""Forests of trees and gradient boosting.

Examples
--------
>>> from corten.learn.ensemble import RandomForestClassifier
>>> forest = RandomForestClassifier(n_estimators=10, random_state=0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
>>> forest.predict([[2.9]])
array([1])
"""

from corten.learn.ensemble._forest import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from corten.learn.ensemble._hist import HistGradientBoostingClassifier, HistGradientBoostingRegressor

__all__ = [
    "ExtraTreesClassifier", "ExtraTreesRegressor", "HistGradientBoostingClassifier", "HistGradientBoostingRegressor",
    "RandomForestClassifier", "RandomForestRegressor",
]  # fmt: skip
