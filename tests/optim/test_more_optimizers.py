"""Every optimizer with its options beside PyTorch's: parameters after each of 100 steps in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import corten

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(11)
SHAPES = [(4, 3), (5,), (2, 3, 2)]
START = [RNG.standard_normal(s) for s in SHAPES]
A = [RNG.standard_normal((int(np.prod(s)), int(np.prod(s)))) for s in SHAPES]

CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 1e-3}), ("SGD", {"lr": 1e-3, "momentum": 0.9, "weight_decay": 0.1}), ("SGD", {"lr": 1e-3, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 1e-3, "momentum": 0.9, "dampening": 0.3}), ("SGD", {"lr": 1e-3, "foreach": True}),
    ("Adam", {}), ("Adam", {"amsgrad": True, "weight_decay": 0.1}), ("Adam", {"betas": (0.8, 0.9), "eps": 1e-3}),
    ("AdamW", {"lr": 1e-2}), ("AdamW", {"amsgrad": True, "weight_decay": 0.3, "foreach": True}),
    ("Adamax", {"weight_decay": 0.1}), ("NAdam", {"weight_decay": 0.1}), ("NAdam", {"decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("RAdam", {"lr": 1e-2}), ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RMSprop", {"lr": 1e-3}), ("RMSprop", {"lr": 1e-3, "centered": True, "momentum": 0.9, "weight_decay": 0.1}),
    ("Adagrad", {}), ("Adagrad", {"lr_decay": 0.01, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("Adadelta", {}), ("Adadelta", {"rho": 0.8, "eps": 1e-4, "weight_decay": 0.1}),
    ("ASGD", {}), ("ASGD", {"lambd": 0.1, "alpha": 0.5, "t0": 20, "weight_decay": 0.1}),
    ("Rprop", {}), ("Rprop", {"etas": (0.4, 1.1), "step_sizes": (1e-4, 0.2)}),
    ("Adafactor", {}), ("Adafactor", {"lr": 0.1, "weight_decay": 0.1, "d": 1.5, "eps": (1e-6, 1e-2)}),
]  # fmt: skip
CASES += [(n, {**({"lr": 1e-3} if n == "SGD" else {}), "maximize": True}) for n in (
    "SGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adadelta", "ASGD", "Rprop", "Adafactor")]  # fmt: skip


def losses(make: Any, params: list[Any], sign: float) -> Any:
    total = 0.0
    for p, a in zip(params, A, strict=True):
        r = make(a) @ p.reshape(-1) - 1
        total = total + (r * r).mean() + 0.1 * (p * p * p).sin().sum()
    return sign * total


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda i: f"{CASES[i][0]}-{i}")
def test_trajectory(case: int) -> None:
    name, options = CASES[case]
    mine = [corten.nn.Parameter(corten.tensor(s)) for s in START]
    other = [torch.nn.Parameter(torch.tensor(s)) for s in START]
    groups = [{"params": mine[:2]}, {"params": mine[2:], "lr": 3e-3}]
    their_groups = [{"params": other[:2]}, {"params": other[2:], "lr": 3e-3}]
    ours, theirs = getattr(corten.optim, name)(groups, **options), getattr(torch.optim, name)(their_groups, **options)
    sign = -1.0 if options.get("maximize") else 1.0
    for step in range(100):
        ours.zero_grad()
        theirs.zero_grad()
        losses(corten.tensor, mine, sign).backward()
        losses(torch.tensor, other, sign).backward()
        ours.step()
        theirs.step()
        for p, q in zip(mine, other, strict=True):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-6, atol=1e-9, err_msg=f"step {step}")


@pytest.mark.parametrize("options", [{}, {"nesterov": False}, {"adjust_lr_fn": "match_rms_adamw", "weight_decay": 0.0}])
def test_muon(options: Any) -> None:
    """bfloat16 products round differently in the two: parameters agree to that."""
    mine, other = corten.nn.Parameter(corten.tensor(START[0]).float()), torch.nn.Parameter(torch.tensor(START[0]).float())
    ours, theirs = corten.optim.Muon([mine], lr=1e-2, **options), torch.optim.Muon([other], lr=1e-2, **options)
    for _ in range(100):
        for p, opt in ((mine, ours), (other, theirs)):
            opt.zero_grad()
            ((p - 3) ** 2).sum().backward()
            opt.step()
    np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), atol=0.02)
    assert float((mine - 3).abs().mean()) < np.abs(START[0] - 3).mean()


def test_muon_makes_singular_values_equal() -> None:
    from corten.optim.matrix import orthogonalized

    for shape in ((6, 4), (4, 6)):
        x = corten.tensor(RNG.standard_normal(shape)).float()
        values = np.linalg.svd(orthogonalized(x, (3.4445, -4.775, 2.0315), 5, 1e-7).float().numpy(), compute_uv=False)
        assert values.min() > 0.5
        assert values.max() < 1.5


@pytest.mark.parametrize("options", [{}, {"line_search_fn": "strong_wolfe"}, {"history_size": 3, "lr": 0.5, "max_iter": 7},
                                     {"line_search_fn": "strong_wolfe", "max_eval": 9, "history_size": 2}])  # fmt: skip
def test_lbfgs(options: Any) -> None:
    """Rosenbrock's valley in four dimensions."""
    start = np.array([-1.2, 1.0, 0.5, 2.0])
    found = []
    for lib, make in ((corten, corten.tensor), (torch, torch.tensor)):
        p = lib.nn.Parameter(make(start))
        opt = lib.optim.LBFGS([p], **{"lr": 0.1 if options.get("line_search_fn") is None else 1, **options})

        def closure(opt: Any = opt, p: Any = p) -> Any:
            opt.zero_grad()
            loss = (10 * (p[1:] - p[:-1] ** 2) ** 2 + (1 - p[:-1]) ** 2).sum()
            loss.backward()
            return loss

        way = []
        for _ in range(6):
            way.append(float(opt.step(closure).detach()))
            way += p.detach().tolist()
        found.append(way)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6, atol=1e-9)


