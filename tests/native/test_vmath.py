"""Elementary functions against extended precision, in units in the last place, on every instruction set."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.special

import corten
from corten._core import native

EXTENDED = np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant


def uniform(low, high):
    return lambda rng, dtype, n: rng.uniform(low, high, n).astype(dtype)


def any_size(low=None, high=None, signed=True):
    """Magnitudes over many powers of ten, from denormal to huge."""

    def draw(rng, dtype, n):
        least, most = {np.float32: (-44, 38), np.float64: (-320, 308)}[dtype]
        x = 10.0 ** rng.uniform(least if low is None else low, most if high is None else high, n)
        return (x * rng.choice([-1, 1], n) if signed else x).astype(dtype)

    return draw


def logistic(x):
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, z) / (1 + z)


def in_double(f):
    """A reference in double precision, itself right to some two units."""
    return lambda x: np.vectorize(f, otypes=[np.float64])(x.astype(np.float64)).astype(np.longdouble)


# name: (reference, domains, largest error in float32, in float64); the errors are what was measured, rounded up.
# The references of erf, erfc and erfinv are double precision themselves, so their float64 column includes some units more.
FUNCTIONS = {
    "exp": (np.exp, [uniform(-104, 89), uniform(-1, 1), any_size()], 1.0, 1.0),
    "exp2": (np.exp2, [uniform(-150, 129), uniform(-1, 1), any_size()], 0.9, 0.9),
    "expm1": (np.expm1, [uniform(-1, 1), uniform(-30, 89), any_size()], 1.3, 1.3),
    "log": (np.log, [uniform(0, 3), uniform(0.9, 1.1), any_size(signed=False)], 0.85, 0.85),
    "log2": (np.log2, [uniform(0, 3), uniform(0.9, 1.1), any_size(signed=False)], 1.7, 1.7),
    "log10": (np.log10, [uniform(0, 3), uniform(0.9, 1.1), any_size(signed=False)], 2.0, 2.0),
    "log1p": (np.log1p, [uniform(-1, 1), uniform(0, 20), any_size()], 1.4, 1.4),
    "tanh": (np.tanh, [uniform(-1, 1), uniform(-25, 25), any_size()], 2.3, 2.6),
    "sigmoid": (logistic, [uniform(-1, 1), uniform(-90, 90), any_size()], 2.3, 2.4),
    "sin": (np.sin, [uniform(-4, 4), uniform(-1e5, 1e5), any_size(high=4)], 2.1, 1.6),
    "cos": (np.cos, [uniform(-4, 4), uniform(-1e5, 1e5), any_size(high=4)], 2.1, 1.6),
    "tan": (np.tan, [uniform(-4, 4), uniform(-1e5, 1e5), any_size(high=4)], 3.4, 3.2),
    "asin": (np.arcsin, [uniform(-1, 1), uniform(0.45, 0.55), any_size(high=0)], 1.3, 1.3),
    "acos": (np.arccos, [uniform(-1, 1), uniform(0.45, 0.55), any_size(high=0)], 0.9, 0.9),
    "atan": (np.arctan, [uniform(-3, 3), any_size()], 1.9, 1.8),
    "sinh": (np.sinh, [uniform(-2, 2), uniform(-89, 89), any_size()], 1.8, 1.8),
    "cosh": (np.cosh, [uniform(-2, 2), uniform(-89, 89), any_size()], 1.5, 1.5),
    "asinh": (np.arcsinh, [uniform(-2, 2), any_size()], 1.8, 2.1),
    "acosh": (np.arccosh, [uniform(1, 2), uniform(1, 50), any_size(low=0, signed=False)], 2.3, 2.3),
    "atanh": (np.arctanh, [uniform(-1, 1), any_size(high=0)], 2.1, 2.1),
    "sqrt": (np.sqrt, [any_size(signed=False)], 0.5, 0.501),
    "rsqrt": (lambda x: 1 / np.sqrt(x), [any_size(signed=False)], 1.6, 1.6),
    "erf": (in_double(math.erf), [uniform(-1, 1), uniform(-6, 6), any_size(high=1)], 1.2, 2.5),
    "erfc": (in_double(math.erfc), [uniform(-1, 1), uniform(-6, 9)], 4.0, 6.0),
    "erfinv": (in_double(scipy.special.erfinv), [uniform(-1, 1)], 6.0, 8.0),
}
PAIRS = {
    "pow": (np.power, [(uniform(0.01, 30), uniform(-20, 20)), (uniform(0.9, 1.1), uniform(-600, 600))], 0.51, 1.2),
    "atan2": (np.arctan2, [(any_size(-3, 3), any_size(-3, 3))], 2.0, 2.0),
    "hypot": (np.hypot, [(any_size(-3, 3), any_size(-3, 3))], 2.1, 2.1),
}
EDGES = [0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 0.5, -0.5, 2, -2, 1e-45, -1e-45, 1e-310, 3e38, -3e38, 88.8, -104, 710]

EVALUATE = """
import sys
import numpy as np
import corten
given = np.load(sys.argv[1])
results = {}
for key in given.files:
    name, dtype, place = key.split(":")
    x = [corten.tensor(part) for part in given[key]]
    results[key] = getattr(corten, name)(*x).numpy()
