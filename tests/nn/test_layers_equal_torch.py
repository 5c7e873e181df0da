"""Layers with PyTorch's own weights: outputs and all gradients in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import corten
from corten import nn
from corten.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(0)


def real(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def pair(name: str, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Our layer and PyTorch's, with the same weights."""
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(*args, **kwargs).double()
    ours = getattr(nn, name)(*args, **kwargs).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: corten.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    return ours, theirs


def flat(out: Any) -> list[Any]:
    if isinstance(out, (tuple, list)):
        return [t for o in out for t in flat(o)]
    return [] if out is None else [out]


def check(ours: Any, theirs: Any, *arrays: Any, call: Any = None, **kwargs: Any) -> None:
    """Outputs, gradients of inputs, gradients of parameters, buffers."""
    mine = [corten.tensor(a).requires_grad_() if a.dtype.kind == "f" else corten.tensor(a) for a in arrays]
    other = [torch.tensor(a).requires_grad_() if a.dtype.kind == "f" else torch.tensor(a) for a in arrays]
    run = call or (lambda m, *a, **k: m(*a, **k))
    both = [{k: v[i] if isinstance(v, tuple) else v for k, v in kwargs.items()} for i in range(2)]
    got = flat(run(ours, *mine, **both[0]))
    want = flat(run(theirs, *other, **both[1]))
    assert len(got) == len(want)
    loss, their_loss = 0, 0
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g.detach().numpy(), w.detach().numpy(), rtol=1e-9, atol=1e-10)
        if w.is_floating_point():
            seed = real(*w.shape)
            loss = loss + (g * corten.tensor(seed)).sum()
            their_loss = their_loss + (w * torch.tensor(seed)).sum()
    loss.backward()
    their_loss.backward()
    for m, o in zip(mine, other, strict=True):
        if o.requires_grad:
            np.testing.assert_allclose(m.grad.numpy(), o.grad.numpy(), rtol=1e-8, atol=1e-9)
    theirs_by_name = dict(theirs.named_parameters())
    for name, p in ours.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), theirs_by_name[name].grad.numpy(), rtol=1e-8, atol=1e-9, err_msg=name)
    buffers = dict(theirs.named_buffers())
    for name, b in ours.named_buffers():
        np.testing.assert_allclose(b.numpy(), buffers[name].numpy(), rtol=1e-10, atol=1e-12, err_msg=name)


NORMS = [
    ("BatchNorm1d", (3,), {}, (5, 3)), ("BatchNorm1d", (3,), {"momentum": None}, (5, 3, 4)),
    ("BatchNorm2d", (4,), {"affine": False}, (3, 4, 5, 6)), ("BatchNorm2d", (4,), {"track_running_stats": False}, (3, 4, 5, 6)),
    ("BatchNorm3d", (2,), {}, (2, 2, 3, 4, 5)), ("GroupNorm", (2, 6), {}, (3, 6, 5)), ("LayerNorm", (7,), {}, (4, 3, 7)),
    ("LayerNorm", ((3, 7),), {"bias": False}, (4, 3, 7)), ("RMSNorm", (7,), {}, (4, 3, 7)),
    ("InstanceNorm1d", (3,), {"affine": True}, (2, 3, 9)), ("InstanceNorm2d", (3,), {"track_running_stats": True}, (2, 3, 5, 4)),
    ("InstanceNorm3d", (3,), {}, (2, 3, 3, 4, 5)),
]  # fmt: skip


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), NORMS)
def test_norms(name: str, args: Any, kwargs: Any, shape: Any, training: bool) -> None:
    ours, theirs = pair(name, *args, **kwargs)
    ours(corten.tensor(x := real(*shape)))
    theirs(torch.tensor(x))
    ours.train(training)
    theirs.train(training)
    check(ours, theirs, real(*shape) * 2 + 3)


