"""Gamma distributions and what is made of them: beta, Dirichlet, chi-square, Fisher's, inverse gamma."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special as sp

from corten._core import core
from corten.distributions import constraints
from corten.distributions.distribution import Distribution, broadcast_all
from corten.ops.declare import op
from corten.ops.pointwise import where
from corten.ops.random import default_generator
from corten.ops.view import stack


def _draws(concentration: Any) -> Any:
    seed, call = default_generator.next_call()
    rng = np.random.Generator(np.random.Philox(key=[seed % 2**64, call]))
    a = concentration.detach().double().numpy()
    # the logarithm of draws of small shapes is finite where the draws themselves are 0
    x = np.where(a < 1, rng.standard_gamma(a + 1) * rng.random(a.shape) ** (1 / a), rng.standard_gamma(a))
    tiny = np.finfo(np.float64 if concentration.dtype.name == "float64" else np.float32).tiny
    return core.tensor(np.maximum(x, tiny), dtype=concentration.dtype)


def _slope(x: Any, a: Any) -> Any:
    """Change of a draw with the concentration at a fixed probability: -(dP/da) / (dP/dx), dP/da by central differences."""
    xs, shape = x.detach().double().numpy(), a.detach().double().numpy()
    h = 1e-4 * np.maximum(shape, 1e-2)
    rise = (sp.gammainc(shape + h, xs) - sp.gammainc(shape - h, xs)) / (2 * h)
    density = np.exp((shape - 1) * np.log(xs) - xs - sp.gammaln(shape))
    upper = xs > shape + 10 * np.sqrt(shape) + 10  # there P is 1 and its complement holds the digits
    rise = np.where(upper, -(sp.gammaincc(shape + h, xs) - sp.gammaincc(shape - h, xs)) / (2 * h), rise)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(density > 0, -rise / density, 0.0)
    return core.tensor(np.nan_to_num(slope, posinf=0.0, neginf=0.0), dtype=x.dtype)


standard_gamma = op(
    "standard_gamma(concentration) -> out", impl=_draws, dtype="floating", function=False,
    vjp=lambda g, concentration, out: g * _slope(out, concentration),
    doc="Draws of gamma distributions of rate 1, with gradients for the concentration. Figurnov et al., arXiv:1805.08498.")  # fmt: skip


class Gamma(Distribution):
    """Gamma distribution: :math:`\\beta^\\alpha x^{\\alpha - 1} e^{-\\beta x} / \\Gamma(\\alpha)`."""

    has_rsample = True
    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, (), validate_args)

    @property
    def mean(self) -> Any:
        return self.concentration / self.rate

    @property
    def mode(self) -> Any:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Any:
        return self.concentration / self.rate**2

    def rsample(self, sample_shape: Any = ()) -> Any:
        return standard_gamma(self.concentration.expand(self.shape(sample_shape))) / self.rate

    def log_prob(self, value: Any) -> Any:
        value, a = self._checked(value), self.concentration
        return a.xlogy(self.rate) + (a - 1).xlogy(value) - self.rate * value - a.lgamma()

    def cdf(self, value: Any) -> Any:
        x = (self.rate * self._checked(value)).detach().numpy()
        return core.tensor(sp.gammainc(self.concentration.detach().numpy(), x), dtype=self.rate.dtype)

    def entropy(self) -> Any:
        a = self.concentration
        return a - self.rate.log() + a.lgamma() + (1 - a) * a.digamma()


class Chi2(Gamma):
    """Sum of the squares of ``df`` standard normal variables."""

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        (self.df,) = broadcast_all(df)
        super().__init__(0.5 * self.df, 0.5, validate_args)


class InverseGamma(Distribution):
    """Reciprocal of a gamma variable."""

    has_rsample = True
    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, (), validate_args)

    @property
    def mean(self) -> Any:
        return where(self.concentration > 1, self.rate / (self.concentration - 1), math.inf)

    @property
    def mode(self) -> Any:
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Any:
        a = self.concentration
        return where(a > 2, self.rate**2 / ((a - 1) ** 2 * (a - 2)), math.inf)

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.rate / standard_gamma(self.concentration.expand(self.shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        value, a = self._checked(value), self.concentration
        return a * self.rate.log() - (a + 1) * value.log() - self.rate / value - a.lgamma()

    def entropy(self) -> Any:
        a = self.concentration
        return a + self.rate.log() + a.lgamma() - (1 + a) * a.digamma()


class Dirichlet(Distribution):
    """Dirichlet distribution of vectors that add up to 1."""

    has_rsample = True
    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex

    def __init__(self, concentration: Any, validate_args: bool | None = None) -> None:
        if concentration.ndim < 1:
            raise ValueError("[Dirichlet] got a number, expected a vector")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args)

    @property
    def mean(self) -> Any:
        return self.concentration / self.concentration.sum(-1, keepdim=True)

    @property
    def variance(self) -> Any:
        total = self.concentration.sum(-1, keepdim=True)
        return self.concentration * (total - self.concentration) / (total**2 * (total + 1))

    def rsample(self, sample_shape: Any = ()) -> Any:
        x = standard_gamma(self.concentration.expand(self.shape(sample_shape)))
        return x / x.sum(-1, keepdim=True)

    def log_prob(self, value: Any) -> Any:
        a = self.concentration
        return (a - 1).xlogy(self._checked(value)).sum(-1) + a.sum(-1).lgamma() - a.lgamma().sum(-1)

    def entropy(self) -> Any:
        a, k = self.concentration, self.concentration.shape[-1]
        total = a.sum(-1)
        return a.lgamma().sum(-1) - total.lgamma() - (k - total) * total.digamma() - ((a - 1) * a.digamma()).sum(-1)


class Beta(Distribution):
    """Beta distribution: :math:`x^{\\alpha - 1} (1 - x)^{\\beta - 1} / B(\\alpha, \\beta)`."""

    has_rsample = True
    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        super().__init__(self.concentration1.shape, (), validate_args)

    def _dirichlet(self) -> Dirichlet:
        return Dirichlet(stack([self.concentration1, self.concentration0], -1), False)

    @property
    def mean(self) -> Any:
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self) -> Any:
        return (self.concentration1 - 1) / (self.concentration1 + self.concentration0 - 2)

    @property
    def variance(self) -> Any:
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total**2 * (total + 1))

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self._dirichlet().rsample(sample_shape).select(-1, 0)

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)
        return self._dirichlet().log_prob(stack([value, 1 - value], -1))

    def entropy(self) -> Any:
        return self._dirichlet().entropy()


class FisherSnedecor(Distribution):
    """Ratio of two mean squares of ``df1`` and ``df2`` normal variables."""

    has_rsample = True
    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None) -> None:
        self.df1, self.df2 = broadcast_all(df1, df2)
        super().__init__(self.df1.shape, (), validate_args)

    @property
    def mean(self) -> Any:
        return where(self.df2 > 2, self.df2 / (self.df2 - 2), math.nan)

    @property
    def mode(self) -> Any:
        return where(self.df1 > 2, (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2), math.nan)

    @property
    def variance(self) -> Any:
        a, b = self.df1, self.df2
        return where(b > 4, 2 * b**2 * (a + b - 2) / (a * (b - 2) ** 2 * (b - 4)), math.nan)

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self.shape(sample_shape)
        x, y = (2 * standard_gamma((d / 2).expand(shape)) / d for d in (self.df1, self.df2))
        return x / y

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)
        a, b = self.df1 / 2, self.df2 / 2
        ratio = self.df1 / self.df2
        return ((a + b).lgamma() - a.lgamma() - b.lgamma() + a * ratio.log() + (a - 1) * value.log()
                - (a + b) * (ratio * value).log1p())  # fmt: skip
