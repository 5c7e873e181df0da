"""The ``corten`` command."""

import sys


def main() -> None:
    """Run the command line of this process and exit: with 0, 1 after an error, 2 for bad usage, 130 for Ctrl-C."""
    try:
        from .app import app

        app(prog_name="corten")
    except KeyboardInterrupt:  # before a command could take it
        sys.exit(130)
