"""How each op is carried out on whole batches: its batching rule.

Most rules follow from the op's declaration. An op that works element by element gets its operands with their dimensions
aligned on the right and the batch before them; one that reduces or works along a dimension gets that dimension shifted by one.
Rules of others stand here by name. Ops without one run once for each element.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from corten import autograd
from corten._core import core
from corten.func.batching import BatchedTensor, Level, batched, is_batched, one_by_one
from corten.ops.declare import FUNCTIONS

Rule = Callable[[Any, tuple[Any, ...], Level], Any]
RULES: dict[str, Rule] = {}
INT64 = core._dtype_by_name("int64")


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register the rule of some ops: a function of op, arguments and level that gives wholes, or NotImplemented."""

    def keep(fn: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, fn))
        return fn

    return keep


def call(op: Any, args: tuple[Any, ...]) -> Any:
    """An op of arguments of which at least one is batched."""
    own = max((x.level for x in _tensors(args) if isinstance(x, BatchedTensor)), key=lambda found: found.depth)
    if op.__name__ != op.name:
        return _in_place(op, args, own)
    made = _rule_of(op)(op, args, own)
    if made is NotImplemented:
        return one_by_one(_by_name(op), args, own)
    return tuple(batched(m, own) for m in made) if isinstance(made, tuple) else batched(made, own)


def _by_name(op: Any) -> Callable[..., Any]:
    return lambda *args: op(*args[: len(op.inputs)], **dict(zip(op.attrs, args[len(op.inputs) :], strict=True)))


def _tensors(args: Any) -> list[Any]:
    found = []
    for a in args:
        if isinstance(a, core.TensorBase):
            found.append(a)
        elif isinstance(a, (tuple, list)):
            found += [x for x in a if isinstance(x, core.TensorBase)]
    return found


def _rule_of(op: Any) -> Rule:
    found = RULES.get(op.name)
    if found is None:
        shape = op.declaration["shape"]
        if op.declaration["impl"] is None and shape in ("same", "broadcast"):
            found = _along if _kinds(op).count("dim") else _pointwise
        elif shape == "reduce":
            found = _reduce
        elif re.search(r"_complex\(", op.signature) and "dim" not in op.attrs:
            found = _pointwise
        else:
            found = _alone
        RULES[op.name] = found
    return found


def _kinds(op: Any) -> list[str]:
    """What each attribute is: int, float, dim ..."""
    return [m.group(1) if (m := re.search(rf"\b{a}\s*:\s*(\w+)", op.signature)) else "any" for a in op.attrs]


def _run(op: Any, inputs: Any, attrs: Any) -> Any:
    return op(*inputs, **dict(zip(op.attrs, attrs, strict=True)))


