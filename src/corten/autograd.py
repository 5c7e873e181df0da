"""Differentiation: backward, grad, grad modes, custom functions, and gradient checks."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from corten._core import core
from corten.tensor import Tensor

# ---- grad modes


class GradMode:
    """A context manager and decorator that sets a mode of this thread."""

    _switch = staticmethod(core._set_grad_enabled)
    _value = True

    def __init__(self, fn: Callable[..., Any] | None = None) -> None:
        self._before: list[Any] = []

    def __new__(cls, fn: Any = None) -> Any:
        made = object.__new__(cls)
        if callable(fn) and not isinstance(fn, bool):
            made._before = []
            return made(fn)
        return made

    def __enter__(self) -> None:
        self._before.append(self._switch(self._value))

    def __exit__(self, *exc: Any) -> None:
        self._switch(self._before.pop())

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return fn(*args, **kwargs)

        return inside


class no_grad(GradMode):  # noqa: N801
    """Record nothing inside: a context manager or a decorator.

    Examples
    --------
    >>> import corten
    >>> x = corten.ones(2, requires_grad=True)
    >>> with corten.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    _value = False


class enable_grad(GradMode):  # noqa: N801
    """Record inside, also within :class:`no_grad`."""


class set_grad_enabled(GradMode):  # noqa: N801
    """Switch recording on or off, at once; as a context manager, until its end."""

    def __new__(cls, mode: bool) -> Any:
        return object.__new__(cls)

    def __init__(self, mode: bool) -> None:
        self._before = []
        self._value = bool(mode)
        self._first: Any = core._set_grad_enabled(self._value)

    def __enter__(self) -> None:
        core._set_grad_enabled(self._value)

    def __exit__(self, *exc: Any) -> None:
        core._set_grad_enabled(self._first)


class inference_mode(GradMode):  # noqa: N801
    """Record nothing, and mark results as inference tensors, which can never require a gradient."""

    def __new__(cls, mode: Any = True) -> Any:
        made = object.__new__(cls)
        if callable(mode) and not isinstance(mode, bool):
            made._before, made.mode = [], True
            return made(mode)
        return made

    def __init__(self, mode: bool = True) -> None:
        self._before = []
        self.mode = mode

    def __enter__(self) -> None:
        if self.mode:
            self._before.append((core._set_grad_enabled(False), core._set_inference(True)))
        else:
            self._before.append((core._set_grad_enabled(True), core._set_inference(False)))

    def __exit__(self, *exc: Any) -> None:
        grad, inference = self._before.pop()
        core._set_grad_enabled(grad)
        core._set_inference(inference)


class detect_anomaly(GradMode):  # noqa: N801
    """Name the forward line when backward fails or gives NaN (slow)."""

    def __new__(cls, check_nan: bool = True) -> Any:
        return object.__new__(cls)

    def __init__(self, check_nan: bool = True) -> None:
        self._before = []

    _switch = staticmethod(core._set_anomaly)


class set_detect_anomaly(detect_anomaly):  # noqa: N801
    """Switch anomaly mode on or off."""

    def __new__(cls, mode: bool, check_nan: bool = True) -> Any:
        return object.__new__(cls)

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._value = mode
        self._before = [core._set_anomaly(mode)]

    def __enter__(self) -> None:
        core._set_anomaly(self._value)


# ---- backward


def seeds(name: str, outputs: Sequence[Tensor], gradients: Any) -> list[Tensor]:
    """The gradients to start from: ones for one-element outputs where none were given."""
    if gradients is None:
        gradients = [None] * len(outputs)
    elif isinstance(gradients, core.TensorBase):
        gradients = [gradients]
    if len(gradients) != len(outputs):
        raise RuntimeError(f"[{name}] got {len(gradients)} gradients for {len(outputs)} tensors")
    made = []
    for out, g in zip(outputs, gradients, strict=True):
        if not out.requires_grad:
            raise RuntimeError(f"[{name}] a tensor of shape {tuple(out.shape)} requires no gradient: nothing was recorded")
        if g is None:
            if out.numel() != 1:
                raise RuntimeError(f"[{name}] a gradient must be given for a tensor of shape {tuple(out.shape)}; only "
                                   "one-element tensors have an implicit one")  # fmt: skip
            g = core.ones_like(out)
        elif g.shape != out.shape:
            raise RuntimeError(f"[{name}] got a gradient of shape {tuple(g.shape)}, expected {tuple(out.shape)}")
        elif g.dtype is not out.dtype:
            g = g.to(out.dtype)
        made.append(g)
    return made


