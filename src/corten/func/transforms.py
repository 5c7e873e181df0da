"""Transformations of functions, under the names and arguments of ``torch.func``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from corten import autograd
from corten._core import core
from corten.func.batching import all_the_way, levels_of, one_by_one, over_all_levels, spread_over, under
from corten.func.mapping import vmap
from corten.func.trees import flatten, mapped
from corten.nn.module import Module
from corten.nn.utils.stateless import functional_call as functional_call
from corten.ops import random
from corten.ops.view import stack

Tensor = core.TensorBase
Fn = Callable[..., Any]


def _tracked(x: Any, name: str) -> Any:
    """The same values as a new place on the tape, from which derivatives are taken."""
    if not isinstance(x, Tensor):
        raise ValueError(f"[{name}] got {type(x).__name__} where a derivative is wanted, expected a tensor")
    if not x.is_floating_point():
        raise RuntimeError(f"[{name}] got a tensor of {x.dtype} where a derivative is wanted, expected a floating-point dtype")
    x = over_all_levels(x)
    return x.view_as(x) if x.requires_grad else x.detach().requires_grad_()


def _derivatives(outs: list[Any], inputs: list[Any], seeds: list[Any]) -> Any:
    """Gradients of tensors, batched ones included, that can be differentiated again; None where there is no path."""
    known = [own for o in outs for own in levels_of(o)]
    for own in [own for s in seeds for own in levels_of(s)][::-1]:
        if not any(own is k for k in known):  # the derivative of one graph along many directions
            return one_by_one(lambda *each: tuple(_derivatives(outs, inputs, list(each))), seeds, own)
    reals = [spread_over(s, levels_of(o)) for s, o in zip(seeds, outs, strict=True)]
    found = autograd.grad([all_the_way(o) for o in outs], [all_the_way(x) for x in inputs], reals, retain_graph=True, create_graph=True,
                          allow_unused=True)  # fmt: skip
    return [None if g is None else under(g, levels_of(x)) for g, x in zip(found, inputs, strict=True)]


def _settled(values: list[Any], ours: list[Any]) -> list[Any]:
    """Values off the tape, unless something other than our own places is behind them."""
    own = {id(all_the_way(x)) for x in ours if x.is_leaf}
    return [v.detach() if isinstance(v, Tensor) and v.requires_grad and not _depends_on_others(v, own) else v for v in values]


def _depends_on_others(x: Any, own: set[int]) -> bool:
    x = all_the_way(x)
    if x.grad_fn is None:
        return id(x) not in own
    seen, waiting = set(), [x.grad_fn]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        for following, _ in node.next_functions:
            if isinstance(following, Tensor):
                if id(following) not in own:
                    return True
            elif following is not None:
                waiting.append(following)
    return False


def _numbers(argnums: Any, args: tuple[Any, ...], name: str) -> tuple[int, ...]:
    wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if any(not -len(args) <= i < len(args) for i in wanted):
        raise RuntimeError(f"[{name}] got argnums={argnums} for {len(args)} arguments")
    return tuple(i % len(args) for i in wanted)


def _with(args: tuple[Any, ...], places: tuple[int, ...], trees: list[Any]) -> tuple[Any, ...]:
    out = list(args)
    for i, tree in zip(places, trees, strict=True):
        out[i] = tree
    return tuple(out)


def _prepare(name: str, args: tuple[Any, ...], argnums: Any) -> tuple[Any, list[Any], Any, tuple[Any, ...]]:
    """Places, tracked leaves, what builds the trees from leaves, and the arguments with them."""
    places = _numbers(argnums, args, name)
    leaves, build = flatten([args[i] for i in places])
    inputs = [_tracked(x, name) for x in leaves]
    return places, inputs, build, _with(args, places, build(inputs))


def _zeros_for_none(grads: Any, like: list[Any]) -> list[Any]:
    return [core.zeros_like(x) if g is None else g for g, x in zip(grads, like, strict=True)]


def value_and_grad(func: Fn, argnums: Any = 0, has_aux: bool = False) -> Fn:
    """A function that returns (value, gradient), as :func:`grad_and_value` returns them the other way round."""

    @functools.wraps(func)
    def both(*args: Any, **kwargs: Any) -> Any:
        g, value = grad_and_value(func, argnums, has_aux)(*args, **kwargs)
        return value, g

    return both


def grad_and_value(func: Fn, argnums: Any = 0, has_aux: bool = False) -> Fn:
    """A function that returns (gradient, value) of ``func``, which returns a number, or with ``has_aux`` also more."""

    @functools.wraps(func)
    def both(*args: Any, **kwargs: Any) -> Any:
        with autograd.enable_grad():
            _, inputs, build, whole = _prepare("grad", args, argnums)
            out = func(*whole, **kwargs)
            value, aux = out if has_aux else (out, None)
            if not isinstance(value, Tensor) or value.ndim:
                shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise RuntimeError(f"[grad] the function returned {shape}, expected a 0-d tensor")
            if value.requires_grad:
                grads = _zeros_for_none(_derivatives([value], inputs, [core.ones_like(value)]), inputs)
            else:
                grads = [core.zeros_like(x) for x in inputs]
        grads = _settled(grads, inputs)
        trees = build(grads)
        g = trees[0] if isinstance(argnums, int) else tuple(trees)
        value = _settled([value], inputs)[0]
        if has_aux:
            aux = mapped(lambda x: _settled([x], inputs)[0], aux)
            return g, (value, aux)
        return g, value

    return both


def grad(func: Fn, argnums: Any = 0, has_aux: bool = False) -> Fn:
    """A function that computes the gradient of ``func`` for one or several of its arguments.

    Parameters
    ----------
    func : callable
        Returns a 0-d tensor, with ``has_aux`` a pair of that and something else.
    argnums : int or tuple of int
        Which arguments; they may be nested tuples, lists and dicts of tensors.

    Examples
    --------
    >>> import corten
    >>> corten.func.grad(corten.func.grad(corten.sin))(corten.tensor(1.0))
    tensor(-0.8415)
    """

    @functools.wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        g, value = grad_and_value(func, argnums, has_aux)(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return gradient


def vjp(func: Fn, *primals: Any, has_aux: bool = False) -> Any:
    """The value of ``func`` and the function that maps gradients of it to gradients of the arguments.

    Examples
    --------
    >>> import corten
    >>> out, pull = corten.func.vjp(lambda x: x * x, corten.tensor([1.0, 2.0]))
    >>> pull(corten.ones(2))
    (tensor([2., 4.]),)
    """
    with autograd.enable_grad():
        _, inputs, build, whole = _prepare("vjp", primals, tuple(range(len(primals))))
        out = func(*whole)
    out, aux = out if has_aux else (out, None)
    outs, rebuild = flatten(out)

    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        seeds, _ = flatten(cotangents)
        if len(seeds) != len(outs) or any(s.shape != o.shape for s, o in zip(seeds, outs, strict=True)):
            raise RuntimeError(f"[vjp] got gradients of {[tuple(s.shape) for s in seeds]}, expected {[tuple(o.shape) for o in outs]}")
        live = [(o, s) for o, s in zip(outs, seeds, strict=True) if o.requires_grad]
        if not live:
            return tuple(build([core.zeros_like(x) for x in inputs]))
        with autograd.enable_grad():
            found = _derivatives([o for o, _ in live], inputs, [s for _, s in live])
        return tuple(build(_settled(_zeros_for_none(found, inputs), inputs)))

    value = rebuild(_settled(outs, inputs))
    return (value, pull, aux) if has_aux else (value, pull)


def jvp(func: Fn, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """The value of ``func`` and its derivative along tangents: the backward of a backward.

    Examples
    --------
    >>> import corten
    >>> corten.func.jvp(corten.sin, (corten.tensor(0.0),), (corten.tensor(2.0),))
    (tensor(0.), tensor(2.))
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple) or len(primals) != len(tangents):
        raise RuntimeError("[jvp] expected tuples of primals and of as many tangents")
    with autograd.enable_grad():
        _, inputs, _, whole = _prepare("jvp", primals, tuple(range(len(primals))))
        out = func(*whole)
        out, aux = out if has_aux else (out, None)
        outs, rebuild = flatten(out)
        directions, _ = flatten(list(tangents))
        if [d.shape for d in directions] != [x.shape for x in inputs]:
            raise RuntimeError("[jvp] tangents differ from primals in shape")
        live = [o for o in outs if o.requires_grad]
        zero = [_tracked(core.zeros_like(o), "jvp") for o in live]
        pulled = _derivatives(live, inputs, zero) if live else []
        pairs = [(g, d) for g, d in zip(pulled, directions, strict=False) if g is not None and g.requires_grad]
        if pairs:
            pushed = _derivatives([g for g, _ in pairs], zero, [d for _, d in pairs])
        else:
            pushed = [None] * len(live)  # type: ignore[assignment]
    found = iter(_settled(_zeros_for_none(pushed, zero), [*inputs, *zero]))
    tangent = rebuild([next(found) if o.requires_grad else core.zeros_like(o) for o in outs])
    value = rebuild(_settled(outs, inputs))
    return (value, tangent, aux) if has_aux else (value, tangent)


