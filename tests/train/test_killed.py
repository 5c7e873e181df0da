"""A run that is killed again and again ends with the same bits as one that was never interrupted."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import corten

SCRIPT = Path(__file__).parent / "killed_run.py"


def start(folder, precision, *more):
    environment = dict(os.environ, CORTEN_NUM_THREADS="1", PYTHONWARNINGS="ignore::corten.train.TrainingWarning")
    return subprocess.Popen([sys.executable, str(SCRIPT), str(folder), precision, *more], env=environment,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def bits(value):
    """Everything in a saved object, tensors as bytes."""
    if isinstance(value, dict):
        return {k: bits(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [bits(v) for v in value]
    return value.numpy().tobytes() if isinstance(value, corten.Tensor) else value


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_killed_run_ends_with_the_same_bits(tmp_path, precision):
    whole = start(tmp_path / "whole", precision)
    out, err = whole.communicate(timeout=60)
    assert whole.returncode == 0, err.decode()
    expected = bits(corten.load(tmp_path / "whole.final"))

    rng = random.Random(precision)
    folder, kills, seen = tmp_path / "killed", 0, set()
    for _ in range(30):
        before = {p.name for p in folder.glob("step-*")} if folder.exists() else set()
        process = start(folder, precision, "resume")
        if kills < 4:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline and process.poll() is None:  # until it has gone on from where it was
                if {p.name for p in folder.glob("step-*")} - before:
                    break
                time.sleep(0.002)
            time.sleep(rng.random() * 0.03)
            process.send_signal(signal.SIGKILL)
        _, err = process.communicate(timeout=60)
        if process.returncode == -signal.SIGKILL:
            kills += 1
            seen |= {p.name for p in folder.glob("step-*.safetensors")}
            continue
        assert process.returncode == 0, err.decode()
        break
    assert kills >= 3, f"only {kills} of the runs were killed in time: the test shows nothing"
    assert len(seen) >= 3  # at different steps
    assert bits(corten.load(tmp_path / "killed.final")) == expected
    rows = [line.rsplit(",", 4)[0] for line in (tmp_path / "killed.csv").read_text().splitlines()]
    assert [r.split(",")[0] for r in rows] == ["epoch", "1", "2", "3", "4"]
    assert not list(folder.glob(".*"))  # nothing half written is left
