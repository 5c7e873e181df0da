"""``corten bike`` and ``corten gpt``: lessons that are commands. Their programs are in ``examples/lessons``."""

from __future__ import annotations

import importlib.util
from typing import Any

from .errors import CommandError
from .examples import folder


def load(name: str) -> Any:
    """The module ``main.py`` of a lesson.

    Raises
    ------
    CommandError
        When this installation came without it.
    """
    path = folder() / "lessons" / name / "main.py"
    spec = importlib.util.spec_from_file_location(f"corten_lesson_{name}", path) if path.is_file() else None
    if spec is None or spec.loader is None:
        raise CommandError(f"{path} is not there: this installation came without the lessons")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name: str, command: str, arguments: list[str]) -> None:
    """Run a lesson's own commands under the name of ``corten COMMAND``; it exits."""
    load(name).app(arguments or ["--help"], prog_name=f"corten {command}")
