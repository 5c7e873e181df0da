"""Checkpoints: which stay, what a damaged or foreign one says, and a full disk."""

import json
import resource
import signal

import pytest

import corten
from corten import nn, train
from corten.train import Trainer
from corten.train.checkpoint import newest, numbered
from tests.train.training import Halve, loader, network, noise, same_weights


def make(folder, model=None, optimizer="SGD", callbacks=(), scheduler=False, **options):
    model = network(8, 8, 3) if model is None else model
    steps = getattr(corten.optim, optimizer)(model.parameters(), lr=0.05)
    keep = train.Checkpoint(folder, **options)
    return Trainer(model, nn.CrossEntropyLoss(), steps, Halve(steps) if scheduler else None, callbacks=[*callbacks, keep], seed=0)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def figures(values):
    """A callback that plays the validation loss."""

    class Play(train.Callback):
        order = -1

        def on_epoch_end(self, trainer, record):
            record["valid_loss"] = values[record["epoch"] - 1]

    return Play()


def test_the_last_k_and_the_best_stay(tmp_path):
    data = loader(noise())
    trainer = make(tmp_path, callbacks=[figures([3.0, 1.0, 2.0, 1.5, 4.0])], keep=2)
    kept = {}
    seen = trainer.callbacks[-1]._link
    trainer.callbacks[-1]._link = lambda path: (kept.update({k: v.clone() for k, v in trainer.weights().items()}), seen(path))
    trainer.fit(data, data, epochs=5)
    assert names(tmp_path) == ["best.safetensors", "step-00000016.safetensors", "step-00000020.safetensors"]
    best = train.read_checkpoint(tmp_path / "best.safetensors")
    assert best["progress"]["epoch"] == 2 and best["history"][-1]["valid_loss"] == 1.0
    assert same_weights(best["model"], kept)
    judged = make(tmp_path / "other").test(data, checkpoint=tmp_path / "best.safetensors")
    model = network(8, 8, 3)
    model.load_state_dict(best["model"])
    assert judged["test_loss"] == Trainer(model, nn.CrossEntropyLoss()).validate(data)["loss"]


def test_every_n_epochs_and_steps_and_the_last_one(tmp_path):
    data = loader(noise())  # four steps an epoch
    make(tmp_path / "a", every_epochs=2, keep=9, monitor=None).fit(data, epochs=5)
    assert names(tmp_path / "a") == [f"step-{n:08d}.safetensors" for n in (8, 16, 20)]
    make(tmp_path / "b", every_epochs=None, every_steps=3, keep=9, monitor=None).fit(data, epochs=2)
    assert names(tmp_path / "b") == [f"step-{n:08d}.safetensors" for n in (3, 6, 8)]
    make(tmp_path / "c", monitor="loss", mode="max", keep=1).fit(data, epochs=3)
    assert train.read_checkpoint(tmp_path / "c" / "best.safetensors")["progress"]["epoch"] == 1


def test_a_new_run_sets_the_checkpoints_of_an_earlier_one_aside(tmp_path):
    data = loader(noise())
    make(tmp_path).fit(data)
    with pytest.warns(train.TrainingWarning, match=r"has checkpoints of an earlier run up to step-00000004.*set aside"):
        make(tmp_path).fit(data, epochs=2)
    assert "step-00000004.earlier" in names(tmp_path) and len(numbered(tmp_path)) == 2
    assert newest(tmp_path).name == "step-00000008.safetensors"


@pytest.fixture
def checkpoint(tmp_path):
    make(tmp_path / "run", optimizer="Adam", monitor=None).fit(loader(noise()))
    return newest(tmp_path / "run")


def refused(path, message, **options):
    """Resuming from a file fails with a message, and changes nothing."""
    trainer = make(path.parent.parent / "other", **{"optimizer": "Adam", "monitor": None, **options})
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        trainer.fit(loader(noise()), epochs=2, resume=path)
    assert same_weights(dict(trainer.model.state_dict()), before) and not trainer.optimizer.state_dict()["state"]


