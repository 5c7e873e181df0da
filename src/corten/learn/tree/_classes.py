"""Decision trees and extremely randomized trees."""

from corten.learn.tree._base import TreeClassifier, TreeRegressor, plain_criterion
from corten.learn.tree._categories import CATEGORICAL

__all__ = ["DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor"]

_SHARED_PARAMETERS = """criterion : {criteria}
        What a split is judged by.
    splitter : {{"best", "random"}}, default="{splitter}"
        Search all thresholds of a column, or draw one.
    max_depth : int or None
        Most splits between the root and a leaf.
    min_samples_split, min_samples_leaf : int or float
        Fewest rows of a node that is split, and of a leaf; a float is a fraction of the rows.
    min_weight_fraction_leaf : float
        Smallest fraction of the total weight in a leaf.
    max_features : int, float, "sqrt", "log2" or None
        How many columns are drawn at each split.
    random_state : int, RandomState or None
        Draws columns, thresholds and the order of ties.
    max_leaf_nodes : int or None
        Grow best-first up to so many leaves.
    min_impurity_decrease : float
        Smallest weighted impurity decrease of a split.
    ccp_alpha : float
        Minimal cost-complexity pruning after growing.
    monotonic_cst : array-like of -1, 0, 1 or None
        Constraint of each feature."""
_CATEGORY_PARAMETER = """categorical_features : array-like of bool, int or str, "from_dtype" or None, default=None
        Which columns hold categories (at most 256 each, of any type): a mask, indices, names, or those that a frame says
        are categorical. Categories that the training rows lacked are treated as missing. With one output.
        scikit-learn's trees have no such parameter; it means what it means for its gradient boosting."""


class DecisionTreeClassifier(TreeClassifier):
    """A decision tree for classes, as scikit-learn's, grown on ranked columns by several threads.

    The split search is exact: with all features it finds scikit-learn's tree wherever the best split is unique. The tree
    is the same for any number of threads. Categories are split into two sets: of two classes the best of all sets is
    found, of more the best that separates any one class.

    Parameters
    ----------
    {shared}
    class_weight : dict, list of dict, "balanced" or None
    {categories}

    Attributes
    ----------
    classes_, n_classes_, n_features_in_, n_outputs_, max_features_, feature_importances_
        As in scikit-learn.
    is_categorical_ : ndarray of bool of shape (n_features,), or None
    tree_ : Tree
        The nodes as arrays.

    References
    ----------
    Breiman, Friedman, Olshen, Stone, Classification and Regression Trees, 1984.

    Examples
    --------
    >>> from corten.learn.tree import DecisionTreeClassifier
    >>> tree = DecisionTreeClassifier(random_state=0).fit([[0.0], [1.0], [2.0]], [0, 1, 1])
    >>> tree.predict_proba([[0.4]])
    array([[1., 0.]])
    """

    _parameter_constraints = {**TreeClassifier._parameter_constraints, **CATEGORICAL}

    def __init__(self, *, criterion="gini", splitter="best", max_depth=None, min_samples_split=2, min_samples_leaf=1,
                 min_weight_fraction_leaf=0.0, max_features=None, random_state=None, max_leaf_nodes=None,
                 min_impurity_decrease=0.0, class_weight=None, ccp_alpha=0.0, monotonic_cst=None, categorical_features=None):  # fmt: skip
        self.criterion = criterion
        self.splitter = splitter
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.random_state = random_state
        self.max_leaf_nodes = max_leaf_nodes
        self.min_impurity_decrease = min_impurity_decrease
        self.class_weight = class_weight
        self.ccp_alpha = ccp_alpha
        self.monotonic_cst = monotonic_cst
        self.categorical_features = categorical_features


class ExtraTreeClassifier(TreeClassifier):
    """An extremely randomized tree for classes: one random threshold for each drawn column, or
    one random set of its categories.

    Parameters
    ----------
    {shared}
    class_weight : dict, list of dict, "balanced" or None
    {categories}

    Attributes
    ----------
    classes_, n_classes_, n_features_in_, n_outputs_, max_features_, feature_importances_, tree_
        As in :class:`DecisionTreeClassifier`.

    References
    ----------
    Geurts, Ernst, Wehenkel, Extremely randomized trees, Machine Learning 63, 2006.

    Examples
    --------
    >>> from corten.learn.tree import ExtraTreeClassifier
    >>> ExtraTreeClassifier(random_state=0).fit([[0.0], [1.0]], ["a", "b"]).predict([[1.0]])
    array(['b'], dtype='<U1')
    """

    _parameter_constraints = {**TreeClassifier._parameter_constraints, **CATEGORICAL}

    def __init__(self, *, criterion="gini", splitter="random", max_depth=None, min_samples_split=2, min_samples_leaf=1,
                 min_weight_fraction_leaf=0.0, max_features="sqrt", random_state=None, max_leaf_nodes=None,
                 min_impurity_decrease=0.0, class_weight=None, ccp_alpha=0.0, monotonic_cst=None, categorical_features=None):  # fmt: skip
        self.criterion = criterion
        self.splitter = splitter
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.random_state = random_state
        self.max_leaf_nodes = max_leaf_nodes
        self.min_impurity_decrease = min_impurity_decrease
        self.class_weight = class_weight
        self.ccp_alpha = ccp_alpha
        self.monotonic_cst = monotonic_cst
        self.categorical_features = categorical_features