def backward(tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
             inputs: Any = None) -> None:  # fmt: skip
    """Accumulate gradients of ``tensors`` into the leaves; see :meth:`corten.Tensor.backward`."""
    outputs = [tensors] if isinstance(tensors, core.TensorBase) else list(tensors)
    made = seeds("backward", outputs, grad_tensors)
    if inputs is not None:
        inputs = [inputs] if isinstance(inputs, core.TensorBase) else list(inputs)
        if not inputs:
            raise RuntimeError("[backward] inputs is empty")
    core.run_backward(outputs, made, create_graph if retain_graph is None else retain_graph, create_graph, inputs, False)


def grad(outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
         only_inputs: bool = True, allow_unused: bool | None = None, is_grads_batched: bool = False,
         materialize_grads: bool = False) -> tuple[Any, ...]:  # fmt: skip
    """Gradients of ``outputs`` with respect to ``inputs``, returned and not accumulated.

    Parameters
    ----------
    outputs, inputs : Tensor or sequence of Tensor
    grad_outputs : Tensor or sequence, optional
        Gradients of some scalar for each output; ones for one-element outputs.
    retain_graph, create_graph : bool
        As in :meth:`corten.Tensor.backward`.
    only_inputs : bool
        Ignored, as in PyTorch: gradients of other leaves are not accumulated.
    allow_unused : bool
        Return None, instead of raising, for an input that the outputs do not depend on.
    materialize_grads : bool
        Return zeros for these.

    Examples
    --------
    >>> import corten
    >>> x = corten.tensor(3.0, requires_grad=True)
    >>> (g,) = corten.autograd.grad(x ** 3, x, create_graph=True)
    >>> corten.autograd.grad(g, x)[0]
    tensor(18.)
    """
    if not only_inputs:
        warnings.warn("[grad] only_inputs is ignored: other leaves accumulate nothing", FutureWarning, stacklevel=2)
    outs = [outputs] if isinstance(outputs, core.TensorBase) else list(outputs)
    ins = [inputs] if isinstance(inputs, core.TensorBase) else list(inputs)
    if is_grads_batched:
        batch = [grad_outputs] if isinstance(grad_outputs, core.TensorBase) else list(grad_outputs)
        rows = [grad(outs, ins, [b[i] for b in batch], True, create_graph, allow_unused=allow_unused) for i in range(len(batch[0]))]
        from corten.ops.view import stack

        return tuple(None if column[0] is None else stack(column) for column in zip(*rows, strict=True))
    for x in ins:
        if not x.requires_grad:
            raise RuntimeError("[grad] one of the inputs does not require a gradient")
    made = seeds("grad", outs, grad_outputs)
    found = core.run_backward(outs, made, create_graph if retain_graph is None else retain_graph, create_graph, ins, True)
    if materialize_grads:
        found = [core.zeros_like(x) if g is None else g for g, x in zip(found, ins, strict=True)]
    elif not allow_unused and any(g is None for g in found):
        raise RuntimeError("[grad] one of the inputs was not used to compute the outputs; pass allow_unused=True to get "
                           "None for it")  # fmt: skip
    return tuple(found)


# ---- functions of one's own

#: how a Function is applied to batched tensors; corten.func sets it
apply_batched: Any = None


