"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import corten._core.optim as native
from corten._core import core
from corten.optim.optimizer import Optimizer, check


class SGD(Optimizer):
    """Gradient descent: :math:`p \\leftarrow p - \\eta v`, :math:`v \\leftarrow \\mu v + (1 - d) g`.

    Parameters
    ----------
    params : iterable
        Parameters or groups.
    lr : float
        Learning rate.
    momentum, dampening, weight_decay : float
    nesterov, maximize : bool

    Examples
    --------
    >>> import corten
    >>> p = corten.nn.Parameter(corten.ones(2))
    >>> (p * p).sum().backward()
    >>> corten.optim.SGD([p], lr=0.1).step()
    >>> p.detach()
    tensor([0.8000, 0.8000])
    """

    def __init__(self, params: Any, lr: float = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: float = 0,
                 nesterov: bool = False, *, maximize: bool = False, foreach: bool | None = None,
                 differentiable: bool = False, fused: bool | None = None) -> None:  # fmt: skip
        check("SGD", lr=lr, momentum=momentum, weight_decay=weight_decay, differentiable=differentiable)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("[SGD] nesterov needs a momentum and no dampening")
        super().__init__(params, {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
                                  "nesterov": nesterov, "maximize": maximize})  # fmt: skip

    def update(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        """One fused pass."""
        momentum = group["momentum"]
        buffers = steps = None
        if momentum:
            buffers, steps = [], []
            for p in params:
                state = self.state[p]
                steps.append(2 if state.get("momentum_buffer") is not None else 1)
                if steps[-1] == 1:
                    state["momentum_buffer"] = core.zeros(tuple(p.shape), dtype=p.dtype)
                buffers.append(state["momentum_buffer"])
        native.sgd(params, grads, buffers, steps, group["lr"], momentum, group["dampening"], group["weight_decay"],
                   group["nesterov"], group["maximize"])  # fmt: skip
