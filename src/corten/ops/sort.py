"""Order: sorting, selection by rank, unique values, searching, counting."""

from __future__ import annotations

from typing import Any

from corten import return_types
from corten._core import core
from corten.ops.composite import (
    BOOL,
    FLOAT32,
    FLOAT64,
    INT32,
    INT64,
    as_array,
    composite,
    from_array,
    is_tensor,
    widened,
    write_out,
)
from corten.ops.declare import FUNCTIONS, op
from corten.ops.view import core_wrap, flatten, reshape, select, unsqueeze

# ---- elements picked along a dimension, and put back: the gradient of everything that returns indices

picked = op("picked(input, index: int64, dim: dim) -> out", kernel="gather", shape=lambda x, index, dim: index,
            function=False,
            vjp=(lambda g, index, input_shape, dim: placed(g, index, input_shape, dim), None),
            reference=lambda xp, input, index, dim: xp.take_along_axis(input, index, dim),
            doc="Elements along a dimension, at indices known to be in range.")  # fmt: skip
added_at = op("added_at(input, index: int64, source, dim: dim) -> out", kernel="scatter_add", function=False,
              vjp=(lambda g: g, None, lambda g, index, dim: picked(g, index, dim)),
              doc="The input with the source's elements added at indices along a dimension.")  # fmt: skip


def placed(g: Any, index: Any, shape: Any, dim: int) -> Any:
    """Zeros of a shape with g added where the indices point along a dimension."""
    return added_at(core.zeros(tuple(shape), dtype=g.dtype, device=g.device), index, g.contiguous(), dim)


def shape_twice(x: Any, *rest: Any) -> Any:
    """Two outputs of the input's shape."""
    return x, x


sort_op = op("sort_op(input, dim: dim, descending: bool) -> values, indices", shape=shape_twice, dtype="same,int64",
             kernel="sort", function=False,
             vjp=lambda g_values, indices, input_shape, dim: placed(g_values, indices, input_shape, dim),
             doc="Sorted values and where they were; equals keep their order.")  # fmt: skip


def first_shape(x: Any, k: int, dim: int, *rest: Any) -> Any:
    """The input's shape with k at a dimension, twice."""
    shape = list(x)
    if shape:
        shape[dim] = k
    return shape, shape


topk_op = op("topk_op(input, k: int, dim: dim, largest: bool) -> values, indices", shape=first_shape, dtype="same,int64",
             kernel="topk", function=False,
             vjp=lambda g_values, indices, input_shape, dim: placed(g_values, indices, input_shape, dim),
             doc="The k largest (or smallest) values in order, and where they were.")  # fmt: skip


def narrowed(kind: Any, pair: Any, dtype: Any) -> Any:
    """A named pair, its values in the dtype that came in."""
    values, indices = pair
    return kind((values if values.dtype is dtype else values.to(dtype), indices))


@composite(out=True)
def sort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
    """Values in order along a dimension, and where they were.

    Sorting is always stable: equal values keep their order. NaN counts as the greatest. A radix sort by digits of 8 bits.

    Returns
    -------
    (values, indices) : named tuple of Tensors, both of the input's shape

    Examples
    --------
    >>> import corten
    >>> corten.sort(corten.tensor([3.0, 1.0, 2.0])).indices
    tensor([1, 2, 0])
    """
    return narrowed(return_types.sort, sort_op(widened(input), dim, descending), input.dtype)


@composite
def argsort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
    """Indices that sort a dimension; see :func:`sort`."""
    return sort_op(widened(input.detach()), dim, descending)[1]


@composite(out=True)
def msort(input: Any) -> Any:
    """Values in order along the first dimension."""
    return sort(input, 0)[0] if input.ndim else input.clone()


