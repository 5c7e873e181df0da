"""How a row is measured: each side in a process of its own, turns taken A B A B, and what the machine can do at most.

A :class:`Row` names its sides and how each is set up. :func:`measure` starts one process for each side (so that a spinning
thread pool of one cannot steal from the other, and each has its own best setting), warms it up, checks that all results
agree, and then lets them take turns. The ratio of a turn is the peer's time over ours; with several peers, the fastest
one's. Medians and quartiles are over the turns.
"""

from __future__ import annotations

import ctypes
import datetime
import functools
import gc
import importlib
import multiprocessing
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
OURS = "corten"
SETTLE = 0.01  # seconds between two turns: longer than an OpenMP pool spins after its last region
LONGEST = 0.2  # and at most: OpenBLAS spins for 0.11 s, on the core that the next side needs


@dataclass
class Row:
    """One workload and who runs it.

    Attributes
    ----------
    key : str
        The goal it belongs to, such as ``"A3"``.
    name : str
        What is done, unique within its module.
    sides : dict
        Name to a function without arguments that imports what it needs, sets up, and returns the callable to be timed.
        ``"corten"`` is ours. The timed callable returns what is to agree: tensors, arrays, numbers, nested in lists.
    goal : float
        The least ratio peer / ours; 0 where the row counts only through a summary.
    check : callable
        Raises when ``check(ours, theirs)``, of results as NumPy arrays, do not agree.
    calls : int
        How many operations a call of the timed function is; times are given for one.
    flops, bytes, dtype : float, float, str
        What one operation must at least do, for the share of the ceiling.
    together : bool
        All sides in this process, for results that cannot leave it.
    pairs, seconds : int, float
        Turns, and how long one turn of a side is made to take by repeating it.
    note : str
        What the reader must know.
    """

    key: str
    name: str
    sides: dict[str, Callable[[], Callable[[], Any]]]
    goal: float = 0.0
    check: Callable[[Any, Any], None] | None = None
    calls: int = 1
    flops: float = 0.0
    bytes: float = 0.0
    dtype: str = "f32"
    together: bool = False
    pairs: int = 9
    seconds: float = 0.04
    note: str = ""


@dataclass
class Summary:
    """A goal for the geometric mean of all rows of a key (or of those whose names hold ``part``)."""

    key: str
    goal: float
    part: str = ""


@dataclass
class Result:
    """What was measured of a row; times are seconds of one operation."""

    key: str
    name: str
    goal: float
    ratio: float
    low: float
    high: float
    ours: float
    peers: dict[str, float]
    best: str
    share: str = ""
    note: str = ""
    pairs: int = 0
    date: str = field(default_factory=lambda: datetime.date.today().isoformat())

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        return self.ratio >= self.goal


def agree(rtol: float = 1e-4, atol: float = 1e-5) -> Callable[[Any, Any], None]:
    """A check that everything in two results agrees to a tolerance."""

    def check(ours: Any, theirs: Any) -> None:
        if isinstance(ours, (list, tuple)):
            assert len(ours) == len(theirs), f"{len(ours)} results against {len(theirs)}"
            for a, b in zip(ours, theirs, strict=True):
                check(a, b)
        else:
            np.testing.assert_allclose(np.asarray(ours, np.float64), np.asarray(theirs, np.float64), rtol=rtol, atol=atol)

    return check


def plain(value: Any) -> Any:
    """Tensors of any library as NumPy arrays."""
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "detach"):
        return value.detach().numpy().copy()
    return np.array(value)


# ---- one side


def settle(process: int) -> None:
    """Wait until no other thread of a process runs: a pool of threads spins for a while after its last region."""
    end, me, tasks = time.monotonic() + LONGEST, str(threading.get_native_id()), Path(f"/proc/{process}/task")
    time.sleep(SETTLE if tasks.exists() else LONGEST)
    while time.monotonic() < end and any(runs(task) for task in tasks.glob("*") if task.name != me):
        time.sleep(SETTLE / 5)


def runs(task: Path) -> bool:
    """Whether a thread of the system is on a core or waits for one."""
    try:
        return (task / "stat").read_text().rpartition(") ")[2].startswith("R")
    except OSError:  # it has ended
        return False


