"""Every loss beside PyTorch's: values and gradients of all floating inputs, for all reductions, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import corten
from corten import nn

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(3)
N, C, D = 6, 5, 4


def real(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


SIGN = np.where(RNG.random(N) < 0.5, -1.0, 1.0)
CLASS = RNG.integers(0, C, N)
LABELS = np.array([[3, 0, -1, 1, 2], [-1, 0, 1, 2, 3], [4, 2, 0, 1, 3], [0, -1, -1, -1, -1], [1, 1, -1, 0, 0], [2, 3, -1, 4, 4]])
P = RNG.random((N, C))
W = RNG.random(C) + 0.5
X = real(N, C)
X[0, 1] = X[0, 2]

CASES: list[tuple[str, dict[str, Any], list[Any]]] = [
    ("L1Loss", {}, [X, real(N, C)]), ("MSELoss", {}, [X, real(N, C)]), ("SmoothL1Loss", {"beta": 0.7}, [X, real(N, C)]),
    ("HuberLoss", {"delta": 0.7}, [X, real(N, C)]), ("BCELoss", {}, [P, RNG.random((N, C))]),
    ("BCEWithLogitsLoss", {"pos_weight": W}, [X, P]), ("KLDivLoss", {}, [np.log(P), RNG.random((N, C))]),
    ("KLDivLoss", {"log_target": True}, [np.log(P), np.log(RNG.random((N, C)))]),
    ("CrossEntropyLoss", {"weight": W, "label_smoothing": 0.1}, [X, CLASS]), ("CrossEntropyLoss", {}, [X, P]),
    ("NLLLoss", {"weight": W, "ignore_index": 2}, [X, CLASS]), ("NLLLoss", {}, [real(2, C, 3, 3), RNG.integers(0, C, (2, 3, 3))]),
    ("MarginRankingLoss", {"margin": 0.3}, [real(N), real(N), SIGN]),
    ("HingeEmbeddingLoss", {"margin": 0.8}, [real(N), SIGN]), ("HingeEmbeddingLoss", {}, [X, np.where(P < 0.5, -1.0, 1.0)]),
    ("SoftMarginLoss", {}, [X * 10, np.where(P < 0.5, -1.0, 1.0)]),
    ("CosineEmbeddingLoss", {"margin": 0.2}, [real(N, D), real(N, D), SIGN]),
    ("GaussianNLLLoss", {}, [X, real(N, C), P]), ("GaussianNLLLoss", {"full": True, "eps": 0.3}, [X, real(N, C), P[:, :1]]),
    ("GaussianNLLLoss", {}, [X, real(N, C), P[:, 0]]),
    ("PoissonNLLLoss", {}, [X, RNG.poisson(2.0, (N, C)).astype(float)]),
    ("PoissonNLLLoss", {"full": True}, [X, RNG.poisson(2.0, (N, C)).astype(float)]),
    ("PoissonNLLLoss", {"log_input": False, "eps": 1e-3}, [P, RNG.poisson(2.0, (N, C)).astype(float)]),
    ("MultiLabelMarginLoss", {}, [X, LABELS]), ("MultiLabelMarginLoss", {}, [X[0], LABELS[0]]),
    ("MultiLabelSoftMarginLoss", {}, [X, (P < 0.4).astype(float)]),
    ("MultiLabelSoftMarginLoss", {"weight": W}, [X, (P < 0.4).astype(float)]),
    ("MultiMarginLoss", {}, [X, CLASS]), ("MultiMarginLoss", {"p": 2, "margin": 0.5, "weight": W}, [X, CLASS]),
    ("MultiMarginLoss", {}, [X[1], CLASS[1]]),
    ("TripletMarginLoss", {}, [real(N, D), real(N, D), real(N, D)]),
    ("TripletMarginLoss", {"p": 1, "swap": True, "margin": 2.0}, [real(N, D), real(N, D), real(N, D)]),
    ("TripletMarginLoss", {"p": 3.0}, [real(N, D), real(N, D), real(N, D)]),
    ("TripletMarginWithDistanceLoss", {"swap": True, "margin": 2.0}, [real(N, D), real(N, D), real(N, D)]),
    ("CTCLoss", {}, [np.log(RNG.dirichlet(np.ones(C), (9, 3))), RNG.integers(1, C, (3, 4)), np.array([9, 8, 7]), np.array([4, 2, 3])]),
]  # fmt: skip


def both(kwargs: dict[str, Any], module: Any, make: Any, name: str) -> Any:
    return getattr(module, name)(**{k: make(v) if isinstance(v, np.ndarray) else v for k, v in kwargs.items()})


@pytest.mark.filterwarnings("ignore:reduction. .mean.")
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda i: f"{CASES[i][0]}-{i}")
def test_equals_torch(case: int, reduction: str) -> None:
    name, kwargs, arrays = CASES[case]
    ours = both({**kwargs, "reduction": reduction}, nn, corten.tensor, name)
    theirs = both({**kwargs, "reduction": reduction}, torch.nn, torch.tensor, name)
    # targets and labels of pairs are data
    wants = [np.asarray(a).dtype.kind == "f" and a is not SIGN and (i == 0 or "Margin" in name or "Cosine" in name or "Gauss" in name)
             for i, a in enumerate(arrays)]  # fmt: skip
    wants = [w and not (i == 1 and name in ("SoftMarginLoss", "MultiLabelSoftMarginLoss")) for i, w in enumerate(wants)]
    mine = [corten.tensor(a).requires_grad_(w) for a, w in zip(arrays, wants, strict=True)]
    other = [torch.tensor(a).requires_grad_(w) for a, w in zip(arrays, wants, strict=True)]
    got, want = ours(*mine), theirs(*other)
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-10, atol=1e-12)
    seed = real(*want.shape)
    got.backward(corten.tensor(seed))
    want.backward(torch.tensor(seed))
    for m, o, w in zip(mine, other, wants, strict=True):
        if w:
            np.testing.assert_allclose(m.grad.numpy(), o.grad.numpy(), rtol=1e-9, atol=1e-11)


def test_every_loss_of_torch_is_here() -> None:
    wanted = {n for n in dir(torch.nn) if n.endswith(("Loss", "Loss2d"))} - {"LinearCrossEntropyLoss"}
    assert wanted <= set(dir(nn))
    assert wanted - {name for name, _, _ in CASES} == {"AdaptiveLogSoftmaxWithLoss", "NLLLoss2d"} & wanted


@pytest.mark.parametrize("p", [0, 1, 2, 3.5, np.inf])
def test_pdist(p: float) -> None:
    x = real(7, 4)
    a, b = corten.tensor(x).requires_grad_(), torch.tensor(x).requires_grad_()
    ours, theirs = nn.functional.pdist(a, p), torch.pdist(b, p)
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-10)
    if p:
        ours.sum().backward()
        theirs.sum().backward()
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_pdist_of_equal_rows_has_no_gradient() -> None:
    x = corten.ones(2, 3, requires_grad=True)
    nn.functional.pdist(x).sum().backward()
    assert x.grad.tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("spatial", [(), (2, 3)])
def test_linear_cross_entropy(spatial: tuple[int, ...]) -> None:
    x, w, b = real(N, D), real(C, *spatial, D), real(C, *spatial)
    t = RNG.integers(0, C, (N, *spatial))
    ours = nn.functional.linear_cross_entropy(corten.tensor(x), corten.tensor(w), corten.tensor(t), linear_bias=corten.tensor(b))
    theirs = torch.nn.functional.linear_cross_entropy(torch.tensor(x), torch.tensor(w), torch.tensor(t), linear_bias=torch.tensor(b))
    assert float(ours) == pytest.approx(float(theirs), rel=1e-12)


def test_adaptive_log_softmax() -> None:
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 9, 15], div_value=2.0, head_bias=True).double()
    ours = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 9, 15], div_value=2.0, head_bias=True).double()
    ours.load_state_dict({k: corten.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x, t = real(11, 8), np.array([0, 19, 3, 4, 8, 9, 14, 15, 2, 1, 17])
    a, b = corten.tensor(x).requires_grad_(), torch.tensor(x).requires_grad_()
    (out, loss), (out2, loss2) = ours(a, corten.tensor(t)), theirs(b, torch.tensor(t))
    np.testing.assert_allclose(out.detach().numpy(), out2.detach().numpy(), rtol=1e-12)
    loss.backward()
    loss2.backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-9, atol=1e-13)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(ours.log_prob(a).detach().numpy(), theirs.log_prob(b).detach().numpy(), rtol=1e-11)
    assert ours.predict(a).tolist() == theirs.predict(b).tolist()
    assert ours(a[0], corten.tensor(t[0])).loss.item() == pytest.approx(theirs(b[0], torch.tensor(t[0])).loss.item())


def test_focal_loss_without_focus_is_cross_entropy() -> None:
    x, t = corten.tensor(X), corten.tensor(CLASS)
    assert float(nn.FocalLoss(gamma=0)(x, t)) == pytest.approx(float(nn.CrossEntropyLoss()(x, t)), rel=1e-12)
    p = np.exp(X)[np.arange(N), CLASS] / np.exp(X).sum(1)
    want = -(W[CLASS] * (1 - p) ** 2 * np.log(p)).mean()
    assert float(nn.FocalLoss(2.0, corten.tensor(W))(x, t)) == pytest.approx(want, rel=1e-12)


def test_contrastive_loss_formula() -> None:
    a, b, y = real(N, D), real(N, D), (SIGN > 0).astype(float)
    d = np.sqrt(((a - b) ** 2).sum(1))
    want = 0.5 * (y * d**2 + (1 - y) * np.maximum(2.5 - d, 0) ** 2)
    got = nn.ContrastiveLoss(2.5, reduction="none")(*map(corten.tensor, (a, b, y)))
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-9)


@pytest.mark.parametrize(("call", "error"), [
    (lambda F: F.multi_margin_loss(corten.zeros(2, 3), corten.tensor([0, 1]), p=3), ValueError),
    (lambda F: F.gaussian_nll_loss(corten.zeros(2), corten.zeros(2), -corten.ones(2)), ValueError),
    (lambda F: F.triplet_margin_loss(*[corten.zeros(2, 2)] * 3, margin=-1.0), ValueError),
    (lambda F: F.l1_loss(corten.zeros(2), corten.zeros(2), reduction="some"), ValueError),
    (lambda F: F.multilabel_margin_loss(corten.zeros(2, 3), corten.tensor([[5, -1, -1], [0, -1, -1]])), RuntimeError),
    (lambda F: nn.AdaptiveLogSoftmaxWithLoss(4, 10, [7, 3]), ValueError)])  # fmt: skip
def test_errors(call: Any, error: Any) -> None:
    with pytest.raises(error, match=r"^\["):
        call(nn.functional)
