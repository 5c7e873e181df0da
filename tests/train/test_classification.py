"""The training loop against the same loop in PyTorch, and what its metrics mean."""

import json

import numpy as np
import pytest

import corten
from corten.data import TensorDataset
from corten.data.datasets import Digits
from corten.train import DivergedError, evaluate, fit, train_epoch
from corten.train.classifier_file import Description, build, load, save
from corten.train.pictures import draw_training


def network(seed=0):
    corten.manual_seed(seed)
    return build((64, 16, 10))


def test_the_same_steps_as_in_pytorch():
    torch = pytest.importorskip("torch")
    data = Digits(flatten=True)
    x, y = data.take(corten.arange(400))
    model = network()
    judge = torch.nn.Sequential(torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10)).double()
    judge.load_state_dict({k: torch.from_numpy(v.numpy().astype(np.float64)) for k, v in model.state_dict().items()})
    optimizer = corten.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    loss = train_epoch(model, corten.nn.CrossEntropyLoss(), optimizer, zip(x.split(20), y.split(20), strict=True))

    steps = torch.optim.SGD(judge.parameters(), lr=0.05, momentum=0.9)
    losses = []
    tx, ty = torch.from_numpy(x.numpy()).double(), torch.from_numpy(y.numpy())
    for bx, by in zip(tx.split(20), ty.split(20), strict=True):
        steps.zero_grad()
        value = torch.nn.functional.cross_entropy(judge(bx), by)
        value.backward()
        steps.step()
        losses.append(value.item())
    assert loss == pytest.approx(np.mean(losses), rel=1e-5)
    for key, expected in judge.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[key].numpy(), expected.numpy(), rtol=2e-4, atol=2e-6)


def test_evaluation_is_the_formula():
    model = network()
    data = Digits(train=False, flatten=True)
    x, y = data.take(corten.arange(len(data)))
    logits = model(x).detach().numpy().astype(np.float64)
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    truth = y.numpy()
    model.train()
    found = evaluate(model, data, 10, batch_size=100)
    assert model.training  # as it was
    assert found.loss == pytest.approx(-logs[np.arange(360), truth].mean(), rel=1e-5)
    assert found.accuracy == (logits.argmax(1) == truth).mean()
    for true, predicted in ((3, 3), (3, 5), (8, 1)):
        assert found.confusion[true, predicted] == ((truth == true) & (logits.argmax(1) == predicted)).sum()


def test_fit_learns_reports_and_follows_the_schedule():
    model = network()
    optimizer = corten.optim.SGD(model.parameters(), lr=1.0)
    train, test = (Digits(train=t, flatten=True) for t in (True, False))
    rates, steps, epochs = [], [], []
    history = fit(model, optimizer, train, test, classes=10, epochs=3, batch_size=10,
                  schedule=lambda done: 0.1 / (1 + done),
                  on_progress=lambda epoch, done, loss: steps.append((epoch, done)),
                  on_epoch=lambda e: (epochs.append(e), rates.append(optimizer.param_groups[0]["lr"])))  # fmt: skip
    assert history == epochs and [e.number for e in history] == [1, 2, 3] and rates == [0.1, 0.05, 0.1 / 3]
    assert history[-1].test.accuracy > 0.85 and history[-1].train.loss < history[0].train.loss
    assert steps == sorted(steps) and steps[-1] == (3, 144)
    assert all(e.seconds > 0 for e in history)


def test_a_loss_that_is_not_finite_stops():
    data = TensorDataset(corten.full((20, 64), 1e30), corten.zeros(20, dtype=corten.int64))
    model = network()
    with pytest.raises(DivergedError, match="lower learning rate"):
        fit(model, corten.optim.SGD(model.parameters(), lr=1e30), data, data, classes=10, epochs=2, batch_size=5)


def test_model_file_and_picture(tmp_path):
    model = network(3)
    description = Description("digits", tuple("0123456789"), 8, 8, 16.0, 0.0, 1.0, (16,), {"epoch": 3})
    save(tmp_path / "m.safetensors", model, description)
    back, told = load(tmp_path / "m.safetensors")
    assert told == description
    for key, value in model.state_dict().items():
        assert (back.state_dict()[key] == value).all()
    safetensors = pytest.importorskip("safetensors.numpy")
    np.testing.assert_array_equal(
        safetensors.load_file(tmp_path / "m.safetensors")["0.weight"], model.state_dict()["0.weight"].numpy()
    )
    content = (tmp_path / "m.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["description"])["classes"] == list("0123456789")

    train, test = (Digits(train=t, flatten=True) for t in (True, False))
    optimizer = corten.optim.SGD(model.parameters(), lr=0.1)
    history = fit(model, optimizer, train, test, classes=10, epochs=1, batch_size=50)
    draw_training(tmp_path / "p.png", history, description.classes, "a title")
    Image = pytest.importorskip("PIL.Image")
    with Image.open(tmp_path / "p.png") as image:
        assert image.size == (1320, 594) and len(np.unique(np.asarray(image.convert("L")))) > 20
    with pytest.raises(ValueError, match="at least one"):
        draw_training(tmp_path / "q.png", [], description.classes, "")
