"""The base of distributions."""

from __future__ import annotations

import math
from typing import Any

from corten._core import core
from corten.autograd import no_grad
from corten.distributions import constraints
from corten.distributions.constraints import Constraint

Size = core.Size


def broadcast_all(*values: Any) -> tuple[Any, ...]:
    """Numbers and tensors as tensors of one shape and floating dtype."""
    tensors = [v for v in values if isinstance(v, core.TensorBase)]
    floats = [t.dtype for t in tensors if t.is_floating_point()]
    dtype = floats[0] if floats else core.get_default_dtype()
    for d in floats[1:]:
        dtype = core.promote_types(dtype, d)
    made = [v if isinstance(v, core.TensorBase) and v.is_floating_point() else
            v.to(dtype) if isinstance(v, core.TensorBase) else core.tensor(float(v), dtype=dtype) for v in values]  # fmt: skip
    shape = broadcast_shape(*(tuple(t.shape) for t in made))
    return tuple(t.expand(shape) for t in made)


def broadcast_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that all broadcast to."""
    import numpy as np

    return tuple(np.broadcast_shapes(*shapes))


class Distribution:
    """Base class: ``sample``, ``log_prob`` and moments over ``batch_shape`` x ``event_shape``.

    Parameters
    ----------
    batch_shape : tuple
        Of independent distributions, each with parameters of its own.
    event_shape : tuple
        Of one draw.
    validate_args : bool, optional
        Whether to check parameters and values (True by default); ValueError names what is outside.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = True
    arg_constraints: dict[str, Constraint] = {}
    support: Any = constraints.real

    def __init__(self, batch_shape: Any = (), event_shape: Any = (), validate_args: bool | None = None) -> None:
        self._batch_shape, self._event_shape = Size(tuple(batch_shape)), Size(tuple(event_shape))
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            for name, constraint in self.arg_constraints.items():
                value = self.__dict__.get(name)
                if value is not None and not bool(constraint.check(value.detach()).all()):
                    raise ValueError(f"[{type(self).__name__}] {name} of shape {tuple(value.shape)} has values outside {constraint}")

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether parameters and values are checked when nothing else is said."""
        Distribution._validate_args = value

    @property
    def batch_shape(self) -> Any:
        """Shape of independent distributions."""
        return self._batch_shape

    @property
    def event_shape(self) -> Any:
        """Shape of one draw."""
        return self._event_shape

    @property
    def stddev(self) -> Any:
        """Root of the variance."""
        return self.variance.sqrt()

    @property
    def mean(self) -> Any:
        """Expectation."""
        raise NotImplementedError(f"[{type(self).__name__}] the mean is not defined")

    @property
    def variance(self) -> Any:
        """Expectation of the squared deviation."""
        raise NotImplementedError(f"[{type(self).__name__}] the variance is not defined")

    @property
    def mode(self) -> Any:
        """Where the density is greatest."""
        raise NotImplementedError(f"[{type(self).__name__}] the mode is not defined")

    def shape(self, sample_shape: Any = ()) -> tuple[int, ...]:
        """The shape of draws."""
        return (*sample_shape, *self._batch_shape, *self._event_shape)

    _extended_shape = shape

    @no_grad()
    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws, without gradients."""
        return self.rsample(sample_shape).detach()

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws through which gradients flow to the parameters."""
        raise NotImplementedError(f"[{type(self).__name__}] rsample is not defined: there is no gradient through draws")

    def sample_n(self, n: int) -> Any:
        """n draws."""
        return self.sample((n,))

    def log_prob(self, value: Any) -> Any:
        """Logarithm of the density or probability at values."""
        raise NotImplementedError(f"[{type(self).__name__}] log_prob is not defined")

    def cdf(self, value: Any) -> Any:
        """Probability of at most the value."""
        raise NotImplementedError(f"[{type(self).__name__}] cdf is not defined")

    def icdf(self, value: Any) -> Any:
        """The value that is not exceeded with a probability."""
        raise NotImplementedError(f"[{type(self).__name__}] icdf is not defined")

    def entropy(self) -> Any:
        """Expectation of minus the log-probability."""
        raise NotImplementedError(f"[{type(self).__name__}] entropy is not defined")

    def perplexity(self) -> Any:
        """Exponential of the entropy."""
        return self.entropy().exp()

    def enumerate_support(self, expand: bool = True) -> Any:
        """All values, along a first dimension."""
        raise NotImplementedError(f"[{type(self).__name__}] its values cannot be listed")

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distributions over a larger batch shape."""
        shape = tuple(batch_shape)
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        for name, value in self.__dict__.items():
            if isinstance(value, core.TensorBase):
                own = tuple(value.shape)[len(self._batch_shape) :] if len(value.shape) >= len(self._batch_shape) else ()
                made.__dict__[name] = value.expand((*shape, *own))
            elif isinstance(value, Distribution):
                inner = value.batch_shape[len(self._batch_shape) :]
                made.__dict__[name] = value.expand((*shape, *inner))
        made._batch_shape = Size(shape)
        return made

    def _checked(self, value: Any) -> Any:
        """The value, after a look at its shape and values."""
        if not isinstance(value, core.TensorBase):
            raise ValueError(f"[{type(self).__name__}] got a value of type {type(value).__name__}, expected a tensor")
        if self._validate_args:
            n = len(self._event_shape)
            if tuple(value.shape[len(value.shape) - n :]) != tuple(self._event_shape):
                raise ValueError(f"[{type(self).__name__}] got a value of shape {tuple(value.shape)}, expected events of "
                                 f"{tuple(self._event_shape)}")  # fmt: skip
            support = self.support
            if support is not None and not bool(support.check(value.detach()).all()):
                raise ValueError(f"[{type(self).__name__}] a value is outside the support {support}")
        return value

    def __repr__(self) -> str:
        parts = [f"{k}: {v if v.numel() == 1 else tuple(v.shape)}" for k, v in self.__dict__.items()
                 if k in self.arg_constraints and isinstance(v, core.TensorBase)]  # fmt: skip
        return f"{type(self).__name__}({', '.join(parts)})"


def sum_rightmost(x: Any, n: int) -> Any:
    """The sum over the last n dimensions."""
    return x.sum(tuple(range(-n, 0))) if n else x


def clamp_probs(p: Any) -> Any:
    """Probabilities kept from 0 and 1 by the dtype's epsilon."""
    eps = core.finfo(p.dtype).eps
    return p.clamp(min=eps, max=1 - eps)


HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
EULER = 0.57721566490153286060
