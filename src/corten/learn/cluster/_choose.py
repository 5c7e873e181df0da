"""How many clusters: the elbow of the inertia and the silhouettes of the points, as figures."""

from __future__ import annotations

import numpy as np

from .._base import check_array, clone, column_or_1d, from_sklearn

__all__ = ["ElbowDisplay", "SilhouetteDisplay"]


def _axes(ax):
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots()[1]


class ElbowDisplay:
    """Inertia over the number of clusters, and where its curve bends most.

    The elbow is the point of the curve farthest below the line between its ends, both axes scaled to [0, 1] (Satopaa et
    al., "Finding a kneedle in a haystack", 2011).

    Parameters
    ----------
    n_clusters : ndarray of shape (n,)
        Rising numbers of clusters.
    inertia : ndarray of shape (n,)
        Inertia of the best clustering with each.

    Attributes
    ----------
    elbow_ : int
        The number of clusters at the elbow.
    ax_, figure_, line_
        What :meth:`plot` has drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from corten.learn.cluster import ElbowDisplay, KMeans
    >>> X = np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], 20, axis=0) + np.random.default_rng(0).random((60, 2))
    >>> ElbowDisplay.from_estimator(KMeans(random_state=0), X, n_clusters=range(1, 8)).elbow_
    3
    """

    def __init__(self, *, n_clusters, inertia):
        self.n_clusters, self.inertia = np.asarray(n_clusters), np.asarray(inertia, dtype=np.float64)
        if self.n_clusters.shape != self.inertia.shape or self.n_clusters.ndim != 1 or self.n_clusters.size < 3:
            raise ValueError(
                f"[ElbowDisplay] got {self.n_clusters.shape} numbers of clusters and {self.inertia.shape} inertias, expected "
                "as many of each, at least 3"
            )
        if (np.diff(self.n_clusters) <= 0).any():
            raise ValueError(f"[ElbowDisplay] got n_clusters={self.n_clusters.tolist()}, expected rising numbers")
        x = (self.n_clusters - self.n_clusters[0]) / (self.n_clusters[-1] - self.n_clusters[0])
        fall = self.inertia[0] - self.inertia[-1]
        y = (self.inertia - self.inertia[-1]) / fall if fall > 0 else np.zeros_like(x)
        self.elbow_ = int(self.n_clusters[np.argmax(1 - x - y)])

    @classmethod
    def from_estimator(cls, estimator, X, *, n_clusters=range(1, 11), sample_weight=None):
        """Fit a clone of ``estimator`` (a k-means) with each number of clusters.

        Parameters
        ----------
        estimator : KMeans or MiniBatchKMeans
            Anything with ``n_clusters`` and, once fitted, ``inertia_``.
        X : {array-like, CSR} of shape (n_samples, n_features)
        n_clusters : iterable of int, default=range(1, 11)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        ElbowDisplay
        """
        numbers = list(n_clusters)
        models = (clone(estimator).set_params(n_clusters=k).fit(X, sample_weight=sample_weight) for k in numbers)
        return cls(n_clusters=numbers, inertia=[model.inertia_ for model in models])

    def plot(self, ax=None):
        """Draw the curve and mark the elbow; needs matplotlib. Returns self."""
        self.ax_ = _axes(ax)
        self.figure_ = self.ax_.figure
        (self.line_,) = self.ax_.plot(self.n_clusters, self.inertia, marker="o")
        self.ax_.axvline(self.elbow_, linestyle="--", color="grey", label=f"elbow at {self.elbow_}")
        self.ax_.set(xlabel="Number of clusters", ylabel="Inertia")
        self.ax_.legend()
        return self


class SilhouetteDisplay:
    r"""Silhouettes of all points, by cluster.

    The silhouette of a point is :math:`(b - a) / \max(a, b)`, a its mean distance to the others of its cluster and b that to
    the nearest other cluster (Rousseeuw 1987). Distances are computed in blocks, never held all at once.

    Parameters
    ----------
    silhouettes : ndarray of shape (n_samples,)
    labels : ndarray of shape (n_samples,)

    Attributes
    ----------
    score_ : float
        Mean over all points.
    cluster_scores_ : ndarray of shape (n_labels,)
        Mean of each cluster, in the order of the sorted labels.
    ax_, figure_
        What :meth:`plot` has drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from corten.learn.cluster import SilhouetteDisplay
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> round(SilhouetteDisplay.from_predictions(X, [0, 0, 1, 1]).score_, 3)
    0.9
    """

    def __init__(self, *, silhouettes, labels):
        self.silhouettes, self.labels = np.asarray(silhouettes, dtype=np.float64), np.asarray(labels)
        if self.silhouettes.shape != self.labels.shape:
            raise ValueError(
                f"[SilhouetteDisplay] got {self.silhouettes.shape} silhouettes and {self.labels.shape} labels, expected as "
                "many of each"
            )
        names, codes = np.unique(self.labels, return_inverse=True)
        self.score_ = float(self.silhouettes.mean())
        self.cluster_scores_ = np.bincount(codes, self.silhouettes) / np.bincount(codes)
        self._names, self._codes = names, codes

    @classmethod
    def from_predictions(cls, X, labels, *, metric="euclidean"):
        """From points X (n_samples, n_features) and their labels (n_samples,); ValueError for fewer than two clusters."""
        X = check_array(X, accept_sparse="csr")
        labels = column_or_1d(labels)
        return cls(silhouettes=from_sklearn("metrics.silhouette_samples")(X, labels, metric=metric), labels=labels)

    @classmethod
    def from_estimator(cls, estimator, X, *, metric="euclidean"):
        """From a clone of ``estimator`` fitted to X."""
        return cls.from_predictions(X, clone(estimator).fit(X).labels_, metric=metric)

    def plot(self, ax=None):
        """Draw a block of sorted bars for each cluster and the mean; needs matplotlib. Returns self."""
        self.ax_ = _axes(ax)
        self.figure_ = self.ax_.figure
        low, gap, places = 0, max(1, len(self.labels) // 50), []
        for code in range(len(self._names)):
            values = np.sort(self.silhouettes[self._codes == code])
            self.ax_.fill_betweenx(np.arange(low, low + len(values)), 0, values, alpha=0.7, step="mid")
            places.append(low + len(values) / 2)
            low += len(values) + gap
        self.ax_.set_yticks(places, [str(name) for name in self._names])
        self.ax_.axvline(self.score_, linestyle="--", color="grey", label=f"mean {self.score_:.2f}")
        self.ax_.set(xlabel="Silhouette", ylabel="Cluster")
        self.ax_.legend()
        return self
