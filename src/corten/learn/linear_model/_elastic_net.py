"""Lasso and elastic net by coordinate descent."""

import numbers
import warnings

import numpy as np

from corten.learn._base import (
    ConvergenceWarning,
    Progress,
    UnsupportedSetting,
    assert_all_finite,
    check_array,
    check_random_state,
    check_sample_weight,
    fit_context,
    from_sklearn,
    issparse,
    serial_blas,
    validate_data,
)
from corten.learn.linear_model._kernels import CoordinateDescent
from corten.learn.linear_model._moments import moments
from corten.learn.linear_model._predict import LinearPredictor

__all__ = ["ElasticNet", "ElasticNetCV", "Lasso", "LassoCV", "enet_path", "lasso_path"]

_GRAM_COLUMNS = 4096  # up to here the Gram matrix of tall data is cheaper than passes over its columns


def _gram_problem(n, Q, q, yy):
    q = np.ascontiguousarray(q, dtype=np.float64)
    return CoordinateDescent(n, len(q), Q=np.ascontiguousarray(Q, dtype=np.float64), q=q, yy=float(yy)), float(yy)


def _columns_problem(X, y):
    X = np.asfortranarray(X)
    y = np.ascontiguousarray(y, dtype=X.dtype)
    return CoordinateDescent(*X.shape, X=X, y=y), float(np.dot(y, y.astype(np.float64)))


def _csc_problem(X, y, weights, mean):
    X = X.tocsc()
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    if X.indices.dtype != np.int32 or X.indptr.dtype != np.int32:
        X = type(X)((X.data, X.indices.astype(np.int32), X.indptr.astype(np.int32)), shape=X.shape)
    y = np.ascontiguousarray(y, dtype=X.dtype)
    w = None if weights is None else np.ascontiguousarray(weights, dtype=X.dtype)
    mean = None if mean is None or not np.any(mean) else np.ascontiguousarray(mean, dtype=np.float64)
    y64 = y.astype(np.float64)
    yy = float(np.dot(y64, y64 if w is None else y64 * w))
    return CoordinateDescent(*X.shape, X=X, y=y, sample_weight=w, mean=mean), yy


def _solve(problem, yy, n, alpha, l1_ratio, *, tol, max_iter, positive, selection, rng):
    """One point of the path; warns when ``max_iter`` was not enough. Returns (duality gap, iterations)."""
    l1, l2 = alpha * l1_ratio * n, alpha * (1.0 - l1_ratio) * n
    seed = int(rng.randint(0, np.iinfo(np.int32).max)) if selection == "random" else 1
    gap, n_iter, good = problem.solve(l1, l2, tol * yy, tol, max_iter, positive, selection == "random", seed)
    if not good:
        text = (
            "Objective did not converge. You might want to increase the number of iterations, check the scale of the "
            f"features or consider increasing regularisation. Duality gap: {gap:.6e}, tolerance: {tol * yy:.3e}"
        )
        if l1 < np.finfo(np.float64).eps:
            text += (
                "\nLinear regression models with a zero l1 penalization strength are more efficiently fitted using "
                "one of "
                "the solvers implemented in sklearn.linear_model.Ridge/RidgeCV instead."
            )
        warnings.warn(text, ConvergenceWarning, stacklevel=4)
    return gap, n_iter


def _alpha_grid(q, n, l1_ratio, eps, count, positive):
    """From the smallest alpha with all coefficients zero down to ``eps`` of it, geometrically."""
    if l1_ratio == 0:
        raise ValueError(
            "Automatic alpha grid generation is not supported for l1_ratio=0. Please supply a grid by providing your "
            "estimator with the appropriate `alphas=` argument."
        )
    top = (max(0.0, q.max()) if positive else np.abs(q).max()) / (n * l1_ratio)
    tiny = np.finfo(np.float64).resolution
    return np.full(count, tiny) if top <= tiny else np.geomspace(top, top * eps, num=count)


