"""Independent component analysis."""

from corten.learn._base import Estimator, from_sklearn

__all__ = ["FastICA"]


class FastICA(Estimator, from_sklearn("decomposition.FastICA")):
    """Independent components by the fixed-point iteration of Hyvarinen and Oja (2000).

    scikit-learn's algorithm; its time goes to products of matrices.

    Parameters
    ----------
    n_components, algorithm, whiten, fun, fun_args, max_iter, tol, w_init, whiten_solver, random_state
        As in :class:`sklearn.decomposition.FastICA`.

    Attributes
    ----------
    components_, mixing_, mean_, whitening_ : ndarray
    n_iter_ : int

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).uniform(size=(100, 2)) @ np.array([[1.0, 1.0], [0.0, 2.0]])
    >>> FastICA(random_state=0).fit_transform(X).shape
    (100, 2)
    """
