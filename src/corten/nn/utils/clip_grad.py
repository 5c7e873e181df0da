"""Norms and limits of gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import corten._core.optim as native
from corten._core import core
from corten.autograd import no_grad

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def _gradients(parameters: Any) -> list[Any]:
    members = [parameters] if isinstance(parameters, core.TensorBase) else list(parameters)
    return [p.grad.detach() for p in members if p.grad is not None]


def _fused(tensors: list[Any]) -> bool:
    """Whether one native pass can take them all."""
    first = tensors[0].dtype
    return first.name in ("float32", "float64") and all(t.dtype is first and t.is_contiguous() for t in tensors)


@no_grad()
def get_total_norm(tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None) -> Any:
    """The norm of all tensors as if they were one vector: 0-d.

    Raises RuntimeError for a norm that is not finite, with ``error_if_nonfinite``.
    """
    members = [tensors] if isinstance(tensors, core.TensorBase) else list(tensors)
    p = float(norm_type)
    if not members:
        return core.tensor(0.0)
    dtype = members[0].dtype
    if p == 2 and _fused(members):
        total = math.sqrt(native.sum_square(members))
    elif p == math.inf and _fused(members):
        total = native.max_abs(members)
    elif math.isinf(p):
        each = [float((t.abs().amax() if p > 0 else t.abs().amin()).item()) for t in members]
        total = max(each) if p > 0 else min(each)
    elif p == 0:
        total = float(sum(bool((t != 0).any()) for t in members))
    else:
        total = sum(float((t.abs() ** p).sum().item()) for t in members) ** (1 / p)
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"[get_total_norm] the norm of order {p} is {total}; pass error_if_nonfinite=False to go on")
    return core.tensor(total, dtype=dtype)


@no_grad()
def clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Any, foreach: bool | None = None) -> None:
    """Scale the gradients so that a known norm of theirs becomes at most ``max_norm``."""
    grads = _gradients(parameters)
    factor = min(1.0, float(max_norm) / (float(total_norm) + 1e-6))
    if not grads:
        return
    if _fused(grads):
        native.scale(grads, factor)
        return
    for g in grads:
        g.mul_(factor)


def clip_grad_norm_(parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False,
                    foreach: bool | None = None) -> Any:  # fmt: skip
    """Scale the gradients so that their common norm is at most ``max_norm``; returns the norm before. Pascanu et al. 2013.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
    max_norm : float
    norm_type : float
        Order of the norm; may be inf.
    error_if_nonfinite : bool
        Raise RuntimeError for a norm that is NaN or infinite.

    Examples
    --------
    >>> import corten
    >>> p = corten.nn.Parameter(corten.ones(4))
    >>> (3 * p).sum().backward()
    >>> corten.nn.utils.clip_grad_norm_(p, 1.0)
    tensor(6.)
    >>> p.grad
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    members = [parameters] if isinstance(parameters, core.TensorBase) else list(parameters)
    total = get_total_norm(_gradients(members), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(members, max_norm, total)
    return total


clip_grad_norm = clip_grad_norm_


@no_grad()
def clip_grad_value_(parameters: Any | Iterable[Any], clip_value: float, foreach: bool | None = None) -> None:
    """Limit every entry of the gradients to [-clip_value, clip_value]."""
    value = float(clip_value)
    grads = _gradients(parameters)
    if grads and _fused(grads):
        native.clamp(grads, -value, value)
        return
    for g in grads:
        g.clamp_(min=-value, max=value)