def _alphas_argument(alphas, n_alphas):
    if not isinstance(n_alphas, str):
        warnings.warn("'n_alphas' was deprecated in 1.9; use 'alphas'", FutureWarning, stacklevel=4)
        return int(n_alphas) if isinstance(alphas, str) or alphas is None else alphas
    if isinstance(alphas, str):
        return 100
    if alphas is None:
        warnings.warn(
            "'alphas=None' is deprecated and will be removed in 1.11, at which point the default value will be set "
            "to 100. "
            "Set 'alphas=100' to silence this warning.",
            FutureWarning,
            stacklevel=4,
        )
        return 100
    return alphas


def enet_path(X, y, *, l1_ratio=0.5, eps=1e-3, n_alphas="deprecated", alphas="warn", precompute="auto", Xy=None,
              copy_X=True, coef_init=None, verbose=False, return_n_iter=False, positive=False, check_input=True,
              **params):  # fmt: skip
    """Elastic-net coefficients along a path of penalties; X and y are taken as they are, not centred.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
        Several targets at once raise :class:`UnsupportedSetting`.
    l1_ratio, eps, n_alphas, alphas, precompute, Xy, copy_X, coef_init, verbose, return_n_iter, positive, check_input, \
**params
        As in :func:`sklearn.linear_model.enet_path`. X is never overwritten.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,), descending
    coefs : ndarray of shape (n_features, n_alphas)
    dual_gaps : ndarray of shape (n_alphas,)
    n_iters : list of int
        Only with ``return_n_iter``.

    Examples
    --------
    >>> import numpy as np
    >>> alphas, coefs, gaps = enet_path(np.eye(3), np.array([3.0, 2.0, 1.0]), alphas=[0.1, 0.5])
    >>> coefs.shape
    (3, 2)
    """
    alphas = _alphas_argument(alphas, n_alphas)
    mean, weights = params.pop("X_offset", None), params.pop("sample_weight", None)
    params.pop("X_scale", None)
    params.pop("do_screening", None)
    tol, max_iter = params.pop("tol", 1e-4), params.pop("max_iter", 1000)
    rng, selection = check_random_state(params.pop("random_state", None)), params.pop("selection", "cyclic")
    if params:
        raise ValueError("Unexpected parameters in params", params.keys())
    if selection not in ("random", "cyclic"):
        raise ValueError("selection should be either random or cyclic.")
    if check_input:
        X = check_array(X, accept_sparse="csc", dtype=[np.float64, np.float32], ensure_all_finite=False)
        y = check_array(y, dtype=X.dtype.type, copy=False, ensure_2d=False)
    if y.ndim != 1:
        raise UnsupportedSetting("enet_path", "y.ndim", y.ndim, "one target")
    n, p = X.shape
    with serial_blas():
        if issparse(X):
            if check_input:
                assert_all_finite(X.data, input_name="X")
            problem, yy = _csc_problem(X, y, weights, mean)
            q = np.asarray(X.T @ (y if weights is None else y * weights)).ravel().astype(np.float64)
            if mean is not None:
                q -= np.asarray(mean) * float(np.sum(y if weights is None else y * weights))
        elif hasattr(precompute, "__array__"):
            Q = np.asarray(precompute)
            if check_input:
                from_sklearn("linear_model._base._check_precomputed_gram_matrix")(X, Q, np.zeros(p), np.ones(p))
            q = np.asarray(X.T @ y if Xy is None else Xy, dtype=np.float64).ravel()
            y64 = y.astype(np.float64)
            problem, yy = _gram_problem(n, Q, q, np.dot(y64, y64))
        elif n > p and p <= _GRAM_COLUMNS and precompute is not False:
            m = moments(X, np.ascontiguousarray(y[:, None], dtype=X.dtype), center=False)
            if not m.finite():
                assert_all_finite(X, input_name="X")
            q = np.ascontiguousarray(m.xy[:, 0])
            problem, yy = _gram_problem(n, m.xx, q, m.yy[0, 0])
        else:
            if check_input:
                assert_all_finite(X, input_name="X")
            problem, yy = _columns_problem(X, y)
            q = (X.T @ y).astype(np.float64)
    if isinstance(alphas, numbers.Integral):
        alphas = _alpha_grid(q, n, l1_ratio, eps, int(alphas), positive)
    elif len(alphas) > 1:
        alphas = np.sort(alphas)[::-1]
    if coef_init is not None:
        problem.w[:] = coef_init
    coefs, gaps, n_iters = np.empty((p, len(alphas)), dtype=X.dtype), np.empty(len(alphas)), []
    progress = Progress("enet_path", verbose, len(alphas))
    for i, alpha in enumerate(alphas):
        gap, n_iter = _solve(
            problem,
            yy,
            n,
            float(alpha),
            l1_ratio,
            tol=tol,
            max_iter=max_iter,
            positive=positive,
            selection=selection,
            rng=rng,
        )
        coefs[:, i], gaps[i] = problem.w, gap / n
        n_iters.append(n_iter)
        progress.step(i + 1, alpha=float(alpha), gap=gap / n)
    return (alphas, coefs, gaps, n_iters) if return_n_iter else (alphas, coefs, gaps)


