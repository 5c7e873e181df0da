"""The prediction of lesson 7: it needs the saved file and nothing of the training."""

import json
from pathlib import Path
from typing import Annotated, Optional

import model as lesson
import numpy as np
import typer

import corten
from corten.atomic import atomic_write
from corten.cli.errors import CommandError, command
from corten.data import DataLoader, read_csv


def counts(model, tabular, rows, batch_size=1024):
    """Bikes in an hour for each row, batch by batch."""
    with corten.no_grad():
        parts = [model(x) for x in DataLoader(list(tabular.transform(rows)), batch_size)]
        scaled = corten.cat(parts) if parts else corten.zeros(0, 1)
        return np.maximum(tabular.inverse_target(scaled).numpy()[:, 0], 0)


@command
def predict(
    data: Annotated[Optional[Path], typer.Option(help="A CSV file with a row for each hour.")] = None,
    out: Annotated[Optional[Path], typer.Option(help="Write the counts here, one a line.")] = None,
    hr: Annotated[Optional[int], typer.Option(min=0, max=23, help="Hour of the day.")] = None,
    temp: Annotated[Optional[float], typer.Option(min=0, max=1)] = None,
    hum: Annotated[Optional[float], typer.Option(min=0, max=1)] = None,
    windspeed: Annotated[Optional[float], typer.Option(min=0, max=1)] = None,
    workingday: Annotated[Optional[int], typer.Option(min=0, max=1)] = None,
    model: Annotated[Path, typer.Option(help="What train saved.")] = lesson.MODEL,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line.")] = False,
):
    """Print the expected count of one hour, or of every row of a file."""
    network, tabular, held_out = lesson.load(model)
    error = held_out.get("test_mae", held_out["validation_mae"])
    given = {"hr": hr, "temp": temp, "hum": hum, "windspeed": windspeed, "workingday": workingday}
    if data is None:
        if hr is None:
            raise CommandError("give --data FILE, or --hr and what else is known of the hour")
        row = {name: float("nan") if value is None else value for name, value in given.items()}
        count = float(counts(network, tabular, row)[0])
        if as_json:
            print(json.dumps({"count": count, "held_out_mae": error}))
        else:
            typer.echo(f"{count:.0f} bikes in this hour (held-out error: +- {error:.0f})")
        return
    if any(value is not None for value in given.values()):
        raise CommandError("give --data or the values of one hour, not both")
    table = read_csv(data)
    found = counts(network, tabular, table)
    text = "".join(f"{count:.0f}\n" for count in found)
    if out is not None:
        with atomic_write(out) as file:
            file.write(text.encode())
    if as_json:
        print(json.dumps({"counts": [round(float(c), 1) for c in found], "held_out_mae": error}))
    elif out is None:
        typer.echo(text, nl=False)
    if lesson.TARGET in table.names and len(table):
        difference = float(np.abs(found - table.numbers(lesson.TARGET)).mean())
        typer.echo(
            f"{len(found)} hours; mean absolute error against the file's own {lesson.TARGET}: {difference:.1f}",
            err=True,
        )
