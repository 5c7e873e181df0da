"""What random forests and extremely randomized trees share: growing, out-of-bag values, prediction."""

import warnings
from numbers import Integral

import numpy as np
import scipy.sparse as sp

from corten.learn._base import (
    ClassifierMixin,
    DataConversionWarning,
    Estimator,
    MultiOutputMixin,
    Progress,
    RegressorMixin,
    check_array,
    check_classification_targets,
    check_consistent_length,
    check_is_fitted,
    check_random_state,
    check_sample_weight,
    compute_class_weight,
    fit_context,
    from_sklearn,
    is_classifier,
    issparse,
    plain_rows,
    thread_limit,
    type_of_target,
    validate_data,
)
from corten.learn.tree._base import (
    check_finite,
    check_monotonic,
    check_poisson_targets,
    check_supported,
    encode_classes,
    growth_rules,
    rows_function,
)
from corten.learn.tree._categories import TakesCategories, same_codes
from corten.learn.tree._grow import Grower, Ranks, Walker

__all__ = ["BaseForest", "ForestClassifier", "ForestRegressor"]

MAX_INT = np.iinfo(np.int32).max


def bootstrap_size(n_samples, max_samples, sample_weight):
    """Rows of a bootstrap sample; a fraction is of the rows, or of the total weight when there are weights."""
    if max_samples is None:
        return n_samples
    if isinstance(max_samples, Integral):
        return max_samples
    total = n_samples if sample_weight is None else sample_weight.sum()
    what = "the number of samples is" if sample_weight is None else "the total sum of sample weights is"
    size = max(int(max_samples * total), 1)
    if size < max(10, n_samples ** (1 / 3)):
        warnings.warn(
            f"Using the fractional value {max_samples=} when {what} {total} results in a low number ({size}) of bootstrap "
            "samples. We recommend passing `max_samples` as an integer instead.",
            stacklevel=3,
        )
    return size


def bootstrap_rows(seed, n_samples, size, sample_weight):
    """Row numbers of the bootstrap sample that belongs to a tree's ``random_state``."""
    random = check_random_state(seed)
    if sample_weight is None:
        rows = random.randint(0, n_samples, size)
    else:
        rows = random.choice(n_samples, size, replace=True, p=sample_weight / np.sum(sample_weight))
    return rows.astype(np.int32)


