"""Optimizers that treat matrices as such: Adafactor, Muon."""

from __future__ import annotations

import math
from typing import Any

from corten._core import core
from corten.autograd import no_grad
from corten.optim.optimizer import Optimizer, check


def _rms(x: Any) -> float:
    return math.sqrt(float((x * x).sum().item())) / math.sqrt(x.numel())


class Adafactor(Optimizer):
    """Steps scaled by mean squares that are kept by row and by column alone. Shazeer and Stern, arXiv:1804.04235.

    Parameters
    ----------
    params : iterable
        Parameters or groups.
    lr : float
        Greatest relative step.
    beta2_decay : float
        Exponent of the decay of the mean squares, :math:`1 - t^\\beta`.
    eps : (float or None, float)
        Least root mean square of a gradient (None: the dtype's epsilon), and of a parameter.
    d : float
        Root mean square that an update is clipped to.
    weight_decay : float
    """

    def __init__(self, params: Any, lr: float = 1e-2, beta2_decay: float = -0.8, eps: tuple[float | None, float] = (None, 1e-3),
                 d: float = 1.0, weight_decay: float = 0.0, *, foreach: bool | None = None, maximize: bool = False) -> None:  # fmt: skip
        check("Adafactor", lr=lr, weight_decay=weight_decay, eps=eps[1])
        if beta2_decay > 0:
            raise ValueError(f"[Adafactor] got beta2_decay={beta2_decay}, expected at most 0")
        if d < 1:
            raise ValueError(f"[Adafactor] got d={d}, expected at least 1")
        super().__init__(params, {"lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay,
                                  "maximize": maximize})  # fmt: skip

    @no_grad()
    def update(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        """One step of each parameter."""
        lr, (eps1, eps2) = float(group["lr"]), group["eps"]
        for p, g, step in zip(params, grads, self.count(params), strict=True):
            state = self.state[p]
            g = -g if group["maximize"] else g
            eps = core.finfo(p.dtype).eps if eps1 is None else eps1
            fresh = step ** group["beta2_decay"]
            length = max(eps2, _rms(p)) * min(lr, 1 / math.sqrt(step))
            if group["weight_decay"]:
                p.mul_(1 - lr * group["weight_decay"])
            if g.ndim > 1:
                if "row_var" not in state:
                    state["row_var"] = g.new_zeros((*g.shape[:-1], 1))
                    state["col_var"] = g.new_zeros((*g.shape[:-2], 1, g.shape[-1]))
                row, column = state["row_var"], state["col_var"]
                square = g * g
                row.lerp_(square.mean(-1, keepdim=True), fresh)
                column.lerp_(square.mean(-2, keepdim=True), fresh)
                variance = (row @ column) / row.mean(-2, keepdim=True).clamp(min=eps)
            else:
                if "variance" not in state:
                    state["variance"] = core.zeros_like(g)
                variance = state["variance"].lerp_(g * g, fresh)
            change = variance.clamp(min=eps * eps).rsqrt() * g
            p.sub_(change * (length / max(1.0, _rms(change) / group["d"])))


class Muon(Optimizer):
    """Momentum made orthogonal by Newton and Schulz's iteration, for matrices. Jordan et al. 2024.

    Parameters
    ----------
    params : iterable
        Matrices or groups of them; other parameters belong to another optimizer.
    lr, weight_decay, momentum : float
    nesterov : bool
    ns_coefficients : (float, float, float)
        :math:`X \\leftarrow a X + (b X X^T + c (X X^T)^2) X`.
    eps : float
    ns_steps : int
        Iterations; below 100.
    adjust_lr_fn : {None, 'original', 'match_rms_adamw'}
        Factor of the rate: :math:`\\sqrt{\\max(1, r / c)}` of r rows and c columns, or :math:`0.2 \\sqrt{\\max(r, c)}`.

    Notes
    -----
    The iteration runs in bfloat16, as in PyTorch: its results are right to some 1 %.
    """

    def __init__(self, params: Any, lr: float = 1e-3, weight_decay: float = 0.1, momentum: float = 0.95, nesterov: bool = True,
                 ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315), eps: float = 1e-7, ns_steps: int = 5,
                 adjust_lr_fn: str | None = None) -> None:  # fmt: skip
        check("Muon", lr=lr, weight_decay=weight_decay, momentum=momentum)
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"[Muon] got adjust_lr_fn={adjust_lr_fn!r}, expected None, 'original' or 'match_rms_adamw'")
        if ns_steps >= 100 or len(ns_coefficients) != 3:
            raise ValueError(f"[Muon] got ns_steps={ns_steps}, ns_coefficients={ns_coefficients}, expected below 100, and three")
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
                                  "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps,
                                  "adjust_lr_fn": adjust_lr_fn})  # fmt: skip
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(f"[Muon] got a parameter of shape {tuple(p.shape)}, expected matrices")

    @no_grad()
    def update(self, group: dict[str, Any], params: list[Any], grads: list[Any]) -> None:
        """One step of each matrix."""
        lr, momentum = float(group["lr"]), group["momentum"]
        (buffers,) = self.tensors(params, "momentum_buffer")
        for p, g, buffer in zip(params, grads, buffers, strict=True):
            buffer.lerp_(g, 1 - momentum)
            change = orthogonalized(g.lerp(buffer, momentum) if group["nesterov"] else buffer, group["ns_coefficients"],
                                    group["ns_steps"], group["eps"])  # fmt: skip
            rows, columns = p.shape
            match = group["adjust_lr_fn"] == "match_rms_adamw"
            ratio = 0.2 * math.sqrt(max(rows, columns)) if match else math.sqrt(max(1, rows / columns))
            p.mul_(1 - lr * group["weight_decay"]).sub_(change.to(p.dtype) * (lr * ratio))


def orthogonalized(x: Any, coefficients: tuple[float, float, float], steps: int, eps: float) -> Any:
    """A matrix with its singular values brought near 1, in bfloat16."""
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    x = x.to(core._dtype_by_name("bfloat16"))
    x = x.T if tall else x
    x = x / (x * x).sum().sqrt().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if tall else x
