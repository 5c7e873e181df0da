"""Random forests and extremely randomized trees."""

from corten.learn._base import constraints
from corten.learn.ensemble._forest_base import ForestClassifier, ForestRegressor
from corten.learn.tree._base import plain_criterion
from corten.learn.tree._categories import CATEGORICAL
from corten.learn.tree._classes import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

__all__ = ["ExtraTreesClassifier", "ExtraTreesRegressor", "RandomForestClassifier", "RandomForestRegressor"]


class RandomForestClassifier(ForestClassifier):
    """A random forest for classes: trees on bootstrap samples, a few random columns at each split.

    The split search is exact: no histogram stands in for the values. Trees grow in parallel, and the forest is the same
    for any number of threads.

    Parameters
    ----------
    n_estimators : int, default=100
        Number of trees.
    criterion : {"gini", "entropy", "log_loss"}, default="gini"
        What a split is judged by.
    max_depth : int or None
        Most splits between the root and a leaf.
    min_samples_split, min_samples_leaf : int or float
        Fewest rows of a node that is split, and of a leaf; a float is a fraction of the rows.
    min_weight_fraction_leaf : float
        Smallest fraction of the total weight in a leaf.
    max_features : int, float, "sqrt", "log2" or None, default="sqrt"
        How many columns are drawn at each split.
    max_leaf_nodes : int or None
        Grow each tree best-first up to so many leaves.
    min_impurity_decrease : float
        Smallest weighted impurity decrease of a split.
    bootstrap : bool, default=True
        Draw rows with replacement for each tree.
    oob_score : bool or callable
        Score the forest on the rows that trees did not see.
    n_jobs : int or None
        Threads; None takes as many as ``corten.set_num_threads`` allows. The result does not depend on it.
    random_state : int, RandomState or None
        The bootstrap samples are scikit-learn's for the same state; the columns drawn are not.
    verbose : int
        1 prints progress, 2 every tree.
    warm_start : bool
        Keep the trees of the last fit and add more.
    class_weight : dict, list of dict, "balanced", "balanced_subsample" or None
    ccp_alpha : float
        Minimal cost-complexity pruning of each tree.
    max_samples : int, float or None
        Rows of a bootstrap sample.
    monotonic_cst : array-like of -1, 0, 1 or None
        Constraint of each feature.
    categorical_features : array-like of bool, int or str, "from_dtype" or None, default=None
        Which columns hold categories (at most 256 each, of any type): a mask, indices, names, or those that a frame says
        are categorical. Categories that the training rows lacked are treated as missing. With one output. scikit-learn's
        forests have no such parameter; it means what it means for its gradient boosting.

    Attributes
    ----------
    estimators_ : list of DecisionTreeClassifier
    classes_, n_classes_, n_features_in_, n_outputs_, feature_importances_, oob_score_, oob_decision_function_
        As in scikit-learn.

    References
    ----------
    Breiman, Random forests, Machine Learning 45, 2001.

    Examples
    --------
    >>> from corten.learn.ensemble import RandomForestClassifier
    >>> model = RandomForestClassifier(n_estimators=20, random_state=0)
    >>> model.fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]).predict([[0.1], [2.9]])
    array([0, 1])
    """

    _tree = DecisionTreeClassifier
    _parameter_constraints = {**constraints("ensemble.RandomForestClassifier"), **CATEGORICAL}

    def __init__(self, n_estimators=100, *, criterion="gini", max_depth=None, min_samples_split=2,
                 min_samples_leaf=1, min_weight_fraction_leaf=0.0, max_features="sqrt", max_leaf_nodes=None,
                 min_impurity_decrease=0.0, bootstrap=True, oob_score=False, n_jobs=None, random_state=None,
                 verbose=0, warm_start=False, class_weight=None, ccp_alpha=0.0, max_samples=None,
                 monotonic_cst=None, categorical_features=None):  # fmt: skip
        self.n_estimators = n_estimators
        self.criterion = criterion
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.max_leaf_nodes = max_leaf_nodes
        self.min_impurity_decrease = min_impurity_decrease
        self.bootstrap = bootstrap
        self.oob_score = oob_score
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.class_weight = class_weight
        self.ccp_alpha = ccp_alpha
        self.max_samples = max_samples
        self.monotonic_cst = monotonic_cst
        self.categorical_features = categorical_features


