"""Decision trees, grown exactly on ranked columns.

Examples
--------
>>> from corten.learn.tree import DecisionTreeRegressor
>>> DecisionTreeRegressor(max_depth=1).fit([[0.0], [1.0], [2.0]], [0.0, 0.0, 3.0]).predict([[5.0]])
array([3.])
"""

from corten.learn.tree._base import BaseDecisionTree
from corten.learn.tree._classes import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)
from corten.learn.tree._export import export_graphviz, export_text, plot_tree

__all__ = [
    "BaseDecisionTree", "DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor",
    "export_graphviz", "export_text", "plot_tree",
]  # fmt: skip
