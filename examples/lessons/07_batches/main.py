"""Lesson 7: bike sharing with Dataset, DataLoader, a validation part and a separate predict."""

import json
import math
import os
from pathlib import Path
from typing import Annotated, Optional

import model as lesson
import numpy as np
import predict as prediction
import typer

import corten
from corten import nn
from corten.cli import course
from corten.cli.errors import CommandError, command
from corten.data import DataLoader, Tabular, random_split, read_csv

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None,
                  pretty_exceptions_enable=False)  # fmt: skip
app.command(name="predict")(prediction.predict)


def train_epoch(model, loader, optimizer, criterion):
    """One pass over the training batches; the mean loss."""
    model.train()  # dropout on
    total = count = 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        count += len(x)
    return total / count


def mean_error(model, loader, tabular):
    """Mean absolute error in bikes."""
    model.eval()  # dropout off
    total = count = 0
    with corten.no_grad():
        for x, y in loader:
            difference = tabular.inverse_target(model(x)) - tabular.inverse_target(y)
            total += difference.abs().sum().item()
            count += len(x)
    return total / count


@app.command()
@command
def train(
    data: Annotated[Optional[Path], typer.Option(
        help="The file hour.csv. [default: $CORTEN_DATA/bike_sharing/hour.csv]", show_default=False)] = None,
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 60,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    patience: Annotated[int, typer.Option(min=1, help="Stop after so many epochs without a better validation error.")] = 10,
    workers: Annotated[int, typer.Option(min=0, help="Loader threads; the result does not depend on it.")] = 0,
    out: Annotated[Path, typer.Option(help="The file that gets the model.")] = lesson.MODEL,
    seed: Annotated[int, typer.Option()] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="At most 6 epochs, and a lower goal.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 where the goal is missed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Results as one JSON line; all else goes to stderr.")] = False,
):  # fmt: skip
    """Train in batches, keep the epoch that is best on the validation part, and test it once."""
    if data is None:
        if "CORTEN_DATA" not in os.environ:
            raise CommandError("give --data hour.csv: see the README of lesson 6 for where to get it")
        data = Path(os.environ["CORTEN_DATA"], "bike_sharing", "hour.csv")
    run = course.Run("07_batches", quick, seed, out.parent, quiet=as_json)
    table = read_csv(data)
    table.require([*lesson.NUMBERS, *lesson.CATEGORIES, lesson.TARGET], str(data))
    if len(table) < 10:
        raise CommandError(f"{data}: {len(table)} rows, expected at least 10")
    run.uses(f"{data}, {len(table):,} hours")

    corten.manual_seed(seed)
    parts = [table[np.asarray(part.indices)] for part in random_split(table, [0.7, 0.15, 0.15])]
    tabular = Tabular(lesson.NUMBERS, lesson.CATEGORIES, lesson.TARGET).fit(parts[0])
    training, validation, test = (lesson.BikeHours(part, tabular) for part in parts)
    batches = DataLoader(training, batch_size, shuffle=True, num_workers=workers)
    validation_batches, test_batches = DataLoader(validation, 1024), DataLoader(test, 1024)

    model = lesson.network(len(tabular.feature_names))
    optimizer = corten.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-3)
    criterion = nn.SmoothL1Loss()  # a rare storm counts by its distance, not by its square
    best, best_epoch, history = float("inf"), 0, []
    for epoch in range(1, (min(epochs, 6) if quick else epochs) + 1):
        for group in optimizer.param_groups:  # down along half a cosine
            group["lr"] = 3e-3 * 0.5 * (1 + math.cos(math.pi * (epoch - 1) / epochs))
        loss = train_epoch(model, batches, optimizer, criterion)
        error = mean_error(model, validation_batches, tabular)
        history.append((loss, error))
        if error < best:
            best, best_epoch = error, epoch
            lesson.save(out, model, tabular, {"validation_mae": error})
        run.say(
            f"epoch {epoch:>3}  training loss {loss:.4f}  validation MAE {error:.1f}{'  best' if best_epoch == epoch else ''}"
        )
        if epoch - best_epoch >= patience:
            run.say(f"no better for {patience} epochs: stopped")
            break

    model, tabular, _ = lesson.load(out)
    error = mean_error(model, test_batches, tabular)
    lesson.save(out, model, tabular, {"validation_mae": best, "test_mae": error, "epoch": best_epoch})
    run.say(f"saved {out} (epoch {best_epoch})")
    figure, left = run.subplots(1, 1, (7, 4), "Bike sharing in batches")
    left.plot([h[0] for h in history], color="tab:blue", label="training loss (scaled)")
    left.set(xlabel="epoch", ylabel="training loss")
    right = left.twinx()
    right.plot([h[1] for h in history], color="tab:orange", label="validation MAE")
    right.set_ylabel("bikes")
    figure.legend(loc="upper right")
    run.save(figure, "training")
    run.metric("test MAE, bikes", error, at_most=62 if quick else 54)
    if as_json:
        print(json.dumps({"rows": len(table), "epochs": len(history), "best_epoch": best_epoch, "validation_mae": best,
                          "test_mae": error, "model": str(out), "metrics": run.metrics}))  # fmt: skip
    if check and not all(m["met"] for m in run.metrics):
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
