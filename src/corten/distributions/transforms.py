"""Invertible maps with the logarithms of their slopes, and the distributions that they make."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from corten._core import core
from corten.distributions import constraints
from corten.distributions.continuous import Exponential, Normal, Uniform
from corten.distributions.distribution import EULER, Distribution, broadcast_all, clamp_probs, sum_rightmost
from corten.nn import functional as F  # noqa: N812
from corten.ops.view import cat


class Transform:
    """y = f(x) with its inverse ``inv`` and the logarithm of :math:`|dy/dx|`."""

    event_dim = 0  #: dimensions that are one value
    bijective = True
    sign: Any = 1
    codomain: Any = constraints.real
    domain: Any = constraints.real

    def __init__(self, cache_size: int = 0) -> None:
        self._cache_size = cache_size

    def __call__(self, x: Any) -> Any:
        raise NotImplementedError

    def _inverse(self, y: Any) -> Any:
        raise NotImplementedError(f"[{type(self).__name__}] it has no inverse")

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Logarithm of the slope (of the determinant)."""
        raise NotImplementedError(f"[{type(self).__name__}] the slope is not defined")

    @property
    def inv(self) -> Transform:
        """The inverse map."""
        return Inverse(self)

    def forward_shape(self, shape: Any) -> Any:
        """Shape of y."""
        return shape

    def inverse_shape(self, shape: Any) -> Any:
        """Shape of x."""
        return shape

    def __repr__(self) -> str:
        return type(self).__name__ + "()"


class Inverse(Transform):
    """A map the other way."""

    def __init__(self, base: Transform) -> None:
        super().__init__()
        self.base, self.event_dim, self.sign = base, base.event_dim, base.sign
        self.domain, self.codomain = base.codomain, base.domain

    @property
    def inv(self) -> Transform:
        return self.base

    def __call__(self, y: Any) -> Any:
        return self.base._inverse(y)

    def _inverse(self, x: Any) -> Any:
        return self.base(x)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -self.base.log_abs_det_jacobian(y, x)


class ExpTransform(Transform):
    """:math:`e^x`."""

    codomain = constraints.positive

    def __call__(self, x: Any) -> Any:
        return x.exp()

    def _inverse(self, y: Any) -> Any:
        return y.log()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return x


class AffineTransform(Transform):
    """:math:`a + b x`."""

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.loc, self.scale, self.event_dim = loc, scale, event_dim

    @property
    def sign(self) -> Any:  # type: ignore[override]
        """Sign of the slope."""
        return self.scale.sign() if hasattr(self.scale, "sign") else (self.scale > 0) - (self.scale < 0)

    def __call__(self, x: Any) -> Any:
        return self.loc + self.scale * x

    def _inverse(self, y: Any) -> Any:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        scale = self.scale
        slope = core.full_like(x, math.log(abs(scale))) if isinstance(scale, (int, float)) else scale.abs().log().expand(x.shape)
        return sum_rightmost(slope, self.event_dim)


class SigmoidTransform(Transform):
    """:math:`1 / (1 + e^{-x})`."""

    codomain = constraints.unit_interval

    def __call__(self, x: Any) -> Any:
        eps = core.finfo(x.dtype)
        return x.sigmoid().clamp(min=eps.tiny, max=1 - eps.eps)

    def _inverse(self, y: Any) -> Any:
        eps = core.finfo(y.dtype)
        y = y.clamp(min=eps.tiny, max=1 - eps.eps)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -F.softplus(-x) - F.softplus(x)


class TanhTransform(Transform):
    """:math:`\\tanh x`."""

    codomain = constraints.interval(-1.0, 1.0)

    def __call__(self, x: Any) -> Any:
        return x.tanh()

    def _inverse(self, y: Any) -> Any:
        return y.atanh()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return 2 * (math.log(2) - x - F.softplus(-2 * x))


class SoftplusTransform(Transform):
    """:math:`\\log(1 + e^x)`."""

    codomain = constraints.positive

    def __call__(self, x: Any) -> Any:
        return F.softplus(x)

    def _inverse(self, y: Any) -> Any:
        return (-(-y).expm1()).log() + y

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -F.softplus(-x)


class PowerTransform(Transform):
    """:math:`x^p` of positive numbers."""

    domain = codomain = constraints.positive

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        (self.exponent,) = broadcast_all(exponent)

    def __call__(self, x: Any) -> Any:
        return x**self.exponent

    def _inverse(self, y: Any) -> Any:
        return y ** (1 / self.exponent)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return (self.exponent * y / x).abs().log()


