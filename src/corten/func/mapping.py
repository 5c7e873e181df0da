"""``vmap``: a function of one element, carried out on a whole batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from corten._core import core
from corten.func import rules  # noqa: F401  (connects the rules to the ops)
from corten.func.batching import Level, SingleElementError, batched, is_batched, level
from corten.func.trees import flatten
from corten.ops.view import stack

Tensor = core.TensorBase
Fn = Callable[..., Any]


def vmap(func: Fn, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None) -> Fn:
    """A function that maps ``func`` over a dimension of its arguments.

    The function is called once, with tensors that show one element and stand for all: every op runs on the whole batch, by a
    rule, or, where it has none, once for each element. A function that asks for the numbers of single elements (``item()``, an
    ``if`` on a value), or that may draw random numbers, is called once for each element, which gives the same and takes the
    time of a loop.

    Parameters
    ----------
    func : callable
        Of tensors and nested containers of them.
    in_dims : int, None, or nested as the arguments
        The dimension of each argument that is mapped over; None for arguments that are the same for all.
    out_dims : int, None or nested as the results
        Where the dimension is in the results; None for results that are the same for all.
    randomness : {'error', 'different', 'same'}
        Whether drawing random numbers raises, gives others to each element, or the same to all.
    chunk_size : int, optional
        Most elements at a time; all unless given.

    Raises
    ------
    ValueError
        For dimensions that do not fit the arguments or results.
    RuntimeError
        When random numbers are drawn with ``randomness='error'``.

    Examples
    --------
    >>> import corten
    >>> corten.func.vmap(corten.dot)(corten.ones(2, 3), corten.ones(2, 3))
    tensor([3., 3.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"[vmap] got randomness={randomness!r}, expected 'error', 'different' or 'same'")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"[vmap] got chunk_size={chunk_size}, expected at least 1")

    @functools.wraps(func)
    def mapped_over(*args: Any, **kwargs: Any) -> Any:
        leaves, build = flatten(list(args))
        dims = [_checked(x, d) for x, d in zip(leaves, _spread(in_dims, list(args)), strict=True)]
        sizes = {x.shape[d] for x, d in zip(leaves, dims, strict=True) if d is not None}
        if not sizes:
            raise ValueError("[vmap] no argument is mapped over")
        if len(sizes) > 1:
            raise ValueError(f"[vmap] got sizes {sorted(sizes)} of the mapped dimension, expected one")
        (n,) = sizes
        run = _together if randomness == "error" else functools.partial(_one_by_one, same=randomness == "same")
        step = n if chunk_size is None else min(chunk_size, n)
        if n == 0 and randomness != "error":
            raise ValueError("[vmap] got a mapped dimension of size 0 with random numbers in the function")
        if step == n:
            return _moved(_wholes(*run(func, leaves, dims, build, kwargs, n), out_dims, n), out_dims)
        pieces = []
        for at in range(0, n, step):
            size = min(step, n - at)
            parts = [x if d is None else x.narrow(d, at, size) for x, d in zip(leaves, dims, strict=True)]
            pieces.append(flatten(_wholes(*run(func, parts, dims, build, kwargs, size), out_dims, size)))
        joined = [core.REGISTRY["cat"](list(c), 0) for c in zip(*(p[0] for p in pieces), strict=True)]
        return _moved(pieces[0][1](joined), out_dims)

    return mapped_over


def _checked(x: Any, d: Any) -> int | None:
    if d is None:
        return None
    if not isinstance(d, int):
        raise ValueError(f"[vmap] got in_dims {d!r}, expected ints and None")
    if not isinstance(x, Tensor):
        raise ValueError(f"[vmap] got {type(x).__name__} for an argument that is mapped over dimension {d}, expected a tensor")
    if not -x.ndim <= d < x.ndim:
        raise ValueError(f"[vmap] dimension {d} is out of range for an argument of shape {tuple(x.shape)}")
    return d % x.ndim


def _together(func: Fn, leaves: list[Any], dims: list[Any], build: Any, kwargs: Any, n: int) -> tuple[Any, Level | None]:
    """The results of one call on batched tensors."""
    with level(n) as own:
        try:
            args = build([x if d is None else batched(x.movedim(d, 0), own) for x, d in zip(leaves, dims, strict=True)])
            return func(*args, **kwargs), own
        except SingleElementError as asked:
            if own.wrote:
                raise RuntimeError(f"{asked}, after the function wrote into a batched tensor") from None
    return _one_by_one(func, leaves, dims, build, kwargs, n, same=False)


def _one_by_one(func: Fn, leaves: list[Any], dims: list[Any], build: Any, kwargs: Any, n: int, same: bool) -> tuple[Any, None]:
    """The results of a call for each element, stacked along the first dimension."""
    from corten.ops.random import default_generator

    state = default_generator.get_state() if same else None
    results = []
    for i in range(n):
        if state is not None:
            default_generator.set_state(state)
        results.append(func(*build([x if d is None else x.select(d, i) for x, d in zip(leaves, dims, strict=True)]), **kwargs))
    rebuild = flatten(results[0])[1]
    columns = zip(*(flatten(r)[0] for r in results), strict=True)
    return rebuild([stack([v if isinstance(v, Tensor) else core.tensor(v) for v in c]) for c in columns]), None


def _wholes(result: Any, own: Level | None, out_dims: Any, n: int) -> Any:
    """Results with the mapped dimension first; what is the same for all elements is repeated."""
    leaves, build = flatten(result)
    wholes = []
    for x, d in zip(leaves, _spread(out_dims, result), strict=True):
        if own is None:
            wholes.append(x)
        elif is_batched(x, own):
            if d is None:
                raise ValueError("[vmap] got out_dims None for a result that differs from element to element")
            wholes.append(x.whole)
        else:
            if not isinstance(x, (Tensor, int, float, complex)):
                raise ValueError(f"[vmap] the function returned {type(x).__name__}, expected tensors and numbers")
            x = x if isinstance(x, Tensor) else core.tensor(x)
            if x.is_meta:
                raise RuntimeError("[vmap] the function returned a tensor without data: an operation in it cannot be batched")
            wholes.append(x.expand((n, *x.shape)))
    return build(wholes)


def _moved(result: Any, out_dims: Any) -> Any:
    """Wholes with the mapped dimension where ``out_dims`` wants it."""
    leaves, build = flatten(result)
    dims = _spread(out_dims, result)
    return build([x.select(0, 0) if d is None else x.movedim(0, d) if d else x for x, d in zip(leaves, dims, strict=True)])


def _spread(dims: Any, tree: Any) -> list[Any]:
    """One dimension for each leaf of a tree."""
    if dims is None or isinstance(dims, int):
        return [dims] * len(flatten(tree)[0])
    if not isinstance(dims, (tuple, list, dict)) or not isinstance(tree, (tuple, list, dict)):
        raise ValueError(f"[vmap] got dimensions {dims!r} for {type(tree).__name__}, expected ints, None or nested as the values")
    parts = list(tree.values()) if isinstance(tree, dict) else list(tree)
    own = list(dims.values()) if isinstance(dims, dict) else list(dims)
    if len(own) != len(parts):
        raise ValueError(f"[vmap] got {len(own)} dimensions for {len(parts)} values")
    return [d for one, part in zip(own, parts, strict=True) for d in _spread(one, part)]
