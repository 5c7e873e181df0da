"""Weight norm, spectral norm and parametrizations against PyTorch."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import corten
from corten import nn
from corten.nn.utils import parametrizations, parametrize

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(6)
LAYERS = [("Linear", (4, 3), (5, 4)), ("Conv2d", (2, 3, 3), (2, 2, 6, 5)), ("ConvTranspose2d", (2, 3, 3), (2, 2, 4, 5))]
FORMS = [("weight_norm", {}), ("weight_norm", {"dim": None}), ("weight_norm", {"dim": 1}), ("spectral_norm", {}),
         ("spectral_norm", {"n_power_iterations": 3})]  # fmt: skip


def same(ours: Any, theirs: Any, shape: tuple[int, ...], steps: int = 2) -> None:
    """State, outputs over some calls, gradients."""
    assert sorted(ours.state_dict()) == sorted(theirs.state_dict())
    ours.load_state_dict({k: corten.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    for _ in range(steps):
        x = RNG.standard_normal(shape)
        a, b = ours(corten.tensor(x)), theirs(torch.tensor(x))
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-10)
    g = RNG.standard_normal(b.shape)
    a.backward(corten.tensor(g))
    b.backward(torch.tensor(g))
    wanted = dict(theirs.named_parameters())
    for name, p in ours.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), wanted[name].grad.numpy(), rtol=1e-8, atol=1e-9, err_msg=name)
    for k, v in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[k].numpy(), v.numpy(), rtol=1e-9, atol=1e-12, err_msg=k)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(("form", "kwargs"), FORMS)
@pytest.mark.parametrize(("layer", "args", "shape"), LAYERS)
def test_norms(layer: str, args: Any, shape: Any, form: str, kwargs: dict[str, Any], old: bool) -> None:
    torch.manual_seed(0)
    theirs = getattr(torch.nn.utils if old else torch.nn.utils.parametrizations, form)(getattr(torch.nn, layer)(*args).double(), **kwargs)
    ours = getattr(nn.utils if old else parametrizations, form)(getattr(nn, layer)(*args).double(), **kwargs)
    same(ours, theirs, shape)
    ours.eval(), theirs.eval()
    same(ours, theirs, shape)


@pytest.mark.parametrize("form", ["weight_norm", "spectral_norm"])
def test_removal_leaves_the_weight(form: str) -> None:
    layer = getattr(nn.utils, form)(nn.Linear(4, 3))
    x = corten.tensor(RNG.standard_normal((2, 4)).astype("float32"))
    layer(x)
    layer.eval()
    before = layer(x).detach().numpy()
    getattr(nn.utils, "remove_" + form)(layer)
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    np.testing.assert_allclose(layer(x).detach().numpy(), before, rtol=1e-6)
    with pytest.raises(ValueError, match=rf"\[remove_{form}\]"):
        getattr(nn.utils, "remove_" + form)(layer)


def test_largest_singular_value_becomes_one() -> None:
    layer = parametrizations.spectral_norm(nn.Linear(6, 5), n_power_iterations=50)
    assert abs(np.linalg.norm(layer.weight.detach().numpy(), 2) - 1) < 1e-5


class Scaled(nn.Module):
    def forward(self, x: Any) -> Any:
        return x * 3

    def right_inverse(self, x: Any) -> Any:
        return x / 3


def test_parametrize() -> None:
    layer = nn.Linear(3, 3)
    kind, start = type(layer), layer.weight.detach().numpy().copy()
    parametrize.register_parametrization(layer, "weight", Scaled())
    assert isinstance(layer, nn.Linear)
    assert parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias")
    assert parametrize.type_before_parametrizations(layer) is kind
    np.testing.assert_allclose(layer.weight.detach().numpy(), start, rtol=1e-6)
    assert sorted(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    layer.weight = corten.ones(3, 3)
    np.testing.assert_allclose(layer.parametrizations.weight.original.detach().numpy(), 1 / 3, rtol=1e-6)
    parametrize.register_parametrization(layer, "weight", Scaled())
    np.testing.assert_allclose(layer.weight.detach().numpy(), 3, rtol=1e-6)
    other = copy.deepcopy(layer)
    np.testing.assert_allclose(other.weight.detach().numpy(), 3, rtol=1e-6)
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert layer.weight is not layer.weight
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is kind
    np.testing.assert_allclose(layer.weight.detach().numpy(), 3, rtol=1e-6)
    assert isinstance(other.weight, corten.Tensor)


def test_parametrize_errors() -> None:
    with pytest.raises(ValueError, match=r"\[parametrize\] Linear has no parameter or buffer 'w'"):
        parametrize.register_parametrization(nn.Linear(2, 2), "w", Scaled())
    with pytest.raises(ValueError, match=r"\[parametrize\] got corten.float32 of shape"):
        parametrize.register_parametrization(nn.Linear(2, 3), "weight", nn.Flatten(0))
    with pytest.raises(ValueError, match=r"not parametrized"):
        parametrize.remove_parametrizations(nn.Linear(2, 3), "weight")
    layer = parametrizations.weight_norm(nn.Linear(2, 3))
    with pytest.raises(ValueError, match="2 tensors"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
