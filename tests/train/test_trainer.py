"""The Trainer takes the steps that one writes by hand; what it adds is compared with PyTorch and with formulas."""

import io
import subprocess
import sys

import numpy as np
import pytest

import corten
from corten import nn, train
from corten.train import Trainer, metrics
from tests.train.training import Halve, loader, mnist, network, noise, same_weights


def make(model, lr=0.05, **options):
    return Trainer(model, nn.CrossEntropyLoss(), corten.optim.SGD(model.parameters(), lr=lr, momentum=0.9), **options)


def by_hand(model, batches, epochs, lr=0.05):
    optimizer, criterion = corten.optim.SGD(model.parameters(), lr=lr, momentum=0.9), nn.CrossEntropyLoss()
    means = []
    for _ in range(epochs):
        total = count = 0
        for x, y in batches:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total, count = total + loss.item(), count + 1
        means.append(total / count)
    return means


def test_the_same_steps_as_by_hand_on_mnist():
    data, held_out = mnist(2000), mnist(500, "test")
    ours, theirs = network(), network()
    corten.manual_seed(5)
    means = by_hand(theirs, loader(data, 32), 2)
    corten.manual_seed(5)
    trainer = make(ours, metrics={"accuracy": metrics.Accuracy()})
    run = trainer.fit(loader(data, 32), epochs=2)
    assert same_weights(ours.state_dict(), theirs.state_dict())
    assert run.figures("loss") == means and run.steps == 126
    judged = trainer.test(loader(held_out, 200, shuffle=False))
    logits = theirs(held_out[0]).detach().numpy().astype(np.float64)
    truth = held_out[1].numpy()
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    assert judged["test_loss"] == pytest.approx(-logs[np.arange(500), truth].mean(), rel=1e-5)
    assert judged["test_accuracy"] == (logits.argmax(1) == truth).mean() > 0.75
    predicted = trainer.predict(loader(held_out, 200, shuffle=False))
    np.testing.assert_allclose(predicted.numpy(), logits, rtol=1e-5, atol=1e-5)
    assert ours.training  # as it was


@pytest.mark.parametrize("accumulate", [2, 3])
def test_accumulated_batches_are_one_large_batch(accumulate):
    data = noise(96)
    ours, theirs = network(8, 8, 3), network(8, 8, 3)
    by_hand(theirs, loader(data, 16 * accumulate, shuffle=False), 2)
    make(ours, accumulate=accumulate).fit(loader(data, 16, shuffle=False), epochs=2)
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), rtol=1e-5, atol=1e-6)


def test_a_last_group_of_fewer_batches_is_averaged_over_these():
    data = noise(48)
    ours, theirs = network(8, 8, 3), network(8, 8, 3)
    x, y = data
    by_hand(theirs, [(x[:32], y[:32]), (x[32:], y[32:])], 1)
    assert make(ours, accumulate=2).fit(loader(data, 16, shuffle=False)).steps == 2
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{"clip_norm": 0.1}, {"clip_norm": 100.0}, {"clip_value": 0.01}], ids=str)
def test_clipping_is_pytorchs(options):
    torch = pytest.importorskip("torch")
    x, y = noise(32)
    model = network(8, 8, 3)
    judge = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    judge.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in model.state_dict().items()})
    Trainer(model, nn.CrossEntropyLoss(), corten.optim.SGD(model.parameters(), lr=0.5), **options).fit([(x, y)] * 3)
    steps = torch.optim.SGD(judge.parameters(), lr=0.5)
    for _ in range(3):
        steps.zero_grad()
        torch.nn.functional.cross_entropy(judge(torch.from_numpy(x.numpy())), torch.from_numpy(y.numpy())).backward()
        if "clip_norm" in options:
            torch.nn.utils.clip_grad_norm_(judge.parameters(), options["clip_norm"])
        else:
            torch.nn.utils.clip_grad_value_(judge.parameters(), options["clip_value"])
        steps.step()
    for key, value in judge.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[key].numpy(), value.numpy(), rtol=2e-5, atol=1e-6)


