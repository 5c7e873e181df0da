"""Layers that learn their input features become the layer PyTorch would have made."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import corten
from corten import nn

CASES = [("Linear", (3,), (2, 5), {}), ("Conv1d", (4, 3), (2, 6, 9), {"groups": 2}), ("Conv2d", (4, 3), (2, 3, 9, 9), {"bias": False}),
         ("Conv3d", (2, 2), (1, 3, 4, 4, 4), {}), ("ConvTranspose1d", (4, 3), (2, 3, 5), {}), ("ConvTranspose2d", (4, 3), (2, 3, 5, 5), {}),
         ("ConvTranspose3d", (2, 2), (1, 3, 3, 3, 3), {}), ("BatchNorm1d", (), (4, 6), {"eps": 1e-3}),
         ("BatchNorm2d", (), (4, 6, 3, 3), {}),
         ("BatchNorm3d", (), (4, 6, 2, 2, 2), {"affine": False}), ("InstanceNorm1d", (), (4, 6, 5), {"affine": True}),
         ("InstanceNorm2d", (), (4, 6, 5, 5), {"track_running_stats": True}), ("InstanceNorm3d", (), (4, 6, 2, 2, 2), {})]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "shape", "kwargs"), CASES)
def test_becomes_the_layer(name: str, args: Any, shape: Any, kwargs: Any) -> None:
    layer = getattr(nn, f"Lazy{name}")(*args, **kwargs)
    held = list(layer.parameters())
    assert all(isinstance(p, nn.UninitializedParameter) for p in held)
    features = shape[1]
    plain = getattr(nn, name)(features, *args, **kwargs)
    corten.manual_seed(3)
    x = corten.rand(*shape)
    out = layer(x)
    assert type(layer) is type(plain)
    assert repr(layer) == repr(plain)
    assert [p is q for p, q in zip(layer.parameters(), held, strict=True)] == [True] * len(held)
    assert {k: v.shape for k, v in layer.state_dict().items()} == {k: v.shape for k, v in plain.state_dict().items()}
    plain.load_state_dict(layer.state_dict())
    plain.train(False)
    layer.train(False)
    assert corten.equal(layer(x), plain(x))
    assert out.shape == plain(x).shape


def test_shape_raises_until_it_is_known() -> None:
    layer = nn.LazyLinear(2)
    with pytest.raises(RuntimeError, match="no shape yet"):
        _ = layer.weight.shape
    twin = copy.deepcopy(layer)
    twin(corten.ones(1, 3))
    assert isinstance(layer.weight, nn.UninitializedParameter)
    assert tuple(twin.weight.shape) == (2, 3)


def test_optimizer_keeps_its_parameters_and_values_load() -> None:
    net = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(1)).double()
    opt = corten.optim.SGD(net.parameters(), lr=0.1)
    net(corten.ones(2, 3, dtype=corten.float64)).sum().backward()
    before = net[2].bias.item()
    opt.step()
    assert net[2].bias.item() == pytest.approx(before - 0.2)
    assert net[0].weight.dtype is corten.float64
    fresh = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(1)).double()
    fresh.load_state_dict(net.state_dict())
    x = corten.rand(5, 3, dtype=corten.float64)
    assert corten.equal(fresh(x), net(x))
