"""Figures of the epochs in CSV and JSON lines, and on the console."""

import csv
import io
import json

import pytest
from rich.console import Console

import corten
from corten import nn, train
from corten.train import Trainer
from tests.train.training import loader, network, noise


def make(*callbacks):
    model = network(8, 8, 3)
    return Trainer(model, nn.CrossEntropyLoss(), corten.optim.SGD(model.parameters(), lr=0.1), callbacks=callbacks)


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


class Late(train.Callback):
    """A figure that begins in the second epoch."""

    def on_epoch_end(self, trainer, record):
        if record["epoch"] > 1:
            record["late, figure"] = 0.1 + 0.2


def test_csv_and_json_lines_hold_the_history(tmp_path):
    trainer = make(Late(), train.CSVLogger(tmp_path / "a.csv"), train.JSONLLogger(tmp_path / "a.jsonl"))
    history = trainer.fit(loader(noise()), loader(noise(seed=1)), epochs=3).history
    rows = rows_of(tmp_path / "a.csv")
    assert list(rows[0]) == ["epoch", "steps", "loss", "seconds", "valid_loss", "late, figure"]
    assert [{k: float(v) for k, v in row.items() if v} for row in rows] == history  # every bit
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()] == history


def test_a_folder_that_goes_away_warns_once_and_the_lines_come_later(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()

    class Move(train.Callback):
        def on_epoch_end(self, trainer, record):
            if record["epoch"] == 2:
                folder.rename(tmp_path / "away")
            if record["epoch"] == 4:
                (tmp_path / "away").rename(folder)

    with pytest.warns(train.TrainingWarning, match=r"\[CSVLogger\].*cannot be written.*the training goes on") as caught:
        make(Move(), train.CSVLogger(folder / "a.csv")).fit(loader(noise()), epochs=5)
    assert len(caught) == 1
    assert [row["epoch"] for row in rows_of(folder / "a.csv")] == list("12345")


def test_progress_on_a_terminal_and_elsewhere():
    text = io.StringIO()
    trainer = make(train.Progress(Console(file=text, width=120)), train.EarlyStopping("loss", patience=0, mode="max"))
    trainer.fit(loader(noise()), epochs=5)
    lines = text.getvalue().splitlines()
    assert lines[0].startswith("epoch 1/5  steps 4  loss ") and lines[0].endswith(" s")
    assert lines[-1].startswith("stopped: loss has not improved on") and "\x1b" not in text.getvalue()
    terminal = io.StringIO()
    console = Console(file=terminal, width=120, force_terminal=True, legacy_windows=False)
    history = make(train.Progress(console, every=0.0)).fit(loader(noise()), epochs=30).history
    out = terminal.getvalue()
    assert "epoch 7/30  loss" in out and "120/120" in out
    table = out[out.rindex("epoch   steps") if "epoch   steps" in out else out.rindex("seconds") :]
    assert f"{history[-1]['loss']:.4g}" in table and "..." in table
