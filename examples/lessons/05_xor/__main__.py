"""``python examples/lessons/05_xor`` runs main.py."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).with_name("main.py")), run_name="__main__")
