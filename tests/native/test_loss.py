"""Softmax and the losses on every layout, reduction and option, beside PyTorch in double precision."""

import numpy as np
import pytest

import corten
import corten.nn.functional as F

torch = pytest.importorskip("torch")
G = torch.nn.functional


def layouts(x):
    yield x
    yield np.ascontiguousarray(x.T).T
    holes = np.zeros([2 * n for n in x.shape], x.dtype)[tuple(slice(None, None, 2) for _ in x.shape)]
    holes[...] = x
    yield holes


def close(got, want, dtype):
    tol = 3e-6 if dtype == np.float32 else 1e-12
    want = want.detach().numpy()
    np.testing.assert_allclose(got.detach().numpy(), want, rtol=tol, atol=tol * (1 + np.abs(want).max(initial=0)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(10,), (7, 10), (33, 100), (5, 4000), (4, 50, 3), (3, 7, 200), (300, 1000), (2, 140000)], ids=str)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax(name, shape, dtype):
    rng = np.random.default_rng(0)
    x0, g = rng.standard_normal(shape).astype(dtype), rng.standard_normal(shape).astype(dtype)
    for axis in range(len(shape)):
        for a in layouts(x0):
            t = torch.tensor(x0, dtype=torch.float64, requires_grad=True)
            x = corten.from_numpy(a).requires_grad_()
            y, u = getattr(F, name)(x, axis), getattr(G, name)(t, axis)
            y.backward(corten.from_numpy(g))
            u.backward(torch.tensor(g, dtype=torch.float64))
            close(y, u, dtype)
            atol = (1e-5 if dtype == np.float32 else 1e-11) * (1 + abs(t.grad.numpy()).max())
            np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), atol=atol)


@pytest.mark.parametrize("n", [3, 20, 50, 300, 140000])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_extreme_rows(name, n):
    for fill in (np.nan, np.inf, -np.inf, 1e4, -1e4):
        for everywhere in (False, True):
            x = np.random.default_rng(0).standard_normal((2, n)).astype(np.float32)
            x[0, slice(None) if everywhere else 1] = fill
            for a, axis in ((x, 1), (np.ascontiguousarray(x.T), 0)):
                np.testing.assert_allclose(getattr(F, name)(corten.from_numpy(a), axis).numpy(),
                                           getattr(G, name)(torch.tensor(a), axis).numpy(), rtol=1e-5, atol=1e-6)  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 10), (32, 10), (7, 1), (5, 1000), (60, 1000), (2, 3, 4), (4, 19, 13, 11), (2, 5, 300)], ids=str)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_cross_entropy(shape, dtype, reduction):
    rng = np.random.default_rng(0)
    x0 = rng.standard_normal(shape).astype(dtype)
    classes, items = shape[1], (shape[0], *shape[2:])
    target = np.where(rng.random(items) < 0.2, -100, rng.integers(0, classes, items))
    target.flat[0] = 0
    share = rng.random(shape).astype(dtype)
    share /= share.sum(1, keepdims=True)
    for smoothing in (0.0, 0.1):
        for weight in (None, rng.random(classes).astype(dtype) + dtype(0.1)):
            for goal in (target, share):
                for a in layouts(x0):
                    x, t = corten.from_numpy(a).requires_grad_(), torch.tensor(x0, dtype=torch.float64, requires_grad=True)
                    double = torch.tensor(goal) if goal is target else torch.tensor(goal, dtype=torch.float64)
                    y = F.cross_entropy(x, corten.from_numpy(goal), weight=None if weight is None else corten.from_numpy(weight),
                                        reduction=reduction, label_smoothing=smoothing)  # fmt: skip
                    u = G.cross_entropy(t, double, weight=None if weight is None else torch.tensor(weight, dtype=torch.float64),
                                        reduction=reduction, label_smoothing=smoothing)  # fmt: skip
                    g = np.asarray(rng.standard_normal(u.shape), dtype)
                    y.backward(corten.tensor(g))
                    u.backward(torch.tensor(g, dtype=torch.float64))
                    close(y, u, dtype)
                    close(x.grad, t.grad, dtype)
