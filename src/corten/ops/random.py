"""Random tensors, from the counter-based generator: the same for any number of threads."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

from corten._core import core
from corten.ops.declare import function, op

INT64 = core._dtype_by_name("int64")


class Generator:
    """A stream of random numbers: Philox4x32-10 (Salmon et al. 2011) of a seed and the number of the call.

    Parameters
    ----------
    device : str
        ``'cpu'``.

    Examples
    --------
    >>> import corten
    >>> g = corten.Generator().manual_seed(7)
    >>> a = corten.rand(3, generator=g)
    >>> b = corten.rand(3, generator=corten.Generator().manual_seed(7))
    >>> bool((a == b).all())
    True
    """

    def __init__(self, device: Any = "cpu") -> None:
        self.device = core.device(device)
        self._seed = 67280421310721
        self._calls = 0
        self._lock = threading.Lock()

    def manual_seed(self, seed: int) -> Generator:
        """Start anew from a seed (any int of 64 bits)."""
        if not -(2**63) <= int(seed) < 2**64:
            raise ValueError(f"[manual_seed] got {seed}, expected an int of 64 bits")
        self._seed, self._calls = int(seed) % 2**64, 0
        return self

    def seed(self) -> int:
        """Start anew from a seed taken from the clock; returns it."""
        self.manual_seed(time.time_ns() % 2**63)
        return self._seed

    def initial_seed(self) -> int:
        """The seed it started from."""
        return self._seed

    def get_state(self) -> Any:
        """The seed and the number of calls, as a tensor of two int64."""
        return core.tensor([signed(self._seed), self._calls], dtype=INT64)

    def set_state(self, state: Any) -> None:
        """Go on from a state."""
        seed, calls = state.tolist()
        self._seed, self._calls = seed % 2**64, calls

    def clone_state(self) -> Generator:
        """Another generator in the same state."""
        twin = Generator()
        twin.set_state(self.get_state())
        return twin

    def next_call(self) -> tuple[int, int]:
        """Seed and number of the next call, for a kernel."""
        if refusing and threading.get_ident() in refusing:
            raise RandomnessError("[vmap] the function draws random numbers; expected randomness='different' or 'same'")
        with self._lock:
            self._calls += 1
            return signed(self._seed), self._calls

    def __reduce__(self) -> Any:
        return (_generator_from, (self._seed, self._calls))


def _generator_from(seed: int, calls: int) -> Generator:
    made = Generator()
    made._seed, made._calls = seed, calls
    return made


def signed(n: int) -> int:
    """64 bits as a signed number."""
    return n - 2**64 if n >= 2**63 else n


default_generator = Generator()

#: threads in which nothing may be drawn: they are inside of a vmap with randomness='error'
refusing: list[int] = []


class RandomnessError(RuntimeError):
    """Random numbers were drawn where they must not be."""



@function
def manual_seed(seed: int) -> Generator:
    """Seed the default generator; returns it."""
    return default_generator.manual_seed(seed)


@function
def seed() -> int:
    """Seed the default generator from the clock; returns the seed."""
    return default_generator.seed()


@function
def initial_seed() -> int:
    """The default generator's seed."""
    return default_generator.initial_seed()


@function
def get_rng_state() -> Any:
    """State of the default generator."""
    return default_generator.get_state()


@function
def set_rng_state(new_state: Any) -> None:
    """Go on from a state of the default generator."""
    default_generator.set_state(new_state)


def draw(name: str, *reals: str) -> Any:
    """A kernel that fills a tensor of a given size."""
    attrs = "".join(f", {r}: float" for r in reals)
    return op(f"random_{name}(*, size: any, dtype: dtype, seed: int, offset: int{attrs}) -> out",
              kernel=f"random_{name}", function=False, shape=lambda size, *rest: size,
              doc=f"Random numbers: {name}.")  # fmt: skip


uniform_op = draw("uniform", "low", "high")
normal_op = draw("normal", "mean", "std")
exponential_op = draw("exponential", "rate")
bernoulli_op = op("random_bernoulli(p, *, seed: int, offset: int) -> out", kernel="random_bernoulli", function=False,
                  dtype="floating", doc="1 with probability p, else 0.")  # fmt: skip
