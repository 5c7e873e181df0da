"""Every scheduler beside PyTorch's: the rates (and momenta) of 100 steps."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import corten

torch = pytest.importorskip("torch")

CASES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("LambdaLR", (lambda e: 0.95**e,), {}), ("LambdaLR", ([lambda e: 1 / (e + 1), lambda e: 0.9**e],), {}),
    ("MultiplicativeLR", (lambda e: 0.97,), {}), ("StepLR", (7,), {}), ("StepLR", (3, 0.9), {}),
    ("MultiStepLR", ([5, 20, 20, 60],), {"gamma": 0.5}), ("ConstantLR", (), {}), ("ConstantLR", (0.2, 30), {}),
    ("LinearLR", (), {}), ("LinearLR", (0.1, 0.7, 40), {}), ("ExponentialLR", (0.96,), {}),
    ("PolynomialLR", (), {}), ("PolynomialLR", (50, 2.0), {}), ("CosineAnnealingLR", (25,), {}),
    ("CosineAnnealingLR", (10, 0.01), {}), ("CosineAnnealingWarmRestarts", (10,), {}),
    ("CosineAnnealingWarmRestarts", (5, 2, 0.01), {}),
    ("CyclicLR", (0.01, 0.2), {"step_size_up": 9}), ("CyclicLR", (0.01, [0.2, 0.4], 7, 12), {"mode": "triangular2"}),
    ("CyclicLR", (0.01, 0.2, 5), {"mode": "exp_range", "gamma": 0.98, "base_momentum": 0.7}),
    ("CyclicLR", (0.01, 0.2, 5), {"scale_fn": lambda x: 1 / x, "cycle_momentum": False}),
    ("OneCycleLR", (0.3,), {"total_steps": 101}), ("OneCycleLR", (0.3,), {"epochs": 11, "steps_per_epoch": 10, "anneal_strategy": "linear"}),
    ("OneCycleLR", ([0.3, 0.5],), {"total_steps": 120, "three_phase": True, "pct_start": 0.4, "div_factor": 10, "final_div_factor": 100}),
    ("SWALR", (0.02,), {"anneal_epochs": 12}), ("SWALR", ([0.02, 0.5],), {"anneal_epochs": 5, "anneal_strategy": "linear"}),
    ("SWALR", (0.02,), {"anneal_epochs": 0}),
]  # fmt: skip


def made(lib: Any, optimizer: str = "SGD", **options: Any) -> Any:
    ps = [lib.nn.Parameter(lib.ones(2)) for _ in range(2)]
    if optimizer == "SGD":
        options = {"momentum": 0.9, **options}
    return getattr(lib.optim, optimizer)([{"params": [ps[0]]}, {"params": [ps[1]], "lr": 0.07}], lr=0.1, **options)


def find(lib: Any, name: str) -> Any:
    import importlib

    base = "torch.optim" if lib is torch else "corten.optim"
    return getattr(importlib.import_module(f"{base}.{'swa_utils' if name == 'SWALR' else 'lr_scheduler'}"), name)


def rates(opt: Any, schedule: Any, steps: int = 100, *args: Any) -> list[list[float]]:
    way = []
    for i in range(steps):
        way.append([g["lr"] for g in opt.param_groups] + [g.get("betas", [g.get("momentum")])[0] for g in opt.param_groups])
        opt.step()
        schedule.step(*[a[i] for a in args])
        assert schedule.get_last_lr() == pytest.approx([g["lr"] for g in opt.param_groups])
    return way


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda i: f"{CASES[i][0]}-{i}")
def test_rates(case: int, optimizer: str) -> None:
    name, args, kwargs = CASES[case]
    ours, theirs = made(corten, optimizer), made(torch, optimizer)
    a = rates(ours, find(corten, name)(ours, *args, **kwargs))
    b = rates(theirs, find(torch, name)(theirs, *args, **kwargs))
    np.testing.assert_allclose(np.array(a, float), np.array(b, float), rtol=1e-9, atol=1e-12)


METRICS = [float(x) for x in np.abs(np.sin(np.arange(100) / 9)) + np.exp(-np.arange(100) / 20)]


@pytest.mark.parametrize("kwargs", [{}, {"mode": "max", "patience": 3}, {"factor": 0.5, "patience": 2, "cooldown": 4, "min_lr": [1e-3, 0.03]},
                                    {"threshold_mode": "abs", "threshold": 0.05, "patience": 1, "eps": 1e-3}])  # fmt: skip
def test_plateau(kwargs: Any) -> None:
    way = []
    for lib in (corten, torch):
        opt = made(lib)
        way.append(rates(opt, lib.optim.lr_scheduler.ReduceLROnPlateau(opt, **kwargs), 100, METRICS))
    np.testing.assert_allclose(way[0], way[1], rtol=1e-12)


def sequence(lib: Any, opt: Any) -> Any:
    s = lib.optim.lr_scheduler
    return s.SequentialLR(opt, [s.LinearLR(opt, 0.1, 1.0, 10), s.CosineAnnealingLR(opt, 30), s.ExponentialLR(opt, 0.9)], [10, 50])


def chain(lib: Any, opt: Any) -> Any:
    s = lib.optim.lr_scheduler
    return s.ChainedScheduler([s.ConstantLR(opt, 0.1, 4), s.ExponentialLR(opt, 0.95), s.StepLR(opt, 30)])


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize("make", [sequence, chain])
def test_combinations(make: Any) -> None:
    way = []
    for lib in (corten, torch):
        opt = made(lib)
        way.append(rates(opt, make(lib, opt)))
    np.testing.assert_allclose(way[0], way[1], rtol=1e-9)


STATES = [c for c in CASES if c[2].get("scale_fn") is None]


@pytest.mark.parametrize("case", range(len(STATES)), ids=lambda i: f"{STATES[i][0]}-{i}")
def test_state_dict_goes_on(case: int, tmp_path: Any) -> None:
    name, args, kwargs = STATES[case]
    whole = made(corten)
    want = rates(whole, find(corten, name)(whole, *args, **kwargs), 60)
    first = made(corten)
    schedule = find(corten, name)(first, *args, **kwargs)
    rates(first, schedule, 30)
    corten.save({"opt": first.state_dict(), "schedule": {**schedule.state_dict()}}, tmp_path / "s")
    kept = corten.load(tmp_path / "s")
    second = made(corten)
    again = find(corten, name)(second, *args, **kwargs)
    second.load_state_dict(kept["opt"])
    again.load_state_dict(kept["schedule"])
    np.testing.assert_allclose(rates(second, again, 30), want[30:], rtol=1e-12)


def test_warns_when_the_first_rate_is_skipped() -> None:
    opt = made(corten)
    schedule = corten.optim.lr_scheduler.StepLR(opt, 1)
    with pytest.warns(UserWarning, match="before optimizer.step"):
        schedule.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule.step()


def test_scheduler_of_ones_own() -> None:
    class Root(corten.optim.lr_scheduler.LRScheduler):
        def get_lr(self) -> Any:
            return [base / (1 + self.last_epoch) ** 0.5 for base in self.base_lrs]

    opt = made(corten)
    schedule = Root(opt)
    opt.step()
    schedule.step()
    assert schedule.get_last_lr()[0] == pytest.approx(0.1 / 2**0.5)


@pytest.mark.parametrize(("name", "args", "error"), [("StepLR", ("x",), TypeError), ("OneCycleLR", (0.1,), ValueError),
                                                     ("CyclicLR", (0.1, 0.2, 5, 5, "square"), ValueError)])  # fmt: skip
def test_errors(name: str, args: Any, error: Any) -> None:
    with pytest.raises(error):
        find(corten, name)("no optimizer" if error is TypeError else made(corten), *args)


def test_every_scheduler_of_torch_is_here() -> None:
    wanted = {n for n in torch.optim.lr_scheduler.__all__} | {"SWALR"}
    have = {n for n, _, _ in CASES} | {"ReduceLROnPlateau", "SequentialLR", "ChainedScheduler", "LRScheduler"}
    assert wanted <= have
    for name in wanted:
        find(corten, name)
