"""K-means: Lloyd's and Elkan's algorithms, the greedy k-means++ start."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp

from .._base import (
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    ConvergenceWarning,
    Estimator,
    Interval,
    StrOptions,
    TransformerMixin,
    check_array,
    check_is_fitted,
    check_random_state,
    check_sample_weight,
    fit_context,
    validate_data,
)  # fmt: skip
from ._lloyd import Rows, column_means, shift_rows

__all__ = ["KMeans", "k_means", "kmeans_plusplus"]


def _is_array(init) -> bool:
    return (hasattr(init, "__len__") or hasattr(init, "__array__") or hasattr(init, "shape")) and not (
        isinstance(init, str) or np.isscalar(init)
    )


def variance(X, centred: Rows | None = None) -> float:
    """Mean over the features of their variances; of centred rows, that is their mean squared norm over n_features."""
    if centred is not None:
        return float(np.mean(centred.row_norms(), dtype=np.float64)) / X.shape[1]
    if sp.issparse(X):
        n = X.shape[0]
        mean = np.asarray(X.sum(axis=0), dtype=np.float64).ravel() / n
        square = np.asarray(X.multiply(X).sum(axis=0), dtype=np.float64).ravel() / n
        return float(np.mean(np.maximum(square - mean**2, 0)))
    return float(np.mean(np.var(X, axis=0)))


def _unit(sample_weight):
    """None when every weight is one, which the kernels take as no weights."""
    return None if np.all(sample_weight == 1) else sample_weight


def _same_clustering(a, b, n_clusters: int) -> bool:
    """True when two labellings differ by a permutation of the labels at most."""
    mapping = np.full(n_clusters, -1, dtype=b.dtype)
    mapping[a] = b
    return np.array_equal(mapping[a], b)


class _Sums:
    """The weighted sums of the clusters, and the centres made of them."""

    def __init__(self, rows: Rows, sample_weight, n_clusters: int):
        self.rows, self.sample_weight = rows, sample_weight
        self.sums = np.empty((n_clusters, rows.X.shape[1]))
        self.weights = np.empty(n_clusters)

    def centers(self, labels, centers):
        """New centres; a cluster without samples gets the sample that is farthest from its own centre."""
        X, sums, weights = self.rows.X, self.sums, self.weights
        empty = np.flatnonzero(weights == 0)
        if empty.size:
            distances = np.empty(X.shape[0], dtype=X.dtype)
            self.rows.inertia(labels, centers, distances=distances)
            if distances.max() > 0:  # else there are fewer distinct samples than clusters
                far = np.argpartition(distances, -empty.size)[: -empty.size - 1 : -1]
                for cluster, sample in zip(empty, far, strict=True):
                    weight = 1.0 if self.sample_weight is None else float(self.sample_weight[sample])
                    row = X[[sample]]
                    row = (row.toarray() if sp.issparse(row) else row)[0].astype(np.float64) * weight
                    sums[labels[sample]] -= row
                    weights[labels[sample]] -= weight
                    sums[cluster] = row
                    weights[cluster] = weight
        biggest = int(np.argmax(weights))
        new = np.where(weights[:, None] > 0, sums, sums[biggest])
        new /= np.where(weights > 0, weights, weights[biggest])[:, None]
        return new.astype(centers.dtype)


def _lloyd(rows: Rows, sample_weight, centers, max_iter, verbose, tol):
    n_clusters = centers.shape[0]
    labels = np.full(rows.X.shape[0], -1, dtype=np.int32)
    old = labels.copy()
    clusters = _Sums(rows, sample_weight, n_clusters)
    strict = False
    for i in range(max_iter):
        rows.assign(labels, centers, sample_weight, clusters.sums, clusters.weights)
        if verbose:
            print(f"Iteration {i}, inertia {rows.inertia(labels, centers, sample_weight)}.")
        new = clusters.centers(labels, centers)
        shift = float(((new - centers) ** 2).sum())
        centers = new
        if np.array_equal(labels, old):
            if verbose:
                print(f"Converged at iteration {i}: strict convergence.")
            strict = True
            break
        if shift <= tol:
            if verbose:
                print(f"Converged at iteration {i}: center shift {shift} within tolerance {tol}.")
            break
        old[:] = labels
    if not strict:
        rows.assign(labels, centers)
    return labels, rows.inertia(labels, centers, sample_weight), centers, i + 1


def _center_gaps(centers):
    """Half the distances between centres (k, k), and half the distance of each to the nearest other (k)."""
    c = centers.astype(np.float64)
    squared = np.maximum(((c**2).sum(axis=1)[:, None] + (c**2).sum(axis=1)) - 2 * c @ c.T, 0)
    # A bound must not be above the truth: take off what the subtraction may have lost.
    loss = 4 * np.finfo(np.float64).eps * ((c**2).sum(axis=1)[:, None] + (c**2).sum(axis=1)) * c.shape[1]
    half = (np.sqrt(np.maximum(squared - loss, 0)) / 2 * (1 - 4 * np.finfo(centers.dtype).eps)).astype(centers.dtype)
    others = half + np.where(np.eye(len(c), dtype=bool), np.inf, 0).astype(centers.dtype)
    return half, others.min(axis=1)


def _elkan(rows: Rows, sample_weight, centers, max_iter, verbose, tol):
    n, n_clusters = rows.X.shape[0], centers.shape[0]
    labels = np.full(n, -1, dtype=np.int32)
    old = labels.copy()
    upper = np.empty(n, dtype=centers.dtype)
    lower = np.empty((n, n_clusters), dtype=centers.dtype)
    clusters = _Sums(rows, sample_weight, n_clusters)
    half, following = _center_gaps(centers)
    rows.elkan_start(labels, upper, lower, centers, half)
    strict = False
    for i in range(max_iter):
        rows.elkan_assign(
            labels, upper, lower, centers, half, following, sample_weight, clusters.sums, clusters.weights
        )
        new = clusters.centers(labels, centers)
        shift = np.sqrt(((new.astype(np.float64) - centers) ** 2).sum(axis=1)).astype(centers.dtype)
        centers = new
        half, following = _center_gaps(centers)
        rows.elkan_shift(labels, upper, lower, shift)
        if verbose:
            print(f"Iteration {i}, inertia {rows.inertia(labels, centers, sample_weight)}.")
        if np.array_equal(labels, old):
            if verbose:
                print(f"Converged at iteration {i}: strict convergence.")
            strict = True
            break
        total = float((shift**2).sum())
        if total <= tol:
            if verbose:
                print(f"Converged at iteration {i}: center shift {total} within tolerance {tol}.")
            break
        old[:] = labels
    if not strict:
        rows.elkan_assign(labels, upper, lower, centers, half, following)
    return labels, rows.inertia(labels, centers, sample_weight), centers, i + 1


class BaseKMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, Estimator):
    """Everything but the fit."""

    _parameter_constraints: dict = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "init": [StrOptions({"k-means++", "random"}), callable, "array-like"],
        "n_init": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _check_starts(self, X, default_n_init):
        if X.shape[0] < self.n_clusters:
            raise ValueError(f"n_samples={X.shape[0]} should be >= n_clusters={self.n_clusters}.")
        if self.n_init != "auto":
            self._n_init = self.n_init
        elif callable(self.init) or (isinstance(self.init, str) and self.init == "random"):
            self._n_init = default_n_init
        else:
            self._n_init = 1
        if _is_array(self.init) and self._n_init != 1:
            warnings.warn(
                "Explicit initial center position passed: performing only one init in"
                f" {type(self).__name__} instead of n_init={self._n_init}.",
                RuntimeWarning,
                stacklevel=3,
            )
            self._n_init = 1

    def _check_center_shape(self, X, centers):
        if centers.shape[0] != self.n_clusters:
            raise ValueError(
                f"The shape of the initial centers {centers.shape} does not match the number of clusters "
                f"{self.n_clusters}."
            )
        if centers.shape[1] != X.shape[1]:
            raise ValueError(
                f"The shape of the initial centers {centers.shape} does not match the number of features of the data "
                f"{X.shape[1]}."
            )

    def _init_array(self, X):
        """The given initial centres, checked, or the setting as it is."""
        if not _is_array(self.init):
            return self.init
        init = check_array(self.init, dtype=X.dtype, copy=True, order="C")
        self._check_center_shape(X, init)
        return init

    def _start(self, rows: Rows, init, random_state, sample_weight, init_size=None):
        X = rows.X
        if init_size is not None and init_size < X.shape[0]:
            chosen = random_state.randint(0, X.shape[0], init_size)
            X, sample_weight = X[chosen], sample_weight[chosen]
            rows = Rows(X)
        if isinstance(init, str) and init == "k-means++":
            centers = X[rows.seed(self.n_clusters, sample_weight, random_state)]
        elif isinstance(init, str):
            seeds = random_state.choice(
                X.shape[0], size=self.n_clusters, replace=False, p=sample_weight / sample_weight.sum()
            )
            centers = X[seeds]
        elif callable(init):
            centers = check_array(
                init(X, self.n_clusters, random_state=random_state), dtype=X.dtype, copy=False, order="C"
            )
            self._check_center_shape(X, centers)
        else:
            centers = init
        return np.ascontiguousarray(centers.toarray() if sp.issparse(centers) else centers)

    def _validate(self, X, reset):
        return validate_data(
            self, X, accept_sparse="csr", dtype=[np.float64, np.float32], order="C", accept_large_sparse=False,
            reset=reset,
        )  # fmt: skip

    def fit_predict(self, X, y=None, sample_weight=None):
        """Fit and return the cluster of each row of X, shape (n_samples,)."""
        return self.fit(X, sample_weight=sample_weight).labels_

    def predict(self, X):
        """Nearest centre of each row of X (n_samples, n_features), as int32 of shape (n_samples,)."""
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        labels = np.empty(X.shape[0], dtype=np.int32)
        Rows(X).assign(labels, np.ascontiguousarray(self.cluster_centers_, dtype=X.dtype))
        return labels

    def fit_transform(self, X, y=None, sample_weight=None):
        """Fit and return the distances to the centres, shape (n_samples, n_clusters)."""
        return self.fit(X, sample_weight=sample_weight).transform(X)

    def transform(self, X):
        """Euclidean distances of the rows of X to the centres, shape (n_samples, n_clusters)."""
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        rows = Rows(X)
        centers = self.cluster_centers_.astype(X.dtype, copy=False)
        cross = X @ centers.T
        cross *= -2
        cross += rows.row_norms()[:, None]
        cross += np.einsum("ij,ij->i", centers, centers)
        np.maximum(cross, 0, out=cross)
        return np.sqrt(cross, out=cross)

    def score(self, X, y=None, sample_weight=None):
        """Minus the weighted sum of squared distances of the rows of X to their nearest centres."""
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        sample_weight = check_sample_weight(sample_weight, X, dtype=X.dtype)
        return -self._labels_inertia(Rows(X), sample_weight, self.cluster_centers_)[1]

    @staticmethod
    def _labels_inertia(rows, sample_weight, centers):
        labels = np.empty(rows.X.shape[0], dtype=np.int32)
        centers = np.ascontiguousarray(centers, dtype=rows.X.dtype)
        rows.assign(labels, centers)
        return labels, rows.inertia(labels, centers, sample_weight)


class KMeans(BaseKMeans):
    r"""K-means clustering: centres that minimise :math:`\sum_i w_i \min_j \|x_i - c_j\|^2`.

    Lloyd's iteration runs in one pass over the rows: the inner products with the packed centres stay in registers, the
    nearest centre follows by comparison, and the row is added to its cluster's sum while it is in the cache. Results
    are the same for any number of threads. Memory beside X: a centred copy (with ``copy_x``), 4 bytes of label per
    row, and ``2 * n_samples`` numbers during the k-means++ start; ``"elkan"`` also holds ``n_samples * n_clusters``
    bounds.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of centres.
    init : {'k-means++', 'random'}, callable or array-like of shape (n_clusters, n_features), default='k-means++'
        Where to start; k-means++ is the greedy form with ``2 + int(log(n_clusters))`` trials for each centre.
    n_init : 'auto' or int, default='auto'
        Number of starts, of which the best is kept. 'auto' is 1 for k-means++ and arrays, else 10.
    max_iter : int, default=300
        Most iterations of one start.
    tol : float, default=1e-4
        Stop when the squared shift of all centres is at most this times the mean variance of the features.
    verbose : int, default=0
        Print the inertia of each iteration.
    random_state : int, RandomState instance or None, default=None
        Seed of the start; draws the same sequence as scikit-learn.
    copy_x : bool, default=True
        Work on a centred copy; with False, X itself is centred and put back.
    algorithm : {'lloyd', 'elkan'}, default='lloyd'
        Elkan skips distances by the triangle inequality.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
    labels_ : ndarray of shape (n_samples,), int32
    inertia_ : float
        The minimised sum.
    n_iter_ : int
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)

    References
    ----------
    Lloyd, "Least squares quantization in PCM" (1982). Arthur and Vassilvitskii, "k-means++" (2007). Elkan, "Using the
    triangle inequality to accelerate k-means" (2003).

    Examples
    --------
    >>> import numpy as np
    >>> from corten.learn.cluster import KMeans
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> KMeans(n_clusters=2, random_state=0).fit(X).inertia_
    16.0
    """

    _parameter_constraints: dict = {
        **BaseKMeans._parameter_constraints,
        "copy_x": ["boolean"],
        "algorithm": [StrOptions({"lloyd", "elkan"})],
    }

    def __init__(
        self, n_clusters=8, *, init="k-means++", n_init="auto", max_iter=300, tol=1e-4, verbose=0, random_state=None,
        copy_x=True, algorithm="lloyd",
    ):  # fmt: skip
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Cluster the rows of X (n_samples, n_features), dense or CSR; y is ignored."""
        given = X
        X = self._validate(X, reset=True)
        self._check_starts(X, default_n_init=10)
        algorithm = self.algorithm
        if algorithm == "elkan" and self.n_clusters == 1:
            warnings.warn(
                "algorithm='elkan' doesn't make sense for a single cluster. Using 'lloyd' instead.",
                RuntimeWarning,
                stacklevel=2,
            )
            algorithm = "lloyd"
        random_state = check_random_state(self.random_state)
        sample_weight = check_sample_weight(sample_weight, X, dtype=X.dtype)
        init = self._init_array(X)
        dense = not sp.issparse(X)
        mean = None
        if dense:  # differences of centred rows lose less
            mean = column_means(X)
            keep = self.copy_x and hasattr(given, "__array__") and np.may_share_memory(X, np.asarray(given))
            centred = np.empty_like(X) if keep else X
            shift_rows(centred, X, mean, -1.0)
            X = centred
            if _is_array(init):
                init -= mean
        rows = Rows(X)
        self._tol = 0 if self.tol == 0 else variance(X, rows if dense else None) * self.tol
        best = None
        run = _elkan if algorithm == "elkan" else _lloyd
        weights = _unit(sample_weight)
        try:
            for _ in range(self._n_init):
                centers = self._start(rows, init, random_state, sample_weight)
                if self.verbose:
                    print("Initialization complete")
                found = run(rows, weights, centers, self.max_iter, self.verbose, self._tol)
                if best is None or (
                    found[1] < best[1] and not _same_clustering(found[0], best[0], self.n_clusters)
                ):
                    best = found
        finally:
            if dense and not self.copy_x:
                shift_rows(X, X, mean, 1.0)
        labels, inertia, centers, n_iter = best
        if dense:
            centers = centers + mean
        distinct = np.count_nonzero(np.bincount(labels))
        if distinct < self.n_clusters:
            warnings.warn(
                f"Number of distinct clusters ({distinct}) found smaller than n_clusters ({self.n_clusters}). "
                "Possibly due to duplicate points in X.",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.cluster_centers_ = centers
        self._n_features_out = centers.shape[0]
        self.labels_ = labels
        self.inertia_ = inertia
        self.n_iter_ = n_iter
        return self


def kmeans_plusplus(
    X, n_clusters, *, sample_weight=None, x_squared_norms=None, random_state=None, n_local_trials=None
):
    """Greedy k-means++: rows of X far from each other, drawn by their squared distance to those already drawn.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    n_clusters : int
    sample_weight : array-like of shape (n_samples,), default=None
    x_squared_norms : array-like of shape (n_samples,), default=None
        Checked for its length; the norms are computed anew.
    random_state : int, RandomState instance or None, default=None
    n_local_trials : int, default=None
        Candidates for each centre; ``2 + int(log(n_clusters))`` by default.

    Returns
    -------
    centers : ndarray of shape (n_clusters, n_features)
    indices : ndarray of shape (n_clusters,)

    Examples
    --------
    >>> import numpy as np
    >>> from corten.learn.cluster import kmeans_plusplus
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> kmeans_plusplus(X, n_clusters=2, random_state=0)[0].shape
    (2, 2)
    """
    X = check_array(X, accept_sparse="csr", dtype=[np.float64, np.float32], order="C", accept_large_sparse=False)
    sample_weight = check_sample_weight(sample_weight, X, dtype=X.dtype)
    if X.shape[0] < n_clusters:
        raise ValueError(f"n_samples={X.shape[0]} should be >= n_clusters={n_clusters}.")
    if x_squared_norms is not None and len(x_squared_norms) != X.shape[0]:
        raise ValueError(
            f"The length of x_squared_norms {len(x_squared_norms)} should be equal to the length of n_samples "
            f"{X.shape[0]}."
        )
    indices = Rows(X).seed(n_clusters, sample_weight, check_random_state(random_state), n_local_trials)
    centers = X[indices]
    return (centers.toarray() if sp.issparse(centers) else centers), indices


def k_means(
    X, n_clusters, *, sample_weight=None, init="k-means++", n_init="auto", max_iter=300, verbose=False, tol=1e-4,
    random_state=None, copy_x=True, algorithm="lloyd", return_n_iter=False,
):  # fmt: skip
    """K-means as a function: ``(centers, labels, inertia)``, and the number of iterations with ``return_n_iter``.

    The parameters are those of :class:`KMeans`.

    Examples
    --------
    >>> import numpy as np
    >>> from corten.learn.cluster import k_means
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> k_means(X, n_clusters=2, random_state=0)[2]
    16.0
    """
    est = KMeans(
        n_clusters=n_clusters, init=init, n_init=n_init, max_iter=max_iter, verbose=verbose, tol=tol,
        random_state=random_state, copy_x=copy_x, algorithm=algorithm,
    ).fit(X, sample_weight=sample_weight)  # fmt: skip
    result = (est.cluster_centers_, est.labels_, est.inertia_)
    return (*result, est.n_iter_) if return_n_iter else result
