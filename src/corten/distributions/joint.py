"""Distributions of vectors and of mixtures."""

from __future__ import annotations

import math
from typing import Any

from corten._core import core
from corten.autograd import no_grad
from corten.distributions import constraints
from corten.distributions.discrete import Categorical
from corten.distributions.distribution import HALF_LOG_2PI, Distribution, broadcast_shape, sum_rightmost


class Independent(Distribution):
    """The last batch dimensions of a distribution as one event.

    Examples
    --------
    >>> import corten
    >>> d = corten.distributions
    >>> d.Independent(d.Normal(corten.zeros(3), corten.ones(3)), 1).log_prob(corten.zeros(3))
    tensor(-2.7568)
    """

    def __init__(self, base_distribution: Distribution, reinterpreted_batch_ndims: int, validate_args: bool | None = None) -> None:
        n, batch = reinterpreted_batch_ndims, tuple(base_distribution.batch_shape)
        if n > len(batch):
            raise ValueError(f"[Independent] got {n} dimensions of a batch shape {batch}")
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, n
        cut = len(batch) - n
        super().__init__(batch[:cut], (*batch[cut:], *base_distribution.event_shape), validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        n = self.reinterpreted_batch_ndims
        return Independent(self.base_dist.expand((*batch_shape, *self.event_shape[:n])), n, False)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether gradients flow through draws."""
        return self.base_dist.has_rsample

    @property
    def support(self) -> Any:  # type: ignore[override]
        """Vectors of the base's values."""
        return constraints.independent(self.base_dist.support, self.reinterpreted_batch_ndims)

    @property
    def mean(self) -> Any:
        return self.base_dist.mean

    @property
    def mode(self) -> Any:
        return self.base_dist.mode

    @property
    def variance(self) -> Any:
        return self.base_dist.variance

    def sample(self, sample_shape: Any = ()) -> Any:
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Any) -> Any:
        return sum_rightmost(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Any:
        return sum_rightmost(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


def _solved(lower: Any, x: Any) -> Any:
    """:math:`L^{-1} x` of vectors."""
    from corten import linalg

    return linalg.solve_triangular(lower, x.unsqueeze(-1), upper=False).squeeze(-1)


class WithCovariance:
    """What a distribution with a Cholesky factor ``scale_tril`` knows of its covariance."""

    scale_tril: Any

    @property
    def covariance_matrix(self) -> Any:
        """:math:`L L^T`."""
        return self.scale_tril @ self.scale_tril.mT

    @property
    def precision_matrix(self) -> Any:
        """Its inverse."""
        from corten import linalg

        return linalg.inv(self.covariance_matrix)


class MultivariateNormal(WithCovariance, Distribution):
    """Normal vectors, by covariance, precision or a Cholesky factor of the covariance."""

    has_rsample = True
    arg_constraints = {"loc": constraints.real_vector, "scale_tril": constraints.lower_cholesky}
    support = constraints.real_vector

    def __init__(self, loc: Any, covariance_matrix: Any = None, precision_matrix: Any = None, scale_tril: Any = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        from corten import linalg

        if loc.ndim < 1:
            raise ValueError("[MultivariateNormal] got a number for loc, expected a vector")
        if sum(m is not None for m in (covariance_matrix, precision_matrix, scale_tril)) != 1:
            raise ValueError("[MultivariateNormal] give one of covariance_matrix, precision_matrix and scale_tril")
        if validate_args is not False:
            for name, m in (("covariance_matrix", covariance_matrix), ("precision_matrix", precision_matrix)):
                if m is not None and not bool(constraints.positive_definite.check(m).all()):
                    raise ValueError(f"[MultivariateNormal] {name} has values outside PositiveDefinite()")
        if scale_tril is not None:
            factor = scale_tril
        elif covariance_matrix is not None:
            factor = linalg.cholesky(covariance_matrix)
        else:
            factor = linalg.cholesky(linalg.inv(precision_matrix))
        n = loc.shape[-1]
        batch = broadcast_shape(tuple(loc.shape[:-1]), tuple(factor.shape[:-2]))
        self.loc, self.scale_tril = loc.expand((*batch, n)), factor.expand((*batch, n, n))
        super().__init__(batch, (n,), validate_args)

    @property
    def mean(self) -> Any:
        return self.loc

    mode = mean

    @property
    def variance(self) -> Any:
        return (self.scale_tril**2).sum(-1)

    def rsample(self, sample_shape: Any = ()) -> Any:
        z = core.empty(self.shape(sample_shape), dtype=self.loc.dtype).normal_()
        return self.loc + (self.scale_tril @ z.unsqueeze(-1)).squeeze(-1)

    def _half_log_det(self) -> Any:
        return self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value: Any) -> Any:
        d = self._checked(value) - self.loc
        z = _solved(self.scale_tril.expand((*d.shape, d.shape[-1])), d)
        return -0.5 * (z * z).sum(-1) - self._half_log_det() - HALF_LOG_2PI * d.shape[-1]

    def entropy(self) -> Any:
        return (0.5 + HALF_LOG_2PI) * self.event_shape[0] + self._half_log_det()


class LowRankMultivariateNormal(MultivariateNormal):
    """Normal vectors of covariance :math:`F F^T + D` of a factor of few columns and a diagonal."""

    def __init__(self, loc: Any, cov_factor: Any, cov_diag: Any, validate_args: bool | None = None) -> None:
        self.cov_factor, self.cov_diag = cov_factor, cov_diag
        super().__init__(loc, cov_factor @ cov_factor.mT + cov_diag.diag_embed(), validate_args=validate_args)


class MixtureSameFamily(Distribution):
    """A mixture of the last batch dimension of a distribution, by a Categorical."""

    def __init__(self, mixture_distribution: Categorical, component_distribution: Distribution,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(f"[MixtureSameFamily] got {type(mixture_distribution).__name__}, expected a Categorical")
        k = component_distribution.batch_shape[-1] if component_distribution.batch_shape else 0
        if mixture_distribution._num_events != k:
            raise ValueError(f"[MixtureSameFamily] got {mixture_distribution._num_events} weights for {k} components")
        self.mixture_distribution, self.component_distribution = mixture_distribution, component_distribution
        self._n = len(component_distribution.event_shape)
        super().__init__(component_distribution.batch_shape[:-1], component_distribution.event_shape, validate_args)

    @property
    def support(self) -> Any:  # type: ignore[override]
        """That of the components."""
        return self.component_distribution.support

    def _weights(self) -> Any:
        p = self.mixture_distribution.probs
        return p.reshape((*p.shape, *(1,) * self._n))

    @property
    def mean(self) -> Any:
        return (self._weights() * self.component_distribution.mean).sum(-1 - self._n)

    @property
    def variance(self) -> Any:
        p, means = self._weights(), self.component_distribution.mean
        spread = (means - self.mean.unsqueeze(-1 - self._n)) ** 2
        return (p * (self.component_distribution.variance + spread)).sum(-1 - self._n)

    def log_prob(self, value: Any) -> Any:
        each = self.component_distribution.log_prob(value.unsqueeze(-1 - self._n))
        weights = self.mixture_distribution.logits - self.mixture_distribution.logits.logsumexp(-1, keepdim=True)
        return (each + weights).logsumexp(-1)

    def cdf(self, value: Any) -> Any:
        return (self.component_distribution.cdf(value.unsqueeze(-1 - self._n)) * self.mixture_distribution.probs).sum(-1)

    @no_grad()
    def sample(self, sample_shape: Any = ()) -> Any:
        drawn = self.component_distribution.sample(sample_shape)
        which = self.mixture_distribution.sample(sample_shape)
        dim = drawn.ndim - 1 - self._n
        index = which.reshape((*which.shape, *(1,) * (self._n + 1)))
        index = index.expand((*drawn.shape[:dim], 1, *drawn.shape[dim + 1 :]))
        return drawn.gather(dim, index).squeeze(dim)

    def __repr__(self) -> str:
        return f"MixtureSameFamily({self.mixture_distribution}, {self.component_distribution})"


class VonMises(Distribution):
    """Von Mises distribution of angles: :math:`e^{\\kappa \\cos(x - \\mu)} / 2 \\pi I_0(\\kappa)`."""

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        from corten.distributions.distribution import broadcast_all

        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, (), validate_args)

    def _log_i0(self) -> Any:
        from corten import special

        return special.i0e(self.concentration).log() + self.concentration

    @property
    def mean(self) -> Any:
        return self.loc

    mode = mean

    @property
    def variance(self) -> Any:
        from corten import special

        return 1 - special.i1e(self.concentration) / special.i0e(self.concentration)

    def log_prob(self, value: Any) -> Any:
        return self.concentration * (self._checked(value) - self.loc).cos() - math.log(2 * math.pi) - self._log_i0()

    @no_grad()
    def sample(self, sample_shape: Any = ()) -> Any:
        import numpy as np

        from corten.ops.random import default_generator

        seed, call = default_generator.next_call()
        rng = np.random.Generator(np.random.Philox(key=[seed % 2**64, call]))
        k = self.concentration.detach().double().numpy()
        angles = rng.vonmises(self.loc.detach().double().numpy(), k, self.shape(sample_shape))
        return core.tensor(np.mod(angles + np.pi, 2 * np.pi) - np.pi, dtype=self.loc.dtype)
