"""Results of several tensors with names: ``values, indices = x.sort()`` and ``x.sort().values`` alike."""

from __future__ import annotations

import operator
from typing import Any

__all__: list[str] = []


class Named(tuple):  # type: ignore[type-arg]
    """A tuple whose places have names, as ``torch.return_types`` has them."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()

    def __repr__(self) -> str:
        inside = ",\n".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
        return f"corten.return_types.{type(self).__name__}(\n{inside})"

    def __reduce__(self) -> Any:
        return (type(self), (tuple(self),))


def named(name: str, fields: str) -> Any:
    """A kind of named tuple; called with one sequence of values."""
    places = tuple(fields.split())
    members: dict[str, Any] = {f: property(operator.itemgetter(i)) for i, f in enumerate(places)}
    made = type(name, (Named,), {"__slots__": (), "_fields": places, "__module__": __name__, **members})
    __all__.append(name)
    return made


def __getattr__(name: str) -> Any:  # what is made below is known by name only
    raise AttributeError(f"module 'corten.return_types' has no attribute {name!r}")


for _name in ("max", "min", "median", "nanmedian", "mode", "kthvalue", "sort", "topk", "cummax", "cummin"):
    globals()[_name] = named(_name, "values indices")
aminmax = named("aminmax", "min max")
frexp = named("frexp", "mantissa exponent")
histogram = named("histogram", "hist bin_edges")
histogramdd = named("histogramdd", "hist bin_edges")
slogdet = named("slogdet", "sign logabsdet")
linalg_slogdet = named("linalg_slogdet", "sign logabsdet")
qr = named("qr", "Q R")
linalg_qr = named("linalg_qr", "Q R")
svd = named("svd", "U S V")
linalg_svd = named("linalg_svd", "U S Vh")
linalg_eig = named("linalg_eig", "eigenvalues eigenvectors")
linalg_eigh = named("linalg_eigh", "eigenvalues eigenvectors")
linalg_lstsq = named("linalg_lstsq", "solution residuals rank singular_values")
linalg_cholesky_ex = named("linalg_cholesky_ex", "L info")
linalg_inv_ex = named("linalg_inv_ex", "inverse info")
linalg_solve_ex = named("linalg_solve_ex", "result info")
linalg_lu = named("linalg_lu", "P L U")
linalg_lu_factor = named("linalg_lu_factor", "LU pivots")
linalg_lu_factor_ex = named("linalg_lu_factor_ex", "LU pivots info")
linalg_ldl_factor = named("linalg_ldl_factor", "LD pivots")
linalg_ldl_factor_ex = named("linalg_ldl_factor_ex", "LD pivots info")
lu_unpack = named("lu_unpack", "P L U")
triangular_solve = named("triangular_solve", "solution cloned_coefficient")
geqrf = named("geqrf", "a tau")
