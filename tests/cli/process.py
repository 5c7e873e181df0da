"""Running the command in a process of its own."""

import subprocess
import sys

QUICK = ("--data", "digits", "--epochs", "2", "--batch-size", "16", "--lr", "0.1")


def command_line(*arguments):
    """The command line of a real process."""
    return [sys.executable, "-m", "corten.cli", *map(str, arguments)]


def corten(*arguments, code=0, **options):
    """Run the command in a process of its own and check its exit code and that it shows no traceback."""
    done = subprocess.run(command_line(*arguments), capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr and "Traceback" not in done.stdout, done.stderr
    return done
