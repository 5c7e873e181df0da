"""Averaged and sign-based descent: ASGD, Rprop."""

from __future__ import annotations

from typing import Any

from corten._core import core
from corten.autograd import no_grad
from corten.ops.pointwise import where
from corten.optim.optimizer import Optimizer, check


class ASGD(Optimizer):
    """Gradient descent with falling steps, and the average of its way in ``state[p]["ax"]``. Polyak and Juditsky 1992.

    Parameters
    ----------
    params : iterable
        Parameters or groups.
    lr, lambd, alpha : float
        Step t has the rate :math:`\\eta / (1 + \\lambda \\eta t)^\\alpha`.
    t0 : float
        Step from which on to average.
    weight_decay : float
    """

    def __init__(self, params: Any, lr: float = 1e-2, lambd: float = 1e-4, alpha: float = 0.75, t0: float = 1e6,
                 weight_decay: float = 0, foreach: bool | None = None, maximize: bool = False,
                 differentiable: bool = False, capturable: bool = False) -> None:  # fmt: skip
        check("ASGD", lr=lr, weight_decay=weight_decay, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay,
                                  "maximize": maximize})  # fmt: skip

    @no_grad()
    def update(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        """One step of each parameter."""
        (averages,) = self.tensors(params, "ax")
        lr, lambd = float(group["lr"]), group["lambd"]
        for p, g, average, step in zip(params, grads, averages, self.count(params), strict=True):
            state = self.state[p]
            eta, mu = state.get("eta", lr), state.get("mu", 1.0)
            g = -g if group["maximize"] else g
            if group["weight_decay"]:
                g = g + p * group["weight_decay"]
            p.mul_(1 - lambd * eta).sub_(g * eta)
            if mu == 1:
                average.copy_(p)
            else:
                average.add_((p - average) * mu)
            state["eta"] = lr / (1 + lambd * lr * step) ** group["alpha"]
            state["mu"] = 1 / max(1, step - group["t0"])


class Rprop(Optimizer):
    """Steps by the signs of the gradients, longer while they stay the same. Riedmiller and Braun 1993.

    Parameters
    ----------
    params : iterable
        Parameters or groups.
    lr : float
        Length of the first step.
    etas : (float, float)
        Factors of the length after a change of sign, and without one.
    step_sizes : (float, float)
        Least and greatest length.
    """

    def __init__(self, params: Any, lr: float = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
                 step_sizes: tuple[float, float] = (1e-6, 50), *, capturable: bool = False, foreach: bool | None = None,
                 maximize: bool = False, differentiable: bool = False) -> None:  # fmt: skip
        check("Rprop", lr=lr, differentiable=differentiable)
        if not 0 < etas[0] < 1 < etas[1]:
            raise ValueError(f"[Rprop] got etas={etas}, expected one between 0 and 1 and one above 1")
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize})

    @no_grad()
    def update(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        """One step of each parameter."""
        self.count(params)
        (shorter, longer), (least, most) = group["etas"], group["step_sizes"]
        for p, g in zip(params, grads, strict=True):
            state = self.state[p]
            if "prev" not in state:
                state["prev"] = core.zeros(tuple(p.shape), dtype=p.dtype)
                state["step_size"] = core.full(tuple(p.shape), float(group["lr"]), dtype=p.dtype)
            g = -g if group["maximize"] else g
            change = g * state["prev"]
            factor = where(change > 0, longer, where(change < 0, shorter, 1.0)).to(p.dtype)
            state["step_size"].mul_(factor).clamp_(min=least, max=most)
            g = where(change < 0, 0.0, g)
            p.sub_(g.sign() * state["step_size"])
            state["prev"].copy_(g)