dropout_grad = op("dropout_grad(grad, mask: raw, *, p: float) -> dx", kernel="dropout_grad", function=False,
                  vjp=(lambda g, mask, p: dropout_grad(g, mask, p=p), None),
                  doc="The gradient where the mask holds, scaled.")  # fmt: skip
dropout_op = op("dropout_op(input, *, p: float, seed: int, offset: int) -> out, mask", kernel="dropout", function=False,
                dtype="floating,uint8", shape=lambda x, *rest: (x, x),
                vjp=lambda g_out, mask, p: dropout_grad(g_out, mask, p=p),
                doc="Elements kept with probability 1 - p and scaled by 1 / (1 - p), and which were kept.")  # fmt: skip


def sizes(size: tuple[Any, ...]) -> tuple[int, ...]:
    """(2, 3) and ((2, 3),) alike."""
    if len(size) == 1 and not hasattr(size[0], "__index__"):
        size = tuple(size[0])
    return tuple(s.__index__() for s in size)


def finish(made: Any, out: Any, requires_grad: bool) -> Any:
    """Into ``out=`` when it is given."""
    if out is not None:
        core._copy_into(out, made)
        return out
    return made.requires_grad_(True) if requires_grad else made


def sample(kernel: Any, size: Any, dtype: Any, generator: Generator | None, device: Any = None, **reals: float) -> Any:
    """A tensor filled by a kernel; halves are drawn as float32."""
    dtype = core.get_default_dtype() if dtype is None else dtype
    if core.wants_meta_device(device):
        return core.empty(size, dtype=dtype, device="meta")
    if not dtype.is_floating_point:
        raise TypeError(f"[random] got {dtype}, expected a floating-point dtype")
    seed, offset = (generator or default_generator).next_call()
    return kernel(size=size, dtype=dtype, seed=seed, offset=offset, **reals)


@function
def rand(*lengths: Any, size: Any = None, generator: Generator | None = None, out: Any = None, dtype: Any = None,
         device: Any = None, requires_grad: bool = False, layout: Any = None, pin_memory: bool = False) -> Any:  # fmt: skip
    """Uniform numbers of [0, 1).

    Examples
    --------
    >>> import corten
    >>> x = corten.rand(2, 3)
    >>> bool(((x >= 0) & (x < 1)).all())
    True
    """
    shape = sizes(lengths if size is None else (size,))
    return finish(sample(uniform_op, shape, dtype, generator, device, low=0.0, high=1.0), out, requires_grad)


@function
def randn(*lengths: Any, size: Any = None, generator: Generator | None = None, out: Any = None, dtype: Any = None,
          device: Any = None, requires_grad: bool = False, layout: Any = None, pin_memory: bool = False) -> Any:  # fmt: skip
    """Normal numbers, mean 0 and variance 1."""
    shape = sizes(lengths if size is None else (size,))
    return finish(sample(normal_op, shape, dtype, generator, device, mean=0.0, std=1.0), out, requires_grad)


