"""Attention and connectionist temporal classification."""

from __future__ import annotations

from typing import Any

from corten.ops.activation import softmax_op
from corten.ops.declare import op
from corten.ops.pointwise import where
from corten.ops.view import stack

# q (B, H, T, D), k (B, Hk, S, D), v (B, Hk, S, Dv), mask (B, H, T, S) with repeated dimensions of stride 0

attention_backward = op(
    "attention_backward(grad, q, k, v, mask: raw?, out, lse, *, causal: bool, seed: int, call: int, scale: float, drop: float, "
    "mask_grad: bool) -> dq, dk, dv, dmask", kernel="attention_backward", function=False,
    shape=lambda g, q, k, v, *rest: (q, k, v, (*q[:3], k[2]) if rest[-1] else (0,)),
    doc="Gradients of attention_op; that of the mask, (B, H, T, S), when it is wanted.")  # fmt: skip


def _grouped(x: Any, heads: int) -> Any:
    if x.shape[1] == heads:
        return x
    b, n, s, d = x.shape
    return x.unsqueeze(2).expand(b, n, heads // n, s, d).reshape(b, heads, s, d)


def _attention_vjp(g_out: Any, q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: float, drop: float) -> tuple[Any, ...]:
    """The textbook's gradient with the (T, S) matrix, for second derivatives."""
    if drop > 0:
        raise NotImplementedError("[scaled_dot_product_attention] second derivatives with dropout are not available")
    heads, group = q.shape[1], q.shape[1] // k.shape[1]
    kk, vv = _grouped(k, heads), _grouped(v, heads)
    scores = (q * scale) @ kk.transpose(-2, -1)
    hidden = None if mask is None or mask.is_floating_point() else ~mask
    if mask is not None and hidden is None:
        scores = scores + mask
    if causal:
        from corten.ops.create import arange

        later = arange(k.shape[2]).unsqueeze(0) > arange(q.shape[2]).unsqueeze(1)
        hidden = later if hidden is None else hidden | later
    if hidden is not None:
        scores = where(hidden, float("-inf"), scores)
    p = softmax_op(scores, -1)
    if hidden is not None:
        p = where(hidden, 0.0, p)
    dv = p.transpose(-2, -1) @ g_out
    dp = g_out @ vv.transpose(-2, -1)
    dmask = p * (dp - (p * dp).sum(-1, keepdim=True))
    ds = dmask * scale
    dq, dk = ds @ kk, ds.transpose(-2, -1) @ q
    if group > 1:
        split = (k.shape[0], k.shape[1], group, k.shape[2], -1)
        dk, dv = dk.reshape(split).sum(2), dv.reshape(split).sum(2)
    return dq, dk, dv, dmask if mask is not None and mask.is_floating_point() else None


def _attention_fused(g_out: Any, q: Any, k: Any, v: Any, mask: Any, out: Any, lse: Any, causal: bool, seed: int, call: int,
                     scale: float, drop: float, needs: Any) -> tuple[Any, ...]:  # fmt: skip
    wanted = mask is not None and needs[3]
    dq, dk, dv, dmask = attention_backward(g_out, q, k, v, mask, out, lse, causal=causal, seed=seed, call=call, scale=scale,
                                           drop=drop, mask_grad=wanted)  # fmt: skip
    return dq, dk, dv, dmask if wanted else None


attention_op = op(
    "attention_op(q, k, v, mask: raw?, *, causal: bool, seed: int, call: int, scale: float, drop: float) -> out, lse",
    shape=lambda q, k, v, mask, *rest: ((*q[:3], v[3]), q[:3]), dtype="floating", kernel="attention", function=False,
    vjp=_attention_vjp, vjp_fused=_attention_fused,
    doc="Attention in blocks of keys, without the (T, S) matrix.")  # fmt: skip

# ---- query, key and value side by side: qkv (B, T, 3 C), C = heads D

packed_attention_backward = op(
    "packed_attention_backward(grad, qkv, mask: raw?, out, lse, *, heads: int, causal: bool, seed: int, call: int, scale: float, "
    "drop: float, mask_grad: bool) -> dqkv, dmask", kernel="packed_attention_backward", function=False,
    shape=lambda g, qkv, mask, out, lse, *rest: (qkv, (*lse, lse[2]) if rest[-1] else (0,)),
    doc="Gradient of packed_attention_op; that of the mask, (B, heads, T, T), when it is wanted.")  # fmt: skip


def _parts(x: Any, heads: int, parts: int) -> list[Any]:
    """(B, T, parts C) as parts of shape (B, heads, T, D)."""
    b, t, _ = x.shape
    split = x.reshape(b, t, parts, heads, -1)
    return [split.select(2, i).transpose(1, 2) for i in range(parts)]


def _packed_vjp(g_out: Any, qkv: Any, mask: Any, heads: int, causal: bool, scale: float, drop: float) -> tuple[Any, ...]:
    q, k, v = _parts(qkv, heads, 3)
    *grads, dmask = _attention_vjp(_parts(g_out, heads, 1)[0], q, k, v, mask, causal, scale, drop)
    return stack([x.transpose(1, 2) for x in grads], 2).reshape(qkv.shape), dmask


def _packed_fused(g_out: Any, qkv: Any, mask: Any, out: Any, lse: Any, heads: int, causal: bool, seed: int, call: int,
                  scale: float, drop: float, needs: Any) -> tuple[Any, ...]:  # fmt: skip
    wanted = mask is not None and needs[1]
    dqkv, dmask = packed_attention_backward(g_out, qkv, mask, out, lse, heads=heads, causal=causal, seed=seed, call=call,
                                            scale=scale, drop=drop, mask_grad=wanted)  # fmt: skip
    return dqkv, dmask if wanted else None


packed_attention_op = op(
    "packed_attention_op(qkv, mask: raw?, *, heads: int, causal: bool, seed: int, call: int, scale: float, drop: float)"
    " -> out, lse", dtype="floating", kernel="packed_attention", function=False,
    shape=lambda qkv, mask, heads, *rest: ((*qkv[:2], qkv[2] // 3), (qkv[0], heads, qkv[1])),
    vjp=_packed_vjp, vjp_fused=_packed_fused,
    doc="Self-attention of projections that lie side by side, (B, T, 3 C) -> (B, T, C), without copies.")  # fmt: skip

cached_attention_op = op(
    "cached_attention_op(qkv, keys: raw, values: raw, *, heads: int, start: int) -> out", dtype="floating",
    kernel="cached_attention", function=False, shape=lambda qkv, *rest: (*qkv[:2], qkv[2] // 3),
    doc="Self-attention of new positions to all so far; their keys and values are written into `keys` and `values`, "
        "(B, heads, length, D), from `start` on. Off the tape.")  # fmt: skip


# ---- CTC

ctc_backward = op(
    "ctc_backward(grad, log_probs, targets: int64, input_lengths: int64, target_lengths: int64, loss, alpha, *, blank: int)"
    " -> dx", shape=lambda g, x, *rest: x, kernel="ctc_loss_backward", function=False, contiguous=True,
    doc="Gradient of ctc_op.")  # fmt: skip


def _ctc_once(g_loss: Any) -> Any:
    raise NotImplementedError("[ctc_loss] the second derivative is not available")


ctc_op = op(
    "ctc_op(log_probs, targets: int64, input_lengths: int64, target_lengths: int64, *, blank: int) -> loss, alpha",
    shape=lambda x, t, a, b, blank: ((x[1],), (x[1], x[0], (2 * t[1] + 16) // 16 * 16)), dtype="floating", kernel="ctc_loss",
    function=False, contiguous=True, vjp=_ctc_once,
    vjp_fused=lambda g_loss, log_probs, targets, input_lengths, target_lengths, loss, alpha, blank:
        (ctc_backward(g_loss, log_probs, targets, input_lengths, target_lengths, loss, alpha, blank=blank), None, None, None),
    doc="Connectionist temporal classification of each sample. Graves et al. 2006.")  # fmt: skip
