"""Folding batch norm into the layer before it, against the two layers and PyTorch."""

import numpy as np
import pytest

import corten
from corten.nn.utils import fusion

torch = pytest.importorskip("torch")


def trained(lib, layer, bn, shape):
    """Statistics and affine parameters that are not the initial ones; both in eval mode."""
    rng = np.random.default_rng(0)
    with lib.no_grad():
        for p in (*layer.parameters(), *bn.parameters()):
            p.copy_(lib.tensor(rng.uniform(0.2, 1.5, tuple(p.shape))))
        bn(layer(lib.tensor(rng.standard_normal(shape))))
    return layer.eval(), bn.eval()


@pytest.mark.parametrize("kind", ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d"])
@pytest.mark.parametrize("bias", [True, False])
def test_convolution(kind, bias):
    nd, transpose = int(kind[-2]), "Transpose" in kind
    shape = (3, 4, 7, 6, 5)[: 2 + nd]
    folded = []
    for lib, fuse in ((corten, fusion.fuse_conv_bn_eval), (torch, torch.nn.utils.fusion.fuse_conv_bn_eval)):
        conv = getattr(lib.nn, kind)(4, 6, 3, bias=bias, dtype=lib.float64)
        conv, bn = trained(lib, conv, getattr(lib.nn, f"BatchNorm{nd}d")(6, dtype=lib.float64), shape)
        x = lib.tensor(np.random.default_rng(1).standard_normal(shape))
        one = fuse(conv, bn, transpose)
        np.testing.assert_allclose(one(x).detach().numpy(), bn(conv(x)).detach().numpy(), rtol=1e-10, atol=1e-10)
        folded.append([p.detach().numpy() for p in one.parameters()])
    for ours, theirs in zip(*folded, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_linear():
    linear, bn = corten.nn.Linear(5, 4, dtype=corten.float64), corten.nn.BatchNorm1d(4, affine=False, dtype=corten.float64)
    linear, bn = trained(corten, linear, bn, (8, 5))
    x = corten.tensor(np.random.default_rng(2).standard_normal((3, 5)))
    before = linear.weight.detach().numpy().copy()
    np.testing.assert_allclose(fusion.fuse_linear_bn_eval(linear, bn)(x).detach().numpy(), bn(linear(x)).detach().numpy(), rtol=1e-12)
    assert np.array_equal(linear.weight.detach().numpy(), before)


def test_errors():
    conv, bn = corten.nn.Conv2d(2, 3, 1), corten.nn.BatchNorm2d(3)
    with pytest.raises(AssertionError, match="training mode"):  # PyTorch's type
        fusion.fuse_conv_bn_eval(conv, bn)
    with pytest.raises(RuntimeError, match="statistics"):
        fusion.fuse_conv_bn_eval(conv.eval(), corten.nn.BatchNorm2d(3, track_running_stats=False).eval())
    with pytest.raises(ValueError, match="features"):
        fusion.fuse_conv_bn_eval(conv, corten.nn.BatchNorm2d(4).eval())
