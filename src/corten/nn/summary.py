"""A table of a network's layers, from shapes alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from corten._core import core
from corten.autograd import no_grad
from corten.nn.attention import MultiheadAttention
from corten.nn.containers import ModuleDict, ModuleList
from corten.nn.linear import Bilinear, Linear
from corten.nn.module import Module
from corten.nn.parameter import UninitializedParameter
from corten.nn.rnn import CellBase, RNNBase
from corten.tensor import Tensor

__all__ = ["Summary", "summarize"]


@dataclass
class LayerRow:
    """One layer of a summary.

    Attributes
    ----------
    name, kind : str
        Its path in the network, and its class.
    depth : int
    shape : str
        Of its output in the last call.
    parameters : int
        Its own, without those of the layers inside; shared ones count where they come first.
    multiply_adds : int
        Of its products, over all calls.
    calls : int
    absent : str
        What stands for the shape of a layer that was not called: nothing for a container.
    """

    name: str
    kind: str
    depth: int
    shape: str = ""
    parameters: int = 0
    multiply_adds: int = 0
    calls: int = 0
    absent: str = "not called"


@dataclass
class Summary:
    """What :func:`summarize` found; its text is the table.

    Attributes
    ----------
    rows : list of LayerRow
    parameters, trainable, multiply_adds, bytes : int
        Totals; bytes are those of parameters and buffers.
    """

    rows: list[LayerRow] = field(default_factory=list)
    parameters: int = 0
    trainable: int = 0
    multiply_adds: int = 0
    bytes: int = 0
    depth: int | None = None

    def __str__(self) -> str:
        shown = [r for r in self.rows if self.depth is None or r.depth <= self.depth]
        table = [("layer", "output shape", "parameters", "multiply-adds")]
        for r in shown:
            label = "  " * r.depth + (f"{r.name.rpartition('.')[2]}: {r.kind}" if r.name else r.kind)
            hidden = [x for x in self.rows if r.depth == self.depth and x.name.startswith(r.name + ".")]
            parameters = r.parameters + sum(x.parameters for x in hidden)
            work = r.multiply_adds + sum(x.multiply_adds for x in hidden)
            table.append((label, r.shape if r.calls else r.absent, f"{parameters:,}" if parameters else "-",
                          f"{work:,}" if work else "-"))  # fmt: skip
        widths = [max(len(row[i]) for row in table) for i in range(4)]
        lines = ["  ".join(f"{c:<{w}}" if i < 2 else f"{c:>{w}}" for i, (c, w) in enumerate(zip(row, widths, strict=True)))
                 for row in table]  # fmt: skip
        rule = "-" * (sum(widths) + 6)
        lines = [line.rstrip() for line in lines]
        return "\n".join([lines[0], rule, *lines[1:], rule,
                          f"parameters: {self.parameters:,} ({self.trainable:,} trainable), {self.bytes / 1e6:,.2f} MB with buffers",
                          f"multiply-adds: {self.multiply_adds:,}"])  # fmt: skip


def _tensors(value: Any) -> list[Any]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in _tensors(v)]
    return _tensors(value.data) if hasattr(value, "batch_sizes") else []


def _shapes(value: Any) -> str:
    return ", ".join(str(tuple(t.shape)) for t in _tensors(value))


# ---- multiply-adds by class; a module may say its own with a method count_multiply_adds(args, output)


def _linear(layer: Any, args: Any, out: Any) -> int:
    return int(out.numel() * layer.in_features)


def _bilinear(layer: Any, args: Any, out: Any) -> int:
    return int(out.numel() * layer.in1_features * (layer.in2_features + 1))


def _conv(layer: Any, args: Any, out: Any) -> int:
    each = math.prod(layer.kernel_size) // layer.groups
    if getattr(layer, "transposed", False) or "Transpose" in type(layer).__name__:
        return int(args[0].numel() * layer.out_channels * each)
    return int(out.numel() * layer.in_channels * math.prod(layer.kernel_size) // layer.groups)


def _recurrent(layer: Any, args: Any, out: Any) -> int:
    rows = _tensors(args[0])[0].numel() // layer.input_size
    return int(rows * sum(w.numel() for weights in layer.all_weights for w in weights if w.ndim == 2))


def _cell(layer: Any, args: Any, out: Any) -> int:
    return int(args[0].numel() // layer.input_size * (layer.weight_ih.numel() + layer.weight_hh.numel()))


def _attention(layer: Any, args: Any, out: Any) -> int:
    query, key = args[0], args[1]
    e = layer.embed_dim
    batch = query.numel() // e // (query.shape[0 if query.ndim == 2 or not layer.batch_first else 1])
    t, s = query.numel() // e // batch, key.numel() // layer.kdim // batch
    return int(batch * (t * e * e + s * e * (layer.kdim + layer.vdim) + 2 * t * s * e))  # the projection of the output is a layer


COUNTS: list[tuple[type, Callable[[Any, Any, Any], int]]] = [
    (Linear, _linear), (Bilinear, _bilinear), (RNNBase, _recurrent), (CellBase, _cell), (MultiheadAttention, _attention)]  # fmt: skip


def _count(layer: Any, args: Any, out: Any) -> int:
    own = getattr(layer, "count_multiply_adds", None)
    if own is not None:
        return int(own(args, out))
    for kind, count in COUNTS:
        if isinstance(layer, kind):
            return count(layer, args, out)
    return _conv(layer, args, out) if hasattr(layer, "kernel_size") and hasattr(layer, "out_channels") else 0


def _given(value: Any, name: str) -> Any:
    """A meta tensor for a shape, or in place of a tensor."""
    if isinstance(value, Tensor):
        return core.empty(tuple(value.shape), dtype=value.dtype, device="meta")
    if isinstance(value, (tuple, list)) and all(isinstance(n, int) for n in value):
        return core.empty(tuple(value), device="meta")
    if isinstance(value, (tuple, list)) and len(value) == 2 and isinstance(value[0], (tuple, list)):
        return core.empty(tuple(value[0]), dtype=value[1], device="meta")
    raise TypeError(f"[summary] got {value!r} for {name}, expected a shape, (shape, dtype) or a tensor")


def summarize(model: Module, *inputs: Any, depth: int | None = None) -> Summary:
    """Go through a network with shapes alone and list its layers.

    Parameters
    ----------
    model : Module
    *inputs : tuple of int, (shape, dtype) or Tensor
        The shape of each argument; of a tensor only shape and dtype are used.
    depth : int, optional
        How deep the text goes; deeper layers count with the one they belong to.

    Returns
    -------
    Summary
        Its text is a table of layers, output shapes, parameters and multiply-adds.

    Raises
    ------
    RuntimeError
        Where a layer cannot take what it gets; the message names the layer, its input and the cause. No data is touched
        before, nor after.

    Notes
    -----
    Multiply-adds are those of linear, convolution, recurrent and attention layers, and of modules with a method
    ``count_multiply_adds(args, output)``; elementwise work is not counted.

    Examples
    --------
    >>> from corten import nn
    >>> print(nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2)).summary((5, 8)))
    layer        output shape  parameters  multiply-adds
    ----------------------------------------------------
    Sequential   (5, 2)                 -              -
      0: Linear  (5, 4)                36            160
      1: ReLU    (5, 4)                 -              -
      2: Linear  (5, 2)                10             40
    ----------------------------------------------------
    parameters: 46 (46 trainable), 0.00 MB with buffers
    multiply-adds: 200
    """
    args = [_given(v, f"argument {i}") for i, v in enumerate(inputs)]
    found, rows, handles = Summary(depth=depth), {}, []
    running: list[tuple[Any, tuple[Any, ...]]] = []
    for name, module in model.named_modules():
        rows[module] = LayerRow(name, type(module).__name__, name.count(".") + 1 if name else 0)
        if isinstance(module, (ModuleDict, ModuleList)):
            rows[module].absent = ""

        def enter(module: Any, given: Any, kwargs: Any) -> None:
            running.append((module, (*given, *kwargs.values())))

        def leave(module: Any, given: Any, kwargs: Any, out: Any) -> None:
            running.pop()
            row = rows[module]
            row.calls += 1
            row.shape = _shapes(out)
            row.multiply_adds += _count(module, (*given, *kwargs.values()), out)

        handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
        handles.append(module.register_forward_hook(leave, with_kwargs=True))
    kept = {module: dict(module._buffers) for module in rows}
    try:
        for module in rows:  # running statistics and counters stay as they are
            for name, value in module._buffers.items():
                if value is not None:
                    module._buffers[name] = core.empty(tuple(value.shape), dtype=value.dtype, device="meta")
        with no_grad():
            model(*args)
    except Exception as error:
        module, given = running[-1] if running else (model, tuple(args))
        where = f"layer {rows[module].name!r}" if rows[module].name else "the network"
        raise RuntimeError(f"[summary] {where}, {module._get_name()}({module.extra_repr()}), "
                           f"got input {_shapes(given)}: {error}") from error  # fmt: skip
    finally:
        for module, buffers in kept.items():
            module._buffers.update(buffers)
        for handle in handles:
            handle.remove()
    seen: set[int] = set()
    for module, row in rows.items():
        own = [*module._parameters.values(), *module._buffers.values()]
        for i, value in enumerate(own):
            if value is None or isinstance(value, UninitializedParameter) or id(value) in seen:
                continue
            seen.add(id(value))
            found.bytes += value.numel() * value.element_size()
            if i < len(module._parameters):
                row.parameters += value.numel()
                found.trainable += value.numel() if value.requires_grad else 0
        found.parameters += row.parameters
        found.multiply_adds += row.multiply_adds
        found.rows.append(row)
    return found