SHAPES = {1: (2, 3, 11), 2: (2, 3, 9, 8), 3: (1, 2, 6, 5, 7)}
POOLS = [(f"{kind}{d}d", args, kwargs, SHAPES[d]) for d in (1, 2, 3) for kind, args, kwargs in (
    ("MaxPool", (2,), {}), ("MaxPool", (3, 2, 1), {"ceil_mode": True}), ("MaxPool", (2, 1, 0, 2), {"return_indices": True}),
    ("AvgPool", (2,), {}), ("AvgPool", (3, 2, 1), {"ceil_mode": True, "count_include_pad": False}),
    ("AdaptiveAvgPool", (3,), {}), ("AdaptiveMaxPool", (2,), {}), ("ReflectionPad", (2,), {}), ("ReplicationPad", (2,), {}),
    ("CircularPad", (1,), {}), ("ZeroPad", (1,), {}), ("ConstantPad", (1, 2.5), {}))]  # fmt: skip
POOLS += [("LPPool2d", (2, 2), {}, SHAPES[2]), ("Unfold", (3,), {"padding": 1, "stride": 2}, SHAPES[2]),
          ("Fold", ((4, 4), 2), {}, (2, 12, 9)), ("PixelShuffle", (2,), {}, (2, 8, 3, 4)), ("PixelUnshuffle", (2,), {}, (2, 2, 6, 4)),
          ("Upsample", (), {"scale_factor": 2}, SHAPES[2]), ("Upsample", (), {"size": (5, 13), "mode": "bicubic"}, SHAPES[2]),
          ("UpsamplingBilinear2d", (), {"scale_factor": 2}, SHAPES[2])]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), POOLS)
def test_pools_and_pads(name: str, args: Any, kwargs: Any, shape: Any) -> None:
    check(*pair(name, *args, **kwargs), np.abs(real(*shape)))


def test_unpooling_puts_maxima_back() -> None:
    x = real(2, 3, 8, 6)
    y, index = nn.MaxPool2d(2, return_indices=True)(corten.tensor(x))
    y2, index2 = torch.nn.MaxPool2d(2, return_indices=True)(torch.tensor(x))
    np.testing.assert_array_equal(nn.MaxUnpool2d(2)(y, index).numpy(), torch.nn.MaxUnpool2d(2)(y2, index2).numpy())


MODES = [(m, k) for m in ("bilinear", "bicubic") for k in ({}, {"align_corners": True}, {"antialias": True})]
MODES += [("nearest", {}), ("nearest-exact", {}), ("area", {})]


@pytest.mark.parametrize("size", [(5, 13), (9, 8), (3, 2), (1, 1)])
@pytest.mark.parametrize(("mode", "kwargs"), MODES)
def test_interpolate(mode: str, kwargs: Any, size: Any) -> None:
    x, g = real(2, 3, 9, 8), real(2, 3, *size)
    a, b = corten.tensor(x).requires_grad_(), torch.tensor(x).requires_grad_()
    ours = nn.functional.interpolate(a, size, mode=mode, **kwargs)
    theirs = torch.nn.functional.interpolate(b, size, mode=mode, **kwargs)
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-9, atol=1e-10)
    ours.backward(corten.tensor(g))
    theirs.backward(torch.tensor(g))
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-9, atol=1e-10)


RECURRENT = [(n, k) for n in ("RNN", "LSTM", "GRU") for k in (
    {}, {"bidirectional": True, "num_layers": 2}, {"bias": False, "batch_first": True}, {"num_layers": 3})]  # fmt: skip
RECURRENT += [("RNN", {"nonlinearity": "relu"}), ("LSTM", {"proj_size": 3})]
RECURRENT += [("LSTM", {"proj_size": 3, "bidirectional": True, "num_layers": 2})]


