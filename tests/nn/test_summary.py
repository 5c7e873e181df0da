"""The table of a network's layers."""

from __future__ import annotations

import pytest

import corten
from corten import nn


def test_counts() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                          nn.Linear(8 * 16, 10, bias=False))  # fmt: skip
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    found = model.summary((5, 3, 8, 8))
    assert found.multiply_adds == 5 * (64 * 8 * 27 + 128 * 10)
    assert found.parameters == sum(p.numel() for p in model.parameters()) == 3 * 8 * 9 + 8 + 16 + 1280
    assert [r.shape for r in found.rows[1:]] == ["(5, 8, 8, 8)"] * 3 + ["(5, 8, 4, 4)", "(5, 128)", "(5, 10)"]
    assert all((v.numpy() == before[k]).all() for k, v in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize(("layer", "shapes", "work"), [
    (lambda: nn.LSTM(3, 5, 2), [(7, 2, 3)], 14 * 4 * 5 * (3 + 5 + 5 + 5)),
    (lambda: nn.GRU(3, 5, bidirectional=True), [(7, 2, 3)], 14 * 2 * 3 * 5 * 8),
    (lambda: nn.LSTMCell(3, 5), [(2, 3)], 2 * 4 * 5 * 8),
    (lambda: nn.Conv1d(4, 6, 3, groups=2), [(2, 4, 10)], 2 * 8 * 6 * 2 * 3),
    (lambda: nn.ConvTranspose2d(4, 6, 3), [(2, 4, 5, 5)], 2 * 4 * 25 * 6 * 9),
    (lambda: nn.MultiheadAttention(8, 2, batch_first=True), [(2, 5, 8), (2, 7, 8), (2, 7, 8)],
     2 * (5 * 64 + 2 * 7 * 64 + 2 * 5 * 7 * 8 + 5 * 64))])  # fmt: skip
def test_work_of_layers(layer: object, shapes: list[tuple[int, ...]], work: int) -> None:
    assert layer().summary(*shapes).multiply_adds == work  # type: ignore[operator]


def test_shared_parameters_count_once_and_calls_add_up() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.unused = nn.Linear(4, 4), nn.Linear(2, 2)
            self.b = nn.Linear(4, 4)
            self.b.weight = self.a.weight

        def forward(self, x: object) -> object:
            return self.b(self.a(self.a(x)))

    found = Twice().summary((3, 4))
    assert found.parameters == 20 + 6 + 4
    assert found.multiply_adds == 3 * 3 * 16
    text = str(found)
    assert "not called" in text
    assert "parameters: 30 (30 trainable)" in text


def test_an_error_names_the_layer() -> None:
    model = nn.Sequential(nn.Linear(8, 4), nn.Sequential(nn.ReLU(), nn.Linear(5, 2)))
    with pytest.raises(RuntimeError, match=r"\[summary\] layer '1.1', Linear\(in_features=5.*got input \(3, 4\): \[linear\]"):
        model.summary((3, 8))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_depth_and_dtypes() -> None:
    from corten.text.gpt import GPT, GPTConfig

    model = GPT(GPTConfig(16, 11, 2, 2, 8))
    found = model.summary(((3, 16), corten.int64), depth=2)
    lines = str(found).splitlines()
    assert not any("c_attn" in line for line in lines)
    assert sum(r.multiply_adds for r in found.rows) == found.multiply_adds
    block = 3 * 16 * (12 * 64) + 2 * 3 * 16 * 16 * 8
    assert found.multiply_adds == 2 * block + 3 * 16 * 8 * 11
    assert any("h: ModuleList" in line and f"{2 * block:,}" in line for line in lines)
    assert str(model.summary(corten.zeros(3, 16, dtype=corten.int64))) == str(model.summary(((3, 16), corten.int64)))


def test_a_strange_argument() -> None:
    with pytest.raises(TypeError, match=r"\[summary\] got 'x' for argument 0"):
        nn.Linear(1, 1).summary("x")
