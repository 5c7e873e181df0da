"""Distributions over classes and counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from corten._core import core
from corten.autograd import no_grad
from corten.distributions import constraints
from corten.distributions.distribution import Distribution, broadcast_all, clamp_probs
from corten.nn import functional as F  # noqa: N812
from corten.ops import random as draws
from corten.ops.create import arange
from corten.ops.pointwise import where


class ByProbability(Distribution):
    """Distributions given by ``probs`` or by ``logits``."""

    vector = False  # whether the last dimension runs over classes

    def read(self, probs: Any, logits: Any) -> Any:
        """Keep what was given; the other is made when it is asked for."""
        if (probs is None) == (logits is None):
            raise ValueError(f"[{type(self).__name__}] give either probs or logits")
        given = probs if logits is None else logits
        if not self.vector:
            (given,) = broadcast_all(given)
        elif given.ndim < 1:
            raise ValueError(f"[{type(self).__name__}] got a number, expected a vector of classes")
        if logits is None:
            self.__dict__["probs"] = given / given.sum(-1, keepdim=True) if self.vector else given
        else:
            self.__dict__["logits"] = given - given.logsumexp(-1, keepdim=True) if self.vector else given
        self._given = "probs" if logits is None else "logits"
        return given

    def __getattr__(self, name: str) -> Any:
        if name == "probs" and "logits" in self.__dict__:
            logits = self.__dict__["logits"]
            made = F.softmax(logits, -1) if self.vector else logits.sigmoid()
        elif name == "logits" and "probs" in self.__dict__:
            p = clamp_probs(self.__dict__["probs"])
            made = p.log() if self.vector else p.log() - (-p).log1p()
        else:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self.__dict__[name] = made
        return made

    @property
    def param_shape(self) -> Any:
        """Shape of what was given."""
        return self.__dict__[self._given].shape


class Bernoulli(ByProbability):
    """1 with a probability, else 0."""

    has_enumerate_support = True
    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        super().__init__(self.read(probs, logits).shape, (), validate_args)

    @property
    def mean(self) -> Any:
        return self.probs

    @property
    def mode(self) -> Any:
        return where(self.probs == 0.5, math.nan, (self.probs >= 0.5).to(self.probs.dtype))

    @property
    def variance(self) -> Any:
        return self.probs * (1 - self.probs)

    @no_grad()
    def sample(self, sample_shape: Any = ()) -> Any:
        return draws.bernoulli(self.probs.expand(self.shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        logits, value = broadcast_all(self.logits, self._checked(value))
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Any:
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Any:
        values = arange(2, dtype=self.probs.dtype).reshape((-1,) + (1,) * len(self.batch_shape))
        return values.expand((-1, *self.batch_shape)) if expand else values


class Geometric(ByProbability):
    """Failures before the first success."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        super().__init__(self.read(probs, logits).shape, (), validate_args)

    @property
    def mean(self) -> Any:
        return 1 / self.probs - 1

    @property
    def mode(self) -> Any:
        return core.zeros_like(self.probs)

    @property
    def variance(self) -> Any:
        return (1 / self.probs - 1) / self.probs

    @no_grad()
    def sample(self, sample_shape: Any = ()) -> Any:
        u = core.empty(self.shape(sample_shape), dtype=self.probs.dtype).uniform_(core.finfo(self.probs.dtype).tiny, 1)
        return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Any) -> Any:
        p, value = broadcast_all(self.probs, self._checked(value))
        p = where((p == 1) & (value == 0), 0.0, p)
        return value * (-p).log1p() + self.probs.log()

    def entropy(self) -> Any:
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs


