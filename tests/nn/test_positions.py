"""Positions against their formulas in float64."""

from __future__ import annotations

import numpy as np
import pytest

import corten
from corten import nn

RNG = np.random.default_rng(2)


@pytest.mark.parametrize("width", [6, 7])
def test_sinusoidal(width: int) -> None:
    x = RNG.standard_normal((2, 5, width))
    ours = nn.SinusoidalPositions(width, 20).double()(corten.tensor(x), start=3).numpy()
    want = x.copy()
    for t in range(5):
        for i in range(width):
            angle = (t + 3) / 10000 ** (i // 2 * 2 / width)
            want[:, t, i] += np.cos(angle) if i % 2 else np.sin(angle)
    np.testing.assert_allclose(ours, want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["SinusoidalPositions", "LearnedPositions"])
def test_time_first(kind: str) -> None:
    sizes = (10, 4) if kind == "LearnedPositions" else (4, 10)
    first, second = getattr(nn, kind)(*sizes, batch_first=False), getattr(nn, kind)(*sizes)
    second.load_state_dict(first.state_dict())
    x = corten.tensor(RNG.standard_normal((5, 2, 4)).astype("float32"))
    np.testing.assert_array_equal(first(x).detach().numpy(), second(x.transpose(0, 1)).detach().numpy().transpose(1, 0, 2))


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary_turns_pairs_as_complex_numbers(interleaved: bool) -> None:
    x = RNG.standard_normal((2, 3, 5, 8))
    ours = nn.RotaryPositions(8, 50, interleaved=interleaved).double()(corten.tensor(x), start=7).numpy()
    pairs = x.reshape(2, 3, 5, 4, 2) if interleaved else np.stack([x[..., :4], x[..., 4:]], -1)
    turn = np.exp(1j * (np.arange(5) + 7)[:, None] * 10000.0 ** (-np.arange(4) / 4))
    z = (pairs[..., 0] + 1j * pairs[..., 1]) * turn
    want = np.stack([z.real, z.imag], -1).reshape(x.shape) if interleaved else np.concatenate([z.real, z.imag], -1)
    np.testing.assert_allclose(ours, want, rtol=1e-5, atol=1e-6)


def test_rotary_scores_depend_on_distances() -> None:
    rotary = nn.RotaryPositions(16, 100)
    q, k = (corten.tensor(RNG.standard_normal((1, 16)).astype("float32")) for _ in range(2))
    scores = [float((rotary(q, start=s + 9) * rotary(k, start=s)).sum()) for s in (0, 5, 60)]
    np.testing.assert_allclose(scores, scores[0], rtol=1e-4)


@pytest.mark.parametrize("layer", [nn.SinusoidalPositions(4, 6), nn.LearnedPositions(6, 4), nn.RotaryPositions(4, 6)])
def test_too_many_positions(layer: nn.Module) -> None:
    with pytest.raises(RuntimeError, match=rf"\[{type(layer).__name__}\] got positions 3 ... 6, expected them within 0 ... 5"):
        layer(corten.zeros(1, 4, 4), start=3)


def test_odd_heads_cannot_turn() -> None:
    with pytest.raises(ValueError, match="even"):
        nn.RotaryPositions(5)