def linearize(func: Fn, *primals: Any) -> Any:
    """The value of ``func`` and its derivative at the primals as a function of tangents."""
    value = mapped(lambda x: x.detach() if isinstance(x, Tensor) else x, func(*primals))

    def push(*tangents: Any) -> Any:
        return jvp(func, primals, tangents)[1]

    return value, push


def _rows(o: Any, inputs: list[Any]) -> list[Any]:
    """Gradients of each element of a tensor, stacked, by one backward each."""
    flat = o.reshape(-1)
    columns: list[list[Any]] = [[] for _ in inputs]
    for k in range(flat.shape[0]):
        found = _derivatives([flat[k]], inputs, [core.ones_like(flat[k])]) if o.requires_grad else [None] * len(inputs)
        for column, g in zip(columns, _zeros_for_none(found, inputs), strict=True):
            column.append(g)
    return [stack(c).reshape((*o.shape, *x.shape)) if c else x.new_zeros((*o.shape, *x.shape))
            for c, x in zip(columns, inputs, strict=True)]  # fmt: skip


def _batched_rows(fn: Fn, outs: list[Any], inputs: list[Any], chunk_size: int | None) -> list[list[Any]]:
    """Gradients of each element of each output: one pass over as many copies of the inputs as the output has elements."""
    rows = []
    for k, o in enumerate(outs):
        size = o.numel()
        if not o.requires_grad or size == 0:
            rows.append([x.new_zeros((*o.shape, *x.shape)) for x in inputs])
            continue

        def one(seed: Any, k: int = k) -> Any:
            _, pull = vjp(fn, *inputs)
            return pull(tuple(seed if i == k else core.zeros_like(other) for i, other in enumerate(outs)))

        units = core.zeros(size, size, dtype=o.dtype).fill_diagonal_(1).reshape((size, *o.shape))
        found = vmap(one, chunk_size=chunk_size)(units)
        rows.append([g.reshape((*o.shape, *x.shape)) for g, x in zip(found, inputs, strict=True)])
    return rows