class Side:
    """A side of a row, set up and ready to be timed."""

    def __init__(self, setup: Callable[[], Callable[[], Any]]) -> None:
        self.pid = os.getpid()
        self.run = setup()
        self.repeat = 1

    def result(self) -> Any:
        """The outcome of one call."""
        return plain(self.run())

    def prepare(self, seconds: float) -> int:
        """Find how often to repeat the call so that a turn takes about ``seconds``; it warms up on the way."""
        while True:
            took = self.turn() * self.repeat
            if took >= 0.5 * seconds:
                self.repeat = max(1, round(self.repeat * seconds / took))
                return self.repeat
            self.repeat = max(self.repeat + 1, min(self.repeat * 10, int(self.repeat * seconds / max(took, 1e-9))))

    def turn(self) -> float:
        """Seconds of one call, as the mean over ``repeat`` of them."""
        run, turns = self.run, range(self.repeat)
        gc.collect()
        start = time.perf_counter()
        for _ in turns:
            run()
        return (time.perf_counter() - start) / self.repeat


@functools.lru_cache
def rows_of(module: str) -> dict[str, Row]:
    """The rows of a module by name."""
    return {row.name: row for row in map(as_row, importlib.import_module(module).rows())}


def as_row(item: Any) -> Row:
    """A row, also from the short form ``(name, ours, peers, check)``, whose name begins with its key."""
    if isinstance(item, Row):
        return item
    name, ours, peers, check = item
    sides = {OURS: ours, **peers}
    return Row(name.split()[0], name, {k: functools.partial(_ready, run) for k, run in sides.items()}, check=check,
               together=True, pairs=7)  # fmt: skip


def _ready(run: Callable[[], Any]) -> Callable[[], Any]:
    return run


def _serve(pipe: Any, module: str) -> None:
    """The loop of a side's process: (method, arguments) in, (result, error) out."""
    side: Side | None = None
    while True:
        method, *args = pipe.recv()
        if method == "end":
            return
        try:
            if method == "setup":
                name, label = args
                side = None
                gc.collect()
                side = Side(rows_of(module)[name].sides[label])
                gc.collect()
                gc.freeze()  # what stands now is not looked at by the collection before every turn
                pipe.send((None, None))
            else:
                pipe.send((getattr(side, method)(*args), None))
        except Exception as error:  # told to the other end, which raises it
            pipe.send((None, f"{type(error).__name__}: {error}"))


class RemoteSide:
    """A side in a process of its own."""

    def __init__(self, module: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, module), daemon=True)
        self.process.start()
        self.pid = self.process.pid or 0

    def ask(self, *message: Any) -> Any:
        """Have the other end do something and wait for its answer."""
        self.pipe.send(message)
        answer, error = self.pipe.recv()
        if error is not None:
            raise RuntimeError(error)
        return answer

    def result(self) -> Any:
        """As :meth:`Side.result`."""
        return self.ask("result")

    def prepare(self, seconds: float) -> int:
        """As :meth:`Side.prepare`."""
        return self.ask("prepare", seconds)

    def turn(self) -> float:
        """As :meth:`Side.turn`."""
        return self.ask("turn")

    def close(self) -> None:
        """End the process."""
        self.pipe.send(("end",))
        self.process.join(10)


class Pool:
    """The processes of the sides of a module's rows, kept from row to row."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.remote: dict[str, RemoteSide] = {}

    def sides(self, row: Row) -> dict[str, Any]:
        """All sides of a row, set up."""
        if row.together:
            return {label: Side(setup) for label, setup in row.sides.items()}
        for label in row.sides:
            if label not in self.remote:
                self.remote[label] = RemoteSide(self.module)
            self.remote[label].ask("setup", row.name, label)
        return {label: self.remote[label] for label in row.sides}

    def close(self) -> None:
        """End all processes."""
        for side in self.remote.values():
            side.close()


def measure(pool: Pool, row: Row, ceilings: dict[str, float], quick: bool = False) -> Result:
    """Let the sides of a row take turns. Raises AssertionError when their results do not agree."""
    sides = pool.sides(row)
    first = {label: (side.run() if row.together else side.result()) for label, side in sides.items()}
    for label, result in first.items():
        if label != OURS and row.check is not None:
            row.check(first[OURS], result)
    del first
    for side in sides.values():
        side.prepare(row.seconds / 2 if quick else row.seconds)
    for side in sides.values():
        side.turn()
        settle(side.pid)
    times: dict[str, list[float]] = {label: [] for label in sides}
    wanted = min(3, row.pairs) if quick else row.pairs
    again = wanted  # how often a turn may be taken again because the cores were not apart
    apart = cores_apart(ceilings)
    while len(times[OURS]) < wanted:
        turn = {}
        for label, side in sides.items():
            turn[label] = side.turn() / row.calls
            settle(side.pid)
        before, apart = apart, cores_apart(ceilings)
        if again > 0 and not (before and apart):
            again -= 1
            continue
        for label, took in turn.items():
            times[label].append(took)
    rounds = list(zip(*(t for label, t in times.items() if label != OURS), strict=True))
    ratios = [min(theirs) / ours for ours, theirs in zip(times[OURS], rounds, strict=True)]
    peers = {label: statistics.median(t) for label, t in times.items() if label != OURS}
    ours = statistics.median(times[OURS])
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Result(row.key, row.name, row.goal, statistics.median(ratios), low, high, ours, peers,
                  min(peers, key=lambda k: peers[k]), share_of(row, ours, ceilings), row.note, len(ratios))  # fmt: skip


def share_of(row: Row, seconds: float, ceilings: dict[str, float]) -> str:
    """Which part of the machine's ceiling our time is."""
    parts = []
    if row.flops and ceilings.get(f"peak_{row.dtype}"):
        parts.append(f"{row.flops / seconds / ceilings[f'peak_{row.dtype}']:.0%} of FMA")
    if row.bytes and ceilings.get("triad"):
        parts.append(f"{row.bytes / seconds / ceilings['triad']:.0%} of triad")
    return ", ".join(parts)


