"""``corten train``: what it writes, what it refuses, and what survives an interruption or a full disk."""

import json
import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from corten.cli.app import app
from corten.train.classifier_file import load
from tests.cli.process import QUICK, command_line, corten

FILES = ["metrics.json", "model.safetensors", "run.json", "training.png"]


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def last_json(text):
    return json.loads(text.strip().splitlines()[-1])


def test_writes_model_metrics_and_picture(place):
    done = corten("train", *QUICK, "--json", "--out", "run", cwd=place)
    line = json.loads(done.stdout)  # nothing else on stdout
    assert set(line) >= {"data", "test_accuracy", "train_seconds", "epochs", "peak_rss_mb"}
    assert line["data"] == "digits" and line["epochs"] == 2
    assert 0.6 < line["test_accuracy"] <= 1 and line["train_seconds"] > 0 and line["peak_rss_mb"] > 10
    assert sorted(os.listdir(place / "run")) == FILES
    assert (place / "run/training.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    metrics = json.loads((place / "run/metrics.json").read_text())
    assert [e["epoch"] for e in metrics["history"]] == [1, 2]
    confusion = np.array(metrics["confusion"])
    assert confusion.sum() == 360 and np.trace(confusion) / 360 == line["test_accuracy"]
    for text in ("digits: 1,437 training and 360 test", "64-64-10", "epoch   2/2", "saved"):
        assert text in done.stderr


def test_the_saved_model_has_the_stated_accuracy(trained):
    import corten as framework
    from corten.data.datasets import Digits
    from corten.train import evaluate

    model, description = load(trained / "model.safetensors")
    assert description.classes == tuple("0123456789") and description.training["epoch"] == 2
    found = evaluate(model, Digits(train=False, flatten=True), 10)
    assert found.accuracy == description.training["test_accuracy"]
    assert isinstance(model, framework.nn.Module) and not model.training


def test_seed_decides_threads_do_not(place):
    def model(*options):
        out = place / str(len(list(place.iterdir())))
        corten("train", *QUICK, "--out", out, *options, cwd=place)
        return (out / "model.safetensors").read_bytes()

    first = model("--threads", "1")
    assert model("--threads", "2") == first
    assert model("--seed", "1") != first


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw"])
def test_optimizers_and_layers(place, optimizer):
    hidden = {"momentum": "0", "adam": "32,16"}.get(optimizer, "64")
    lr = {"sgd": 0.1, "momentum": 0.02}.get(optimizer, 0.003)
    done = invoke("train", "--data", "digits", "--epochs", 4, "--batch-size", 16, "--optimizer", optimizer,
                  "--hidden", hidden, "--lr", lr, "--schedule", "constant", "--json")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert last_json(done.stdout)["test_accuracy"] > 0.75
    assert "-".join(["64", *hidden.replace("0", "").split(","), "10"]).replace("--", "-") in done.stderr


def test_auto_says_why_it_took_the_digits(place):
    done = invoke("train", "--epochs", 1, "--batch-size", 100)
    assert done.exit_code == 0, done.output
    assert "not found and not downloaded" in done.output and "CORTEN_OFFLINE" in done.output
    assert "Training on the embedded digits instead." in done.output


def test_runs_are_numbered(place):
    for number in ("001", "002"):
        assert f"runs/digits-{number}" in invoke("train", *QUICK, "--epochs", 1).output
    assert sorted(os.listdir("runs")) == ["digits-001", "digits-002"]


def test_a_second_training_into_the_same_folder_is_refused(place, trained):
    shutil.copytree(trained, "run")
    before = {f: (place / "run" / f).read_bytes() for f in FILES}
    done = corten("train", *QUICK, "--out", "run", code=1, cwd=place)
    assert "has a run already" in done.stderr and "--overwrite" in done.stderr
    assert {f: (place / "run" / f).read_bytes() for f in FILES} == before
    corten("train", *QUICK, "--out", "run", "--seed", "5", "--overwrite", cwd=place)
    assert (place / "run/model.safetensors").read_bytes() != before["model.safetensors"]


@pytest.mark.parametrize(
    "arguments, code, what",
    [
        (["--data", "cifar"], 2, "cifar"),
        (["--epochs", "0"], 2, "epochs"),
        (["--batch-size", "x"], 2, "batch-size"),
        (["--hidden", "64,,3"], 1, "--hidden"),
        (["--hidden", "-1"], 1, "--hidden"),
        (["--lr", "0"], 1, "--lr"),
        (["--lr", "nan"], 1, "--lr"),
        (["--threads", "0"], 2, "threads"),
        (["--data", "mnist"], 1, "not found and not downloaded"),
        (["--nonsense"], 2, "nonsense"),
    ],
)
def test_bad_options(place, arguments, code, what):
    done = invoke("train", "--data", "digits", *arguments)
    assert done.exit_code == code and what in done.output
    assert not os.path.exists("runs")


def test_damaged_data_is_refused_and_not_replaced(place, monkeypatch):
    folder = place / "data/mnist"
    folder.mkdir(parents=True)
    for name in (
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ):
        (folder / name).write_bytes(b"\x1f\x8b nonsense")
    monkeypatch.setenv("CORTEN_DATA", str(place / "data"))
    done = invoke("train", "--epochs", 1)
    assert done.exit_code == 1 and "damaged" in done.output and not os.path.exists("runs")


def test_out_that_cannot_be_written(place):
    (place / "file").write_text("x")
    done = corten("train", *QUICK, "--out", "file", code=1, cwd=place)
    assert "file" in done.stderr
    done = corten("train", *QUICK, "--out", "/proc/nothing/run", code=1, cwd=place)
    assert "/proc" in done.stderr
    assert (place / "file").read_text() == "x"


def test_divergence_is_an_error(place):
    done = invoke("train", *QUICK, "--lr", "1e30", "--out", "run")
    assert done.exit_code == 1 and "lower learning rate" in done.output and not os.path.exists("run")


def wait_for(path, process, seconds=60):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.01)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_keeps_the_last_epoch(place):
    arguments = command_line(
        "train", "--data", "digits", "--epochs", 100000, "--batch-size", 8, "--json", "--out", "run"
    )
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=place)
    wait_for(place / "run/model.safetensors", process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err, err
    line = json.loads(out)
    assert f"interrupted: this is the model of epoch {line['epochs']}" in err
    _, description = load(place / "run/model.safetensors")
    assert description.training["epoch"] == line["epochs"] >= 1
    assert description.training["test_accuracy"] == line["test_accuracy"]
    assert sorted(os.listdir(place / "run")) == FILES


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_in_the_first_epoch_leaves_nothing(place):
    arguments = command_line("train", "--data", "digits", "--hidden", "4096,4096,4096", "--out", "run")
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=place)
    wait_for(place / "run/run.json", process)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err, err
    assert "nothing was saved" in out and not (place / "run").exists()


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.argv = ["corten"] + sys.argv[2:]
from corten.cli import main
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="RLIMIT_FSIZE")
@pytest.mark.parametrize("overwrite", [False, True])
def test_no_room_for_the_model(place, trained, overwrite):
    """The limit on the length of a file stands for a full disk: the model does not fit, the claim does."""
    before = {}
    if overwrite:
        shutil.copytree(trained, "run")
        before = {f: (place / "run" / f).read_bytes() for f in FILES}
    _, *arguments = command_line("train", *QUICK, "--out", "run", *(["--overwrite"] if overwrite else []))
    done = subprocess.run([command_line()[0], "-c", LIMITED, "4096", *arguments[2:]], capture_output=True, text=True,
                          timeout=60, cwd=place)  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr and "error:" in done.stderr, done.stderr
    if overwrite:
        assert {f: (place / "run" / f).read_bytes() for f in os.listdir("run")} == before
    else:
        assert not os.path.exists("run")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting needs root")
def test_a_disk_that_is_full(place):
    (place / "disk").mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", "disk"], capture_output=True).returncode:
        pytest.skip("no mounting here")
    try:
        done = corten("train", *QUICK, "--out", "disk/run", code=1, cwd=place)
        assert "no space left" in done.stderr and os.listdir("disk") == []
    finally:
        subprocess.run(["umount", "disk"], check=True)
