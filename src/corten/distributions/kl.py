"""Kullback-Leibler divergences in closed form, found by the types of the two distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from corten.distributions.continuous import Cauchy, Exponential, Gumbel, HalfNormal, Laplace, Normal, Uniform
from corten.distributions.discrete import Bernoulli, Binomial, Categorical, Geometric, OneHotCategorical, Poisson
from corten.distributions.distribution import EULER, Distribution, sum_rightmost
from corten.distributions.gamma import Beta, Dirichlet, Gamma
from corten.distributions.joint import Independent, MultivariateNormal, _solved
from corten.distributions.transforms import LogNormal, TransformedDistribution
from corten.nn import functional as F  # noqa: N812
from corten.ops.pointwise import where

_TABLE: dict[tuple[type, type], Callable[[Any, Any], Any]] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Any], Any]:
    """A decorator that puts a function (p, q) into the table."""

    def put(fn: Any) -> Any:
        _TABLE[type_p, type_q] = fn
        return fn

    return put


def kl_divergence(p: Distribution, q: Distribution) -> Any:
    """:math:`E_p[\\log p - \\log q]`.

    Raises NotImplementedError when there is no closed form in the table for the two types.

    Examples
    --------
    >>> import corten
    >>> d = corten.distributions
    >>> d.kl_divergence(d.Normal(1.0, 1.0), d.Normal(0.0, 1.0))
    tensor(0.5000)
    """
    found = [(type(p).__mro__.index(a) + type(q).__mro__.index(b), fn) for (a, b), fn in _TABLE.items()
             if isinstance(p, a) and isinstance(q, b)]  # fmt: skip
    if not found:
        raise NotImplementedError(f"[kl_divergence] there is no closed form for {type(p).__name__} and {type(q).__name__}")
    return min(found, key=lambda pair: pair[0])[1](p, q)


@register_kl(Normal, Normal)
def _normal(p: Any, q: Any) -> Any:
    ratio, d = (p.scale / q.scale) ** 2, ((p.loc - q.loc) / q.scale) ** 2
    return 0.5 * (ratio + d - 1 - ratio.log())


@register_kl(LogNormal, LogNormal)
def _log_normal(p: Any, q: Any) -> Any:
    return _normal(p.base_dist, q.base_dist)


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: Any, q: Any) -> Any:
    return _normal(p._base, q._base)


@register_kl(Laplace, Laplace)
def _laplace(p: Any, q: Any) -> Any:
    ratio, d = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + d / q.scale + ratio * (-d / p.scale).exp() - 1


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Any, q: Any) -> Any:
    ratio, a, b = p.scale / q.scale, q.loc / q.scale, p.loc / q.scale
    return (b - a) - ratio.log() - 1 + EULER * (ratio - 1) + (a - b + (1 + ratio).lgamma()).exp()


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Any, q: Any) -> Any:
    return ((p.scale + q.scale) ** 2 + (p.loc - q.loc) ** 2).log() - (4 * p.scale * q.scale).log()


@register_kl(Uniform, Uniform)
def _uniform(p: Any, q: Any) -> Any:
    value = ((q.high - q.low) / (p.high - p.low)).log()
    return where((q.low > p.low) | (q.high < p.high), math.inf, value)


@register_kl(Uniform, Normal)
def _uniform_normal(p: Any, q: Any) -> Any:
    width = p.high - p.low
    d = ((p.high + p.low - 2 * q.loc) / 2) ** 2 + width**2 / 12
    return (math.sqrt(2 * math.pi) * q.scale / width).log() + 0.5 * d / q.scale**2


@register_kl(Exponential, Exponential)
def _exponential(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(Exponential, Gamma)
def _exponential_gamma(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    return -q.concentration * ratio.log() + ratio + q.concentration.lgamma() + q.concentration * EULER - (1 + EULER)


@register_kl(Gamma, Gamma)
def _gamma(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    return b * (p.rate / q.rate).log() + b.lgamma() - a.lgamma() + (a - b) * a.digamma() + (q.rate - p.rate) * (a / p.rate)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    first = total.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return first + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Beta, Beta)
def _beta(p: Any, q: Any) -> Any:
    return _dirichlet(p._dirichlet(), q._dirichlet())


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Any, q: Any) -> Any:
    a = p.probs
    high = a * (F.softplus(-q.logits) - F.softplus(-p.logits))
    low = (1 - a) * (F.softplus(q.logits) - F.softplus(p.logits))
    high = where(q.probs == 0, math.inf, high)
    low = where(q.probs == 1, math.inf, low)
    return where(a == 0, 0.0, high) + where(a == 1, 0.0, low)


@register_kl(Binomial, Binomial)
def _binomial(p: Any, q: Any) -> Any:
    if bool((p.total_count < q.total_count).any()):
        raise NotImplementedError("[kl_divergence] of binomials where p has fewer trials than q is not defined")
    value = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    return where(p.total_count > q.total_count, math.inf, value)


@register_kl(Categorical, Categorical)
def _categorical(p: Any, q: Any) -> Any:
    t = p.probs * (p.logits - q.logits)
    t = where((q.probs == 0).expand(t.shape), math.inf, t)
    return where((p.probs == 0).expand(t.shape), 0.0, t).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: Any, q: Any) -> Any:
    return _categorical(p._categorical, q._categorical)


@register_kl(Geometric, Geometric)
def _geometric(p: Any, q: Any) -> Any:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _poisson(p: Any, q: Any) -> Any:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate(p: Any, q: Any) -> Any:
    from corten import linalg

    n = p.event_shape[0]
    m = linalg.solve_triangular(q.scale_tril, p.scale_tril, upper=False)
    d = _solved(q.scale_tril, q.loc - p.loc)
    return q._half_log_det() - p._half_log_det() + 0.5 * ((m * m).sum((-2, -1)) + (d * d).sum(-1) - n)


@register_kl(Independent, Independent)
def _independent(p: Any, q: Any) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("[kl_divergence] of two Independent of other dimensions is not defined")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Any:
    if [type(t) for t in p.transforms] != [type(t) for t in q.transforms]:
        raise NotImplementedError("[kl_divergence] of two differently transformed distributions is not defined")
    inner = kl_divergence(p.base_dist, q.base_dist)
    return sum_rightmost(inner, len(p.event_shape) - len(p.base_dist.event_shape))
