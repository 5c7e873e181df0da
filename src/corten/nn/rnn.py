"""Recurrent layers and cells, with PyTorch's parameters, gate order and state-dict keys."""

from __future__ import annotations

import math
from typing import Any

from corten._core import core
from corten.nn import functional as F  # noqa: N812
from corten.nn import init
from corten.nn.module import Module
from corten.nn.packing import PackedSequence
from corten.nn.parameter import Parameter
from corten.ops.recurrent import gru_scan, lstm_scan, rnn_scan
from corten.ops.view import cat, stack

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell"]


class RNNBase(Module):
    """Layers and directions around one scan over the steps.

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
    bias : bool
    batch_first : bool
        Whether input and output are (B, T, ...) instead of (T, B, ...).
    dropout : float
        Between layers, in training.
    bidirectional : bool
    proj_size : int
        Size of the projected state (LSTM only); 0: none.
    """

    mode, gates = "RNN", 1

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
                 dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0, device: Any = None,
                 dtype: Any = None) -> None:  # fmt: skip
        super().__init__()
        name = type(self).__name__
        if hidden_size < 1 or num_layers < 1:
            raise ValueError(f"[{name}] got hidden_size={hidden_size}, num_layers={num_layers}, expected numbers above 0")
        if not 0 <= dropout <= 1:
            raise ValueError(f"[{name}] got dropout={dropout}, expected a probability")
        if proj_size and (self.mode != "LSTM" or not 0 < proj_size < hidden_size):
            raise ValueError(f"[{name}] got proj_size={proj_size}, expected one below hidden_size, for LSTM only")
        self.input_size, self.hidden_size, self.num_layers, self.bias = input_size, hidden_size, num_layers, bias
        self.batch_first, self.dropout, self.bidirectional, self.proj_size = batch_first, float(dropout), bidirectional, proj_size
        state = proj_size or hidden_size
        made = {"device": device, "dtype": dtype}
        for layer in range(num_layers):
            size = input_size if layer == 0 else state * (2 if bidirectional else 1)
            for end in self._ends(layer):
                shapes: dict[str, tuple[int, ...]] = {}
                shapes["weight_ih"], shapes["weight_hh"] = (self.gates * hidden_size, size), (self.gates * hidden_size, state)
                if bias:
                    shapes |= {"bias_ih": (self.gates * hidden_size,), "bias_hh": (self.gates * hidden_size,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for key, shape in shapes.items():
                    self.register_parameter(key + end, Parameter(core.empty(shape, **made)))
        self.reset_parameters()

    def _ends(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"] if self.bidirectional else [f"_l{layer}"]

    def reset_parameters(self) -> None:
        """Uniform numbers within :math:`\\pm 1/\\sqrt{\\mathrm{hidden\\_size}}`."""
        bound = 1 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing: parameters need no special layout here."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        keys = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if self.bias else []), *(["weight_hr"] if self.proj_size else [])]
        return [[getattr(self, k + end) for k in keys] for i in range(self.num_layers) for end in self._ends(i)]

    def _scan(self, gx: Any, end: str, state: tuple[Any, ...], sizes: Any, reverse: bool) -> tuple[Any, tuple[Any, ...]]:
        raise NotImplementedError

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Run over the sequence: output of the last layer, and the state after the last step of every layer."""
        name, packed = type(self).__name__, isinstance(input, PackedSequence)
        lstm, ends = self.mode == "LSTM", 2 if self.bidirectional else 1
        x = input.data if packed else input
        sizes = input.batch_sizes if packed else None
        if x.ndim not in ((2,) if packed else (2, 3)) or x.shape[-1] != self.input_size:
            raise RuntimeError(f"[{name}] got input of shape {tuple(x.shape)}, expected (T, B, {self.input_size})")
        single = not packed and x.ndim == 2
        if single:
            x = x.unsqueeze(1)
        elif self.batch_first and not packed:
            x = x.transpose(0, 1)
        batch = int(sizes[0].item()) if packed else x.shape[1]  # type: ignore[index]
        given = () if hx is None else tuple(hx) if lstm else (hx,)
        widths = (self.proj_size or self.hidden_size, self.hidden_size)[: 2 if lstm else 1]
        if hx is None:
            zeros = {w: core.zeros((batch, w), dtype=x.dtype) for w in widths}  # of every layer and direction
            zero = tuple(zeros[w] for w in widths)
        else:
            given = tuple(s.unsqueeze(1) for s in given) if single else given
            for s, w in zip(given, widths, strict=True):
                if tuple(s.shape) != (self.num_layers * ends, batch, w):
                    raise RuntimeError(f"[{name}] got a state of shape {tuple(s.shape)}, expected {(self.num_layers * ends, batch, w)}")
            if packed and input.sorted_indices is not None:
                given = tuple(s.index_select(1, input.sorted_indices) for s in given)
        last: list[tuple[Any, ...]] = []
        for layer in range(self.num_layers):
            outs = []
            for d, end in enumerate(self._ends(layer)):
                gx = F.linear(x, getattr(self, "weight_ih" + end), getattr(self, "bias_ih" + end) if self.bias else None)
                state = zero if hx is None else tuple(s[layer * ends + d] for s in given)
                out, after = self._scan(gx, end, state, sizes, d == 1)
                outs.append(out)
                last.append(after)
            x = outs[0] if ends == 1 else cat(outs, -1)
            if self.dropout and self.training and layer + 1 < self.num_layers:
                x = F.dropout(x, self.dropout)
        final = tuple(stack(s, 0) if len(s) > 1 else s[0].unsqueeze(0) for s in zip(*last, strict=True))
        if packed:
            if input.unsorted_indices is not None:
                final = tuple(s.index_select(1, input.unsorted_indices) for s in final)
            x = PackedSequence(x, sizes, input.sorted_indices, input.unsorted_indices)
        elif single:
            x, final = x.squeeze(1), tuple(s.squeeze(1) for s in final)
        elif self.batch_first:
            x = x.transpose(0, 1)
        return x, final if lstm else final[0]

    def extra_repr(self) -> str:
        shown = f"{self.input_size}, {self.hidden_size}"
        plain = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        return shown + "".join(f", {k}={getattr(self, k)}" for k, v in plain.items() if getattr(self, k) != v)


class RNN(RNNBase):
    """Elman network: :math:`h_t = \\tanh(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh})`, or relu; see :class:`RNNBase`."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, device: Any = None,
                 dtype: Any = None) -> None:  # fmt: skip
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"[RNN] got nonlinearity={nonlinearity!r}, expected 'tanh' or 'relu'")
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)
        self.nonlinearity = nonlinearity

    def _scan(self, gx: Any, end: str, state: tuple[Any, ...], sizes: Any, reverse: bool) -> tuple[Any, tuple[Any, ...]]:
        bias = getattr(self, "bias_hh" + end) if self.bias else None
        out, h = rnn_scan(gx, getattr(self, "weight_hh" + end), bias, state[0], sizes, reverse=reverse,
                          relu=self.nonlinearity == "relu")  # fmt: skip
        return out, (h,)