@composite(out=True)
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The k largest (or smallest) values along a dimension in order, and where they were.

    Examples
    --------
    >>> import corten
    >>> corten.topk(corten.tensor([3.0, 1.0, 2.0]), 2).values
    tensor([3., 2.])
    """
    n = input.shape[core_wrap(dim, input.ndim, "topk")] if input.ndim else 1
    k = int(k)
    if not 0 <= k <= n:
        raise RuntimeError(f"[topk] got k={k} for a dimension of size {n}, expected 0 to {n}")
    return narrowed(return_types.topk, topk_op(widened(input), k, dim, largest), input.dtype)


# ---- extremes and ranks, with indices

extreme_of = {}
for _name, _row in (("max", "max_index"), ("min", "min_index")):
    extreme_of[_name] = op(
        f"{_row}(input, dim: dims, keepdim: bool) -> values, indices", shape="reduce", dtype="same,int64", kernel=_row,
        function=False,
        vjp=lambda g_values, indices, input_shape, dim, keepdim: back_along(g_values, indices, input_shape, dim, keepdim),
        doc=f"The {_name}imum along a dimension and where it first is; NaN when there is one.")  # fmt: skip


def back_along(g: Any, indices: Any, shape: Any, dim: int, keepdim: bool) -> Any:
    """The gradient of values picked at one index along a dimension."""
    if not shape:
        return reshape(g, ())
    if not keepdim:
        g, indices = unsqueeze(g, core_wrap(dim, len(shape))), unsqueeze(indices, core_wrap(dim, len(shape)))
    return placed(g, indices, shape, core_wrap(dim, len(shape)))


def some(name: str, input: Any, dim: int) -> None:
    """IndexError for a dimension without elements."""
    if input.ndim and input.shape[core_wrap(dim, input.ndim, name)] == 0:
        raise IndexError(f"[{name}] {tuple(input.shape)} has no elements along dimension {dim}")


def extreme(name: str) -> Any:
    kind, made = getattr(return_types, name), extreme_of[name]
    whole_extreme, pair = FUNCTIONS["amax" if name == "max" else "amin"], FUNCTIONS[f"{name}imum"]
    where_it_is = FUNCTIONS[f"arg{name}"]

    def run(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
        if is_tensor(dim) and dim.numel() != 1 or is_tensor(dim) and dim.is_floating_point():
            other, dim = dim, None
        if other is not None:
            return pair(input, other)
        if dim is None:
            if input.numel() == 0:
                raise RuntimeError(f"[{name}] a tensor without elements has no {name}imum; expected a dimension")
            return whole_extreme(input)
        dim = dim if isinstance(dim, int) else dim.__index__()
        some(name, input, dim)
        if input.ndim == 0:
            core_wrap(dim, 0, name)
            return kind((input.clone(), core.zeros((), dtype=INT64)))
        if not input.is_floating_point():
            index = where_it_is(input, dim, True)
            values = picked(widened(input), index, dim).to(input.dtype)
            d = core_wrap(dim, input.ndim)
            return kind((values, index) if keepdim else (select(values, d, 0), select(index, d, 0)))
        return kind(made(input, dim, keepdim))

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"""The {name}imum of all elements; with ``dim``, along it and with its index; with a tensor, of pairs.

    Examples
    --------
    >>> import corten
    >>> corten.{name}(corten.tensor([[1.0, 3.0], [4.0, 2.0]]), 1).indices
    tensor([{"1, 0" if name == "max" else "0, 1"}])
    """
    return composite(run, out=True)


max_, min_ = extreme("max"), extreme("min")


@composite(out=True)
def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """Smallest and largest of all elements, or along a dimension."""
    if input.numel() == 0 and dim is None:
        raise RuntimeError("[aminmax] a tensor without elements has no extremes")
    dims = tuple(range(input.ndim)) if dim is None else dim
    return return_types.aminmax((FUNCTIONS["amin"](input, dims, keepdim), FUNCTIONS["amax"](input, dims, keepdim)))


def without(x: Any, dim: int, rank: int) -> Any:
    """The input's shape with 1 at a dimension, twice."""
    shape = list(x)
    if shape:
        shape[dim] = 1
    return shape, shape


