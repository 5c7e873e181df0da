"""Layers and losses as functions, with PyTorch's names and arguments."""

from __future__ import annotations

import warnings
from typing import Any

from corten._core import core
from corten.ops import activation as act
from corten.ops import loss as losses
from corten.ops.activation import log_softmax_op, softmax_op
from corten.ops.composite import write_out
from corten.ops.conv import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d  # noqa: F401
from corten.ops.loss import old_reduction, reduction_code
from corten.ops.matmul import linear_activated, linear_op
from corten.ops.pointwise import clamp, where
from corten.ops.random import dropout_apply

FUSED = {None: 0, "relu": 1, "tanh": 2, "sigmoid": 3}


def linear(input: Any, weight: Any, bias: Any = None, *, activation: str | None = None) -> Any:
    """Affine map :math:`y = x W^T + b`, with an activation fused into the product.

    Parameters
    ----------
    input : Tensor, shape (..., in_features)
    weight : Tensor, shape (out_features, in_features)
    bias : Tensor, shape (out_features,), optional
    activation : {None, 'relu', 'tanh', 'sigmoid'}

    Examples
    --------
    >>> import corten
    >>> corten.nn.functional.linear(corten.ones(1, 3), corten.ones(2, 3))
    tensor([[3., 3.]])
    """
    if activation is None:
        return linear_op(input, weight, bias)
    if activation not in FUSED:
        raise ValueError(f"[linear] got activation={activation!r}, expected one of {list(FUSED)}")
    return linear_activated(input, weight, bias, activation=FUSED[activation])


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """Bilinear map :math:`y_k = x_1^T W_k x_2 + b_k`; weight (out, in1, in2)."""
    left = (input1.unsqueeze(-2).unsqueeze(-2) @ weight).squeeze(-2)
    out = (left * input2.unsqueeze(-2)).sum(-1)
    return out if bias is None else out + bias


# ---- activations


def _with_inplace(fn: Any, input: Any, inplace: bool, **settings: Any) -> Any:
    if not inplace:
        return fn(input, **settings)
    recorded = input.requires_grad and core.is_grad_enabled()  # the gradient then needs the values of before
    return input.copy_(fn(input.clone() if recorded else input, **settings))


def relu(input: Any, inplace: bool = False) -> Any:
    """Rectifier: :math:`\\max(x, 0)`."""
    return input.relu_() if inplace else input.relu()


def sigmoid(input: Any) -> Any:
    """Logistic function: :math:`1 / (1 + e^{-x})`."""
    return input.sigmoid()


def tanh(input: Any) -> Any:
    """Hyperbolic tangent."""
    return input.tanh()


def gelu(input: Any, approximate: str = "none") -> Any:
    """Gaussian error linear unit: :math:`x \\Phi(x)`, exact or (``'tanh'``) approximate."""
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"[gelu] got approximate={approximate!r}, expected 'none' or 'tanh'")
    return act.gelu_exact(input) if approximate == "none" else act.gelu_tanh(input)


def silu(input: Any, inplace: bool = False) -> Any:
    """Sigmoid linear unit (swish): :math:`x \\sigma(x)`."""
    return _with_inplace(act.silu, input, inplace)


def mish(input: Any, inplace: bool = False) -> Any:
    """Mish: :math:`x \\tanh(\\log(1 + e^x))`."""
    return _with_inplace(act.mish, input, inplace)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """Smooth rectifier: :math:`\\log(1 + e^{\\beta x}) / \\beta`; linear above the threshold."""
    return act.softplus(input, beta=beta, threshold=threshold)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """Exponential linear unit: x where positive, else :math:`\\alpha (e^x - 1)`."""
    return _with_inplace(act.elu, input, inplace, alpha=alpha)


def selu(input: Any, inplace: bool = False) -> Any:
    """Scaled exponential linear unit. Klambauer et al., arXiv:1706.02515."""
    return _with_inplace(act.selu, input, inplace)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """Continuously differentiable elu: :math:`\\max(0, x) + \\min(0, \\alpha (e^{x/\\alpha} - 1))`."""
    return _with_inplace(act.celu, input, inplace, alpha=alpha)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """Rectifier with a slope where negative."""
    return _with_inplace(act.leaky_relu, input, inplace, negative_slope=negative_slope)