class FunctionContext:
    """What a Function's forward leaves for its backward."""

    def __init__(self) -> None:
        self.needs_input_grad: tuple[bool, ...] = ()
        self.materialize_grads = True
        self.non_differentiable: tuple[Any, ...] = ()
        self.dirty: tuple[Any, ...] = ()
        self._saved: tuple[Any, ...] | None = ()
        self._versions: tuple[int, ...] = ()
        self._outputs: dict[int, int] = {}
        self._node: Any = None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for backward, which finds them in ``saved_tensors``."""
        self._saved = tensors
        self._versions = tuple(-1 if t is None else t._version for t in tensors)

    save_for_forward = save_for_backward

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What save_for_backward kept. Raises RuntimeError when it was freed or changed in place since."""
        if self._saved is None:
            raise RuntimeError("[Function] the saved tensors were freed by an earlier backward; pass retain_graph=True to it")
        for t, version in zip(self._saved, self._versions, strict=True):
            if t is not None and t._version != version:
                raise RuntimeError(f"[Function] a saved tensor of shape {tuple(t.shape)} was changed by an in-place "
                                   f"operation: it is at version {t._version}, expected {version}")  # fmt: skip
        return self._saved

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Outputs through which no gradient flows."""
        self.non_differentiable = tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """Inputs that forward changes in place and returns."""
        self.dirty = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing gradients reach backward as zeros (True) or None."""
        self.materialize_grads = value