MEDIAN, NANMEDIAN = -1, -2  # ranks that depend on how many elements are numbers
kth_op = op("kth(input, dim: dim, rank: int) -> values, indices", shape=without, dtype="same,int64", kernel="kth", function=False,
            vjp=lambda g_values, indices, input_shape, dim: placed(g_values, indices, input_shape, dim),
            doc="The value of one rank along a dimension and where it is, as a stable sort would order them.")  # fmt: skip


def at_rank(kind: Any, input: Any, rank: int, dim: int, keepdim: bool) -> Any:
    """The values of one rank along a dimension."""
    if input.ndim == 0:
        return kind((input.clone(), core.zeros((), dtype=INT64)))
    d = core_wrap(dim, input.ndim)
    values, index = kth_op(widened(input), d, rank)
    values = values if values.dtype is input.dtype else values.to(input.dtype)
    return kind((values, index) if keepdim else (select(values, d, 0), select(index, d, 0)))


@composite(out=True)
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The k-th smallest value along a dimension (from 1), and where it is."""
    n = input.shape[core_wrap(dim, input.ndim, "kthvalue")] if input.ndim else 1
    if not 1 <= k <= n:
        raise RuntimeError(f"[kthvalue] got k={k} for a dimension of size {n}, expected 1 to {n}")
    return at_rank(return_types.kthvalue, input, int(k) - 1, dim, keepdim)


def median_of(name: str, skip_nan: bool) -> Any:
    kind = getattr(return_types, name)

    def run(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
        if dim is None:
            if input.numel() == 0:
                return (
                    core.full((), float("nan"), dtype=input.dtype)
                    if input.is_floating_point()
                    else core.zeros((), dtype=input.dtype)
                )
            return run(reshape(input, (-1,)), 0)[0]
        some(name, input, dim)
        if input.ndim == 0:
            return kind((input.clone(), core.zeros((), dtype=INT64)))
        return at_rank(kind, input, NANMEDIAN if skip_nan else MEDIAN, dim, keepdim)

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"""The lower median of all elements, or along a dimension with its index{", NaN left out" if skip_nan else ""}.

    Examples
    --------
    >>> import corten
    >>> corten.{name}(corten.tensor([4.0, 1.0, 3.0, 2.0]))
    tensor(2.)
    """
    return composite(run, out=True)


median, nanmedian = median_of("median", False), median_of("nanmedian", True)


@composite(out=True)
def mode(input: Any, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent value along a dimension (the smallest of several), and where it last is."""
    if input.ndim == 0:
        return return_types.mode((input.clone(), core.zeros((), dtype=INT64)))
    some("mode", input, dim)
    import numpy as np

    d = core_wrap(dim, input.ndim, "mode")
    values, order = sort_op(widened(input.detach()), d, False)
    v, at = np.moveaxis(as_array(values), d, -1), np.moveaxis(order.numpy(), d, -1)
    n = v.shape[-1]
    ends = np.concatenate([v[..., 1:] != v[..., :-1], np.ones((*v.shape[:-1], 1), bool)], -1)
    place = np.arange(n)
    before = np.maximum.accumulate(np.where(ends, place, -1), -1)
    start = np.concatenate([np.full((*v.shape[:-1], 1), -1), before[..., :-1]], -1)
    best = np.argmax(np.where(ends, place - start, 0), -1)[..., None]
    index = from_array(np.ascontiguousarray(np.moveaxis(np.take_along_axis(at, best, -1), -1, d)))
    found = picked(widened(input), index, d).to(input.dtype)
    return return_types.mode((found, index) if keepdim else (select(found, d, 0), select(index, d, 0)))


# ---- quantiles


