"""Trees as text, Graphviz and pictures, drawn by scikit-learn's exporters."""

import re

import numpy as np

from corten.learn._base import from_sklearn, is_classifier

__all__ = ["export_graphviz", "export_text", "plot_tree"]


def _shell(decision_tree):
    """scikit-learn's class around our fitted attributes, for exporters that ask for the class."""
    cls = from_sklearn(f"tree.DecisionTree{'Classifier' if is_classifier(decision_tree) else 'Regressor'}")
    shell = cls()
    vars(shell).update(vars(decision_tree))
    return shell


class _Set(float):
    """A threshold that is written as a set of categories."""

    names = ()

    def __format__(self, spec):
        return "{" + ", ".join(map(str, self.names)) + "}"


class _NamedSets:
    """A tree whose thresholds are sets at categorical nodes."""

    def __init__(self, decision_tree):
        self._tree = decision_tree.tree_
        self.threshold = list(self._tree.threshold)
        names = iter(decision_tree._codes.encoder.categories_)
        names = [next(names) if kind else () for kind in decision_tree.is_categorical_]
        for node in np.flatnonzero(self._tree.categorical):
            codes = names[self._tree.feature[node]]
            goes = self._tree.goes_left(node, np.arange(len(codes), dtype=float))
            self.threshold[node] = _Set()
            self.threshold[node].names = [c for c, left in zip(codes, goes, strict=True) if left and c == c]

    def __getattr__(self, name):
        return getattr(self._tree, name)


def _only_numbers(decision_tree, owner):
    if getattr(decision_tree, "_codes", None) is not None:
        raise ValueError(f"[{owner}] got a tree with categorical features, which export_text can show, expected one without")


def export_text(decision_tree, **options):
    """The rules of a fitted tree as indented text; a split of categories reads ``name in {a, b}``.

    Parameters
    ----------
    decision_tree : DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier or ExtraTreeRegressor
    **options
        As for :func:`sklearn.tree.export_text`: ``feature_names``, ``class_names``, ``max_depth``, ``spacing``,
        ``decimals``, ``show_weights``.

    Returns
    -------
    str

    Examples
    --------
    >>> from corten.learn.tree import DecisionTreeClassifier, export_text
    >>> tree = DecisionTreeClassifier().fit([[0.0], [1.0]], ["no", "yes"])
    >>> print(export_text(tree))
    |--- feature_0 <= 0.50
    |   |--- class: no
    |--- feature_0 >  0.50
    |   |--- class: yes
    <BLANKLINE>
    """
    shell = _shell(decision_tree)
    if getattr(decision_tree, "_codes", None) is None:
        return from_sklearn("tree.export_text")(shell, **options)
    shell.tree_ = _NamedSets(decision_tree)
    text = from_sklearn("tree.export_text")(shell, **options)
    return re.sub(r"(<=|> ) (?=\{)", lambda sign: "in " if sign[1] == "<=" else "not in ", text)


def plot_tree(decision_tree, **options):
    """A picture of a fitted tree in matplotlib; returns the list of its annotations.

    Options are those of :func:`sklearn.tree.plot_tree`.
    """
    _only_numbers(decision_tree, "plot_tree")
    return from_sklearn("tree.plot_tree")(_shell(decision_tree), **options)


def export_graphviz(decision_tree, out_file=None, **options):
    """A fitted tree in the DOT language: a string, or None after writing it to ``out_file``.

    Options are those of :func:`sklearn.tree.export_graphviz`.
    """
    _only_numbers(decision_tree, "export_graphviz")
    return from_sklearn("tree.export_graphviz")(_shell(decision_tree), out_file, **options)
