"""Truncated singular value decomposition."""

import numpy as np

from corten.learn._base import (
    Estimator,
    as_csr,
    check_is_fitted,
    check_random_state,
    fit_context,
    from_sklearn,
    issparse,
    svd_flip,
    validate_data,
)
from corten.learn.decomposition._project import project, randomized_svd
from corten.learn.linear_model._kernels import scores_csr
from corten.learn.preprocessing._scale import column_moments

__all__ = ["TruncatedSVD"]


class TruncatedSVD(Estimator, from_sklearn("decomposition.TruncatedSVD")):
    r"""The leading singular triplets of X as it is, not centred: :math:`X \approx U \Sigma V^T`.

    Parameters
    ----------
    n_components, algorithm, n_iter, n_oversamples, power_iteration_normalizer, random_state, tol
        As in :class:`sklearn.decomposition.TruncatedSVD`.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
    explained_variance_, explained_variance_ratio_, singular_values_ : ndarray of shape (n_components,)

    Examples
    --------
    >>> import numpy as np
    >>> TruncatedSVD(1, random_state=0).fit(np.diag([3.0, 2.0, 1.0])).singular_values_.round(6)
    array([3.])
    """

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None):
        """Fit to X (n_samples, n_features), dense or sparse, and return its coordinates (n_samples, n_components)."""
        if self.algorithm == "arpack":
            return super().fit_transform(X, y)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], ensure_min_features=2)
        if X.dtype not in (np.float32, np.float64):
            X = X.astype(np.float64)
        if self.n_components > X.shape[1]:
            raise ValueError(f"n_components({self.n_components}) must be <= n_features({X.shape[1]}).")
        U, s, Vt = randomized_svd(
            X, None, self.n_components, oversamples=self.n_oversamples, n_iter=self.n_iter,
            normalizer=self.power_iteration_normalizer, random_state=check_random_state(self.random_state),
        )  # fmt: skip
        _, Vt = svd_flip(U, Vt, u_based_decision=False)
        self.components_, self.singular_values_ = np.ascontiguousarray(Vt), s
        out = _project(X, self.components_)
        self.explained_variance_ = np.var(out, axis=0)
        if issparse(X):
            total = from_sklearn("utils.sparsefuncs.mean_variance_axis")(X, axis=0)[1].sum()
        else:
            total = X.dtype.type(column_moments(X)[2].sum())
        self.explained_variance_ratio_ = self.explained_variance_ / total
        return out

    def transform(self, X):
        """Coordinates of the rows of X (n_samples, n_features), (n_samples, n_components)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        if X.dtype not in (np.float32, np.float64):
            X = X.astype(np.float64)
        return _project(X, self.components_)


def _project(X, components):
    if not issparse(X):
        return project(X, components)
    return scores_csr(as_csr(X), np.ascontiguousarray(components.T, dtype=X.dtype), None)