def quantile_of(name: str, skip_nan: bool) -> Any:
    def run(input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear") -> Any:
        if not input.is_floating_point():
            raise RuntimeError(f"[{name}] got {input.dtype}, expected float32 or float64")
        if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
            raise RuntimeError(
                f"[{name}] got interpolation={interpolation!r}, expected linear, lower, higher, midpoint or nearest"
            )
        if input.numel() == 0:
            raise RuntimeError(f"[{name}] a tensor without elements has no quantiles")
        probability = q.detach() if is_tensor(q) else core.tensor(float(q), dtype=input.dtype)
        if probability.ndim > 1:
            raise RuntimeError(f"[{name}] got q of {probability.ndim} dimensions, expected a number or a vector")
        if bool(((probability < 0) | (probability > 1)).any()):
            raise RuntimeError(f"[{name}] got q outside [0, 1]")
        shape = tuple(input.shape)
        d = core_wrap(dim, len(shape), name) if dim is not None else 0
        x = flatten(input) if dim is None else input.movedim(d, -1) if input.ndim else reshape(input, (1,))
        ordered = sort_op(x.contiguous(), -1, False)[0]
        n = x.shape[-1]
        bad = x.detach().isnan().sum(-1, keepdim=True)
        last = (n - 1 - bad).clamp(min=0).to(FLOAT64) if skip_nan else core.full_like(bad, n - 1).to(FLOAT64)
        position = probability.to(FLOAT64).reshape(-1) * last
        if not skip_nan:
            position = position * (bad == 0) + (n - 1) * (bad > 0)
        if interpolation != "linear":
            position = {"lower": position.floor, "higher": position.ceil, "nearest": position.round,
                        "midpoint": lambda: (position.floor() + position.ceil()) / 2}[interpolation]()  # fmt: skip
        low = position.floor()
        weight = (position - low).to(input.dtype)
        a = picked(ordered, low.to(INT64), -1)
        out = a
        if interpolation in ("linear", "midpoint"):
            out = a.lerp(picked(ordered, position.ceil().to(INT64), -1), weight)
        out = out.movedim(-1, 0)
        if keepdim:
            kept = [1] * len(shape) if dim is None else [1 if i == d else s for i, s in enumerate(shape)]
            out = reshape(out, (out.shape[0], *kept))
        return out if probability.ndim else select(out, 0, 0)

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"""Quantiles ``q``, one or a vector, of all elements or along a dimension{", NaN left out" if skip_nan else ""}.

    Examples
    --------
    >>> import corten
    >>> corten.{name}(corten.tensor([0.0, 1.0, 2.0, 3.0]), 0.5)
    tensor(1.5000)
    """
    return composite(run, out=True)


quantile, nanquantile = quantile_of("quantile", False), quantile_of("nanquantile", True)

# ---- unique values


def results(*made: Any) -> Any:
    """One result as it is, several as a tuple."""
    kept = tuple(m for m in made if m is not None)
    return kept[0] if len(kept) == 1 else kept


@composite
def unique(input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
           dim: int | None = None) -> Any:  # fmt: skip
    """The different values in order, of all elements or of slices along a dimension.

    Returns
    -------
    values, and where asked for: inverse (which value each element has), counts

    Examples
    --------
    >>> import corten
    >>> corten.unique(corten.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    import numpy as np

    if dim is not None:
        found = np.unique(as_array(input), return_inverse=True, return_counts=True, axis=dim, equal_nan=False)
        return results(from_array(found[0], input.dtype), from_array(found[1].reshape(-1)) if return_inverse else None,
                       from_array(found[2]) if return_counts else None)  # fmt: skip
    x = widened(input.detach()).reshape(-1)
    values, order = sort_op(x, 0, False)
    v = as_array(values)
    starts = np.ones(v.size, bool)
    np.not_equal(v[1:], v[:-1], out=starts[1:])
    at = np.flatnonzero(starts)
    inverse = counts = None
    if return_inverse:
        place = np.empty(v.size, np.int64)
        place[order.numpy()] = np.cumsum(starts) - 1
        inverse = from_array(place.reshape(tuple(input.shape)))
    if return_counts:
        counts = from_array(np.diff(np.append(at, v.size)))
    return results(from_array(v[at], input.dtype), inverse, counts)


@composite
def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Values with repetitions that follow each other left out."""
    import numpy as np

    array = as_array(input)
    x = array.reshape(-1) if dim is None else np.moveaxis(array, dim, 0)
    starts = np.ones(len(x), bool)
    if len(x):
        starts[1:] = (x[1:] != x[:-1]).reshape(len(x) - 1, -1).any(1)
    at = np.flatnonzero(starts)
    values = x[at] if dim is None else np.moveaxis(x[at], 0, dim)
    shape = array.shape if dim is None else (len(x),)
    return results(from_array(np.ascontiguousarray(values), input.dtype),
                   from_array((np.cumsum(starts) - 1).reshape(shape)) if return_inverse else None,
                   from_array(np.diff(np.append(at, len(x)))) if return_counts else None)  # fmt: skip


# ---- searching and counting

search_op = op("search(sorted, values, right: bool) -> out", kernel="searchsorted", dtype="int64", function=False,
               shape=lambda s, v, right: v, doc="How many elements of a sorted row are below each value.")  # fmt: skip


@composite
def searchsorted(sorted_sequence: Any, input: Any, *, out_int32: bool = False, right: bool = False,
                 side: str | None = None, out: Any = None, sorter: Any = None) -> Any:  # fmt: skip
    """Where values belong in a sorted sequence (n), or each row of values in its own row of sequences (..., n).

    Examples
    --------
    >>> import corten
    >>> corten.searchsorted(corten.tensor([1.0, 3.0, 5.0]), corten.tensor([3.0, 6.0]))
    tensor([1, 3])
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"[searchsorted] got side={side!r}, expected 'left' or 'right'")
    if side == "left" and right:
        raise RuntimeError("[searchsorted] side='left' and right=True contradict each other")
    right = right or side == "right"
    seq, values = sorted_sequence, input if is_tensor(input) else core.tensor(input)
    if seq.ndim == 0:
        raise RuntimeError("[searchsorted] got a sequence without dimensions, expected at least one")
    if seq.ndim > 1 and (values.ndim != seq.ndim or values.shape[:-1] != seq.shape[:-1]):
        raise RuntimeError(f"[searchsorted] got a sequence {tuple(seq.shape)} and values {tuple(values.shape)}, expected "
                           "a vector or the same leading dimensions")  # fmt: skip
    if sorter is not None:
        seq = picked(seq, sorter, -1)
    if large(seq) or large(values):
        found = search_integers(seq, values, right)
    else:
        found = search_op(ordered_real(seq), ordered_real(values), right)
    made = found.to(INT32) if out_int32 else found
    return made if out is None else write_out("searchsorted", out, made)


def large(x: Any) -> bool:
    """Whether there are integers that float64 cannot tell apart."""
    return x.dtype is INT64 and x.numel() > 0 and max(-int(FUNCTIONS["amin"](x, ())), int(FUNCTIONS["amax"](x, ()))) > 2**53


def ordered_real(x: Any) -> Any:
    """Integers as float64, exact up to 2^53."""
    return x.detach() if x.is_floating_point() else x.to(FLOAT64)


def search_integers(seq: Any, values: Any, right: bool) -> Any:
    """What ``search`` gives, for integers of any size."""
    import numpy as np

    if seq.is_floating_point() or values.is_floating_point():
        raise RuntimeError(f"[searchsorted] got {seq.dtype} and {values.dtype}, expected one dtype for integers beyond 2^53")
    side: Any = "right" if right else "left"
    rows, wanted = as_array(seq).reshape(-1, seq.shape[-1]), as_array(values)
    if seq.ndim == 1:
        return from_array(np.asarray(np.searchsorted(rows[0], wanted, side)))
    found = [np.searchsorted(r, w, side) for r, w in zip(rows, wanted.reshape(len(rows), -1), strict=True)]
    return from_array(np.stack(found).reshape(wanted.shape))


@composite(method=False)
def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False, out: Any = None) -> Any:
    """Which interval between sorted boundaries each value falls into."""
    if boundaries.ndim != 1:
        raise RuntimeError(f"[bucketize] got boundaries of {boundaries.ndim} dimensions, expected 1")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


@composite(method=False, out=True)
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:
    """Whether each element is among the test elements."""
    import numpy as np

    a = as_array(elements) if is_tensor(elements) else np.asarray(elements)
    b = as_array(test_elements) if is_tensor(test_elements) else np.asarray(test_elements)
    return from_array(np.asarray(np.isin(a, b, invert=invert)), BOOL)


counts_op, weighted_counts = (
    op(f"{name}(index: int64, weights: Tensor?, size: int) -> out", kernel="bincount", dtype=dtype, function=False,
       contiguous=True, shape=lambda index, weights, size: (size,), doc="How often each index occurs, or with what weight.")
    for name, dtype in (("counts_op", "int64"), ("weighted_counts", "same")))  # fmt: skip


@composite
def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each of the numbers 0, 1, ... occurs, or the sum of its weights.

    Examples
    --------
    >>> import corten
    >>> corten.bincount(corten.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """
    if input.is_floating_point():
        raise NotImplementedError(f"[bincount] got {input.dtype}, expected integers")
    if input.ndim != 1:
        raise RuntimeError(f"[bincount] got {input.dtype} of {input.ndim} dimensions, expected a vector of integers")
    if minlength < 0:
        raise RuntimeError(f"[bincount] got minlength={minlength}, expected at least 0")
    n = input.numel()
    if n and int(FUNCTIONS["amin"](input, 0)) < 0:
        raise RuntimeError("[bincount] got a negative number, expected numbers from 0")
    size = max(minlength, int(FUNCTIONS["amax"](input, 0)) + 1 if n else 0)
    if weights is not None and weights.shape != input.shape:
        raise RuntimeError(
            f"[bincount] got weights {tuple(weights.shape)} for {tuple(input.shape)}, expected the same shape"
        )
    if weights is None:
        return counts_op(widened(input), None, size)
    real = weights.dtype in (FLOAT32, FLOAT64)
    return weighted_counts(widened(input), weights.detach() if real else weights.to(FLOAT64), size)


histc_op = op("histc_op(input, low: float, high: float, bins: int) -> out", kernel="histc", dtype="floating", function=False,
              shape=lambda x, low, high, bins: (bins,), doc="Counts of equal bins.")  # fmt: skip


@composite(out=True)
def histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """How many elements fall into each of ``bins`` equal intervals of [min, max]; both 0: of the data's range."""
    if bins <= 0:
        raise RuntimeError(f"[histc] got {bins} bins, expected at least 1")
    x = input.detach()
    if not x.is_floating_point():
        return histc(x.to(core.get_default_dtype()), bins, min, max).to(input.dtype)
    low, high = float(min), float(max)
    if low == high == 0 and x.numel():
        low, high = float(x.amin()), float(x.amax())
    if not (abs(low) < float("inf") and abs(high) < float("inf")):
        raise RuntimeError(f"[histc] the range [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"[histc] got min={low} above max={high}")
    if low == high:
        low, high = low - 1, high + 1
    return histc_op(x, low, high, bins)


@composite(out=True)
def histogram(input: Any, bins: Any = 100, *, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    """Counts (or sums of weights) of bins, and the bins' edges."""
    import numpy as np

    array = as_array(input).reshape(-1)
    edges = as_array(bins) if is_tensor(bins) else bins
    counts, at = np.histogram(array, edges, range=range, weights=None if weight is None else as_array(weight).reshape(-1),
                              density=density)  # fmt: skip
    return return_types.histogram((from_array(counts.astype(array.dtype)), from_array(at.astype(array.dtype))))


@composite(method=False)
def histogramdd(input: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    """Counts of bins of several dimensions, (N, D), and the edges of each."""
    import numpy as np

    array = as_array(input)
    array = array.reshape(-1, array.shape[-1])
    edges = [as_array(b) for b in bins] if isinstance(bins, (tuple, list)) and is_tensor(bins[0]) else bins
    limits = None if range is None else [tuple(range[2 * i : 2 * i + 2]) for i in builtin_range(array.shape[1])]
    counts, at = np.histogramdd(array, edges, range=limits, density=density,
                                weights=None if weight is None else as_array(weight).reshape(-1))  # fmt: skip
    return return_types.histogramdd(
        (from_array(counts.astype(array.dtype)), tuple(from_array(a.astype(array.dtype)) for a in at))
    )


builtin_range = range