def lasso_path(X, y, *, eps=1e-3, n_alphas="deprecated", alphas="warn", precompute="auto", Xy=None, copy_X=True,
               coef_init=None, verbose=False, return_n_iter=False, positive=False, **params):  # fmt: skip
    """Lasso coefficients along a path of penalties: :func:`enet_path` with ``l1_ratio=1``.

    Parameters
    ----------
    X, y, eps, n_alphas, alphas, precompute, Xy, copy_X, coef_init, verbose, return_n_iter, positive, **params
        As in :func:`enet_path`.

    Returns
    -------
    alphas, coefs, dual_gaps, n_iters
        As from :func:`enet_path`.

    Examples
    --------
    >>> import numpy as np
    >>> alphas, coefs, gaps = lasso_path(np.eye(3), np.array([3.0, 2.0, 1.0]), alphas=[0.5, 0.1])
    >>> coefs[:, 1].round(3)
    array([2.7, 1.7, 0.7])
    """
    params.pop("l1_ratio", None)
    return enet_path(X, y, l1_ratio=1.0, eps=eps, n_alphas=n_alphas, alphas=alphas, precompute=precompute, Xy=Xy,
                     copy_X=copy_X, coef_init=coef_init, verbose=verbose, positive=positive,
                     return_n_iter=return_n_iter, **params)  # fmt: skip


