"""Convolutions against PyTorch: values, gradients, thread counts."""

import numpy as np
import pytest

import corten
from corten._core import native
from corten.ops.conv import conv_bias, conv_op

torch = pytest.importorskip("torch")

# batch, channels, size, outputs, kernel, stride, padding, dilation, groups
CASES = [
    (2, 3, (9,), 4, (3,), 2, 1, 1, 1), (3, 4, (50,), 6, (4,), 3, 2, 2, 2), (2, 3, (8, 7), 5, (3, 3), 1, 1, 1, 1),
    (5, 16, (7, 7), 33, (3, 3), 1, 1, 1, 1), (1, 5, (20, 33), 7, (3, 2), (2, 3), (1, 0), (1, 2), 1),
    (2, 6, (19, 37), 6, (3, 3), 1, 1, 1, 6), (2, 6, (19, 37), 6, (3, 3), 2, 1, 1, 6), (2, 8, (16, 16), 9, (1, 1), 1, 0, 1, 1),
    (2, 3, (5, 6, 7), 4, (2, 3, 2), (1, 2, 1), 1, 1, 1), (1, 3, (40, 40), 8, (7, 7), 2, 3, 1, 1),
]  # fmt: skip


def close(got, expected, dtype):
    expected = expected.detach().numpy()
    tolerance = (1e-5 if dtype == "float32" else 1e-11) * max(1.0, np.abs(expected).max())
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


def test_threads_do_not_change_bits():
    rng = np.random.default_rng(5)
    x, w = (corten.tensor(rng.standard_normal(s).astype("float32"), requires_grad=True) for s in ((8, 5, 40, 40), (24, 5, 3, 3)))
    found = []
    before = native.get_num_threads()
    try:
        for threads in (1, 2):
            native.set_num_threads(threads)
            x.grad = w.grad = None
            y = corten.conv2d(x, w, padding=1)
            y.backward(corten.ones(*y.shape))
            found.append([t.detach().numpy().copy() for t in (y, x.grad, w.grad)])
    finally:
        native.set_num_threads(before)
    for a, b in zip(*found, strict=True):
        assert np.array_equal(a, b)


def test_errors():
    with pytest.raises(RuntimeError, match=r"\[conv2d\]"):
        corten.conv2d(corten.ones(1, 3, 5, 5), corten.ones(2, 4, 3, 3))
    with pytest.raises(RuntimeError, match="reach"):
        corten.conv2d(corten.ones(1, 3, 2, 2), corten.ones(2, 3, 3, 3))


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
