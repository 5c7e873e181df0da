"""``corten examples``: the numbered examples, found by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import typer

import corten

from .errors import CommandError


def folder() -> Path:
    """Where the examples are: in the package, or beside the sources of a checkout.

    Raises
    ------
    CommandError
        When neither has them.
    """
    package = Path(corten.__file__).resolve().parent
    for place in (package / "examples", package.parents[1] / "examples"):
        if place.is_dir():
            return place
    raise CommandError(f"no examples beside {package}: this installation came without them")


def all_examples() -> dict[str, Path]:
    """Names without their numbers, in order."""
    found = sorted(p for p in folder().iterdir() if p.name[:2].isdigit() and (p / "main.py").is_file())
    return {p.name[3:]: p for p in found}


def show() -> None:
    """Print the list: number, name, and the first line of each README's idea."""
    for name, path in all_examples().items():
        summary = (path / "main.py").read_text(encoding="utf-8").splitlines()[0].strip('"').rstrip(".")
        typer.echo(f"{path.name[:2]}  {name:<24} {summary}")


def run(name: str, arguments: list[str]) -> int:
    """Run an example in a process of its own and give its exit code.

    Raises
    ------
    CommandError
        When there is none of this name, or several whose names begin with it.
    """
    examples = all_examples()
    wanted = name[3:] if name[:2].isdigit() and name[2:3] == "_" else name
    matches = [wanted] if wanted in examples else [n for n in examples if n.startswith(wanted)]
    if name[:2].isdigit() and len(name) == 2:
        matches = [n for n, path in examples.items() if path.name.startswith(name)]
    if len(matches) != 1:
        raise CommandError(f"{name} names {'no example' if not matches else 'several examples'}, expected one of "
                           f"{', '.join(matches or examples)}")  # fmt: skip
    return subprocess.run([sys.executable, str(examples[matches[0]]), *arguments]).returncode
