"""Writes docs/ops.md: every declared op with its signature, kernels, gradient and reference. ``--check`` only compares."""

import sys
from pathlib import Path

from corten._core.core import REGISTRY, Op

import corten.fft
import corten.linalg
import corten.ops.signal
import corten.special  # noqa: F401

PAGE = Path(__file__).parents[1] / "docs" / "ops.md"


def first_line(op: Op) -> str:
    """The sentence of the docstring."""
    return (op.__doc__ or "").strip().split("\n")[0].replace("|", "\\|")


def page() -> str:
    """The whole page."""
    rows = ["# Ops", "", "Made by `python tools/op_table.py` from the declarations in `src/corten/ops/`.", "",
            "| op | what | kernel for | gradient | reference |", "| --- | --- | --- | --- | --- |"]  # fmt: skip
    for name, op in sorted(REGISTRY.items()):
        if not isinstance(op, Op) or name.endswith("_") or name == "custom_function":
            continue
        kernels = ", ".join(d.name for d in op.has_kernel) or ("view" if op.declaration["view"] else "Python")
        gradient = "none" if not op.is_differentiable else "fused" if op.declaration["vjp_fused"] else "yes"
        signature = op.signature.replace("|", "\\|")
        rows.append(f"| `{signature}` | {first_line(op)} | {kernels} | {gradient} | {'yes' if op.reference else ''} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text() == page() else "docs/ops.md is old: run python tools/op_table.py")
    PAGE.write_text(page())
    print(f"{PAGE}: {page().count(chr(10)) - 6} ops")