@pytest.mark.parametrize(("name", "kwargs"), RECURRENT)
@pytest.mark.parametrize("form", ["batch", "single", "states", "packed", "unsorted"])
def test_recurrent(name: str, kwargs: Any, form: str) -> None:
    ours, theirs = pair(name, 4, 6, **kwargs)
    if form == "single":
        return check(ours, theirs, real(5, 4))
    if form == "batch":
        return check(ours, theirs, real(5, 3, 4))
    ends = ours.num_layers * (2 if ours.bidirectional else 1)
    widths = [ours.proj_size or 6, 6][: 2 if name == "LSTM" else 1]
    states = [real(ends, 5 if ours.batch_first and form == "states" else 3, w) for w in widths]
    if form == "states":
        return check(ours, theirs, real(5, 3, 4), *states, call=lambda m, x, *s: m(x, s if len(s) > 1 else s[0]))
    lengths = [6, 4, 1] if form == "packed" else [2, 6, 3]

    def call(m: Any, x: Any, *s: Any) -> Any:
        from torch.nn.utils import rnn

        pack, pad = (pack_padded_sequence, pad_packed_sequence) if m is ours else (rnn.pack_padded_sequence, rnn.pad_packed_sequence)
        out, state = m(pack(x, lengths, enforce_sorted=form == "packed"), s if len(s) > 1 else s[0])
        return pad(out), state

    return check(ours, theirs, real(6, 3, 4), *states, call=call)


@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cells(name: str) -> None:
    check(*pair(name, 4, 6), real(3, 4))
    check(*pair(name, 4, 6, bias=False), real(4))


ATTENTION = [{}, {"batch_first": True, "bias": False}, {"kdim": 5, "vdim": 6}, {"add_bias_kv": True, "add_zero_attn": True}]


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("kwargs", ATTENTION)
def test_multihead_attention(kwargs: Any, need_weights: bool) -> None:
    ours, theirs = pair("MultiheadAttention", 8, 2, **kwargs)
    lead = (3, 5) if kwargs.get("batch_first") else (5, 3)
    mask = np.triu(np.ones((5, 5), bool), 1)
    padding = np.array([[False] * 5, [False] * 3 + [True] * 2, [False] * 4 + [True]])
    inputs = (real(*lead, 8), real(*lead, kwargs.get("kdim", 8)), real(*lead, kwargs.get("vdim", 8)))
    check(ours, theirs, *inputs, need_weights=need_weights)
    ours.zero_grad()
    theirs.zero_grad()
    check(ours, theirs, *inputs, need_weights=need_weights, attn_mask=(corten.tensor(mask), torch.tensor(mask)),
          key_padding_mask=(corten.tensor(padding), torch.tensor(padding)))  # fmt: skip


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_transformer(norm_first: bool, activation: str) -> None:
    ours, theirs = pair("Transformer", 8, 2, 2, 2, 16, 0.0, activation, norm_first=norm_first)
    mask = nn.Transformer.generate_square_subsequent_mask(4, dtype=corten.float64)
    their_mask = torch.nn.Transformer.generate_square_subsequent_mask(4, dtype=torch.float64)
    check(ours, theirs, real(5, 3, 8), real(4, 3, 8), tgt_mask=(mask, their_mask))


@pytest.mark.parametrize("shape", [(2, 3, 70, 16), (1, 2, 130, 64), (2, 2, 1, 5), (3, 64, 12)])
@pytest.mark.parametrize("form", ["plain", "causal", "bool", "float", "empty row"])
def test_scaled_dot_product_attention(shape: Any, form: str) -> None:
    q, k, v = (real(*shape) for _ in range(3))
    t = shape[-2]
    mask = {"bool": np.tril(np.ones((t, t), bool), 3), "float": real(t, t), "empty row": np.arange(t)[:, None] > np.zeros(t)}.get(form)
    options = {"is_causal": form == "causal"}
    ours = [corten.tensor(x).requires_grad_() for x in (q, k, v)]
    theirs = [torch.tensor(x).requires_grad_() for x in (q, k, v)]
    a = nn.functional.scaled_dot_product_attention(*ours, None if mask is None else corten.tensor(mask), **options)
    b = torch.nn.functional.scaled_dot_product_attention(*theirs, None if mask is None else torch.tensor(mask), **options)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-10)
    g = real(*shape)
    a.backward(corten.tensor(g))
    b.backward(torch.tensor(g))
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-8, atol=1e-9)


