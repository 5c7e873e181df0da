"""Distributions beside PyTorch's: log-probabilities, moments, entropies, divergences, gradients; draws by their moments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import corten
from corten import distributions as D  # noqa: N812

torch = pytest.importorskip("torch")
T = torch.distributions
RNG = np.random.default_rng(2)
P = np.array([0.2, 0.5, 0.3])
POS, POS2 = np.array([0.7, 1.5, 3.2]), np.array([2.1, 0.4, 1.3])
LOC = np.array([-1.0, 0.3, 2.0])
A = RNG.standard_normal((3, 3))
COV = A @ A.T + 0.5 * np.eye(3)
COUNT = np.array([0.0, 2.0, 5.0])
CORRELATION = np.linalg.cholesky(np.array([[1, 0.3, 0.1], [0.3, 1, -0.4], [0.1, -0.4, 1]]))

#: name, parameters, values
CASES: list[tuple[str, dict[str, Any], np.ndarray]] = [
    ("Normal", {"loc": LOC, "scale": POS}, LOC + 0.3), ("Laplace", {"loc": LOC, "scale": POS}, LOC + 0.3),
    ("Cauchy", {"loc": LOC, "scale": POS}, LOC + 0.3), ("Gumbel", {"loc": LOC, "scale": POS}, LOC + 0.3),
    ("StudentT", {"df": POS + 2, "loc": LOC, "scale": POS}, LOC - 0.4), ("Uniform", {"low": LOC, "high": LOC + POS}, LOC + 0.2),
    ("Exponential", {"rate": POS}, POS2), ("HalfNormal", {"scale": POS}, POS2), ("HalfCauchy", {"scale": POS}, POS2),
    ("LogNormal", {"loc": LOC, "scale": POS}, POS2), ("Gamma", {"concentration": POS, "rate": POS2}, POS2),
    ("Chi2", {"df": POS}, POS2), ("InverseGamma", {"concentration": POS + 2, "rate": POS2}, POS2),
    ("Beta", {"concentration1": POS + 1, "concentration0": POS2 + 1}, P), ("Dirichlet", {"concentration": POS}, P),
    ("FisherSnedecor", {"df1": POS + 3, "df2": POS2 + 4}, POS2), ("Weibull", {"scale": POS, "concentration": POS2}, POS2),
    ("Pareto", {"scale": POS, "alpha": POS2 + 2}, POS + 1), ("Kumaraswamy", {"concentration1": POS, "concentration0": POS2}, P),
    ("Bernoulli", {"probs": P}, np.array([0.0, 1.0, 1.0])), ("Bernoulli", {"logits": LOC}, np.array([0.0, 1.0, 1.0])),
    ("Geometric", {"probs": P}, COUNT), ("Poisson", {"rate": POS}, COUNT), ("Binomial", {"total_count": 6, "probs": P}, COUNT),
    ("NegativeBinomial", {"total_count": 4, "probs": P}, COUNT), ("Categorical", {"probs": P}, np.array(1)),
    ("Categorical", {"logits": RNG.standard_normal((2, 4))}, np.array([3, 0])), ("OneHotCategorical", {"probs": P}, np.array([0.0, 0, 1])),
    ("Multinomial", {"total_count": 7, "probs": P}, np.array([1.0, 2.0, 4.0])),
    ("MultivariateNormal", {"loc": LOC, "covariance_matrix": COV}, LOC + 0.5),
    ("MultivariateNormal", {"loc": LOC, "precision_matrix": COV}, LOC + 0.5),
    ("MultivariateNormal", {"loc": LOC, "scale_tril": np.linalg.cholesky(COV)}, LOC + 0.5),
    ("LowRankMultivariateNormal", {"loc": LOC, "cov_factor": A[:, :1], "cov_diag": POS}, LOC + 0.5),
    ("RelaxedBernoulli", {"temperature": 0.7, "probs": P}, P), ("RelaxedOneHotCategorical", {"temperature": 0.7, "probs": P}, P),
    ("ContinuousBernoulli", {"probs": np.array([0.2, 0.5, 0.8])}, P), ("ContinuousBernoulli", {"logits": LOC}, P),
    ("Wishart", {"df": np.array(4.5), "covariance_matrix": COV}, COV + 0.3 * np.eye(3)),
    ("Wishart", {"df": np.array([3.5, 6.0]), "precision_matrix": COV}, COV + 0.3 * np.eye(3)),
    ("LKJCholesky", {"dim": 3, "concentration": np.array([0.7, 2.5])}, CORRELATION),
    ("LogisticNormal", {"loc": LOC[:2], "scale": POS[:2]}, P), ("VonMises", {"loc": LOC, "concentration": POS}, LOC + 0.3),
]  # fmt: skip
IDS = [f"{c[0]}-{i}" for i, c in enumerate(CASES)]


def made(case: int, grad: bool = False) -> tuple[Any, Any, dict[str, Any], dict[str, Any]]:
    name, kwargs, _ = CASES[case]
    ours = {k: corten.tensor(v).requires_grad_(grad) if isinstance(v, np.ndarray) else v for k, v in kwargs.items()}
    theirs = {k: torch.tensor(v).requires_grad_(grad) if isinstance(v, np.ndarray) else v for k, v in kwargs.items()}
    heat = {"temperature": torch.tensor(0.7, dtype=torch.float64)} if "temperature" in theirs else {}
    return getattr(D, name)(**ours), getattr(T, name)(**{**theirs, **heat}), ours, theirs


@pytest.mark.parametrize("case", range(len(CASES)), ids=IDS)
def test_log_prob_and_its_gradients(case: int) -> None:
    p, q, ours, theirs = made(case, True)
    value = CASES[case][2]
    a, b = p.log_prob(corten.tensor(value)), q.log_prob(torch.tensor(value))
    rough = 1e-6 if CASES[case][0] == "VonMises" else 1e-8  # PyTorch's Bessel functions are polynomials of that precision
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=rough, atol=1e-9)
    assert (tuple(p.batch_shape), tuple(p.event_shape)) == (tuple(q.batch_shape), tuple(q.event_shape))
    a.sum().backward()
    b.sum().backward()
    for k, v in ours.items():
        if isinstance(v, corten.Tensor):
            np.testing.assert_allclose(v.grad.numpy(), theirs[k].grad.numpy(), rtol=1e-6, atol=1e-8, err_msg=k)


@pytest.mark.parametrize("what", ["mean", "variance", "mode", "entropy", "cdf", "icdf"])
@pytest.mark.parametrize("case", range(len(CASES)), ids=IDS)
def test_moments(case: int, what: str) -> None:
    p, q, *_ = made(case)
    value = CASES[case][2]
    try:
        if what in ("mean", "variance", "mode"):
            want = getattr(q, what)
        else:
            want = q.entropy() if what == "entropy" else getattr(q, what)(torch.tensor(value if what == "cdf" else P[: value.size] * 0.9))
    except (NotImplementedError, ValueError):
        pytest.skip("PyTorch has none")
    try:
        if what in ("mean", "variance", "mode"):
            got = getattr(p, what)
        else:
            got = p.entropy() if what == "entropy" else getattr(p, what)(corten.tensor(value if what == "cdf" else P[: value.size] * 0.9))
    except NotImplementedError:
        assert (CASES[case][0], what) in ABSENT
        return
    # PyTorch computes the entropy of Multinomial in float32
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-6 if what == "entropy" else 1e-7, atol=1e-9)


ABSENT = {("StudentT", "mode"), ("Dirichlet", "mode"), ("FisherSnedecor", "mode"), ("InverseGamma", "cdf"), ("InverseGamma", "icdf"),
          ("Kumaraswamy", "mode"), ("Kumaraswamy", "entropy"), ("Chi2", "mode"), ("LogisticNormal", "mode")}  # fmt: skip


@pytest.mark.parametrize("case", [i for i, c in enumerate(CASES) if c[0] not in ("Cauchy", "HalfCauchy", "StudentT", "FisherSnedecor",
                                                                                  "InverseGamma", "Pareto", "LogNormal")])  # fmt: skip
def test_draws_have_the_moments(case: int) -> None:
    if CASES[case][0] == "LKJCholesky":
        pytest.skip("it has no moments of its factors; test_draws_of_matrices has those of the correlations")
    corten.manual_seed(case)
    p, q, *_ = made(case)
    n = 4000
    x = p.sample((n,)).double().numpy()
    assert x.shape == (n, *p.batch_shape, *p.event_shape)
    if CASES[case][0] == "Categorical":
        classes = p.probs.shape[-1]
        freq = np.stack([(x == k).mean(0) for k in range(classes)], -1)
        np.testing.assert_allclose(freq, p.probs.numpy(), atol=0.04)
        return
    if CASES[case][0] in ("RelaxedBernoulli", "RelaxedOneHotCategorical", "LogisticNormal", "VonMises"):
        torch.manual_seed(case)
        y = q.sample((n,)).double().numpy()
        mean, std = y.mean(0), y.std(0)
    else:
        mean, std = p.mean.numpy(), np.sqrt(p.variance.numpy())
    np.testing.assert_allclose(x.mean(0), mean, atol=6 * np.max(std) / np.sqrt(n))
    np.testing.assert_allclose(x.std(0), std, rtol=0.15, atol=0.02)


@pytest.mark.parametrize("name", ["Normal", "Laplace", "Exponential", "Uniform", "Gamma", "Beta", "Gumbel", "LogNormal"])
def test_gradients_flow_through_draws(name: str) -> None:
    """The slope of the mean of draws is the mean's own slope."""
    case = IDS.index(next(i for i in IDS if i.startswith(name + "-")))
    corten.manual_seed(0)
    p, q, ours, theirs = made(case, True)
    p.rsample((40000,)).mean(0).sum().backward()
    q.mean.sum().backward()
    for k, v in ours.items():
        want = theirs[k].grad
        want = np.zeros(v.shape) if want is None else want.numpy()
        np.testing.assert_allclose(v.grad.numpy(), want, rtol=0.15, atol=0.05, err_msg=k)


