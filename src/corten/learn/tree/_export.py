"""Trees as text, Graphviz and pictures, drawn by scikit-learn's exporters."""

from corten.learn._base import from_sklearn, is_classifier

__all__ = ["export_graphviz", "export_text", "plot_tree"]


def _shell(decision_tree):
    """scikit-learn's class around our fitted attributes, for exporters that ask for the class."""
    cls = from_sklearn(f"tree.DecisionTree{'Classifier' if is_classifier(decision_tree) else 'Regressor'}")
    shell = cls()
    vars(shell).update(vars(decision_tree))
    return shell


def export_text(decision_tree, **options):
    """The rules of a fitted tree as indented text.

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
    return from_sklearn("tree.export_text")(_shell(decision_tree), **options)


def plot_tree(decision_tree, **options):
    """A picture of a fitted tree in matplotlib; returns the list of its annotations.

    Options are those of :func:`sklearn.tree.plot_tree`.
    """
    return from_sklearn("tree.plot_tree")(_shell(decision_tree), **options)


def export_graphviz(decision_tree, out_file=None, **options):
    """A fitted tree in the DOT language: a string, or None after writing it to ``out_file``.

    Options are those of :func:`sklearn.tree.export_graphviz`.
    """
    return from_sklearn("tree.export_graphviz")(_shell(decision_tree), out_file, **options)