def prelu(input: Any, weight: Any) -> Any:
    """Rectifier whose negative slope is learned, one or one a channel."""
    if weight.numel() > 1:
        weight = weight.reshape([1, -1] + [1] * (input.ndim - 2))
    return where(input > 0, input, weight * input)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """Values limited to [min_val, max_val]."""
    return _with_inplace(act.hardtanh, input, inplace, min_val=min_val, max_val=max_val)


def relu6(input: Any, inplace: bool = False) -> Any:
    """:math:`\\min(\\max(x, 0), 6)`."""
    return _with_inplace(act.relu6, input, inplace)


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """:math:`\\mathrm{relu6}(x + 3) / 6`."""
    return _with_inplace(act.hardsigmoid, input, inplace)


def hardswish(input: Any, inplace: bool = False) -> Any:
    """:math:`x\\,\\mathrm{relu6}(x + 3) / 6`."""
    return _with_inplace(act.hardswish, input, inplace)


def softsign(input: Any) -> Any:
    """:math:`x / (1 + |x|)`."""
    return act.softsign(input)


def tanhshrink(input: Any) -> Any:
    """:math:`x - \\tanh x`."""
    return act.tanhshrink(input)


def logsigmoid(input: Any) -> Any:
    """Logarithm of the logistic function."""
    return act.logsigmoid(input)


def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """Towards zero by lambda."""
    return act.softshrink(input, lambd=lambd)


def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """Zero within [-lambda, lambda]."""
    return act.hardshrink(input, lambd=lambd)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """x where above the threshold, else ``value``."""
    return _with_inplace(act.threshold, input, inplace, threshold=threshold, value=value)


def glu(input: Any, dim: int = -1) -> Any:
    """Gated linear unit: :math:`a \\sigma(b)` of the two halves of a dimension."""
    if input.shape[dim] % 2:
        raise RuntimeError(f"[glu] dimension {dim} has size {input.shape[dim]}, expected an even one")
    a, b = input.chunk(2, dim)
    return a * b.sigmoid()


def _softmax_dim(dim: int | None, ndim: int) -> int:
    return (0 if ndim in (0, 1, 3) else 1) if dim is None else dim


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """Exponentials divided by their sum along a dimension."""
    return softmax_op(input if dtype is None else input.to(dtype), _softmax_dim(dim, input.ndim))


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """Logarithm of softmax, without overflow."""
    return log_softmax_op(input if dtype is None else input.to(dtype), _softmax_dim(dim, input.ndim))


def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """Softmax of the negative."""
    return softmax(-input, dim, dtype=dtype)


def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Any = None) -> Any:
    """Divided by its p-norm along a dimension."""
    size = (input.abs() ** p).sum(dim, keepdim=True) ** (1 / p) if p != 2 else (input * input).sum(dim, keepdim=True).sqrt()
    made = input / clamp(size, min=eps)
    return made if out is None else write_out("normalize", out, made)


# ---- dropout


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero elements with probability p and scale the others by 1 / (1 - p). Srivastava et al. 2014."""
    if not 0 <= p <= 1:
        raise ValueError(f"[dropout] got p={p}, expected a probability")
    if not training or p == 0:
        return input
    out = dropout_apply(input, p) if p < 1 else input * 0
    return input.copy_(out) if inplace else out


def feature_dropout(input: Any, p: float, training: bool, inplace: bool, dims: int) -> Any:
    """Zero whole channels of (N, C, spatial...), or of (C, spatial...); dropout2d knows (N, C, ...) alone, as in PyTorch."""
    if input.ndim < (1 if dims == 3 else 2) or (dims == 1 and input.ndim > 3):
        raise RuntimeError(f"[dropout{dims}d] got {input.ndim} dimensions, expected {dims + 1} or {dims + 2}")
    if dims == 2 and input.ndim == 3:
        warnings.warn("[dropout2d] got 3 dimensions, taken as (N, C, L), as PyTorch takes them; dropout1d says so", stacklevel=3)
    if not 0 <= p <= 1:
        raise ValueError(f"[dropout{dims}d] got p={p}, expected a probability")
    if not training or p == 0:
        return input
    lead = 2 if dims == 2 or input.ndim == dims + 2 else 1
    channels = tuple(input.shape[:lead]) + (1,) * (input.ndim - lead)
    mask = dropout_apply(core.ones(channels, dtype=input.dtype), p) if p < 1 else 0.0
    return input.mul_(mask) if inplace else input * mask


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero whole channels of (N, C, L)."""
    return feature_dropout(input, p, training, inplace, 1)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero whole channels of (N, C, H, W)."""
    return feature_dropout(input, p, training, inplace, 2)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero whole channels of (N, C, D, H, W)."""
    return feature_dropout(input, p, training, inplace, 3)


