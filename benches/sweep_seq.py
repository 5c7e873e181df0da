"""``python -m benches.sweep_seq [--quick] [--write]``: layers of sequences at sizes off the table; prints the worst ten ratios.

Odd steps, batch 1, widths that are no multiple of a vector, heads of 8 ... 256, masks, shared keys, float64. Each case runs in
turns with PyTorch in one process, and its time is that of the process's threads where ``--cpu`` is given (a machine that
others use too), else of the clock. ``--write`` puts the worst ten into SWEEPS.md. Ends with 1 if a ratio is below 0.8.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benches.layer_seq_rows import OURS, library
from benches.sweep_conv import LEAST, table, write

Case = tuple[str, Callable[[Any], Callable[[], Any]]]


def tensors(lib: Any, dtype: str, *shapes: tuple[int, ...]) -> list[Any]:
    """Normal numbers, the same on both sides."""
    rng = np.random.default_rng(0)
    return [lib.tensor(rng.standard_normal(s).astype(dtype)) for s in shapes]


def step(call: Callable[..., Any], leaves: list[Any], backward: bool, lib: Any) -> Callable[[], Any]:
    """The call, alone or with its gradients."""
    if not backward:
        def run() -> Any:
            with lib.no_grad():
                return call()

        return run
    for leaf in leaves:
        leaf.requires_grad_()
    g = lib.ones_like(call().detach())

    def both() -> Any:
        for leaf in leaves:
            leaf.grad = None
        call().backward(g)

    return both


def recurrent(kind: str, sizes: tuple[int, int, int, int], dtype: str, backward: bool, **kwargs: Any) -> Case:
    """A recurrent layer."""
    t, b, i, h = sizes

    def make(lib: Any) -> Callable[[], Any]:
        layer = getattr(lib.nn, kind)(i, h, **kwargs)
        layer = layer.double() if dtype == "float64" else layer
        (x,) = tensors(lib, dtype, (t, b, i))
        return step(lambda: layer(x)[0], [x, *layer.parameters()], backward, lib)

    return f"{kind} {sizes} {dtype} {kwargs or ''} {'forward+backward' if backward else 'forward'}", make


def attention(sizes: tuple[int, ...], dtype: str, form: str, backward: bool) -> Case:
    """Attention with a mask, with shared keys, or causal."""
    b, h, hk, t, s, d = sizes

    def make(lib: Any) -> Callable[[], Any]:
        q, k, v = tensors(lib, dtype, (b, h, t, d), (b, hk, s, d), (b, hk, s, d))
        rng = np.random.default_rng(1)
        mask = {"bool": lambda: rng.random((t, s)) < 0.8, "float": lambda: rng.standard_normal((t, s)).astype(dtype),
                "keys": lambda: np.arange(s) < rng.integers(1, s + 1, (b, 1, 1, 1))}.get(form, lambda: None)()  # fmt: skip
        given = None if mask is None else lib.tensor(mask)
        options = {"is_causal": form == "causal", "enable_gqa": h != hk}

        def call() -> Any:
            return lib.nn.functional.scaled_dot_product_attention(q, k, v, given, **options)

        return step(call, [q, k, v], backward, lib)

    return f"attention {sizes} {dtype} {form} {'forward+backward' if backward else 'forward'}", make


def norm(kind: str, args: tuple[Any, ...], shape: tuple[int, ...], dtype: str, backward: bool) -> Case:
    """A normalisation."""

    def make(lib: Any) -> Callable[[], Any]:
        layer = getattr(lib.nn, kind)(*args)
        layer = layer.double() if dtype == "float64" else layer
        (x,) = tensors(lib, dtype, shape)
        return step(lambda: layer(x), [x, *layer.parameters()], backward, lib)

    return f"{kind}{args} {shape} {dtype} {'forward+backward' if backward else 'forward'}", make


def embedding(kind: str, rows: int, width: int, count: int, backward: bool) -> Case:
    """Rows of a table."""

    def make(lib: Any) -> Callable[[], Any]:
        layer = getattr(lib.nn, kind)(rows, width)
        index = lib.tensor(np.random.default_rng(0).integers(0, rows, (count // 8, 8)))
        return step(lambda: layer(index), list(layer.parameters()), backward, lib)

    return f"{kind} ({rows},{width}) {count} indices {'forward+backward' if backward else 'forward'}", make


def encoder(sizes: tuple[int, int, int, int], backward: bool) -> Case:
    """A layer of a transformer."""
    b, t, e, h = sizes

    def make(lib: Any) -> Callable[[], Any]:
        layer = lib.nn.TransformerEncoderLayer(e, h, 4 * e, 0.0, batch_first=True)
        (x,) = tensors(lib, "float32", (b, t, e))
        return step(lambda: layer(x), [x, *layer.parameters()], backward, lib)

    return f"TransformerEncoderLayer {sizes} {'forward+backward' if backward else 'forward'}", make


def cases() -> Iterator[Case]:
    """All cases."""
    for backward in (False, True):
        for kind in ("LSTM", "GRU", "RNN"):
            for sizes in ((17, 3, 10, 20), (33, 1, 7, 100), (11, 48, 50, 75), (50, 16, 64, 200), (7, 128, 13, 32)):
                yield recurrent(kind, sizes, "float32", backward)
            yield recurrent(kind, (20, 8, 32, 48), "float64", backward)
            yield recurrent(kind, (20, 8, 32, 48), "float32", backward, num_layers=2, bidirectional=True)
        yield recurrent("LSTM", (20, 8, 32, 64), "float32", backward, proj_size=24)
        for form in ("plain", "causal", "bool", "float", "keys"):
            for sizes in ((1, 1, 1, 33, 33, 8), (2, 4, 4, 127, 127, 20), (1, 8, 8, 257, 257, 80), (1, 2, 2, 200, 200, 256)):
                yield attention(sizes, "float32", form, backward)
        yield attention((2, 8, 2, 128, 128, 64), "float32", "causal", backward)
        yield attention((2, 8, 1, 100, 300, 32), "float32", "plain", backward)
        yield attention((2, 4, 4, 1, 300, 64), "float32", "plain", backward)
        yield attention((2, 4, 4, 100, 100, 48), "float64", "causal", backward)
        for shape, args, kind in (((33, 77), (77,), "LayerNorm"), ((7, 5, 1000), (1000,), "LayerNorm"), ((2, 30000), (30000,), "LayerNorm"),
                                  ((3, 10, 17, 19), (5, 10), "GroupNorm"), ((1, 64, 7, 7), (32, 64), "GroupNorm"),
                                  ((4, 6, 31, 33), (6,), "InstanceNorm2d"), ((100, 129), (129,), "RMSNorm")):  # fmt: skip
            for dtype in ("float32", "float64"):
                yield norm(kind, args, shape, dtype, backward)
        yield embedding("Embedding", 5000, 65, 1024, backward)
        yield embedding("EmbeddingBag", 5000, 65, 1024, backward)
        yield encoder((1, 17, 36, 3), backward)
        yield encoder((5, 40, 96, 4), backward)


def ratio(make: Callable[[Any], Callable[[], Any]], clock: Callable[[], float], turns: int) -> tuple[float, float]:
    """PyTorch's time over ours, the median over turns, and our time."""
    runs = {name: make(library(name)) for name in (OURS, "torch")}
    repeat = {}
    for name, run in runs.items():
        run()
        begin = clock()
        run()
        repeat[name] = max(1, int(3e-3 / max(clock() - begin, 1e-7)))
    ratios, ours = [], []
    for _ in range(turns):
        took = {}
        for name, run in runs.items():
            begin = clock()
            for _ in range(repeat[name]):
                run()
            took[name] = (clock() - begin) / repeat[name]
        ratios.append(took["torch"] / took[OURS])
        ours.append(took[OURS])
    return statistics.median(ratios), statistics.median(ours)


def main() -> int:
    """Measure all cases and print the worst ten."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three turns each")
    parser.add_argument("--cpu", action="store_true", help="one thread, its own time")
    parser.add_argument("--part", default="", help="only cases whose names hold this")
    parser.add_argument("--all", action="store_true", help="print all cases")
    parser.add_argument("--write", action="store_true", help="the worst ten into SWEEPS.md")
    options = parser.parse_args()
    if options.cpu:
        for name in (OURS, "torch"):
            library(name).set_num_threads(1)
    clock = time.thread_time if options.cpu else time.perf_counter
    found = []
    for name, make in cases():
        if options.part in name:
            value, seconds = ratio(make, clock, 3 if options.quick else 7)
            found.append((value, name, seconds))
    found.sort()
    text = table(found, len(found) if options.all else 10)
    print(text)
    if options.write:
        write("Sequences", table(found, 10), options.cpu)
    return 0 if found[0][0] >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
