"""Run unmodified PyTorch scripts on Corten.

From the shell::

    python -m corten.compat.torch script.py [arguments]
    python -m corten.compat.torch -m package.module [arguments]

or in a program, before ``torch`` is imported::

    from corten.compat.torch import install
    install()
    import torch

Modules of the names ``torch`` and ``torch.*`` then show Corten's; ``torchvision`` shows the part that tutorials use, when
torchvision itself is absent or belongs to PyTorch. What is missing raises AttributeError, ImportError or
NotImplementedError and names it.
"""

from __future__ import annotations

import sys

__all__ = ["install", "main", "uninstall"]


def install() -> None:
    """Let ``import torch`` give Corten.

    Raises RuntimeError when PyTorch itself was imported already.
    """
    from corten.compat.torch import mirror

    mirror.install()


def uninstall() -> None:
    """Forget the modules named ``torch``; what was imported from them stays what it is."""
    from corten.compat.torch import mirror

    mirror.uninstall()


def main(arguments: list[str] | None = None) -> int:
    """``python -m corten.compat.torch script.py | -m module [arguments]``: the exit code."""
    import runpy
    from pathlib import Path

    arguments = list(sys.argv[1:] if arguments is None else arguments)
    usage = "usage: python -m corten.compat.torch script.py | -m module [arguments]"
    if not arguments or arguments[0] in ("-h", "--help") or arguments == ["-m"]:
        asked = arguments[:1] in (["-h"], ["--help"])
        print(usage, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    install()
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return 0
    script = Path(arguments[0])
    if not script.is_file():
        print(f"[corten.compat.torch] there is no file {script}", file=sys.stderr)
        return 2
    sys.argv = arguments
    sys.path[0] = str(script.resolve().parent)
    runpy.run_path(str(script), run_name="__main__")
    return 0
