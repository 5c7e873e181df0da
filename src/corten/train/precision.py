"""Weights stored in bfloat16 while float32 masters are trained."""

from __future__ import annotations

from typing import Any

from corten._core import core
from corten.nn import Parameter

BFLOAT16 = core._dtype_by_name("bfloat16")
FLOAT32 = core._dtype_by_name("float32")


class MixedStorage:
    """A model whose parameters are bfloat16 while it computes; the optimizer keeps the float32 originals.

    Gradients arrive in bfloat16 and are handed to the masters in float32; after a step the masters are rounded into the
    model. Buffers such as running means stay float32. :meth:`leave` puts the masters back into the model, so that outside
    of ``fit`` the model, its optimizer and its state dict are one float32 thing.

    Parameters
    ----------
    model : Module
        With float32 parameters.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.places: list[tuple[dict[str, Any], str, Any, Any]] = []  # where, name, master, stored
        twins: dict[int, Any] = {}
        for module in model.modules():
            for name, master in module._parameters.items():
                if master is None:
                    continue
                if master.dtype is not FLOAT32:
                    raise TypeError(f"[Trainer] precision 'bfloat16' got a parameter of {master.dtype}, expected float32")
                if id(master) not in twins:  # a shared parameter stays shared
                    twins[id(master)] = Parameter(master.detach().to(BFLOAT16), master.requires_grad)
                self.places.append((module._parameters, name, master, twins[id(master)]))
        self.pairs = list({id(m): (m, s) for _, _, m, s in self.places}.values())
        self.enter()

    def enter(self) -> None:
        """Put the bfloat16 parameters into the model."""
        for store, name, _, stored in self.places:
            store[name] = stored

    def inputs(self, values: Any) -> Any:
        """Floating inputs in bfloat16."""
        if isinstance(values, core.TensorBase):
            return values.to(BFLOAT16) if values.is_floating_point() else values
        return values

    def outputs(self, values: Any) -> Any:
        """bfloat16 outputs in float32, for the loss."""
        if isinstance(values, core.TensorBase):
            return values.to(FLOAT32) if values.dtype is BFLOAT16 else values
        if isinstance(values, (list, tuple)):
            return type(values)(self.outputs(v) for v in values)
        return values

    def gather(self) -> None:
        """Move the gradients from the model to the masters, adding to what is there."""
        for master, stored in self.pairs:
            if stored.grad is not None:
                grad = stored.grad.to(FLOAT32)
                master.grad = grad if master.grad is None else master.grad + grad
                stored.grad = None

    def spread(self) -> None:
        """Round the masters into the model."""
        for master, stored in self.pairs:
            core._copy_into(stored.detach(), master.detach())

    def leave(self) -> None:
        """Give the model its float32 parameters back."""
        for store, name, master, _ in self.places:
            store[name] = master
