"""Losses on native kernels: forward reduced as it goes, gradients in one pass."""

from __future__ import annotations

from typing import Any

from corten.ops.activation import log_softmax_op, sigmoid, softmax_op, softplus
from corten.ops.declare import op
from corten.ops.pointwise import where

REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}


def old_reduction(reduction: str, size_average: Any, reduce: Any) -> str:
    """The reduction that two older parameters, if given, stand for."""
    if size_average is None and reduce is None:
        return reduction
    return "none" if reduce is False else "sum" if size_average is False else "mean"


def reduction_code(name: str, reduction: str) -> int:
    """The kernel's number for a reduction."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"[{name}] got reduction={reduction!r}, expected 'none', 'mean' or 'sum'")
    return REDUCTIONS[reduction]


def item_shape(x: Any, code: int) -> tuple[int, ...]:
    """The loss's shape: of the items, or 0-d."""
    return tuple(x) if code == 0 else ()


def without_classes(shape: Any) -> tuple[int, ...]:
    """(N, C, S...) without C."""
    return (shape[0], *shape[2:])


# ---- cross-entropy with class indices

cross_entropy_grad = op(
    "cross_entropy_grad(grad, input, target: int64, weight: Tensor?, lse, total, *, reduction: int, ignore_index: int, "
    "label_smoothing: float) -> d_input", kernel="cross_entropy_index_grad", function=False,
    shape=lambda g, x, *rest: x, doc="Gradient of cross_entropy for its logits, (N, C, S...).")  # fmt: skip


def _cross_entropy_vjp(g_loss: Any, input: Any, target: Any, weight: Any, reduction: int, ignore_index: int,
                       label_smoothing: float, needs: Any) -> Any:  # fmt: skip
    """p - q, weighted: written in ops, so that it can be differentiated again."""
    classes = input.shape[1]
    kept = target != ignore_index
    safe = where(kept, target, 0)
    picked = safe.unsqueeze(1)
    w = input.new_ones(classes) if weight is None else weight
    w_item = w[safe] * kept.to(input.dtype)
    if reduction == 0:
        g = g_loss
    elif reduction == 1:
        g = g_loss / w_item.sum()
    else:
        g = g_loss
    p = softmax_op(input, 1)
    shape = [1, classes] + [1] * (input.ndim - 2)
    hot = (core_arange(classes, shape) == picked).to(input.dtype)
    keep = kept.unsqueeze(1).to(input.dtype)
    e = label_smoothing
    hard = (1 - e) * w_item.unsqueeze(1) * (p - hot)
    soft = (e / classes) * keep * (p * w.sum() - w.reshape(shape)) if e else 0.0
    d = (g.unsqueeze(1) if reduction == 0 else g) * (hard + soft)
    return d, None, None


def core_arange(n: int, shape: Any) -> Any:
    """0 ... n - 1 in a shape."""
    from corten.ops.create import arange

    return arange(n).reshape(shape)


cross_entropy_index = op(
    "cross_entropy(input, target: int64, weight: Tensor?, *, reduction: int = 1, ignore_index: int = -100, "
    "label_smoothing: float = 0) -> loss, lse, total", kernel="cross_entropy_index", dtype="floating", function=False,
    shape=lambda x, t, w, reduction, *rest: (item_shape(without_classes(x), reduction), without_classes(x), ()),
    vjp=_cross_entropy_vjp, vjp_fused=cross_entropy_grad,
    doc="Cross-entropy of logits (N, C, S...) against class indices (N, S...).")  # fmt: skip

# ---- cross-entropy with class probabilities

cross_entropy_prob_grad = op(
    "cross_entropy_prob_grad(grad, input, target, weight: Tensor?, lse, *, reduction: int, label_smoothing: float) -> "
    "dx, dtarget", kernel="cross_entropy_prob_grad", function=False, shape=lambda g, x, *rest: (x, x),
    doc="Gradients of cross_entropy for its logits and its target probabilities.")  # fmt: skip


def _cross_entropy_prob_vjp(g_loss: Any, input: Any, target: Any, weight: Any, reduction: int, label_smoothing: float) -> Any:
    classes = input.shape[1]
    shape = [1, classes] + [1] * (input.ndim - 2)
    items = input.numel() // classes
    g = (g_loss.unsqueeze(1) if reduction == 0 else g_loss) / (items if reduction == 1 else 1)
    q = target * (1 - label_smoothing) + label_smoothing / classes
    if weight is not None:
        q = q * weight.reshape(shape)
    logp = log_softmax_op(input, 1)
    dx = g * (softmax_op(input, 1) * q.sum(1, keepdim=True) - q)
    scale = (1 - label_smoothing) * (1.0 if weight is None else weight.reshape(shape))
    return dx, -g * logp * scale, None


cross_entropy_prob = op(
    "cross_entropy_prob(input, target, weight: Tensor?, *, reduction: int = 1, label_smoothing: float = 0) -> loss, lse",
    kernel="cross_entropy_prob", dtype="floating", function=False,
    shape=lambda x, t, w, reduction, *rest: (item_shape(without_classes(x), reduction), without_classes(x)),
    vjp=_cross_entropy_prob_vjp,
    vjp_fused=lambda g_loss, input, target, weight, lse, reduction, label_smoothing: (
        *cross_entropy_prob_grad(g_loss, input, target, weight, lse, reduction=reduction,
                                 label_smoothing=label_smoothing), None),
    doc="Cross-entropy of logits (N, C, S...) against class probabilities of the same shape.")  # fmt: skip

# ---- negative log-likelihood