class RandomForestRegressor(ForestRegressor):
    """A random forest for numbers: the mean of trees on bootstrap samples.

    The split search is exact: no histogram stands in for the values. Trees grow in parallel, and the forest is the same
    for any number of threads.

    Parameters
    ----------
    n_estimators : int, default=100
        Number of trees.
    criterion : {"squared_error", "absolute_error", "poisson"}, default="squared_error"
        What a split is judged by.
    max_depth : int or None
        Most splits between the root and a leaf.
    min_samples_split, min_samples_leaf : int or float
        Fewest rows of a node that is split, and of a leaf; a float is a fraction of the rows.
    min_weight_fraction_leaf : float
        Smallest fraction of the total weight in a leaf.
    max_features : int, float, "sqrt", "log2" or None, default=1.0
        How many columns are drawn at each split.
    max_leaf_nodes : int or None
        Grow each tree best-first up to so many leaves.
    min_impurity_decrease : float
        Smallest weighted impurity decrease of a split.
    bootstrap : bool, default=True
        Draw rows with replacement for each tree.
    oob_score : bool or callable
        Score the forest on the rows that trees did not see.
    n_jobs : int or None
        Threads; None takes as many as ``corten.set_num_threads`` allows. The result does not depend on it.
    random_state : int, RandomState or None
        The bootstrap samples are scikit-learn's for the same state; the columns drawn are not.
    verbose : int
        1 prints progress, 2 every tree.
    warm_start : bool
        Keep the trees of the last fit and add more.
    ccp_alpha : float
        Minimal cost-complexity pruning of each tree.
    max_samples : int, float or None
        Rows of a bootstrap sample.
    monotonic_cst : array-like of -1, 0, 1 or None
        Constraint of each feature.
    categorical_features : array-like of bool, int or str, "from_dtype" or None, default=None
        Which columns hold categories (at most 256 each, of any type): a mask, indices, names, or those that a frame says
        are categorical. Categories that the training rows lacked are treated as missing. With one output. scikit-learn's
        forests have no such parameter; it means what it means for its gradient boosting.

    Attributes
    ----------
    estimators_ : list of DecisionTreeRegressor
    n_features_in_, n_outputs_, feature_importances_, oob_score_, oob_prediction_
        As in scikit-learn.

    References
    ----------
    Breiman, Random forests, Machine Learning 45, 2001.

    Examples
    --------
    >>> from corten.learn.ensemble import RandomForestRegressor
    >>> model = RandomForestRegressor(n_estimators=20, random_state=0)
    >>> model.fit([[0.0], [1.0], [2.0], [3.0]], [1.0, 1.0, 1.0, 1.0]).predict([[2.9]])
    array([1.])
    """

    _tree = DecisionTreeRegressor
    _parameter_constraints = {**constraints("ensemble.RandomForestRegressor"), **CATEGORICAL}

    def __init__(self, n_estimators=100, *, criterion="squared_error", max_depth=None, min_samples_split=2,
                 min_samples_leaf=1, min_weight_fraction_leaf=0.0, max_features=1.0, max_leaf_nodes=None,
                 min_impurity_decrease=0.0, bootstrap=True, oob_score=False, n_jobs=None, random_state=None,
                 verbose=0, warm_start=False, ccp_alpha=0.0, max_samples=None,
                 monotonic_cst=None, categorical_features=None):  # fmt: skip
        self.n_estimators = n_estimators
        self.criterion = plain_criterion(criterion)
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.max_leaf_nodes = max_leaf_nodes
        self.min_impurity_decrease = min_impurity_decrease
        self.bootstrap = bootstrap
        self.oob_score = oob_score
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.ccp_alpha = ccp_alpha
        self.max_samples = max_samples
        self.monotonic_cst = monotonic_cst
        self.categorical_features = categorical_features


