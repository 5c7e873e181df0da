"""Principal component analysis."""

import numpy as np
from scipy import linalg

from corten.learn._base import assert_all_finite, from_sklearn, issparse, serial_blas, svd_flip, validate_data
from corten.learn.decomposition._project import CentredProjection, randomized_svd
from corten.learn.linear_model._moments import moments
from corten.learn.preprocessing._scale import column_moments

__all__ = ["PCA"]


class PCA(CentredProjection, from_sklearn("decomposition.PCA")):
    r"""Principal components: the directions :math:`v_k` of largest variance, :math:`C v_k = \lambda_k v_k`.

    The covariance solver reads X once and never copies it; the randomised solver does not form the centred data.
    "full" is LAPACK's SVD, "arpack" SciPy's.

    Parameters
    ----------
    n_components, copy, whiten, svd_solver, tol, iterated_power, n_oversamples, power_iteration_normalizer, random_state
        As in :class:`sklearn.decomposition.PCA`.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Signs as scikit-learn chooses them.
    explained_variance_, explained_variance_ratio_, singular_values_ : ndarray of shape (n_components,)
    mean_ : ndarray of shape (n_features,)
    n_components_, n_samples_ : int
    noise_variance_ : float

    Examples
    --------
    >>> import numpy as np
    >>> PCA(1).fit(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])).components_.round(3)
    array([[0.707, 0.707]])
    """

    transform = CentredProjection.transform  # of this class, so that scikit-learn wraps it for set_output


    def _fit(self, X):
        solver = self.svd_solver
        if issparse(X) or solver in ("full", "arpack") or self.n_components == "mle":
            return super()._fit(X)
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_2d=True, copy=False, ensure_all_finite=False)
        n, p = X.shape
        n_components = min(n, p) if self.n_components is None else self.n_components
        if solver == "auto":
            if p <= 1000 and n >= 10 * p:
                solver = "covariance_eigh"
            elif max(n, p) > 500 and 1 <= n_components < 0.8 * min(n, p):
                solver = "randomized"
        if solver not in ("covariance_eigh", "randomized"):
            return super()._fit(X)
        self._fit_svd_solver = solver
        if solver == "covariance_eigh":
            return self._fit_covariance(X, n_components)
        return self._fit_randomized(X, n_components)

    def _fit_covariance(self, X, n_components):
        n, p = X.shape
        if not 0 <= n_components <= min(n, p):
            raise ValueError(
                f"n_components={n_components} must be between 0 and min(n_samples, n_features)={min(n, p)} with "
                f"svd_solver={self._fit_svd_solver!r}"
            )
        m = moments(X)
        if not m.finite():
            assert_all_finite(X, input_name="X", estimator_name=type(self).__name__)
        self.mean_ = m.x_mean.astype(X.dtype)
        covariance = m.xx / (n - 1)
        total = np.trace(covariance)
        few = 1.0 <= n_components < p / 4  # then the largest eigenvalues alone are cheaper than all
        with serial_blas():
            values, vectors = (
                linalg.eigh(covariance, overwrite_a=True, driver="evr", subset_by_index=[p - int(n_components), p - 1])
                if few
                else linalg.eigh(covariance, overwrite_a=True, driver="evd")
            )
        values = np.maximum(values[::-1], 0.0)
        _, components = svd_flip(None, np.ascontiguousarray(vectors[:, ::-1].T), u_based_decision=False)
        ratio = values / (total if few else values.sum())
        if 0 < n_components < 1.0:
            n_components = int(np.searchsorted(np.cumsum(ratio), n_components, side="right")) + 1
        self.noise_variance_ = 0.0
        if n_components < min(n, p):
            rest = max(total - values.sum(), 0.0) if few else values[n_components:].sum()
            self.noise_variance_ = X.dtype.type(rest / (p - n_components))
        self.n_samples_, self.n_components_ = n, n_components
        self.components_ = components[:n_components].astype(X.dtype)
        self.explained_variance_ = values[:n_components].astype(X.dtype)
        self.explained_variance_ratio_ = ratio[:n_components].astype(X.dtype)
        self.singular_values_ = np.sqrt(values[:n_components] * (n - 1)).astype(X.dtype)
        return None, None, None, X, False, np

    def _fit_randomized(self, X, n_components):
        n, p = X.shape
        if isinstance(n_components, str) or not 1 <= n_components <= min(n, p):
            raise ValueError(
                f"n_components={n_components!r} must be between 1 and min(n_samples, n_features)={min(n, p)!r} with "
                "svd_solver='randomized'"
            )
        weight, mean, variance, low, high = column_moments(X)
        if not (weight.min() == n and np.isfinite(low).all() and np.isfinite(high).all() and np.isfinite(mean).all()):
            assert_all_finite(X, input_name="X", estimator_name=type(self).__name__)
        self.mean_ = mean.astype(X.dtype)
        total = float(variance.sum()) * n / (n - 1)
        # Where means dwarf the spread, subtracting them afterwards would cancel: then a centred copy is worth it.
        spread = np.sqrt(variance[variance > 0])
        far = variance.any() and np.abs(mean[variance > 0] / spread).max() > (1e4 if X.dtype == np.float64 else 1e1)
        data, offset = (X - self.mean_, None) if far else (X, self.mean_)
        U, s, Vt = randomized_svd(
            data, offset, n_components, oversamples=self.n_oversamples, n_iter=self.iterated_power,
            normalizer=self.power_iteration_normalizer, random_state=self.random_state,
        )  # fmt: skip
        U, Vt = svd_flip(U, Vt, u_based_decision=False)
        self.n_samples_, self.n_components_ = n, n_components
        self.components_ = np.ascontiguousarray(Vt)
        self.singular_values_ = s
        self.explained_variance_ = s**2 / (n - 1)
        self.explained_variance_ratio_ = self.explained_variance_ / X.dtype.type(total)
        self.noise_variance_ = 0.0
        if n_components < min(n, p):
            rest = total - self.explained_variance_.sum(dtype=np.float64)
            self.noise_variance_ = X.dtype.type(rest / (min(n, p) - n_components))
        return U, s, Vt, X, False, np