# ---- the machine


@functools.cache
def ceilings_library() -> ctypes.CDLL | None:
    """``ceilings.c`` compiled for this machine; None without a C compiler."""
    compiler = shlex.split(os.environ.get("CC") or "cc")  # CC may be "ccache gcc"
    if shutil.which(compiler[0]) is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "ceilings.so")
        subprocess.run([*compiler, "-O3", "-march=native", "-mprefer-vector-width=512", "-ffp-contract=fast", "-shared",
                        "-fPIC", "-w", str(HERE / "ceilings.c"), "-o", str(library)], check=True)  # fmt: skip
        return ctypes.CDLL(str(library))


def core_count() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fma_rate(run: Any, seconds: float) -> float:
    """Flop/s of one of the functions of ``ceilings.c``, over about so many seconds."""
    run.restype, run.argtypes = ctypes.c_double, [ctypes.c_long, ctypes.c_void_p]
    flops = ctypes.c_double()
    took = run(int(seconds * 1e8), ctypes.byref(flops))
    return flops.value / took


def cores_apart(ceilings: dict[str, float]) -> bool:
    """Whether all cores run at their own speed at once. Those of a virtual machine may be halves of one core for a while,
    without a trace in the time that counts as stolen: then two threads are as fast as one."""
    c, alone = ceilings_library(), ceilings.get("peak_f32_one_core", 0.0)
    if c is None or not alone:
        return True
    return min(_at_once(functools.partial(fma_rate, c.peak_f32, 0.01), core_count())) > 0.65 * alone


def measure_ceilings(seconds: float = 0.1) -> dict[str, float]:
    """FMA rates (flop/s, all cores and one) and the STREAM triad (byte/s, all cores); empty without a C compiler."""
    c = ceilings_library()
    if c is None:
        return {}
    found = {}
    cores = core_count()
    for name in ("peak_f32", "peak_f64"):
        rate = functools.partial(fma_rate, getattr(c, name), seconds)
        found[f"{name}_one_core"] = max(rate() for _ in range(3))
        found[name] = max(sum(_at_once(rate, cores)) for _ in range(3))
    c.triad.restype = ctypes.c_double
    c.triad.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_long, ctypes.c_int]
    n = 4_000_000  # 32 MB an array in each thread: beyond the caches
    arrays = [[np.ones(n) for _ in range(3)] for _ in range(cores)]
    turn = iter(range(10**6))

    def triad() -> float:
        a, b, d = arrays[next(turn) % cores]
        return 24.0 * n * 5 / c.triad(a.ctypes.data, b.ctypes.data, d.ctypes.data, n, 5)

    found["triad_one_core"] = max(triad() for _ in range(3))
    found["triad"] = max(sum(_at_once(triad, cores)) for _ in range(3))
    return found


def _at_once(run: Callable[[], float], threads: int) -> list[float]:
    """What ``run`` gives in each of several threads that start together."""
    results: list[float] = []
    barrier = threading.Barrier(threads)

    def body() -> None:
        barrier.wait()
        results.append(run())

    workers = [threading.Thread(target=body) for _ in range(threads)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    return results


def cpu_name() -> str:
    """The processor, as the system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def versions(names: Iterable[str]) -> Iterator[str]:
    """Name and version of each package that is installed."""
    from importlib.metadata import PackageNotFoundError, version

    for name in names:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
