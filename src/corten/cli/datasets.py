"""The data sets that the commands know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import typer

from corten.data import datasets, sources

from .errors import CommandError


@dataclass(frozen=True)
class Entry:
    """A data set: its class, where its files come from (None: from the package), and how to describe it."""

    kind: Callable[..., Any]
    source: sources.Source | None
    summary: str


CATALOGUE = {
    "mnist": Entry(datasets.MNIST, datasets.MNIST_SOURCE, "60,000 + 10,000 handwritten digits, 28 x 28"),
    "fashion": Entry(
        datasets.FashionMNIST, datasets.FASHION_MNIST_SOURCE, "60,000 + 10,000 pieces of clothing, 28 x 28"
    ),
    "digits": Entry(datasets.Digits, None, "1,437 + 360 handwritten digits, 8 x 8"),
}


def where(entry: Entry) -> str | None:
    """The folder that has the data set, or None."""
    if entry.source is None:
        return "in the package"
    found = sources.find(entry.source)
    return None if found is None else str(found[0].parent)


def show() -> None:
    """Print the list."""
    for name, entry in CATALOGUE.items():
        typer.echo(f"{name:<8} {entry.summary:<46} {where(entry) or f'not here (corten data get {name})'}")


def get(names: list[str]) -> None:
    """Find or download data sets."""
    for name in names:
        if name not in CATALOGUE:
            raise CommandError(f"{name} is no data set, expected one of {', '.join(CATALOGUE)}")
        entry = CATALOGUE[name]
        if entry.source is not None:
            sources.locate(entry.source)
        typer.echo(f"{name}: {where(entry)}")
