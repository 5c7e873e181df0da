"""Gradient boosting on histograms."""

import itertools
from numbers import Integral
from time import perf_counter

import numpy as np

from corten.learn._base import (
    ClassifierMixin,
    Estimator,
    RegressorMixin,
    UnsupportedSetting,
    check_classification_targets,
    check_consistent_length,
    check_is_fitted,
    check_random_state,
    check_sample_weight,
    constraints,
    fit_context,
    from_sklearn,
    is_classifier,
    plain_rows,
)
from corten.learn.ensemble._binning import bin_thresholds, numbers
from corten.learn.ensemble._boost import TREE, Bins, Booster, Stages, gradients, kept
from corten.learn.ensemble._judge import Judge
from corten.learn.tree._categories import CategoryCodes

__all__ = ["HistGradientBoostingClassifier", "HistGradientBoostingRegressor"]

_LOSS_CLASSES = {
    "squared_error": "HalfSquaredError", "absolute_error": "AbsoluteError", "poisson": "HalfPoissonLoss",
    "gamma": "HalfGammaLoss", "quantile": "PinballLoss",
}  # fmt: skip
_CONSTANT_HESSIAN = ("squared_error", "absolute_error", "quantile")


class BaseHistGradientBoosting(Estimator):
    """What both estimators share. Use a derived class."""

    # ------------------------------------------------------------------------------------------------------- settings

    def _interaction_sets(self, n_features):
        """Interaction constraints as a matrix (n_sets, n_features) of bool, or None."""
        if self.interaction_cst is None:
            return None
        if isinstance(self.interaction_cst, str):
            size = 1 if self.interaction_cst == "no_interactions" else 2
            groups = itertools.combinations(range(n_features), size)
        else:
            groups = self.interaction_cst
        try:
            groups = [set(group) for group in groups]
        except TypeError:
            raise ValueError(
                f"Interaction constraints must be a sequence of tuples or lists, got: {self.interaction_cst!r}."
            ) from None
        for group in groups:
            if not all(isinstance(f, Integral) and 0 <= f < n_features for f in group):
                raise ValueError(
                    "Interaction constraints must consist of integer indices in [0, n_features - 1] = "
                    f"[0, {n_features - 1}], specifying the position of features, got invalid indices: {group!r}"
                )
        rest = set(range(n_features)) - set().union(*groups)
        if rest:
            groups.append(rest)
        member = np.zeros((len(groups), n_features), bool)
        for row, group in zip(member, groups, strict=True):
            row[list(group)] = True
        return member

    def _clean(self, X, reset):
        """X as numbers: categories replaced by codes."""
        if reset:
            self.is_categorical_ = from_sklearn("utils.validation._check_categorical_features")(X, self.categorical_features)
            self._codes = None if self.is_categorical_ is None else CategoryCodes(self.is_categorical_)
            if self._codes is None:
                return numbers(self, X, True)
            return self._codes.fit_transform(self, X, self.max_bins)
        return numbers(self, X, False) if self._codes is None else self._codes.transform(self, X)

    # ------------------------------------------------------------------------------------------------------- fitting

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
        """Fit the boosted trees.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is a missing value. float32 stays float32. Sparse input raises TypeError.
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
        X_val, y_val, sample_weight_val
            Rows for early stopping, in place of a part of the training rows.

        Returns
        -------
        self
        """
        start = perf_counter()
        if not isinstance(self.loss, str):
            raise UnsupportedSetting(self, "loss", self.loss, "the name of a loss")
        X = self._clean(X, True)
        y = self._encode_y(from_sklearn("utils.validation._check_y")(y, estimator=self))
        check_consistent_length(X, y)
        self._fitted_with_sw = sample_weight is not None
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X, dtype=np.float64)
        sample_weight = self._class_weighted(sample_weight, y)
        given = X_val is not None or y_val is not None
        if given:
            if y_val is None:
                raise ValueError("X_val is provided, but y_val was not provided.")
            if X_val is None:
                raise ValueError("y_val is provided, but X_val was not provided.")
            X_val = self._clean(X_val, False)
            y_val = self._encode_y_val(from_sklearn("utils.validation._check_y")(y_val, estimator=self))
            check_consistent_length(X_val, y_val)
            if sample_weight_val is not None:
                sample_weight_val = check_sample_weight(sample_weight_val, X_val, dtype=np.float64)
        again = self.warm_start and len(getattr(self, "_predictors", [])) > 0
        random_state = check_random_state(self.random_state)
        if not again:
            self._random_seed = int(random_state.randint(np.iinfo(np.uint32).max, dtype="u8"))
            self._feature_seed = int(random_state.randint(np.iinfo(np.uint32).max, dtype="u8"))
        if self.monotonic_cst is not None and self.n_trees_per_iteration_ != 1:
            raise ValueError("monotonic constraints are not supported for multiclass classification.")
        monotonic = from_sklearn("utils.validation._check_monotonic_cst")(self, self.monotonic_cst)
        interaction = self._interaction_sets(X.shape[1])
        self._loss = self._get_loss(sample_weight)
        self.do_early_stopping_ = len(X) > 10_000 if self.early_stopping == "auto" else self.early_stopping
        self._use_validation_data = given or self.validation_fraction is not None
        if self.do_early_stopping_ and self._use_validation_data and not given:
            parts = [X, y] if sample_weight is None else [X, y, sample_weight]
            parts = from_sklearn("model_selection.train_test_split")(
                *parts, test_size=self.validation_fraction, stratify=y if is_classifier(self) else None,
                random_state=self._random_seed,
            )  # fmt: skip
            X, X_val, y, y_val = parts[:4]
            sample_weight, sample_weight_val = parts[4:] if len(parts) > 4 else (None, None)
        self._boost(X, y, sample_weight, X_val, y_val, sample_weight_val, again, monotonic, interaction)
        if self.verbose:
            trees = [t for stage in self._predictors for t in stage]
            leaves = sum(int(np.count_nonzero(t["left"] < 0)) for t in trees)
            print(f"Fit {len(trees)} trees in {perf_counter() - start:.3f} s, ({leaves} total leaves)")
        return self

    def _class_weighted(self, sample_weight, y):
        return sample_weight

    def _boost(self, X, y, weight, X_val, y_val, weight_val, again, monotonic, interaction):
        n, K = len(X), self.n_trees_per_iteration_
        categorical = np.zeros(X.shape[1], bool) if self.is_categorical_ is None else self.is_categorical_
        bounds = bin_thresholds(X, self.max_bins, categorical, check_random_state(self._random_seed), weight)
        present = np.array([len(b) + 1 for b in bounds], np.int32)
        if self._codes is not None:
            present[categorical] = self._codes.counts
        table = np.full((X.shape[1], 256), np.inf)
        for row, b in zip(table, bounds, strict=True):
            row[: len(b)] = b
        bins = Bins(X, bounds, categorical, self.max_bins)
        rules = {
            "max_leaf_nodes": -1 if self.max_leaf_nodes is None else self.max_leaf_nodes,
            "max_depth": 2**31 - 1 if self.max_depth is None else min(self.max_depth, 2**31 - 1),
            "min_samples_leaf": self.min_samples_leaf,
            "l2": self.l2_regularization,
            "shrinkage": self.learning_rate,
            "max_features": self.max_features,
        }
        booster = Booster(bins, present, categorical, monotonic, interaction, rules)
        if again:
            if self.max_iter < self.n_iter_:
                raise ValueError(
                    f"max_iter={self.max_iter} must be larger than or equal to n_iter_={self.n_iter_} when warm_start==True"
                )
            self.train_score_, self.validation_score_ = self.train_score_.tolist(), self.validation_score_.tolist()
        else:
            self._predictors, self.train_score_, self.validation_score_ = [], [], []
            self._baseline_prediction = np.reshape(
                self._loss.fit_intercept_only(y_true=y, sample_weight=weight), (1, -1)
            ).astype(np.float64)
        self._laid_out = []
        raw = np.empty((K, n))
        raw[:] = self._baseline_prediction.T
        raw_val = None if X_val is None else np.tile(self._baseline_prediction, (len(X_val), 1))
        if again:
            raw += self._sum_trees(X).T
            if X_val is not None:
                raw_val += self._sum_trees(X_val)
        judge = Judge(self, X, y, weight, X_val, y_val, weight_val) if self.do_early_stopping_ else None
        if judge and not again:
            judge.score(raw, raw_val)
        constant = self.loss in _CONSTANT_HESSIAN
        g = np.empty((K, n), np.float32)
        h = None if constant and weight is None else np.empty((K, n), np.float32)
        name = self.loss if self.loss != "log_loss" else "binomial" if K == 1 else "multinomial"
        q = 0.0 if getattr(self, "quantile", None) is None else float(self.quantile)
        y = np.ascontiguousarray(y, np.float64)
        if self.verbose:
            print("Fitting gradient boosted rounds:")
        for iteration in range(len(self._predictors), self.max_iter):
            start = perf_counter()
            gradients(name, q, y, weight, raw, g, h)
            stage = []
            for k in range(K):
                nodes = booster.grow(g[k], None if h is None else h[k], self._feature_seed + iteration * K + k)
                if constant and self.loss != "squared_error":
                    self._search_leaves(nodes, booster.rows, y, raw[k], weight)
                booster.add(nodes, raw[k])
                stage.append(kept(nodes, table))
            self._predictors.append(stage)
            stop = False
            if judge:
                if raw_val is not None:
                    Stages(stage, K).add(X_val, raw_val)
                stop = judge.score(raw, raw_val)
            if self.verbose >= 2:
                self._print_stage(stage, perf_counter() - start)
            if stop:
                break
        self._laid_out = []  # a warm start has laid out the trees that it began with
        self.train_score_ = np.asarray(self.train_score_)
        self.validation_score_ = np.asarray(self.validation_score_)

    def _search_leaves(self, nodes, rows, y, raw, weight):
        """Leaf values that minimise a loss of the residual that has no useful second derivative: its quantile."""
        for i in np.flatnonzero(nodes["left"] < 0):
            mine = rows[nodes["start"][i] : nodes["end"][i]]
            update = self._loss.fit_intercept_only(
                y_true=y[mine] - raw[mine], sample_weight=None if weight is None else weight[mine]
            )
            nodes["value"][i] = self.learning_rate * np.ravel(update)[0]

    def _print_stage(self, stage, seconds):
        leaves = sum(int(np.count_nonzero(t["left"] < 0)) for t in stage)
        trees = "1 tree" if len(stage) == 1 else f"{len(stage)} trees"
        text = f"[{len(self._predictors)}/{self.max_iter}] {trees}, {leaves} leaves, "
        text += f"max depth = {max(int(t['depth'].max()) for t in stage)}, "
        if self.do_early_stopping_:
            sign, name = (-1, "loss") if self.scoring == "loss" else (1, "score")
            text += f"train {name}: {sign * self.train_score_[-1]:.5f}, "
            if self._use_validation_data:
                text += f"val {name}: {sign * self.validation_score_[-1]:.5f}, "
        print(f"{text}in {seconds:0.3f}s", flush=True)

    # ------------------------------------------------------------------------------------------------------- prediction

    @property
    def n_iter_(self):
        """Number of iterations."""
        check_is_fitted(self)
        return len(self._predictors)

    @property
    def _layout(self):
        """All trees laid out for prediction, made on first use."""
        if not self._laid_out:
            self._laid_out.append(Stages([t for stage in self._predictors for t in stage], self.n_trees_per_iteration_))
        return self._laid_out[0]

    def _sum_trees(self, X):
        out = np.zeros((len(X), self.n_trees_per_iteration_))
        self._layout.add(X, out)
        return out

    def _raw_predict(self, X):
        """Baseline plus the values of all trees, (n_samples, n_trees_per_iteration_)."""
        check_is_fitted(self)
        override = self.__dict__.get("_raw_override")
        if override is not None:
            return override
        if self._codes is not None or not plain_rows(self, X):
            X = self._clean(X, False)
        raw = np.empty((len(X), self.n_trees_per_iteration_))
        raw[:] = self._baseline_prediction
        self._layout.add(X, raw)
        return raw

    def _staged_raw_predict(self, X):
        check_is_fitted(self)
        X = self._clean(X, False)
        K = self.n_trees_per_iteration_
        raw = np.empty((len(X), K))
        raw[:] = self._baseline_prediction
        for stage in range(len(self._predictors)):
            self._layout.add(X, raw, stage * K, (stage + 1) * K)
            yield raw.copy()

    def __getstate__(self):
        state = super().__getstate__()
        return {**state, "_laid_out": []} if "_laid_out" in state else state

    def _corten_state(self):
        state = {k: v for k, v in vars(self).items() if k not in ("_laid_out", "_loss", "_predictors", "_sklearn_version")}
        if "_predictors" in vars(self):
            trees = [t for stage in self._predictors for t in stage]
            whole = np.concatenate(trees) if trees else np.empty(0, TREE)
            state["trees"] = {name: np.ascontiguousarray(whole[name]) for name in TREE.names}
            state["tree_sizes"] = np.array([len(t) for t in trees], np.int64)
        return state

    def _corten_restore(self, state):
        state = dict(state)
        fields, sizes = state.pop("trees", None), state.pop("tree_sizes", None)
        vars(self).update(state)
        if fields is None:
            return
        whole = np.zeros(int(np.sum(sizes)), TREE)
        for name in TREE.names:
            whole[name] = fields[name]
        trees = np.split(whole, np.cumsum(sizes)[:-1]) if len(sizes) else []
        for tree in trees:
            inner = np.flatnonzero(tree["left"] >= 0)
            children = np.concatenate([tree["left"][inner], tree["right"][inner]])
            good = len(tree) and np.all(children > np.tile(inner, 2)) and np.all(children < len(tree))
            good = good and len(np.unique(children)) == len(children)
            good = good and np.all(tree["feature"][inner] >= 0) and np.all(tree["feature"] < self.n_features_in_)
            if not good:
                raise ValueError("[load] damaged tree: its arrays do not describe one")
        K = self.n_trees_per_iteration_
        self._predictors = [trees[i : i + K] for i in range(0, len(trees), K)]
        self._laid_out = []
        self._loss = self._get_loss(None)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class HistGradientBoostingRegressor(RegressorMixin, BaseHistGradientBoosting):
    """Gradient-boosted regression trees on histograms, with scikit-learn's interface.

    {about}

    Parameters
    ----------
    loss : {{"squared_error", "absolute_error", "gamma", "poisson", "quantile"}}, default="squared_error"
        "gamma" and "poisson" have a log link.
    quantile : float or None
        Level of the quantile loss, between 0 and 1.
    {shared}

    Attributes
    ----------
    n_iter_, n_trees_per_iteration_, do_early_stopping_, train_score_, validation_score_, is_categorical_, n_features_in_
        As in scikit-learn.

    References
    ----------
    {references}

    Examples
    --------
    >>> import numpy as np
    >>> from corten.learn.ensemble import HistGradientBoostingRegressor
    >>> X = np.arange(100.0)[:, None]
    >>> HistGradientBoostingRegressor(max_iter=200).fit(X, X[:, 0] > 49).predict([[0.0], [99.0]]).round(3)
    array([0., 1.])
    """

    _parameter_constraints = constraints("ensemble.HistGradientBoostingRegressor")

    def __init__(self, loss="squared_error", *, quantile=None, learning_rate=0.1, max_iter=100, max_leaf_nodes=31,
                 max_depth=None, min_samples_leaf=20, l2_regularization=0.0, max_features=1.0, max_bins=255,
                 categorical_features="from_dtype", monotonic_cst=None, interaction_cst=None, warm_start=False,
                 early_stopping="auto", scoring="loss", validation_fraction=0.1, n_iter_no_change=10, tol=1e-7,
                 verbose=0, random_state=None):  # fmt: skip
        self.loss = loss
        self.quantile = quantile
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_leaf_nodes = max_leaf_nodes
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.max_features = max_features
        self.max_bins = max_bins
        self.categorical_features = categorical_features
        self.monotonic_cst = monotonic_cst
        self.interaction_cst = interaction_cst
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state

    def predict(self, X):
        """Expected target of each row, (n_samples,)."""
        raw = self._raw_predict(X)
        return self._loss.link.inverse(raw.ravel())

    def staged_predict(self, X):
        """Yields :meth:`predict` after each iteration."""
        for raw in self._staged_raw_predict(X):
            yield self._loss.link.inverse(raw.ravel())

    def _encode_y(self, y):
        self.n_trees_per_iteration_ = 1
        y = y.astype(np.float64, copy=False)
        if self.loss == "gamma" and not np.all(y > 0):
            raise ValueError("loss='gamma' requires strictly positive y.")
        if self.loss == "poisson" and not (np.all(y >= 0) and np.sum(y) > 0):
            raise ValueError("loss='poisson' requires non-negative y and sum(y) > 0.")
        return y

    _encode_y_val = _encode_y

    def _get_loss(self, sample_weight):
        cls = from_sklearn(f"_loss.loss.{_LOSS_CLASSES[self.loss]}")
        if self.loss == "quantile":
            return cls(sample_weight=sample_weight, quantile=self.quantile)
        return cls(sample_weight=sample_weight)