def test_lbfgs_wants_a_closure_and_one_group() -> None:
    p = corten.nn.Parameter(corten.ones(2))
    with pytest.raises(TypeError, match=r"^\[LBFGS\]"):
        corten.optim.LBFGS([p]).step()
    with pytest.raises(ValueError, match=r"^\[LBFGS\]"):
        corten.optim.LBFGS([{"params": [p]}, {"params": [corten.nn.Parameter(corten.ones(1))]}])


OPTIMIZERS = ["SGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adadelta", "ASGD", "Rprop", "Adafactor"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_dict_goes_on(name: str, tmp_path: Any) -> None:
    def run(p: Any, opt: Any, n: int) -> None:
        for _ in range(n):
            opt.zero_grad()
            (p**2).sum().backward()
            opt.step()

    p = corten.nn.Parameter(corten.tensor(START[0]))
    opt = getattr(corten.optim, name)([p], lr=1e-2)
    run(p, opt, 5)
    corten.save({"p": p.detach(), "opt": opt.state_dict()}, tmp_path / "state")
    kept = corten.load(tmp_path / "state")
    q = corten.nn.Parameter(kept["p"].clone())
    twin = getattr(corten.optim, name)([q], lr=1.0)
    twin.load_state_dict(kept["opt"])
    assert twin.param_groups[0]["lr"] == 1e-2
    run(p, opt, 5)
    run(q, twin, 5)
    assert corten.equal(p, q)


@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if n != "Adafactor"])
def test_differentiable_raises(name: str) -> None:
    with pytest.raises(NotImplementedError, match="differentiable"):
        getattr(corten.optim, name)([corten.nn.Parameter(corten.ones(1))], differentiable=True)


def test_sparse_adam_says_what_to_use() -> None:
    with pytest.raises(NotImplementedError, match="use Adam"):
        corten.optim.SparseAdam([corten.nn.Parameter(corten.ones(1))])


def test_hooks_and_learning_rates_as_tensors() -> None:
    p = corten.nn.Parameter(corten.ones(2))
    opt = corten.optim.Adam([p], lr=corten.tensor(0.1))
    seen: list[str] = []
    opt.register_step_pre_hook(lambda *a: seen.append("before"))
    handle = opt.register_step_post_hook(lambda *a: seen.append("after"))
    (p * p).sum().backward()
    opt.step()
    handle.remove()
    opt.step()
    assert seen == ["before", "after", "before"]
    assert float(p[0]) == pytest.approx(0.8, abs=1e-4)


def test_averaged_model_and_batch_statistics() -> None:
    from torch.optim import swa_utils as theirs

    from corten.optim import swa_utils as ours

    results = []
    for lib, swa, make in ((corten, ours, corten.tensor), (torch, theirs, torch.tensor)):
        for kwargs in ({}, {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.9), "use_buffers": True}, {"avg_fn": swa.get_ema_avg_fn(0.8)}):
            net = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4)).double()
            state = {k: make(np.arange(v.numel()).reshape(tuple(v.shape)) / 7) for k, v in net.state_dict().items() if "num" not in k}
            net.load_state_dict(state, strict=False)
            mean = swa.AveragedModel(net, **kwargs)
            x = np.random.default_rng(0).standard_normal((20, 3))
            for step in range(4):
                with lib.no_grad():
                    net(make(x * (step + 1)))
                    for p in net.parameters():
                        p.add_(0.1 * step)
                mean.update_parameters(net)
            swa.update_bn([make(x[:10]), make(x[10:])], mean)
            results.append([mean.state_dict()[k].numpy() for k in mean.state_dict()])
    for a, b in zip(results[:3], results[3:], strict=True):
        for u, v in zip(a, b, strict=True):
            np.testing.assert_allclose(u, v, rtol=1e-6)
