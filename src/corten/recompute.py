"""Recomputation: what a function computes is not kept for backward but computed again there. Chen et al., arXiv:1604.06174."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from corten._core import core
from corten.autograd import Function, backward, enable_grad, no_grad
from corten.ops.random import default_generator

__all__ = ["checkpoint", "checkpoint_sequential"]


class _Recompute(Function):
    """Runs a function off the tape, and again on it in backward."""

    @staticmethod
    def forward(ctx: Any, fn: Any, contexts: Any, keep_rng: bool, *args: Any) -> Any:
        ctx.fn, ctx.again, ctx.args = fn, contexts[1], args
        ctx.rng = default_generator.get_state() if keep_rng else None
        ctx.save_for_backward(*(a if isinstance(a, core.TensorBase) else None for a in args))
        ctx.set_materialize_grads(False)
        with no_grad(), contexts[0]:
            return fn(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        tensors = ctx.saved_tensors
        inputs = []
        for a, t in zip(ctx.args, tensors, strict=True):
            inputs.append(a if t is None else t.detach().requires_grad_(t.requires_grad))
        now = default_generator.get_state()
        if ctx.rng is not None:
            default_generator.set_state(ctx.rng)
        try:
            with enable_grad(), ctx.again:
                out = ctx.fn(*inputs)
        finally:
            default_generator.set_state(now)
        outs = out if isinstance(out, tuple) else (out,)
        live = [(o, g) for o, g in zip(outs, grads, strict=True)
                if g is not None and isinstance(o, core.TensorBase) and o.requires_grad]  # fmt: skip
        if live:
            backward([o for o, _ in live], [g for _, g in live])
        return (None, None, None, *(i.grad if t is not None else None for i, t in zip(inputs, tensors, strict=True)))


def checkpoint(function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None,
               context_fn: Callable[[], Any] | None = None, determinism_check: str = "default", debug: bool = False,
               preserve_rng_state: bool = True, **kwargs: Any) -> Any:  # fmt: skip
    """``function(*args, **kwargs)``, computed again in backward instead of kept.

    Parameters
    ----------
    function : callable
        Returns a tensor or a tuple of them; it may use parameters.
    preserve_rng_state : bool
        Whether the second run draws the same random numbers.
    context_fn : callable, optional
        Gives the contexts of the first and of the second run.

    Examples
    --------
    >>> import corten
    >>> from corten.recompute import checkpoint
    >>> x = corten.ones(3, requires_grad=True)
    >>> checkpoint(lambda t: (t * 2).sin(), x).sum().backward()
    >>> x.grad
    tensor([-0.8323, -0.8323, -0.8323])
    """
    if not core.is_grad_enabled():
        return function(*args, **kwargs)
    contexts = (nullcontext(), nullcontext()) if context_fn is None else context_fn()
    anchor = core.zeros(0, requires_grad=True)  # so that it is recorded when only parameters want a gradient

    def run(_: Any, *inputs: Any) -> Any:
        return function(*inputs, **kwargs)

    return _Recompute.apply(run, contexts, preserve_rng_state, anchor, *args)


def checkpoint_sequential(functions: Any, segments: int, input: Any, use_reentrant: bool | None = None,
                          preserve_rng_state: bool = True) -> Any:  # fmt: skip
    """Layers in a row, in segments of which all but the last are computed again in backward."""
    layers = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(layers) // segments
    if size < 1:
        raise ValueError(f"[checkpoint_sequential] got {segments} segments for {len(layers)} layers")

    def part(start: int, end: int) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            for layer in layers[start:end]:
                x = layer(x)
            return x

        return run

    for i in range(segments - 1):
        input = checkpoint(part(i * size, (i + 1) * size), input, preserve_rng_state=preserve_rng_state)
    return part((segments - 1) * size, len(layers))(input)
