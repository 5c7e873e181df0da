"""The contract of an estimator, and the only door to scikit-learn's building blocks.

Every other module of ``corten.learn`` takes scikit-learn's mixins, validation and parameter constraints from here, so
that a new release of scikit-learn is met in one place.
"""

import contextlib
import importlib
import sys
import threading
import time
from copy import deepcopy

import numpy as np
import scipy.sparse as sp
from sklearn import get_config
from sklearn.base import (
    BaseEstimator,
    BiclusterMixin,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    DensityMixin,
    MetaEstimatorMixin,
    MultiOutputMixin,
    OneToOneFeatureMixin,
    OutlierMixin,
    RegressorMixin,
    TransformerMixin,
    _fit_context,
    clone,
    is_classifier,
    is_regressor,
)
from sklearn.exceptions import (
    ConvergenceWarning,
    DataConversionWarning,
    EfficiencyWarning,
    NotFittedError,
)
from sklearn.utils import check_array, check_consistent_length, check_random_state, check_X_y, compute_class_weight
from sklearn.utils._param_validation import (
    HasMethods,
    Hidden,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    validate_params,
)
from sklearn.utils.extmath import svd_flip
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.parallel import _get_threadpool_controller
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _check_sample_weight,
    assert_all_finite,
    check_is_fitted,
    check_memory,
    column_or_1d,
)
from sklearn.utils.validation import (
    validate_data as _validate_data,
)

from corten._core import native

fit_context = _fit_context
check_sample_weight = _check_sample_weight
check_feature_names = _check_feature_names
check_n_features = _check_n_features
issparse = sp.issparse

__all__ = [
    "BaseEstimator", "BiclusterMixin", "ClassNamePrefixFeaturesOutMixin", "ClassifierMixin", "ClusterMixin",
    "ConvergenceWarning", "DataConversionWarning", "DensityMixin", "EfficiencyWarning", "Estimator", "HasMethods",
    "Hidden", "Interval", "InvalidParameterError", "MetaEstimatorMixin", "MultiOutputMixin", "NotFittedError",
    "OneToOneFeatureMixin", "Options", "OutlierMixin", "Progress", "RegressorMixin", "StrOptions", "TransformerMixin",
    "UnsupportedSetting", "as_csr", "assert_all_finite", "available_if", "check_X_y", "check_array",
    "check_classification_targets", "check_consistent_length", "check_feature_names", "check_is_fitted",
    "check_memory", "check_n_features", "check_random_state", "check_sample_weight", "clone", "column_or_1d",
    "compute_class_weight", "constraints", "effective_threads", "fit_context", "from_sklearn", "get_config",
    "is_classifier", "is_regressor", "issparse", "plain_rows", "serial_blas", "svd_flip", "thread_limit",
    "type_of_target", "validate_data", "validate_params",
]  # fmt: skip


class UnsupportedSetting(NotImplementedError):
    """A parameter value that scikit-learn has and Corten lacks.

    Raised by ``fit``, never ignored. :mod:`corten.compat.sklearn` catches it and hands the fit to scikit-learn.

    Parameters
    ----------
    owner : estimator or str
        Who raises.
    parameter : str
        Name of the parameter.
    value : object
        What it was set to.
    supported : str
        What could be given instead, in words.
    """

    def __init__(self, owner, parameter, value, supported=""):
        name = owner if isinstance(owner, str) else type(owner).__name__
        tail = f"; expected {supported}" if supported else ""
        super().__init__(f"[{name}] {parameter}={value!r} is not supported{tail}")
        self.owner, self.parameter, self.value, self.supported = name, parameter, value, supported

    def __reduce__(self):
        return type(self), (self.owner, self.parameter, self.value, self.supported)


def from_sklearn(path):
    """An object of scikit-learn by its path, ``"linear_model.Ridge"``; private modules included.

    It is scikit-learn's own also while :mod:`corten.compat.sklearn` has put ours in its place. Raises AttributeError or
    ImportError when there is none.
    """
    module, _, name = path.rpartition(".")
    found = getattr(importlib.import_module(f"sklearn.{module}" if module else "sklearn"), name)
    return getattr(found, "__dict__", {}).get("_corten_peer", found)


