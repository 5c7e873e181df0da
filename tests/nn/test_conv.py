"""Convolutions against PyTorch: values, gradients, thread counts."""

import numpy as np
import pytest

import corten
from corten._core import native
from corten.ops.conv import conv_bias, conv_op, conv_relu

torch = pytest.importorskip("torch")

# batch, channels, size, outputs, kernel, stride, padding, dilation, groups
CASES = [
    (2, 3, (9,), 4, (3,), 2, 1, 1, 1), (3, 4, (50,), 6, (4,), 3, 2, 2, 2), (2, 3, (8, 7), 5, (3, 3), 1, 1, 1, 1),
    (5, 16, (7, 7), 33, (3, 3), 1, 1, 1, 1), (1, 5, (20, 33), 7, (3, 2), (2, 3), (1, 0), (1, 2), 1),
    (2, 6, (19, 37), 6, (3, 3), 1, 1, 1, 6), (2, 6, (19, 37), 6, (3, 3), 2, 1, 1, 6), (2, 8, (16, 16), 9, (1, 1), 1, 0, 1, 1),
    (2, 3, (5, 6, 7), 4, (2, 3, 2), (1, 2, 1), 1, 1, 1), (1, 3, (40, 40), 8, (7, 7), 2, 3, 1, 1),
    (3, 32, (13, 18), 35, (3, 3), 1, 1, 1, 1), (9, 40, (7, 7), 33, (3, 3), 1, (2, 0), 1, 1),  # Winograd's tiles, whole and cut
    (2, 70, (9, 9), 7, (3, 3), 1, 1, 1, 1), (1, 3, (700,), 5, (5,), 1, 2, 3, 1),  # several blocks of channels, of columns
    (2, 40, (11, 13), 6, (1, 1), 2, 0, 1, 1), (4, 30, (5, 5), 20, (1, 1), 1, 0, 1, 1), (2, 3, (5, 6), 4, (1, 1), 2, 1, 1, 1),
    (1, 2, (300,), 3, (4,), 40, 3, 2, 1), (1, 2, (9, 90), 3, (2, 2), (3, 5), 0, 1, 1),  # wide strides
    (3, 4, (5, 6, 3), 8, (3, 1, 1), 1, (1, 0, 0), 1, 1), (2, 4, (6, 6, 9), 8, (3, 3, 3), 2, 1, 1, 4), (2, 4, (2, 2), 8, (2, 2), 1, 0, 1, 1),
    (2, 4, (25,), 8, (3,), 2, 1, 1, 2), (2, 6, (12, 12), 12, (3, 3), 1, 2, 2, 6), (1, 1, (30, 30), 1, (11, 11), 1, 5, 1, 1),
    (0, 3, (8, 8), 4, (3, 3), 1, 1, 1, 1),
    (1, 64, (7, 7), 192, (3, 3), 1, 1, 1, 1), (3, 128, (6, 5), 100, (3, 3), 2, (0, 1), (1, 2), 1),  # few positions, many weights
    (2, 112, (9,), 130, (7,), 1, 3, 1, 1), (1, 64, (2, 3, 3), 64, (3, 3, 3), 1, 1, 1, 1),
    *[(2, 6, (9, width), 6, (3, 3), 1, 1, 1, 6) for width in (1, 2, 5, 11, 14, 23)],  # rows that end within a vector
]  # fmt: skip


