"""Lesson 6: how many bikes will be rented, from a CSV file to a saved model and its prediction."""

import json
import os
import time
from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import typer

import corten
from corten import nn
from corten.cli import course
from corten.cli.errors import CommandError, command
from corten.data import Tabular, read_csv

FEATURES = ["hr", "temp", "hum", "windspeed", "workingday"]
TARGET = "cnt"
HIDDEN = 64
FORMAT = "corten bike"
MODEL = Path("runs/lessons/06_bike_sharing/bike.safetensors")

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None,
                  pretty_exceptions_enable=False)  # fmt: skip


def make_models():
    """A plane, and a network with two hidden layers; both from 5 scaled features to the scaled count."""
    return {
        "linear": nn.Linear(len(FEATURES), 1),
        "neural": nn.Sequential(nn.Linear(len(FEATURES), HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(),
                                nn.Linear(HIDDEN, 1)),
    }  # fmt: skip


def fit(model, x, y, epochs, batch_size, on_epoch):
    """Mini-batch descent with Adam; calls ``on_epoch(number, mean loss)`` after each epoch."""
    optimizer = corten.optim.Adam(model.parameters(), lr=3e-3)
    criterion = nn.MSELoss()
    n = x.shape[0]
    for epoch in range(1, epochs + 1):
        for group in optimizer.param_groups:  # from 0.003 down along half a cosine
            group["lr"] = 3e-3 * 0.5 * (1 + np.cos(np.pi * (epoch - 1) / epochs))
        order = corten.randperm(n)
        shuffled_x, shuffled_y = x.index_select(0, order), y.index_select(0, order)
        total = 0.0
        for start in range(0, n, batch_size):
            batch_x, batch_y = shuffled_x[start : start + batch_size], shuffled_y[start : start + batch_size]
            optimizer.zero_grad()
            loss = criterion(model(batch_x), batch_y)
            loss.backward()
            optimizer.step()
            total += loss.item() * batch_x.shape[0]
        on_epoch(epoch, total / n)


def errors(predicted, truth):
    """Mean absolute error, root mean squared error, and share of the variance explained."""
    difference = predicted - truth
    return {
        "mae": float(np.abs(difference).mean()),
        "rmse": float(np.sqrt((difference**2).mean())),
        "r2": float(1 - (difference**2).sum() / ((truth - truth.mean()) ** 2).sum()),
    }


def counts(model, tabular, rows):
    """Bikes in an hour for each row, never below 0."""
    with corten.no_grad():
        return np.maximum(tabular.inverse_target(model(tabular.transform(rows))).numpy()[:, 0], 0)


@app.command()
@command
def train(
    data: Annotated[Optional[Path], typer.Option(
        help="The file hour.csv. [default: $CORTEN_DATA/bike_sharing/hour.csv]", show_default=False)] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 50,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    out: Annotated[Path, typer.Option(help="The file that gets models and normalisation.")] = MODEL,
    seed: Annotated[int, typer.Option(help="Split, weights and order.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="At most 8 epochs, and lower goals.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 where a goal of the lesson is missed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Results as one JSON line; all else goes to stderr.")] = False,
):  # fmt: skip
    """Train a linear and a neural model, compare them on hours that neither has seen, and save both."""
    if data is None:
        if "CORTEN_DATA" not in os.environ:
            raise CommandError("give --data hour.csv: see the README of the lesson for where to get it")
        data = Path(os.environ["CORTEN_DATA"], "bike_sharing", "hour.csv")
    epochs = min(epochs, 8) if quick else epochs
    run = course.Run("06_bike_sharing", quick, seed, out.parent, quiet=as_json)
    table = read_csv(data)
    table.require([*FEATURES, TARGET], str(data))
    if len(table) < 10:
        raise CommandError(f"{data}: {len(table)} rows, expected at least 10")
    run.uses(f"{data}, {len(table):,} hours")

    order = np.random.default_rng(seed).permutation(len(table))
    held = table[order[: len(table) // 5]]
    training = table[order[len(table) // 5 :]]
    tabular = Tabular(FEATURES, target=TARGET).fit(training)  # statistics of the training part alone
    x, y = tabular.transform(training), tabular.transform_target(training)
    truth = np.asarray(held[TARGET], float)

    corten.manual_seed(seed)
    models = make_models()
    scores = {"mean of all hours": errors(np.full(len(truth), np.mean(training[TARGET])), truth)}
    curves = {}
    began = time.perf_counter()
    for name, model in models.items():
        run.heading(name)
        curve = curves[name] = []

        def tell(epoch, loss, curve=curve):
            curve.append(loss)
            if epoch in (1, epochs) or epoch % max(1, epochs // 5) == 0:
                run.say(f"epoch {epoch:>3}/{epochs}  training loss {loss:.4f}")

        fit(model, x, y, epochs, batch_size, tell)
        scores[name] = errors(counts(model, tabular, held), truth)
    seconds = time.perf_counter() - began

    run.heading(f"On {len(truth):,} hours that were held out, in bikes")
    run.table(["model", "MAE", "RMSE", "R2"], [[name, *score.values()] for name, score in scores.items()])
    out.parent.mkdir(parents=True, exist_ok=True)
    state = {name: model.state_dict() for name, model in models.items()}
    corten.save({"format": FORMAT, "tabular": tabular.state_dict(), "models": state, "held_out": scores}, out)
    run.say(f"saved {out}")
    draw(run, curves, held, truth, {name: counts(model, tabular, held) for name, model in models.items()})
    run.metric("held-out MAE of the neural model, bikes", scores["neural"]["mae"], at_most=75 if quick else 58)
    run.metric("linear over neural", scores["linear"]["mae"] / scores["neural"]["mae"], at_least=1.4 if quick else 1.8)
    if as_json:
        print(json.dumps({"rows": len(table), "epochs": epochs, "held_out": scores, "model": str(out),
                          "seconds": round(seconds, 3), "metrics": run.metrics}))  # fmt: skip
    if check and not all(m["met"] for m in run.metrics):
        raise typer.Exit(1)


def draw(run, curves, held, truth, predicted):
    """Learning curves, and the mean count at each hour of the day."""
    figure, (left, right) = run.subplots(1, 2, (12, 4.4), "Bike sharing")
    for name, curve in curves.items():
        left.plot(range(1, len(curve) + 1), curve, label=name)
    left.set(xlabel="epoch", ylabel="training loss (scaled)")
    left.legend()
    hours = np.asarray(held["hr"])
    present = np.unique(hours)
    for name, values in {"truth": truth, **predicted}.items():
        right.plot(present, [values[hours == h].mean() for h in present], "k--" if name == "truth" else "-", label=name)
    right.set(xlabel="hour of the day", ylabel="bikes, mean of the held-out hours")
    right.legend()
    run.save(figure, "bike")


def load(path):
    """Models, normalisation and held-out errors of a file.

    Raises
    ------
    CommandError
        When it is none of this lesson's.
    """
    saved = corten.load(path)
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        raise CommandError(f"{path} is no file of this lesson")
    models = make_models()
    for name, model in models.items():
        model.load_state_dict(saved["models"][name])
    return models, Tabular.from_state_dict(saved["tabular"]), saved["held_out"]


@app.command()
@command
def predict(
    hr: Annotated[Optional[int], typer.Option(min=0, max=23, help="Hour of the day.")] = None,
    temp: Annotated[Optional[float], typer.Option(min=0, max=1, help="Temperature: degrees C over 41.")] = None,
    hum: Annotated[Optional[float], typer.Option(min=0, max=1, help="Humidity, from 0 to 1.")] = None,
    windspeed: Annotated[Optional[float], typer.Option(min=0, max=1, help="Wind: km/h over 67.")] = None,
    workingday: Annotated[Optional[int], typer.Option(min=0, max=1, help="1: neither weekend nor holiday.")] = None,
    model: Annotated[Path, typer.Option(help="What train saved.")] = MODEL,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line.")] = False,
):  # fmt: skip
    """Print how many bikes both models expect; what is not given takes its mean over the training hours."""
    given = {"hr": hr, "temp": temp, "hum": hum, "windspeed": windspeed, "workingday": workingday}
    if all(value is None for value in given.values()):
        raise CommandError("give at least one of --hr, --temp, --hum, --windspeed, --workingday")
    if not model.exists():
        raise CommandError(f"{model} is not there: train first, or give --model")
    models, tabular, scores = load(model)
    row = {name: float("nan") if value is None else float(value) for name, value in given.items()}
    found = {name: float(counts(m, tabular, row)[0]) for name, m in models.items()}
    if as_json:
        print(json.dumps({name: {"count": found[name], "held_out_mae": scores[name]["mae"]} for name in found}))
        return
    for name in ("neural", "linear"):
        typer.echo(f"{name}: {found[name]:.0f} bikes in this hour (held-out error: +- {scores[name]['mae']:.0f})")
    if absent := [f"{name} {tabular.offsets[name][2]:.3g}" for name, value in given.items() if value is None]:
        typer.echo(f"not given, so their training mean: {', '.join(absent)}", err=True)


if __name__ == "__main__":
    app()
