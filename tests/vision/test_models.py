"""Models: published parameter counts, torchvision's keys where it is installed, a forward pass, and that a step lowers the loss."""

import subprocess
import sys

import numpy as np
import pytest

import corten
from corten.vision import models

# Published by torchvision (its weights' metadata), for CIFAR and U-Net by the papers' or reference implementations.
COUNTS = {
    "alexnet": 61_100_840, "densenet121": 7_978_856, "efficientnet_b0": 5_288_548, "efficientnet_b1": 7_794_184,
    "googlenet": 13_004_888, "lenet5": 61_706, "mobilenet_v2": 3_504_872, "mobilenet_v3_large": 5_483_032,
    "mobilenet_v3_small": 2_542_856, "resnet18": 11_689_512, "resnet20": 269_722, "resnet34": 21_797_672, "resnet50": 25_557_032,
    "resnet56": 853_018, "resnext50_32x4d": 25_028_904, "squeezenet1_0": 1_248_424, "squeezenet1_1": 1_235_496, "unet": 31_037_633,
}  # fmt: skip
LARGE = {
    "convnext_base": 88_591_464, "convnext_small": 50_223_688, "convnext_tiny": 28_589_128, "densenet161": 28_681_000,
    "densenet169": 14_149_480, "densenet201": 20_013_928, "efficientnet_b2": 9_109_994, "efficientnet_b3": 12_233_232,
    "efficientnet_b4": 19_341_616, "efficientnet_b5": 30_389_784, "efficientnet_b6": 43_040_704, "efficientnet_b7": 66_347_960,
    "resnet101": 44_549_160, "resnet152": 60_192_808, "resnext101_32x8d": 88_791_336, "vgg11": 132_863_336,
    "vgg16_bn": 138_365_992, "vgg19": 143_667_240, "vit_b_16": 86_567_656, "vit_b_32": 88_224_232, "wide_resnet50_2": 68_883_240,
}  # fmt: skip
# name, input, settings: small, but through every kind of block
SMALL = [("lenet5", (2, 1, 28, 28), {}), ("resnet20", (2, 3, 32, 32), {}), ("resnet18", (2, 3, 64, 64), {}),
         ("resnext50_32x4d", (2, 3, 32, 32), {"replace_stride_with_dilation": [False, True, True]}),
         ("densenet121", (2, 3, 64, 64), {}), ("mobilenet_v2", (2, 3, 64, 64), {}), ("mobilenet_v3_small", (2, 3, 64, 64), {}),
         ("efficientnet_b0", (2, 3, 64, 64), {}), ("squeezenet1_1", (2, 3, 48, 48), {}), ("googlenet", (2, 3, 32, 32), {}),
         ("unet", (2, 3, 21, 24), {"features": 4})]  # fmt: skip


def count(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", COUNTS)
def test_published_parameter_count(name):
    assert count(models.get_model(name)) == COUNTS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_published_parameter_count_of_large_models(name):
    assert count(models.get_model(name)) == LARGE[name]


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "squeezenet1_0"])
def test_keys_and_shapes_are_torchvisions(name):
    torchvision = pytest.importorskip("torchvision")
    theirs = getattr(torchvision.models, name)()
    ours = models.get_model(name)
    assert [(k, tuple(v.shape)) for k, v in ours.state_dict().items()] == [(k, tuple(v.shape)) for k, v in theirs.state_dict().items()]


@pytest.mark.parametrize(("name", "shape", "settings"), SMALL, ids=[s[0] for s in SMALL])
def test_forward_and_a_step(name, shape, settings):
    corten.manual_seed(1)
    model = models.get_model(name, **({"num_classes": 5} if name != "unet" else {"num_classes": 1}), **settings)
    x = corten.tensor(np.random.default_rng(0).standard_normal(shape).astype("float32"))
    params = list(model.parameters())
    losses = []
    opt = corten.optim.SGD(params, lr=1.0)

    def loss_of():
        out = model(x)
        if name == "googlenet" and model.training:
            out = out.logits + 0.3 * (out.aux_logits1 + out.aux_logits2)
        assert tuple(out.shape) == ((2, 1, *shape[2:]) if name == "unet" else (2, 5))
        return ((out - 1) ** 2).mean()

    for m in model.modules():
        if isinstance(m, corten.nn.Dropout) or type(m).__name__ == "StochasticDepth":
            m.p = 0.0  # so that the loss is a function of the weights alone
    for _ in range(2):
        opt.zero_grad()
        value = loss_of()
        losses.append(float(value.item()))
        value.backward()
        square = sum(float((p.grad**2).sum().item()) for p in params if p.grad is not None)
        opt.param_groups[0]["lr"] = 5e-4 * losses[-1] / square  # to first order the loss falls by 0.05 %
        opt.step()
    assert np.isfinite(losses).all()
    assert losses[1] < losses[0]
    model.eval()
    assert np.isfinite(model(x).detach().numpy()).all()


@pytest.mark.parametrize(("build", "size"), [
    (lambda: models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=4, representation_size=8), 32),
    (lambda: models.ConvNeXt([(8, 1), (16, 1)], 0.0, layer_scale=1.0, num_classes=4), 32),
    (lambda: models.EfficientNet(0.25, 0.25, 0.0, 0.0, num_classes=4), 32)])  # fmt: skip
def test_families_by_their_class(build, size):
    corten.manual_seed(0)
    model = build()
    x = corten.tensor(np.random.default_rng(0).standard_normal((3, 3, size, size)).astype("float32"))
    y = corten.tensor([0, 1, 2])
    opt = corten.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    for _ in range(3):
        opt.zero_grad()
        value = corten.nn.functional.cross_entropy(model(x), y)
        value.backward()
        opt.step()
        losses.append(float(value.item()))
    assert losses[2] < losses[0]


def test_stochastic_depth_keeps_the_mean():
    from corten.vision.models.blocks import StochasticDepth

    corten.manual_seed(0)
    drop = StochasticDepth(0.25)
    y = drop(corten.ones(4000, 3)).numpy()
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert (y == y[:, :1]).all()
    assert abs(y.mean() - 1) < 0.05
    assert (drop.eval()(corten.ones(5, 3)).numpy() == 1).all()
    with pytest.raises(ValueError, match="StochasticDepth"):
        StochasticDepth(1.5)


def test_names():
    assert {"resnet18", "vit_l_16", "unet"} <= set(models.list_models())
    assert models.alexnet is not None
    assert callable(models.unet)
    with pytest.raises(ValueError, match=r"\[get_model\]"):
        models.get_model("resnet19")
    with pytest.raises(ValueError, match="load_state_dict"):
        models.resnet18(weights="DEFAULT")
    with pytest.raises(ValueError, match="multiple"):
        models.VisionTransformer(30, 16, 1, 1, 8, 8)


def test_models_are_imported_when_they_are_used():
    code = """if True:
        import sys, corten.vision.models as models
        loaded = lambda name: f"corten.vision.models.{name}" in sys.modules
        print(loaded("resnet"))
        models.resnet18
        print(loaded("resnet"), loaded("vgg"))"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True", "False"]
