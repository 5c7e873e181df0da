"""Runs the numbered examples and writes what they reached: the table in examples/README.md, the gallery with their pictures.

``python tools/example_gallery.py`` runs all sixteen in full; ``--quick`` in seconds; names run some and keep the other rows.
``--check`` runs none and says whether the table has every example in full and is what the results give. ``--of FOLDER`` prints
the table of runs that ended elsewhere, one JSON file each: the tests leave them in the folder that CORTEN_EXAMPLES_OUT names.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
STORE = EXAMPLES / "results.json"
PAGE = EXAMPLES / "README.md"
GALLERY = ROOT / "docs" / "gallery.md"
BEGIN, END = "<!-- table: made by tools/example_gallery.py -->", "<!-- end of table -->"


def folders() -> list[Path]:
    """The numbered examples in order."""
    return sorted(p for p in EXAMPLES.iterdir() if p.name[:2].isdigit() and (p / "main.py").is_file())


def run(folder: Path, quick: bool) -> dict | None:
    """Run one in a folder of its own; its pictures, made small, go into the gallery. None when it missed a goal."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, str(folder), "--json", "--out", out, *(["--quick"] if quick else [])]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            print(f"{folder.name} ended with {done.returncode}", file=sys.stderr)
            return None
        result = json.loads(done.stdout)
        pictures = ROOT / "docs" / "gallery"
        pictures.mkdir(parents=True, exist_ok=True)
        for name in result["figures"]:
            with Image.open(Path(out, name)) as image:
                image = image.convert("RGB")
                image.thumbnail((1100, 1100))
                data = io.BytesIO()
                image.quantize(128).save(data, "PNG", optimize=True)
            (pictures / f"{folder.name}-{name}").write_bytes(data.getvalue())
    return result


def table(results: dict[str, dict]) -> str:
    """A row for each example."""
    lines = ["| example | data | metric reached (goal) | as fast as from scratch | seconds |",
             "| --- | --- | --- | ---: | ---: |"]  # fmt: skip
    for name, r in sorted(results.items()):
        metrics = "; ".join(f"{m['name']} {m['value']:.4g}" + (f" ({m['goal']})" if m["goal"] else "") for m in r["metrics"])
        speed = max((s["ratio"] for s in r["speedups"]), default=0)
        size = " (quick)" if r["quick"] else ""
        lines.append(f"| [{name}]({name}/README.md){size} | {r['data']} | {metrics} | {speed:.1f} x | {r['seconds']:.0f} |")
    return "\n".join(lines)


def page(results: dict[str, dict]) -> str:
    """The examples' README with the table of these results."""
    head, _, rest = PAGE.read_text().partition(BEGIN)
    return f"{head}{BEGIN}\n{table(results)}\n{END}{rest.partition(END)[2]}"


def gallery(results: dict[str, dict]) -> str:
    """All pictures on one page."""
    lines = ["# Gallery", "", "What the sixteen examples draw, on the data that they train on. "
             "Made by `python tools/example_gallery.py`.", ""]  # fmt: skip
    for name, r in sorted(results.items()):
        lines += [f"## [{name[:2]} {name[3:].replace('_', ' ')}](../examples/{name}/README.md)", "", f"{r['data']}.", ""]
        for figure in r["figures"]:
            lines += [f"![{figure.removesuffix('.png').replace('_', ' ')}](gallery/{name}-{figure})", ""]
    return "\n".join(lines)


def main() -> int:
    """Run, and write both pages."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--of", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    if options.of:
        print(table({p.stem: json.loads(p.read_text()) for p in options.of.glob("*.json")}))
        return 0
    results = json.loads(STORE.read_text()) if STORE.exists() else {}
    if options.check:
        faults = [f"{f.name} has no full run" for f in folders() if results.get(f.name, {"quick": True})["quick"]]
        faults += [f"{name} took {r['seconds']:.0f} s" for name, r in results.items() if r["seconds"] >= 120]
        if PAGE.read_text() != page(results):
            faults.append(f"{PAGE.relative_to(ROOT)} is not what {STORE.name} gives")
        if GALLERY.read_text() != gallery(results):
            faults.append(f"{GALLERY.relative_to(ROOT)} is not what {STORE.name} gives")
        print("\n".join(faults) or "the table is whole")
        return bool(faults)
    failed = []
    for folder in folders():
        if not options.names or folder.name in options.names or folder.name[:2] in options.names:
            if (result := run(folder, options.quick)) is None:
                failed.append(folder.name)
                continue
            results[folder.name] = result
            STORE.write_text(json.dumps(results, indent=1) + "\n")  # what is cut short keeps what it has
    PAGE.write_text(page(results))
    GALLERY.write_text(gallery(results))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
