"""Functions that are not a layer's, beside PyTorch's: values and gradients in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import corten
from corten import nn
from corten.nn import functional as F  # noqa: N812

torch = pytest.importorskip("torch")
TF = torch.nn.functional
RNG = np.random.default_rng(5)


def real(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def check(ours: Any, theirs: Any, *arrays: np.ndarray, rtol: float = 1e-8) -> None:
    mine = [corten.tensor(a).requires_grad_() for a in arrays]
    other = [torch.tensor(a).requires_grad_() for a in arrays]
    got, want = ours(*mine), theirs(*other)
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-9, atol=1e-11)
    seed = real(*want.shape)
    got.backward(corten.tensor(seed))
    want.backward(torch.tensor(seed))
    for m, o in zip(mine, other, strict=True):
        np.testing.assert_allclose(m.grad.numpy(), o.grad.numpy(), rtol=rtol, atol=rtol / 100)


ACTIVATIONS = [("relu", {}), ("relu6", {}), ("elu", {"alpha": 0.7}), ("selu", {}), ("celu", {"alpha": 0.7}), ("gelu", {}),
               ("gelu", {"approximate": "tanh"}), ("silu", {}), ("mish", {}), ("softplus", {"beta": 2.0, "threshold": 3.0}),
               ("leaky_relu", {"negative_slope": 0.2}), ("hardtanh", {"min_val": -0.5, "max_val": 0.7}), ("hardsigmoid", {}),
               ("hardswish", {}), ("softsign", {}), ("tanhshrink", {}), ("logsigmoid", {}), ("softshrink", {"lambd": 0.3}),
               ("hardshrink", {"lambd": 0.3}), ("threshold", {"threshold": 0.1, "value": -2.0}), ("glu", {"dim": 1}),
               ("softmax", {"dim": 1}), ("log_softmax", {"dim": 0}), ("softmin", {"dim": 1}), ("rrelu", {}), ("sigmoid", {}),
               ("tanh", {}), ("normalize", {"p": 2.0, "dim": 1}), ("normalize", {"p": 3.0, "dim": 0}),
               ("local_response_norm", {"size": 3, "alpha": 0.5, "k": 2.0}), ("local_response_norm", {"size": 4}),
               ("channel_shuffle", {"groups": 2})]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs"), ACTIVATIONS)
def test_one_input(name: str, kwargs: dict[str, Any]) -> None:
    check(lambda x: getattr(F, name)(x, **kwargs), lambda x: getattr(TF, name)(x, **kwargs), 2 * real(3, 6, 5),
          rtol=1e-6 if name in ("celu", "hardsigmoid") else 1e-8)  # PyTorch's kernels of these have float32 constants  # fmt: skip


@pytest.mark.parametrize("name", ["relu_", "elu_", "selu_", "celu_", "leaky_relu_", "hardtanh_"])
def test_in_place(name: str) -> None:
    x = real(4, 3)
    check(lambda a: getattr(F, name)(a * 1), lambda a: getattr(TF, name)(a * 1), x)
    t = corten.tensor(x)
    assert getattr(F, name)(t) is t


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample(mode: str, padding: str, align: bool) -> None:
    image, grid = real(2, 3, 5, 7), 1.3 * real(2, 4, 6, 2)
    kwargs = {"mode": mode, "padding_mode": padding, "align_corners": align}
    check(lambda x, g: F.grid_sample(x, g, **kwargs) + 0 * g.sum(), lambda x, g: TF.grid_sample(x, g, **kwargs) + 0 * g.sum(), image, grid)
    if mode != "bicubic":
        volume, grid3 = real(2, 2, 3, 4, 5), 1.3 * real(2, 3, 2, 4, 3)
        check(lambda x, g: F.grid_sample(x, g, **kwargs) + 0 * g.sum(), lambda x, g: TF.grid_sample(x, g, **kwargs) + 0 * g.sum(),
              volume, grid3)  # fmt: skip


@pytest.mark.filterwarnings("ignore:Since version 1.3.0")
@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (2, 1, 3, 4, 5), (2, 3, 1, 5)])
def test_affine_grid(size: Any, align: bool) -> None:
    d = len(size) - 2
    check(lambda t: F.affine_grid(t, size, align_corners=align), lambda t: TF.affine_grid(t, list(size), align_corners=align),
          real(2, d, d + 1))  # fmt: skip


@pytest.mark.parametrize("kwargs", [{"output_size": 3}, {"output_ratio": (0.6, 0.6)}, {"output_size": (2, 5)}])
def test_fractional_max_pool2d(kwargs: Any) -> None:
    samples = RNG.random((2, 3, 2))
    check(lambda x: F.fractional_max_pool2d(x, 2, **kwargs, _random_samples=corten.tensor(samples)),
          lambda x: TF.fractional_max_pool2d(x, 2, **kwargs, _random_samples=torch.tensor(samples)), real(2, 3, 8, 9))  # fmt: skip


def test_fractional_max_pool3d_with_places() -> None:
    samples, x = RNG.random((2, 3, 3)), real(2, 3, 6, 7, 8)
    out, index = F.fractional_max_pool3d(corten.tensor(x), 2, 3, return_indices=True, _random_samples=corten.tensor(samples))
    want, places = TF.fractional_max_pool3d(torch.tensor(x), 2, 3, return_indices=True, _random_samples=torch.tensor(samples))
    np.testing.assert_array_equal(out.numpy(), want.numpy())
    np.testing.assert_array_equal(index.numpy(), places.numpy())
    drawn = nn.FractionalMaxPool3d(2, output_ratio=0.5)(corten.tensor(x))
    assert tuple(drawn.shape) == (2, 3, 3, 3, 4)


def test_cross_map_lrn_first_channels() -> None:
    """PyTorch's sum keeps the first channel too long from channel (size + 1) / 2 on; below it both agree."""
    x = real(2, 3, 4, 4)
    np.testing.assert_allclose(nn.CrossMapLRN2d(5, 0.5, 0.7, 2.0)(corten.tensor(x)).numpy(),
                               torch.nn.CrossMapLRN2d(5, 0.5, 0.7, 2.0)(torch.tensor(x)).numpy(), rtol=1e-10)  # fmt: skip
    square = np.pad(x**2, ((0, 0), (2, 2), (0, 0), (0, 0)))
    total = sum(square[:, i : i + 3] for i in range(5))
    np.testing.assert_allclose(nn.CrossMapLRN2d(5, 0.5, 0.7, 2.0)(corten.tensor(x)).numpy(), x / (total * 0.1 + 2) ** 0.7, rtol=1e-10)


