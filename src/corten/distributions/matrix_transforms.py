"""Maps onto triangular, positive definite and correlation matrices, of parts, and by distribution functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from corten._core import core
from corten.distributions import constraints
from corten.distributions.distribution import Distribution
from corten.distributions.transforms import Transform
from corten.nn import functional as F  # noqa: N812
from corten.ops.view import stack


class LowerCholeskyTransform(Transform):
    """Any matrix as a lower triangular one with a positive diagonal, which is the exponential of its own."""

    event_dim = 2
    domain, codomain = constraints.independent(constraints.real, 2), constraints.lower_cholesky

    def __call__(self, x: Any) -> Any:
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y: Any) -> Any:
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(Transform):
    """Any matrix as a positive definite one: :math:`L L^T` of its lower triangle with an exponential diagonal."""

    event_dim = 2
    domain, codomain = constraints.independent(constraints.real, 2), constraints.positive_definite

    def __call__(self, x: Any) -> Any:
        lower = LowerCholeskyTransform()(x)
        return lower @ lower.mT

    def _inverse(self, y: Any) -> Any:
        from corten import linalg

        return LowerCholeskyTransform()._inverse(linalg.cholesky(y))


def _rows(n: int, diagonal: int) -> Any:
    """Where the elements of a lower triangle stand, row by row."""
    index = [(i, j) for i in range(n) for j in range(i + diagonal + 1)]
    return core.tensor([i for i, _ in index], dtype=core._dtype_by_name("int64")), core.tensor(
        [j for _, j in index], dtype=core._dtype_by_name("int64"))  # fmt: skip


def _below(x: Any, diagonal: int) -> Any:
    """The elements of the lower triangles as vectors."""
    i, j = _rows(x.shape[-1], diagonal)
    return x.flatten(-2).index_select(-1, i * x.shape[-1] + j)


class CorrCholeskyTransform(Transform):
    """Vectors of n (n - 1) / 2 numbers as Cholesky factors of n x n correlation matrices: tanh, then stick breaking by row."""

    domain, codomain = constraints.real_vector, constraints.corr_cholesky
    event_dim = 1

    def __call__(self, x: Any) -> Any:
        eps = core.finfo(x.dtype).eps
        n = round((1 + math.sqrt(1 + 8 * x.shape[-1])) / 2)
        if n * (n - 1) // 2 != x.shape[-1]:
            raise ValueError(f"[CorrCholeskyTransform] {x.shape[-1]} numbers are no triangle")
        i, j = _rows(n, -1)
        flat = x.new_zeros((*x.shape[:-1], n * n)).index_add(-1, i * n + j, x.tanh().clamp(min=-1 + eps, max=1 - eps))
        r = flat.reshape((*x.shape[:-1], n, n))
        left = (1 - r * r).sqrt().cumprod(-1)
        one = core.tensor([[float(a == b) for b in range(n)] for a in range(n)], dtype=x.dtype)
        return (r + one) * F.pad(left[..., :-1], (1, 0), value=1.0)

    def _inverse(self, y: Any) -> Any:
        left = F.pad(1 - (y * y).cumsum(-1)[..., :-1], (1, 0), value=1.0)
        t = _below(y, -1) / _below(left, -1).sqrt()
        return (t.log1p() - (-t).log1p()) / 2

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        left = 1 - (y * y).cumsum(-1)
        stick = 0.5 * _below(left, -2).log().sum(-1)
        return stick - 2 * (x + F.softplus(-2 * x) - math.log(2)).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        n = round((1 + math.sqrt(1 + 8 * shape[-1])) / 2)
        return (*shape[:-1], n, n)

    def inverse_shape(self, shape: Any) -> Any:
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)


class StackTransform(Transform):
    """A map for each slice along a dimension."""

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.transforms, self.dim = list(tseq), dim

    def _each(self, fn: Any, *xs: Any) -> Any:
        if xs[0].shape[self.dim] != len(self.transforms):
            raise ValueError(f"[StackTransform] {xs[0].shape[self.dim]} slices for {len(self.transforms)} transforms")
        return stack([fn(t, *(x.select(self.dim, i) for x in xs)) for i, t in enumerate(self.transforms)], self.dim)

    def __call__(self, x: Any) -> Any:
        return self._each(lambda t, s: t(s), x)

    def _inverse(self, y: Any) -> Any:
        return self._each(lambda t, s: t._inverse(s), y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return self._each(lambda t, a, b: t.log_abs_det_jacobian(a, b), x, y)


class CumulativeDistributionTransform(Transform):
    """Values as probabilities, by the distribution function."""

    codomain = constraints.unit_interval

    def __init__(self, distribution: Distribution, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.distribution = distribution
        self.domain = distribution.support

    def __call__(self, x: Any) -> Any:
        return self.distribution.cdf(x)

    def _inverse(self, y: Any) -> Any:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return self.distribution.log_prob(x)
