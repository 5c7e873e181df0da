"""Classic estimators with scikit-learn's interface on native kernels.

Subpackages carry scikit-learn's names (``corten.learn.linear_model``, ``corten.learn.cluster`` ...) and are imported on
first use. Model selection, pipelines and metrics are scikit-learn's own.

Examples
--------
>>> import numpy as np
>>> from corten.learn.linear_model import Ridge
>>> X = np.array([[0.0], [1.0], [2.0]])
>>> Ridge(alpha=0.0).fit(X, [1.0, 3.0, 5.0]).coef_.round(6)
array([2.])
"""

import importlib
import importlib.util
import pkgutil

from corten.learn._base import UnsupportedSetting, thread_limit
from corten.learn._io import load, save

__all__ = ["UnsupportedSetting", "load", "save", "subpackages", "thread_limit"]


def subpackages():
    """Names of the subpackages of ``corten.learn`` that hold estimators, in alphabetical order.

    Examples
    --------
    >>> "linear_model" in subpackages()
    True
    """
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def __getattr__(name):
    if not name.startswith("_") and importlib.util.find_spec(f"{__name__}.{name}") is not None:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *subpackages()})