@function
def normal(mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None, out: Any = None,
           dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:  # fmt: skip
    """Normal numbers of given mean and standard deviation, which may be tensors."""
    if size is None:
        shape = (mean + std).shape if hasattr(mean, "shape") or hasattr(std, "shape") else ()
        z = sample(normal_op, tuple(shape), dtype, generator, device, mean=0.0, std=1.0)
        return finish(z * std + mean, out, requires_grad)
    return finish(sample(normal_op, sizes((size,)), dtype, generator, device, mean=mean, std=std), out, requires_grad)


@function
def rand_like(input: Any, *, dtype: Any = None, generator: Generator | None = None, device: Any = None,
              requires_grad: bool = False) -> Any:  # fmt: skip
    """Uniform numbers of [0, 1) in the shape of another tensor."""
    return rand(*input.shape, dtype=dtype or input.dtype, generator=generator, requires_grad=requires_grad)


@function
def randn_like(input: Any, *, dtype: Any = None, generator: Generator | None = None, device: Any = None,
               requires_grad: bool = False) -> Any:  # fmt: skip
    """Normal numbers in the shape of another tensor."""
    return randn(*input.shape, dtype=dtype or input.dtype, generator=generator, requires_grad=requires_grad)


@function
def randint(low: int = 0, high: Any = None, size: Any = None, *, generator: Generator | None = None, out: Any = None,
            dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:  # fmt: skip
    """Integers of [low, high), each as likely as the others; ``randint(high, size)`` starts at 0."""
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if high <= low:
        raise RuntimeError(f"[randint] got low {low} and high {high}, expected low < high")
    seed, offset = (generator or default_generator).next_call()
    made = core.random_integers(core.empty(sizes((size,)), dtype=INT64), seed, offset, int(low), int(high))
    return finish(made if dtype is None else made.to(dtype), out, requires_grad)


@function
def randint_like(input: Any, low: int, high: Any = None, *, dtype: Any = None) -> Any:
    """Integers of [low, high) in the shape and dtype of another tensor."""
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, tuple(input.shape), dtype=dtype or input.dtype)


@function
def randperm(n: int, *, generator: Generator | None = None, out: Any = None, dtype: Any = None, device: Any = None,
             requires_grad: bool = False) -> Any:  # fmt: skip
    """The integers 0 ... n - 1 in random order."""
    if n < 0:
        raise RuntimeError(f"[randperm] got {n}, expected n >= 0")
    seed, offset = (generator or default_generator).next_call()
    made = core.random_permutation(core.empty(n, dtype=INT64), seed, offset)
    return finish(made if dtype is None else made.to(dtype), out, requires_grad)


@function(method=True)
def bernoulli(input: Any, p: float | None = None, *, generator: Generator | None = None, out: Any = None) -> Any:
    """1 with the probability that the input gives (or ``p``), else 0."""
    probability = input if p is None else core.full_like(input, p)
    if bool(((probability < 0) | (probability > 1)).any()):
        raise RuntimeError("[bernoulli] expected probabilities of [0, 1]")
    seed, offset = (generator or default_generator).next_call()
    return finish(bernoulli_op(probability.detach(), seed=seed, offset=offset), out, False)


@function(method=True)
def multinomial(input: Any, num_samples: int, replacement: bool = False, *, generator: Generator | None = None, out: Any = None) -> Any:
    """Indices drawn with probabilities in proportion to the weights of each row, (C) or (N, C).

    Without replacement it uses exponential races: the smallest :math:`E_i / w_i` win (Efraimidis and Spirakis 2006).
    """
    if out is not None:
        return core.REGISTRY["write_out"]("multinomial", out, multinomial(input, num_samples, replacement, generator=generator))
    rows = input.detach().double().reshape(-1, input.shape[-1])
    if bool((rows < 0).any()) or not bool(rows.isfinite().all()) or bool((rows.sum(1) <= 0).any()):
        raise RuntimeError("[multinomial] expected weights that are finite, not negative and not all 0")
    import numpy as np

    if replacement:
        cumulative = np.cumsum(rows.numpy(), 1)
        u = sample(uniform_op, (rows.shape[0], num_samples), rows.dtype, generator, low=0.0, high=1.0).numpy()
        picked = np.stack([np.searchsorted(c, v * c[-1], side="right") for c, v in zip(cumulative, u, strict=True)])
        last = np.array([np.nonzero(r)[0][-1] for r in rows.numpy()])
        made = core.tensor(np.minimum(picked, last[:, None]))
    else:
        if num_samples > int((rows > 0).sum(1).amin()):
            raise RuntimeError(f"[multinomial] cannot draw {num_samples} different ones from so few nonzero weights")
        race = sample(exponential_op, tuple(rows.shape), rows.dtype, generator, rate=1.0).numpy()
        with np.errstate(divide="ignore"):
            made = core.tensor(np.argsort(race / rows.numpy(), axis=1, kind="stable")[:, :num_samples])
    return made.reshape(*input.shape[:-1], num_samples)


def fill(name: str, doc: str, build: Any) -> None:
    """An in-place method that fills a tensor with random numbers."""

    def method(self: Any, *args: Any, generator: Generator | None = None, **kw: Any) -> Any:
        real = self.dtype if self.dtype.is_floating_point else core.get_default_dtype()
        core._copy_into(self, build(self, real, generator, *args, **kw))
        return self

    method.__name__, method.__doc__ = name, doc
    method.__wrapped__ = build  # type: ignore[attr-defined]  # whose keywords it takes
    setattr(__import__("corten.tensor", fromlist=["Tensor"]).Tensor, name, method)


fill("uniform_", "Fill with uniform numbers of [low, high).",
     lambda x, d, g, low=0.0, high=1.0, **kw: sample(uniform_op, tuple(x.shape), d, g, low=kw.get("from", low),
                                                     high=kw.get("to", high)))  # fmt: skip
fill("normal_", "Fill with normal numbers of a mean and a standard deviation.",
     lambda x, d, g, mean=0.0, std=1.0: sample(normal_op, tuple(x.shape), d, g, mean=mean, std=std))  # fmt: skip
fill("exponential_", "Fill with exponential numbers of a rate.",
     lambda x, d, g, lambd=1.0: sample(exponential_op, tuple(x.shape), d, g, rate=lambd))  # fmt: skip
fill("bernoulli_", "Fill with 1 with probability p, else 0.",
     lambda x, d, g, p=0.5: bernoulli(p if hasattr(p, "dtype") else core.full(tuple(x.shape), p, dtype=d), generator=g))  # fmt: skip
fill("random_", "Fill with integers of [low, high).",
     lambda x, d, g, low=0, high=None: randint(0 if high is None else low, low if high is None and low else high or 2**31,
                                               tuple(x.shape), generator=g))  # fmt: skip
fill("log_normal_", "Fill with exponentials of normal numbers.",
     lambda x, d, g, mean=1.0, std=2.0: sample(normal_op, tuple(x.shape), d, g, mean=mean, std=std).exp())  # fmt: skip
fill("cauchy_", "Fill with Cauchy numbers.",
     lambda x, d, g, median=0.0, sigma=1.0:
     ((sample(uniform_op, tuple(x.shape), d, g, low=0.0, high=1.0) - 0.5) * math.pi).tan() * sigma + median)  # fmt: skip
fill("geometric_", "Fill with numbers of trials up to the first success.",
     lambda x, d, g, p: (sample(exponential_op, tuple(x.shape), d, g, rate=-math.log1p(-p))).floor() + 1)  # fmt: skip


def dropout_apply(input: Any, p: float, generator: Generator | None = None) -> Any:
    """Dropout in training: see :func:`corten.nn.functional.dropout`."""
    seed, offset = (generator or default_generator).next_call()
    return dropout_op(input, p=p, seed=seed, offset=offset)[0]


@function
def poisson(input: Any, generator: Generator | None = None) -> Any:
    """Poisson numbers of the given rates: events of exponential gaps up to 1, for large rates by their count in float64."""
    if not input.is_floating_point():
        raise RuntimeError(f"[poisson] got {input.dtype}, expected a floating-point dtype")
    if bool((input < 0).any()):
        raise RuntimeError("[poisson] expected rates from 0")
    return inverse_sample("pdtrik", generator, input, lambda cdf, k, rate: cdf.pdtr(k, rate))


@function
def binomial(count: Any, prob: Any, generator: Generator | None = None) -> Any:
    """How many of ``count`` trials succeed, each with probability ``prob``."""
    if bool((count < 0).any()) or bool(((prob < 0) | (prob > 1)).any()):
        raise RuntimeError("[binomial] expected counts from 0 and probabilities of [0, 1]")
    count, prob = count + 0 * prob, prob + 0 * count
    return inverse_sample("bdtrik", generator, count, lambda cdf, k, n, p: cdf.bdtr(k, n.astype("int64"), p), prob)


def inverse_sample(inverse: str, generator: Generator | None, first: Any, cdf: Any, *others: Any) -> Any:
    """Counts by the inverse distribution function of uniform numbers: the least k with F(k) >= u."""
    import numpy as np
    import scipy.special

    float64 = core._dtype_by_name("float64")
    u = sample(uniform_op, tuple(first.shape), float64, generator, low=0.0, high=1.0).numpy()
    parameters = [x.detach().to(float64).numpy() for x in (first, *others)]
    with np.errstate(all="ignore"):
        k = np.floor(np.nan_to_num(getattr(scipy.special, inverse)(u, *parameters))).clip(0)
        k = np.where((k > 0) & (cdf(scipy.special, k - 1, *parameters) >= u), k - 1, k)
        k = np.where(cdf(scipy.special, k, *parameters) < u, k + 1, k)
        if others:  # certain failure and success have no distribution function
            k = np.where(parameters[1] <= 0, 0, np.where(parameters[1] >= 1, parameters[0], np.minimum(k, parameters[0])))
        else:
            k = np.where(parameters[0] <= 0, 0, k)
    return core.from_numpy(np.asarray(k)).to(first.dtype)
