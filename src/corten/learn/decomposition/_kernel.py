"""Kernel principal component analysis."""

from corten.learn._base import Estimator, from_sklearn

__all__ = ["KernelPCA"]


class KernelPCA(Estimator, from_sklearn("decomposition.KernelPCA")):
    """Principal components in the feature space of a kernel.

    scikit-learn's algorithm; its time goes to LAPACK's and ARPACK's eigenvectors of the kernel matrix.

    Parameters
    ----------
    n_components, kernel, gamma, degree, coef0, kernel_params, alpha, fit_inverse_transform, eigen_solver, tol, \
max_iter, \
iterated_power, remove_zero_eig, random_state, copy_X, n_jobs
        As in :class:`sklearn.decomposition.KernelPCA`.

    Attributes
    ----------
    eigenvalues_ : ndarray of shape (n_components,)
    eigenvectors_ : ndarray of shape (n_samples, n_components)

    Examples
    --------
    >>> import numpy as np
    >>> KernelPCA(1).fit(np.array([[0.0], [1.0], [2.0]])).eigenvalues_.round(6)
    array([2.])
    """
