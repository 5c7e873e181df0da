"""Adam and its kin."""

from __future__ import annotations

from typing import Any

import corten._core.optim as native
from corten.optim.optimizer import Optimizer, check


class Adam(Optimizer):
    """Steps scaled by running moments: :math:`p \\leftarrow p - \\eta \\hat m / (\\sqrt{\\hat v} + \\epsilon)`.

    Kingma and Ba, arXiv:1412.6980.

    Parameters
    ----------
    params : iterable
        Parameters or groups.
    lr : float
    betas : (float, float)
        Decay of the mean and of the mean square.
    eps, weight_decay : float
    amsgrad, maximize, decoupled_weight_decay : bool

    Examples
    --------
    >>> import corten
    >>> p = corten.nn.Parameter(corten.ones(2))
    >>> (p * p).sum().backward()
    >>> corten.optim.Adam([p], lr=0.1).step()
    >>> p.detach()
    tensor([0.9000, 0.9000])
    """

    def __init__(self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, amsgrad: bool = False, *, foreach: bool | None = None, maximize: bool = False,
                 capturable: bool = False, differentiable: bool = False, fused: bool | None = None,
                 decoupled_weight_decay: bool = False) -> None:  # fmt: skip
        check(type(self).__name__, lr=lr, eps=eps, weight_decay=weight_decay, betas=betas, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
                                  "maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay})  # fmt: skip

    def update(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        """One fused pass."""
        names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")[: 3 if group["amsgrad"] else 2]
        states = self.tensors(params, *names)
        native.adam("Adam", params, grads, states[0], states[1], states[2] if group["amsgrad"] else None, self.count(params),
                    group["lr"], *group["betas"], group["eps"], group["weight_decay"], group["decoupled_weight_decay"],
                    group["maximize"])  # fmt: skip


class AdamW(Adam):
    """Adam with weight decay taken from the parameter directly. Loshchilov and Hutter, arXiv:1711.05101."""

    def __init__(self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 1e-2, amsgrad: bool = False, **rest: Any) -> None:  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, **{**rest, "decoupled_weight_decay": True})


class Adamax(Optimizer):
    """Adam with the infinity norm. Kingma and Ba, arXiv:1412.6980."""

    def __init__(self, params: Any, lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, foreach: bool | None = None, *, maximize: bool = False,
                 differentiable: bool = False, capturable: bool = False) -> None:  # fmt: skip
        check("Adamax", lr=lr, eps=eps, weight_decay=weight_decay, betas=betas, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize})

    def update(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        """One fused pass."""
        mean, norm = self.tensors(params, "exp_avg", "exp_inf")
        native.adam("Adamax", params, grads, mean, norm, None, self.count(params), group["lr"], *group["betas"],
                    group["eps"], group["weight_decay"], False, group["maximize"])  # fmt: skip


class RAdam(Optimizer):
    """Adam with a rectified variance. Liu et al., arXiv:1908.03265."""

    def __init__(self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, decoupled_weight_decay: bool = False, *, foreach: bool | None = None,
                 maximize: bool = False, capturable: bool = False, differentiable: bool = False) -> None:  # fmt: skip
        check("RAdam", lr=lr, eps=eps, weight_decay=weight_decay, betas=betas, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
                                  "decoupled_weight_decay": decoupled_weight_decay})  # fmt: skip

    def update(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        """One fused pass."""
        mean, square = self.tensors(params, "exp_avg", "exp_avg_sq")
        native.adam("RAdam", params, grads, mean, square, None, self.count(params), group["lr"], *group["betas"],
                    group["eps"], group["weight_decay"], group["decoupled_weight_decay"], group["maximize"])  # fmt: skip


class NAdam(Optimizer):
    """Adam with Nesterov momentum. Dozat 2016."""

    def __init__(self, params: Any, lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *,
                 foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
                 differentiable: bool = False) -> None:  # fmt: skip
        check("NAdam", lr=lr, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay, betas=betas, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                                  "momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay,
                                  "maximize": maximize})  # fmt: skip

    def update(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        """One fused pass."""
        mean, square = self.tensors(params, "exp_avg", "exp_avg_sq")
        products = [self.state[p].get("mu_product", 1.0) for p in params]
        native.nadam(params, grads, mean, square, products, self.count(params), group["lr"], *group["betas"], group["eps"],
                     group["weight_decay"], group["momentum_decay"], group["decoupled_weight_decay"],
                     group["maximize"])  # fmt: skip
        for p, product in zip(params, products, strict=True):
            self.state[p]["mu_product"] = product