class Function:
    """A differentiable function of one's own: ``forward`` and ``backward`` as static methods, called by ``apply``.

    Examples
    --------
    >>> import corten
    >>> class Cube(corten.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x ** 3
    ...
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x ** 2 * g
    >>> x = corten.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs. The first argument is the context, unless ``setup_context`` is defined."""
        raise NotImplementedError("[Function] forward is not defined")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Gradients of the inputs from those of the outputs, None where there is none."""
        raise NotImplementedError("[Function] backward is not defined")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Call the function and put it on the tape."""
        if apply_batched is not None:
            done = apply_batched(cls, args)
            if done is not NotImplemented:
                return done
        ctx = FunctionContext()
        tensors = [isinstance(a, core.TensorBase) for a in args]
        ctx.needs_input_grad = tuple(is_t and a.requires_grad for is_t, a in zip(tensors, args, strict=True))
        recording = core.is_grad_enabled() and any(ctx.needs_input_grad)
        setup = getattr(cls, "setup_context", None)
        with no_grad():
            if setup is not None:
                out = cls.forward(*args)
                setup(ctx, args, out)
            else:
                out = cls.forward(ctx, *args)
        if not recording:
            return out
        outs = out if isinstance(out, tuple) else (out,)
        fixed = []
        for o in outs:
            if any(o is a for a in args if isinstance(a, core.TensorBase)) and not any(o is d for d in ctx.dirty):
                o = o.detach()
            fixed.append(o)
        live = [o for o in fixed if isinstance(o, core.TensorBase) and not any(o is n for n in ctx.non_differentiable)]
        positions = [i for i, o in enumerate(fixed) if any(o is live_one for live_one in live)]
        shapes = [(o.shape, o.dtype) for o in live]

        def run(*grads: Any) -> Any:
            if ctx.materialize_grads:
                grads = tuple(core.zeros(s, dtype=d) if g is None else g for g, (s, d) in zip(grads, shapes, strict=True))
            full: list[Any] = [None] * len(outs)
            for i, g in zip(positions, grads, strict=True):
                full[i] = g
            return cls.backward(ctx, *full)

        def release() -> None:
            ctx._saved = None

        run.__name__ = cls.__name__ + "Backward"
        run.release = release  # type: ignore[attr-defined]
        if live:
            core._record_custom(run, args, tuple(live), cls.__name__)
        return tuple(fixed) if isinstance(out, tuple) else fixed[0]


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A backward that runs off the tape: it cannot be differentiated again."""

    @functools.wraps(fn)
    def inside(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            return fn(ctx, *grads)

    return inside


# ---- checks


def gradcheck(func: Callable[..., Any], inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
              raise_exception: bool = True, check_undefined_grad: bool = False, nondet_tol: float = 0.0,
              fast_mode: bool = False) -> bool:  # fmt: skip
    """Compare gradients with central differences: :math:`(f(x + \\epsilon) - f(x - \\epsilon)) / 2 \\epsilon`.

    Inputs that require a gradient should be float64.

    Raises
    ------
    RuntimeError
        Naming the input, output and entry that differ most, unless ``raise_exception`` is False.

    Examples
    --------
    >>> import corten
    >>> x = corten.tensor([0.3, -1.2], dtype=corten.float64, requires_grad=True)
    >>> corten.autograd.gradcheck(lambda x: (x * x).sum(), x)
    True
    """
    import numpy as np

    inputs = (inputs,) if isinstance(inputs, core.TensorBase) else tuple(inputs)
    wanted = [x for x in inputs if isinstance(x, core.TensorBase) and x.requires_grad]

    def outputs() -> list[Any]:
        out = func(*inputs)
        outs = out if isinstance(out, (tuple, list)) else (out,)
        return [o for o in outs if isinstance(o, core.TensorBase) and o.is_floating_point()]

    outs = outputs()
    for k, out in enumerate(outs):
        if not out.requires_grad:
            continue
        for i, x in enumerate(wanted):
            out = outputs()[k]  # anew: the values saved for the last one were changed
            analytic = np.zeros((x.numel(), out.numel()))
            for j in range(out.numel()):
                seed = core.zeros(out.numel(), dtype=out.dtype)
                core._fill(seed[j], 1)
                (g,) = grad(out, x, seed.view(out.shape), retain_graph=True, allow_unused=True)
                if g is not None:
                    analytic[:, j] = g.detach().contiguous().numpy().ravel()
            numeric = np.zeros_like(analytic)
            for n, at in enumerate(np.ndindex(*x.shape)):
                cell = x.detach()[at] if x.ndim else x.detach()
                kept = cell.item()
                core._fill(cell, kept + eps)
                high = outputs()[k].detach().contiguous().numpy().ravel().copy()
                core._fill(cell, kept - eps)
                low = outputs()[k].detach().contiguous().numpy().ravel().copy()
                core._fill(cell, kept)
                numeric[n] = (high - low) / (2 * eps)
            if not np.allclose(analytic, numeric, rtol=rtol, atol=atol):
                if not raise_exception:
                    return False
                worst = np.unravel_index(np.argmax(np.abs(analytic - numeric)), analytic.shape)
                raise RuntimeError(f"[gradcheck] input {i}, output {k}: entry {tuple(map(int, worst))} of the Jacobian is "
                                   f"{analytic[worst]:.8g}, central differences give {numeric[worst]:.8g}")  # fmt: skip
    return True


def gradgradcheck(func: Callable[..., Any], inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
                  raise_exception: bool = True) -> bool:  # fmt: skip
    """:func:`gradcheck` of the gradient: checks second derivatives."""
    inputs = (inputs,) if isinstance(inputs, core.TensorBase) else tuple(inputs)

    def first(*args: Any) -> Any:
        out = func(*args)
        outs = [o for o in (out if isinstance(out, (tuple, list)) else (out,)) if o.requires_grad]
        wanted = [a for a in args if isinstance(a, core.TensorBase) and a.requires_grad]
        weights = [core.from_numpy(_weights(tuple(o.shape))).to(o.dtype) for o in outs]
        grads = grad(outs, wanted, weights, create_graph=True, allow_unused=True)
        return tuple(g if g.requires_grad else g.detach() for g in grads if g is not None)

    return gradcheck(first, inputs, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception)


def _weights(shape: tuple[int, ...]) -> Any:
    import numpy as np

    return np.random.default_rng(0).uniform(0.5, 1.5, shape)


__all__ = ["Function", "FunctionContext", "Tensor", "backward", "detect_anomaly", "enable_grad", "grad", "gradcheck",
           "gradgradcheck", "inference_mode", "no_grad", "once_differentiable", "set_detect_anomaly",
           "set_grad_enabled"]  # fmt: skip