class HistGradientBoostingClassifier(ClassifierMixin, BaseHistGradientBoosting):
    """Gradient-boosted classification trees on histograms, with scikit-learn's interface.

    {about} More than two classes: one tree for each class in each iteration.

    Parameters
    ----------
    loss : {{"log_loss"}}, default="log_loss"
    {shared}
    class_weight : dict, "balanced" or None

    Attributes
    ----------
    classes_, n_iter_, n_trees_per_iteration_, do_early_stopping_, train_score_, validation_score_, is_categorical_
        As in scikit-learn.

    References
    ----------
    {references}

    Examples
    --------
    >>> import numpy as np
    >>> from corten.learn.ensemble import HistGradientBoostingClassifier
    >>> X = np.arange(100.0)[:, None]
    >>> HistGradientBoostingClassifier().fit(X, np.where(X[:, 0] > 49, "b", "a")).predict([[0.0], [99.0]])
    array(['a', 'b'], dtype='<U1')
    """

    _parameter_constraints = constraints("ensemble.HistGradientBoostingClassifier")

    def __init__(self, loss="log_loss", *, learning_rate=0.1, max_iter=100, max_leaf_nodes=31, max_depth=None,
                 min_samples_leaf=20, l2_regularization=0.0, max_features=1.0, max_bins=255,
                 categorical_features="from_dtype", monotonic_cst=None, interaction_cst=None, warm_start=False,
                 early_stopping="auto", scoring="loss", validation_fraction=0.1, n_iter_no_change=10, tol=1e-7,
                 verbose=0, random_state=None, class_weight=None):  # fmt: skip
        self.loss = loss
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_leaf_nodes = max_leaf_nodes
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.max_features = max_features
        self.max_bins = max_bins
        self.categorical_features = categorical_features
        self.monotonic_cst = monotonic_cst
        self.interaction_cst = interaction_cst
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.class_weight = class_weight

    def _class_weighted(self, sample_weight, y):
        if self.class_weight is None:
            return sample_weight
        weight = from_sklearn("utils.compute_sample_weight")(self.class_weight, y)
        return weight if sample_weight is None else sample_weight * weight

    def _of_raw(self, raw):
        codes = (raw.ravel() > 0).astype(int) if raw.shape[1] == 1 else raw.argmax(axis=1)
        return self.classes_[codes]

    def predict(self, X):
        """Class of each row, (n_samples,)."""
        return self._of_raw(self._raw_predict(X))

    def predict_proba(self, X):
        """Class probabilities, (n_samples, n_classes)."""
        raw = self._raw_predict(X)
        return self._loss.predict_proba(raw)

    def decision_function(self, X):
        """Raw predictions: (n_samples,) for two classes, else (n_samples, n_classes)."""
        raw = self._raw_predict(X)
        return raw.ravel() if raw.shape[1] == 1 else raw

    def staged_predict(self, X):
        """Yields :meth:`predict` after each iteration."""
        for raw in self._staged_raw_predict(X):
            yield self._of_raw(raw)

    def staged_predict_proba(self, X):
        """Yields :meth:`predict_proba` after each iteration."""
        for raw in self._staged_raw_predict(X):
            yield self._loss.predict_proba(raw)

    def staged_decision_function(self, X):
        """Yields :meth:`decision_function` after each iteration."""
        for raw in self._staged_raw_predict(X):
            yield raw.ravel() if raw.shape[1] == 1 else raw

    def _encode_y(self, y):
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.n_trees_per_iteration_ = 1 if len(self.classes_) <= 2 else len(self.classes_)
        return codes.astype(np.float64)

    def _encode_y_val(self, y):
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y contains previously unseen labels: {unknown.tolist()}")
        return np.searchsorted(self.classes_, y).astype(np.float64)

    def _get_loss(self, sample_weight):
        if self.n_trees_per_iteration_ == 1:
            return from_sklearn("_loss.loss.HalfBinomialLoss")(sample_weight=sample_weight)
        return from_sklearn("_loss.loss.HalfMultinomialLoss")(
            sample_weight=sample_weight, n_classes=self.n_trees_per_iteration_
        )