class LSTM(RNNBase):
    """Long short-term memory, gates i, f, g, o, with optional projection; see :class:`RNNBase`.

    Examples
    --------
    >>> import corten
    >>> out, (h, c) = corten.nn.LSTM(3, 5)(corten.rand(7, 2, 3))
    >>> out.shape, h.shape
    (corten.Size([7, 2, 5]), corten.Size([1, 2, 5]))
    """

    mode, gates = "LSTM", 4

    def _scan(self, gx: Any, end: str, state: tuple[Any, ...], sizes: Any, reverse: bool) -> tuple[Any, tuple[Any, ...]]:
        out, h, c, _, _ = lstm_scan(gx, getattr(self, "weight_hh" + end), getattr(self, "bias_hh" + end) if self.bias else None,
                                    getattr(self, "weight_hr" + end) if self.proj_size else None, *state, sizes,
                                    reverse=reverse, keep=core.is_grad_enabled())  # fmt: skip
        return out, (h, c)


class GRU(RNNBase):
    """Gated recurrent units, gates r, z, n; see :class:`RNNBase`."""

    mode, gates = "GRU", 3

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
                 dropout: float = 0.0, bidirectional: bool = False, device: Any = None, dtype: Any = None) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)

    def _scan(self, gx: Any, end: str, state: tuple[Any, ...], sizes: Any, reverse: bool) -> tuple[Any, tuple[Any, ...]]:
        bias = getattr(self, "bias_hh" + end) if self.bias else None
        out, h, _ = gru_scan(gx, getattr(self, "weight_hh" + end), bias, state[0], sizes, reverse=reverse,
                             keep=core.is_grad_enabled())  # fmt: skip
        return out, (h,)


class CellBase(Module):
    """Parameters of one step, and the handling of inputs without a batch."""

    gates = 1

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = self.gates * hidden_size
        for key, shape in (("weight_ih", (rows, input_size)), ("weight_hh", (rows, hidden_size)), ("bias_ih", (rows,)),
                           ("bias_hh", (rows,))):  # fmt: skip
            wanted = bias or key.startswith("weight")
            self.register_parameter(key, Parameter(core.empty(shape, device=device, dtype=dtype)) if wanted else None)
        bound = 1 / math.sqrt(hidden_size) if hidden_size else 0
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def _parts(self, input: Any, hx: Any, states: int) -> tuple[Any, Any, list[Any], bool]:
        name = type(self).__name__
        if input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            raise RuntimeError(f"[{name}] got input of shape {tuple(input.shape)}, expected (B, {self.input_size})")
        single = input.ndim == 1
        x = input.unsqueeze(0) if single else input
        given = [] if hx is None else list(hx) if states > 1 else [hx]
        given = [s.unsqueeze(0) for s in given] if single else given
        if hx is None:
            given = [core.zeros((x.shape[0], self.hidden_size), dtype=x.dtype)] * states
        for s in given:
            if tuple(s.shape) != (x.shape[0], self.hidden_size):
                raise RuntimeError(f"[{name}] got a state of shape {tuple(s.shape)}, expected {(x.shape[0], self.hidden_size)}")
        return F.linear(x, self.weight_ih, self.bias_ih), F.linear(given[0], self.weight_hh, self.bias_hh), given, single

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(CellBase):
    """One step of :class:`RNN`."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None,
                 dtype: Any = None) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, device, dtype)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"[RNNCell] got nonlinearity={nonlinearity!r}, expected 'tanh' or 'relu'")
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next state."""
        a, b, _, single = self._parts(input, hx, 1)
        h = (a + b).relu() if self.nonlinearity == "relu" else (a + b).tanh()
        return h.squeeze(0) if single else h


class LSTMCell(CellBase):
    """One step of :class:`LSTM`."""

    gates = 4

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next state and cell."""
        a, b, (_, c), single = self._parts(input, hx, 2)
        i, f, g, o = (a + b).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return (h.squeeze(0), c.squeeze(0)) if single else (h, c)


class GRUCell(CellBase):
    """One step of :class:`GRU`."""

    gates = 3

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next state."""
        a, b, (h,), single = self._parts(input, hx, 1)
        (ar, az, an), (br, bz, bn) = a.chunk(3, -1), b.chunk(3, -1)
        r, z = (ar + br).sigmoid(), (az + bz).sigmoid()
        n = (an + r * bn).tanh()
        h = n + z * (h - n)
        return h.squeeze(0) if single else h