def test_attention_of_the_past_does_not_feel_the_future() -> None:
    q, k, v = (corten.tensor(real(1, 2, 200, 32).astype("float32")) for _ in range(3))
    whole = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).numpy()
    for t in (1, 47, 48, 63, 64, 130):
        head = nn.functional.scaled_dot_product_attention(q[:, :, :t], k[:, :, :t], v[:, :, :t], is_causal=True).numpy()
        assert head.tobytes() == whole[:, :, :t].tobytes()


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_a_bit(threads: int) -> None:
    def run() -> list[bytes]:
        corten.manual_seed(0)
        layers = [(nn.BatchNorm2d(8), (8, 8, 40, 40)), (nn.BatchNorm2d(2), (8, 2, 90, 90)), (nn.LayerNorm(300), (500, 300)),
                  (nn.GroupNorm(2, 8), (8, 8, 40, 40)), (nn.MaxPool2d(3, 2, 1), (8, 8, 40, 40)), (nn.AvgPool2d(2), (8, 8, 40, 40)),
                  (nn.LSTM(32, 64), (20, 64, 32)), (nn.GRU(32, 320), (5, 64, 32)),
                  (nn.MultiheadAttention(64, 4), (150, 4, 64))]  # fmt: skip
        found = []
        for layer, shape in layers:
            x = corten.randn(*shape).requires_grad_()
            out = layer(x, x, x, need_weights=False) if isinstance(layer, nn.MultiheadAttention) else layer(x)
            out = out[0] if isinstance(out, tuple) else out
            (out * out).sum().backward()
            found += [out.detach().numpy().tobytes(), x.grad.numpy().tobytes(), *[p.grad.numpy().tobytes() for p in layer.parameters()]]
        return found

    before = corten.get_num_threads()
    try:
        corten.set_num_threads(1)
        one = run()
        corten.set_num_threads(threads)
        assert run() == one
    finally:
        corten.set_num_threads(before)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("joined", [False, True])
def test_ctc_loss(reduction: str, joined: bool) -> None:
    frames, lengths = np.array([12, 10, 7, 12]), np.array([5, 3, 0, 4])
    labels = RNG.integers(1, 6, 12) if joined else RNG.integers(1, 6, (4, 5))
    x = torch.log_softmax(torch.tensor(real(12, 4, 6)), -1).numpy()
    a, b = corten.tensor(x).requires_grad_(), torch.tensor(x).requires_grad_()
    ours = nn.functional.ctc_loss(a, corten.tensor(labels), frames, lengths, reduction=reduction)
    theirs = torch.nn.functional.ctc_loss(b, torch.tensor(labels), torch.tensor(frames), torch.tensor(lengths), reduction=reduction)
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-9)
    ours.sum().backward()
    theirs.sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-8, atol=1e-10)


def test_impossible_ctc_alignments_count_nothing() -> None:
    x = nn.functional.log_softmax(corten.randn(3, 1, 4), -1).detach().requires_grad_()
    loss = nn.functional.ctc_loss(x, corten.tensor([[1, 1, 1]]), [3], [3], reduction="sum", zero_infinity=True)
    loss.backward()
    assert float(loss) == 0
    assert not x.grad.numpy().any()


@pytest.mark.parametrize(("make", "shape", "text"), [
    (lambda: nn.BatchNorm2d(3), (2, 3, 4), "[BatchNorm2d]"), (lambda: nn.MaxPool2d(5), (1, 1, 3, 3), "[max_pool2d]"),
    (lambda: nn.LSTM(3, 4), (2, 2, 5), "[LSTM]"), (lambda: nn.GroupNorm(2, 4), (2, 5), "[group_norm]"),
    (lambda: nn.ReflectionPad1d(4), (1, 1, 3), "[pad]"), (lambda: nn.LayerNorm(4), (2, 3), "[layer_norm]")])  # fmt: skip
def test_errors_name_the_layer(make: Any, shape: Any, text: str) -> None:
    with pytest.raises((RuntimeError, ValueError)) as error:
        make()(corten.zeros(*shape))
    assert str(error.value).startswith(text)
