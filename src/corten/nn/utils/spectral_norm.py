"""Weights divided by their largest singular value. Miyato et al., arXiv:1802.05957."""

from __future__ import annotations

from typing import Any

from corten._core import core
from corten.autograd import no_grad
from corten.nn.module import Module
from corten.nn.parameter import Parameter
from corten.ops.random import randn

__all__ = ["remove_spectral_norm", "spectral_norm"]


def as_matrix(weight: Any, dim: int) -> Any:
    """A weight as a matrix with dimension ``dim`` as its rows."""
    if dim:
        weight = weight.permute(dim, *[d for d in range(weight.ndim) if d != dim])
    return weight.reshape(weight.shape[0], -1)


def normalized(v: Any, eps: float) -> Any:
    """A vector of length 1."""
    return v / (v * v).sum().sqrt().clamp(min=eps)


def iterate(weight: Any, u: Any, v: Any, steps: int, eps: float, rows_first: bool) -> None:
    """Power iterations, in place: u and v approach the singular vectors of the largest singular value."""
    with no_grad():
        w, new_u, new_v = weight.detach(), u, v
        for _ in range(steps):
            if rows_first:
                new_u = normalized(w @ new_v, eps)
                new_v = normalized(w.t() @ new_u, eps)
            else:
                new_v = normalized(w.t() @ new_u, eps)
                new_u = normalized(w @ new_v, eps)
        u.copy_(new_u)
        v.copy_(new_v)


def singular_value(weight: Any, u: Any, v: Any) -> Any:
    """:math:`u^T W v`, through which gradients of the weight go."""
    return (u * (weight @ v)).sum()


def usual_dim(module: Module) -> int:
    """The dimension of the outputs: 1 for transposed convolutions, 0 otherwise."""
    return 1 if "ConvTranspose" in type(module).__name__ else 0


class _SpectralNorm:
    """The hook that computes the weight before each call."""

    def __init__(self, name: str, steps: int, eps: float, dim: int) -> None:
        self.name, self.steps, self.eps, self.dim = name, steps, eps, dim

    def weight(self, module: Module, iterating: bool) -> Any:
        """The weight divided by its largest singular value."""
        original = getattr(module, self.name + "_orig")
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        matrix = as_matrix(original, self.dim)
        if iterating:
            iterate(matrix, u, v, self.steps, self.eps, False)
        return original / singular_value(matrix, u.clone(), v.clone())

    def __call__(self, module: Module, args: Any) -> None:
        object.__setattr__(module, self.name, self.weight(module, module.training))


def spectral_norm(module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
                  dim: int | None = None) -> Module:  # fmt: skip
    """Divide a weight by its largest singular value, which power iterations follow while training.

    Parameters
    ----------
    module : Module
    name : str
    n_power_iterations : int
        Before each call in training.
    eps : float
        The least norm that is divided by.
    dim : int, optional
        The dimension of the outputs; by default 1 for transposed convolutions, else 0.

    Notes
    -----
    The parameter becomes ``name_orig``, with buffers ``name_u`` and ``name_v``. See
    :func:`corten.nn.utils.parametrizations.spectral_norm` for the newer form.

    Examples
    --------
    >>> import corten
    >>> layer = corten.nn.utils.spectral_norm(corten.nn.Linear(3, 2))
    >>> layer(corten.ones(1, 3)).shape
    corten.Size([1, 2])
    """
    if n_power_iterations < 1:
        raise ValueError(f"[spectral_norm] got n_power_iterations={n_power_iterations}, expected at least 1")
    if _hook_of(module, name) is not None:
        raise RuntimeError(f"[spectral_norm] {name!r} has it already")
    weight = module._parameters.get(name)
    if weight is None:
        raise ValueError(f"[spectral_norm] {type(module).__name__} has no parameter {name!r}")
    hook = _SpectralNorm(name, n_power_iterations, eps, usual_dim(module) if dim is None else dim)
    matrix = as_matrix(weight.detach(), hook.dim)
    del module._parameters[name]
    module.register_parameter(name + "_orig", weight)
    module.register_buffer(name + "_u", normalized(randn(matrix.shape[0], dtype=weight.dtype), eps))
    module.register_buffer(name + "_v", normalized(randn(matrix.shape[1], dtype=weight.dtype), eps))
    iterate(matrix, getattr(module, name + "_u"), getattr(module, name + "_v"), 15, eps, False)
    object.__setattr__(module, name, weight.detach())
    module.register_forward_pre_hook(hook)
    return module


def _hook_of(module: Module, name: str) -> Any:
    for key, (hook, _) in (module._forward_pre_hooks or {}).items():
        if isinstance(hook, _SpectralNorm) and hook.name == name:
            return key, hook
    return None


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight a plain parameter again, with its present value."""
    found = _hook_of(module, name)
    if found is None:
        raise ValueError(f"[remove_spectral_norm] {name!r} of {type(module).__name__} has none")
    key, hook = found
    with no_grad():
        value = hook.weight(module, False).detach()
    del module._forward_pre_hooks[key]  # type: ignore[attr-defined]
    if not module._forward_pre_hooks:
        module._forward_pre_hooks = None  # type: ignore[assignment]
    object.__delattr__(module, name)
    del module._parameters[name + "_orig"], module._buffers[name + "_u"], module._buffers[name + "_v"]
    module.register_parameter(name, Parameter(core.as_tensor(value)))
    return module
