"""Parametrizations: weight norm and spectral norm."""

from __future__ import annotations

from typing import Any

from corten.nn.module import Module
from corten.nn.utils.parametrize import register_parametrization
from corten.nn.utils.spectral_norm import as_matrix, iterate, normalized, singular_value, usual_dim
from corten.nn.utils.weight_norm import norm_except_dim, weight_of
from corten.ops.random import randn

__all__ = ["spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    """From length and direction to the weight."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        """The weight."""
        return weight_of(weight_g, weight_v, self.dim)

    def right_inverse(self, weight: Any) -> tuple[Any, Any]:
        """Its length and direction."""
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train length and direction of a weight, :math:`w = g\\,v / |v|`. Salimans and Kingma, arXiv:1602.07868.

    Parameters
    ----------
    module : Module
    name : str
    dim : int or None
        Each index of this dimension has a length of its own; None: the whole weight has one.

    Notes
    -----
    g is ``module.parametrizations.weight.original0``, v ``original1``.

    Examples
    --------
    >>> import corten
    >>> from corten.nn.utils.parametrizations import weight_norm
    >>> sorted(dict(weight_norm(corten.nn.Linear(3, 2, bias=False)).named_parameters()))
    ['parametrizations.weight.original0', 'parametrizations.weight.original1']
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


class _SpectralNorm(Module):
    """From a weight to it divided by its largest singular value."""

    def __init__(self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if n_power_iterations < 1:
            raise ValueError(f"[spectral_norm] got n_power_iterations={n_power_iterations}, expected at least 1")
        self.dim, self.eps, self.n_power_iterations = dim, eps, n_power_iterations
        if weight.ndim > 1:
            matrix = as_matrix(weight.detach(), dim)
            self.register_buffer("_u", normalized(randn(matrix.shape[0], dtype=weight.dtype), eps))
            self.register_buffer("_v", normalized(randn(matrix.shape[1], dtype=weight.dtype), eps))
            iterate(matrix, self._u, self._v, 15, eps, True)

    def forward(self, weight: Any) -> Any:
        """The weight divided by its largest singular value; of a vector, by its length."""
        if weight.ndim == 1:
            return normalized(weight, self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            iterate(matrix, self._u, self._v, self.n_power_iterations, self.eps, True)
        return weight / singular_value(matrix, self._u.clone(), self._v.clone())

    def right_inverse(self, value: Any) -> Any:
        """The weight itself: any may be the start."""
        return value


def spectral_norm(module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
                  dim: int | None = None) -> Module:  # fmt: skip
    """Divide a weight by its largest singular value, which power iterations follow. Miyato et al., arXiv:1802.05957.

    Parameters
    ----------
    module : Module
    name : str
    n_power_iterations : int
        At each access in training.
    eps : float
        The least norm that is divided by.
    dim : int, optional
        The dimension of the outputs; by default 1 for transposed convolutions, else 0.

    Examples
    --------
    >>> import corten
    >>> from corten.nn.utils.parametrizations import spectral_norm
    >>> spectral_norm(corten.nn.Linear(3, 2))(corten.ones(1, 3)).shape
    corten.Size([1, 2])
    """
    weight = getattr(module, name, None)
    if weight is None:
        raise ValueError(f"[spectral_norm] {type(module).__name__} has no tensor {name!r}")
    dim = usual_dim(module) if dim is None else dim
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
