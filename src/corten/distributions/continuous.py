"""Distributions on the line that are sampled by a formula: normal and its kin, exponential, uniform, Cauchy ..."""

from __future__ import annotations

import math
from typing import Any

from corten._core import core
from corten.distributions import constraints
from corten.distributions.distribution import EULER, HALF_LOG_2PI, Distribution, broadcast_all, clamp_probs
from corten.nn.functional import softplus
from corten.ops.pointwise import where


class LocationScale(Distribution):
    """Distributions of :math:`\\mu + \\sigma X`."""

    has_rsample = True
    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)

    def standard(self, shape: Any) -> Any:
        """Draws of X."""
        raise NotImplementedError

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws with gradients."""
        return self.loc + self.scale * self.standard(self.shape(sample_shape))

    def drawn(self, shape: Any) -> Any:
        """Memory for draws."""
        return core.empty(shape, dtype=self.loc.dtype)

    @property
    def mode(self) -> Any:
        """The location."""
        return self.loc


class Normal(LocationScale):
    """Normal distribution of mean ``loc`` and standard deviation ``scale``.

    Examples
    --------
    >>> import corten
    >>> corten.distributions.Normal(0.0, 1.0).log_prob(corten.tensor(0.0))
    tensor(-0.9189)
    """

    def standard(self, shape: Any) -> Any:
        return self.drawn(shape).normal_()

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def stddev(self) -> Any:
        return self.scale

    @property
    def variance(self) -> Any:
        return self.scale**2

    def log_prob(self, value: Any) -> Any:
        z = (self._checked(value) - self.loc) / self.scale
        return -0.5 * z * z - self.scale.log() - HALF_LOG_2PI

    def cdf(self, value: Any) -> Any:
        return 0.5 * (1 + ((self._checked(value) - self.loc) / self.scale / math.sqrt(2)).erf())

    def icdf(self, value: Any) -> Any:
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)

    def entropy(self) -> Any:
        return 0.5 + HALF_LOG_2PI + self.scale.log()


class Laplace(LocationScale):
    """Laplace distribution: :math:`e^{-|x - \\mu| / b} / 2b`."""

    def standard(self, shape: Any) -> Any:
        u = self.drawn(shape).uniform_(core.finfo(self.loc.dtype).eps - 1, 1)
        return -u.sign() * (-u.abs()).log1p()

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        return 2 * self.scale**2

    def log_prob(self, value: Any) -> Any:
        return -(2 * self.scale).log() - (self._checked(value) - self.loc).abs() / self.scale

    def cdf(self, value: Any) -> Any:
        d = self._checked(value) - self.loc
        return 0.5 - 0.5 * d.sign() * (-d.abs() / self.scale).expm1()

    def icdf(self, value: Any) -> Any:
        d = value - 0.5
        return self.loc - self.scale * d.sign() * (-2 * d.abs()).log1p()

    def entropy(self) -> Any:
        return 1 + (2 * self.scale).log()


class Cauchy(LocationScale):
    """Cauchy distribution; it has no moments."""

    support = constraints.real

    def standard(self, shape: Any) -> Any:
        return (math.pi * (self.drawn(shape).uniform_() - 0.5)).tan()

    @property
    def mean(self) -> Any:
        return core.full_like(self.loc, math.nan)

    @property
    def variance(self) -> Any:
        return core.full_like(self.loc, math.inf)

    def log_prob(self, value: Any) -> Any:
        z = (self._checked(value) - self.loc) / self.scale
        return -math.log(math.pi) - self.scale.log() - (z * z).log1p()

    def cdf(self, value: Any) -> Any:
        return ((self._checked(value) - self.loc) / self.scale).atan() / math.pi + 0.5

    def icdf(self, value: Any) -> Any:
        return (math.pi * (value - 0.5)).tan() * self.scale + self.loc

    def entropy(self) -> Any:
        return math.log(4 * math.pi) + self.scale.log()


class Gumbel(LocationScale):
    """Gumbel distribution: :math:`e^{-(z + e^{-z})} / \\beta`, :math:`z = (x - \\mu) / \\beta`."""

    def standard(self, shape: Any) -> Any:
        return -self.drawn(shape).exponential_().log()

    @property
    def mean(self) -> Any:
        return self.loc + self.scale * EULER

    @property
    def variance(self) -> Any:
        return (math.pi**2 / 6) * self.scale**2

    def log_prob(self, value: Any) -> Any:
        z = (self._checked(value) - self.loc) / self.scale
        return -z - (-z).exp() - self.scale.log()

    def cdf(self, value: Any) -> Any:
        return (-(-(self._checked(value) - self.loc) / self.scale).exp()).exp()

    def icdf(self, value: Any) -> Any:
        return self.loc - self.scale * (-value.log()).log()

    def entropy(self) -> Any:
        return self.scale.log() + (1 + EULER)


class StudentT(LocationScale):
    """Student's t distribution of ``df`` degrees of freedom."""

    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        Distribution.__init__(self, self.df.shape, (), validate_args)

    def standard(self, shape: Any) -> Any:
        from corten.distributions.gamma import standard_gamma

        chi2 = 2 * standard_gamma((self.df / 2).expand(shape))
        return self.drawn(shape).normal_() * (chi2 / self.df).rsqrt()

    @property
    def mean(self) -> Any:
        return where(self.df > 1, self.loc, math.nan)

    @property
    def variance(self) -> Any:
        wide = where(self.df > 1, math.inf, math.nan).to(self.df.dtype)
        return where(self.df > 2, self.scale**2 * self.df / where(self.df > 2, self.df - 2, 1.0), wide)

    def log_prob(self, value: Any) -> Any:
        y = (self._checked(value) - self.loc) / self.scale
        z = self.scale.log() + 0.5 * self.df.log() + 0.5 * math.log(math.pi) + (0.5 * self.df).lgamma() - (0.5 * (self.df + 1)).lgamma()
        return -0.5 * (self.df + 1) * (y * y / self.df).log1p() - z

    def entropy(self) -> Any:
        half, more = 0.5 * self.df, 0.5 * (self.df + 1)
        beta = half.lgamma() + math.lgamma(0.5) - more.lgamma()
        return self.scale.log() + more * (more.digamma() - half.digamma()) + 0.5 * self.df.log() + beta