def constraints(path):
    """A copy of the parameter constraints of scikit-learn's class at ``path`` (``"linear_model.Ridge"``)."""
    return dict(from_sklearn(path)._parameter_constraints)


class Estimator(BaseEstimator):
    """Base of every estimator: scikit-learn's ``BaseEstimator`` plus :meth:`save` and :meth:`compile`.

    A subclass that holds state which :mod:`corten.learn._io` cannot write (anything but arrays, sparse matrices,
    scalars, strings, None, lists, tuples, dicts and estimators) defines two methods: ``_corten_state(self) ->
    dict`` and
    ``_corten_restore(self, state)``.
    """

    def save(self, path):
        """Write the estimator, parameters and fitted attributes, to ``path`` without pickle.

        See :func:`corten.learn.save`. The file appears whole or not at all.

        Parameters
        ----------
        path : str or path-like
            Name of the file, by custom ending in ``.safetensors``.

        Raises
        ------
        TypeError
            When an attribute has a type that the format cannot hold; the message names it.
        """
        from corten.learn._io import save

        save(self, path)

    def compile(self, method="predict"):
        """A bare callable for rows that are already right: no validation, no bookkeeping.

        Parameters
        ----------
        method : {"predict", "predict_proba", "decision_function", "transform"}
            What the callable does.

        Returns
        -------
        callable
            Takes a C-contiguous array of shape (n_rows, n_features) of the fitted dtype and returns what ``method``
            would. It keeps a snapshot of the fitted attributes: a later ``fit`` does not change it.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        AttributeError
            When the estimator has no such method.
        """
        check_is_fitted(self)
        getattr(self, method)
        return self._compile(method) or getattr(deepcopy(self), method)

    def _compile(self, method):
        """The fast callable for ``method``, or None to take the method itself."""
        return None


# ---------------------------------------------------------------------------------------------------------- threads

_limit_lock = threading.Lock()
_limits = []
_limit_base = None


def effective_threads(n_jobs=None):
    """How many threads a call with this ``n_jobs`` may use: never more than ``corten.set_num_threads`` allows.

    ``None`` stands for the limit, negative values count back from the number of CPUs as in joblib (-1 all, -2 all
    but one).
    Raises ValueError for 0.
    """
    most = native.get_num_threads()
    if n_jobs is None:
        return most
    if n_jobs == 0:
        raise ValueError("[n_jobs] got 0, expected a positive number, a negative number or None")
    if n_jobs < 0:
        import joblib

        n_jobs = max(1, joblib.cpu_count() + 1 + n_jobs)
    return min(most, int(n_jobs))


@contextlib.contextmanager
def thread_limit(n_jobs=None):
    """Within the block, native kernels use at most ``n_jobs`` threads, whatever the calling Python thread.

    Blocks in several Python threads may overlap: the smallest limit holds while it lasts, and the limit from before the
    first block returns after the last. Results do not depend on it. In workers of joblib the limit is already the share
    that joblib gave the worker (it sets ``OMP_NUM_THREADS``), and Python threads share one budget, so a grid search
    with
    ``n_jobs=2`` does not oversubscribe.

    Parameters
    ----------
    n_jobs : int or None
        As in scikit-learn; None changes nothing.

    Examples
    --------
    >>> with thread_limit(1):
    ...     effective_threads()
    1
    """
    global _limit_base
    if n_jobs is None:
        yield
        return
    mine = effective_threads(n_jobs)
    with _limit_lock:
        if not _limits:
            _limit_base = native.get_num_threads()
        _limits.append(mine)
        native.set_num_threads(min(_limits))
    try:
        yield
    finally:
        with _limit_lock:
            _limits.remove(mine)
            native.set_num_threads(min(_limits) if _limits else _limit_base)