def test_gamma_slope_equals_torchs() -> None:
    from corten.distributions.gamma import _slope

    a = np.array([0.1, 0.5, 1.0, 3.0, 20.0, 200.0])
    for x in (0.3 * a, a, 2 * a):
        want = torch._standard_gamma_grad(torch.tensor(a), torch.tensor(x)).numpy()
        np.testing.assert_allclose(_slope(corten.tensor(x), corten.tensor(a)).numpy(), want, rtol=2e-3)


PAIRS = ["Normal", "Laplace", "Gumbel", "Cauchy", "Exponential", "Gamma", "Beta", "Dirichlet", "Bernoulli", "Geometric", "Poisson",
         "Binomial", "Categorical", "OneHotCategorical", "LogNormal", "HalfNormal", "MultivariateNormal", "Uniform"]  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_kl_divergence(name: str) -> None:
    _, kwargs, _ = next(c for c in CASES if c[0] == name)
    other = {k: (v[::-1].copy() if v.ndim == 1 else v + np.eye(3)) if isinstance(v, np.ndarray) else v for k, v in kwargs.items()}
    if name == "Uniform":
        other = {"low": LOC - 1, "high": LOC + POS + 1}
    values = []
    for lib, make in ((D, corten.tensor), (T, torch.tensor)):
        p, q = (getattr(lib, name)(**{k: make(v) if isinstance(v, np.ndarray) else v for k, v in kw.items()}) for kw in (kwargs, other))
        values.append(lib.kl_divergence(p, q).numpy())
    np.testing.assert_allclose(values[0], values[1], rtol=1e-8, atol=1e-10)