class BaseForest(TakesCategories, MultiOutputMixin, Estimator):
    """What all forests share. Use a derived class; it names its tree in ``_tree``."""

    _tree = None

    @property
    def estimator_(self):
        """A tree with this forest's parameters, not fitted."""
        return self._new_tree(None)

    @property
    def estimator(self):
        """The kind of tree, with its own defaults."""
        return self._tree()

    _of_tree = ("criterion", "max_depth", "min_samples_split", "min_samples_leaf", "min_weight_fraction_leaf",
                "max_features", "max_leaf_nodes", "min_impurity_decrease", "ccp_alpha", "monotonic_cst")  # fmt: skip

    def _new_tree(self, seed):
        return self._tree(random_state=seed, **{name: getattr(self, name) for name in self._of_tree})

    def __len__(self):
        return len(self.estimators_)

    def __getitem__(self, index):
        return self.estimators_[index]

    def __iter__(self):
        return iter(self.estimators_)

    # ------------------------------------------------------------------------------------------------------- fitting

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Grow the trees, one on each thread.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Taken as float32; NaN is a missing value. Sparse input raises TypeError.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            With ``bootstrap`` the probability of being drawn, else the weight.

        Returns
        -------
        self
        """
        if issparse(y):
            raise ValueError("sparse multilabel-indicator for y is not supported.")
        before = self._codes_of_fit()
        coded = self._learn_codes(X)
        if coded is not None:
            X, y = coded, check_array(y, ensure_2d=False, dtype=None, input_name="y")
            check_consistent_length(X, y)
        else:
            X, y = validate_data(self, X, y, multi_output=True, dtype=np.float32, ensure_all_finite=False)
        check_finite(X, type(self).__name__)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X)
        y = np.atleast_1d(y)
        if y.ndim == 2 and y.shape[1] == 1:
            warnings.warn(
                "A column-vector y was passed when a 1d array was expected. Please change the shape of y to (n_samples,), "
                "for example using ravel().",
                DataConversionWarning,
                stacklevel=2,
            )
        if y.ndim == 1:
            y = y.reshape(-1, 1)
        if self.criterion == "poisson":
            check_poisson_targets(y, "strictly positive")
        self._n_samples, self.n_outputs_ = y.shape
        check_supported(self, self.n_outputs_)
        self._check_categories()
        if self.warm_start and hasattr(self, "estimators_") and not same_codes(before, self._codes):
            raise ValueError(f"[{type(self).__name__}] warm_start=True got other categories than the fit before")
        y, class_weight = self._encode(y, sample_weight)
        y = np.ascontiguousarray(y, np.float64)
        weight = class_weight
        if sample_weight is not None:
            weight = sample_weight if weight is None else sample_weight * weight
        self._sample_weight = weight
        if not self.bootstrap and self.max_samples is not None:
            raise ValueError(
                "`max_sample` cannot be set if `bootstrap=False`. Either switch to `bootstrap=True` or set `max_sample=None`."
            )
        self._n_samples_bootstrap = bootstrap_size(len(X), self.max_samples, weight) if self.bootstrap else None
        if not self.bootstrap and self.oob_score:
            raise ValueError("Out of bag estimation only available if bootstrap=True")
        random_state = check_random_state(self.random_state)
        if not self.warm_start or not hasattr(self, "estimators_"):
            self.estimators_ = []
        have = len(self.estimators_)
        more = self.n_estimators - have
        if more < 0:
            raise ValueError(
                f"n_estimators={self.n_estimators} must be larger or equal to len(estimators_)={have} when warm_start==True"
            )
        if more == 0:
            warnings.warn("Warm-start fitting without increasing n_estimators does not fit new trees.", stacklevel=2)
        else:
            if have:
                random_state.randint(MAX_INT, size=have)  # the states that these trees had
            seeds = [random_state.randint(MAX_INT) for _ in range(more)]
            with thread_limit(self.n_jobs):
                self.estimators_ = self.estimators_ + self._grow(X, y, weight, seeds)
            self._walkers = []
        if self.oob_score and (more > 0 or not hasattr(self, "oob_score_")):
            kind = type_of_target(y)
            if kind == "unknown" or (is_classifier(self) and kind == "multiclass-multioutput"):
                raise ValueError(
                    f"The type of target cannot be used to compute OOB estimates. Got {kind} while only the following are "
                    "supported: continuous, continuous-multioutput, binary, multiclass, multilabel-indicator."
                )
            self._set_oob(X, y, self.oob_score if callable(self.oob_score) else None)
        if is_classifier(self) and self.n_outputs_ == 1:
            self.n_classes_, self.classes_ = self.n_classes_[0], self.classes_[0]
        return self

    def _encode(self, y, sample_weight):
        """Targets as numbers, and weights of the classes as weights of rows or None."""
        return y, None

    def _grow(self, X, y, weight, seeds):
        classifier = is_classifier(self)
        n_classes = self.n_classes_ if classifier else None
        n = len(X)
        whole = n if weight is None else np.sum(weight)
        model = self._new_tree(0)
        rules, max_features = growth_rules(model, n, X.shape[1], whole)
        if self.bootstrap:
            rules["min_weight_leaf"] = float(self.min_weight_fraction_leaf * self._n_samples_bootstrap)
        monotonic = check_monotonic(self, X.shape[1], self.n_outputs_, n_classes)
        grower = Grower(Ranks(X), y, n_classes, rules, monotonic, self.is_categorical_)
        per_sample = self.bootstrap and getattr(self, "class_weight", None) == "balanced_subsample"
        compute_sample_weight = from_sklearn("utils.compute_sample_weight")
        trees, done = [None] * len(seeds), [0]
        progress = Progress(self, self.verbose, len(seeds))
        full = None if weight is None or self.bootstrap else np.ascontiguousarray(weight, np.float64)

        def prepare(i):
            random = np.random.RandomState(seeds[i])
            if not self.bootstrap:
                return int(random.randint(MAX_INT)), full, None
            rows = bootstrap_rows(seeds[i], n, self._n_samples_bootstrap, weight)
            count = np.bincount(rows, minlength=n)
            seed = int(random.randint(MAX_INT))
            if per_sample:
                return seed, np.ascontiguousarray(count * compute_sample_weight("balanced", y, indices=rows)), None
            if count.max() > 65535:
                return seed, count.astype(np.float64), None
            return seed, None, count.astype(np.uint16)

        def finish(i, nodes, value, sets):
            tree = self._new_tree(seeds[i])
            tree.n_features_in_, tree.n_outputs_, tree.max_features_ = X.shape[1], self.n_outputs_, max_features
            if classifier:
                tree.classes_, tree.n_classes_ = [np.arange(k, dtype=np.float64) for k in n_classes], n_classes
            if self._codes is not None:
                tree.categorical_features = self.categorical_features
                tree._codes, tree.is_categorical_ = self._codes, self.is_categorical_
                if hasattr(self, "feature_names_in_"):
                    tree.feature_names_in_ = self.feature_names_in_
            tree._take(nodes, value, sets, n_classes)
            trees[i] = tree
            done[0] += 1
            progress.step(done[0])

        grower.grow_many(len(seeds), prepare, finish)
        return trees

    # ------------------------------------------------------------------------------------------------------- out of bag

    def _oob_values(self, X, y):
        """Mean values over the trees that did not see a row: (n_samples, n_classes or 1, n_outputs)."""
        n = len(X)
        width = self.n_classes_[0] if is_classifier(self) else 1
        total, votes = np.zeros((n, self.n_outputs_, width)), np.zeros(n, np.int64)
        for tree in self.estimators_:
            seen = np.zeros(n, bool)
            seen[bootstrap_rows(tree.random_state, n, self._n_samples_bootstrap, self._sample_weight)] = True
            left_out = np.flatnonzero(~seen)
            total[left_out] += tree.tree_.predict(X[left_out]).reshape(len(left_out), self.n_outputs_, -1)[:, :, :width]
            votes[left_out] += 1
        if np.any(votes == 0):
            warnings.warn(
                "Some inputs do not have OOB scores. This probably means too few trees were used to compute any reliable "
                "OOB estimates.",
                UserWarning,
                stacklevel=4,
            )
            votes[votes == 0] = 1
        return (total / votes[:, None, None]).transpose(0, 2, 1)

    # ------------------------------------------------------------------------------------------------------- prediction

    @property
    def _layout(self):
        """All trees laid out for prediction, made on first use."""
        if not self._walkers:
            self._walkers.append(Walker([t.tree_.arrays for t in self.estimators_], len(self.estimators_)))
        return self._walkers[0]

    def __getstate__(self):
        state = super().__getstate__()
        return {**state, "_walkers": []} if "_walkers" in state else state

    def _corten_state(self):
        return {k: v for k, v in vars(self).items() if k not in ("_walkers", "_sklearn_version")}

    def _corten_restore(self, state):
        vars(self).update(state)
        if "estimators_" in state:
            self._walkers = []

    def _rows(self, X):
        if self._codes_of_fit() is not None:
            return self._coded(X)
        return validate_data(self, X, dtype=np.float32, reset=False, ensure_all_finite="allow-nan")

    def _values(self, X):
        """Mean leaf values over the trees: (n_samples, n_outputs, max_n_classes)."""
        check_is_fitted(self)
        walker = self._layout
        if plain_rows(self, X) and self._codes_of_fit() is None:
            out = walker.predict_row(X)
            if out is not None:
                return out.reshape(1, self.n_outputs_, -1)
        X = self._rows(X)
        with thread_limit(self.n_jobs):
            return walker.predict(X).reshape(len(X), self.n_outputs_, -1)

    def apply(self, X):
        """Number of the leaf that each row ends in, for each tree: (n_samples, n_estimators)."""
        check_is_fitted(self)
        X = self._rows(X)
        with thread_limit(self.n_jobs):
            return self._layout.apply(X)

    def decision_path(self, X):
        """Nodes that each row goes through.

        Returns
        -------
        indicator : CSR matrix of shape (n_samples, total number of nodes)
        n_nodes_ptr : ndarray of shape (n_estimators + 1,)
            Columns ``n_nodes_ptr[i]`` to ``n_nodes_ptr[i + 1]`` belong to tree i.
        """
        check_is_fitted(self)
        X = self._rows(X)
        paths = [tree.tree_.decision_path(X) for tree in self.estimators_]
        return sp.hstack(paths).tocsr(), np.cumsum([0, *(p.shape[1] for p in paths)])

    @property
    def feature_importances_(self):
        """Mean over the trees of the normalised impurity decrease by feature, (n_features,)."""
        check_is_fitted(self)
        each = [t.feature_importances_ for t in self.estimators_ if t.tree_.node_count > 1]
        if not each:
            return np.zeros(self.n_features_in_)
        mean = np.mean(each, axis=0)
        return mean / np.sum(mean)

    @property
    def estimators_samples_(self):
        """Row numbers that each tree was grown on, drawn again from its ``random_state``."""
        check_is_fitted(self)
        if not self.bootstrap:
            return [np.arange(self._n_samples, dtype=np.int32) for _ in self.estimators_]
        return [
            bootstrap_rows(t.random_state, self._n_samples, self._n_samples_bootstrap, self._sample_weight)
            for t in self.estimators_
        ]

    def _compile(self, method):
        if self.n_outputs_ > 1 or self._codes_of_fit() is not None:
            return None
        return rows_function(self._layout, self.classes_ if is_classifier(self) else None, method)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class ForestClassifier(ClassifierMixin, BaseForest):
    """Methods of forests for classes."""

    def _encode(self, y, sample_weight):
        check_classification_targets(y)
        original = y
        y, self.classes_, self.n_classes_ = encode_classes(y)
        self.n_classes_ = list(self.n_classes_)
        if self.class_weight is None:
            return y, None
        compute_sample_weight = from_sklearn("utils.compute_sample_weight")
        if isinstance(self.class_weight, dict | list):
            return y, compute_sample_weight(self.class_weight, original)
        if self.class_weight not in ("balanced", "balanced_subsample"):
            raise ValueError(
                'Valid presets for class_weight include "balanced" and "balanced_subsample".'
                f'Given "{self.class_weight}".'
            )
        if self.warm_start:
            warnings.warn(
                'class_weight presets "balanced" or "balanced_subsample" are not recommended for warm_start if the fitted '
                'data differs from the full dataset. In order to use "balanced" weights, use compute_class_weight '
                '("balanced", classes, y). In place of y you can use a large enough sample of the full training set target '
                "to properly estimate the class frequency distributions. Pass the resulting weights as the class_weight "
                "parameter.",
                stacklevel=3,
            )
        if self.class_weight == "balanced_subsample" and self.bootstrap:
            return y, None
        weights = []
        for k in range(self.n_outputs_):
            each = compute_class_weight("balanced", classes=self.classes_[k], y=original[:, k], sample_weight=sample_weight)
            weights.append(dict(zip(self.classes_[k], each, strict=True)))
        return y, compute_sample_weight(weights[0] if self.n_outputs_ == 1 else weights, original)

    def _set_oob(self, X, y, score):
        values = self._oob_values(X, y)
        self.oob_decision_function_ = values[..., 0] if values.shape[-1] == 1 else values
        score = score or from_sklearn("metrics.accuracy_score")
        self.oob_score_ = score(y, np.argmax(self.oob_decision_function_, axis=1))

    def predict_proba(self, X):
        """Mean class fractions over the trees: (n_samples, n_classes), or a list of such for several outputs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray or list of ndarray
        """
        values = self._values(X)
        if self.n_outputs_ == 1:
            return values[:, 0]
        return [values[:, k, :n] for k, n in enumerate(self.n_classes_)]

    def predict(self, X):
        """Class with the largest mean fraction: (n_samples,) or (n_samples, n_outputs)."""
        proba = self.predict_proba(X)
        if self.n_outputs_ == 1:
            return self.classes_.take(proba.argmax(axis=1), axis=0)
        out = np.empty((len(proba[0]), self.n_outputs_), self.classes_[0].dtype)
        for k in range(self.n_outputs_):
            out[:, k] = self.classes_[k].take(proba[k].argmax(axis=1), axis=0)
        return out

    def predict_log_proba(self, X):
        """Logarithms of :meth:`predict_proba`."""
        proba = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return np.log(proba) if self.n_outputs_ == 1 else [np.log(p) for p in proba]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class ForestRegressor(RegressorMixin, BaseForest):
    """Methods of forests for numbers."""

    def _set_oob(self, X, y, score):
        values = self._oob_values(X, y)[:, 0]
        self.oob_prediction_ = values[:, 0] if values.shape[1] == 1 else values
        score = score or from_sklearn("metrics.r2_score")
        self.oob_score_ = score(y, self.oob_prediction_)

    def predict(self, X):
        """Mean value over the trees: (n_samples,) or (n_samples, n_outputs).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray
        """
        values = self._values(X)
        return values[:, 0, 0] if self.n_outputs_ == 1 else values[:, :, 0]

    def _compute_partial_dependence_recursion(self, grid, target_features):
        grid = np.asarray(grid, dtype=np.float32, order="C")
        out = np.zeros(grid.shape[0])
        for tree in self.estimators_:
            tree.tree_.compute_partial_dependence(grid, np.asarray(target_features, np.intp), out)
        return out / len(self.estimators_)
