"""Probability distributions with PyTorch's names: draws, log-probabilities, moments, entropies, divergences."""

from corten.distributions import constraints, transforms
from corten.distributions.constraint_registry import biject_to, transform_to
from corten.distributions.continuous import (
    Cauchy,
    ContinuousBernoulli,
    Exponential,
    GeneralizedPareto,
    Gumbel,
    HalfCauchy,
    HalfNormal,
    Laplace,
    Normal,
    StudentT,
    Uniform,
)
from corten.distributions.discrete import (
    Bernoulli,
    Binomial,
    Categorical,
    Geometric,
    Multinomial,
    NegativeBinomial,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
    Poisson,
)
from corten.distributions.distribution import Distribution
from corten.distributions.gamma import Beta, Chi2, Dirichlet, FisherSnedecor, Gamma, InverseGamma
from corten.distributions.joint import (
    Independent,
    LowRankMultivariateNormal,
    MixtureSameFamily,
    MultivariateNormal,
    VonMises,
)
from corten.distributions.kl import kl_divergence, register_kl
from corten.distributions.matrices import LKJCholesky, Wishart
from corten.distributions.matrix_transforms import (
    CorrCholeskyTransform,
    CumulativeDistributionTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    StackTransform,
)
from corten.distributions.transforms import *  # noqa: F403
