"""Transformations of functions, under the names and arguments of ``torch.func``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from corten import autograd
from corten._core import core
from corten.func.trees import flatten, mapped
from corten.nn.module import Module
from corten.nn.utils.stateless import functional_call as functional_call
from corten.ops.view import stack

Tensor = core.TensorBase
Fn = Callable[..., Any]


def _tracked(x: Any, name: str) -> Any:
    """The same values as a new place on the tape, from which derivatives are taken."""
    if not isinstance(x, Tensor):
        raise ValueError(f"[{name}] got {type(x).__name__} where a derivative is wanted, expected a tensor")
    if not x.is_floating_point():
        raise RuntimeError(f"[{name}] got a tensor of {x.dtype} where a derivative is wanted, expected a floating-point dtype")
    return x.view_as(x) if x.requires_grad else x.detach().requires_grad_()


def _settled(values: list[Any], ours: list[Any]) -> list[Any]:
    """Values off the tape, unless something other than our own places is behind them."""
    own = {id(x) for x in ours if x.is_leaf}
    return [v.detach() if isinstance(v, Tensor) and v.requires_grad and not _depends_on_others(v, own) else v for v in values]


def _depends_on_others(x: Any, own: set[int]) -> bool:
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
                grads = _zeros_for_none(autograd.grad(value, inputs, create_graph=True, allow_unused=True), inputs)
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
            found = autograd.grad([o for o, _ in live], inputs, [s for _, s in live], retain_graph=True, create_graph=True,
                                  allow_unused=True)  # fmt: skip
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
        zero = [core.zeros_like(o).detach().requires_grad_() for o in live]
        pulled = autograd.grad(live, inputs, zero, create_graph=True, allow_unused=True) if live else []
        pairs = [(g, d) for g, d in zip(pulled, directions, strict=False) if g is not None and g.requires_grad]
        if pairs:
            pushed = autograd.grad([g for g, _ in pairs], zero, [d for _, d in pairs], create_graph=True, allow_unused=True)
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


def jacrev(func: Fn, argnums: Any = 0, *, has_aux: bool = False, chunk_size: int | None = None,
           _preallocate_and_copy: bool = False) -> Fn:  # fmt: skip
    """A function that computes the Jacobian of ``func``, one backward for each output: (output..., input...).

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
            _, inputs, build, whole = _prepare("jacrev", args, argnums)
            out = func(*whole, **kwargs)
            out, aux = out if has_aux else (out, None)
            outs, rebuild = flatten(out)
            rows = []
            for o in outs:
                columns: list[list[Any]] = [[] for _ in inputs]
                flat = o.reshape(-1)
                for k in range(flat.shape[0]):
                    found = autograd.grad(flat[k], inputs, retain_graph=True, create_graph=True, allow_unused=True) \
                        if o.requires_grad else [None] * len(inputs)  # fmt: skip
                    for column, g in zip(columns, _zeros_for_none(found, inputs), strict=True):
                        column.append(g)
                parts = [stack(c).reshape((*o.shape, *x.shape)) if c else x.new_zeros((*o.shape, *x.shape))
                         for c, x in zip(columns, inputs, strict=True)]  # fmt: skip
                trees = build(_settled(parts, inputs))
                rows.append(trees[0] if isinstance(argnums, int) else tuple(trees))
        result = rebuild(rows)
        return (result, aux) if has_aux else result

    return jacobian_of


jacobian = jacrev


def jacfwd(func: Fn, argnums: Any = 0, has_aux: bool = False, *, randomness: str = "error") -> Fn:
    """As :func:`jacrev`: there is one mode of differentiation, in reverse."""
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Fn, argnums: Any = 0) -> Fn:
    """A function that computes the second derivatives of ``func``: the Jacobian of its Jacobian."""
    return jacrev(jacrev(func, argnums), argnums)


def vmap(func: Fn, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None) -> Fn:
    """A function that maps ``func`` over a dimension of its arguments.

    The function is called once for each element and the results are stacked: what it computes is that of a loop, and so
    is its time. Write the batch dimension out where speed matters.

    Parameters
    ----------
    func : callable
    in_dims : int, None, or nested as the arguments
        The dimension of each argument that is mapped over; None for arguments that are the same for all.
    out_dims : int or tuple
        Where the dimension is in the results.
    randomness : {'error', 'different', 'same'}
        'same' draws the same random numbers in each call, others draw on.

    Examples
    --------
    >>> import corten
    >>> corten.func.vmap(corten.dot)(corten.ones(2, 3), corten.ones(2, 3))
    tensor([3., 3.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"[vmap] got randomness={randomness!r}, expected 'error', 'different' or 'same'")

    @functools.wraps(func)
    def mapped_over(*args: Any, **kwargs: Any) -> Any:
        from corten.ops.random import default_generator

        leaves, build = flatten(list(args))
        dims = _spread(in_dims, list(args))
        sizes = {x.shape[d] for x, d in zip(leaves, dims, strict=True) if d is not None}
        if not sizes:
            raise ValueError("[vmap] no argument is mapped over")
        if len(sizes) > 1:
            raise ValueError(f"[vmap] got sizes {sorted(sizes)} of the mapped dimension, expected one")
        (n,) = sizes
        if n == 0:
            raise ValueError("[vmap] got a mapped dimension of size 0")
        state = default_generator.get_state() if randomness == "same" else None
        results = []
        for i in range(n):
            if state is not None:
                default_generator.set_state(state)
            results.append(func(*build([x if d is None else x.select(d, i) for x, d in zip(leaves, dims, strict=True)]), **kwargs))
        flats = [flatten(r)[0] for r in results]
        rebuild = flatten(results[0])[1]
        where = _spread(out_dims, results[0])
        joined = []
        for column, d in zip(zip(*flats, strict=True), where, strict=True):
            values = [v if isinstance(v, Tensor) else core.tensor(v) for v in column]
            joined.append(values[0] if d is None else stack(values, d))
        return rebuild(joined)

    return mapped_over


def _spread(dims: Any, tree: Any) -> list[Any]:
    """One dimension for each leaf of a tree."""
    if dims is None or isinstance(dims, int):
        leaves, _ = flatten(tree)
        return [dims if isinstance(leaf, Tensor) else None for leaf in leaves]
    parts = list(tree.values()) if isinstance(tree, dict) else list(tree)
    own = list(dims.values()) if isinstance(dims, dict) else list(dims)
    if len(own) != len(parts):
        raise ValueError(f"[vmap] got {len(own)} dimensions for {len(parts)} values")
    return [d for one, part in zip(own, parts, strict=True) for d in _spread(one, part)]


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