def test_conv_tbc() -> None:
    check(lambda x, w, b: F.conv_tbc(x, w, b, 1), lambda x, w, b: TF.conv_tbc(x, w, b, 1), real(7, 2, 3), real(3, 3, 4), real(4))


def test_one_hot() -> None:
    t = RNG.integers(0, 5, (3, 4))
    np.testing.assert_array_equal(F.one_hot(corten.tensor(t), 6).numpy(), TF.one_hot(torch.tensor(t), 6).numpy())


def test_bilinear_and_distances() -> None:
    check(F.bilinear, TF.bilinear, real(3, 4), real(3, 5), real(2, 4, 5), real(2))
    check(lambda a, b: F.cosine_similarity(a, b, 1), lambda a, b: TF.cosine_similarity(a, b, 1), real(3, 4), real(3, 4))
    for p in (1.0, 2.0, 3.0):
        check(nn.PairwiseDistance(p), torch.nn.PairwiseDistance(p), real(3, 4), real(3, 4))
    check(nn.CosineSimilarity(-1), torch.nn.CosineSimilarity(-1), real(3, 4), real(3, 4))


def test_gumbel_softmax_draws_the_classes_frequencies() -> None:
    corten.manual_seed(0)
    p = np.array([0.5, 0.3, 0.2])
    logits = corten.tensor(np.log(p)).expand(20000, 3)
    hard = F.gumbel_softmax(logits, tau=0.5, hard=True)
    assert set(np.unique(hard.numpy().round(6))) == {0.0, 1.0}
    np.testing.assert_allclose(hard.mean(0).numpy(), p, atol=0.015)
    soft = F.gumbel_softmax(logits, tau=2.0)
    np.testing.assert_allclose(soft.sum(-1).numpy(), 1, rtol=1e-12)
    x = corten.zeros(4, 3, requires_grad=True)
    (F.gumbel_softmax(x, hard=True) * corten.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert bool((x.grad != 0).any())


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    corten.manual_seed(0)
    x = F.selu(corten.randn(200, 500))
    for drop in (F.alpha_dropout, lambda t, p, training: F.feature_alpha_dropout(t.reshape(200, 500, 1), p, training)):
        out = drop(x, 0.3, True)
        assert float(out.mean()) == pytest.approx(float(x.mean()), abs=0.02)
        assert float(out.var()) == pytest.approx(float(x.var()), abs=0.03)
    channels = F.feature_alpha_dropout(corten.randn(4, 5, 6, 6), 0.5, True).reshape(20, 36)
    dropped = (channels == channels[:, :1]).all(1)
    assert 0 < int(dropped.sum()) < 20


def test_multi_head_attention_forward() -> None:
    layer = torch.nn.MultiheadAttention(8, 2).double()
    q, k = real(5, 3, 8), real(6, 3, 8)
    weights = [layer.in_proj_weight, layer.in_proj_bias, None, None, False, 0.0, layer.out_proj.weight, layer.out_proj.bias]
    want, want_w = TF.multi_head_attention_forward(torch.tensor(q), torch.tensor(k), torch.tensor(k), 8, 2, *weights)
    mine = [corten.tensor(w.detach().numpy()) if isinstance(w, torch.Tensor) else w for w in weights]
    got, got_w = F.multi_head_attention_forward(corten.tensor(q), corten.tensor(k), corten.tensor(k), 8, 2, *mine)
    np.testing.assert_allclose(got.numpy(), want.detach().numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(got_w.numpy(), want_w.detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("call", "error"), [
    (lambda: F.grid_sample(corten.zeros(1, 1, 2, 2), corten.zeros(1, 2, 2, 3)), RuntimeError),
    (lambda: F.grid_sample(corten.zeros(1, 1, 2, 2), corten.zeros(1, 2, 2, 2), mode="cubic"), ValueError),
    (lambda: F.affine_grid(corten.zeros(1, 2, 2), (1, 1, 2, 2)), ValueError),
    (lambda: F.channel_shuffle(corten.zeros(1, 5, 2), 2), RuntimeError),
    (lambda: F.fractional_max_pool2d(corten.zeros(1, 1, 4, 4), 2), ValueError),
    (lambda: F.gaussian_nll_loss(corten.zeros(3), corten.zeros(3), corten.zeros(2)), ValueError)])  # fmt: skip
def test_errors(call: Any, error: Any) -> None:
    with pytest.raises(error, match=r"^\["):
        call()


INPLACE = ["ReLU", "ReLU6", "Hardtanh", "Hardswish", "Hardsigmoid", "SiLU", "Mish", "ELU", "CELU", "SELU", "LeakyReLU"]


@pytest.mark.parametrize("name", INPLACE)
def test_activations_in_place_after_a_layer(name):
    """What the layer before saved and what the activation needs of before it are both there in backward."""
    values = np.random.default_rng(3).standard_normal((6, 5)).astype(np.float32) * 3
    grads = []
    for lib in (corten, torch):
        x = lib.from_numpy(values.copy()).requires_grad_()
        h = x @ lib.from_numpy(values[:5].copy())
        out = getattr(lib.nn, name)(inplace=True)(h)
        assert out is h
        (out * out).sum().backward()
        grads.append(x.grad.numpy())
    np.testing.assert_allclose(grads[0], grads[1], rtol=1e-4, atol=1e-4)


# ---- PyTorch's shapes of dropped channels, its weighted losses, its in-place activations


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("shape", [(3,), (3, 4), (2, 3, 4), (2, 3, 4, 5), (2, 3, 4, 5, 6)], ids=len)
@pytest.mark.filterwarnings("ignore:.*dropout2d.*:UserWarning", "ignore:.*dropout3d.*:UserWarning")
def test_what_dropout_of_channels_drops_together(dims: int, shape: tuple[int, ...]) -> None:
    def constant(m: Any) -> Any:
        """Up to which dimension all elements were dropped together in every one of twenty draws."""
        found = [getattr(m.nn.functional, f"dropout{dims}d")(m.ones(shape), 0.5).numpy() for _ in range(20)]
        assert all(f.shape == shape for f in found)
        return [all((f.reshape(*shape[:k], -1) == f.reshape(*shape[:k], -1)[..., :1]).all() for f in found) for k in range(len(shape))]

    try:
        want = constant(torch)
    except RuntimeError:
        with pytest.raises(RuntimeError, match=f"dropout{dims}d"):
            constant(corten)
        return
    assert constant(corten) == want


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_l1_loss_with_weights(reduction: str) -> None:
    w = abs(real(4, 3))
    check(lambda x, t: F.l1_loss(x, t, reduction=reduction, weight=corten.tensor(w)),
          lambda x, t: TF.l1_loss(x, t, reduction=reduction, weight=torch.tensor(w)), real(4, 3), real(4, 3))  # fmt: skip
    for m in (corten, torch):
        with pytest.raises(ValueError, match="eights"):
            m.nn.functional.l1_loss(m.ones(4, 3), m.ones(4, 3), weight=m.ones(3))


@pytest.mark.parametrize(("name", "arguments"), [("elu_", (2.0,)), ("celu_", (2.0,)), ("selu_", ()), ("leaky_relu_", (0.3,)),
                                                 ("hardtanh_", (-0.5, 0.7)), ("threshold_", (0.1, 2.0)), ("relu_", ()),
                                                 ("rrelu_", (0.1, 0.1))])  # fmt: skip
def test_activations_in_place(name: str, arguments: tuple[float, ...]) -> None:
    x = real(5, 4)
    ours, theirs = corten.tensor(x), torch.tensor(x)
    assert getattr(F, name)(ours, *arguments) is ours
    getattr(TF, name)(theirs, *arguments)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-12)


@pytest.mark.parametrize("layer", ["BatchNorm2d", "GroupNorm", "InstanceNorm2d"])
def test_norms_without_bias(layer: str) -> None:
    made = {m: getattr(m.nn, layer)(*((2, 4) if layer == "GroupNorm" else (4,)), affine=True, bias=False) for m in (corten, torch)}
    assert list(made[corten].state_dict()) == list(made[torch].state_dict()) and made[corten].bias is None
    x = real(2, 4, 3, 3)
    got, want = made[corten].double()(corten.tensor(x)), made[torch].double()(torch.tensor(x))
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-9, atol=1e-12)