def _split(op: Any, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    return args[: len(op.inputs)], args[len(op.inputs) :]


def _alone(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    """No rule."""
    return NotImplemented


def whole(x: Any, own: Level) -> Any:
    """All elements of a tensor along the first dimension, repeated where it is not batched."""
    return x.whole if is_batched(x, own) else x.expand((own.size, *x.shape))


def padded(x: Any, own: Level, ndim: int) -> Any:
    """A whole whose elements have at least ``ndim`` dimensions; what is not batched broadcasts as it is."""
    if not is_batched(x, own) or x.ndim >= ndim:
        return x.whole if is_batched(x, own) else x
    return x.whole.reshape((own.size, *(1,) * (ndim - x.ndim), *x.shape))


def _one_dtype(inputs: tuple[Any, ...], plain: list[bool]) -> tuple[Any, ...]:
    """Promotion looks at how many dimensions operands have: settled before the batch adds one."""
    tensors = [x for x, p in zip(inputs, plain, strict=True) if p and isinstance(x, core.TensorBase)]
    numbers = [x for x, p in zip(inputs, plain, strict=True) if p and isinstance(x, (int, float, complex))]
    if len({t.dtype for t in tensors}) < 2 and not (numbers and any(t.ndim == 0 for t in tensors)):
        return inputs
    dtype = _promoted(tensors, numbers)
    return tuple(x.to(dtype) if p and isinstance(x, core.TensorBase) and x.dtype is not dtype else x
                 for x, p in zip(inputs, plain, strict=True))  # fmt: skip


def _promoted(tensors: list[Any], numbers: list[Any]) -> Any:
    """The dtype of an operation: of the tensors with dimensions, unless those without, or numbers, are of a higher kind."""
    best: Any = None
    for group in ([t.dtype for t in tensors if t.ndim], [t.dtype for t in tensors if not t.ndim], [_stands_for(x) for x in numbers]):
        own: Any = None
        for dtype in group:
            own = dtype if own is None else core.promote_types(own, dtype)
        if own is not None and (best is None or _kind(own) > _kind(best)):
            best = own
    return best


def _stands_for(number: Any) -> Any:
    if isinstance(number, float):
        return core.get_default_dtype()
    return core._dtype_by_name("bool" if isinstance(number, bool) else "int64" if isinstance(number, int) else "complex64")


def _kind(dtype: Any) -> int:
    return 3 if dtype.is_complex else 2 if dtype.is_floating_point else 0 if dtype.name == "bool" else 1


def _plain(op: Any) -> list[bool]:
    return [not re.search(rf"\b{k}\s*:\s*(int64|mask|raw)", op.signature) for k in op.inputs]


def _pointwise(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    inputs, attrs = _split(op, args)
    inputs = _one_dtype(inputs, _plain(op))
    ndim = max(x.ndim for x in inputs if isinstance(x, core.TensorBase))
    return _run(op, [padded(x, own, ndim) if isinstance(x, core.TensorBase) else x for x in inputs], attrs)


def _along(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    """Ops along one dimension, their inputs alike in shape."""
    inputs, attrs = _split(op, args)
    ndim = inputs[0].ndim
    if ndim == 0:
        return NotImplemented
    moved = [a % ndim + 1 if kind == "dim" else a for a, kind in zip(attrs, _kinds(op), strict=True)]
    return _run(op, [whole(x, own) if isinstance(x, core.TensorBase) else x for x in inputs], moved)


for _name in ("picked", "sort_op", "topk_op", "kth", "cummax_op", "cummin_op"):
    RULES[_name] = _along


def _dims(dim: Any, ndim: int) -> tuple[int, ...]:
    """Dimensions of the whole over which to reduce."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(1, ndim + 1))
    given = dim if isinstance(dim, (tuple, list)) else (dim,)
    for d in given:
        if not -max(ndim, 1) <= d < max(ndim, 1):
            raise IndexError(f"[vmap] dimension {d} is out of range for {ndim} dimensions")
    return tuple(d % ndim + 1 for d in given) if ndim else ()


@rule("sum_complex", "mean_complex")
def _reduce(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    x, attrs = args[0], dict(zip(op.attrs, args[1:], strict=True))
    dims = _dims(attrs["dim"], x.ndim)
    if x.ndim == 0:  # the number itself, reduced along a dimension that is made for it
        return op(x.whole.unsqueeze(1), **{**attrs, "dim": (1,), "keepdim": False})
    return op(x.whole, **{**attrs, "dim": dims})


# ---- in place


def _in_place(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    target = args[0]
    if not is_batched(target, own):
        raise RuntimeError(f"[vmap] {op.__name__} would write a batch into a tensor that is one and the same for all elements")
    own.wrote = True
    if op.name == "fill":
        made: Any = args[1]
    elif op.name == "copy":
        made = args[1]
    else:
        made = core.REGISTRY[op.name](*args[: len(op.inputs)], **dict(zip(op.attrs, args[len(op.inputs) :], strict=True)))
    if isinstance(made, core.TensorBase):
        if not core.can_cast(made.dtype, target.dtype) and op.name != "copy":
            raise RuntimeError(f"[{op.__name__}] the result type {made.dtype} cannot be cast to {target.dtype}")
        if made.ndim > target.ndim:
            raise RuntimeError(f"[{op.__name__}] the result has shape {tuple(made.shape)}, which does not fit into {tuple(target.shape)}")
        target.whole.copy_(padded(made, own, target.ndim))
    else:
        target.whole.fill_(made)
    return target


# ---- views and shapes


@rule("alias", "clone", "contiguous_copy", "to_dtype", "view_as_real", "view_as_complex")
def _as_it_is(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    return _run(op, [args[0].whole], args[1:])


@rule("view_op")
def _view(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    size = list(args[1])
    if -1 in size:
        rest = math.prod(s for s in size if s != -1)
        if size.count(-1) > 1 or rest == 0 or args[0].numel() % rest:
            raise RuntimeError(f"[view] shape {tuple(args[1])} is invalid for {args[0].numel()} elements")
        size[size.index(-1)] = args[0].numel() // rest
    elif math.prod(size) != args[0].numel():
        raise RuntimeError(f"[view] shape {tuple(args[1])} is invalid for {args[0].numel()} elements")
    return args[0].whole.reshape((own.size, *size))


@rule("permute_op")
def _permute(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    ndim = args[0].ndim
    return args[0].whole.permute((0, *(d % ndim + 1 for d in args[1])))


@rule("transpose", "diagonal")
def _two_dims(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    ndim = args[0].ndim
    if ndim == 0:
        return args[0].whole
    return _run(op, [args[0].whole], [_shift(a, ndim) if k.startswith("dim") else a for k, a in zip(op.attrs, args[1:], strict=True)])


def _shift(d: int, ndim: int) -> int:
    if not -ndim <= d < ndim:
        raise IndexError(f"[vmap] dimension {d} is out of range for {ndim} dimensions")
    return d % ndim + 1


@rule("narrow_op", "select", "unfold")
def _first_dim(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    if args[0].ndim == 0:
        return NotImplemented
    return _run(op, [args[0].whole], [_shift(args[1], args[0].ndim), *args[2:]])


@rule("expand_op")
def _expand(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    size = tuple(args[1])
    return padded(args[0], own, len(size)).expand((own.size, *size))


@rule("unsqueeze")
def _unsqueeze(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    return args[0].whole.unsqueeze(_shift(args[1], args[0].ndim + 1))


@rule("squeeze")
def _squeeze(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    x, dim = args
    gone = set(range(x.ndim)) if dim is None else {d % max(x.ndim, 1) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))}
    return x.whole.reshape((own.size, *(s for d, s in enumerate(x.shape) if d not in gone or s != 1)))


@rule("index_basic")
def _index_basic(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    key = args[1] if isinstance(args[1], tuple) else (args[1],)
    return args[0].whole[(slice(None), *key)]


@rule("cat")
def _cat(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    parts = [x for x in args[0] if tuple(x.shape) != (0,) or all(p.ndim == 1 for p in args[0])]
    return FUNCTIONS["cat"]([whole(x, own) for x in parts], _shift(args[1], parts[0].ndim))


@rule("copy")
def _copy(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    return padded(args[1].to(args[0].dtype), own, args[0].ndim).expand((own.size, *args[0].shape)).clone()


@rule("fill")
def _fill(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    return NotImplemented if isinstance(args[1], core.TensorBase) else core.full_like(args[0].whole, args[1])


@rule("triu_op", "tril_op")
def _triangle(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    return op(args[0].whole, *args[1:])


@rule("flip_op")
def _flip(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    return op(args[0].whole, args[1] << 1)


# ---- products


@rule("matmul_op", "exact_matmul")
def _matmul(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    ndim = max(x.ndim for x in args)
    return op(*(padded(x, own, ndim) for x in args))


@rule("linear")
def _linear(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    x, weight, bias = args
    if not is_batched(weight, own) and not (bias is not None and is_batched(bias, own)):
        return op(x.whole, weight, bias)
    lead = tuple(x.shape[:-1])
    rows = whole(x, own).reshape((own.size, math.prod(lead), x.shape[-1]))
    out = FUNCTIONS["matmul"](rows, whole(weight, own).transpose(1, 2))
    if bias is not None:
        out = out + whole(bias, own).unsqueeze(1)
    return out.reshape((own.size, *lead, weight.shape[0]))


@rule("linear_activated")
def _linear_activated(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    made = _linear(core.REGISTRY["linear"], args[:3], own)
    return (made.relu, made.tanh, made.sigmoid)[args[3] - 1]()


def _fold(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    """Layers of batches of images: the elements are more images, when the parameters are the same for all."""
    inputs, attrs = _split(op, args)
    if any(is_batched(x, own) for x in inputs[1:]) or inputs[0].ndim < 2:
        return NotImplemented
    made = _run(op, [inputs[0].whole.flatten(0, 1), *inputs[1:]], attrs)
    first = inputs[0].shape[0]
    if isinstance(made, tuple):
        return tuple(m.reshape((own.size, m.shape[0] // own.size, *m.shape[1:])) for m in made)
    return made.reshape((own.size, first, *made.shape[1:]))


for _name in ("conv", "conv_relu", "batch_norm_eval", "group_norm_op"):
    RULES[_name] = _fold


@rule("layer_norm_op", "rms_norm_op")
def _norm(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    inputs, attrs = _split(op, args)
    x, *scales = inputs
    if x.ndim < 1:
        return NotImplemented
    plain = not any(is_batched(s, own) for s in scales)
    made = _run(op, [whole(x, own), *(scales if plain else [None] * len(scales))], attrs)
    if not plain:
        out = made[0]
        for s, join in zip(scales, ("mul", "add"), strict=False):
            if s is not None:
                out = getattr(out, join)(padded(s, own, x.ndim))
        made = (out, *made[1:])
    return tuple(m if m.ndim and m.shape[0] == own.size else m.reshape((own.size, -1)) for m in made)


# ---- indices


@rule("gather", "scatter", "scatter_add", "scatter_reduce")
def _at_indices(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    inputs, attrs = _split(op, args)
    if inputs[0].ndim == 0 or any(not isinstance(x, core.TensorBase) for x in inputs):
        return NotImplemented
    moved = [a % inputs[0].ndim + 1 if k == "dim" else a for k, a in zip(op.attrs, attrs, strict=True)]
    return _run(op, [whole(x, own) for x in inputs], moved)


@rule("index_select")
def _index_select(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    x, index, dim = args
    if x.ndim == 0 or index.ndim > 1:
        return NotImplemented
    dim %= x.ndim
    if not is_batched(index, own):
        return op(x.whole, index, dim=dim + 1)
    if is_batched(x, own):  # rows of one long table
        table = x.whole.movedim(dim + 1, 1).flatten(0, 1)
        first = FUNCTIONS["arange"](own.size).unsqueeze(1) * x.shape[dim]
        made = op(table, (index.whole.reshape((own.size, -1)) + first).reshape(-1), dim=0)
        return made.reshape((own.size, -1, *made.shape[1:])).movedim(1, dim + 1)
    made = op(x, index.whole.reshape(-1), dim=dim)
    sizes = (*x.shape[:dim], own.size, index.numel(), *x.shape[dim + 1 :])
    return made.reshape(sizes).movedim(dim, 0)


@rule("embedding")
def _embedding(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    table, index, padding, by_count = args
    if by_count:
        return NotImplemented
    if not is_batched(table, own):
        return op(table, index.whole, padding, by_count)
    rows, size = table.shape
    if not is_batched(index, own):
        wide = op(table.whole.movedim(0, 1).flatten(1), index, padding, by_count)
        return wide.reshape((*index.shape, own.size, size)).movedim(-2, 0)
    if padding is not None:
        return NotImplemented
    first = FUNCTIONS["arange"](own.size).reshape((own.size, *(1,) * index.ndim)) * rows
    return op(table.whole.flatten(0, 1), index.whole + first, None, by_count)


@rule("index_add")
def _index_add(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    x, index, source, dim, alpha = args
    if is_batched(index, own) or x.ndim == 0 or source.ndim == 0:
        return NotImplemented
    return op(whole(x, own), index, whole(source, own), dim=dim % x.ndim + 1, alpha=alpha)


def get(x: Any, key: Any) -> Any:
    """``x[key]`` where at least one of them is batched."""
    keys = tuple(core.tensor(k) if isinstance(k, list) else k for k in (key if isinstance(key, tuple) else (key,)))
    held = [k for k in keys if isinstance(k, core.TensorBase)]
    own = max((t.level for t in (x, *held) if isinstance(t, BatchedTensor)), key=lambda found: found.depth)
    plain = all(isinstance(k, (int, slice, type(None), type(Ellipsis))) for k in keys)
    if is_batched(x, own) and (plain or (len(keys) == 1 and held and not is_batched(held[0], own) and x.ndim)):
        return batched(x.whole[(slice(None), *keys)], own)
    lone = len(keys) == 1 and bool(held) and not held[0].is_floating_point() and held[0].dtype is not core._dtype_by_name("bool")
    if lone and x.ndim and is_batched(held[0], own):
        index = held[0].whole
        if not is_batched(x, own):
            return batched(x[index], own)
        row = FUNCTIONS["arange"](own.size).reshape((own.size, *(1,) * held[0].ndim))
        return batched(x.whole[row, index], own)
    return one_by_one(lambda t, k: t[k], (x, keys), own)


# ---- losses: of each element, then summed or averaged over its dimensions


def _reduced(loss: Any, reduction: int, weight: Any = None) -> Any:
    if reduction == 0:
        return loss
    dims = tuple(range(1, loss.ndim))
    total = loss.sum(dims) if dims else loss
    if reduction == 2:
        return total
    if weight is not None:
        return total / (weight.sum(dims) if dims else weight)
    return total / max(math.prod(loss.shape[1:]), 0) if math.prod(loss.shape[1:]) else total * math.nan


def _loss(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    inputs, attrs = _split(op, args)
    named = dict(zip(op.attrs, attrs, strict=True))
    inputs = _one_dtype(inputs, [isinstance(x, core.TensorBase) for x in inputs])
    ndim = max(x.ndim for x in inputs if x is not None)
    aligned = [x if x is None else padded(x, own, ndim) for x in inputs]
    shape = FUNCTIONS["broadcast_shapes"](*[x.shape for x in aligned if x is not None])
    each = op(*(x if x is None else x.expand(shape) for x in aligned), **{**named, "reduction": 0})
    return _reduced(each, named["reduction"])


for _name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "bce", "bce_with_logits", "kl_div", "kl_div_log"):
    RULES[_name + "_op"] = _loss


@rule("cross_entropy", "nll_op")
def _classes(op: Any, args: tuple[Any, ...], own: Level) -> Any:
    """Scores (n, N, C, S...), classes (n, N, S...); see :func:`corten.nn.functional.cross_entropy`."""
    (x, target, weight), named = args[:3], dict(zip(op.attrs, args[3:], strict=True))
    logits = op.name == "cross_entropy"
    scores, classes = whole(x, own), whole(target, own)
    log_p = scores.log_softmax(2) if logits else scores
    valid = classes != named["ignore_index"]
    safe = FUNCTIONS["where"](valid, classes, 0)
    share = valid.to(log_p.dtype)
    each = -log_p.gather(2, safe.unsqueeze(2)).squeeze(2)
    if weight is not None:
        own_weight = whole(weight, own).to(log_p.dtype)
        share = share * own_weight.gather(1, safe.reshape((own.size, -1))).reshape(safe.shape)
    each = each * share
    smoothing = named.get("label_smoothing", 0.0)
    if smoothing:
        if weight is not None:
            by_class = own_weight.reshape((own.size, 1, -1, *(1,) * (scores.ndim - 3)))
            flat = -(log_p * by_class).sum(2)
        else:
            flat = -log_p.sum(2)
        each = (1 - smoothing) * each + smoothing / scores.shape[2] * flat * valid.to(log_p.dtype)
    total = share.sum(tuple(range(1, share.ndim)))
    loss = _reduced(each, named["reduction"], share)
    return (loss, scores.logsumexp(2), total) if logits else (loss, total)


class VmapInfo(NamedTuple):
    """What a Function's ``vmap`` is told."""

    batch_size: int
    randomness: str


def apply_function(cls: Any, args: tuple[Any, ...]) -> Any:
    """A :class:`corten.autograd.Function` of batched tensors: by its own ``vmap(info, in_dims, *args)``, or for each element."""
    found = [a for a in args if isinstance(a, BatchedTensor)]
    if not found:
        return NotImplemented
    own = max((a.level for a in found), key=lambda level: level.depth)
    if getattr(cls, "vmap", None) is None:
        return one_by_one(cls.apply, args, own)
    in_dims = tuple(0 if is_batched(a, own) else None for a in args)
    out, out_dims = cls.vmap(VmapInfo(own.size, "error"), in_dims, *(a.whole if d == 0 else a for a, d in zip(args, in_dims, strict=True)))
    if not isinstance(out, tuple):
        return out if out_dims is None else batched(out.movedim(out_dims, 0), own)
    return tuple(o if d is None else batched(o.movedim(d, 0), own) for o, d in zip(out, out_dims, strict=True))


core._set_batched(BatchedTensor, call, get)
autograd.apply_batched = apply_function