def test_mixed_kl_and_independent() -> None:
    for lib, make in ((D, corten.tensor), (T, torch.tensor)):
        u, n = lib.Uniform(make(LOC), make(LOC + POS)), lib.Normal(make(LOC), make(POS))
        e, g = lib.Exponential(make(POS)), lib.Gamma(make(POS), make(POS2))
        i, j = lib.Independent(n, 1), lib.Independent(lib.Normal(make(LOC + 1), make(POS2)), 1)
        values = [lib.kl_divergence(u, n), lib.kl_divergence(e, g), lib.kl_divergence(i, j), i.log_prob(make(LOC)), i.entropy()]
        if lib is D:
            kept = [v.numpy() for v in values]
    for a, b in zip(kept, values, strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-9)
    with pytest.raises(NotImplementedError, match="Normal and Poisson"):
        D.kl_divergence(D.Normal(0.0, 1.0), D.Poisson(1.0))


def test_mixture_and_transforms() -> None:
    found = []
    for lib, make in ((D, corten.tensor), (T, torch.tensor)):
        t = lib.transforms
        mix = lib.MixtureSameFamily(lib.Categorical(make(P)), lib.Normal(make(LOC), make(POS)))
        y = lib.TransformedDistribution(lib.Normal(make(LOC), make(POS)), [t.AffineTransform(0.5, 2.0), t.TanhTransform()])
        s = lib.TransformedDistribution(lib.Independent(lib.Normal(make(LOC), make(POS)), 1), t.StickBreakingTransform())
        shares = make(np.array([0.1, 0.2, 0.3, 0.4]))
        found.append([mix.log_prob(make(np.array(0.4))), mix.mean, mix.variance, mix.cdf(make(np.array(0.4))),
                      y.log_prob(make(np.array([0.2, -0.5, 0.9]))),
                      y.cdf(make(np.array([0.2, -0.5, 0.9]))), s.log_prob(shares)])  # fmt: skip
        for tr in (t.ExpTransform(), t.SigmoidTransform(), t.SoftplusTransform(), t.TanhTransform(), t.PowerTransform(make(np.array(2.0)))):
            x = make(POS / 2)
            z = tr(x)
            found[-1] += [z, tr.inv(z), tr.log_abs_det_jacobian(x, z)]
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-8, atol=1e-10)
    corten.manual_seed(0)
    mix = D.MixtureSameFamily(D.Categorical(corten.tensor(P)), D.Normal(corten.tensor(LOC), corten.tensor(POS)))
    assert float(mix.sample((20000,)).mean()) == pytest.approx(float(mix.mean), abs=0.06)


