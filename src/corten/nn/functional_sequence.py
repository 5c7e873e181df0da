"""Normalisation, attention, sequence losses and distances as functions, with PyTorch's names and arguments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from corten._core import core
from corten.autograd import no_grad
from corten.nn.functional_embedding import embedding_bag
from corten.ops import attention as attention_ops
from corten.ops import norm as ops
from corten.ops.loss import old_reduction

__all__ = ["batch_norm", "cosine_embedding_loss", "cosine_similarity", "ctc_loss", "embedding_bag", "group_norm", "instance_norm",
           "layer_norm", "packed_attention", "pairwise_distance", "rms_norm", "scaled_dot_product_attention"]  # fmt: skip


def _mixed(running: Any, fresh: Any, momentum: float) -> None:
    running.copy_(running * (1 - momentum) + fresh.to(running.dtype) * momentum)


def batch_norm(input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
               training: bool = False, momentum: float = 0.1, eps: float = 1e-5) -> Any:  # fmt: skip
    """Normalise each channel of (N, C, spatial...) by the batch's statistics, or (evaluating) by running ones.

    In training the running statistics move by ``momentum`` towards the batch's. Ioffe and Szegedy, arXiv:1502.03167.
    """
    if input.ndim < 2:
        raise ValueError(f"[batch_norm] got {input.ndim} dimensions, expected at least 2")
    channels = input.shape[1]
    for name, value in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)):
        if value is not None and value.numel() != channels:
            raise RuntimeError(f"[batch_norm] {name} has {value.numel()} elements, expected {channels} for {tuple(input.shape)}")
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("[batch_norm] running_mean and running_var are needed when training=False")
        return ops.batch_norm_eval(input, running_mean, running_var, weight, bias, eps=eps)
    count = input.numel() // max(1, channels)
    if count <= 1:
        raise ValueError(f"[batch_norm] expected more than 1 value per channel when training, got shape {tuple(input.shape)}")
    out, mean, _, var = ops.batch_norm_train(input, weight, bias, eps=eps)
    if running_mean is not None and not mean.is_meta:
        with no_grad():
            _mixed(running_mean, mean.detach(), momentum)
            _mixed(running_var, var.detach() * (count / (count - 1)), momentum)
    return out


def instance_norm(input: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
                  use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5) -> Any:  # fmt: skip
    """Normalise each channel of each sample. Ulyanov et al., arXiv:1607.08022."""
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    count = math.prod(input.shape[2:])
    if count <= 1:
        raise ValueError(f"[instance_norm] expected more than 1 spatial element when training, got shape {tuple(input.shape)}")
    out, mean, rstd = ops.group_norm_op(input, weight, bias, groups=input.shape[1], eps=eps)
    if running_mean is not None and not mean.is_meta:
        with no_grad():
            var = (rstd.detach() ** -2 - eps) * (count / (count - 1))
            _mixed(running_mean, mean.detach().mean(0), momentum)
            _mixed(running_var, var.mean(0), momentum)
    return out


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Normalise groups of channels of each sample. Wu and He, arXiv:1803.08494."""
    if input.ndim < 2 or num_groups < 1 or input.shape[1] % num_groups:
        raise RuntimeError(f"[group_norm] shape {tuple(input.shape)} does not divide into {num_groups} groups of channels")
    return ops.group_norm_op(input, weight, bias, groups=num_groups, eps=eps)[0]