class DecisionTreeRegressor(TreeRegressor):
    """A decision tree for numbers, as scikit-learn's, grown on ranked columns by several threads.

    Categories are split into two sets, for the squared error the best of all; for the other criteria the best cut of the
    categories in the order of their means.

    Parameters
    ----------
    {shared}
    {categories}

    Attributes
    ----------
    n_features_in_, n_outputs_, max_features_, feature_importances_
        As in scikit-learn.
    is_categorical_ : ndarray of bool of shape (n_features,), or None
    tree_ : Tree
        The nodes as arrays.

    Notes
    -----
    ``criterion="absolute_error"`` takes one output.

    Examples
    --------
    >>> from corten.learn.tree import DecisionTreeRegressor
    >>> DecisionTreeRegressor(random_state=0).fit([[0.0], [1.0]], [3.0, 5.0]).predict([[0.2]])
    array([3.])
    """

    _parameter_constraints = {**TreeRegressor._parameter_constraints, **CATEGORICAL}

    def __init__(self, *, criterion="squared_error", splitter="best", max_depth=None, min_samples_split=2,
                 min_samples_leaf=1, min_weight_fraction_leaf=0.0, max_features=None, random_state=None,
                 max_leaf_nodes=None, min_impurity_decrease=0.0, ccp_alpha=0.0, monotonic_cst=None, categorical_features=None):  # fmt: skip
        self.criterion = plain_criterion(criterion)
        self.splitter = splitter
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.random_state = random_state
        self.max_leaf_nodes = max_leaf_nodes
        self.min_impurity_decrease = min_impurity_decrease
        self.ccp_alpha = ccp_alpha
        self.monotonic_cst = monotonic_cst
        self.categorical_features = categorical_features


class ExtraTreeRegressor(TreeRegressor):
    """An extremely randomized tree for numbers: one random threshold for each drawn column, or
    one random set of its categories.

    Parameters
    ----------
    {shared}
    {categories}

    Attributes
    ----------
    n_features_in_, n_outputs_, max_features_, feature_importances_, tree_
        As in :class:`DecisionTreeRegressor`.

    Examples
    --------
    >>> from corten.learn.tree import ExtraTreeRegressor
    >>> ExtraTreeRegressor(random_state=0).fit([[0.0], [1.0]], [3.0, 5.0]).predict([[1.0]])
    array([5.])
    """

    _parameter_constraints = {**TreeRegressor._parameter_constraints, **CATEGORICAL}

    def __init__(self, *, criterion="squared_error", splitter="random", max_depth=None, min_samples_split=2,
                 min_samples_leaf=1, min_weight_fraction_leaf=0.0, max_features=1.0, random_state=None,
                 min_impurity_decrease=0.0, max_leaf_nodes=None, ccp_alpha=0.0, monotonic_cst=None, categorical_features=None):  # fmt: skip
        self.criterion = plain_criterion(criterion)
        self.splitter = splitter
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.random_state = random_state
        self.max_leaf_nodes = max_leaf_nodes
        self.min_impurity_decrease = min_impurity_decrease
        self.ccp_alpha = ccp_alpha
        self.monotonic_cst = monotonic_cst
        self.categorical_features = categorical_features


for _class, _criteria, _splitter in (
    (DecisionTreeClassifier, '{"gini", "entropy", "log_loss"}, default="gini"', "best"),
    (ExtraTreeClassifier, '{"gini", "entropy", "log_loss"}, default="gini"', "random"),
    (DecisionTreeRegressor, '{"squared_error", "absolute_error", "poisson"}, default="squared_error"', "best"),
    (ExtraTreeRegressor, '{"squared_error", "absolute_error", "poisson"}, default="squared_error"', "random"),
):
    if _class.__doc__:
        _shared = _SHARED_PARAMETERS.format(criteria=_criteria, splitter=_splitter)
        _class.__doc__ = _class.__doc__.replace("{shared}", _shared).replace("{categories}", _CATEGORY_PARAMETER)
