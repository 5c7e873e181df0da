"""From any numbers to the members of a set: ``biject_to`` by maps that have an inverse, ``transform_to`` by any."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from corten.distributions import constraints as c
from corten.distributions.matrix_transforms import (
    CorrCholeskyTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
)
from corten.distributions.transforms import (
    AffineTransform,
    ComposeTransform,
    ExpTransform,
    IndependentTransform,
    SigmoidTransform,
    SoftmaxTransform,
    StickBreakingTransform,
    Transform,
    identity_transform,
)


class ConstraintRegistry:
    """Which map leads to which kind of set.

    Examples
    --------
    >>> import corten
    >>> d = corten.distributions
    >>> d.transform_to(d.constraints.positive)(corten.tensor(0.0))
    tensor(1.)
    """

    def __init__(self) -> None:
        self._known: dict[type, Callable[[Any], Transform]] = {}

    def register(self, constraint: Any, factory: Callable[[Any], Transform] | None = None) -> Any:
        """Say how maps to a kind of set are made; also a decorator."""
        if factory is None:
            return lambda f: self.register(constraint, f)
        kind = constraint if isinstance(constraint, type) else type(constraint)
        if not issubclass(kind, c.Constraint):
            raise TypeError(f"[register] got {constraint!r}, expected a Constraint or a class of them")
        self._known[kind] = factory
        return factory

    def __call__(self, constraint: Any) -> Transform:
        """The map to a set."""
        for kind in type(constraint).__mro__:
            if kind in self._known:
                return self._known[kind](constraint)
        raise NotImplementedError(f"[{type(self).__name__}] there is no map to {constraint!r}")


biject_to, transform_to = ConstraintRegistry(), ConstraintRegistry()


def _to_interval(s: Any) -> Transform:
    if s.is_discrete:
        raise NotImplementedError("[ConstraintRegistry] there is no map to whole numbers")
    low, high = s.lower_bound, s.upper_bound
    below, above = (isinstance(b, float) and math.isinf(b) for b in (low, high))
    if above:
        zero = not hasattr(low, "dtype") and low == 0
        return ExpTransform() if zero else ComposeTransform([ExpTransform(), AffineTransform(low, 1)])
    if below:
        return ComposeTransform([ExpTransform(), AffineTransform(high, -1)])
    if not hasattr(low, "dtype") and not hasattr(high, "dtype") and (low, high) == (0, 1):
        return SigmoidTransform()
    return ComposeTransform([SigmoidTransform(), AffineTransform(low, high - low)])


def _entries(registry: ConstraintRegistry) -> Callable[[Any], Transform]:
    return lambda s: IndependentTransform(registry(s.base_constraint), s.reinterpreted_batch_ndims)


for _registry in (biject_to, transform_to):
    _registry.register(c._Real, lambda s: identity_transform)
    _registry.register(c._Interval, _to_interval)
    _registry.register(c.independent, _entries(_registry))
    _registry.register(c._CorrCholesky, lambda s: CorrCholeskyTransform())
biject_to.register(c._Simplex, lambda s: StickBreakingTransform())
transform_to.register(c._LowerCholesky, lambda s: LowerCholeskyTransform())
transform_to.register(c._PositiveDefinite, lambda s: PositiveDefiniteTransform())
transform_to.register(c._Simplex, lambda s: SoftmaxTransform())
