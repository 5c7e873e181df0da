"""How an op is declared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from corten._core.core import REGISTRY, Op
from corten.tensor import Tensor

#: names of ops that are functions of the `corten` namespace: name -> op
FUNCTIONS: dict[str, Any] = {}


def op(
    signature: str,
    *,
    shape: str | Callable[..., Any] = "same",
    dtype: str = "same",
    kernel: str | None = None,
    impl: Callable[..., Any] | None = None,
    vjp: Any = None,
    vjp_fused: Any = None,
    reference: Callable[..., Any] | None = None,
    meta: Callable[..., Any] | None = None,
    view: bool = False,
    method: bool | str = False,
    inplace: bool = False,
    function: bool = True,
    alias: Sequence[str] = (),
    sums_down: bool | None = None,
    doc: str = "",
    **notes: Any,
) -> Op:
    """Declare an operation: everything the rest of the framework knows about it stands here.

    Parameters
    ----------
    signature : str
        ``"name(input, other, *, alpha: float = 1) -> out"``. Inputs come first: plain (a tensor or a Python number,
        promoted with the others), ``int64`` (integer indices), ``mask`` (bool), ``raw`` (as it is), each with ``?`` when
        optional, or ``tensors`` (a sequence of tensors). Then attributes: ``int``, ``float``, ``bool``, ``dim`` (one
        dimension, may be negative), ``dims`` (one, several or None for all), ``ints``, ``dtype``, ``any``;
        ``*name: ints`` takes the rest of the positional arguments.
    shape : str or callable
        ``same``, ``broadcast``, ``reduce``, ``matmul``, ``linear``, ``scalar``, or a function of the inputs' shapes and
        the attributes that returns the output's shape (a tuple of shapes for several outputs). It must depend on these alone: its
        outcomes are kept.
    dtype : str
        Of each output, separated by commas: ``same`` (the promoted dtype), ``float`` (integers become the default
        floating dtype), ``floating`` (required), ``bool``, ``int64``, ``int32``, ``sum`` (integers become int64), ``uint8``.
    kernel : str
        Name of the native kernel; with ``contiguous=True`` it gets copies of inputs that are not contiguous. Or
    impl : callable
        A Python implementation of inputs and attributes; it runs off the tape. ``view=True`` says that it returns a view.
        ``inplace_impl`` is the one of the ``name_`` variant: it may write into its first input and return it.
    vjp : callable, or a sequence with one callable (or None) for each input
        Gradients of the inputs, in terms of ``g`` (``g_NAME`` with several outputs), inputs, outputs, attributes and
        ``NAME_shape``, found by the names of its parameters. Only tensors that it names are saved. It is written in
        ops, so it can be differentiated again.
    vjp_fused : op, tuple of ops, list of callables, or callable
        A faster form, used when no second derivative is wanted. An op whose parameters have the names that a vjp's would
        have and whose outputs are called ``d_NAME`` after the inputs they are gradients of is called without Python in
        between. A list has one callable for each input. A callable alone returns all gradients at once; ``needs`` tells it
        which inputs want one, and all that it names is saved.
    reference : callable
        The meaning, as a function ``(xp, *inputs, **attributes)`` in an array module: the oracle of the tests.
    method, inplace, function, alias
        Whether (or under which name) it is a Tensor method, has a ``name_`` variant, is a ``corten`` function, and its
        other names.
    doc : str
        The docstring. Its first line is a sentence.
    """
    made = Op(signature, shape=shape, dtype=dtype, kernel=kernel, impl=impl, vjp=vjp, vjp_fused=vjp_fused,
              reference=reference, meta=meta, view=view, sums_down=sums_down, doc=doc or None, **notes)  # fmt: skip
    names = (made.name, *alias)
    if method:
        for name in names if method is True else (method,):
            setattr(Tensor, name, made)
    if function:
        for name in names:
            FUNCTIONS[name] = made
    if inplace:
        twin = made.in_place()
        REGISTRY[made.name + "_"] = twin
        for name in names:
            setattr(Tensor, name + "_", twin)
            if function:
                FUNCTIONS[name + "_"] = twin
    return made


def function(fn: Callable[..., Any] | None = None, *, method: bool | str = False, name: str | None = None) -> Any:
    """Publish a Python function of ops as ``corten.NAME`` and, with ``method``, as a Tensor method."""

    def publish(f: Callable[..., Any]) -> Callable[..., Any]:
        label = name or f.__name__
        FUNCTIONS[label] = f
        if method:
            setattr(Tensor, label if method is True else method, f)
        return f

    return publish if fn is None else publish(fn)
