"""K-means on mini-batches."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp

from .._base import Interval, check_random_state, check_sample_weight, fit_context
from ._kmeans import BaseKMeans, variance
from ._lloyd import Rows

__all__ = ["MiniBatchKMeans"]


class MiniBatchKMeans(BaseKMeans):
    """K-means on small random batches (Sculley 2010): each batch moves its centres towards it by their counts.

    Parameters
    ----------
    n_clusters : int, default=8
    init : {'k-means++', 'random'}, callable or array-like of shape (n_clusters, n_features), default='k-means++'
    max_iter : int, default=100
        Most passes over the data.
    batch_size : int, default=1024
    verbose : int, default=0
    compute_labels : bool, default=True
        Label all of X at the end.
    random_state : int, RandomState instance or None, default=None
    tol : float, default=0.0
        Stop when the squared shift of the centres is at most this times the mean variance; 0 never.
    max_no_improvement : int or None, default=10
        Stop after so many batches without a better smoothed inertia.
    init_size : int or None, default=None
        Rows drawn for the start; by default ``3 * batch_size``, at least ``3 * n_clusters``.
    n_init : 'auto' or int, default='auto'
        Starts tried on a sample; 'auto' is 1 for k-means++ and arrays, else 3.
    reassignment_ratio : float, default=0.01
        Centres with fewer than this share of the largest count are drawn anew.

    Attributes
    ----------
    cluster_centers_, labels_, inertia_, n_iter_, n_steps_, n_features_in_, feature_names_in_

    References
    ----------
    Sculley, "Web-scale k-means clustering" (2010).

    Examples
    --------
    >>> import numpy as np
    >>> from corten.learn.cluster import MiniBatchKMeans
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> MiniBatchKMeans(n_clusters=2, random_state=0).fit(X).cluster_centers_.shape
    (2, 2)
    """

    _parameter_constraints: dict = {
        **BaseKMeans._parameter_constraints,
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "compute_labels": ["boolean"],
        "max_no_improvement": [Interval(Integral, 0, None, closed="left"), None],
        "init_size": [Interval(Integral, 1, None, closed="left"), None],
        "reassignment_ratio": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self, n_clusters=8, *, init="k-means++", max_iter=100, batch_size=1024, verbose=0, compute_labels=True,
        random_state=None, tol=0.0, max_no_improvement=10, init_size=None, n_init="auto", reassignment_ratio=0.01,
    ):  # fmt: skip
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.verbose = verbose
        self.compute_labels = compute_labels
        self.random_state = random_state
        self.tol = tol
        self.max_no_improvement = max_no_improvement
        self.init_size = init_size
        self.n_init = n_init
        self.reassignment_ratio = reassignment_ratio

    def _check_sizes(self, X):
        self._check_starts(X, default_n_init=3)
        self._tol = 0 if self.tol == 0 else variance(X) * self.tol
        self._batch_size = min(self.batch_size, X.shape[0])
        size = self.init_size
        if size is None:
            size = 3 * self._batch_size
            if size < self.n_clusters:
                size = 3 * self.n_clusters
        elif size < self.n_clusters:
            warnings.warn(
                f"init_size={size} should be larger than n_clusters={self.n_clusters}. Setting it to "
                "min(3*n_clusters, n_samples)",
                RuntimeWarning,
                stacklevel=3,
            )
            size = 3 * self.n_clusters
        self._init_size = min(size, X.shape[0])
        if self.reassignment_ratio < 0:
            raise ValueError(f"reassignment_ratio should be >= 0, got {self.reassignment_ratio} instead.")

    def _step(self, X, sample_weight, centers, random_state):
        """Move ``centers`` (in place) towards a batch; the inertia before the move."""
        rows = Rows(X)
        labels = np.empty(X.shape[0], dtype=np.int32)
        sums, weights = np.empty(centers.shape), np.empty(centers.shape[0])
        rows.assign(labels, centers, sample_weight, sums, weights)
        inertia = rows.inertia(labels, centers, sample_weight)
        counts = self._counts
        hit = weights > 0
        total = counts[hit] + weights[hit]
        centers[hit] = (centers[hit] * counts[hit, None].astype(np.float64) + sums[hit]) / total[:, None]
        counts[hit] = total
        if self._reassign_now() and self.reassignment_ratio > 0:
            weak = counts < self.reassignment_ratio * counts.max()
            if weak.sum() > 0.5 * X.shape[0]:
                weak[np.argsort(counts)[int(0.5 * X.shape[0]) :]] = False
            number = int(weak.sum())
            if number:
                drawn = random_state.choice(X.shape[0], replace=False, size=number)
                if self.verbose:
                    print(f"[MiniBatchKMeans] Reassigning {number} cluster centers.")
                new = X[drawn]
                centers[weak] = new.toarray() if sp.issparse(new) else new
            counts[weak] = np.min(counts[~weak])
        return inertia

    def _reassign_now(self):
        """True once for every ``10 * n_clusters`` samples, and whenever a centre is empty."""
        self._n_since_last_reassign += self._batch_size
        due = self._reassign_due
        self._reassign_due = False
        if due or self._n_since_last_reassign >= 10 * self.n_clusters:
            self._n_since_last_reassign = 0
            return True
        return False

    def _converged(self, step, n_steps, n_samples, shift, inertia):
        inertia /= self._batch_size
        step += 1
        if step == 1:  # that is the inertia of the start
            if self.verbose:
                print(f"Minibatch step {step}/{n_steps}: mean batch inertia: {inertia}")
            return False
        if self._ewa_inertia is None:
            self._ewa_inertia = inertia
        else:
            alpha = min(self._batch_size * 2.0 / (n_samples + 1), 1)
            self._ewa_inertia = self._ewa_inertia * (1 - alpha) + inertia * alpha
        if self.verbose:
            print(
                f"Minibatch step {step}/{n_steps}: mean batch inertia: {inertia}, ewa inertia: {self._ewa_inertia}"
            )
        if self._tol > 0.0 and shift <= self._tol:
            if self.verbose:
                print(f"Converged (small centers change) at step {step}/{n_steps}")
            return True
        if self._ewa_inertia_min is None or self._ewa_inertia < self._ewa_inertia_min:
            self._no_improvement = 0
            self._ewa_inertia_min = self._ewa_inertia
        else:
            self._no_improvement += 1
        if self.max_no_improvement is not None and self._no_improvement >= self.max_no_improvement:
            if self.verbose:
                print(f"Converged (lack of improvement in inertia) at step {step}/{n_steps}")
            return True
        return False

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Cluster the rows of X (n_samples, n_features), dense or CSR; y is ignored."""
        X = self._validate(X, reset=True)
        self._check_sizes(X)
        random_state = check_random_state(self.random_state)
        sample_weight = check_sample_weight(sample_weight, X, dtype=X.dtype)
        n_samples = X.shape[0]
        init = self._init_array(X)
        chosen = random_state.randint(0, n_samples, self._init_size)
        valid, valid_weight = Rows(X[chosen]), sample_weight[chosen]
        rows = Rows(X)
        best = None
        for i in range(self._n_init):
            if self.verbose:
                print(f"Init {i + 1}/{self._n_init} with method {init}")
            found = self._start(rows, init, random_state, sample_weight, self._init_size)
            inertia = self._labels_inertia(valid, valid_weight, found)[1]
            if self.verbose:
                print(f"Inertia for init {i + 1}/{self._n_init}: {inertia}")
            if best is None or inertia < best:
                centers, best = found, inertia
        centers = centers.copy()
        self._counts = np.zeros(self.n_clusters, dtype=X.dtype)
        self._ewa_inertia = self._ewa_inertia_min = None
        self._no_improvement = 0
        self._n_since_last_reassign = 0
        n_steps = (self.max_iter * n_samples) // self._batch_size
        share = sample_weight / np.sum(sample_weight)
        for i in range(n_steps):  # noqa: B007
            batch = random_state.choice(n_samples, self._batch_size, p=share, replace=True)
            before = centers.copy() if self._tol > 0.0 else None
            self._reassign_due = bool((self._counts == 0).any())
            inertia = self._step(X[batch], None, centers, random_state)  # the draw has used the weights
            shift = float(np.sum((centers - before) ** 2)) if before is not None else 0
            if self._converged(i, n_steps, n_samples, shift, inertia):
                break
        self.cluster_centers_ = centers
        self._n_features_out = centers.shape[0]
        self.n_steps_ = i + 1
        self.n_iter_ = int(np.ceil(((i + 1) * self._batch_size) / n_samples))
        if self.compute_labels:
            self.labels_, self.inertia_ = self._labels_inertia(rows, sample_weight, centers)
        else:
            self.inertia_ = self._ewa_inertia * np.sum(sample_weight)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Move the centres by one batch X (n_samples, n_features)."""
        fitted = hasattr(self, "cluster_centers_")
        X = self._validate(X, reset=not fitted)
        self._random_state = getattr(self, "_random_state", check_random_state(self.random_state))
        sample_weight = check_sample_weight(sample_weight, X, dtype=X.dtype)
        self.n_steps_ = getattr(self, "n_steps_", 0)
        rows = Rows(X)
        if not fitted:
            self._check_sizes(X)
            init = self._init_array(X)
            self.cluster_centers_ = self._start(
                rows, init, self._random_state, sample_weight, self._init_size
            ).copy()
            self._counts = np.zeros(self.n_clusters, dtype=X.dtype)
            self._n_since_last_reassign = 0
        centers = np.ascontiguousarray(self.cluster_centers_, dtype=X.dtype)
        self._reassign_due = bool((self._counts == 0).any())
        self._step(X, sample_weight, centers, self._random_state)
        self.cluster_centers_ = centers
        if self.compute_labels:
            self.labels_, self.inertia_ = self._labels_inertia(rows, sample_weight, centers)
        self.n_steps_ += 1
        self._n_features_out = centers.shape[0]
        return self