def test_lbfgs_takes_pytorchs_steps():
    torch = pytest.importorskip("torch")
    x, y = noise(64)
    model = network(8, 8, 3).to(corten.float64)
    x = x.double()
    judge = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).double()
    judge.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in model.state_dict().items()})
    optimizer = corten.optim.LBFGS(model.parameters(), max_iter=5, line_search_fn="strong_wolfe")
    run = Trainer(model, nn.CrossEntropyLoss(), optimizer, clip_norm=1e3).fit([(x, y)] * 2, epochs=2)
    steps = torch.optim.LBFGS(judge.parameters(), max_iter=5, line_search_fn="strong_wolfe")

    def closure():
        steps.zero_grad()
        loss = torch.nn.functional.cross_entropy(judge(torch.from_numpy(x.numpy())), torch.from_numpy(y.numpy()))
        loss.backward()
        return loss

    losses = [steps.step(closure).item() for _ in range(4)]
    assert run.steps == 4
    np.testing.assert_allclose(run.figures("loss"), [sum(losses[:2]) / 2, sum(losses[2:]) / 2], rtol=1e-8)
    for key, value in judge.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[key].numpy(), value.numpy(), rtol=1e-6, atol=1e-8)


def test_lbfgs_says_what_it_cannot():
    model = network(8, 8, 3)
    optimizer = corten.optim.LBFGS(model.parameters())
    with pytest.raises(ValueError, match="got accumulate=2 and precision='float32' with LBFGS"):
        Trainer(model, nn.CrossEntropyLoss(), optimizer, accumulate=2).fit([noise(32)])
    x, y = noise(32)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(train.DivergedError, match="step 1"):
        Trainer(model, nn.CrossEntropyLoss(), optimizer).fit([(x * float("nan"), y)])
    assert same_weights(model.state_dict(), before)


def test_bfloat16_storage_trains_float32_masters():
    data = mnist(1000)
    plain, mixed = network(), network()
    make(plain, seed=1).fit(loader(data, 32), epochs=2)
    seen = []

    class Look(train.Callback):
        def on_step(self, trainer):
            stored = next(iter(trainer.model.parameters()))
            master = trainer.optimizer.param_groups[0]["params"][0]
            seen.append((str(stored.dtype), str(master.dtype), bool((master.bfloat16() == stored).all())))

    trainer = make(mixed, seed=1, precision="bfloat16", callbacks=[Look()], metrics={"accuracy": metrics.Accuracy()})
    run = trainer.fit(loader(data, 32), loader(mnist(500, "test"), 100, shuffle=False), epochs=2)
    assert set(seen) == {("corten.bfloat16", "corten.float32", True)}
    assert all(p.dtype == corten.float32 for p in mixed.parameters())  # the masters again
    assert run.history[-1]["valid_accuracy"] > 0.7
    first, near, far = ([p.detach().numpy() for p in m.parameters()] for m in (network(), plain, mixed))
    moved = sum(((a - b) ** 2).sum() for a, b in zip(first, near, strict=True)) ** 0.5
    away = sum(((a - b) ** 2).sum() for a, b in zip(near, far, strict=True)) ** 0.5
    assert 0 < away < 0.2 * moved  # near the float32 run, and not the same


def test_ema_is_the_formula_and_judges():
    x, y = noise(32)
    model = network(8, 8, 3)
    expected, losses = {}, []

    class Beside(train.Callback):
        def on_step(self, trainer):
            for key, value in trainer.weights().items():
                value = value.numpy().astype(np.float64)
                expected[key] = 0.9 * expected[key] + 0.1 * value if key in expected else value

        def on_validation_start(self, trainer):
            losses.append(float(nn.functional.cross_entropy(trainer.model(x), y)))  # after EMA has put its own in

    ema = train.EMA(0.9, warm_up=False)
    trainer = make(model, callbacks=[ema, Beside()])
    run = trainer.fit([(x, y)] * 5, [(x, y)], epochs=2)
    for key, value in ema.averages.weights.items():
        np.testing.assert_allclose(value.numpy(), expected[key], rtol=1e-5, atol=1e-6)
    assert run.figures("valid_loss") == pytest.approx(losses, rel=1e-6)
    raw = trainer.validate([(x, y)])["loss"]
    with train.averaged(model, ema.averages):
        assert trainer.validate([(x, y)])["loss"] == pytest.approx(losses[-1], rel=1e-6)
    assert trainer.validate([(x, y)])["loss"] == raw < losses[-1]


