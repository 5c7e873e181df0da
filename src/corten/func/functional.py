"""Jacobians and products with them, under the names and arguments of ``torch.autograd.functional``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from corten import autograd
from corten._core import core
from corten.ops.view import stack

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensor = core.TensorBase


def _tuple(x: Any) -> tuple[Any, ...]:
    return (x,) if isinstance(x, Tensor) else tuple(x)


def _inputs(inputs: Any, create_graph: bool) -> tuple[Any, ...]:
    return tuple(x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_() for x in _tuple(inputs))


def _finish(values: Any, create_graph: bool, single: bool) -> Any:
    done = tuple(v if create_graph else v.detach() for v in values)
    return done[0] if single else done


def _gradients(name: str, outs: Any, ins: Any, seeds: Any, strict: bool) -> list[Any]:
    live = [(o, s) for o, s in zip(outs, seeds, strict=True) if o.requires_grad]
    if not live:
        found: Any = [None] * len(ins)
    else:
        found = autograd.grad([o for o, _ in live], ins, [s for _, s in live], retain_graph=True, create_graph=True, allow_unused=True)
    if strict and any(g is None for g in found):
        raise RuntimeError(f"[{name}] an output does not depend on an input (strict=True)")
    return [core.zeros_like(x) if g is None else g for g, x in zip(found, ins, strict=True)]


def _seeds(name: str, v: Any, like: tuple[Any, ...]) -> tuple[Any, ...]:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"[{name}] v may be left out for one value of one element alone")
        return (core.ones_like(like[0]),)
    given = _tuple(v)
    if [tuple(s.shape) for s in given] != [tuple(x.shape) for x in like]:
        raise RuntimeError(f"[{name}] got v of {[tuple(s.shape) for s in given]}, expected {[tuple(x.shape) for x in like]}")
    return given


def vjp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """The value of ``func``, and ``v`` times its Jacobian."""
    with autograd.enable_grad():
        ins = _inputs(inputs, create_graph)
        out = func(*ins)
        outs = _tuple(out)
        grads = _gradients("vjp", outs, ins, _seeds("vjp", v, outs), strict)
    return _finish(outs, create_graph, isinstance(out, Tensor)), _finish(grads, create_graph, isinstance(inputs, Tensor))


def jvp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """The value of ``func``, and its Jacobian times ``v``: the backward of a backward."""
    with autograd.enable_grad():
        ins = _inputs(inputs, create_graph)
        out = func(*ins)
        outs = _tuple(out)
        zero = tuple(core.zeros_like(o).detach().requires_grad_() for o in outs)
        pulled = _gradients("jvp", outs, ins, zero, strict)
        pushed = _gradients("jvp", pulled, zero, _seeds("jvp", v, ins), False)
    return _finish(outs, create_graph, isinstance(out, Tensor)), _finish(pushed, create_graph, isinstance(out, Tensor))


def jacobian(func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
             strategy: str = "reverse-mode") -> Any:  # fmt: skip
    """The Jacobian of ``func``: (output..., input...) for each output and input.

    Examples
    --------
    >>> import corten
    >>> corten.func.functional.jacobian(lambda x: x**2, corten.tensor([1.0, 3.0]))
    tensor([[2., 0.],
            [0., 6.]])
    """
    with autograd.enable_grad():
        ins = _inputs(inputs, create_graph)
        out = func(*ins)
        rows = []
        for o in _tuple(out):
            flat = o.reshape(-1)
            each = [_gradients("jacobian", (flat[k],), ins, (core.ones_like(flat[k]),), strict) for k in range(flat.shape[0])]
            parts = [stack(list(c)).reshape((*o.shape, *x.shape)) for c, x in zip(zip(*each, strict=True), ins, strict=True)]
            rows.append(_finish(parts, create_graph, isinstance(inputs, Tensor)))
    return rows[0] if isinstance(out, Tensor) else tuple(rows)


def hessian(func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
            outer_jacobian_strategy: str = "reverse-mode") -> Any:  # fmt: skip
    """The second derivatives of ``func``, which returns one number: a matrix for each pair of inputs."""

    probe = func(*_tuple(inputs))
    if not isinstance(probe, Tensor) or probe.numel() != 1:
        raise RuntimeError("[hessian] the function returned more than one number")

    def one(*ins: Any) -> Any:
        return func(*ins).reshape(())

    def gradient(*ins: Any) -> Any:
        tracked = tuple(x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in ins)
        value = one(*tracked)
        found = _gradients("hessian", (value,), tracked, (core.ones_like(value),), strict)
        return found[0] if isinstance(inputs, Tensor) else tuple(found)

    return jacobian(gradient, inputs, create_graph, False)


def vhp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """The value of ``func``, which returns one number, and ``v`` times its second derivatives."""
    with autograd.enable_grad():
        ins = _inputs(inputs, create_graph)
        out = func(*ins)
        if not isinstance(out, Tensor) or out.numel() != 1:
            raise RuntimeError("[vhp] the function returned more than one number")
        grads = _gradients("vhp", (out,), ins, (core.ones_like(out),), strict)
        products = _gradients("vhp", grads, ins, _seeds("vhp", v, ins), False)
    return _finish((out,), create_graph, True), _finish(products, create_graph, isinstance(inputs, Tensor))


hvp = vhp  # second derivatives are symmetric