class Uniform(Distribution):
    """Uniform distribution on [low, high)."""

    has_rsample = True

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.shape, (), validate_args)
        if self._validate_args and not bool((self.low.detach() < self.high.detach()).all()):
            raise ValueError("[Uniform] expected low < high everywhere")

    arg_constraints = {"low": constraints.real, "high": constraints.real}

    @property
    def support(self) -> Any:  # type: ignore[override]
        """[low, high]."""
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Any:
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Any:
        """Not a number: no value is likelier than another."""
        return math.nan * self.high

    @property
    def variance(self) -> Any:
        return (self.high - self.low) ** 2 / 12

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.low + core.empty(self.shape(sample_shape), dtype=self.low.dtype).uniform_() * (self.high - self.low)

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)
        inside = (value >= self.low) & (value < self.high)
        return inside.to(self.low.dtype).log() - (self.high - self.low).log()

    def cdf(self, value: Any) -> Any:
        return ((self._checked(value) - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def icdf(self, value: Any) -> Any:
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Any:
        return (self.high - self.low).log()


class Exponential(Distribution):
    """Exponential distribution: :math:`\\lambda e^{-\\lambda x}`."""

    has_rsample = True
    arg_constraints = {"rate": constraints.positive}
    support = constraints.nonnegative

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, (), validate_args)

    @property
    def mean(self) -> Any:
        return 1 / self.rate

    @property
    def mode(self) -> Any:
        return core.zeros_like(self.rate)

    @property
    def variance(self) -> Any:
        return self.rate**-2

    def rsample(self, sample_shape: Any = ()) -> Any:
        return core.empty(self.shape(sample_shape), dtype=self.rate.dtype).exponential_() / self.rate

    def log_prob(self, value: Any) -> Any:
        return self.rate.log() - self.rate * self._checked(value)

    def cdf(self, value: Any) -> Any:
        return 1 - (-self.rate * self._checked(value)).exp()

    def icdf(self, value: Any) -> Any:
        return -(-value).log1p() / self.rate

    def entropy(self) -> Any:
        return 1 - self.rate.log()


class HalfNormal(Distribution):
    """Magnitude of a normal variable of mean 0."""

    has_rsample = True
    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        (self.scale,) = broadcast_all(scale)
        super().__init__(self.scale.shape, (), validate_args)
        self._base = Normal(0.0, self.scale, False)

    @property
    def mean(self) -> Any:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def mode(self) -> Any:
        return core.zeros_like(self.scale)

    @property
    def variance(self) -> Any:
        return self.scale**2 * (1 - 2 / math.pi)

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self._base.rsample(sample_shape).abs()

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)
        return where(value >= 0, self._base.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value: Any) -> Any:
        return 2 * self._base.cdf(self._checked(value)) - 1

    def icdf(self, value: Any) -> Any:
        return self._base.icdf((value + 1) / 2)

    def entropy(self) -> Any:
        return self._base.entropy() - math.log(2)


class HalfCauchy(Distribution):
    """Magnitude of a Cauchy variable around 0."""

    has_rsample = True
    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        (self.scale,) = broadcast_all(scale)
        super().__init__(self.scale.shape, (), validate_args)
        self._base = Cauchy(0.0, self.scale, False)

    @property
    def mean(self) -> Any:
        return core.full_like(self.scale, math.inf)

    @property
    def mode(self) -> Any:
        return core.zeros_like(self.scale)

    @property
    def variance(self) -> Any:
        return self._base.variance

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self._base.rsample(sample_shape).abs()

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)
        return where(value >= 0, self._base.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value: Any) -> Any:
        return 2 * self._base.cdf(self._checked(value)) - 1

    def icdf(self, value: Any) -> Any:
        return self._base.icdf((value + 1) / 2)

    def entropy(self) -> Any:
        return self._base.entropy() - math.log(2)