def test_swa_is_the_mean_of_the_epochs_and_norms_are_updated():
    x, y = noise(64)
    model = network(8, 8, 3, norm=True)
    kept = []

    class Keep(train.Callback):
        def on_epoch_end(self, trainer, record):
            kept.append({k: v.numpy().astype(np.float64).copy() for k, v in trainer.weights().items()})

    swa = train.SWA(start=2, lr=0.02)
    make(model, callbacks=[Keep(), swa]).fit(loader((x, y), 16, shuffle=False), epochs=4)
    assert swa.averages.count == 3
    for name in ("0.weight", "0.bias", "3.weight"):
        np.testing.assert_allclose(model.state_dict()[name].numpy(), np.mean([k[name] for k in kept[1:]], 0), rtol=1e-5, atol=1e-6)
    state = {k: v.numpy().astype(np.float64) for k, v in model.state_dict().items()}
    hidden = [b.numpy() @ state["0.weight"].T + state["0.bias"] for b in x.split(16)]
    np.testing.assert_allclose(state["1.running_mean"], np.mean([h.mean(0) for h in hidden], 0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state["1.running_var"], np.mean([h.var(0, ddof=1) for h in hidden], 0), rtol=1e-4)


def test_the_seed_makes_runs_alike_for_any_number_of_threads():
    data, threads = mnist(600), corten.get_num_threads()
    results = []
    try:
        for n in (1, 2):
            corten.set_num_threads(n)
            model = network(hidden=64, dropout=0.2)
            corten.manual_seed(n)  # another place to start from: the seed of the trainer decides
            make(model, seed=3).fit(loader(data, 64), epochs=2)
            results.append(model.state_dict())
    finally:
        corten.set_num_threads(threads)
    assert same_weights(*results)


def test_schedulers_by_epoch_and_by_step_and_their_rates():
    data = noise(64)
    for schedule, expected in (("epoch", [0.4, 0.2, 0.1]), ("step", [0.4 / 2**3, 0.4 / 2**7, 0.4 / 2**11])):
        model = network(8, 8, 3)
        optimizer = corten.optim.SGD(model.parameters(), lr=0.4)
        monitor = train.LearningRateMonitor(every_step=True)
        trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, Halve(optimizer), schedule=schedule, callbacks=[monitor])
        assert trainer.fit(loader(data), epochs=3).figures("lr") == expected
        assert [step for step, _ in monitor.rates] == list(range(1, 13))
    plateau = type("Plateau", (Halve,), {"patience": 1, "mode": "min", "step": lambda self, figure: seen.append(figure)})
    seen = []
    trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, plateau(optimizer))
    assert seen == trainer.fit(loader(data), loader(data), epochs=2).figures("valid_loss")


def test_early_stopping_waits_and_brings_the_best_weights_back():
    model = network(8, 8, 3)
    figures, kept = iter([5.0, 4.0, 4.5, 3.9995, 4.1, 1.0]), {}

    class Play(train.Callback):
        order = -1

        def on_epoch_end(self, trainer, record):
            record["valid_loss"] = next(figures)
            kept[record["epoch"]] = {k: v.clone() for k, v in trainer.weights().items()}

    stop = train.EarlyStopping(patience=2, min_delta=0.01, restore=True)
    run = make(model, callbacks=[stop, Play()]).fit(loader(noise()), epochs=10)
    assert len(run.history) == 5 and run.stopped == "valid_loss has not improved on 4.0 of epoch 2"
    assert same_weights(model.state_dict(), kept[2])
    with pytest.raises(KeyError, match=r"\[EarlyStopping\] there is no figure 'f1', expected one of epoch, steps, loss"):
        make(model, callbacks=[train.EarlyStopping("f1")]).fit(loader(noise()))