class Categorical(ByProbability):
    """A class, by (unnormalised) probabilities or logits of the last dimension.

    Examples
    --------
    >>> import corten
    >>> corten.distributions.Categorical(corten.tensor([0.25, 0.75])).log_prob(corten.tensor(1))
    tensor(-0.2877)
    """

    vector = True
    has_enumerate_support = True
    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        if probs is not None and validate_args is not False and bool((probs.detach() < 0).any()):
            raise ValueError("[Categorical] probs has values outside the simplex")
        given = self.read(probs, logits)
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], (), validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        for name in ("probs", "logits"):
            if name in self.__dict__:
                made.__dict__[name] = self.__dict__[name].expand((*batch_shape, self._num_events))
        made._batch_shape = core.Size(tuple(batch_shape))
        return made

    @property
    def support(self) -> Any:  # type: ignore[override]
        """Classes from 0."""
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def mean(self) -> Any:
        return core.full(tuple(self.batch_shape), math.nan, dtype=self.logits.dtype)

    variance = mean

    @property
    def mode(self) -> Any:
        return self.probs.argmax(-1)

    @no_grad()
    def sample(self, sample_shape: Any = ()) -> Any:
        n = math.prod(tuple(sample_shape))
        flat = self.probs.detach().reshape(-1, self._num_events)
        found = draws.multinomial(flat, n, True).T if n else core.zeros((0, flat.shape[0]), dtype=core._dtype_by_name("int64"))
        return found.reshape(self.shape(sample_shape))

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value).long().unsqueeze(-1)
        shape = np.broadcast_shapes(tuple(value.shape), (*self.logits.shape[:-1], 1))
        logits = self.logits.expand((*shape[:-1], self._num_events))
        return logits.gather(-1, value.expand(shape)).squeeze(-1)

    def entropy(self) -> Any:
        return -(self.logits.clamp(min=core.finfo(self.logits.dtype).min) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Any:
        values = arange(self._num_events).reshape((-1,) + (1,) * len(self.batch_shape))
        return values.expand((-1, *self.batch_shape)) if expand else values


class OneHotCategorical(Distribution):
    """A class as a vector with a single 1."""

    has_enumerate_support = True
    arg_constraints = {}
    support = constraints.one_hot

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._categorical = Categorical(probs, logits, validate_args)
        super().__init__(self._categorical.batch_shape, (self._categorical._num_events,), validate_args)

    @property
    def probs(self) -> Any:
        """Probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> Any:
        """Logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def mean(self) -> Any:
        return self.probs

    @property
    def mode(self) -> Any:
        return F.one_hot(self.probs.argmax(-1), self.event_shape[0]).to(self.probs.dtype)

    @property
    def variance(self) -> Any:
        return self.probs * (1 - self.probs)

    @no_grad()
    def sample(self, sample_shape: Any = ()) -> Any:
        return F.one_hot(self._categorical.sample(sample_shape), self.event_shape[0]).to(self.probs.dtype)

    def log_prob(self, value: Any) -> Any:
        return self._categorical.log_prob(self._checked(value).argmax(-1))

    def entropy(self) -> Any:
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Any:
        n = self.event_shape[0]
        from corten.ops.create import eye

        values = eye(n, dtype=self.probs.dtype).reshape((n,) + (1,) * len(self.batch_shape) + (n,))
        return values.expand((n, *self.batch_shape, n)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """Draws of :class:`OneHotCategorical` with the gradient of the probabilities. Bengio et al., arXiv:1308.3432."""

    has_rsample = True

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.sample(sample_shape) + (self.probs - self.probs.detach())


class Binomial(ByProbability):
    """Successes in ``total_count`` trials."""

    has_enumerate_support = True
    arg_constraints = {"total_count": constraints.nonnegative_integer, "probs": constraints.unit_interval, "logits": constraints.real}

    def __init__(self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        given = self.read(probs, logits)
        self.total_count, self.__dict__[self._given] = broadcast_all(total_count, given)
        super().__init__(self.total_count.shape, (), validate_args)

    @property
    def support(self) -> Any:  # type: ignore[override]
        """Counts."""
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Any:
        return self.total_count * self.probs

    @property
    def mode(self) -> Any:
        return ((self.total_count + 1) * self.probs).floor().minimum(self.total_count)

    @property
    def variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    @no_grad()
    def sample(self, sample_shape: Any = ()) -> Any:
        shape = self.shape(sample_shape)
        return draws.binomial(self.total_count.expand(shape).contiguous(), self.probs.detach().expand(shape).contiguous())

    def log_prob(self, value: Any) -> Any:
        value, n = self._checked(value), self.total_count
        ways = (n + 1).lgamma() - (value + 1).lgamma() - (n - value + 1).lgamma()
        logits = self.logits
        return ways + value * logits + n * F.logsigmoid(-logits)

    def entropy(self) -> Any:
        most = int(self.total_count.max().item())
        if not bool((self.total_count == most).all()):
            raise NotImplementedError("[Binomial] the entropy of different total counts is not defined")
        log_p = self.log_prob(self.enumerate_support(False))
        return -(log_p.exp() * log_p).sum(0)

    def enumerate_support(self, expand: bool = True) -> Any:
        most = int(self.total_count.max().item())
        values = arange(most + 1, dtype=self.probs.dtype).reshape((-1,) + (1,) * len(self.batch_shape))
        return values.expand((-1, *self.batch_shape)) if expand else values


class NegativeBinomial(ByProbability):
    """Successes before ``total_count`` failures."""

    arg_constraints = {"total_count": constraints.nonnegative, "probs": constraints.half_open_interval(0, 1), "logits": constraints.real}
    support = constraints.nonnegative_integer

    def __init__(self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        given = self.read(probs, logits)
        self.total_count, self.__dict__[self._given] = broadcast_all(total_count, given)
        super().__init__(self.total_count.shape, (), validate_args)

    @property
    def mean(self) -> Any:
        return self.total_count * self.logits.exp()

    @property
    def mode(self) -> Any:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0)

    @property
    def variance(self) -> Any:
        return self.mean / (-self.logits).sigmoid()

    @no_grad()
    def sample(self, sample_shape: Any = ()) -> Any:
        from corten.distributions.gamma import standard_gamma

        return draws.poisson(standard_gamma(self.total_count.expand(self.shape(sample_shape))) * self.logits.exp())

    def log_prob(self, value: Any) -> Any:
        value, n = self._checked(value), self.total_count
        plain = n * F.logsigmoid(-self.logits) + value * F.logsigmoid(self.logits)
        ways = -(n + value).lgamma() + (value + 1).lgamma() + n.lgamma()
        return plain - where(n + value == 0, 0.0, ways)


class Poisson(Distribution):
    """Counts of a rate: :math:`r^k e^{-r} / k!`."""

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, (), validate_args)

    @property
    def mean(self) -> Any:
        return self.rate

    variance = mean

    @property
    def mode(self) -> Any:
        return self.rate.floor()

    @no_grad()
    def sample(self, sample_shape: Any = ()) -> Any:
        return draws.poisson(self.rate.detach().expand(self.shape(sample_shape)).contiguous())

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)
        return value.xlogy(self.rate) - self.rate - (value + 1).lgamma()


class Multinomial(Distribution):
    """Counts of classes in ``total_count`` draws."""

    def __init__(self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("[Multinomial] total_count is one int")
        self.total_count = total_count
        self._categorical = Categorical(probs, logits, validate_args)
        super().__init__(self._categorical.batch_shape, (self._categorical._num_events,), validate_args)

    probs: Any = OneHotCategorical.probs  # type: ignore[assignment]
    logits: Any = OneHotCategorical.logits  # type: ignore[assignment]

    @property
    def support(self) -> Any:  # type: ignore[override]
        """Counts that add up."""
        return constraints.multinomial(self.total_count)

    @property
    def mean(self) -> Any:
        return self.probs * self.total_count

    @property
    def variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    @no_grad()
    def sample(self, sample_shape: Any = ()) -> Any:
        found = self._categorical.sample((self.total_count, *sample_shape))
        return F.one_hot(found, self.event_shape[0]).sum(0).to(self.probs.dtype)

    def log_prob(self, value: Any) -> Any:
        value = self._checked(value)
        logits = where((value == 0) & (self.logits == -math.inf), 0.0, self.logits)
        return (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1) + (logits * value).sum(-1)

    def entropy(self) -> Any:
        n = self.total_count
        counts = arange(n + 1, dtype=self.probs.dtype).reshape((-1,) + (1,) * (len(self.batch_shape) + 1))
        each = Binomial(n, self.probs, validate_args=False).log_prob(counts).exp()
        return n * self._categorical.entropy() - math.lgamma(n + 1) + (each * (counts + 1).lgamma()).sum((0, -1))