_ABOUT = """Columns are cut into at most 255 bins at their quantiles; each tree is grown leaf by leaf, the largest gain first,
    from histograms of gradients and Hessians kept as whole numbers, so their sums are exact and the model is the same for
    any number of threads. Missing values and categories are split natively."""
_SHARED = """learning_rate : float, default=0.1
        Factor of every leaf value.
    max_iter : int, default=100
        Most iterations.
    max_leaf_nodes : int or None, default=31
    max_depth : int or None
    min_samples_leaf : int, default=20
    l2_regularization : float, default=0.0
        Added to the Hessians of a leaf.
    max_features : float, default=1.0
        Share of the columns drawn at each node.
    max_bins : int, default=255
        Bins of a column besides the one of missing values.
    categorical_features : array-like of bool, int or str, "from_dtype" or None
    monotonic_cst : array-like of -1, 0, 1, dict or None
    interaction_cst : {"pairwise", "no_interactions"}, sequence of sequences of int, or None
        Sets of columns that may meet on a path.
    warm_start : bool
        Go on from the last fit.
    early_stopping : "auto" or bool
        "auto": above 10,000 rows.
    scoring : str, callable or None, default="loss"
    validation_fraction : int, float or None, default=0.1
    n_iter_no_change : int, default=10
    tol : float, default=1e-7
    verbose : int
    random_state : int, RandomState or None"""
_REFERENCES = """Friedman, Greedy function approximation: a gradient boosting machine, 2001.
    Ke et al., LightGBM: a highly efficient gradient boosting decision tree, 2017."""
for _class in (HistGradientBoostingRegressor, HistGradientBoostingClassifier):
    if _class.__doc__:
        for _name, _text in (("about", _ABOUT), ("shared", _SHARED), ("references", _REFERENCES)):
            _class.__doc__ = _class.__doc__.replace("{" + _name + "}", _text)
        _class.__doc__ = _class.__doc__.replace("{{", "{").replace("}}", "}")
