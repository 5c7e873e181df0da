"""Distributions of matrices: Wishart's, and that of Lewandowski, Kurowicka and Joe of correlations."""

from __future__ import annotations

import math
from typing import Any

from corten._core import core
from corten.distributions import constraints
from corten.distributions.distribution import Distribution, broadcast_all
from corten.distributions.gamma import Beta, Chi2
from corten.distributions.joint import WithCovariance
from corten.ops.pointwise import where
from corten.ops.random import randn


def _log_diagonal(lower: Any) -> Any:
    """Sum of the logarithms of the diagonal."""
    return lower.diagonal(dim1=-2, dim2=-1).log().sum(-1)


class Wishart(WithCovariance, Distribution):
    """Distribution of :math:`\\sum_{i=1}^{\\nu} x_i x_i^T` of normal vectors of a covariance :math:`\\Sigma`.

    Parameters
    ----------
    df : number or Tensor
        :math:`\\nu`, more than the size of the matrix less 1.
    covariance_matrix, precision_matrix, scale_tril : Tensor, shape (..., p, p)
        One of them: :math:`\\Sigma`, its inverse, or its Cholesky factor.
    """

    has_rsample = True
    arg_constraints = {"df": constraints.greater_than(0), "scale_tril": constraints.lower_cholesky}
    support = constraints.positive_definite

    def __init__(self, df: Any, covariance_matrix: Any = None, precision_matrix: Any = None, scale_tril: Any = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        from corten import linalg

        if sum(m is not None for m in (covariance_matrix, precision_matrix, scale_tril)) != 1:
            raise ValueError("[Wishart] give one of covariance_matrix, precision_matrix and scale_tril")
        if scale_tril is None:
            scale_tril = linalg.cholesky(covariance_matrix if covariance_matrix is not None else linalg.inv(precision_matrix))
        p = scale_tril.shape[-1]
        df = df if hasattr(df, "dtype") else core.tensor(float(df), dtype=scale_tril.dtype)
        if bool((df.detach() <= p - 1).any()):
            raise ValueError(f"[Wishart] got df {df}, expected more than {p - 1} for matrices of {p} rows")
        batch = tuple(core.REGISTRY["add"](df, scale_tril[..., 0, 0]).shape)
        self.df, self.scale_tril = df.expand(batch), scale_tril.expand((*batch, p, p))
        super().__init__(batch, (p, p), validate_args)

    @property
    def mean(self) -> Any:
        return self.df.unsqueeze(-1).unsqueeze(-1) * self.covariance_matrix

    @property
    def mode(self) -> Any:
        factor = self.df - self.event_shape[0] - 1
        return where(factor > 0, factor, math.nan).unsqueeze(-1).unsqueeze(-1) * self.covariance_matrix

    @property
    def variance(self) -> Any:
        sigma = self.covariance_matrix
        d = sigma.diagonal(dim1=-2, dim2=-1)
        return self.df.unsqueeze(-1).unsqueeze(-1) * (sigma**2 + d.unsqueeze(-1) * d.unsqueeze(-2))

    def rsample(self, sample_shape: Any = ()) -> Any:
        p = self.event_shape[0]
        shape = self.shape(sample_shape)
        freedom = self.df.unsqueeze(-1) - core.tensor([float(i) for i in range(p)], dtype=self.df.dtype)
        diagonal = Chi2(freedom).rsample(sample_shape).sqrt()
        factor = self.scale_tril @ (randn(*shape, dtype=self.scale_tril.dtype).tril(-1) + diagonal.diag_embed())
        return factor @ factor.mT

    def _log_norm(self) -> Any:
        p = self.event_shape[0]
        return self.df * (p * math.log(2) / 2 + _log_diagonal(self.scale_tril)) + (self.df / 2).mvlgamma(p)

    def log_prob(self, value: Any) -> Any:
        from corten import linalg

        value, p = self._checked(value), self.event_shape[0]
        inside = linalg.solve_triangular(self.scale_tril, linalg.cholesky(value), upper=False)
        trace = (inside**2).sum((-2, -1))
        return (self.df - p - 1) * _log_diagonal(linalg.cholesky(value)) - trace / 2 - self._log_norm()

    def entropy(self) -> Any:
        p = self.event_shape[0]
        steps = core.tensor([i / 2 for i in range(p)], dtype=self.df.dtype)
        log_det = (self.df.unsqueeze(-1) / 2 - steps).digamma().sum(-1) + p * math.log(2) + 2 * _log_diagonal(self.scale_tril)
        return self._log_norm() - (self.df - p - 1) / 2 * log_det + self.df * p / 2


class LKJCholesky(Distribution):
    """Cholesky factors of correlation matrices, of density :math:`\\propto |C|^{\\eta - 1}`.

    Draws are made row by row, by the onion method. Lewandowski, Kurowicka, Joe (2009).
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"[LKJCholesky] got {dim} dimensions, expected at least 2")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        offset = core.tensor([0.0, *(float(i) for i in range(dim - 1))], dtype=self.concentration.dtype)
        rest = self.concentration.unsqueeze(-1) + 0.5 * (dim - 2) - 0.5 * offset
        self._beta = Beta((0.5 * offset + 0.5).expand(rest.shape), rest)  # squared length of a row of k numbers: Beta(k / 2, ...)
        super().__init__(self.concentration.shape, (dim, dim), validate_args)

    def sample(self, sample_shape: Any = ()) -> Any:
        share = self._beta.sample(sample_shape).unsqueeze(-1)
        noise = randn(*self.shape(sample_shape), dtype=self.concentration.dtype).tril(-1)
        size = (noise**2).sum(-1, keepdim=True).sqrt()
        rows = share.sqrt() * noise / where(size == 0, 1.0, size)
        left = (1 - (rows**2).sum(-1)).clamp(min=core.finfo(rows.dtype).tiny)
        return rows + left.sqrt().diag_embed()

    def log_prob(self, value: Any) -> Any:
        value, less = self._checked(value), self.dim - 1
        order = core.tensor([float(self.dim - i) for i in range(2, self.dim + 1)], dtype=self.concentration.dtype)
        power = 2 * (self.concentration.unsqueeze(-1) - 1) + order
        unscaled = (power * value.diagonal(dim1=-2, dim2=-1)[..., 1:].log()).sum(-1)
        alpha = self.concentration + 0.5 * less
        return unscaled - (0.5 * less * math.log(math.pi) + (alpha - 0.5).mvlgamma(less) - alpha.lgamma() * less)