class ExtraTreesClassifier(ForestClassifier):
    """Extremely randomized trees for classes: one random threshold for each drawn column,
    or one random set of its categories.

    The forest is the same for any number of threads.

    Parameters
    ----------
    n_estimators : int, default=100
        Number of trees.
    criterion : {"gini", "entropy", "log_loss"}, default="gini"
        What a split is judged by.
    max_depth : int or None
        Most splits between the root and a leaf.
    min_samples_split, min_samples_leaf : int or float
        Fewest rows of a node that is split, and of a leaf; a float is a fraction of the rows.
    min_weight_fraction_leaf : float
        Smallest fraction of the total weight in a leaf.
    max_features : int, float, "sqrt", "log2" or None, default="sqrt"
        How many columns are drawn at each split.
    max_leaf_nodes : int or None
        Grow each tree best-first up to so many leaves.
    min_impurity_decrease : float
        Smallest weighted impurity decrease of a split.
    bootstrap : bool, default=False
        Draw rows with replacement for each tree.
    oob_score : bool or callable
        Score the forest on the rows that trees did not see.
    n_jobs : int or None
        Threads; None takes as many as ``corten.set_num_threads`` allows. The result does not depend on it.
    random_state : int, RandomState or None
        The bootstrap samples are scikit-learn's for the same state; the columns drawn are not.
    verbose : int
        1 prints progress, 2 every tree.
    warm_start : bool
        Keep the trees of the last fit and add more.
    class_weight : dict, list of dict, "balanced", "balanced_subsample" or None
    ccp_alpha : float
        Minimal cost-complexity pruning of each tree.
    max_samples : int, float or None
        Rows of a bootstrap sample.
    monotonic_cst : array-like of -1, 0, 1 or None
        Constraint of each feature.
    categorical_features : array-like of bool, int or str, "from_dtype" or None, default=None
        Which columns hold categories (at most 256 each, of any type): a mask, indices, names, or those that a frame says
        are categorical. Categories that the training rows lacked are treated as missing. With one output. scikit-learn's
        forests have no such parameter; it means what it means for its gradient boosting.

    Attributes
    ----------
    estimators_ : list of ExtraTreeClassifier
    classes_, n_classes_, n_features_in_, n_outputs_, feature_importances_, oob_score_, oob_decision_function_
        As in scikit-learn.

    References
    ----------
    Geurts, Ernst, Wehenkel, Extremely randomized trees, Machine Learning 63, 2006.

    Examples
    --------
    >>> from corten.learn.ensemble import ExtraTreesClassifier
    >>> model = ExtraTreesClassifier(n_estimators=20, random_state=0)
    >>> model.fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]).predict([[0.1], [2.9]])
    array([0, 1])
    """

    _tree = ExtraTreeClassifier
    _parameter_constraints = {**constraints("ensemble.ExtraTreesClassifier"), **CATEGORICAL}

    def __init__(self, n_estimators=100, *, criterion="gini", max_depth=None, min_samples_split=2,
                 min_samples_leaf=1, min_weight_fraction_leaf=0.0, max_features="sqrt", max_leaf_nodes=None,
                 min_impurity_decrease=0.0, bootstrap=False, oob_score=False, n_jobs=None, random_state=None,
                 verbose=0, warm_start=False, class_weight=None, ccp_alpha=0.0, max_samples=None,
                 monotonic_cst=None, categorical_features=None):  # fmt: skip
        self.n_estimators = n_estimators
        self.criterion = criterion
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.max_leaf_nodes = max_leaf_nodes
        self.min_impurity_decrease = min_impurity_decrease
        self.bootstrap = bootstrap
        self.oob_score = oob_score
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.class_weight = class_weight
        self.ccp_alpha = ccp_alpha
        self.max_samples = max_samples
        self.monotonic_cst = monotonic_cst
        self.categorical_features = categorical_features


