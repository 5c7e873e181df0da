"""How commands end: results on stdout, errors as one message on stderr, never as a traceback."""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

P = ParamSpec("P")
R = TypeVar("R")

INTERRUPTED = 130


class CommandError(Exception):
    """Something that the user can put right; the message says what."""


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Turn the exceptions of bad input and bad luck into a message and an exit code.

    With ``CORTEN_DEBUG=1`` they keep their traceback.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # the reader of our output has gone, as in `corten info | head -1`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except (CommandError, OSError, ValueError, ArithmeticError, MemoryError, ImportError) as error:
            if os.environ.get("CORTEN_DEBUG", "0") not in ("", "0"):
                raise
            typer.echo(f"error: {message(error)}", err=True)
            raise typer.Exit(1) from None

    return run


def message(error: BaseException) -> str:
    """One readable message for an exception."""
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            text = "no space left on the disk"
        return f"{error.filename}: {text}" if error.filename is not None else text
    return str(error) or type(error).__name__