def test_a_checkpoint_of_another_architecture(checkpoint):
    refused(checkpoint, r"of another architecture: 0.weight is float32 \(8, 8\), expected float32 \(5, 8\)", model=network(8, 5, 3))
    refused(checkpoint, r"of another architecture: lacks 3.bias, 3.weight; has also 2.bias, 2.weight",
            model=nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3)))  # fmt: skip
    refused(checkpoint, "expected float64", model=network(8, 8, 3).double())


def test_a_checkpoint_of_another_run(checkpoint):
    refused(checkpoint, r"of a run with callbacks \['Checkpoint'\], expected \['EMA', 'Checkpoint'\]", callbacks=[train.EMA()])
    refused(checkpoint, "without the state of a scheduler, expected it with", scheduler=True)


def test_a_checkpoint_of_another_version_or_kind(checkpoint):
    state = corten.load(checkpoint)
    for change, message in (
        ({"version": 2}, "version 2, expected 1"),
        ({"kind": "model"}, "not a checkpoint of a training"),
    ):
        corten.save(state | change, checkpoint)
        refused(checkpoint, message)
    corten.save({k: v for k, v in state.items() if k != "optimizer"}, checkpoint)
    refused(checkpoint, "damaged, without optimizer")
    corten.save(network().state_dict(), checkpoint)
    refused(checkpoint, "not a checkpoint of a training")


def test_a_truncated_or_damaged_checkpoint(checkpoint):
    whole = checkpoint.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    for size in (0, 5, 8, 8 + length // 2, 8 + length, len(whole) - 1):
        checkpoint.write_bytes(whole[:size])
        refused(checkpoint, r"\[load\].*(truncated|damaged|does not lie)")
    header = json.loads(whole[8 : 8 + length])
    header["__metadata__"]["corten"] = header["__metadata__"]["corten"][:-40]
    text = json.dumps(header).encode()
    checkpoint.write_bytes(len(text).to_bytes(8, "little") + text + whole[8 + length :])
    refused(checkpoint, "damaged")
    with pytest.raises(FileNotFoundError, match="there is no"):
        make(checkpoint.parent / "x").fit(loader(noise()), resume=checkpoint.parent / "absent.safetensors")
    with pytest.raises(ValueError, match="resume=True needs a Checkpoint"):
        model = network(8, 8, 3)
        Trainer(model, nn.CrossEntropyLoss(), corten.optim.SGD(model.parameters())).fit(loader(noise()), resume=True)


def test_a_full_disk_leaves_the_old_checkpoint_and_the_training_goes_on(tmp_path):
    class Fill(train.Callback):
        """The system refuses files above some size, as a full disk refuses more bytes."""

        def on_epoch_start(self, trainer):
            small = trainer.epoch == 1
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000 if small else before[1], before[1]))

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    kept = []

    class Look(train.Callback):
        order = 200

        def on_epoch_end(self, trainer, record):
            kept.append(names(tmp_path))

    try:
        trainer = make(tmp_path, callbacks=[Fill(), Look()], monitor="loss")
        with pytest.warns(train.TrainingWarning, match=r"could not be written .*File too large.*step-00000004.safetensors stays"):
            run = trainer.fit(loader(noise()), epochs=3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert kept[0] == kept[1] == ["best.safetensors", "step-00000004.safetensors"]  # and nothing half written
    assert len(run.history) == 3 and newest(tmp_path).name == "step-00000012.safetensors"
    assert train.read_checkpoint(tmp_path / "best.safetensors")["progress"]["epoch"] == 3


def test_what_does_not_fit_is_refused(tmp_path):
    for options, message in (({"keep": 0}, "got keep 0"), ({"every_steps": 0}, "got every_steps 0"), ({"mode": "x"}, "got mode 'x'")):
        with pytest.raises(ValueError, match=message):
            train.Checkpoint(tmp_path, **options)