def test_values_and_parameters_are_checked() -> None:
    for make in (lambda: D.Normal(0.0, -1.0), lambda: D.Bernoulli(1.5), lambda: D.Categorical(corten.tensor([-0.1, 1.1])),
                 lambda: D.Uniform(1.0, 0.0), lambda: D.Normal(0.0, 1.0).log_prob(1.0), lambda: D.Bernoulli(probs=0.5, logits=0.1),
                 lambda: D.Poisson(1.0).log_prob(corten.tensor(-1.0)),
                 lambda: D.MultivariateNormal(corten.zeros(2), -corten.eye(2))):  # fmt: skip
        with pytest.raises(ValueError, match=r"^\["):
            make()
    assert D.Normal(0.0, -1.0, validate_args=False).scale.item() == -1


def test_expand_and_enumerate() -> None:
    p = D.Normal(corten.zeros(3), corten.ones(3)).expand((2, 3))
    assert tuple(p.sample((4,)).shape) == (4, 2, 3)
    assert D.Bernoulli(0.3).enumerate_support().tolist() == [0.0, 1.0]
    assert tuple(D.Categorical(corten.ones(5, 3)).enumerate_support().shape) == (3, 5)
    c = D.Categorical(logits=corten.zeros(3)).expand((4,))
    assert tuple(c.sample().shape) == (4,)
    assert tuple(D.OneHotCategorical(corten.ones(3)).enumerate_support().shape) == (3, 3)
    x = D.OneHotCategoricalStraightThrough(corten.ones(3, requires_grad=True)).rsample()
    assert x.sum().item() == pytest.approx(1)


def test_generalized_pareto_is_scipys() -> None:
    """PyTorch's does not take float64."""
    from scipy.stats import genpareto

    k = np.array([-0.4, 0.0, 0.3])
    ours, theirs = D.GeneralizedPareto(corten.tensor(LOC), corten.tensor(POS), corten.tensor(k)), genpareto(k, LOC, POS)
    x, u = LOC + 0.3, np.array([0.1, 0.5, 0.9])
    for a, b in ((ours.log_prob(corten.tensor(x)), theirs.logpdf(x)), (ours.cdf(corten.tensor(x)), theirs.cdf(x)),
                 (ours.mean, theirs.mean()), (ours.icdf(corten.tensor(u)), theirs.ppf(u)), (ours.variance, theirs.var()),
                 (ours.entropy(), theirs.entropy())):  # fmt: skip
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-10)
    corten.manual_seed(0)
    np.testing.assert_allclose(ours.sample((20000,)).mean(0).numpy(), theirs.mean(), atol=0.1)