def _fit(est, X, y, sample_weight, check_input):
    """Fit one elastic net to each target."""
    if est.alpha == 0:
        warnings.warn(
            "With alpha=0, this algorithm does not converge well. You are advised to use the LinearRegression "
            "estimator",
            stacklevel=3,
        )
    if check_input:
        X, y = validate_data(
            est, X, y, accept_sparse="csc", dtype=[np.float64, np.float32], accept_large_sparse=False,
            multi_output=True,
            y_numeric=True, ensure_all_finite=False,
        )  # fmt: skip
        y = check_array(y, dtype=X.dtype.type, ensure_2d=False)
    n, p = X.shape
    if isinstance(sample_weight, numbers.Number):
        sample_weight = None
    if sample_weight is not None:
        if check_input:
            sample_weight = check_sample_weight(sample_weight, X, dtype=X.dtype)
        sample_weight = sample_weight * (n / np.sum(sample_weight))
    Y = np.ascontiguousarray(y.reshape(n, -1), dtype=X.dtype)
    t = Y.shape[1]
    x_mean, y_mean = np.zeros(p), np.zeros(t)
    with serial_blas():
        if issparse(X):
            assert_all_finite(X.data, input_name="X", estimator_name=type(est).__name__)
            if est.fit_intercept:
                w = np.ones(n) if sample_weight is None else sample_weight.astype(np.float64)
                x_mean = np.asarray(X.T @ w).ravel() / w.sum()
                y_mean = np.average(Y.astype(np.float64), axis=0, weights=sample_weight)
            problems = [
                _csc_problem(X, Y[:, k] - y_mean[k], sample_weight, x_mean if est.fit_intercept else None)
                for k in range(t)
            ]
        elif hasattr(est.precompute, "__array__") and not (est.fit_intercept or sample_weight is not None):
            assert_all_finite(X, input_name="X", estimator_name=type(est).__name__)
            Q = np.asarray(est.precompute)
            if check_input:
                from_sklearn("linear_model._base._check_precomputed_gram_matrix")(X, Q, np.zeros(p), np.ones(p))
            q = (X.T @ Y).astype(np.float64)
            problems = [_gram_problem(n, Q, q[:, k], np.vdot(Y[:, k], Y[:, k])) for k in range(t)]
        elif n > p and p <= _GRAM_COLUMNS:
            m = moments(X, Y, sample_weight, center=est.fit_intercept)
            if not m.finite():
                assert_all_finite(X, input_name="X", estimator_name=type(est).__name__)
            x_mean, y_mean = m.x_mean, m.y_mean
            if hasattr(est.precompute, "__array__"):
                _check_given_gram(est, X, x_mean, check_input)
            problems = [_gram_problem(n, m.xx, m.xy[:, k], m.yy[k, k]) for k in range(t)]
        else:
            assert_all_finite(X, input_name="X", estimator_name=type(est).__name__)
            if est.fit_intercept:
                x_mean, y_mean = (
                    np.average(X, axis=0, weights=sample_weight),
                    np.average(Y, axis=0, weights=sample_weight),
                )
            if hasattr(est.precompute, "__array__"):
                _check_given_gram(est, X, x_mean, check_input)
            Xc, Yc = np.subtract(X, x_mean, dtype=X.dtype, order="F"), (Y - y_mean).astype(X.dtype)
            if sample_weight is not None:
                root = np.sqrt(sample_weight).astype(X.dtype)[:, None]
                Xc *= root
                Yc *= root
            problems = [_columns_problem(Xc, Yc[:, k]) for k in range(t)]
    coef = np.zeros((t, p))
    if est.warm_start and hasattr(est, "coef_"):
        coef[:] = est.coef_
    rng, gaps, n_iters = check_random_state(est.random_state), [], []
    for k, (problem, yy) in enumerate(problems):
        problem.w[:] = coef[k]
        gap, n_iter = _solve(problem, yy, n, float(est.alpha), est.l1_ratio, tol=est.tol, max_iter=est.max_iter,
                             positive=est.positive, selection=est.selection, rng=rng)  # fmt: skip
        coef[k] = problem.w
        gaps.append(gap / n)
        n_iters.append(n_iter)
    intercept = y_mean - coef @ x_mean
    gaps, coef = np.asarray(gaps, dtype=X.dtype), coef.astype(X.dtype)
    est.n_iter_ = n_iters[0] if t == 1 else n_iters
    est.coef_, est.dual_gap_ = (coef[0], gaps[0]) if t == 1 else (coef, gaps)
    if not est.fit_intercept:
        est.intercept_ = 0.0
    else:
        intercept = intercept.astype(X.dtype)
        est.intercept_ = intercept[0] if y.ndim == 1 else intercept
    if not (np.isfinite(est.coef_).all() and np.isfinite(est.intercept_).all()):
        raise ValueError(
            "Coordinate descent iterations resulted in non-finite parameter values. The input data may contain large "
            "values "
            "and need to be preprocessed."
        )
    return est


def _check_given_gram(est, X, x_mean, check_input):
    """A Gram matrix was given although the data is centred or weighted: check it where it can be, and recompute it."""
    if est.fit_intercept and not np.allclose(x_mean, 0):
        warnings.warn(
            "Gram matrix was provided but X was centered to fit intercept: recomputing Gram matrix.",
            UserWarning,
            stacklevel=4,
        )
    elif check_input:
        p = X.shape[1]
        from_sklearn("linear_model._base._check_precomputed_gram_matrix")(X, est.precompute, x_mean, np.ones(p))


