"""``torch.profiler``: how often and how long the named parts of a script ran.

Single ops are not counted: only what :class:`record_function` names.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any


class ProfilerActivity(Enum):
    """Where work may be."""

    CPU = 0
    CUDA = 1
    XPU = 2
    MTIA = 3


class ProfilerAction(Enum):
    """What a schedule says of a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


class Part:
    """Calls and seconds of one name."""

    def __init__(self, key: str) -> None:
        self.key, self.count, self.seconds = key, 0, 0.0

    @property
    def cpu_time_total(self) -> float:
        """Microseconds of all calls."""
        return self.seconds * 1e6


class Parts(list[Part]):
    """What a profile counted."""

    def table(self, sort_by: str | None = None, row_limit: int = 100, **other: Any) -> str:
        """A line for each name, the longest first."""
        rows = sorted(self, key=lambda p: -p.seconds)[: row_limit if row_limit >= 0 else None]
        width = max([4, *(len(p.key) for p in rows)])
        lines = [f"{'Name':<{width}}  {'Calls':>8}  {'CPU total':>12}  {'CPU each':>12}"]
        lines += [f"{p.key:<{width}}  {p.count:>8}  {p.seconds * 1e3:>9.3f} ms  {p.seconds / p.count * 1e3:>9.3f} ms" for p in rows]
        return "\n".join(lines)


_running: list[profile] = []


class record_function:  # noqa: N801
    """A context, or decorator, whose time a running profile counts under a name."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name

    def __enter__(self) -> record_function:
        self.start = time.perf_counter()
        return self

    def __exit__(self, *exc: Any) -> None:
        took = time.perf_counter() - self.start
        for running in _running:
            part = running.parts.setdefault(self.name, Part(self.name))
            part.count += 1
            part.seconds += took

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def run(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name):
                return fn(*args, **kwargs)

        return run


class profile:  # noqa: N801
    """Counts while it runs; ``on_trace_ready`` is called with it at the end."""

    def __init__(self, *, activities: Iterable[ProfilerActivity] | None = None, schedule: Any = None,
                 on_trace_ready: Callable[[profile], Any] | None = None, **other: Any) -> None:  # fmt: skip
        self.parts: dict[str, Part] = {}
        self.on_trace_ready = on_trace_ready

    def start(self) -> None:
        """Begin to count."""
        _running.append(self)

    def stop(self) -> None:
        """End, and hand over."""
        _running.remove(self)
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def step(self) -> None:
        """Nothing: every step is counted."""

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.stop()

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> Parts:
        """What was counted."""
        return Parts(self.parts.values())

    def export_chrome_trace(self, path: str) -> None:
        """Raises NotImplementedError: there are sums, not single events."""
        raise NotImplementedError("[torch.profiler] export_chrome_trace: there are sums, not single events")


def schedule(*, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, **other: Any) -> Callable[[int], ProfilerAction]:
    """What to do in each step."""

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        period = wait + warmup + active
        if step < 0 or (repeat and step >= repeat * period):
            return ProfilerAction.NONE
        at = step % period
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if at == period - 1 else ProfilerAction.RECORD

    return action


def tensorboard_trace_handler(dir_name: str, worker_name: str | None = None, use_gzip: bool = False) -> Callable[[profile], None]:
    """Raises NotImplementedError: there are sums, not single events."""
    raise NotImplementedError("[torch.profiler] tensorboard_trace_handler: there are sums, not single events")