class AbsTransform(Transform):
    """:math:`|x|`, which has no slope to go by."""

    bijective = False
    codomain = constraints.positive

    def __call__(self, x: Any) -> Any:
        return x.abs()

    def _inverse(self, y: Any) -> Any:
        return y


class SoftmaxTransform(Transform):
    """Softmax of the last dimension; not invertible up to a constant."""

    bijective, event_dim = False, 1
    codomain = constraints.simplex

    def __call__(self, x: Any) -> Any:
        return F.softmax(x, -1)

    def _inverse(self, y: Any) -> Any:
        return y.log()


class StickBreakingTransform(Transform):
    """Vectors of n numbers as n + 1 shares that add up to 1, each a part of what is left."""

    event_dim = 1
    codomain = constraints.simplex

    def __call__(self, x: Any) -> Any:
        n = x.shape[-1]
        offset = core.tensor([float(n - i) for i in range(n)], dtype=x.dtype).log()
        z = clamp_probs((x - offset).sigmoid())
        left = (-z).log1p().cumsum(-1).exp()
        return F.pad(z, (0, 1), value=1.0) * F.pad(left, (1, 0), value=1.0)

    def _inverse(self, y: Any) -> Any:
        n = y.shape[-1] - 1
        offset = core.tensor([float(n - i) for i in range(n)], dtype=y.dtype).log()
        left = 1 - y[..., :-1].cumsum(-1)
        left = left.clamp(min=core.finfo(y.dtype).tiny)
        return y[..., :-1].log() - left.log() + offset

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        n = x.shape[-1]
        x = x - core.tensor([float(n - i) for i in range(n)], dtype=x.dtype).log()
        return (-x + F.logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        return (*shape[:-1], shape[-1] + 1)

    def inverse_shape(self, shape: Any) -> Any:
        return (*shape[:-1], shape[-1] - 1)


class ReshapeTransform(Transform):
    """Another shape of the last dimensions."""

    def __init__(self, in_shape: Any, out_shape: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        if math.prod(self.in_shape) != math.prod(self.out_shape):
            raise ValueError(f"[ReshapeTransform] {self.in_shape} and {self.out_shape} differ in elements")
        self.event_dim = max(len(self.in_shape), len(self.out_shape))

    def __call__(self, x: Any) -> Any:
        return x.reshape((*x.shape[: x.ndim - len(self.in_shape)], *self.out_shape))

    def _inverse(self, y: Any) -> Any:
        return y.reshape((*y.shape[: y.ndim - len(self.out_shape)], *self.in_shape))

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return x.new_zeros(x.shape[: x.ndim - len(self.in_shape)])

    def forward_shape(self, shape: Any) -> Any:
        return (*shape[: len(shape) - len(self.in_shape)], *self.out_shape)


class IndependentTransform(Transform):
    """A map of entries as one of vectors (or more)."""

    def __init__(self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.base_transform, self.n = base_transform, reinterpreted_batch_ndims
        self.event_dim, self.sign = base_transform.event_dim + reinterpreted_batch_ndims, base_transform.sign

    def __call__(self, x: Any) -> Any:
        return self.base_transform(x)

    def _inverse(self, y: Any) -> Any:
        return self.base_transform._inverse(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return sum_rightmost(self.base_transform.log_abs_det_jacobian(x, y), self.n)


class ComposeTransform(Transform):
    """Several maps, one after the other."""

    def __init__(self, parts: Sequence[Transform], cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.parts = list(parts)
        self.event_dim = max([p.event_dim for p in self.parts], default=0)
        self.bijective = all(p.bijective for p in self.parts)
        if self.parts:
            self.codomain, self.domain = self.parts[-1].codomain, self.parts[0].domain

    @property
    def sign(self) -> Any:  # type: ignore[override]
        """Product of the signs."""
        sign: Any = 1
        for p in self.parts:
            sign = sign * p.sign
        return sign

    def __call__(self, x: Any) -> Any:
        for p in self.parts:
            x = p(x)
        return x

    def _inverse(self, y: Any) -> Any:
        for p in reversed(self.parts):
            y = p._inverse(y)
        return y

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        total: Any = 0 if self.parts else core.zeros_like(x)
        for p in self.parts:
            following = p(x)
            total = total + sum_rightmost(p.log_abs_det_jacobian(x, following), self.event_dim - p.event_dim)
            x = following
        return total

    def forward_shape(self, shape: Any) -> Any:
        for p in self.parts:
            shape = p.forward_shape(shape)
        return shape


identity_transform = ComposeTransform([])


class CatTransform(Transform):
    """Maps of parts of a dimension."""

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, lengths: Sequence[int] | None = None, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.transforms, self.dim, self.lengths = list(tseq), dim, [1] * len(tseq) if lengths is None else list(lengths)

    def _parts(self, x: Any) -> list[Any]:
        return list(x.split(self.lengths, self.dim))

    def __call__(self, x: Any) -> Any:
        return cat([t(p) for t, p in zip(self.transforms, self._parts(x), strict=True)], self.dim)

    def _inverse(self, y: Any) -> Any:
        return cat([t._inverse(p) for t, p in zip(self.transforms, self._parts(y), strict=True)], self.dim)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        parts = zip(self.transforms, self._parts(x), self._parts(y), strict=True)
        return cat([t.log_abs_det_jacobian(a, b) for t, a, b in parts], self.dim)


class TransformedDistribution(Distribution):
    """The distribution of mapped draws: :math:`\\log p(f^{-1}(y)) - \\log |f'|`."""

    def __init__(self, base_distribution: Distribution, transforms: Any, validate_args: bool | None = None) -> None:
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        self.base_dist = base_distribution
        whole = ComposeTransform(self.transforms)
        shape = whole.forward_shape(base_distribution.shape())
        n = max(len(base_distribution.event_shape), whole.event_dim)
        self.support = whole.codomain if self.transforms else base_distribution.support
        cut = len(shape) - n
        super().__init__(shape[:cut], shape[cut:], validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether gradients flow through draws."""
        return self.base_dist.has_rsample

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return TransformedDistribution(self.base_dist.expand(tuple(batch_shape)), self.transforms, False)

    def sample(self, sample_shape: Any = ()) -> Any:
        return ComposeTransform(self.transforms)(self.base_dist.sample(sample_shape)).detach()

    def rsample(self, sample_shape: Any = ()) -> Any:
        return ComposeTransform(self.transforms)(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Any) -> Any:
        total: Any = 0
        n, y = len(self.event_shape), value
        for t in reversed(self.transforms):
            x = t._inverse(y)
            total = total - sum_rightmost(t.log_abs_det_jacobian(x, y), n - t.event_dim)
            y = x
        return total + sum_rightmost(self.base_dist.log_prob(y), n - len(self.base_dist.event_shape))

    def _sign(self) -> Any:
        return ComposeTransform(self.transforms).sign

    def cdf(self, value: Any) -> Any:
        p = self.base_dist.cdf(ComposeTransform(self.transforms)._inverse(value))
        sign = self._sign()
        return p if isinstance(sign, int) and sign == 1 else sign * (p - 0.5) + 0.5

    def icdf(self, value: Any) -> Any:
        sign = self._sign()
        value = value if isinstance(sign, int) and sign == 1 else sign * (value - 0.5) + 0.5
        return ComposeTransform(self.transforms)(self.base_dist.icdf(value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_dist}, {self.transforms})"


class LogNormal(TransformedDistribution):
    """Exponential of a normal variable."""

    arg_constraints = {}

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Normal(loc, scale, validate_args), ExpTransform(), validate_args)

    @property
    def loc(self) -> Any:
        """Mean of the logarithm."""
        return self.base_dist.loc  # type: ignore[attr-defined]

    @property
    def scale(self) -> Any:
        """Standard deviation of the logarithm."""
        return self.base_dist.scale  # type: ignore[attr-defined]

    @property
    def mean(self) -> Any:
        return (self.loc + self.scale**2 / 2).exp()

    @property
    def mode(self) -> Any:
        return (self.loc - self.scale**2).exp()

    @property
    def variance(self) -> Any:
        square = self.scale**2
        return square.expm1() * (2 * self.loc + square).exp()

    def entropy(self) -> Any:
        return self.base_dist.entropy() + self.loc


class LogisticNormal(TransformedDistribution):
    """Shares made of a normal vector by breaking a stick."""

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Normal(loc, scale, validate_args), StickBreakingTransform(), validate_args)


class RelaxedBernoulli(TransformedDistribution):
    """A smooth form of Bernoulli of a temperature. Maddison et al., arXiv:1611.00712."""

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("[RelaxedBernoulli] give either probs or logits")
        (given,) = broadcast_all(probs if logits is None else logits)
        p = clamp_probs(given) if logits is None else None
        self.logits = given if p is None else p.log() - (-p).log1p()
        self.probs = self.logits.sigmoid() if p is None else given
        self.temperature = temperature
        steps = [SigmoidTransform().inv, AffineTransform(self.logits, 1.0), AffineTransform(0.0, 1 / temperature)]
        base = TransformedDistribution(Uniform(core.zeros_like(self.logits.detach()), 1.0, False), steps)
        super().__init__(base, SigmoidTransform(), validate_args)


class RelaxedOneHotCategorical(Distribution):
    """A smooth form of OneHotCategorical of a temperature. Jang et al., arXiv:1611.01144; Maddison et al., arXiv:1611.00712."""

    has_rsample = True
    support = constraints.simplex

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        from corten.distributions.discrete import Categorical

        self._categorical, self.temperature = Categorical(probs, logits, validate_args), temperature
        super().__init__(self._categorical.batch_shape, (self._categorical._num_events,), validate_args)

    @property
    def probs(self) -> Any:
        """Probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> Any:
        """Logarithms of the probabilities."""
        return self._categorical.logits

    def rsample(self, sample_shape: Any = ()) -> Any:
        logits = self.logits.expand(self.shape(sample_shape))
        gumbel = -core.empty(tuple(logits.shape), dtype=logits.dtype).exponential_().log()
        return F.softmax((logits + gumbel) / self.temperature, -1)

    def log_prob(self, value: Any) -> Any:
        k, t = self.event_shape[0], self.temperature
        t = t if hasattr(t, "log") else core.tensor(float(t), dtype=self.logits.dtype)
        logits = self.logits - value.log() * t
        return math.lgamma(k) + (k - 1) * t.log() + (logits - logits.logsumexp(-1, keepdim=True) - value.log()).sum(-1)


class Weibull(TransformedDistribution):
    """Weibull distribution of a scale and a concentration."""

    support = constraints.positive

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = broadcast_all(scale, concentration)
        base = Exponential(core.ones_like(self.scale.detach()), False)
        super().__init__(base, [PowerTransform(1 / self.concentration), AffineTransform(0.0, self.scale)], validate_args)

    @property
    def mean(self) -> Any:
        return self.scale * (1 + 1 / self.concentration).lgamma().exp()

    @property
    def mode(self) -> Any:
        k = self.concentration
        return self.scale * ((k - 1) / k) ** (1 / k)

    @property
    def variance(self) -> Any:
        k = self.concentration
        return self.scale**2 * ((1 + 2 / k).lgamma().exp() - (2 * (1 + 1 / k).lgamma()).exp())

    def entropy(self) -> Any:
        k = self.concentration
        return EULER * (1 - 1 / k) + (self.scale / k).log() + 1


class Pareto(TransformedDistribution):
    """Pareto distribution: :math:`\\alpha m^\\alpha / x^{\\alpha + 1}` from m on."""

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        self.scale, self.alpha = broadcast_all(scale, alpha)
        super().__init__(Exponential(self.alpha, validate_args), [ExpTransform(), AffineTransform(0.0, self.scale)], validate_args)

    @property
    def mean(self) -> Any:
        from corten.ops.pointwise import where

        return where(self.alpha > 1, self.alpha * self.scale / (self.alpha - 1), math.inf)

    @property
    def mode(self) -> Any:
        return self.scale

    @property
    def variance(self) -> Any:
        from corten.ops.pointwise import where

        a = self.alpha
        return where(a > 2, self.scale**2 * a / ((a - 1) ** 2 * (a - 2)), math.inf)

    def entropy(self) -> Any:
        return (self.scale / self.alpha).log() + 1 + 1 / self.alpha


class Kumaraswamy(TransformedDistribution):
    """Kumaraswamy's distribution: :math:`a b x^{a - 1} (1 - x^a)^{b - 1}`."""

    support = constraints.unit_interval

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        base = Uniform(core.zeros_like(self.concentration0.detach()), 1.0, False)
        steps = [PowerTransform(1 / self.concentration0), AffineTransform(1.0, -1.0), PowerTransform(1 / self.concentration1)]
        super().__init__(base, steps, validate_args)

    def _moment(self, n: int) -> Any:
        a, b = self.concentration1, self.concentration0
        return b * ((1 + n / a).lgamma() + b.lgamma() - (1 + n / a + b).lgamma()).exp()

    @property
    def mean(self) -> Any:
        return self._moment(1)

    @property
    def variance(self) -> Any:
        return self._moment(2) - self.mean**2


__all__ = [n for n, v in list(globals().items()) if isinstance(v, type) and issubclass(v, (Transform, TransformedDistribution))]
__all__ += ["RelaxedOneHotCategorical", "identity_transform"]