class GeneralizedPareto(Distribution):
    """Generalized Pareto distribution: :math:`P(X > x) = (1 + \\kappa (x - \\mu) / \\sigma)^{-1/\\kappa}`; exponential at 0."""

    has_rsample = True
    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, (), validate_args)

    @property
    def support(self) -> Any:  # type: ignore[override]
        """From loc on, to a bound for negative concentrations."""
        k = self.concentration
        return constraints.interval(self.loc, where(k < 0, self.loc - self.scale / where(k == 0, 1.0, k), math.inf))

    def _shape(self) -> tuple[Any, Any]:
        """Where the concentration is 0, and the concentration with another value there."""
        flat = self.concentration == 0
        return flat, where(flat, 1.0, self.concentration)

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.icdf(core.empty(self.shape(sample_shape), dtype=self.loc.dtype).uniform_())

    def log_prob(self, value: Any) -> Any:
        z = (self._checked(value) - self.loc) / self.scale
        flat, k = self._shape()
        return where(flat, -z, -(1 + 1 / k) * (k * z).log1p()) - self.scale.log()

    def cdf(self, value: Any) -> Any:
        z = (self._checked(value) - self.loc) / self.scale
        flat, k = self._shape()
        return -where(flat, (-z).expm1(), (-(k * z).log1p() / k).expm1())

    def icdf(self, value: Any) -> Any:
        flat, k = self._shape()
        survival = (-value).log1p()
        return self.loc + self.scale * where(flat, -survival, (-k * survival).expm1() / k)

    @property
    def mean(self) -> Any:
        k = self.concentration
        return where(k < 1, self.loc + self.scale / (1 - k), math.inf)

    @property
    def variance(self) -> Any:
        k = self.concentration
        return where(k < 0.5, self.scale**2 / ((1 - k) ** 2 * (1 - 2 * k)), math.inf)

    @property
    def mode(self) -> Any:
        return self.loc

    def entropy(self) -> Any:
        return self.scale.log() + self.concentration + 1


class ContinuousBernoulli(Distribution):
    """Density :math:`\\propto \\lambda^x (1 - \\lambda)^{1 - x}` on [0, 1]; near 1/2, within ``lims``, by Taylor's series.

    Loaiza-Ganem, Cunningham, arXiv:1907.06845.
    """

    has_rsample = True
    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval

    def __init__(self, probs: Any = None, logits: Any = None, lims: tuple[float, float] = (0.499, 0.501),
                 validate_args: bool | None = None) -> None:  # fmt: skip
        if (probs is None) == (logits is None):
            raise ValueError("[ContinuousBernoulli] give one of probs and logits")
        if probs is not None:
            (given,) = broadcast_all(probs)
            self.probs = clamp_probs(given)
            self.logits = self.probs.log() - (-self.probs).log1p()
        else:
            (self.logits,) = broadcast_all(logits)
            self.probs = clamp_probs(self.logits.sigmoid())
        self._lims = lims
        super().__init__(self.probs.shape, (), validate_args)

    def _cut(self) -> tuple[Any, Any, Any]:
        """Where the formula holds, probabilities with another value elsewhere, and their distance from 1/2."""
        outside = (self.probs <= self._lims[0]) | (self.probs > self._lims[1])
        return outside, where(outside, self.probs, self._lims[0]), self.probs - 0.5

    def _log_norm(self) -> Any:
        outside, p, x = self._cut()
        below, above = where(p <= 0.5, p, 0.0), where(p >= 0.5, p, 1.0)
        exact = ((-p).log1p() - p.log()).abs().log() - where(p <= 0.5, (-2 * below).log1p(), (2 * above - 1).log())
        return where(outside, exact, math.log(2) + (4 / 3 + 104 / 45 * x**2) * x**2)

    @property
    def mean(self) -> Any:
        outside, p, x = self._cut()
        return where(outside, p / (2 * p - 1) + 1 / ((-p).log1p() - p.log()), 0.5 + (1 / 3 + 16 / 45 * x**2) * x)

    @property
    def variance(self) -> Any:
        outside, p, x = self._cut()
        exact = p * (p - 1) / (1 - 2 * p) ** 2 + 1 / ((-p).log1p() - p.log()) ** 2
        return where(outside, exact, 1 / 12 - (1 / 15 - 128 / 945 * x**2) * x**2)

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.icdf(core.empty(self.shape(sample_shape), dtype=self.probs.dtype).uniform_())

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)
        return value * self.logits - softplus(self.logits) + self._log_norm()

    def cdf(self, value: Any) -> Any:
        value = self._checked(value)
        outside, p, _ = self._cut()
        exact = (p**value * (1 - p) ** (1 - value) + p - 1) / (2 * p - 1)
        return where(value <= 0, 0.0, where(value >= 1, 1.0, where(outside, exact, value)))

    def icdf(self, value: Any) -> Any:
        outside, p, _ = self._cut()
        return where(outside, ((-p + value * (2 * p - 1)).log1p() - (-p).log1p()) / (p.log() - (-p).log1p()), value)

    def entropy(self) -> Any:
        low, high = (-self.probs).log1p(), self.probs.log()
        return self.mean * (low - high) - self._log_norm() - low
