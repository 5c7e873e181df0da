"""What all trees share: the rules of growth, the fit, prediction."""

import warnings
from math import ceil, log2, sqrt
from numbers import Integral

import numpy as np

from corten.learn._base import (
    ClassifierMixin,
    Estimator,
    MultiOutputMixin,
    RegressorMixin,
    UnsupportedSetting,
    check_array,
    check_classification_targets,
    check_is_fitted,
    check_n_features,
    check_random_state,
    check_sample_weight,
    clone,
    constraints,
    fit_context,
    from_sklearn,
    is_classifier,
    plain_rows,
    validate_data,
)
from corten.learn.tree._categories import TakesCategories
from corten.learn.tree._grow import Grower, Ranks
from corten.learn.tree._structure import Tree, prune, pruning_path

__all__ = ["BaseDecisionTree", "TreeClassifier", "TreeRegressor"]

_FRIEDMAN = (
    'Value `"friedman_mse"` for `criterion` is deprecated and will be removed in 1.11. It maps to `"squared_error"` as both '
    'were always equivalent. Use `criterion="squared_error"` to remove this warning.'
)


def plain_criterion(criterion):
    """``"squared_error"`` for its deprecated alias, with scikit-learn's warning; anything else as it is."""
    if isinstance(criterion, str) and criterion == "friedman_mse":
        warnings.warn(_FRIEDMAN, FutureWarning, stacklevel=3)
        return "squared_error"
    return criterion


def check_finite(X, owner):
    """ValueError when X holds an infinity; NaN stands for a missing value."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.sum(X)
    if not np.isfinite(total):
        check = from_sklearn("utils.validation._assert_all_finite_element_wise")
        check(X, xp=np, allow_nan=True, estimator_name=owner, input_name="X")


def check_poisson_targets(y, positive):
    """scikit-learn's errors for targets that a Poisson deviance cannot have."""
    if np.any(y < 0):
        raise ValueError("Some value(s) of y are negative which is not allowed for Poisson regression.")
    if np.sum(y) <= 0:
        raise ValueError(f"Sum of y is not {positive} which is necessary for Poisson regression.")


def encode_classes(y):
    """Codes (n, n_outputs), the classes of each output, and how many."""
    codes, classes = np.empty(y.shape, np.float64), []
    for k in range(y.shape[1]):
        found, codes[:, k] = np.unique(y[:, k], return_inverse=True)
        classes.append(found)
    return codes, classes, np.array([len(c) for c in classes], np.intp)


def check_monotonic(estimator, n_features, n_outputs, n_classes):
    """The constraints as int8 in the sense of the first class, or None; scikit-learn's errors otherwise."""
    if estimator.monotonic_cst is None:
        return None
    if n_outputs > 1:
        raise ValueError("Monotonicity constraints are not supported with multiple outputs.")
    cst = np.asarray(estimator.monotonic_cst)
    if cst.shape[0] != n_features:
        raise ValueError(f"monotonic_cst has shape {cst.shape[0]} but the input data X has {n_features} features.")
    if not np.all(np.isin(cst, (-1, 0, 1))):
        raise ValueError(f"monotonic_cst must be None or an array-like of -1, 0 or 1, but got {np.unique(cst)}")
    cst = cst.astype(np.int8)
    if n_classes is not None:
        if n_classes[0] > 2:
            raise ValueError("Monotonicity constraints are not supported with multiclass classification")
        cst = -cst  # a constraint speaks of the second class, the kernel of the first
    return cst


def growth_rules(estimator, n_samples, n_features, total_weight):
    """The parameters of a tree or forest as plain numbers, by the kernel's names."""
    leaf, split, features = estimator.min_samples_leaf, estimator.min_samples_split, estimator.max_features
    if not isinstance(leaf, Integral):
        leaf = ceil(leaf * n_samples)
    if not isinstance(split, Integral):
        split = max(2, ceil(split * n_samples))
    if features is None:
        features = n_features
    elif isinstance(features, str):
        features = max(1, int(sqrt(n_features) if features == "sqrt" else log2(n_features)))
    elif not isinstance(features, Integral):
        features = max(1, int(features * n_features))
    return {
        "criterion": estimator.criterion,
        "random": int(getattr(estimator, "splitter", "best") == "random"),
        "max_features": min(int(features), n_features),
        "max_depth": 2**31 - 1 if estimator.max_depth is None else min(int(estimator.max_depth), 2**31 - 1),
        "min_samples_split": max(int(split), 2 * int(leaf)),
        "min_samples_leaf": int(leaf),
        "max_leaf_nodes": -1 if estimator.max_leaf_nodes is None else int(estimator.max_leaf_nodes),
        "min_weight_leaf": float(estimator.min_weight_fraction_leaf * total_weight),
        "min_impurity_decrease": float(estimator.min_impurity_decrease),
    }, int(features)


