"""Steps scaled by past gradients: RMSprop, Adagrad, Adadelta."""

from __future__ import annotations

from typing import Any

import corten._core.optim as native
from corten._core import core
from corten.optim.optimizer import Optimizer, check


class RMSprop(Optimizer):
    """Steps divided by a running root mean square. Tieleman and Hinton 2012."""

    def __init__(self, params: Any, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0,
                 momentum: float = 0, centered: bool = False, capturable: bool = False, foreach: bool | None = None,
                 maximize: bool = False, differentiable: bool = False) -> None:  # fmt: skip
        check("RMSprop", lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum,
                                  "centered": centered, "maximize": maximize})  # fmt: skip

    def update(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        """One fused pass."""
        self.count(params)
        (square,) = self.tensors(params, "square_avg")
        buffers = self.tensors(params, "momentum_buffer")[0] if group["momentum"] > 0 else None
        mean = self.tensors(params, "grad_avg")[0] if group["centered"] else None
        native.rmsprop(params, grads, square, buffers, mean, group["lr"], group["alpha"], group["eps"],
                       group["weight_decay"], group["momentum"], group["maximize"])  # fmt: skip


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of squares. Duchi et al. 2011."""

    def __init__(self, params: Any, lr: float = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
                 initial_accumulator_value: float = 0, eps: float = 1e-10, foreach: bool | None = None, *,
                 maximize: bool = False, differentiable: bool = False, fused: bool | None = None) -> None:  # fmt: skip
        check("Adagrad", lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps,
              initial_accumulator_value=initial_accumulator_value, differentiable=differentiable)  # fmt: skip
        super().__init__(params, {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps,
                                  "initial_accumulator_value": initial_accumulator_value, "maximize": maximize})  # fmt: skip
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = {"step": 0, "sum": core.full(tuple(p.shape), group["initial_accumulator_value"], dtype=p.dtype)}

    def update(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        """One fused pass."""
        (total,) = self.tensors(params, "sum")
        native.adagrad(params, grads, total, self.count(params), group["lr"], group["lr_decay"], group["eps"],
                       group["weight_decay"], group["maximize"])  # fmt: skip


class Adadelta(Optimizer):
    """Steps scaled by past updates over past gradients. Zeiler, arXiv:1212.5701."""

    def __init__(self, params: Any, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0,
                 foreach: bool | None = None, *, capturable: bool = False, maximize: bool = False,
                 differentiable: bool = False) -> None:  # fmt: skip
        check("Adadelta", lr=lr, eps=eps, weight_decay=weight_decay, differentiable=differentiable)
        if not 0 <= rho <= 1:
            raise ValueError(f"[Adadelta] got rho={rho}, expected a number of [0, 1]")
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize})

    def update(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        """One fused pass."""
        self.count(params)
        square, updates = self.tensors(params, "square_avg", "acc_delta")
        native.adadelta(params, grads, square, updates, group["lr"], group["rho"], group["eps"], group["weight_decay"],
                        group["maximize"])  # fmt: skip
