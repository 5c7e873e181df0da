"""Sets that parameters and values belong to."""

from __future__ import annotations

import math
from typing import Any

from corten._core import core


class Constraint:
    """A set: ``check(value)`` tells which values are in it; ``event_dim`` dimensions are one value."""

    is_discrete = False
    event_dim = 0

    def check(self, value: Any) -> Any:
        """A bool tensor: which values belong to the set."""
        raise NotImplementedError(f"[{type(self).__name__}] check is not defined")

    def __repr__(self) -> str:
        return type(self).__name__.lstrip("_") + "()"


class _Real(Constraint):
    def check(self, value: Any) -> Any:
        return value == value


class _Boolean(Constraint):
    is_discrete = True

    def check(self, value: Any) -> Any:
        return (value == 0) | (value == 1)


class _Interval(Constraint):
    def __init__(self, lower: Any = -math.inf, upper: Any = math.inf, open_below: bool = False, open_above: bool = False,
                 discrete: bool = False) -> None:  # fmt: skip
        self.lower_bound, self.upper_bound = lower, upper
        self.open_below, self.open_above, self.is_discrete = open_below, open_above, discrete

    def check(self, value: Any) -> Any:
        low = value > self.lower_bound if self.open_below else value >= self.lower_bound
        high = value < self.upper_bound if self.open_above else value <= self.upper_bound
        ok = low & high
        return ok & (value % 1 == 0) if self.is_discrete else ok


class _Simplex(Constraint):
    event_dim = 1

    def check(self, value: Any) -> Any:
        return (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-6)


class _OneHot(Constraint):
    is_discrete, event_dim = True, 1

    def check(self, value: Any) -> Any:
        return ((value == 0) | (value == 1)).all(-1) & (value.sum(-1) == 1)


class _LowerCholesky(Constraint):
    event_dim = 2

    def check(self, value: Any) -> Any:
        low = (value.tril() == value).all(-1).all(-1)
        return low & (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


class _CorrCholesky(Constraint):
    event_dim = 2

    def check(self, value: Any) -> Any:
        unit = ((value**2).sum(-1) - 1).abs() < 10 * value.shape[-1] * core.finfo(value.dtype).eps
        return unit.all(-1) & _LowerCholesky().check(value)


class _PositiveDefinite(Constraint):
    event_dim = 2

    def check(self, value: Any) -> Any:
        import numpy as np

        x = value.detach().double().numpy()
        same = np.isclose(x, np.swapaxes(x, -1, -2), atol=1e-6).all((-2, -1))
        return core.tensor(same & (np.linalg.eigvalsh(x)[..., 0] > 0))


class independent(Constraint):  # noqa: N801
    """A set of vectors (or more) whose entries belong to a set."""

    def __init__(self, base: Constraint, reinterpreted_batch_ndims: int) -> None:
        self.base_constraint, self.reinterpreted_batch_ndims = base, reinterpreted_batch_ndims
        self.event_dim, self.is_discrete = base.event_dim + reinterpreted_batch_ndims, base.is_discrete

    def check(self, value: Any) -> Any:
        """Where all entries belong to it."""
        ok = self.base_constraint.check(value)
        for _ in range(self.reinterpreted_batch_ndims):
            ok = ok.all(-1)
        return ok


real, boolean, simplex, one_hot = _Real(), _Boolean(), _Simplex(), _OneHot()
lower_cholesky, positive_definite, corr_cholesky = _LowerCholesky(), _PositiveDefinite(), _CorrCholesky()
positive, nonnegative = _Interval(0, open_below=True), _Interval(0)
unit_interval = _Interval(0, 1)
nonnegative_integer, positive_integer = _Interval(0, discrete=True), _Interval(1, discrete=True)
real_vector = independent(real, 1)


def interval(lower: Any, upper: Any) -> Constraint:
    """Numbers of [lower, upper]."""
    return _Interval(lower, upper)


def half_open_interval(lower: Any, upper: Any) -> Constraint:
    """Numbers of [lower, upper)."""
    return _Interval(lower, upper, open_above=True)


def integer_interval(lower: Any, upper: Any) -> Constraint:
    """Whole numbers of [lower, upper]."""
    return _Interval(lower, upper, discrete=True)


def greater_than(lower: Any) -> Constraint:
    """Numbers above a bound."""
    return _Interval(lower, open_below=True)


def greater_than_eq(lower: Any) -> Constraint:
    """Numbers from a bound on."""
    return _Interval(lower)


def less_than(upper: Any) -> Constraint:
    """Numbers below a bound."""
    return _Interval(upper=upper, open_above=True)


def multinomial(total: Any) -> Constraint:
    """Counts that add up to a total."""
    return independent(integer_interval(0, total), 1)