def check_supported(estimator, n_outputs):
    """Raises UnsupportedSetting for what scikit-learn has and the kernel lacks."""
    if not isinstance(estimator.criterion, str):
        raise UnsupportedSetting(estimator, "criterion", estimator.criterion, "the name of a criterion")
    if not isinstance(getattr(estimator, "splitter", "best"), str):
        raise UnsupportedSetting(estimator, "splitter", estimator.splitter, "'best' or 'random'")
    if estimator.criterion == "absolute_error" and n_outputs > 1:
        raise UnsupportedSetting(estimator, "criterion", "absolute_error", "another criterion for several outputs")


def rows_function(walker, classes, method):
    """A bare function of rows for a tree or forest with one output and numeric columns; None for other methods."""
    if method not in ("predict", "predict_proba"):
        return None
    if classes is None:
        return (lambda X: walker.predict(np.asarray(X, np.float32))[:, 0]) if method == "predict" else None
    if method == "predict_proba":
        return lambda X: walker.predict(np.asarray(X, np.float32))
    return lambda X: classes[walker.predict(np.asarray(X, np.float32)).argmax(axis=1)]


class BaseDecisionTree(TakesCategories, MultiOutputMixin, Estimator):
    """What all single trees share. Use a derived class."""

    _parameter_constraints = constraints("tree.DecisionTreeClassifier")

    def get_depth(self):
        """Depth of the tree: the most splits between the root and a leaf."""
        check_is_fitted(self)
        return self.tree_.max_depth

    def get_n_leaves(self):
        """Number of leaves."""
        check_is_fitted(self)
        return self.tree_.n_leaves

    def _fit(self, X, y, sample_weight, check_input):
        random_state = check_random_state(self.random_state)
        coded = self._learn_codes(X)
        if coded is not None:
            X, y = coded, check_array(y, ensure_2d=False, dtype=None)
        elif check_input:
            X, y = validate_data(self, X, y, validate_separately=(
                {"dtype": np.float32, "ensure_all_finite": False}, {"ensure_2d": False, "dtype": None}))  # fmt: skip
        if check_input:
            check_finite(X, type(self).__name__)
        if self.criterion == "poisson":
            check_poisson_targets(y, "positive")
        n_samples, self.n_features_in_ = X.shape
        y = np.atleast_1d(y)
        y = y.reshape(-1, 1) if y.ndim == 1 else y
        self.n_outputs_ = y.shape[1]
        check_supported(self, self.n_outputs_)
        self._check_categories()
        class_weight, n_classes = None, None
        if is_classifier(self):
            check_classification_targets(y)
            if self.class_weight is not None:
                class_weight = from_sklearn("utils.compute_sample_weight")(self.class_weight, y)
            y, self.classes_, self.n_classes_ = encode_classes(y)
            n_classes = self.n_classes_
        y = np.ascontiguousarray(y, dtype=np.float64)
        if len(y) != n_samples:
            raise ValueError(f"Number of labels={len(y)} does not match number of samples={n_samples}")
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X, dtype=np.float64)
        if class_weight is not None:
            sample_weight = class_weight if sample_weight is None else sample_weight * class_weight
        rules, self.max_features_ = growth_rules(
            self, n_samples, X.shape[1], n_samples if sample_weight is None else np.sum(sample_weight)
        )
        monotonic = check_monotonic(self, X.shape[1], self.n_outputs_, n_classes)
        seed = random_state.randint(np.iinfo(np.int32).max)
        grower = Grower(Ranks(X), y, n_classes, rules, monotonic, self.is_categorical_)
        self._take(*grower.grow(seed, sample_weight), n_classes)
        return self

    def _take(self, nodes, value, sets, n_classes):
        """Makes the grown tree the fitted one."""
        classes = np.ones(self.n_outputs_) if n_classes is None else n_classes
        self.tree_ = Tree(nodes, value, self.n_features_in_, classes, sets)
        if n_classes is not None and self.n_outputs_ == 1:
            self.classes_, self.n_classes_ = self.classes_[0], self.n_classes_[0]
        if self.ccp_alpha > 0:
            self.tree_ = prune(self.tree_, self.ccp_alpha)

    def _rows(self, X, check_input=True):
        if self._codes_of_fit() is not None:
            return self._coded(X)
        if check_input:
            X = validate_data(self, X, dtype=np.float32, reset=False, ensure_all_finite="allow-nan")
        else:
            check_n_features(self, X, reset=False)
        return X

    def _values(self, X, check_input=True):
        check_is_fitted(self)
        if plain_rows(self, X) and self._codes_of_fit() is None:
            out = self.tree_.walker.predict_row(X)
            if out is not None:
                return out if self.n_outputs_ == 1 else out.reshape(1, self.n_outputs_, -1)
        return self.tree_.predict(self._rows(X, check_input))

    def apply(self, X, check_input=True):
        """Number of the leaf that each row ends in.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        check_input : bool, default=True
            False: X is already a float32 array.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        return self.tree_.apply(self._rows(X, check_input))

    def decision_path(self, X, check_input=True):
        """CSR matrix (n_samples, n_nodes) with a one for each node that a row goes through."""
        check_is_fitted(self)
        return self.tree_.decision_path(self._rows(X, check_input))

    def cost_complexity_pruning_path(self, X, y, sample_weight=None):
        """Effective alphas along the path of minimal cost-complexity pruning.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.

        Returns
        -------
        Bunch with ``ccp_alphas`` and ``impurities``, the total impurity of the leaves at each alpha.
        """
        full = clone(self).set_params(ccp_alpha=0.0).fit(X, y, sample_weight=sample_weight)
        return from_sklearn("utils.Bunch")(**pruning_path(full.tree_))

    @property
    def feature_importances_(self):
        """Normalised total impurity decrease by feature, (n_features,)."""
        check_is_fitted(self)
        return self.tree_.compute_feature_importances()

    def _compile(self, method):
        if self.n_outputs_ > 1 or self._codes_of_fit() is not None:
            return None
        return rows_function(self.tree_.walker, self.classes_ if is_classifier(self) else None, method)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class TreeClassifier(ClassifierMixin, BaseDecisionTree):
    """Methods of single classification trees."""

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, check_input=True):
        """Grow the tree.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Taken as float32; NaN is a missing value. Sparse input raises TypeError.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
        check_input : bool, default=True
            False: X is already a float32 array and y an array.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, check_input)

    def predict(self, X, check_input=True):
        """Class of each row: (n_samples,) or (n_samples, n_outputs)."""
        values = self._values(X, check_input)
        if self.n_outputs_ == 1:
            return self.classes_.take(values.argmax(axis=1), axis=0)
        out = np.zeros((len(values), self.n_outputs_), self.classes_[0].dtype)
        for k in range(self.n_outputs_):
            out[:, k] = self.classes_[k].take(values[:, k].argmax(axis=1), axis=0)
        return out

    def predict_proba(self, X, check_input=True):
        """Fractions of the classes in each row's leaf: (n_samples, n_classes), or a list of such for several outputs."""
        values = self._values(X, check_input)
        if self.n_outputs_ == 1:
            return values[:, : self.n_classes_]
        return [values[:, k, : self.n_classes_[k]] for k in range(self.n_outputs_)]

    def predict_log_proba(self, X):
        """Logarithms of :meth:`predict_proba`."""
        proba = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return np.log(proba) if self.n_outputs_ == 1 else [np.log(p) for p in proba]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class TreeRegressor(RegressorMixin, BaseDecisionTree):
    """Methods of single regression trees."""

    _parameter_constraints = constraints("tree.DecisionTreeRegressor")

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, check_input=True):
        """Grow the tree.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Taken as float32; NaN is a missing value. Sparse input raises TypeError.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
        check_input : bool, default=True
            False: X is already a float32 array and y an array.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, check_input)

    def predict(self, X, check_input=True):
        """Value of each row's leaf: (n_samples,) or (n_samples, n_outputs)."""
        values = self._values(X, check_input)
        return values[:, 0] if self.n_outputs_ == 1 else values[:, :, 0]

    def _compute_partial_dependence_recursion(self, grid, target_features):
        grid = np.asarray(grid, dtype=np.float32, order="C")
        out = np.zeros(grid.shape[0])
        self.tree_.compute_partial_dependence(grid, np.asarray(target_features, np.intp), out)
        return out
