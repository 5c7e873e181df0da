"""Every lesson runs in its quick form and reaches its goal; the commands of the last three answer and refuse as they should."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import corten
from corten.cli.lessons import load

ROOT = Path(__file__).parents[2]
LESSONS = sorted((ROOT / "examples" / "lessons").glob("0*"))
SMALL = [path for path in LESSONS if path.name < "06"]


def run(lesson, *arguments, code=0, cwd=None):
    path = next(p for p in LESSONS if p.name.startswith(lesson))
    done = subprocess.run(
        [sys.executable, str(path), *map(str, arguments)], capture_output=True, text=True, timeout=170, cwd=cwd
    )
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def ask(lesson, *arguments, code=0):
    """As :func:`run`, in this process, for what takes no time but that of starting one."""
    result = CliRunner().invoke(load(lesson).app, list(map(str, arguments)))
    assert result.exit_code == code, f"{result.stdout}\n{result.stderr}\n{result.exception!r}"
    return result


def data(name):
    path = Path(os.environ.get("CORTEN_DATA", "."), name)
    if "CORTEN_DATA" not in os.environ or not path.exists():
        pytest.skip(f"CORTEN_DATA has no {name}")
    return path


@pytest.fixture(scope="module")
def bike(tmp_path_factory):
    """The model of lesson 6, with what its training said."""
    pytest.importorskip("pyarrow")
    model = tmp_path_factory.mktemp("bike") / "bike.safetensors"
    done = run("06", "train", "--data", data("bike_sharing/hour.csv"), "--quick", "--check", "--json", "--out", model)
    return model, json.loads(done.stdout)


@pytest.fixture(scope="module")
def gpt(tmp_path_factory):
    """The model of lesson 8, with what its training said."""
    model = tmp_path_factory.mktemp("gpt") / "gpt.safetensors"
    done = run(
        "08", "train", "--data", data("tinyshakespeare/input.txt"), "--quick", "--check", "--json", "--out", model
    )
    return model, json.loads(done.stdout)


@pytest.mark.parametrize("lesson", SMALL, ids=lambda p: p.name)
def test_quick_run_reaches_its_goals(lesson, tmp_path):
    result = json.loads(run(lesson.name, "--quick", "--json", "--out", tmp_path).stdout)
    assert result["metrics"] and all(m["met"] and m["goal"] for m in result["metrics"])
    for name in result["figures"]:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda p: p.name)
def test_readme_has_its_parts(lesson):
    text = (lesson / "README.md").read_text()
    for part in (
        "```mermaid",
        "## What happens",
        "## Goal",
        "## Exercises",
        "## Terms",
        f"python examples/lessons/{lesson.name}",
    ):
        assert part in text, part
    assert "$" in text
    assert lesson.name in (lesson.parent / "README.md").read_text()


def test_bike_beats_the_line_and_the_mean(bike):
    model, told = bike
    held = told["held_out"]
    assert held["neural"]["mae"] < 0.77 * held["linear"]["mae"] < held["mean of all hours"]["mae"]
    assert model.with_name("bike.png").read_bytes().startswith(b"\x89PNG")


def test_bike_predicts(bike):
    model, told = bike
    row = ["--temp", 0.44, "--hum", 0.82, "--windspeed", 0.28, "--workingday", 1, "--model", model]
    evening, night = (
        json.loads(ask("06_bike_sharing", "predict", "--hr", hr, *row, "--json").stdout) for hr in (17, 3)
    )
    assert evening["neural"]["count"] > 200 and night["neural"]["count"] < 60
    assert evening["neural"]["held_out_mae"] == pytest.approx(told["held_out"]["neural"]["mae"])
    done = ask("06_bike_sharing", "predict", "--hr", 8, "--temp", 0.3, "--model", model)
    assert "bikes in this hour (held-out error: +-" in done.stdout and "training mean: hum" in done.stderr


@pytest.mark.parametrize(
    "arguments, what",
    [
        (["predict", "--hr", "17", "--model", "absent"], "absent is not there: train first"),
        (["predict"], "give at least one of --hr"),
        (["train", "--data", "absent.csv"], "absent.csv: No such file"),
        (["train", "--data", "empty.csv"], "the file is empty"),
        (["train", "--data", "few.csv"], "0 rows, expected at least 10"),
        (["train", "--data", "columns.csv"], "lacks the columns 'hum', 'windspeed'"),
        (["train", "--data", "ragged.csv"], "line 3 has 2 fields, expected 6"),
        (["train", "--data", "words.csv"], "'temp' holds text, expected numbers"),
        (["predict", "--hr", "17", "--model", "few.csv"], "not a safetensors file"),
    ],
)
def test_bike_refuses(arguments, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    head = "hr,temp,hum,windspeed,workingday,cnt\n"
    for name, text in {"empty": "", "few": head, "columns": "hr,temp,workingday,cnt\n1,1,1,1\n",
                       "ragged": head + "1,1,1,1,1,1\n2,2\n", "words": head + "1,warm,1,1,1,1\n" * 12}.items():  # fmt: skip
        (tmp_path / f"{name}.csv").write_text(text)
    if "words.csv" in arguments:
        pytest.importorskip("pyarrow")
    done = ask("06_bike_sharing", *arguments, code=1)
    assert done.stderr.startswith("error: ") and what in done.stderr and done.stderr.count("\n") == 1


def test_batches(tmp_path):
    pytest.importorskip("pyarrow")
    path, model = data("bike_sharing/hour.csv"), tmp_path / "bike.safetensors"
    told = json.loads(run("07", "train", "--data", path, "--quick", "--check", "--json", "--out", model).stdout)
    assert told["test_mae"] < 62
    done = run("07", "predict", "--hr", 17, "--temp", 0.44, "--workingday", 1, "--model", model, "--json")
    assert json.loads(done.stdout)["held_out_mae"] == pytest.approx(told["test_mae"])
    done = run("07", "predict", "--data", path, "--model", model, "--out", tmp_path / "counts.txt")
    assert len((tmp_path / "counts.txt").read_text().split()) == 17379 and "against the file's own cnt" in done.stderr
    assert "not both" in run("07", "predict", "--data", path, "--hr", 1, "--model", model, code=1).stderr


def test_gpt_writes(gpt):
    model, told = gpt
    assert told["validation_loss"] <= 2.6 and len(told["sample"]) == 200
    written = [
        ask("08_tiny_gpt", "generate", "--prompt", "ROMEO:", "--length", 40, "--seed", s, "--model", model).stdout
        for s in (1, 1, 2)
    ]
    assert written[0] == written[1] != written[2] and written[0].startswith("ROMEO:") and len(written[0]) == 47
    done = ask("08_tiny_gpt", "generate", "--length", 5, "--temperature", 0, "--model", model, "--json")
    assert len(json.loads(done.stdout)["text"]) == 5
    assert (
        "does not know '\u00e9'"
        in ask("08_tiny_gpt", "generate", "--prompt", "\u00e9", "--model", model, code=1).stderr
    )
    assert "is empty" in ask("08_tiny_gpt", "generate", "--prompt", "", "--model", model, code=1).stderr


def test_gpt_resumes_to_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 100)
    options = [
        "train",
        "--data",
        "text.txt",
        "--block",
        8,
        "--layers",
        1,
        "--heads",
        1,
        "--width",
        16,
        "--batch-size",
        4,
    ]
    ask("08_tiny_gpt", *options, "--steps", 12, "--out", "whole/a")
    ask("08_tiny_gpt", *options, "--steps", 12, "--stop", 5, "--out", "parts/a")
    corten.manual_seed(99)  # another process would not be where this one is
    ask("08_tiny_gpt", *options, "--steps", 12, "--resume", "--out", "parts/a")
    whole, parts = (corten.load(tmp_path / name / "a")["model"] for name in ("whole", "parts"))
    assert all((whole[k] == parts[k]).all() for k in whole)
    refused = ask("08_tiny_gpt", *options, "--width", 32, "--resume", "--out", "parts/a", code=1)
    assert "another size" in refused.stderr


def test_gpt_refuses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.txt").write_text("too short")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe" * 3000)
    for name, what in (
        ("short.txt", "9 characters, expected at least 2,000"),
        ("bytes.txt", "is not UTF-8 text"),
        ("no.txt", "No such"),
    ):
        assert what in ask("08_tiny_gpt", "train", "--data", name, code=1).stderr
    assert "train first" in ask("08_tiny_gpt", "generate", code=1).stderr


def test_attention_by_hand_is_the_fused_one():
    from corten.nn import functional as F

    q, k, v = (corten.randn(2, 3, 9, 8) for _ in range(3))
    by_hand = load("08_tiny_gpt").attention_by_hand(q, k, v)
    assert (by_hand - F.scaled_dot_product_attention(q, k, v, is_causal=True)).abs().amax().item() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("lesson, name", [("06", "bike_sharing/hour.csv"), ("07", "bike_sharing/hour.csv"),
                                          ("08", "tinyshakespeare/input.txt")])  # fmt: skip
def test_full_run_reaches_its_goal(lesson, name, tmp_path):
    told = json.loads(
        run(lesson, "train", "--data", data(name), "--check", "--json", "--out", tmp_path / "model").stdout
    )
    assert all(m["met"] for m in told["metrics"])