def close(got, expected, dtype):
    expected = expected.detach().numpy()
    tolerance = (1e-5 if dtype == "float32" else 1e-11) * max(1.0, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(got.detach().numpy(), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("transposed", [False, True])
def test_equals_pytorch(case, dtype, transposed):
    n, c, size, o, kernel, stride, padding, dilation, groups = case
    name = f"conv_transpose{len(size)}d" if transposed else f"conv{len(size)}d"
    o = o - o % groups
    rng = np.random.default_rng(3)
    shape = (c, o // groups, *kernel) if transposed else (o, c // groups, *kernel)
    arrays = [rng.standard_normal(s).astype(dtype) for s in ((n, c, *size), shape, (o,))]
    ours = [corten.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a.astype("float64"), requires_grad=True) for a in arrays]
    args = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    y, expected = getattr(corten, name)(*ours, **args), getattr(torch.nn.functional, name)(*theirs, **args)
    close(y, expected, dtype)
    g = rng.standard_normal(expected.shape).astype(dtype)
    y.backward(corten.tensor(g))
    expected.backward(torch.tensor(g.astype("float64")))
    for a, b in zip(ours, theirs, strict=True):
        close(a.grad, b.grad, dtype)


@pytest.mark.filterwarnings("ignore:Using padding")
@pytest.mark.parametrize("kernel", [3, 4])
def test_same_padding(kernel):
    x, w = np.random.default_rng(0).standard_normal((2, 2, 11)), np.random.default_rng(1).standard_normal((3, 2, kernel))
    close(corten.conv1d(corten.tensor(x), corten.tensor(w), padding="same"),
          torch.nn.functional.conv1d(torch.tensor(x), torch.tensor(w), padding="same"), "float64")  # fmt: skip


def test_reference():
    rng = np.random.default_rng(2)
    x, w, b = rng.standard_normal((2, 4, 9, 8)), rng.standard_normal((6, 2, 3, 2)), rng.standard_normal(6)
    at = (2, (2, 1), (1, 2), (1, 2), 2, 0)
    got = conv_op(corten.tensor(x), corten.tensor(w), corten.tensor(b), *at)
    np.testing.assert_allclose(got.numpy(), conv_op.reference(np, x, w, b, *at), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(conv_bias(corten.tensor(x)).numpy(), x.sum((0, 2, 3)), rtol=1e-12)


@pytest.mark.parametrize(("x", "w", "groups"), [((8, 5, 40, 40), (24, 5, 3, 3), 1), ((4, 32, 28, 28), (64, 32, 3, 3), 1),
                                                ((8, 64, 30, 30), (64, 1, 3, 3), 64), ((2, 96, 28, 28), (96, 96, 1, 1), 1),
                                                ((2, 64, 7, 7), (192, 64, 3, 3), 1)])  # fmt: skip
def test_threads_do_not_change_bits(x, w, groups):
    rng = np.random.default_rng(5)
    x, w = (corten.tensor(rng.standard_normal(s).astype("float32"), requires_grad=True) for s in (x, w))
    found = []
    before = native.get_num_threads()
    try:
        for threads in (1, 2):
            native.set_num_threads(threads)
            x.grad = w.grad = None
            y = corten.conv2d(x, w, padding=1, groups=groups)
            y.backward(y.detach())
            found.append([t.detach().numpy().copy() for t in (y, x.grad, w.grad)])
    finally:
        native.set_num_threads(before)
    for a, b in zip(*found, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("channels", [32, 256])
def test_error_of_winograd_against_float64(channels):
    """Within some times that of the plain sum in float32, which PyTorch has."""
    rng = np.random.default_rng(9)
    x, w = rng.standard_normal((2, channels, 24, 24)), rng.standard_normal((48, channels, 3, 3)) / (3 * channels**0.5)
    g = rng.standard_normal((2, 48, 24, 24))
    worst = {}
    for name, lib in (("ours", corten), ("torch", torch), ("exact", torch)):
        a, b, d = (lib.tensor(v if name == "exact" else v.astype("float32")) for v in (x, w, g))
        a.requires_grad_(), b.requires_grad_()
        y = lib.conv2d(a, b, padding=1)
        y.backward(d)
        worst[name] = [t.detach().numpy().astype("float64") for t in (y, a.grad, b.grad)]
    for ours, theirs, exact in zip(worst["ours"], worst["torch"], worst["exact"], strict=True):
        scale = np.abs(exact).max()
        assert np.abs(ours - exact).max() < 4e-6 * scale
        assert np.abs(theirs - exact).max() < 4e-6 * scale


@pytest.mark.parametrize("channels", [3, 32])
def test_rectifier_in_one_pass(channels):
    rng = np.random.default_rng(11)
    x, w, b = rng.standard_normal((2, channels, 21, 19)), rng.standard_normal((34, channels, 3, 3)) / 9, rng.standard_normal(34)
    ours = [corten.tensor(a.astype("float32"), requires_grad=True) for a in (x, w, b)]
    theirs = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
    y = conv_relu(*ours, 2, (1, 1), (1, 1), (1, 1), 1, 1)
    expected = torch.relu(torch.conv2d(*theirs, padding=1))
    close(y, expected, "float32")
    y.sum().backward()
    expected.sum().backward()
    for a, c in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), c.grad.numpy(), rtol=0, atol=1e-4 * np.abs(c.grad.numpy()).max())


@pytest.mark.parametrize("channels", [3, 32])
def test_input_with_gaps(channels):
    x = np.random.default_rng(12).standard_normal((3, 14, channels, 30)).astype("float32")
    w = np.random.default_rng(13).standard_normal((32, channels, 3, 3)).astype("float32")
    ours = corten.conv2d(corten.tensor(x).permute(0, 2, 1, 3)[:, :, :, ::2], corten.tensor(w))
    close(ours, torch.conv2d(torch.tensor(x.astype("float64")).permute(0, 2, 1, 3)[:, :, :, ::2], torch.tensor(w.astype("float64"))),
          "float32")  # fmt: skip


@pytest.mark.parametrize("nd", [1, 2, 3])
def test_transposed_with_output_padding(nd):
    rng = np.random.default_rng(14)
    x, w, b = (rng.standard_normal(s) for s in ((2, 6, *(4, 5, 3)[:nd]), (6, 2, *(3, 4, 2)[:nd]), (4,)))
    args = {"stride": 3, "padding": 1, "output_padding": 2, "groups": 2, "dilation": 2}
    ours, theirs = ([lib.tensor(a, requires_grad=True) for a in (x, w, b)] for lib in (corten, torch))
    y = getattr(corten, f"conv_transpose{nd}d")(*ours, **args)
    expected = getattr(torch, f"conv_transpose{nd}d")(*theirs, **args)
    close(y, expected, "float64")
    (y * y).sum().backward()
    (expected * expected).sum().backward()
    for a, c in zip(ours, theirs, strict=True):
        close(a.grad, c.grad, "float64")


def test_errors():
    with pytest.raises(RuntimeError, match=r"\[conv2d\]"):
        corten.conv2d(corten.ones(1, 3, 5, 5), corten.ones(2, 4, 3, 3))
    with pytest.raises(RuntimeError, match="reach"):
        corten.conv2d(corten.ones(1, 3, 2, 2), corten.ones(2, 3, 3, 3))


@pytest.mark.filterwarnings("ignore:Using padding")
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [2, "same", "valid"])
def test_layer_equals_pytorch(mode, padding):
    theirs = torch.nn.Conv2d(4, 6, (3, 4), padding=padding, groups=2, padding_mode=mode, dtype=torch.float64)
    ours = corten.nn.Conv2d(4, 6, (3, 4), padding=padding, groups=2, padding_mode=mode, dtype=corten.float64)
    ours.load_state_dict({k: corten.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(4).standard_normal((2, 4, 9, 8))
    close(ours(corten.tensor(x)), theirs(torch.tensor(x)), "float64")
    assert str(ours) == str(theirs)


def test_transposed_layer_reaches_output_size():
    theirs = torch.nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, dtype=torch.float64)
    ours = corten.nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, dtype=corten.float64)
    ours.load_state_dict({k: corten.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(6).standard_normal((2, 3, 7, 7))
    close(ours(corten.tensor(x), output_size=(14, 13)), theirs(torch.tensor(x), output_size=(14, 13)), "float64")
    assert str(ours) == str(theirs)


def test_second_derivative():
    """A gradient penalty: the gradient of the squared norm of the input's gradient."""
    rng = np.random.default_rng(8)
    x, w = rng.standard_normal((2, 3, 6, 6)), rng.standard_normal((4, 3, 3, 3))
    found = []
    for lib, conv in ((corten, corten.conv2d), (torch, torch.nn.functional.conv2d)):
        a, b = (lib.tensor(v, requires_grad=True) for v in (x, w))
        y = conv(a, b, padding=1, stride=2)
        (g,) = lib.autograd.grad((y * y).sum(), (a,), create_graph=True)
        (g * g).sum().backward()
        found.append((a.grad, b.grad))
    for ours, theirs in zip(*found, strict=True):
        close(ours, theirs, "float64")