def jacrev(func: Fn, argnums: Any = 0, *, has_aux: bool = False, chunk_size: int | None = None,
           _preallocate_and_copy: bool = False) -> Fn:  # fmt: skip
    """A function that computes the Jacobian of ``func`` from its outputs backwards: (output..., input...).

    The rows are computed together, over as many copies of the inputs as there are outputs (``chunk_size`` at a time); of a
    function that draws random numbers one after another.

    Examples
    --------
    >>> import corten
    >>> corten.func.jacrev(lambda x: x * x)(corten.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @functools.wraps(func)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        with autograd.enable_grad():
            places, inputs, build, whole = _prepare("jacrev", args, argnums)
            drawn = random.default_generator.get_state()
            out = func(*whole, **kwargs)
            out, aux = out if has_aux else (out, None)
            outs, rebuild = flatten(out)

            def leaves(*values: Any) -> Any:
                made = func(*_with(args, places, build(list(values))), **kwargs)
                return tuple(flatten(made[0] if has_aux else made)[0])

            same = bool((drawn == random.default_generator.get_state()).all())
            together = same and sum(o.numel() for o in outs) > 1
            each = _batched_rows(leaves, outs, inputs, chunk_size) if together else [_rows(o, inputs) for o in outs]
            rows = []
            for parts in each:
                trees = build(_settled(parts, inputs))
                rows.append(trees[0] if isinstance(argnums, int) else tuple(trees))
        result = rebuild(rows)
        return (result, aux) if has_aux else result

    return jacobian_of


jacobian = jacrev


def jacfwd(func: Fn, argnums: Any = 0, has_aux: bool = False, *, randomness: str = "error") -> Fn:
    """A function that computes the Jacobian of ``func`` along its inputs, all together: (output..., input...).

    Examples
    --------
    >>> import corten
    >>> corten.func.jacfwd(lambda x: x * x)(corten.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @functools.wraps(func)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        places = _numbers(argnums, args, "jacfwd")
        leaves, build = flatten([args[i] for i in places])

        def whole(*values: Any) -> Any:
            return func(*_with(args, places, build(list(values))), **kwargs)

        columns: list[list[Any]] = []
        rebuild: Any = None
        aux = None
        for k, x in enumerate(leaves):
            size = x.numel()
            units = core.zeros(size, size, dtype=x.dtype).fill_diagonal_(1).reshape((size, *x.shape))

            def along(unit: Any, k: int = k) -> Any:
                direction = tuple(unit if i == k else core.zeros_like(y) for i, y in enumerate(leaves))
                found = jvp(whole, tuple(leaves), direction, has_aux=has_aux)
                return (found[1], found[2]) if has_aux else (found[1], ())

            tangents, extra = vmap(along, out_dims=(-1, 0), randomness=randomness)(units)
            aux = mapped(lambda a: a[0], extra) if has_aux else None
            parts, rebuild = flatten(tangents)
            columns.append([p.reshape((*p.shape[:-1], *x.shape)) for p in parts])
        trees = [build(list(row)) for row in zip(*columns, strict=True)]
        result = rebuild([t[0] if isinstance(argnums, int) else tuple(t) for t in trees])
        return (result, aux) if has_aux else result

    return jacobian_of


def hessian(func: Fn, argnums: Any = 0) -> Fn:
    """A function that computes the second derivatives of ``func``: the Jacobian, along the inputs, of its Jacobian."""
    return jacfwd(jacrev(func, argnums), argnums)


def functionalize(func: Fn, *, remove: str = "mutations") -> Fn:
    """The function itself: in-place work is recorded on the tape as it is."""
    return func


def stack_module_state(models: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and buffers of several modules of one kind, stacked by name, for :func:`functional_call` under vmap."""
    members = list(models)
    if not members:
        raise RuntimeError("[stack_module_state] got no modules")
    if any(type(m) is not type(members[0]) for m in members) or len({m.training for m in members}) > 1:
        raise RuntimeError("[stack_module_state] expected modules of one class, all training or all evaluating")
    stores = []
    for kind in ("named_parameters", "named_buffers"):
        each = [dict(getattr(m, kind)()) for m in members]
        made = {}
        for name, first in each[0].items():
            joined = stack([e[name].detach() for e in each])
            made[name] = joined.requires_grad_(first.requires_grad)
        stores.append(made)
    return stores[0], stores[1]


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """Make every batch norm forget its running statistics, which a function must not change. In place."""
    from corten.nn.normalization import BatchNorm

    for m in root.modules():
        if isinstance(m, BatchNorm):
            m.track_running_stats = False
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                m._buffers[name] = None
    return root