def test_the_rate_finder_suggests_a_rate_that_trains_and_changes_nothing(tmp_path):
    data = mnist(1000)
    model = network()
    trainer = make(model)
    batches = loader(data, 32)
    before, generator = {k: v.clone() for k, v in model.state_dict().items()}, corten.get_rng_state().tolist()
    curve = train.find_rate(trainer, batches, 1e-5, 10.0, steps=60)
    assert same_weights(model.state_dict(), before) and corten.get_rng_state().tolist() == generator
    assert trainer.optimizer.param_groups[0]["lr"] == 0.05 and not trainer.optimizer.state_dict()["state"]
    assert curve.rates[0] == 1e-5 and len(curve.rates) == len(curve.losses) <= 60
    assert 1e-3 < curve.suggestion < 1.0
    losses = [make(network(), lr=f * curve.suggestion).fit(batches, epochs=2).history[-1]["loss"] for f in (0.1, 1, 20)]
    assert losses[1] < 0.9 < min(losses[0], losses[2])
    curve.draw(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"\[find_rate\] got rates 1.0 to 0.1"):
        train.find_rate(trainer, batches, 1.0, 0.1)


def test_a_loss_that_is_not_finite_stops_names_the_step_and_keeps_the_checkpoint(tmp_path):
    x, y = noise(64)
    x[40, 3] = float("nan")
    model = network(8, 8, 3)
    checkpoint = train.Checkpoint(tmp_path, every_steps=1)
    with pytest.raises(train.DivergedError, match=r"the loss is nan at step 3 \(batch 3 of epoch 1\).*step-00000002"):
        make(model, callbacks=[checkpoint]).fit(loader((x, y), 16, shuffle=False), epochs=2)
    assert checkpoint.newest.name == "step-00000002.safetensors"
    assert same_weights(train.read_checkpoint(checkpoint.newest)["model"], dict(model.state_dict()))
    assert all(np.isfinite(p.detach().numpy()).all() for p in model.parameters())


def test_weights_that_are_not_finite_are_not_kept_as_a_checkpoint(tmp_path):
    x, y = noise(32)

    class Spoil(train.Callback):
        def on_step(self, trainer):
            if trainer.steps == 2:
                with corten.no_grad():
                    trainer.model[0].weight.fill_(float("inf"))

    checkpoint = train.Checkpoint(tmp_path, every_steps=1)
    with pytest.raises(train.DivergedError, match=r"0\.weight is not finite after step 2 of epoch 1.*step-00000001"):
        make(network(8, 8, 3), callbacks=[Spoil(), checkpoint]).fit([(x, y)] * 4)
    assert [p.name for p in train.checkpoint.numbered(tmp_path)] == ["step-00000001.safetensors"]


def test_ctrl_c_keeps_the_last_checkpoint_and_resuming_gives_the_same_bits(tmp_path):
    data = noise(96)
    whole = network(8, 8, 3)
    make(whole, seed=1).fit(loader(data), epochs=3)

    class Interrupt(train.Callback):
        def on_step(self, trainer):
            if trainer.steps == 9:
                raise KeyboardInterrupt

    text = io.StringIO()
    from rich.console import Console

    model = network(8, 8, 3)
    callbacks = [Interrupt(), train.Checkpoint(tmp_path, every_steps=4), train.Progress(Console(file=text, width=200))]
    with pytest.raises(KeyboardInterrupt):
        make(model, seed=1, callbacks=callbacks).fit(loader(data), epochs=3)
    assert "interrupted in epoch 2 after 9 steps" in text.getvalue()
    assert [p.name[-8 - 12 :] for p in train.checkpoint.numbered(tmp_path)][-1].startswith("00000008")
    model = network(8, 8, 3, seed=9)
    run = make(model, seed=1, callbacks=[train.Callback(), train.Progress(), train.Checkpoint(tmp_path)])
    with pytest.raises(ValueError, match="of a run with callbacks"):
        run.fit(loader(data), epochs=3, resume=True)
    quiet = type("Interrupt", (train.Callback,), {})()
    callbacks = [quiet, train.Checkpoint(tmp_path, every_steps=4), train.Progress(Console(file=text, width=200))]
    make(model, seed=1, callbacks=callbacks).fit(loader(data), epochs=3, resume=tmp_path)
    assert same_weights(model.state_dict(), whole.state_dict())