def embedding(input: Any, weight: Any, padding_idx: int | None = None, max_norm: float | None = None,
              norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False) -> Any:  # fmt: skip
    """Rows of a table by their indices, (...) -> (..., D)."""
    from corten.nn.sparse import lookup

    return lookup(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq)


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """Class indices as vectors with a single 1."""
    classes = int(tensor.amax().item()) + 1 if num_classes < 0 else num_classes
    if tensor.numel() and (int(tensor.amin().item()) < 0 or int(tensor.amax().item()) >= classes):
        raise RuntimeError(f"[one_hot] an index is outside 0 ... {classes - 1}")
    from corten.ops.create import arange

    return (tensor.unsqueeze(-1) == arange(classes)).long()


# ---- losses


def cross_entropy(input: Any, target: Any, weight: Any = None, size_average: Any = None, ignore_index: int = -100,
                  reduce: Any = None, reduction: str = "mean", label_smoothing: float = 0.0) -> Any:  # fmt: skip
    """Cross-entropy of logits: :math:`-\\log \\mathrm{softmax}(x)_t`.

    Parameters
    ----------
    input : Tensor, shape (C,), (N, C) or (N, C, S...)
        Logits.
    target : Tensor
        Class indices without the class dimension (int64), or probabilities of the shape of the input.
    weight : Tensor, shape (C,), optional
        Weight of each class.
    ignore_index : int
        A target that counts for nothing.
    reduction : {'mean', 'sum', 'none'}
    label_smoothing : float
        Share of the target spread over all classes.

    Examples
    --------
    >>> import corten
    >>> corten.nn.functional.cross_entropy(corten.zeros(1, 2), corten.tensor([0]))
    tensor(0.6931)
    """
    if size_average is not None or reduce is not None:
        reduction = old_reduction(reduction, size_average, reduce)
    code = 1 if reduction == "mean" else reduction_code("cross_entropy", reduction)
    if target.is_floating_point():
        if target.shape != input.shape:
            raise RuntimeError(f"[cross_entropy] probabilities {tuple(target.shape)} do not fit logits {tuple(input.shape)}")
        if input.ndim == 1:
            out = losses.cross_entropy_prob(input.unsqueeze(0), target.unsqueeze(0), weight, reduction=code,
                                            label_smoothing=label_smoothing)[0]  # fmt: skip
            return out.squeeze(0) if code == 0 else out
        return losses.cross_entropy_prob(input, target, weight, reduction=code, label_smoothing=label_smoothing)[0]
    single = input.ndim == 1
    if single:
        input, target = input.unsqueeze(0), target.unsqueeze(0)
    core.check_class_loss("cross_entropy", input, target, weight, ignore_index)
    out = losses.cross_entropy_index(input, target, weight, reduction=code, ignore_index=ignore_index,
                                     label_smoothing=label_smoothing)[0]  # fmt: skip
    return out.squeeze(0) if single and code == 0 else out


def nll_loss(input: Any, target: Any, weight: Any = None, size_average: Any = None, ignore_index: int = -100,
             reduce: Any = None, reduction: str = "mean") -> Any:  # fmt: skip
    """Negative log-likelihood: :math:`-x_t` of log-probabilities; parameters as for :func:`cross_entropy`."""
    code = reduction_code("nll_loss", old_reduction(reduction, size_average, reduce))
    single = input.ndim == 1
    if single:
        input, target = input.unsqueeze(0), target.unsqueeze(0)
    core.check_class_loss("nll_loss", input, target, weight, ignore_index)
    out = losses.nll_op(input, target, weight, reduction=code, ignore_index=ignore_index)[0]
    return out.squeeze(0) if single and code == 0 else out


