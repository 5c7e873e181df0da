"""Clipping, vectors, pruning and fusion of parameters beside PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import corten

torch = pytest.importorskip("torch")
pytest.importorskip("torch.nn.utils.prune")
RNG = np.random.default_rng(4)


def nets() -> tuple[Any, Any]:
    """Two networks of the same weights."""
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Linear(6, 3)).double()
    ours = corten.nn.Sequential(corten.nn.Linear(4, 6), corten.nn.Linear(6, 3)).double()
    ours.load_state_dict({k: corten.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    return ours, theirs


@pytest.mark.parametrize("norm", [2.0, 1.0, 3.0, np.inf])
@pytest.mark.parametrize("limit", [0.1, 1e6])
def test_clip_grad_norm(norm: float, limit: float) -> None:
    ours, theirs = nets()
    x = RNG.standard_normal((5, 4))
    (ours(corten.tensor(x)) ** 2).sum().backward()
    (theirs(torch.tensor(x)) ** 2).sum().backward()
    a = corten.nn.utils.clip_grad_norm_(ours.parameters(), limit, norm)
    b = torch.nn.utils.clip_grad_norm_(theirs.parameters(), limit, norm)
    assert float(a) == pytest.approx(float(b), rel=1e-12)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-9)
    corten.nn.utils.clip_grad_value_(ours.parameters(), 0.01)
    assert all(float(p.grad.abs().amax()) <= 0.01 for p in ours.parameters())


def test_norm_that_is_not_finite() -> None:
    p = corten.nn.Parameter(corten.ones(2))
    p.grad = corten.tensor([float("nan"), 1.0])
    with pytest.raises(RuntimeError, match="is nan"):
        corten.nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert float(corten.nn.utils.get_total_norm([])) == 0


def test_vectors() -> None:
    ours, _ = nets()
    v = corten.nn.utils.parameters_to_vector(ours.parameters())
    assert v.shape == (4 * 6 + 6 + 6 * 3 + 3,)
    corten.nn.utils.vector_to_parameters(v * 2, ours.parameters())
    assert corten.equal(corten.nn.utils.parameters_to_vector(ours.parameters()), v * 2)
    with pytest.raises(ValueError, match="values for"):
        corten.nn.utils.vector_to_parameters(v[:3], ours.parameters())


@pytest.mark.parametrize("steps", [
    [("l1_unstructured", {"amount": 0.4})], [("l1_unstructured", {"amount": 5}), ("l1_unstructured", {"amount": 0.5})],
    [("ln_structured", {"amount": 0.5, "n": 2, "dim": 0})],
    [("ln_structured", {"amount": 1, "n": 1, "dim": 1}), ("l1_unstructured", {"amount": 0.3})],
    [("identity", {})]])  # fmt: skip
def test_pruning(steps: Any) -> None:
    ours, theirs = nets()
    for name, kwargs in steps:
        getattr(corten.nn.utils.prune, name)(ours[0], "weight", **kwargs)
        getattr(torch.nn.utils.prune, name)(theirs[0], "weight", **kwargs)
    assert sorted(ours.state_dict()) == sorted(theirs.state_dict())
    np.testing.assert_array_equal(ours[0].weight_mask.numpy(), theirs[0].weight_mask.numpy())
    x = RNG.standard_normal((5, 4))
    a, b = ours(corten.tensor(x)), theirs(torch.tensor(x))
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)
    a.sum().backward()
    b.sum().backward()
    np.testing.assert_allclose(ours[0].weight_orig.grad.numpy(), theirs[0].weight_orig.grad.numpy(), rtol=1e-10, atol=1e-14)
    assert corten.nn.utils.prune.is_pruned(ours)
    corten.nn.utils.prune.remove(ours[0], "weight")
    torch.nn.utils.prune.remove(theirs[0], "weight")
    np.testing.assert_array_equal(ours[0].weight.detach().numpy(), theirs[0].weight.detach().numpy())
    assert not corten.nn.utils.prune.is_pruned(ours)
    assert sorted(ours.state_dict()) == sorted(theirs.state_dict())


def test_global_and_random_pruning() -> None:
    ours, theirs = nets()
    for net, prune in ((ours, corten.nn.utils.prune), (theirs, torch.nn.utils.prune)):
        prune.global_unstructured([(net[0], "weight"), (net[1], "weight")], prune.L1Unstructured, amount=0.3)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a.weight_mask.numpy(), b.weight_mask.numpy())
    layer = corten.nn.Linear(10, 10)
    corten.nn.utils.prune.random_unstructured(layer, "weight", amount=0.25)
    assert int((layer.weight_mask == 0).sum()) == 25
    corten.nn.utils.prune.random_structured(layer, "bias", amount=3, dim=0)
    assert int((layer.bias_mask == 0).sum()) == 3
    with pytest.raises(ValueError, match=r"^\[prune\]"):
        corten.nn.utils.prune.l1_unstructured(corten.nn.Linear(2, 2), "weight", amount=1.5)


@pytest.mark.parametrize("kind", ["Conv2d", "ConvTranspose2d", "Linear"])
def test_fusion_keeps_the_output(kind: str) -> None:
    nn = corten.nn
    layer = nn.Linear(3, 5) if kind == "Linear" else getattr(nn, kind)(3, 5, 3)
    bn = nn.BatchNorm1d(5) if kind == "Linear" else nn.BatchNorm2d(5)
    x = corten.rand(8, 3) if kind == "Linear" else corten.rand(4, 3, 7, 7)
    bn(layer(x) * 3)
    layer.eval()
    bn.eval()
    made = nn.utils.fuse_linear_bn_eval(layer, bn) if kind == "Linear" else nn.utils.fuse_conv_bn_eval(layer, bn, kind != "Conv2d")
    np.testing.assert_allclose(made(x).detach().numpy(), bn(layer(x)).detach().numpy(), rtol=1e-4, atol=1e-5)
    layer.train()
    with pytest.raises(AssertionError, match="evaluating"):
        nn.utils.fuse_conv_bn_eval(layer, bn)


def test_initialisations_under_old_names() -> None:
    with pytest.warns(FutureWarning, match="use xavier_uniform_"):
        corten.nn.init.xavier_uniform(corten.empty(3, 3))


def test_skip_init() -> None:
    layer = corten.nn.utils.skip_init(corten.nn.Linear, 3, 2)
    assert tuple(layer.weight.shape) == (2, 3)
    assert layer.weight.device.type == "cpu"