def test_draws_of_matrices() -> None:
    corten.manual_seed(0)
    wishart = D.Wishart(corten.tensor(4.5, dtype=corten.float64), corten.tensor(COV))
    drawn = wishart.sample((20000,))
    np.testing.assert_allclose(drawn.mean(0).numpy(), 4.5 * COV, rtol=0.1, atol=0.3)
    factors = D.LKJCholesky(3, corten.tensor(2.0, dtype=corten.float64)).sample((5000,))
    assert bool(D.constraints.corr_cholesky.check(factors).all())
    correlations = (factors @ factors.mT)[:, [1, 2, 2], [0, 0, 1]]
    np.testing.assert_allclose(correlations.mean(0).numpy(), 0, atol=0.03)
    np.testing.assert_allclose(correlations.var(0).numpy(), 1 / 6, atol=0.02)  # beta (eta + 1/2) on (-1, 1): 1 / (2 eta + d - 1)
    with pytest.raises(ValueError, match="more than 2"):
        D.Wishart(2.0, corten.tensor(COV))


@pytest.mark.parametrize("name", ["positive", "real", "unit_interval", "simplex", "lower_cholesky", "positive_definite", "corr_cholesky",
                                  "real_vector", "nonnegative"])  # fmt: skip
@pytest.mark.parametrize("kind", ["biject_to", "transform_to"])
def test_maps_to_sets(kind: str, name: str) -> None:
    if kind == "biject_to" and name in ("lower_cholesky", "positive_definite"):
        for m in (D, T):
            with pytest.raises(NotImplementedError):
                m.biject_to(getattr(m.constraints, name))
        return
    x = RNG.standard_normal((2, 3, 3) if name in ("lower_cholesky", "positive_definite") else (2, 6))
    ours, theirs = getattr(D, kind)(getattr(D.constraints, name)), getattr(T, kind)(getattr(T.constraints, name))
    y, want = ours(corten.tensor(x)), theirs(torch.tensor(x))
    np.testing.assert_allclose(y.numpy(), want.numpy(), rtol=1e-8, atol=1e-12)
    assert bool(getattr(D.constraints, name).check(y).all())
    np.testing.assert_allclose(ours.inv(y).numpy(), theirs.inv(want).numpy(), rtol=1e-6, atol=1e-8)
    if name not in ("lower_cholesky", "positive_definite") and not (kind == "transform_to" and name == "simplex"):
        a, b = ours.log_abs_det_jacobian(corten.tensor(x), y), theirs.log_abs_det_jacobian(torch.tensor(x), want)
        if name != "real":
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-8, atol=1e-10)


def test_maps_to_intervals_stacks_and_by_distributions() -> None:
    x = RNG.standard_normal((2, 4))
    for make in (lambda m: m.constraints.interval(-1.0, 3.0), lambda m: m.constraints.greater_than(2.0),
                 lambda m: m.constraints.less_than(1.0)):
        np.testing.assert_allclose(D.transform_to(make(D))(corten.tensor(x)).numpy(), T.transform_to(make(T))(torch.tensor(x)).numpy())
    for m, t in ((D, corten.tensor), (T, torch.tensor)):
        stacked = m.StackTransform([m.ExpTransform(), m.AffineTransform(1.0, 2.0)], 0)
        y = stacked(t(x))
        np.testing.assert_allclose(y.numpy(), np.stack([np.exp(x[0]), 1 + 2 * x[1]]))
        np.testing.assert_allclose(stacked.inv(y).numpy(), x, rtol=1e-10)
        by = m.CumulativeDistributionTransform(m.Normal(0.0, 1.0))
        np.testing.assert_allclose(by.log_abs_det_jacobian(t(x), by(t(x))).numpy(), -(x**2) / 2 - np.log(2 * np.pi) / 2, rtol=1e-6)
    with pytest.raises(NotImplementedError, match="whole numbers"):
        D.biject_to(D.constraints.nonnegative_integer)
