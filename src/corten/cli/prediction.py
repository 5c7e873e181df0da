"""``corten predict``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import typer

import corten
from corten.train.classifier_file import Description, load

from . import images as image_files
from .errors import message
from .training import MODEL


def run(path: Path, arguments: list[str], invert: str, as_json: bool) -> None:
    """Print what the model sees in each image. One that cannot be read does not keep the others back."""
    model, description = load(path / MODEL if path.is_dir() else path)
    failed = False
    for argument in arguments:
        try:
            for name, pixels in image_files.read(argument, description, invert):
                _print(name, _probabilities(model, description, pixels), description, as_json)
        except (OSError, ValueError) as error:
            text = message(error)
            typer.echo(f"error: {text if argument in text or ',' in argument else f'{argument}: {text}'}", err=True)
            failed = True
    if failed:
        raise typer.Exit(1)


def _probabilities(model: object, description: Description, pixels: np.ndarray) -> list[float]:  # type: ignore[type-arg]
    x = corten.from_numpy(pixels.reshape(1, -1).astype(np.float32))
    x = x.sub_(description.mean * description.white).div_(description.std * description.white)
    with corten.no_grad():
        values: list[float] = corten.nn.functional.softmax(model(x), dim=1)[0].tolist()  # type: ignore[operator]
    return values


def _print(name: str, probabilities: list[float], description: Description, as_json: bool) -> None:
    ranked = sorted(zip(probabilities, description.classes, strict=True), key=lambda pair: -pair[0])
    if as_json:
        line = {"image": name, "class": ranked[0][1],
                "probabilities": dict(zip(description.classes, probabilities, strict=True))}  # fmt: skip
        typer.echo(json.dumps(line))
        return
    typer.echo(f"{name}: {ranked[0][1]}")
    typer.echo("  " + "  ".join(f"{label} {100 * p:.2f} %" for p, label in ranked))
