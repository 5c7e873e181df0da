"""``python -m benches.table [--rows A1,A3] [--quick]``: measures rows and writes them into ``benches/RESULTS.md``.

Rows that are not measured now are kept from earlier runs on the same processor, each with its date; a row that falls short
stays in the table, and so does one whose results did not agree.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import datetime
import importlib
import itertools
import json
import math
import os
import platform
import sys
import time
from typing import Any

from benches.measure import HERE, Pool, Result, Summary, cpu_name, measure, measure_ceilings, rows_of, versions

STORE = HERE / "results.json"
PAGE = HERE / "RESULTS.md"
CROWD, WORST = 100, 10  # of a key with more rows, the page shows the worst ones; results.json has all
PACKAGES = ("numpy", "scipy", "torch", "jax", "scikit-learn", "scikit-learn-intelex", "lightgbm", "xgboost", "onnxruntime")


def modules() -> list[str]:
    """The modules that have rows: ``*_rows.py``, and ``learn_*.py``."""
    found = sorted(p.stem for p in [*HERE.glob("*_rows.py"), *HERE.glob("learn_*.py")])
    return [f"benches.{name}" for name in found]


def keys_of(module: str) -> set[str]:
    """The keys of a module's rows: its literal ``KEYS``, read without importing it, or those of the rows themselves."""
    for node in ast.parse((HERE / f"{module.partition('.')[2]}.py").read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "KEYS":
            return set(ast.literal_eval(node.value))
    return {row.key for row in rows_of(module).values()}


def seconds(t: float) -> str:
    """A time in a unit that fits."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if t * scale >= 1:
            return f"{t * scale:.3g} {unit}"
    return f"{t * 1e9:.3g} ns"


def load() -> dict[str, Any]:
    """Earlier results on this processor."""
    empty = {"cpu": cpu_name(), "cores": os.cpu_count(), "rows": {}, "summaries": {}, "figures": {}}
    if not STORE.exists():
        return empty
    found = json.loads(STORE.read_text())
    return found if (found["cpu"], found["cores"]) == (empty["cpu"], empty["cores"]) else empty


def wanted(key: str, name: str, parts: list[str]) -> bool:
    """Whether a row is asked for, by its key or by a part of its name."""
    return not parts or any(p == key or (len(p) > 2 and p in name) for p in parts)


def geometric_mean(store: dict[str, Any], summary: dict[str, Any]) -> tuple[float, int]:
    """Of the ratios of a summary's rows, and how many they are."""
    ratios = [r["ratio"] for r in store["rows"].values()
              if r["key"] == summary["key"] and summary["part"] in r["name"] and r["ratio"] > 0]  # fmt: skip
    return (math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else 0.0), len(ratios)


def write(store: dict[str, Any]) -> None:
    """The page, from all that is stored."""
    c = store.get("ceilings") or {}
    lines = ["# Measured", "", "Written by `python -m benches.table`; see `benches/README.md` for how. Ratio: the fastest peer's time over "
             "ours, the median over the turns, with its quartiles; above 1 we are faster. Rows that fall short stay.", ""]  # fmt: skip
    lines += [f"- {store['cpu']}, {store['cores']} cores, {platform.system()} {platform.machine()}",
              f"- {', '.join(store.get('versions', []))}"]  # fmt: skip
    if c:
        lines.append(
            f"- ceilings in the last run: {c['peak_f32'] / 1e9:.0f} GFLOP/s float32 and {c['peak_f64'] / 1e9:.0f} float64 on "
            f"registers alone (one core {c['peak_f32_one_core'] / 1e9:.0f} and {c['peak_f64_one_core'] / 1e9:.0f}); triad "
            f"{c['triad'] / 1e9:.1f} GB/s (one core {c['triad_one_core'] / 1e9:.1f})")  # fmt: skip
    lines += ["", "| # | workload | goal | ratio | quartiles | ours | peers | share of ceiling | met | date |",
              "| --- | --- | ---: | ---: | ---: | ---: | --- | --- | --- | --- |"]  # fmt: skip
    order = sorted(store["rows"].values(), key=lambda r: (r["key"][0], int(r["key"][1:] or 0) if r["key"][1:].isdigit() else 99))
    shown: list[dict[str, Any]] = []
    crowds = set()
    for key, group in itertools.groupby(order, key=lambda r: r["key"]):
        rows = list(group)
        if len(rows) > CROWD:
            crowds.add(key)
            rows = sorted(rows, key=lambda r: r["ratio"])[:WORST]
        shown += rows
    done: set[str] = set()
    for r in shown:
        if r["key"] not in done:
            done.add(r["key"])
            for s in store["summaries"].values():
                if s["key"] == r["key"]:
                    mean, n = geometric_mean(store, s)
                    rest = f", of which the worst {WORST} follow; `results.json` has all" if r["key"] in crowds else ""
                    lines.append(f"| {s['key']} | **geometric mean of {n} rows{' of ' + s['part'] if s['part'] else ''}**{rest} | "
                                 f"{s['goal']:g} | **{mean:.2f}** | | | | | {'yes' if mean >= s['goal'] else '**no**'} | |")
        name = r["name"] + (f" ({r['note']})" if r["note"] else "")
        if r.get("error"):
            lines.append(f"| {r['key']} | {name} | {r['goal']:g} | **{r['error']}** | | | | | **no** | {r['date']} |")
            continue
        peers = ", ".join(f"{k} {seconds(t)}" for k, t in r["peers"].items())
        goal, met = (f"{r['goal']:g}", "yes" if r["ratio"] >= r["goal"] else "**no**") if r["goal"] else ("", "")
        lines.append(f"| {r['key']} | {name} | {goal} | {r['ratio']:.2f} | {r['low']:.2f} ... {r['high']:.2f} | "
                     f"{seconds(r['ours'])} | {peers} | {r['share']} | {met} | {r['date']} |")  # fmt: skip
    lines += ["", "| # | figure | goal | measured | met | date |", "| --- | --- | --- | --- | --- | --- |"]
    for f in store["figures"].values():
        met = {True: "yes", False: "**no**", None: ""}[f["met"]]
        lines.append(f"| {f['key']} | {f['name']} | {f['goal']} | {f['value']} | {met} | {f['date']} |")
    PAGE.write_text("\n".join(lines) + "\n")


def save(store: dict[str, Any]) -> None:
    """Keep the results, and write the page."""
    parts = []
    for key, value in store.items():
        lines = value.items() if key in ("rows", "figures", "summaries") else ()
        text = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in lines)  # a line each
        parts.append(f'"{key}": ' + (f"{{\n{text}\n}}" if lines else json.dumps(value)))
    STORE.write_text("{\n" + ",\n".join(parts) + "\n}\n")
    write(store)


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m benches.table", description=__doc__)
    parser.add_argument("--rows", default="", help="keys or parts of names, by commas; all when absent")
    parser.add_argument("--quick", action="store_true", help="three turns only; the page is not written")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    options = parser.parse_args()
    parts = [p.strip() for p in options.rows.split(",") if p.strip()]
    store = load()
    if not options.list:
        store["ceilings"] = ceilings = measure_ceilings()
        store["versions"] = [f"Python {platform.python_version()}", *versions(PACKAGES)]
    for module in modules():
        if parts and all(len(p) <= 3 for p in parts) and not set(parts) & keys_of(module):
            continue
        for s in getattr(importlib.import_module(module), "SUMMARIES", ()):
            assert isinstance(s, Summary)
            store["summaries"][f"{s.key} {s.part}"] = dataclasses.asdict(s)
        pool = Pool(module)
        try:
            for name, row in rows_of(module).items():
                if not wanted(row.key, name, parts):
                    continue
                if options.list:
                    print(row.key, name)
                    continue
                started = time.perf_counter()
                try:
                    result: Result | None = measure(pool, row, ceilings, options.quick)
                    entry = dataclasses.asdict(result)  # type: ignore[arg-type]
                except (AssertionError, RuntimeError) as error:
                    what = " ".join(str(error).split())[:160].replace("|", "/")
                    entry = dataclasses.asdict(Result(row.key, name, row.goal, 0, 0, 0, 0, {}, "")) | {"error": what}
                store["rows"][f"{row.key} {name}"] = entry
                peers = ", ".join(f"{k} {seconds(t)}" for k, t in entry["peers"].items())
                print(f"{row.key} {name}: " + (entry.get("error") or f"{entry['ratio']:.2f} ({entry['low']:.2f} ... "
                      f"{entry['high']:.2f}), goal {row.goal:g}; {seconds(entry['ours'])} against {peers} {entry['share']} "
                      f"[{time.perf_counter() - started:.1f} s]"), flush=True)  # fmt: skip
                if not options.quick:  # after every row: what is cut short keeps what it has
                    save(store)
        finally:
            pool.close()
        figures = getattr(importlib.import_module(module), "figures", None)
        if figures is not None and not options.list and not options.quick:
            keys = importlib.import_module(module).KEYS
            for f in figures(set(parts) if parts else keys):
                store["figures"][f"{f['key']} {f['name']}"] = f | {"date": datetime.date.today().isoformat()}
                print(f"{f['key']} {f['name']}: {f['value']}, goal {f['goal']}", flush=True)
                save(store)
    return 0


if __name__ == "__main__":
    sys.exit(main())
