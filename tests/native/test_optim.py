"""A hundred steps of each optimizer, beside PyTorch's in double precision and in single."""

import numpy as np
import pytest

import corten

torch = pytest.importorskip("torch")

CASES = [
    ("SGD", dict(lr=0.1)),
    ("SGD", dict(lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.01, maximize=True)),
    ("SGD", dict(lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.01)),
    ("Adam", dict(lr=1e-2, weight_decay=0.01)),
    ("Adam", dict(lr=1e-2, betas=(0.4, 0.99), amsgrad=True)),
    ("AdamW", dict(lr=1e-2, betas=(0.9, 0.99), weight_decay=0.01, maximize=True)),
    ("Adamax", dict(lr=1e-2, betas=(0.9, 0.99), weight_decay=0.1)),
    ("NAdam", dict(lr=1e-2, weight_decay=0.1)),
    ("RAdam", dict(lr=1e-2, weight_decay=0.1)),
    ("RMSprop", dict(lr=1e-2, alpha=0.9, weight_decay=0.1)),
    ("RMSprop", dict(lr=1e-2, alpha=0.9, momentum=0.9, centered=True)),
    ("Adagrad", dict(lr=1e-2, lr_decay=0.1, weight_decay=0.1)),
    ("Adadelta", dict(lr=1.0, weight_decay=0.1)),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name, options", CASES, ids=lambda v: v if isinstance(v, str) else ",".join(v))
def test_trajectory(name, options, dtype):
    if not hasattr(corten.optim, name):
        pytest.skip(f"corten.optim.{name} does not exist yet")
    rng = np.random.default_rng(0)
    shapes = [(1,), (7,), (16,), (33,), (3, 100), (5, 13)]
    start = [rng.standard_normal(s).astype(dtype) for s in shapes]
    ours = [corten.tensor(p, requires_grad=True) for p in start]
    theirs = [torch.tensor(p, requires_grad=True) for p in start]
    a, b = getattr(corten.optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for _ in range(100):
        for p, q in zip(ours, theirs, strict=True):
            g = (rng.standard_normal(q.shape) + 0.5).astype(dtype)
            p.grad, q.grad = corten.tensor(g), torch.tensor(g)
        a.step()
        b.step()
    room = 3e-6 if dtype == np.float32 else 1e-9  # NAdam's running product is float32 in PyTorch
    for p, q in zip(ours, theirs, strict=True):
        assert np.abs(p.detach().numpy() - q.detach().numpy()).max() <= room * max(1, q.detach().abs().max().item())


@pytest.mark.parametrize("name, options", [("SGD", dict(lr=0.1, momentum=0.9)), ("AdamW", dict(lr=0.1))])
def test_threads_do_not_matter(name, options):
    before, ends = corten.get_num_threads(), []
    for n in (1, 2):
        corten.set_num_threads(n)
        rng = np.random.default_rng(0)
        p = [corten.tensor(rng.standard_normal(s).astype(np.float32), requires_grad=True) for s in (3, 150001, 7, 60000)]
        optimizer = getattr(corten.optim, name)(p, **options)
        for _ in range(3):
            for t in p:
                t.grad = corten.tensor(rng.standard_normal(t.shape).astype(np.float32))
            optimizer.step()
        ends.append(b"".join(t.detach().numpy().tobytes() for t in p))
    corten.set_num_threads(before)
    assert ends[0] == ends[1]
