"""Backward hooks of modules."""

from __future__ import annotations

from typing import Any

from corten.autograd import Function
from corten.tensor import Tensor


class _Pass(Function):
    """The identity, as a place on the tape that sees all gradients at once."""

    @staticmethod
    def forward(ctx: Any, seen: Any, *tensors: Any) -> Any:
        ctx.seen = seen
        ctx.set_materialize_grads(False)
        return tuple(t.detach() for t in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        changed = ctx.seen(grads)
        return (None, *(grads if changed is None else changed))


class BackwardGate:
    """Catches the gradients of a module's outputs and inputs for its backward hooks."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.grad_output: tuple[Any, ...] = ()

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, through a gate where their gradients will be seen."""
        places = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
        self.has_inputs = bool(places)
        if not places:
            return args
        passed = _Pass.apply(self.inputs_ready, *(args[i] for i in places))
        out = list(args)
        for i, t in zip(places, passed, strict=True):
            out[i] = t
        return tuple(out)

    def leave(self, out: Any) -> Any:
        """The output, through a gate where its gradient will be seen."""
        outs = out if isinstance(out, tuple) else (out,)
        places = [i for i, o in enumerate(outs) if isinstance(o, Tensor) and o.requires_grad]
        if not places:
            return out
        passed = _Pass.apply(self.outputs_ready, *(outs[i] for i in places))
        made = list(outs)
        for i, t in zip(places, passed, strict=True):
            made[i] = t
        return tuple(made) if isinstance(out, tuple) else made[0]

    def outputs_ready(self, grads: tuple[Any, ...]) -> Any:
        """The gradients of the outputs are known."""
        for hook in list((self.module._backward_pre_hooks or {}).values()):
            changed = hook(self.module, grads)
            if changed is not None:
                grads = changed if isinstance(changed, tuple) else (changed,)
        self.grad_output = grads
        if not self.has_inputs:
            for hook in list((self.module._backward_hooks or {}).values()):
                hook(self.module, (None,), grads)
        return grads

    def inputs_ready(self, grads: tuple[Any, ...]) -> Any:
        """The gradients of the inputs are known."""
        for hook in list((self.module._backward_hooks or {}).values()):
            changed = hook(self.module, grads, self.grad_output)
            if changed is not None:
                grads = changed if isinstance(changed, tuple) else (changed,)
        return grads
