"""Nearest-neighbour search, classification and regression."""

from __future__ import annotations

import warnings
from numbers import Integral

import numpy as np

from .._base import ClassifierMixin, RegressorMixin, StrOptions, check_is_fitted, fit_context
from ._base import KNeighborsMixin, NeighborsBase, RadiusNeighborsMixin, neighbor_weights

_BASE = NeighborsBase._parameter_constraints
_K = {k: v for k, v in _BASE.items() if k != "radius"}
_RADIUS = {k: v for k, v in _BASE.items() if k != "n_neighbors"}
_WEIGHTS = {"weights": [StrOptions({"uniform", "distance"}), callable, None]}


class NearestNeighbors(KNeighborsMixin, RadiusNeighborsMixin, NeighborsBase):
    """Search for nearest neighbours.

    ``"brute"`` runs blocked inner products in float32 as a screen and decides by exact distances in double, so its
    answers do not suffer from cancellation; ``"kd_tree"`` compares a query with whole leaves of points at a time. Of
    equal distances the lower index comes first. Memory beside X: one packed copy, and a few megabytes of candidates.

    Parameters
    ----------
    n_neighbors : int, default=5
    radius : float, default=1.0
    algorithm : {'auto', 'ball_tree', 'kd_tree', 'brute'}, default='auto'
        'auto' takes the tree for at most 15 features and fewer neighbours than half the samples.
    leaf_size : int, default=30
        Accepted for compatibility; a leaf holds as many points as a kernel compares at once.
    metric : str, default='minkowski'
        euclidean, sqeuclidean, manhattan, chebyshev, minkowski, cosine and their aliases; others raise.
    p : float, default=2
        Of 'minkowski'.
    metric_params : dict, default=None
        At most ``{'p': ...}``.
    n_jobs : int, default=None
        Threads; None for all that the process may use.

    Attributes
    ----------
    effective_metric_, effective_metric_params_, n_samples_fit_, n_features_in_, feature_names_in_

    Examples
    --------
    >>> from corten.learn.neighbors import NearestNeighbors
    >>> X = [[0, 0, 2], [1, 0, 0], [0, 0, 1]]
    >>> NearestNeighbors(n_neighbors=2).fit(X).kneighbors([[0, 0, 1.3]], return_distance=False)
    array([[2, 0]])
    """

    _parameter_constraints: dict = _BASE

    def __init__(
        self, *, n_neighbors=5, radius=1.0, algorithm="auto", leaf_size=30, metric="minkowski", p=2,
        metric_params=None, n_jobs=None,
    ):  # fmt: skip
        self.n_neighbors = n_neighbors
        self.radius = radius
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.metric = metric
        self.p = p
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Store the points X (n_samples, n_features) and build the search; y is ignored."""
        return self._fit(X)


def _columns(estimator):
    """Targets as columns (n_samples, n_outputs) and the classes of each."""
    if estimator.outputs_2d_:
        return estimator._y, estimator.classes_
    return estimator._y.reshape(-1, 1), [estimator.classes_]


class KNeighborsClassifier(KNeighborsMixin, ClassifierMixin, NeighborsBase):
    """Classification by the vote of the k nearest training points.

    Parameters
    ----------
    n_neighbors : int, default=5
    weights : {'uniform', 'distance'} or callable, default='uniform'
        'distance' weighs by the inverse distance; a callable maps distances (n_queries, k) to weights.
    algorithm, leaf_size, p, metric, metric_params, n_jobs
        As in :class:`NearestNeighbors`.

    Attributes
    ----------
    classes_, outputs_2d_, effective_metric_, effective_metric_params_, n_samples_fit_, n_features_in_

    Examples
    --------
    >>> from corten.learn.neighbors import KNeighborsClassifier
    >>> KNeighborsClassifier(n_neighbors=3).fit([[0], [1], [2], [3]], [0, 0, 1, 1]).predict([[1.1]])
    array([0])
    """

    _parameter_constraints: dict = {**_K, **_WEIGHTS}

    def __init__(
        self, n_neighbors=5, *, weights="uniform", algorithm="auto", leaf_size=30, p=2, metric="minkowski",
        metric_params=None, n_jobs=None,
    ):  # fmt: skip
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.metric = metric
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y):
        """Store the points X (n_samples, n_features) and their classes y (n_samples,) or (n_samples, n_outputs)."""
        return self._fit(X, y)

    def _votes(self, X):
        """Weight of each class for each query, one array (n_queries, n_classes) for each output."""
        check_is_fitted(self)
        distance, index = self.kneighbors(X)
        weights = neighbor_weights(distance, self.weights)
        if weights is None:
            weights = np.ones(index.shape)
        elif (weights == 0).all(axis=1).any():
            raise ValueError(
                "All neighbors of some sample is getting zero weights. Please modify 'weights' to avoid this case if "
                "you are using a user-defined function."
            )
        y, classes = _columns(self)
        row = np.arange(len(index))[:, None]
        return [
            np.bincount(
                (row * len(c) + y[index, k]).ravel(), weights=weights.ravel(), minlength=len(index) * len(c)
            ).reshape(len(index), len(c))
            for k, c in enumerate(classes)
        ]

    def predict(self, X):
        """Class of each row of X; the lowest of equal votes. X None: the training points, each without itself."""
        votes = self._votes(X)
        classes = _columns(self)[1]
        found = np.empty((len(votes[0]), len(votes)), dtype=classes[0].dtype)
        for k, vote in enumerate(votes):
            found[:, k] = classes[k][np.argmax(vote, axis=1)]
        return found if self.outputs_2d_ else found.ravel()

    def predict_proba(self, X):
        """Share of the votes, shape (n_queries, n_classes); a list for several outputs."""
        found = []
        for vote in self._votes(X):
            found.append(vote / vote.sum(axis=1, keepdims=True))
        return found if self.outputs_2d_ else found[0]

    def score(self, X, y, sample_weight=None):
        """Accuracy; X None: of the training points, each without itself."""
        return super().score(X, y, sample_weight)


class KNeighborsRegressor(KNeighborsMixin, RegressorMixin, NeighborsBase):
    """Regression by the mean of the k nearest training points.

    Parameters
    ----------
    n_neighbors, weights, algorithm, leaf_size, p, metric, metric_params, n_jobs
        As in :class:`KNeighborsClassifier`.

    Attributes
    ----------
    effective_metric_, effective_metric_params_, n_samples_fit_, n_features_in_

    Examples
    --------
    >>> from corten.learn.neighbors import KNeighborsRegressor
    >>> KNeighborsRegressor(n_neighbors=2).fit([[0], [1], [2], [3]], [0, 0, 1, 1]).predict([[1.5]])
    array([0.5])
    """

    _parameter_constraints: dict = {**_K, **_WEIGHTS}

    def __init__(
        self, n_neighbors=5, *, weights="uniform", algorithm="auto", leaf_size=30, p=2, metric="minkowski",
        metric_params=None, n_jobs=None,
    ):  # fmt: skip
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.metric = metric
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y):
        """Store the points X (n_samples, n_features) and their targets y (n_samples,) or (n_samples, n_outputs)."""
        return self._fit(X, y)

    def predict(self, X):
        """Targets of the rows of X, shape (n_queries,) or (n_queries, n_outputs)."""
        distance, index = self.kneighbors(X)
        weights = neighbor_weights(distance, self.weights)
        y = self._y if self._y.ndim > 1 else self._y.reshape(-1, 1)
        if weights is None:
            found = np.mean(y[index], axis=1)
        else:
            found = np.einsum("nk,nko->no", weights, y[index]) / weights.sum(axis=1)[:, None]
        return found if self._y.ndim > 1 else found.ravel()


class RadiusNeighborsClassifier(RadiusNeighborsMixin, ClassifierMixin, NeighborsBase):
    """Classification by the vote of all training points within a radius.

    Parameters
    ----------
    radius : float, default=1.0
    weights, algorithm, leaf_size, p, metric, metric_params, n_jobs
        As in :class:`KNeighborsClassifier`.
    outlier_label : {manual label, 'most_frequent'}, default=None
        Class of queries without neighbours; None raises for them.

    Attributes
    ----------
    classes_, outlier_label_, outputs_2d_, effective_metric_, effective_metric_params_, n_samples_fit_

    Examples
    --------
    >>> from corten.learn.neighbors import RadiusNeighborsClassifier
    >>> RadiusNeighborsClassifier(radius=1.0).fit([[0], [1], [2], [3]], [0, 0, 1, 1]).predict([[1.4]])
    array([0])
    """

    _parameter_constraints: dict = {**_RADIUS, **_WEIGHTS, "outlier_label": [Integral, str, "array-like", None]}

    def __init__(
        self, radius=1.0, *, weights="uniform", algorithm="auto", leaf_size=30, p=2, metric="minkowski",
        outlier_label=None, metric_params=None, n_jobs=None,
    ):  # fmt: skip
        self.radius = radius
        self.weights = weights
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.metric = metric
        self.outlier_label = outlier_label
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y):
        """Store the points X (n_samples, n_features) and their classes y (n_samples,) or (n_samples, n_outputs)."""
        self._fit(X, y)
        y, classes = _columns(self)
        label = self.outlier_label
        if label is None:
            self.outlier_label_ = None
            return self
        if isinstance(label, str) and label == "most_frequent":
            self.outlier_label_ = [c[np.bincount(y[:, k]).argmax()] for k, c in enumerate(classes)]
            return self
        if hasattr(label, "__len__") and not isinstance(label, str):
            if len(label) != len(classes):
                raise ValueError(
                    f"The length of outlier_label: {label} is inconsistent with the output length: {len(classes)}"
                )
            labels = label
        else:
            labels = [label] * len(classes)
        for c, one in zip(classes, labels, strict=True):
            if hasattr(one, "__len__") and not isinstance(one, str):
                raise TypeError(f"The outlier_label of classes {c} is supposed to be a scalar, got {one}.")
            if np.append(c, one).dtype != c.dtype:
                raise TypeError(f"The dtype of outlier_label {one} is inconsistent with classes {c} in y.")
        self.outlier_label_ = labels
        return self

    def predict(self, X):
        """Class of each row of X."""
        shares = self.predict_proba(X)
        classes = _columns(self)[1]
        shares = shares if self.outputs_2d_ else [shares]
        found = np.empty((len(shares[0]), len(shares)), dtype=classes[0].dtype)
        for k, share in enumerate(shares):
            found[:, k] = classes[k][share.argmax(axis=1)]
            nobody = (share == 0).all(axis=1)
            if nobody.any():
                found[nobody, k] = self.outlier_label_[k]
        return found if self.outputs_2d_ else found.ravel()

    def predict_proba(self, X):
        """Share of the votes, shape (n_queries, n_classes); a list for several outputs."""
        check_is_fitted(self)
        distance, index = self.radius_neighbors(X)
        n = len(index)
        sizes = np.array([len(i) for i in index], dtype=np.int64)
        outliers = np.flatnonzero(sizes == 0)
        if self.outlier_label_ is None and outliers.size:
            raise ValueError(
                f"No neighbors found for test samples {outliers!r}, you can try using larger radius, giving a label for "
                "outliers, or considering removing them from your dataset."
            )
        y, classes = _columns(self)
        row = np.repeat(np.arange(n), sizes)
        flat = np.concatenate(index) if n else np.zeros(0, dtype=np.int64)
        weights = _radius_weights(distance, self.weights)
        found = []
        for k, c in enumerate(classes):
            share = np.bincount(row * len(c) + y[flat, k], weights=weights, minlength=n * len(c)).astype(float)
            share = share.reshape(n, len(c))
            if outliers.size:
                at = np.flatnonzero(c == self.outlier_label_[k])
                if at.size == 1:
                    share[outliers, at[0]] = 1.0
                else:
                    warnings.warn(
                        f"Outlier label {self.outlier_label_[k]} is not in training classes. All class probabilities of "
                        "outliers will be assigned with 0.",
                        stacklevel=2,
                    )
            total = share.sum(axis=1, keepdims=True)
            found.append(share / np.where(total == 0, 1.0, total))
        return found if self.outputs_2d_ else found[0]

    def score(self, X, y, sample_weight=None):
        """Accuracy; X None: of the training points, each without itself."""
        return super().score(X, y, sample_weight)


def _radius_weights(distance, weights):
    """One weight for each neighbour of all queries, or None."""
    if weights in (None, "uniform"):
        return None
    if callable(weights):
        found = list(weights(distance))
    else:
        found = []
        for d in distance:
            with np.errstate(divide="ignore"):
                found.append((d == 0).astype(float) if (d == 0).any() else 1.0 / d)
    return np.concatenate(found) if found else np.zeros(0)


class RadiusNeighborsRegressor(RadiusNeighborsMixin, RegressorMixin, NeighborsBase):
    """Regression by the mean of all training points within a radius; NaN, with a warning, where there is none.

    Parameters
    ----------
    radius, weights, algorithm, leaf_size, p, metric, metric_params, n_jobs
        As in :class:`RadiusNeighborsClassifier`.

    Attributes
    ----------
    effective_metric_, effective_metric_params_, n_samples_fit_, n_features_in_

    Examples
    --------
    >>> from corten.learn.neighbors import RadiusNeighborsRegressor
    >>> RadiusNeighborsRegressor(radius=1.0).fit([[0], [1], [2], [3]], [0, 0, 1, 1]).predict([[1.5]])
    array([0.5])
    """

    _parameter_constraints: dict = {**_RADIUS, **_WEIGHTS}

    def __init__(
        self, radius=1.0, *, weights="uniform", algorithm="auto", leaf_size=30, p=2, metric="minkowski",
        metric_params=None, n_jobs=None,
    ):  # fmt: skip
        self.radius = radius
        self.weights = weights
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.metric = metric
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y):
        """Store the points X (n_samples, n_features) and their targets y (n_samples,) or (n_samples, n_outputs)."""
        return self._fit(X, y)

    def predict(self, X):
        """Targets of the rows of X, shape (n_queries,) or (n_queries, n_outputs)."""
        check_is_fitted(self)
        distance, index = self.radius_neighbors(X)
        n = len(index)
        sizes = np.array([len(i) for i in index], dtype=np.int64)
        y = self._y if self._y.ndim > 1 else self._y.reshape(-1, 1)
        flat = np.concatenate(index) if n else np.zeros(0, dtype=np.int64)
        row = np.repeat(np.arange(n), sizes)
        weights = _radius_weights(distance, self.weights)
        total = sizes.astype(float) if weights is None else np.bincount(row, weights=weights, minlength=n)
        found = np.empty((n, y.shape[1]))
        for k in range(y.shape[1]):
            values = y[flat, k] if weights is None else y[flat, k] * weights
            found[:, k] = np.bincount(row, weights=values, minlength=n)
        with np.errstate(invalid="ignore", divide="ignore"):
            found /= total[:, None]
        found[sizes == 0] = np.nan
        if (sizes == 0).any():
            warnings.warn(
                "One or more samples have no neighbors within specified radius; predicting NaN.", stacklevel=2
            )
        return found if self._y.ndim > 1 else found.ravel()
