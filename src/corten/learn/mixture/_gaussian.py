"""Gaussian mixture models."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

import numpy as np
from scipy import linalg

from .._base import (
    ConvergenceWarning,
    DensityMixin,
    Estimator,
    Interval,
    StrOptions,
    check_array,
    check_is_fitted,
    check_random_state,
    fit_context,
    validate_data,
)  # fmt: skip
from ..cluster import KMeans, kmeans_plusplus
from ._em import em_step

_DEGENERATE = (
    "Fitting the mixture model failed because some components have ill-defined empirical covariance (for instance caused "
    "by singleton or collapsed samples). Try to decrease the number of components, increase reg_covar, or scale the input "
    "data."
)


def _shape(name, value, expected):
    if value.shape != expected:
        raise ValueError(f"The parameter '{name}' should have the shape of {expected}, but got {value.shape}")


def _upper_inverse(covariance):
    """U with U U' = covariance^-1, upper triangular."""
    try:
        lower = linalg.cholesky(covariance, lower=True)
    except linalg.LinAlgError:
        raise ValueError(_DEGENERATE) from None
    return linalg.solve_triangular(lower, np.eye(len(covariance)), lower=True).T


class GaussianMixture(DensityMixin, Estimator):
    r"""Mixture of Gaussians :math:`p(x) = \sum_j \pi_j \mathcal N(x; \mu_j, \Sigma_j)`, by expectation-maximisation.

    Both steps of an iteration run in one pass over the data; responsibilities are not stored, and moments are taken about
    the means of the step before. Results are the same for any number of threads.

    Parameters
    ----------
    n_components : int, default=1
    covariance_type : {'full', 'tied', 'diag', 'spherical'}, default='full'
    tol : float, default=1e-3
        Stop when the mean log-likelihood of a sample changes by less.
    reg_covar : float, default=1e-6
        Added to the variances.
    max_iter : int, default=100
    n_init : int, default=1
        Starts, of which the most likely is kept.
    init_params : {'kmeans', 'k-means++', 'random', 'random_from_data'}, default='kmeans'
    weights_init, means_init, precisions_init : array-like, default=None
        Where to start, in place of what ``init_params`` finds.
    random_state : int, RandomState instance or None, default=None
    warm_start : bool, default=False
    verbose : int, default=0
    verbose_interval : int, default=10

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
    means_ : ndarray of shape (n_components, n_features)
    covariances_ : ndarray; (n_components, n_features, n_features), (n_features, n_features), (n_components, n_features) or
        (n_components,) by ``covariance_type``
    precisions_, precisions_cholesky_ : the inverses and their factors, shaped alike
    converged_ : bool
    n_iter_ : int
    lower_bound_ : float
        Mean log-likelihood of a sample in the last step of the best start.
    lower_bounds_ : list of float
    n_features_in_, feature_names_in_

    References
    ----------
    Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM algorithm" (1977).

    Examples
    --------
    >>> import numpy as np
    >>> from corten.learn.mixture import GaussianMixture
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> GaussianMixture(n_components=2, random_state=0).fit(X).weights_
    array([0.5, 0.5])
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "reg_covar": [Interval(Real, 0.0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "init_params": [StrOptions({"kmeans", "random", "random_from_data", "k-means++"})],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "verbose_interval": [Interval(Integral, 1, None, closed="left")],
        "covariance_type": [StrOptions({"full", "tied", "diag", "spherical"})],
        "weights_init": ["array-like", None],
        "means_init": ["array-like", None],
        "precisions_init": ["array-like", None],
    }

    def __init__(
        self, n_components=1, *, covariance_type="full", tol=1e-3, reg_covar=1e-6, max_iter=100, n_init=1,
        init_params="kmeans", weights_init=None, means_init=None, precisions_init=None, random_state=None,
        warm_start=False, verbose=0, verbose_interval=10,
    ):  # fmt: skip
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval

    # ------------------------------------------------------------------------------------------------------- start

    def _given(self, n_features):
        """The given starting values, checked."""
        k, kinds = self.n_components, dict(dtype=[np.float64, np.float32], ensure_2d=False)
        weights, means, precisions = self.weights_init, self.means_init, self.precisions_init
        if weights is not None:
            weights = check_array(weights, **kinds)
            _shape("weights", weights, (k,))
            if (weights < 0).any() or (weights > 1).any():
                raise ValueError(
                    "The parameter 'weights' should be in the range [0, 1], but got max value "
                    f"{weights.min():.5f}, min value {weights.max():.5f}"
                )
            if not np.isclose(weights.sum(), 1.0, rtol=0, atol=1e-6 if weights.dtype == np.float32 else 1e-8):
                raise ValueError(
                    f"The parameter 'weights' should be normalized, but got sum(weights) = {weights.sum():.5f}"
                )
            weights = weights.astype(np.float64)
        if means is not None:
            means = check_array(means, **kinds)
            _shape("means", means, (k, n_features))
            means = means.astype(np.float64)
        if precisions is not None:
            kind = self.covariance_type
            precisions = check_array(precisions, allow_nd=kind == "full", **kinds)
            shapes = {
                "full": (k, n_features, n_features), "tied": (n_features, n_features), "diag": (k, n_features),
                "spherical": (k,),
            }  # fmt: skip
            _shape(f"{kind} precision", precisions, shapes[kind])
            precisions = precisions.astype(np.float64)
            if kind in ("full", "tied"):
                for matrix in precisions if kind == "full" else [precisions]:
                    if not (np.allclose(matrix, matrix.T) and (linalg.eigvalsh(matrix) > 0).all()):
                        raise ValueError(f"'{kind} precision' should be symmetric, positive-definite")
            elif (precisions <= 0).any():
                raise ValueError(f"'{kind} precision' should be positive")
        return weights, means, precisions

    def _start(self, X, random_state, given):
        weights, means, precisions = given
        covariances = None
        if weights is None or means is None or precisions is None:
            found = self._moments_of(X, self._first_responsibilities(X, random_state))
            weights = found[0] if weights is None else weights
            means = found[1] if means is None else means
            covariances = found[2]
        if precisions is None:
            factors = self._factors(covariances)
        elif self.covariance_type in ("full", "tied"):
            flip = precisions[..., ::-1, ::-1]  # the upper factor of A is the flipped lower factor of the flipped A
            factors = np.linalg.cholesky(flip)[..., ::-1, ::-1]
        else:
            factors = np.sqrt(precisions)
        return weights, means, covariances, factors

    def _first_responsibilities(self, X, random_state):
        n, k = X.shape[0], self.n_components
        if self.init_params == "random":
            resp = random_state.uniform(size=(n, k))
            return resp / resp.sum(axis=1, keepdims=True)
        resp = np.zeros((n, k))
        if self.init_params == "kmeans":
            labels = KMeans(n_clusters=k, n_init=1, random_state=random_state).fit(X).labels_
            resp[np.arange(n), labels] = 1
        elif self.init_params == "random_from_data":
            resp[random_state.choice(n, size=k, replace=False), np.arange(k)] = 1
        else:
            resp[kmeans_plusplus(X, k, random_state=random_state)[1], np.arange(k)] = 1
        return resp

    def _moments_of(self, X, resp):
        """Weights, means and covariances from responsibilities."""
        mass = resp.sum(axis=0)
        k, d = self.n_components, X.shape[1]
        first = np.empty((k, d))
        full = self.covariance_type in ("full", "tied")
        second = np.empty((k, d, d) if full else (k, d))
        for j in range(k):
            rows = np.flatnonzero(resp[:, j])
            r, x = resp[rows, j], X[rows].astype(np.float64)
            first[j] = r @ x / max(mass[j], np.finfo(np.float64).tiny)
            x -= first[j]
            second[j] = (x * r[:, None]).T @ x if full else r @ (x * x)
        mass = mass + 10 * np.finfo(X.dtype).eps
        covariances = self._covariances(mass, second)
        if self.covariance_type == "tied" and self.init_params in ("k-means++", "random_from_data"):
            # few rows have a component yet; the scatter of all of them is shared, as scikit-learn starts
            covariances = (X.T.astype(np.float64) @ X - (mass * first.T) @ first) / mass.sum()
            covariances[np.arange(d), np.arange(d)] += self.reg_covar
        return mass / mass.sum(), first, covariances

    # -------------------------------------------------------------------------------------------------- parameters

    def _covariances(self, mass, second):
        """Covariances from masses and second moments about the means."""
        kind, reg = self.covariance_type, self.reg_covar
        if kind in ("full", "tied"):
            found = second / mass[:, None, None] if kind == "full" else second.sum(axis=0) / mass.sum()
            d = found.shape[-1]
            found = (found + np.swapaxes(found, -1, -2)) / 2
            found[..., np.arange(d), np.arange(d)] += reg
            return found
        found = second / mass[:, None] + reg
        return found if kind == "diag" else found.mean(axis=1)

    def _factors(self, covariances):
        kind = self.covariance_type
        if kind == "full":
            return np.array([_upper_inverse(c) for c in covariances])
        if kind == "tied":
            return _upper_inverse(covariances)
        if (covariances <= 0).any() or not np.isfinite(covariances).all():
            raise ValueError(_DEGENERATE)
        return 1.0 / np.sqrt(covariances)

    def _pass(self, X, parameters, moments=False, **outputs):
        """One pass over X with (weights, means, covariances, factors)."""
        weights, means, _, factors = (None if p is None else np.asarray(p, dtype=np.float64) for p in parameters)
        d = X.shape[1]
        kind = self.covariance_type
        if kind in ("full", "tied"):
            log_det = np.log(np.diagonal(factors, axis1=-2, axis2=-1)).sum(axis=-1)
        elif kind == "diag":
            log_det = np.log(factors).sum(axis=1)
        else:
            log_det = d * np.log(factors)
            factors = np.repeat(factors[:, None], d, axis=1)
        with np.errstate(divide="ignore"):
            constant = np.log(weights) + log_det - 0.5 * d * np.log(2 * np.pi)
        return em_step(X, means, factors, constant, kind == "tied", moments, **outputs)

    def _iterate(self, X, parameters):
        """Mean log-likelihood of the parameters, and better ones."""
        total, mass, first, second = self._pass(X, parameters, moments=True)
        k, d = self.n_components, X.shape[1]
        means = parameters[1]
        safe = mass + 10 * np.finfo(X.dtype).eps
        shift = first / safe[:, None]
        if self.covariance_type in ("full", "tied"):
            square = np.empty((k, d, d))
            rows, columns = np.triu_indices(d)
            square[:, rows, columns] = second
            square[:, columns, rows] = second
            square -= mass[:, None, None] * shift[:, :, None] * shift[:, None, :]
        else:
            square = np.maximum(second - mass[:, None] * shift**2, 0)
        covariances = self._covariances(safe, square)
        return total / X.shape[0], (safe / safe.sum(), means + shift, covariances, self._factors(covariances))

    def _store(self, parameters, dtype):
        weights, means, covariances, factors = (
            None if p is None else np.asarray(p).astype(dtype, copy=False) for p in parameters
        )
        self.weights_, self.means_, self.precisions_cholesky_ = weights, means, factors
        if self.covariance_type in ("full", "tied"):
            self.precisions_ = factors @ np.swapaxes(factors, -1, -2)
        else:
            self.precisions_ = factors**2
        self.covariances_ = covariances

    def _parameters(self):
        return self.weights_, self.means_, None, self.precisions_cholesky_

    # --------------------------------------------------------------------------------------------------------- fit

    def fit(self, X, y=None):
        """Fit to the rows of X (n_samples, n_features); y is ignored."""
        self.fit_predict(X, y)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_predict(self, X, y=None):
        """Fit and return the most likely component of each row, shape (n_samples,)."""
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2, order="C")
        if X.shape[0] < self.n_components:
            raise ValueError(
                "Expected n_samples >= n_components but got n_components = "
                f"{self.n_components}, n_samples = {X.shape[0]}"
            )
        given = self._given(X.shape[1])
        fresh = not (self.warm_start and hasattr(self, "converged_"))
        random_state = check_random_state(self.random_state)
        best = None
        for init in range(self.n_init if fresh else 1):
            if self.verbose:
                print(f"Initialization {init}")
            if fresh:
                parameters, bound = self._start(X, random_state, given), -np.inf
            else:
                parameters = (self.weights_, self.means_, self.covariances_, self.precisions_cholesky_)
                bound = self.lower_bound_
            bounds, converged = [], False
            for i in range(1, self.max_iter + 1):
                before = bound
                bound, parameters = self._iterate(X, parameters)
                bounds.append(bound)
                if self.verbose and i % self.verbose_interval == 0:
                    print(f"  Iteration {i}\t log likelihood {bound:.6g}\t change {bound - before:.6g}")
                if abs(bound - before) < self.tol:
                    converged = True
                    break
            if self.verbose:
                print(f"Initialization converged: {converged}\t log likelihood {bound:.6g}")
            if best is None or bound > best[0]:
                best = (bound, parameters, len(bounds), converged, bounds)
        self.lower_bound_, parameters, self.n_iter_, self.converged_, self.lower_bounds_ = best
        if not self.converged_ and self.max_iter > 0:
            warnings.warn(
                "Best performing initialization did not converge. Try different init parameters, or increase max_iter, "
                "tol, or check for degenerate data.",
                ConvergenceWarning,
                stacklevel=2,
            )
        self._store(parameters, X.dtype)
        return self._responsibilities(X).argmax(axis=1)

    # -------------------------------------------------------------------------------------------------- prediction

    def _validate(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32], order="C")
        return X

    def _responsibilities(self, X):
        resp = np.empty((X.shape[0], self.n_components), dtype=X.dtype)
        self._pass(X, self._parameters(), resp=resp)
        return resp

    def score_samples(self, X):
        """Log-density of each row of X, shape (n_samples,)."""
        X = self._validate(X)
        found = np.empty(X.shape[0], dtype=X.dtype)
        self._pass(X, self._parameters(), log_prob=found)
        return found

    def score(self, X, y=None):
        """Mean log-density of the rows of X."""
        X = self._validate(X)
        return self._pass(X, self._parameters())[0] / X.shape[0]

    def predict(self, X):
        """Most likely component of each row of X, shape (n_samples,)."""
        return self._responsibilities(self._validate(X)).argmax(axis=1)

    def predict_proba(self, X):
        """Probabilities of the components, shape (n_samples, n_components)."""
        return self._responsibilities(self._validate(X))

    def sample(self, n_samples=1):
        """Draw from the mixture: points (n_samples, n_features) and their components (n_samples,)."""
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(
                f"Invalid value for 'n_samples': {self.n_components} . The sampling requires at least one sample."
            )
        random = check_random_state(self.random_state)
        counts = random.multinomial(n_samples, self.weights_.astype(np.float64) / self.weights_.sum(dtype=np.float64))
        d = self.means_.shape[1]
        parts = []
        for j, count in enumerate(counts):
            if self.covariance_type in ("full", "tied"):
                covariance = self.covariances_ if self.covariance_type == "tied" else self.covariances_[j]
                parts.append(random.multivariate_normal(self.means_[j], covariance, int(count)))
            else:
                parts.append(
                    self.means_[j] + random.standard_normal(size=(count, d)) * np.sqrt(self.covariances_[j])
                )
        return np.vstack(parts), np.repeat(np.arange(len(counts)), counts)

    def _n_parameters(self):
        k, d = self.means_.shape
        covariance = {"full": k * d * (d + 1) / 2, "tied": d * (d + 1) / 2, "diag": k * d, "spherical": k}
        return int(covariance[self.covariance_type] + d * k + k - 1)

    def bic(self, X):
        """Bayesian information criterion on X; lower is better."""
        return -2 * self.score(X) * X.shape[0] + self._n_parameters() * np.log(X.shape[0])

    def aic(self, X):
        """Akaike information criterion on X; lower is better."""
        return -2 * self.score(X) * X.shape[0] + 2 * self._n_parameters()
