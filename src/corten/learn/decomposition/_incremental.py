"""Incremental principal component analysis."""

from corten.learn._base import from_sklearn
from corten.learn.decomposition._project import CentredProjection

__all__ = ["IncrementalPCA"]


class IncrementalPCA(CentredProjection, from_sklearn("decomposition.IncrementalPCA")):
    """Principal components of data that comes in batches.

    Each batch is one SVD of LAPACK on the batch and the components so far (Ross et al. 2008), by scikit-learn's
    algorithm;
    projection is native.

    Parameters
    ----------
    n_components, whiten, copy, batch_size
        As in :class:`sklearn.decomposition.IncrementalPCA`.

    Attributes
    ----------
    components_, explained_variance_, explained_variance_ratio_, singular_values_, mean_, var_, noise_variance_, \
n_components_, n_samples_seen_, batch_size_
        As in :class:`sklearn.decomposition.IncrementalPCA`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    >>> IncrementalPCA(1, batch_size=2).fit(X).components_.round(3)
    array([[0.707, 0.707]])
    """

    def transform(self, X):
        """Coordinates of the rows of X (n_samples, n_features), (n_samples, n_components); sparse X goes by batches."""
        return CentredProjection.transform(self, X)