def serial_blas():
    """A context in which BLAS and LAPACK run on one thread.

    For factorisations of small matrices between native passes: two thread pools never spin against each other, and the
    last bits do not depend on the number of CPUs.
    """
    return _get_threadpool_controller().limit(limits=1, user_api="blas")


# --------------------------------------------------------------------------------------------------------- progress


class Progress:
    """Progress lines of a long fit, printed when ``verbose`` asks for them.

    A loop calls :meth:`step` after each piece of native work of at most some tenths of a second; the return to Python
    between the pieces is what lets Ctrl-C interrupt the fit.

    Parameters
    ----------
    owner : estimator
        Named in each line.
    verbose : bool or int
        0 prints nothing; 1 prints at most two lines a second; 2 and above print every step.
    total : int or None
        The number of steps, when known.

    Examples
    --------
    >>> progress = Progress("KMeans", verbose=2, total=2)
    >>> progress.step(1, inertia=3.5)
    [KMeans] 1/2 inertia=3.5
    """

    def __init__(self, owner, verbose=0, total=None):
        self.name = owner if isinstance(owner, str) else type(owner).__name__
        self.verbose, self.total = int(verbose), total
        self._next = 0.0

    def step(self, done, **figures):
        """Report that ``done`` steps are behind us, with named figures (loss, inertia ...)."""
        if not self.verbose:
            return
        now = time.monotonic()
        if self.verbose < 2 and now < self._next and done != self.total:
            return
        self._next = now + 0.5
        count = f"{done}/{self.total}" if self.total is not None else f"{done}"
        text = " ".join(
            f"{k}={v:.6g}" if isinstance(v, float | np.floating) else f"{k}={v}" for k, v in figures.items()
        )
        print(f"[{self.name}] {count} {text}".rstrip(), file=sys.stdout, flush=True)


# --------------------------------------------------------------------------------------------------- one-row inputs


def plain_rows(estimator, X, most=1):
    """True when X needs no validation beyond finiteness: a C-contiguous floating array of at most ``most`` rows,
    the right
    number of columns, for an estimator that was fitted without feature names.

    The caller still has to reject NaN and infinities (the native row functions return None for them).
    """
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and 1 <= X.shape[0] <= most
        and X.dtype.char in "fd"
        and X.flags.c_contiguous
        and estimator.__dict__.get("n_features_in_") == X.shape[1]
        and "feature_names_in_" not in estimator.__dict__
    )


_PLAIN_CHECKS = {"accept_sparse", "accept_large_sparse", "dtype", "ensure_2d", "ensure_all_finite", "order"}
_FEW = 64  # rows; looking for NaN in more of them is worth scikit-learn's overhead


def validate_data(estimator, X="no_validation", y="no_validation", reset=True, **checks):
    """scikit-learn's ``validate_data``, which a few plain rows without NaN and infinities skip: it costs 200 us."""
    if not reset and type(y) is str and plain_rows(estimator, X, _FEW) and checks.keys() <= _PLAIN_CHECKS:
        dtype = checks.get("dtype", "numeric")
        wanted = dtype if isinstance(dtype, list | tuple) else [dtype]
        known = dtype is None or "numeric" in wanted or any(X.dtype == t for t in wanted)
        if known and checks.get("order") != "F" and np.isfinite(X).all():
            return X
    return _validate_data(estimator, X, y, reset=reset, **checks)


def as_csr(X):
    """X as canonical CSR (sorted, no duplicates) with 32-bit indices where they fit; a copy only when needed."""
    X = X.tocsr() if X.format != "csr" else X
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    if X.indices.dtype != np.int32 or X.indptr.dtype != np.int32:
        if max(X.shape[0], X.shape[1], X.nnz) >= 2**31 - 1:
            raise ValueError(f"[corten.learn] got a sparse matrix with {X.nnz} entries, expected fewer than 2**31 - 1")
        X = type(X)((X.data, X.indices.astype(np.int32), X.indptr.astype(np.int32)), shape=X.shape)
    return X
