"""Gradient descent as it is taught: batch, stochastic and mini-batch, with the history of the loss."""

import numbers
import warnings

import numpy as np

from corten.learn._base import (
    ConvergenceWarning,
    Interval,
    Progress,
    RegressorMixin,
    StrOptions,
    check_random_state,
    check_sample_weight,
    fit_context,
    validate_data,
)
from corten.learn.linear_model._descent import descend
from corten.learn.linear_model._moments import moments
from corten.learn.linear_model._predict import LinearPredictor

__all__ = ["GradientDescentRegressor"]


class GradientDescentRegressor(RegressorMixin, LinearPredictor):
    r"""Least squares by plain gradient descent, to watch it work.

    Each step follows the gradient of :math:`\frac{1}{2 |B|} \sum_{i \in B} (x_i^T w + b - y_i)^2 + \frac{\alpha}{2}
    \|w\|^2`
    over a batch B of rows.

    Parameters
    ----------
    method : {"batch", "stochastic", "mini-batch"}, default="batch"
        All rows, one row, or ``batch_size`` rows a step.
    learning_rate : float or "auto", default="auto"
        Length of a step. "auto" is :math:`1 / L`, with L the largest eigenvalue of :math:`[X, 1]^T [X, 1] / n` for
        "batch" and
        the largest squared norm of a row otherwise: the longest step that cannot diverge.
    max_iter : int, default=1000
        Passes over the data.
    batch_size : int, default=32
        Rows in a mini-batch.
    alpha : float, default=0.0
        Strength of the l2 penalty.
    tol : float or None, default=1e-6
        Stop when the loss of a pass improves by less than this share; None goes through all passes.
    fit_intercept : bool, default=True
    shuffle : bool, default=True
        Draw the rows in a new order in each pass; "batch" needs none.
    random_state : int, RandomState or None, default=None
    verbose : int, default=0

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    intercept_ : float
    loss_history_ : ndarray of shape (n_iter_ + 1,)
        The objective over all rows before the first pass and after each.
    n_iter_ : int
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 20)[:, None]
    >>> model = GradientDescentRegressor().fit(x, 2 * x[:, 0] + 1)
    >>> model.coef_.round(2), round(float(model.intercept_), 2)
    (array([2.]), 1.0)
    >>> bool(model.loss_history_[-1] < 1e-4 * model.loss_history_[0])
    True
    """

    _parameter_constraints: dict = {
        "method": [StrOptions({"batch", "stochastic", "mini-batch"})],
        "learning_rate": [Interval(numbers.Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "max_iter": [Interval(numbers.Integral, 1, None, closed="left")],
        "batch_size": [Interval(numbers.Integral, 1, None, closed="left")],
        "alpha": [Interval(numbers.Real, 0, None, closed="left")],
        "tol": [Interval(numbers.Real, 0, None, closed="left"), None],
        "fit_intercept": ["boolean"],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(self, method="batch", *, learning_rate="auto", max_iter=1000, batch_size=32, alpha=0.0, tol=1e-6,
                 fit_intercept=True, shuffle=True, random_state=None, verbose=0):  # fmt: skip
        self.method = method
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.alpha = alpha
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.shuffle = shuffle
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit to X (n_samples, n_features) and y (n_samples,); returns self.

        Raises ValueError when the steps diverge, with the advice to shorten them or to scale the data.
        """
        X, y = validate_data(self, X, y, y_numeric=True, dtype=[np.float64, np.float32])
        y = y.astype(X.dtype)
        weights = check_sample_weight(sample_weight, X, dtype=X.dtype)
        n, p = X.shape
        size = {"batch": n, "stochastic": 1}.get(self.method, min(self.batch_size, n))
        rng, order = check_random_state(self.random_state), np.arange(n, dtype=np.int64)
        w, b = np.zeros(p, dtype=X.dtype), X.dtype.type(0)
        mean_weight = weights.sum(dtype=np.float64) / n
        weights = weights / X.dtype.type(mean_weight) if mean_weight > 0 else weights
        rate = X.dtype.type(self._rate(X, weights) if self.learning_rate == "auto" else self.learning_rate)
        alpha, workspace = X.dtype.type(self.alpha), np.empty_like(w)
        if size < n:
            X = np.ascontiguousarray(X)
        history, progress = [self._objective(X, y, weights, w, b)], Progress(self, self.verbose, self.max_iter)
        for epoch in range(self.max_iter):
            if self.shuffle and size < n:
                rng.shuffle(order)
            if size < n:
                b = X.dtype.type(descend(X, y, weights, order, size, rate, alpha, self.fit_intercept, w, workspace, b))
            else:
                with np.errstate(over="ignore", invalid="ignore"):
                    residual = weights * (X @ w + b - y)
                    w = w - rate * (X.T @ residual / n + alpha * w)
                    if self.fit_intercept:
                        b = b - rate * residual.mean()
            history.append(self._objective(X, y, weights, w, b))
            progress.step(epoch + 1, loss=history[-1])
            if not np.isfinite(history[-1]):
                raise ValueError(
                    f"[GradientDescentRegressor] diverged in pass {epoch + 1} with learning_rate={rate:.3g}; "
                    "expected shorter steps or scaled columns"
                )
            if self.tol is not None and abs(history[-2] - history[-1]) <= self.tol * max(abs(history[-2]), 1e-300):
                break
        else:
            if self.tol is not None:
                warnings.warn(
                    f"[GradientDescentRegressor] did not converge in {self.max_iter} passes",
                    ConvergenceWarning,
                    stacklevel=2,
                )
        self.coef_, self.intercept_ = w, b
        self.loss_history_, self.n_iter_ = np.array(history), epoch + 1
        return self

    def _rate(self, X, weights):
        one = float(self.fit_intercept)
        if self.method == "batch":
            m = moments(X, weights=weights, center=False)
            G = np.empty((X.shape[1] + 1, X.shape[1] + 1))
            G[:-1, :-1], G[-1, :-1], G[:-1, -1] = m.xx, one * m.sums, one * m.sums
            G[-1, -1] = one * m.weight
            top = np.linalg.eigvalsh(G)[-1] / len(X)
        else:
            top = float(np.max(weights * (np.einsum("ij,ij->i", X, X, dtype=np.float64) + one)))
        return 1.0 / (top + self.alpha) if top + self.alpha > 0 else 1.0

    def _objective(self, X, y, weights, w, b):
        with np.errstate(over="ignore", invalid="ignore"):
            residual = (X @ w + b - y).astype(np.float64)
            return float(0.5 * np.mean(weights * residual * residual) + 0.5 * self.alpha * np.dot(w, w))