def _pair(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Inputs and targets in one shape."""
    if input.shape == target.shape:
        return input, target
    import warnings

    warnings.warn(f"[{name}] target size {tuple(target.shape)} differs from input size {tuple(input.shape)}; they are "
                  "broadcast, which is rarely meant", stacklevel=3)  # fmt: skip
    shape = (core.empty_like(input, device="meta") + core.empty_like(target, device="meta")).shape
    return input.expand(shape), target.expand(shape)


def mse_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
             weight: Any = None) -> Any:  # fmt: skip
    """Squared error: :math:`(x - t)^2`."""
    code = reduction_code("mse_loss", old_reduction(reduction, size_average, reduce))
    input, target = _pair("mse_loss", input, target)
    if weight is not None:
        return _weighted("mse_loss", losses.mse_loss(input, target, reduction=0), weight, code)
    return losses.mse_loss(input, target, reduction=code)


def _weighted(name: str, each: Any, weight: Any, code: int) -> Any:
    if weight.shape != each.shape:
        raise ValueError(f"[{name}] got weights {tuple(weight.shape)}, expected {tuple(each.shape)}")
    each = each * weight
    return each if code == 0 else each.sum() / weight.sum() if code == 1 else each.sum()


def l1_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
            weight: Any = None) -> Any:  # fmt: skip
    """Absolute error: :math:`|x - t|`; the mean of weighted errors is divided by the sum of the weights."""
    code = reduction_code("l1_loss", old_reduction(reduction, size_average, reduce))
    if weight is not None:
        return _weighted("l1_loss", losses.l1_loss(*_pair("l1_loss", input, target), reduction=0), weight, code)
    return losses.l1_loss(*_pair("l1_loss", input, target), reduction=code)


def smooth_l1_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
                   beta: float = 1.0) -> Any:  # fmt: skip
    """Squared error below beta, absolute error above."""
    code = reduction_code("smooth_l1_loss", old_reduction(reduction, size_average, reduce))
    if beta < 0:
        raise RuntimeError(f"[smooth_l1_loss] got beta={beta}, expected beta >= 0")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    return losses.smooth_l1_loss(*_pair("smooth_l1_loss", input, target), reduction=code, beta=beta)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """Squared error up to delta, linear above."""
    if delta <= 0:
        raise ValueError(f"[huber_loss] got delta={delta}, expected delta > 0")
    code = reduction_code("huber_loss", reduction)
    pair = _pair("huber_loss", input, target)
    if weight is not None:
        return _weighted("huber_loss", losses.huber_loss(*pair, reduction=0, delta=delta), weight, code)
    return losses.huber_loss(*pair, reduction=code, delta=delta)


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None,
                         reduction: str = "mean") -> Any:  # fmt: skip
    """Cross-entropy of probabilities: :math:`-t \\log x - (1 - t) \\log(1 - x)`, logarithms limited to -100."""
    code = reduction_code("binary_cross_entropy", old_reduction(reduction, size_average, reduce))
    if input.shape != target.shape:
        raise ValueError(f"[binary_cross_entropy] input {tuple(input.shape)} and target {tuple(target.shape)} differ")
    if input.numel() and not bool(((input >= 0) & (input <= 1)).all()):
        raise RuntimeError("[binary_cross_entropy] all elements of input should be between 0 and 1")
    return losses.bce(input, target, None if weight is None else weight.expand(input.shape), reduction=code)


def binary_cross_entropy_with_logits(input: Any, target: Any, weight: Any = None, size_average: Any = None,
                                     reduce: Any = None, reduction: str = "mean", pos_weight: Any = None) -> Any:  # fmt: skip
    """Cross-entropy of a logistic output, finite for any logit."""
    code = reduction_code("binary_cross_entropy_with_logits", old_reduction(reduction, size_average, reduce))
    if input.shape != target.shape:
        raise ValueError(f"[binary_cross_entropy_with_logits] input {tuple(input.shape)} and target {tuple(target.shape)} differ")
    weight = None if weight is None else weight.expand(input.shape)
    pos_weight = None if pos_weight is None else pos_weight.expand(input.shape)
    return losses.bce_with_logits(input, target, weight, pos_weight, reduction=code)


def kl_div(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
           log_target: bool = False) -> Any:  # fmt: skip
    """Kullback-Leibler divergence: :math:`t (\\log t - x)` of log-probabilities x."""
    reduction = old_reduction(reduction, size_average, reduce)
    batch = reduction == "batchmean"
    code = reduction_code("kl_div", "sum" if batch else reduction)
    out = (losses.kl_div_log if log_target else losses.kl_div)(*_pair("kl_div", input, target), reduction=code)
    return out / input.shape[0] if batch and input.ndim else out


from corten.nn.functional_loss import *  # noqa: E402, F403, I001
from corten.nn.functional_pooling import *  # noqa: E402, F403
from corten.nn.functional_sequence import *  # noqa: E402, F403
from corten.nn.functional_stochastic import *  # noqa: E402, F403
from corten.nn.functional_vision import *  # noqa: E402, F403