def _normalized(name: str, input: Any, shape: Any, *affine: Any) -> int:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    n, have = len(shape), input.shape
    if not n or have[-n:] != shape:
        raise RuntimeError(f"[{name}] got input of shape {tuple(have)}, expected it to end in {shape}")
    for value in affine:
        if value is not None and value.shape != shape:
            raise RuntimeError(f"[{name}] got weight or bias of shape {tuple(value.shape)}, expected {shape}")
    return n


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Normalise the last dimensions: :math:`(x - E[x]) / \\sqrt{\\mathrm{Var}[x] + \\epsilon}\\,w + b`. Ba et al. 2016."""
    dims = _normalized("layer_norm", input, normalized_shape, weight, bias)
    return ops.layer_norm_op(input, weight, bias, dims=dims, eps=eps)[0]


def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """Divide the last dimensions by their root mean square. Zhang and Sennrich, arXiv:1910.07467."""
    dims = _normalized("rms_norm", input, normalized_shape, weight)
    return ops.rms_norm_op(input, weight, dims=dims, eps=core.finfo(input.dtype).eps if eps is None else eps)[0]


def scaled_dot_product_attention(query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0,
                                 is_causal: bool = False, scale: float | None = None,
                                 enable_gqa: bool = False) -> Any:  # fmt: skip
    """:math:`\\mathrm{softmax}(s\\,Q K^T + M) V`, in blocks of keys, without the (T, S) matrix.

    Parameters
    ----------
    query : Tensor, shape (..., H, T, D)
    key, value : Tensor, shape (..., Hk, S, D), (..., Hk, S, Dv)
        With ``enable_gqa``, H is a multiple of Hk and heads share keys in groups.
    attn_mask : Tensor, broadcast to (..., H, T, S), optional
        True where a key takes part, or numbers added to the scores. A row without keys gives zeros.
    dropout_p : float
        Probability that a weight is dropped.
    is_causal : bool
        Row t sees keys 0 ... t alone.
    scale : float
        s; by default :math:`1/\\sqrt{D}`.

    Notes
    -----
    Memory is O(T + S). Dao, FlashAttention-2, arXiv:2307.08691. What a row does not see does not change its bits.
    """
    name = "scaled_dot_product_attention"
    if query.ndim < 2 or key.ndim != query.ndim or value.ndim != query.ndim:
        raise RuntimeError(f"[{name}] got {query.ndim}, {key.ndim} and {value.ndim} dimensions, expected the same, at least 2")
    if attn_mask is not None and is_causal:
        raise RuntimeError(f"[{name}] give either attn_mask or is_causal")
    if not 0 <= dropout_p < 1:
        raise ValueError(f"[{name}] got dropout_p={dropout_p}, expected a probability below 1")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise RuntimeError(f"[{name}] shapes {tuple(query.shape)}, {tuple(key.shape)}, {tuple(value.shape)} do not fit")
    lead = tuple(query.shape[:-2])
    q, k, v = (_four(x) for x in (query, key, value))
    if q.shape[0] != k.shape[0] or k.shape[:2] != v.shape[:2] or (q.shape[1] != k.shape[1] and not enable_gqa):
        if enable_gqa or q.ndim != 4:
            raise RuntimeError(f"[{name}] shapes {tuple(query.shape)}, {tuple(key.shape)}, {tuple(value.shape)} do not fit")
        batch = tuple(max(a, b, c) for a, b, c in zip(q.shape[:2], k.shape[:2], v.shape[:2], strict=True))
        q, k, v = (x.expand((*batch, *x.shape[2:])) for x in (q, k, v))
    if k.shape[1] == 0 or q.shape[1] % k.shape[1]:
        raise RuntimeError(f"[{name}] {q.shape[1]} heads are no multiple of {k.shape[1]} heads of keys")
    mask = attn_mask
    if mask is not None:
        if len(lead) > 2:
            mask = mask.expand((*lead, query.shape[-2], key.shape[-2]))
        full, mask = (*q.shape[:3], k.shape[2]), _four(mask)
        if mask.shape != full:
            mask = mask.expand(full)
        if mask.dtype != q.dtype and mask.is_floating_point():
            mask = mask.to(q.dtype)
    seed, call = _draw(dropout_p)
    if q.dtype != v.dtype or q.dtype != k.dtype:
        raise RuntimeError(f"[{name}] got {q.dtype}, {k.dtype} and {v.dtype}, expected one dtype")
    if mask is not None and q.dtype in (core._dtype_by_name("float16"), core._dtype_by_name("bfloat16")):
        mask = mask.float() if mask.is_floating_point() else mask
    out, _ = attention_ops.attention_op(q, k, v, mask, causal=is_causal, seed=seed, call=call,
                                        scale=1 / math.sqrt(max(1, q.shape[-1])) if scale is None else scale, drop=dropout_p)  # fmt: skip
    return out.reshape((*lead, *out.shape[2:])) if len(lead) != 2 else out


def packed_attention(qkv: Any, num_heads: int, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
                     scale: float | None = None) -> Any:  # fmt: skip
    """Self-attention of query, key and value that one product made side by side (not in PyTorch).

    What :func:`scaled_dot_product_attention` gives for the three parts, split into heads and joined again, without copies.

    Parameters
    ----------
    qkv : Tensor, shape (B, T, 3 E)
    num_heads : int
    attn_mask : Tensor, broadcast to (B, num_heads, T, T), optional
    dropout_p, is_causal, scale
        As in :func:`scaled_dot_product_attention`.

    Returns
    -------
    Tensor, shape (B, T, E)

    Examples
    --------
    >>> import corten
    >>> corten.nn.functional.packed_attention(corten.ones(2, 5, 12), 2, is_causal=True).shape
    corten.Size([2, 5, 4])
    """
    name = "packed_attention"
    if qkv.ndim != 3 or num_heads < 1 or qkv.shape[2] % (3 * num_heads):
        raise RuntimeError(f"[{name}] got shape {tuple(qkv.shape)}, expected (B, T, 3 E) with E a multiple of {num_heads} heads")
    if attn_mask is not None and is_causal:
        raise RuntimeError(f"[{name}] give either attn_mask or is_causal")
    if not 0 <= dropout_p < 1:
        raise ValueError(f"[{name}] got dropout_p={dropout_p}, expected a probability below 1")
    batch, steps, width = qkv.shape
    mask = attn_mask
    if mask is not None:
        mask = _four(mask).expand((batch, num_heads, steps, steps))
        if mask.dtype != qkv.dtype and mask.is_floating_point():
            mask = mask.to(qkv.dtype)
    seed, call = _draw(dropout_p)
    scale = 1 / math.sqrt(width // 3 // num_heads) if scale is None else scale
    return attention_ops.packed_attention_op(qkv, mask, heads=num_heads, causal=is_causal, seed=seed, call=call, scale=scale,
                                             drop=dropout_p)[0]  # fmt: skip


def _draw(dropout_p: float) -> tuple[int, int]:
    """Seed and number of a call that may draw random numbers."""
    if dropout_p == 0:
        return 0, 0
    from corten.ops.random import default_generator

    return default_generator.next_call()


def _four(x: Any) -> Any:
    """(..., H, T, D) as (B, H, T, D)."""
    if x.ndim == 4:
        return x
    if x.ndim > 4:
        return x.reshape((-1, *x.shape[-3:]))
    for _ in range(4 - x.ndim):
        x = x.unsqueeze(0)
    return x


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """Cosine of the angle between vectors: :math:`x_1 \\cdot x_2 / \\max(|x_1||x_2|, \\epsilon)`, each norm at least eps."""
    n1 = ((x1 * x1).sum(dim, keepdim=True)).sqrt()
    n2 = ((x2 * x2).sum(dim, keepdim=True)).sqrt()
    return (x1 / n1.clamp(min=eps) * (x2 / n2.clamp(min=eps))).sum(dim)


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """p-norm of the difference along the last dimension: :math:`\\|x_1 - x_2 + \\epsilon\\|_p`."""
    d = (x1 - x2 + eps).abs()
    if p == math.inf:
        return d.amax(-1, keepdim=keepdim)
    if p == 2:
        return (d * d).sum(-1, keepdim=keepdim).sqrt()
    return d.sum(-1, keepdim=keepdim) if p == 1 else (d**p).sum(-1, keepdim=keepdim) ** (1 / p)


def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, size_average: Any = None,
                          reduce: Any = None, reduction: str = "mean") -> Any:  # fmt: skip
    """1 - cos for pairs with target 1, :math:`\\max(0, \\cos - margin)` for those with -1."""
    reduction = old_reduction(reduction, size_average, reduce)
    cos = cosine_similarity(input1, input2, -1)
    each = (target == 1).to(cos.dtype) * (1 - cos) + (target == -1).to(cos.dtype) * (cos - margin).relu()
    return each if reduction == "none" else each.mean() if reduction == "mean" else each.sum()


def ctc_loss(log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: int = 0,
             reduction: str = "mean", zero_infinity: bool = False) -> Any:  # fmt: skip
    """Connectionist temporal classification. Graves et al. 2006.

    Parameters
    ----------
    log_probs : Tensor, shape (T, N, C) or (T, C)
        Logarithms of probabilities, as log_softmax gives them.
    targets : int64 Tensor, shape (N, S), or all one after the other
    input_lengths, target_lengths : N ints
    blank : int
    reduction : {'mean', 'sum', 'none'}
        'mean' divides each loss by its target's length first.
    zero_infinity : bool
        Whether impossible alignments count 0, also in the gradient.
    """
    single = log_probs.ndim == 2
    x = log_probs.unsqueeze(1) if single else log_probs
    frames = np.atleast_1d(np.asarray(input_lengths.numpy() if hasattr(input_lengths, "numpy") else input_lengths, np.int64))
    lengths = np.atleast_1d(np.asarray(target_lengths.numpy() if hasattr(target_lengths, "numpy") else target_lengths, np.int64))
    labels = np.asarray(targets.detach().numpy(), np.int64)
    batch, classes = x.shape[1], x.shape[2]
    if len(frames) != batch or len(lengths) != batch:
        raise RuntimeError(f"[ctc_loss] got {len(frames)} and {len(lengths)} lengths for a batch of {batch}")
    if batch and (frames.max() > x.shape[0] or frames.min() < 0 or lengths.min() < 0):
        raise RuntimeError(f"[ctc_loss] input lengths must be within 0 ... {x.shape[0]} and target lengths not negative")
    if not 0 <= blank < classes:
        raise RuntimeError(f"[ctc_loss] blank {blank} is outside 0 ... {classes - 1}")
    if labels.ndim == 1 and not single:
        if labels.size != lengths.sum():
            raise RuntimeError(f"[ctc_loss] got {labels.size} targets, expected {lengths.sum()}")
        table = np.zeros((batch, max(1, int(lengths.max(initial=0)))), np.int64)
        for i, piece in enumerate(np.split(labels, np.cumsum(lengths)[:-1])):
            table[i, : len(piece)] = piece
        labels = table
    labels = labels.reshape(batch, -1)
    if batch and lengths.max() > labels.shape[1]:
        raise RuntimeError(f"[ctc_loss] a target of {lengths.max()} labels exceeds the {labels.shape[1]} given")
    used = np.arange(labels.shape[1]) < lengths[:, None]
    if (used & ((labels < 0) | (labels >= classes))).any():
        raise RuntimeError(f"[ctc_loss] a target is outside 0 ... {classes - 1}")
    table = core.tensor(np.where(used, labels, 0))
    loss, _ = attention_ops.ctc_op(x, table, core.tensor(frames), core.tensor(lengths), blank=blank)
    if zero_infinity:
        from corten.ops.pointwise import where

        loss = where(loss == math.inf, 0.0, loss)
    if reduction == "mean":
        return (loss / core.tensor(np.maximum(lengths, 1)).to(loss.dtype)).mean()
    if reduction not in ("sum", "none"):
        raise ValueError(f"[ctc_loss] got reduction={reduction!r}, expected 'mean', 'sum' or 'none'")
    return loss.sum() if reduction == "sum" else loss.squeeze(0) if single else loss