class ExtraTreesRegressor(ForestRegressor):
    """Extremely randomized trees for numbers: one random threshold for each drawn column,
    or one random set of its categories.

    The forest is the same for any number of threads.

    Parameters
    ----------
    n_estimators : int, default=100
        Number of trees.
    criterion : {"squared_error", "absolute_error", "poisson"}, default="squared_error"
        What a split is judged by.
    max_depth : int or None
        Most splits between the root and a leaf.
    min_samples_split, min_samples_leaf : int or float
        Fewest rows of a node that is split, and of a leaf; a float is a fraction of the rows.
    min_weight_fraction_leaf : float
        Smallest fraction of the total weight in a leaf.
    max_features : int, float, "sqrt", "log2" or None, default=1.0
        How many columns are drawn at each split.
    max_leaf_nodes : int or None
        Grow each tree best-first up to so many leaves.
    min_impurity_decrease : float
        Smallest weighted impurity decrease of a split.
    bootstrap : bool, default=False
        Draw rows with replacement for each tree.
    oob_score : bool or callable
        Score the forest on the rows that trees did not see.
    n_jobs : int or None
        Threads; None takes as many as ``corten.set_num_threads`` allows. The result does not depend on it.
    random_state : int, RandomState or None
        The bootstrap samples are scikit-learn's for the same state; the columns drawn are not.
    verbose : int
        1 prints progress, 2 every tree.
    warm_start : bool
        Keep the trees of the last fit and add more.
    ccp_alpha : float
        Minimal cost-complexity pruning of each tree.
    max_samples : int, float or None
        Rows of a bootstrap sample.
    monotonic_cst : array-like of -1, 0, 1 or None
        Constraint of each feature.
    categorical_features : array-like of bool, int or str, "from_dtype" or None, default=None
        Which columns hold categories (at most 256 each, of any type): a mask, indices, names, or those that a frame says
        are categorical. Categories that the training rows lacked are treated as missing. With one output. scikit-learn's
        forests have no such parameter; it means what it means for its gradient boosting.

    Attributes
    ----------
    estimators_ : list of ExtraTreeRegressor
    n_features_in_, n_outputs_, feature_importances_, oob_score_, oob_prediction_
        As in scikit-learn.

    References
    ----------
    Geurts, Ernst, Wehenkel, Extremely randomized trees, Machine Learning 63, 2006.

    Examples
    --------
    >>> from corten.learn.ensemble import ExtraTreesRegressor
    >>> model = ExtraTreesRegressor(n_estimators=20, random_state=0)
    >>> model.fit([[0.0], [1.0], [2.0], [3.0]], [1.0, 1.0, 1.0, 1.0]).predict([[2.9]])
    array([1.])
    """

    _tree = ExtraTreeRegressor
    _parameter_constraints = {**constraints("ensemble.ExtraTreesRegressor"), **CATEGORICAL}

    def __init__(self, n_estimators=100, *, criterion="squared_error", max_depth=None, min_samples_split=2,
                 min_samples_leaf=1, min_weight_fraction_leaf=0.0, max_features=1.0, max_leaf_nodes=None,
                 min_impurity_decrease=0.0, bootstrap=False, oob_score=False, n_jobs=None, random_state=None,
                 verbose=0, warm_start=False, ccp_alpha=0.0, max_samples=None,
                 monotonic_cst=None, categorical_features=None):  # fmt: skip
        self.n_estimators = n_estimators
        self.criterion = plain_criterion(criterion)
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.max_leaf_nodes = max_leaf_nodes
        self.min_impurity_decrease = min_impurity_decrease
        self.bootstrap = bootstrap
        self.oob_score = oob_score
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.ccp_alpha = ccp_alpha
        self.max_samples = max_samples
        self.monotonic_cst = monotonic_cst
        self.categorical_features = categorical_features