def test_a_second_fit_begins_anew():
    data = loader(noise())
    stop, ema, rates = train.EarlyStopping("loss", patience=0, mode="max"), train.EMA(), train.LearningRateMonitor(every_step=True)
    trainer = make(network(8, 8, 3), callbacks=[stop, ema, rates])
    first = trainer.fit(data, data, epochs=4)
    assert len(first.history) == 2 and first.stopped and ema.averages.count == 8
    second = trainer.fit(data, data, epochs=4)
    assert len(second.history) == 2 and second.steps == 8 and stop.best_epoch == 1
    assert ema.averages.count == 8 == len(rates.rates)
    judged = trainer.validate(data)["loss"]  # outside of fit: the model's own weights
    assert judged == pytest.approx(float(nn.functional.cross_entropy(trainer.model(data.dataset[:][0]), data.dataset[:][1])), rel=1e-5)
    assert judged != pytest.approx(second.history[-1]["valid_loss"], rel=1e-6)


def test_a_plain_list_of_batches_can_be_resumed_too(tmp_path):
    x, y = noise(96)
    batches = list(zip(x.split(16), y.split(16), strict=True))
    whole, part = network(8, 8, 3), network(8, 8, 3)
    make(whole).fit(batches, epochs=2)

    class Stop(train.Callback):
        limit = 8

        def on_step(self, trainer):
            if trainer.steps == self.limit:
                raise KeyboardInterrupt

    stop = Stop()
    with pytest.raises(KeyboardInterrupt):
        make(part, callbacks=[stop, train.Checkpoint(tmp_path, every_steps=1)]).fit(batches, epochs=2)
    stop.limit, fresh = None, network(8, 8, 3, seed=4)
    make(fresh, callbacks=[stop, train.Checkpoint(tmp_path)]).fit(batches, epochs=2, resume=True)
    assert same_weights(fresh.state_dict(), whole.state_dict())


def test_other_forms_of_batches():
    x, y = noise(32)
    model = nn.Bilinear(8, 8, 3)
    trainer = make(model)
    before = trainer.validate([(x, x, y)])["loss"]
    trainer.fit([(x, x, y)] * 20)
    assert trainer.validate([(x, x, y)])["loss"] < before
    assert tuple(trainer.predict([(x, x, y)]).shape) == (32, 3)
    auto = nn.Linear(8, 8)

    def forward(model, batch):
        output = model(batch["x"])
        return nn.functional.mse_loss(output, batch["x"]), output, batch["x"]

    own = Trainer(auto, optimizer=corten.optim.Adam(auto.parameters(), lr=0.05), forward=forward, metrics={"mse": metrics.MSE()})
    history = own.fit([{"x": x}] * 30, [{"x": x}], epochs=3).history
    assert history[-1]["loss"] < history[0]["loss"] / 2
    assert history[-1]["valid_mse"] == pytest.approx(history[-1]["valid_loss"], rel=1e-6)


def test_what_does_not_fit_is_refused():
    model = network(8, 8, 3)
    for options, message in (
        ({"precision": "float8"}, "got precision 'float8', expected 'float32' or 'bfloat16'"),
        ({"schedule": "hour"}, "got schedule 'hour'"),
        ({"accumulate": 0}, "got accumulate 0, expected a positive int"),
        ({"clip_norm": 0.0}, "got clip_norm 0.0, expected a positive number"),
    ):
        with pytest.raises(ValueError, match=message):
            make(model, **options)
    with pytest.raises(TypeError, match="got str among the callbacks"):
        make(model, callbacks=["progress"])
    with pytest.raises(ValueError, match="neither loss nor forward"):
        Trainer(model)
    with pytest.raises(ValueError, match="fit needs an optimizer"):
        Trainer(model, nn.CrossEntropyLoss()).fit([noise()])
    with pytest.raises(ValueError, match="got epochs 0"):
        make(model).fit([noise()], epochs=0)
    with pytest.raises(ValueError, match="got no batches to predict"):
        make(model).predict([])
    with pytest.raises(TypeError, match="got a parameter of corten.float64, expected float32"):
        make(network(8, 8, 3).double(), precision="bfloat16").fit([noise()])


def test_import_stays_light():
    code = ("import sys, corten.train, corten.train.metrics; "
            "print([m for m in ('tensorboard', 'mlflow', 'optuna', 'matplotlib', 'sklearn', 'rich') if m in sys.modules])")  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
