"""Recurrent layers at the edges: sizes, chunks of sequences and of units, no gradient, nothing at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import corten
from corten import nn
from corten.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(8)
KINDS = ["RNN", "LSTM", "GRU"]


def pair(kind: str, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    theirs, ours = getattr(torch.nn, kind)(*args, **kwargs), getattr(nn, kind)(*args, **kwargs)
    ours.load_state_dict({k: corten.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    return ours, theirs


# few and many sequences, weights small and large: threads cut sequences, units, or nothing
SIZES = [(3, 1, 3, 9), (9, 33, 5, 40), (6, 96, 20, 64), (3, 20, 8, 330), (4, 70, 8, 200)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", SIZES)
def test_sizes(kind: str, sizes: tuple[int, int, int, int]) -> None:
    t, b, i, h = sizes
    ours, theirs = pair(kind, i, h)
    x, g = RNG.standard_normal((t, b, i)).astype("float32"), RNG.standard_normal((t, b, h)).astype("float32")
    a, c = corten.tensor(x).requires_grad_(), torch.tensor(x).requires_grad_()
    out, want = ours(a)[0], theirs(c)[0]
    np.testing.assert_allclose(out.detach().numpy(), want.detach().numpy(), rtol=1e-5, atol=1e-5)
    out.backward(corten.tensor(g))
    want.backward(torch.tensor(g))
    np.testing.assert_allclose(a.grad.numpy(), c.grad.numpy(), rtol=1e-4, atol=1e-5 * np.sqrt(h))
    wanted = dict(theirs.named_parameters())
    for name, p in ours.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), wanted[name].grad.numpy(), rtol=1e-4, atol=1e-5 * np.sqrt(t * b), err_msg=name)


@pytest.mark.parametrize("kwargs", [{}, {"proj_size": 5}, {"bidirectional": True, "num_layers": 2}])
@pytest.mark.parametrize("kind", KINDS)
def test_without_gradients_the_bits_are_the_same(kind: str, kwargs: dict[str, Any]) -> None:
    if "proj_size" in kwargs and kind != "LSTM":
        pytest.skip("only LSTM projects")
    layer = getattr(nn, kind)(6, 20, **kwargs)
    x = corten.tensor(RNG.standard_normal((7, 40, 6)).astype("float32"))
    packed = pack_padded_sequence(x, RNG.integers(1, 8, 40), enforce_sorted=False)

    def everything() -> list[bytes]:
        out, state = layer(x)
        ragged, after = layer(packed)
        states = [*(state if kind == "LSTM" else [state]), *(after if kind == "LSTM" else [after])]
        return [t.detach().numpy().tobytes() for t in (out, ragged.data, *states)]

    with_gradients = everything()
    with corten.no_grad():
        assert everything() == with_gradients


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(0, 3, 4), (5, 0, 4)])
def test_nothing(kind: str, shape: tuple[int, int, int]) -> None:
    layer = getattr(nn, kind)(4, 6)
    x = corten.zeros(*shape).requires_grad_()
    h0 = [corten.ones(1, shape[1], 6).requires_grad_() for _ in range(2 if kind == "LSTM" else 1)]
    out, state = layer(x, tuple(h0) if kind == "LSTM" else h0[0])
    assert tuple(out.shape) == (*shape[:2], 6)
    state = state if kind == "LSTM" else (state,)
    for s, before in zip(state, h0, strict=True):
        np.testing.assert_array_equal(s.detach().numpy(), before.detach().numpy())
    (out.sum() + sum(s.sum() for s in state)).backward()
    assert not layer.weight_ih_l0.grad.numpy().any()
    for before in h0:
        np.testing.assert_array_equal(before.grad.numpy(), np.ones((1, shape[1], 6), np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_strided_input(kind: str) -> None:
    layer = getattr(nn, kind)(4, 6)
    x = corten.tensor(RNG.standard_normal((4, 3, 5)).astype("float32"))
    strided = x.permute(2, 1, 0)
    np.testing.assert_array_equal(layer(strided)[0].detach().numpy(), layer(strided.contiguous())[0].detach().numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_cells_go_through_the_steps_of_a_layer(kind: str) -> None:
    layer, cell = getattr(nn, kind)(4, 6).double(), getattr(nn, kind + "Cell")(4, 6).double()
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    x, state, outs = corten.tensor(RNG.standard_normal((5, 3, 4))), None, []
    for t in range(5):
        state = cell(x[t], state)
        outs.append((state[0] if kind == "LSTM" else state).detach().numpy())
    np.testing.assert_allclose(layer(x)[0].detach().numpy(), outs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives_raise_by_name(kind: str) -> None:
    x = corten.ones(2, 1, 3).requires_grad_()
    out = getattr(nn, kind)(3, 2)(x)[0].sum()
    with pytest.raises(NotImplementedError, match=rf"\[{kind.lower()}\] the second derivative .* {kind}Cell"):
        corten.autograd.grad(out, x, create_graph=True)


def test_second_derivatives_of_cells() -> None:
    cell = nn.GRUCell(2, 3).double()
    x, h = (corten.tensor(RNG.standard_normal(s)).requires_grad_() for s in ((2, 2), (2, 3)))
    assert corten.autograd.gradgradcheck(lambda x, h: cell(x, h), [x, h])


def test_dropout_falls_between_layers_only() -> None:
    layer = nn.GRU(3, 50, 2, dropout=0.5)
    x = corten.tensor(RNG.standard_normal((4, 8, 3)).astype("float32"))
    corten.manual_seed(0)
    a = layer(x)[0].detach().numpy()
    b = layer(x)[0].detach().numpy()
    assert (a != b).any()
    assert (a != 0).all()
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].detach().numpy(), layer(x)[0].detach().numpy())


def test_padding_comes_back() -> None:
    x = corten.tensor(RNG.standard_normal((4, 3, 2)).astype("float32"))
    out, lengths = pad_packed_sequence(pack_padded_sequence(x, [4, 2, 1]), padding_value=-1.0, total_length=5)
    assert lengths.tolist() == [4, 2, 1]
    mask = np.arange(5)[:, None] < np.array([4, 2, 1])
    np.testing.assert_array_equal(out.numpy()[:4][mask[:4]], x.numpy()[mask[:4]])
    assert (out.numpy()[~mask] == -1).all()