nll_grad = op(
    "nll_grad(grad, input, target: int64, weight: Tensor?, total, *, reduction: int, ignore_index: int) -> d_input",
    kernel="nll_loss_grad", function=False, shape=lambda g, x, *rest: x,
    doc="Gradient of nll_loss for its log-probabilities.")  # fmt: skip


def _nll_vjp(g_loss: Any, input: Any, target: Any, weight: Any, reduction: int, ignore_index: int) -> Any:
    classes = input.shape[1]
    kept = target != ignore_index
    safe = where(kept, target, 0)
    w_item = (input.new_ones(classes) if weight is None else weight)[safe] * kept.to(input.dtype)
    g = g_loss / w_item.sum() if reduction == 1 else g_loss
    shape = [1, classes] + [1] * (input.ndim - 2)
    hot = (core_arange(classes, shape) == safe.unsqueeze(1)).to(input.dtype)
    return -(g.unsqueeze(1) if reduction == 0 else g) * hot * w_item.unsqueeze(1), None, None


nll_op = op(
    "nll_op(input, target: int64, weight: Tensor?, *, reduction: int = 1, ignore_index: int = -100) -> loss, total",
    kernel="nll_loss", dtype="floating", function=False,
    shape=lambda x, t, w, reduction, *rest: (item_shape(without_classes(x), reduction), ()),
    vjp=_nll_vjp, vjp_fused=nll_grad,
    doc="Negative log-likelihood of log-probabilities (N, C, S...) at class indices (N, S...).")  # fmt: skip


def pointwise_loss(name: str, slope: Any, slope_target: Any, attr: str = "", weights: int = 0) -> Any:
    """A loss of pairs (input, target); the slopes are its derivatives, written in ops for second derivatives."""
    names = ["weight", "pos_weight"][:weights]
    extra = "".join(f", {w}: Tensor?" for w in names)
    attrs = f"reduction: int = 1{', ' + attr if attr else ''}"
    keys = [a.split(":")[0].strip() for a in attr.split(",") if a]
    grads = [op(f"{name}_{which}(grad, input, target{extra}, *, {attrs}) -> dx", kernel=f"{name}_{which}", function=False,
                shape=lambda g, x, *rest: x, doc=f"Gradient of {name}.")
             for which in ("grad", "grad_target")]  # fmt: skip
    tensors = ", ".join(["input", "target", *names])
    args = ", ".join(["g", tensors, "reduction", *keys, "needs"])
    call = ", ".join(["g", tensors, "reduction=reduction", *[f"{k}={k}" for k in keys]])
    nones = "None, " * weights
    # lambdas are made from text because the names of their parameters tell what to save
    fused = eval(f"lambda {args}: (dx({call}) if needs[0] else None, dt({call}) if needs[1] else None, {nones})",
                 {"dx": grads[0], "dt": grads[1]})  # fmt: skip

    def scaled(fn: Any, g: Any, reduction: int, input: Any, *rest: Any) -> Any:
        return g * fn(input, *rest) / (input.numel() if reduction == 1 else 1)

    values = ", ".join([tensors, *keys])
    plain = eval(f"lambda {args}: (scaled(slope, g, reduction, {values}) if needs[0] else None, "
                 f"scaled(slope_target, g, reduction, {values}) if needs[1] else None, {nones})",
                 {"scaled": scaled, "slope": slope, "slope_target": slope_target})  # fmt: skip
    return op(f"{name}_op(input, target{extra}, *, {attrs}) -> loss", kernel=name, dtype="floating", function=False,
              shape=(lambda x, t, *rest: item_shape(x, rest[weights])), vjp=plain, vjp_fused=fused,
              doc=f"The loss {name}, of inputs and targets of one shape.")  # fmt: skip


def scale(weight: Any) -> Any:
    """A weight, or 1."""
    return 1 if weight is None else weight


mse_loss = pointwise_loss("mse_loss", lambda x, t: 2 * (x - t), lambda x, t: 2 * (t - x))
l1_loss = pointwise_loss("l1_loss", lambda x, t: (x - t).sign(), lambda x, t: (t - x).sign())
smooth_l1_loss = pointwise_loss(
    "smooth_l1_loss", lambda x, t, beta: where((x - t).abs() < beta, (x - t) / beta, (x - t).sign()),
    lambda x, t, beta: where((x - t).abs() < beta, (t - x) / beta, (t - x).sign()), "beta: float = 1")  # fmt: skip
huber_loss = pointwise_loss(
    "huber_loss", lambda x, t, delta: where((x - t).abs() < delta, x - t, delta * (x - t).sign()),
    lambda x, t, delta: where((x - t).abs() < delta, t - x, delta * (t - x).sign()), "delta: float = 1")  # fmt: skip
bce = pointwise_loss("bce", lambda x, t, w: (x - t) / (x * (1 - x)) * scale(w),
                     lambda x, t, w: ((1 - x).log() - x.log()) * scale(w), weights=1)  # fmt: skip
bce_with_logits = pointwise_loss(
    "bce_with_logits", lambda x, t, w, p: scale(w) * ((1 - t) * sigmoid(x) - scale(p) * t * sigmoid(-x)),
    lambda x, t, w, p: scale(w) * (softplus(x, beta=1.0, threshold=1e9) - scale(p) * softplus(-x, beta=1.0, threshold=1e9)),
    weights=2)  # fmt: skip
kl_div = pointwise_loss("kl_div", lambda x, t: -t, lambda x, t: where(t > 0, t.log() + 1 - x, 0.0))
kl_div_log = pointwise_loss("kl_div_log", lambda x, t: -t.exp(), lambda x, t: t.exp() * (t + 1 - x))
