"""Every numbered example runs in its quick form, reaches its metrics and draws its figures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(p for p in (ROOT / "examples").iterdir() if (p / "main.py").is_file() and p.name[:2].isdigit())


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda p: p.name)
def test_quick_run_reaches_its_goals(folder, tmp_path):
    done = subprocess.run([sys.executable, str(folder), "--quick", "--out", str(tmp_path), "--json"],
                          capture_output=True, text=True, timeout=170)  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    result = json.loads(done.stdout)
    if out := os.environ.get("CORTEN_EXAMPLES_OUT"):  # for tools/example_gallery.py --of
        (Path(out) / f"{folder.name}.json").write_text(done.stdout)
    assert result["example"] == folder.name
    assert result["data"]
    assert result["metrics"] and all(m["met"] for m in result["metrics"])
    assert any(m["goal"] for m in result["metrics"]), "no metric has a goal"
    assert result["agreements"], "the two implementations were not compared"
    assert result["speedups"], "their times were not compared"
    assert result["figures"]
    for name in result["figures"]:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda p: p.name)
def test_readme_has_its_parts(folder):
    text = (folder / "README.md").read_text()
    for part in ("## Why it matters", "## The idea", "## The mathematics", "## The architecture", "## Terms",
                 "## Where it is used", "## Pitfalls", "## Exercises", "## History and today", "## Sources"):  # fmt: skip
        assert part in text, part
    assert "```mermaid" in text and "$$" in text and "Path:" in text and "int:" in text