np.savez(sys.argv[2], **results)
"""


def points(rng, dtype, domains):
    """(inputs, n) of every domain, and the edge values, in one array."""
    parts = [np.stack([d(rng, dtype, 4000) for d in (domain if isinstance(domain, tuple) else (domain,))]) for domain in domains]
    edges = np.array(EDGES).astype(dtype)
    width = len(parts[0])
    return np.concatenate([*parts, edges[None] if width == 1 else np.array(np.meshgrid(edges, edges)).reshape(2, -1)], axis=1)


@pytest.fixture(scope="module")
def given():
    rng = np.random.default_rng(7)
    with np.errstate(all="ignore"):
        return {
            f"{name}:{dtype.__name__}:0": points(rng, dtype, row[1])
            for name, row in (FUNCTIONS | PAIRS).items()
            for dtype in (np.float32, np.float64)
        }


@pytest.fixture(scope="module", params=native.available_isas())
def computed(request, given, tmp_path_factory):
    """All functions of all inputs on one instruction set, computed by a process of its own."""
    folder = tmp_path_factory.mktemp("vmath")
    np.savez(folder / "given.npz", **given)
    subprocess.run(
        [sys.executable, "-c", EVALUATE, str(folder / "given.npz"), str(folder / "results.npz")],
        env=dict(os.environ, CORTEN_ISA=request.param), check=True,
    )  # fmt: skip
    return dict(np.load(folder / "results.npz"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [*FUNCTIONS, *PAIRS])
def test_largest_error_in_ulps(name, dtype, given, computed):
    if dtype is np.float64 and not EXTENDED:
        pytest.skip("long double is no wider than double here")
    reference, _, *bounds = (FUNCTIONS | PAIRS)[name]
    key = f"{name}:{dtype.__name__}:0"
    x, y = given[key], computed[key]
    with np.errstate(all="ignore"):
        exact = np.asarray(reference(*x.astype(np.longdouble)), np.longdouble)
        rounded = exact.astype(dtype)
    assert y.dtype == dtype
    finite = np.isfinite(rounded)
    far = ~finite & np.isfinite(y)  # one unit below the largest number instead of infinity is within the bound
    np.testing.assert_array_equal(y[~finite & ~far], rounded[~finite & ~far])
    assert (np.abs(y[far]) >= np.finfo(dtype).max * (1 - 4 * np.finfo(dtype).eps)).all()
    unit = np.spacing(np.maximum(np.abs(rounded[finite]), np.finfo(dtype).tiny)).astype(np.longdouble)
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.abs(y[finite].astype(np.longdouble) - exact[finite]) / unit
    worst = int(np.nanargmax(error))
    assert not np.isnan(error).any()
    assert error[worst] <= bounds[dtype is np.float64], f"{name}({x[:, finite][:, worst]}) = {y[finite][worst]}: {error[worst]:.3f} ULP"


@pytest.mark.parametrize("name", ["exp", "sin", "cos", "tan", "sinh", "tanh", "expm1", "log1p", "asin", "asinh", "atanh", "atan", "erf"])
def test_signed_zero(name):
    y = getattr(corten, name)(corten.tensor(np.array([-0.0, 0.0], np.float32))).numpy()
    odd = name not in ("exp", "cos")
    np.testing.assert_array_equal(y, [0, 0] if odd else [1, 1])
    np.testing.assert_array_equal(np.signbit(y), [odd, False])


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_huge_angles(name):
    x = np.array([1e6, 1e10, 1e22, -1e30], np.float64)
    np.testing.assert_allclose(getattr(corten, name)(corten.tensor(x)).numpy(), getattr(np, name)(x), rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["exp", "log1p", "tanh", "erf", "sin", "digamma", "atan"])
def test_value_does_not_depend_on_position_or_layout(name, dtype):
    rng = np.random.default_rng(3)
    x = rng.normal(size=1037).astype(dtype)
    f = getattr(corten, name)
    whole = f(corten.tensor(x)).numpy()
    for start in (0, 1, 3, 7, 16, 1030):
        np.testing.assert_array_equal(f(corten.tensor(x[start:].copy())).numpy(), whole[start:])
    wide = corten.tensor(np.stack([x, x + 1, x, x - 1], axis=1))
    np.testing.assert_array_equal(f(wide[:, 2]).numpy(), whole)
    np.testing.assert_array_equal(f(wide.t()).numpy()[0], whole)


@pytest.mark.parametrize("name", ["exp", "add", "gelu"])
def test_same_bits_for_any_number_of_threads(name):
    from corten._core.core import REGISTRY

    rng = np.random.default_rng(4)
    x = [corten.tensor(rng.normal(size=(700, 301)).astype(np.float32)) for _ in range(1 + (name == "add"))]
    before, results = corten.get_num_threads(), []
    try:
        for n in (1, 2, 3):
            corten.set_num_threads(n)
            results.append([REGISTRY[name](*x).numpy(), REGISTRY[name](*[a.t() for a in x]).numpy()])
    finally:
        corten.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)