class ElasticNet(LinearPredictor, from_sklearn("linear_model.ElasticNet")):
    r"""Least squares with l1 and l2 penalties, by coordinate descent with gap-safe screening.

    .. math:: \min_w \frac{1}{2n} \|y - Xw - b\|_2^2 + \alpha \rho \|w\|_1 + \frac{\alpha (1 - \rho)}{2} \|w\|_2^2

    Tall dense data is reduced to its Gram matrix in one pass, wide data is walked by columns, sparse data by the
    entries
    of its columns. Convergence is judged by the duality gap.

    Parameters
    ----------
    alpha, l1_ratio, fit_intercept, precompute, max_iter, copy_X, tol, warm_start, positive, random_state, selection
        As in :class:`sklearn.linear_model.ElasticNet`. X is never overwritten, and ``precompute=False`` does not keep
        tall data from its Gram matrix.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    n_iter_ : int or list of int
    dual_gap_ : float or ndarray of shape (n_targets,)

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0]])
    >>> ElasticNet(alpha=0.1).fit(X, [0.0, 1.0, 2.0, 3.0]).coef_.round(3)
    array([0.923, 0.   ])
    """

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, check_input=True):
        """Fit to X (n_samples, n_features), dense or sparse, and y (n_samples,) or (n_samples, n_targets); returns
        self.

        Raises ValueError for NaN, infinities or wrong shapes; warns with ConvergenceWarning when ``max_iter`` was
        not enough.
        """
        return _fit(self, X, y, sample_weight, check_input)

    path = staticmethod(enet_path)


class Lasso(LinearPredictor, from_sklearn("linear_model.Lasso")):
    r"""Least squares with an l1 penalty: :class:`ElasticNet` with ``l1_ratio=1``.

    Parameters
    ----------
    alpha, fit_intercept, precompute, copy_X, max_iter, tol, warm_start, positive, random_state, selection
        As in :class:`ElasticNet`.

    Attributes
    ----------
    coef_, intercept_, n_iter_, dual_gap_
        As in :class:`ElasticNet`.

    Examples
    --------
    >>> import numpy as np
    >>> Lasso(alpha=0.1).fit(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]), [0.0, 1.0, 2.0]).coef_.round(2)
    array([0.85, 0.  ])
    """

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, check_input=True):
        """Fit to X (n_samples, n_features), dense or sparse, and y of one or more targets; returns self."""
        return _fit(self, X, y, sample_weight, check_input)

    path = staticmethod(enet_path)


class ElasticNetCV(LinearPredictor, from_sklearn("linear_model.ElasticNetCV")):
    """Elastic net that chooses ``alpha`` and ``l1_ratio`` by cross-validation along paths.

    Folds and scores are scikit-learn's, paths and the final fit are native.

    Parameters
    ----------
    l1_ratio, eps, alphas, fit_intercept, precompute, max_iter, tol, cv, copy_X, verbose, n_jobs, positive, \
random_state, \
selection
        As in :class:`sklearn.linear_model.ElasticNetCV`.

    Attributes
    ----------
    alpha_, l1_ratio_ : float
    mse_path_ : ndarray of shape (n_l1_ratio, n_alphas, n_folds)
    coef_, intercept_, n_iter_, dual_gap_
        As in :class:`ElasticNet`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(20.0)[:, None]
    >>> ElasticNetCV(cv=2).fit(x, 2 * x[:, 0]).coef_.round(1)
    array([2.])
    """

    path = staticmethod(enet_path)

    def _get_estimator(self):
        return ElasticNet()


class LassoCV(LinearPredictor, from_sklearn("linear_model.LassoCV")):
    """Lasso that chooses ``alpha`` by cross-validation along a path.

    Folds and scores are scikit-learn's, paths and the final fit are native.

    Parameters
    ----------
    eps, alphas, fit_intercept, precompute, max_iter, tol, copy_X, cv, verbose, n_jobs, positive, random_state,
    selection
        As in :class:`sklearn.linear_model.LassoCV`.

    Attributes
    ----------
    alpha_ : float
    mse_path_ : ndarray of shape (n_alphas, n_folds)
    coef_, intercept_, n_iter_, dual_gap_
        As in :class:`ElasticNet`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(20.0)[:, None]
    >>> LassoCV(cv=2).fit(x, 2 * x[:, 0]).coef_.round(1)
    array([2.])
    """

    path = staticmethod(lasso_path)

    def _get_estimator(self):
        return Lasso()
