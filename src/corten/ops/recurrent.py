"""Recurrent layers over a whole sequence: one layer, one direction.

``gx`` is the input product of all steps, (T, B, gates H) or, with ``batch_sizes``, (rows, gates H) as in a packed sequence.
``keep`` says that gates and cells are wanted for a gradient; without it they come out empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corten.ops.declare import op


def _once(name: str) -> Any:
    def vjp(g_out: Any) -> Any:
        raise NotImplementedError(f"[{name}] the second derivative of a recurrent layer is not available; "
                                  f"write the steps with {name.upper()}Cell")  # fmt: skip

    return vjp


def _states(gx: Sequence[int], h0: Sequence[int]) -> tuple[int, ...]:
    return (*gx[:-1], h0[1])


lstm_backward = op(
    "lstm_backward(grad, grad_h, grad_c, w_hh, w_hr: Tensor?, gates, cells, out, h0, c0, batch_sizes: int64?, *, reverse: bool)"
    " -> dgx, dw_hh, db_hh, dh0, dc0, dw_hr",
    shape=lambda g, gh, gc, w, w_hr, gates, cells, out, h0, c0, sizes, reverse:
        (gates, w, (w[0],), h0, c0, (0,) if w_hr is None else w_hr),
    kernel="lstm_backward", function=False, contiguous=True, doc="Gradients of lstm_scan.")  # fmt: skip


def _lstm_fused(g_out: Any, g_h: Any, g_c: Any, w_hh: Any, w_hr: Any, gates: Any, cells: Any, out: Any, h0: Any, c0: Any,
                batch_sizes: Any, reverse: bool) -> tuple[Any, ...]:  # fmt: skip
    dgx, dw, db, dh0, dc0, dw_hr = lstm_backward(g_out, g_h, g_c, w_hh, w_hr, gates, cells, out, h0, c0, batch_sizes,
                                                 reverse=reverse)  # fmt: skip
    return dgx, dw, db, None if w_hr is None else dw_hr, dh0, dc0, None


lstm_scan = op(
    "lstm_scan(gx, w_hh, b_hh: Tensor?, w_hr: Tensor?, h0, c0, batch_sizes: int64?, *, reverse: bool = False, keep: bool = True)"
    " -> out, h, c, gates, cells",
    shape=lambda gx, w, b, w_hr, h0, c0, sizes, reverse, keep:
        (_states(gx, h0), h0, c0, gx if keep else (0,), (*gx[:-1], c0[1]) if keep else (0,)),
    dtype="floating", kernel="lstm", function=False, contiguous=True, vjp=_once("lstm"), vjp_fused=_lstm_fused,
    doc="Long short-term memory. Hochreiter and Schmidhuber 1997.")  # fmt: skip

gru_backward = op(
    "gru_backward(grad, grad_h, w_hh, gates, out, h0, batch_sizes: int64?, *, reverse: bool) -> dgx, dw_hh, db_hh, dh0",
    shape=lambda g, gh, w, gates, out, h0, sizes, reverse: ((*out[:-1], w[0]), w, (w[0],), h0), kernel="gru_backward",
    function=False, contiguous=True, doc="Gradients of gru_scan.")  # fmt: skip


def _gru_fused(g_out: Any, g_h: Any, w_hh: Any, gates: Any, out: Any, h0: Any, batch_sizes: Any, reverse: bool) -> Any:
    return (*gru_backward(g_out, g_h, w_hh, gates, out, h0, batch_sizes, reverse=reverse), None)


gru_scan = op(
    "gru_scan(gx, w_hh, b_hh: Tensor?, h0, batch_sizes: int64?, *, reverse: bool = False, keep: bool = True) -> out, h, gates",
    shape=lambda gx, w, b, h0, sizes, reverse, keep: (_states(gx, h0), h0, (*gx[:-1], 4 * h0[1]) if keep else (0,)),
    dtype="floating", kernel="gru", function=False, contiguous=True, vjp=_once("gru"), vjp_fused=_gru_fused,
    doc="Gated recurrent units. Cho et al. 2014.")  # fmt: skip

rnn_backward = op(
    "rnn_backward(grad, grad_h, w_hh, out, h0, batch_sizes: int64?, *, reverse: bool, relu: bool) -> dgx, dw_hh, db_hh, dh0",
    shape=lambda g, gh, w, out, h0, sizes, reverse, relu: (out, w, (w[0],), h0), kernel="rnn_backward", function=False,
    contiguous=True, doc="Gradients of rnn_scan.")  # fmt: skip


def _rnn_fused(g_out: Any, g_h: Any, w_hh: Any, out: Any, h0: Any, batch_sizes: Any, reverse: bool, relu: bool) -> Any:
    return (*rnn_backward(g_out, g_h, w_hh, out, h0, batch_sizes, reverse=reverse, relu=relu), None)


rnn_scan = op(
    "rnn_scan(gx, w_hh, b_hh: Tensor?, h0, batch_sizes: int64?, *, reverse: bool = False, relu: bool = False) -> out, h",
    shape=lambda gx, w, b, h0, sizes, reverse, relu: (_states(gx, h0), h0), dtype="floating", kernel="rnn",
    function=False, contiguous=True, vjp=_once("rnn"), vjp_fused=_rnn_fused, doc="Elman network.")  # fmt: skip
