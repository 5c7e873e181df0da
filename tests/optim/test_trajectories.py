"""A hundred steps of each optimizer, against PyTorch's weights."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import corten

torch = pytest.importorskip("torch")

CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.001, "maximize": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.02, "betas": (0.8, 0.95), "eps": 1e-6}),
    ("Adam", {"lr": 0.01, "amsgrad": True}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.1, "amsgrad": True}),
]
X = np.random.default_rng(0).standard_normal((20, 5))
Y = np.sin(X.sum(1, keepdims=True))


def weights() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.standard_normal((7, 5)) / 3, rng.standard_normal(7), rng.standard_normal((1, 7)) / 3]


def problem(lib: ModuleType) -> tuple[list[Any], Any]:
    params = [lib.nn.Parameter(lib.from_numpy(w)) for w in weights()]
    x, y = lib.from_numpy(X), lib.from_numpy(Y)

    def loss() -> Any:
        hidden = (x @ params[0].t() + params[1]).tanh()
        return ((hidden @ params[2].t() - y) ** 2).mean()

    return params, loss


def steps(opt: Any, loss: Any, count: int) -> None:
    for _ in range(count):
        opt.zero_grad()
        loss().backward()
        opt.step()


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_a_hundred_steps(kind: str, settings: dict[str, Any]) -> None:
    found = []
    for lib in (corten, torch):
        params, loss = problem(lib)
        steps(getattr(lib.optim, kind)(params, **settings), loss, 100)
        found.append([p.detach().numpy() for p in params])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("kind", "settings"), [CASES[1], CASES[7], CASES[8]])
def test_a_state_dict_continues_where_it_was_taken(kind: str, settings: dict[str, Any], tmp_path: Any) -> None:
    params, loss = problem(corten)
    opt = getattr(corten.optim, kind)(params, **settings)
    steps(opt, loss, 7)
    corten.save({"opt": opt.state_dict(), "weights": [p.detach() for p in params]}, tmp_path / "state")
    steps(opt, loss, 5)

    again, loss_again = problem(corten)
    kept = corten.load(tmp_path / "state")
    with corten.no_grad():
        for p, w in zip(again, kept["weights"], strict=True):
            p.copy_(w)
    other = getattr(corten.optim, kind)(again, lr=123.0)
    other.load_state_dict(kept["opt"])
    steps(other, loss_again, 5)
    for a, b in zip(params, again, strict=True):
        assert a.detach().numpy().tobytes() == b.detach().numpy().tobytes()


def test_groups_have_settings_of_their_own() -> None:
    found = []
    for lib in (corten, torch):
        params, loss = problem(lib)
        opt = lib.optim.SGD([{"params": params[:1], "lr": 0.1}, {"params": params[1:]}], lr=0.01, momentum=0.5)
        steps(opt, loss, 3)
        opt.param_groups[0]["lr"] = 0.02
        steps(opt, loss, 3)
        found.append([p.detach().numpy() for p in params])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_parameters_without_a_gradient_stay() -> None:
    p, q = corten.nn.Parameter(corten.ones(2)), corten.nn.Parameter(corten.ones(2))
    opt = corten.optim.Adam([p, q], lr=0.1)
    (p * 2).sum().backward()
    opt.step()
    assert q.tolist() == [1, 1]
    assert p.tolist() != [1, 1]


def test_a_step_is_seen_by_saved_values() -> None:
    p = corten.nn.Parameter(corten.ones(2))
    loss = (p * p).sum()
    p.grad = corten.ones(2)
    corten.optim.SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match="in-place"):
        loss.backward()


def test_zero_grad_forgets_or_clears() -> None:
    p = corten.nn.Parameter(corten.ones(2))
    opt = corten.optim.SGD([p], lr=0.1)
    (p * 3).sum().backward()
    opt.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0, 0]
    opt.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize(("kind", "settings"), [("SGD", {"lr": -1}), ("SGD", {"momentum": -0.1}), ("Adam", {"betas": (1.0, 0.9)}),
                                                ("Adam", {"eps": -1}), ("SGD", {"lr": 0.1, "nesterov": True})])  # fmt: skip
def test_bad_settings_raise_as_in_pytorch(kind: str, settings: dict[str, Any]) -> None:
    for lib in (corten, torch):
        with pytest.raises(ValueError):
            getattr(lib.optim, kind)([lib.nn.Parameter(lib.ones(1))], **settings)


def test_bad_parameters_raise() -> None:
    p = corten.nn.Parameter(corten.ones(2))
    with pytest.raises(ValueError):
        corten.optim.SGD([], lr=0.1)
    with pytest.raises(TypeError):
        corten.optim.SGD(p, lr=0.1)
    with pytest.raises(ValueError):
        corten.optim.SGD([p * 2], lr=0.1)
    with pytest.raises(ValueError):
        corten.optim.SGD([{"params": [p]}, {"params": [p]}], lr=0.1)
