"""Families that are imported when one of their functions is first called: what they publish, known beforehand.

Importing the package costs a user's every start; linear algebra, Fourier transforms and special functions wait.
"""

from __future__ import annotations

import importlib
from typing import Any

from corten.ops.declare import FUNCTIONS
from corten.tensor import Tensor

#: module -> functions of corten that it defines; a star marks those that are Tensor methods too
PUBLISHED = {
    "special": "i0* i0_* igamma* igamma_* igammac* igammac_* polygamma*",
    "matrix": "cross* lobpcg matrix_exp* matrix_power* pca_lowrank pinverse* svd_lowrank vander",
    "linalg": "cholesky* cholesky_inverse* cholesky_solve* det* geqrf* inverse* logdet* lu* lu_solve* lu_unpack orgqr* ormqr* qr* "
              "slogdet* svd* triangular_solve*",
    "signal": "bartlett_window blackman_window hamming_window hann_window istft* kaiser_window stft*",
}  # fmt: skip
METHODS = {"special": "polygamma_"}  # methods that are no functions


def stand_in(module: str, name: str, method: bool) -> Any:
    """A function that imports its module, which replaces it, and calls the real one."""

    def run(*args: Any, **kw: Any) -> Any:
        importlib.import_module(f"corten.ops.{module}")
        return (getattr(Tensor, name) if method else FUNCTIONS[name])(*args, **kw)

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"See ``corten.ops.{module}``, which is imported when this is first called."
    return run


for _module, _names in PUBLISHED.items():
    for _name in _names.split():
        _bare = _name.rstrip("*")
        FUNCTIONS[_bare] = stand_in(_module, _bare, False)
        if _bare != _name:
            setattr(Tensor, _bare, stand_in(_module, _bare, True))
for _module, _names in METHODS.items():
    for _name in _names.split():
        setattr(Tensor, _name, stand_in(_module, _name, True))
