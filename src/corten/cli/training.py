"""``corten train``."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import corten
from corten.atomic import atomic_write
from corten.data.datasets import DatasetUnavailableError
from corten.train import Epoch, fit
from corten.train.classifier_file import Description, build, save

from .datasets import CATALOGUE, where
from .errors import INTERRUPTED, CommandError

MODEL, PICTURE, METRICS, CLAIM = "model.safetensors", "training.png", "metrics.json", "run.json"


def run(
    data: str, hidden: str, epochs: int, batch_size: int, lr: float | None, schedule: str, optimizer: str,
    seed: int, threads: int | None, out: Path | None, overwrite: bool, as_json: bool,
) -> None:  # fmt: skip
    """Train, report, save."""
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    widths = _widths(hidden)
    if lr is not None and not 0 < lr < float("inf"):
        raise CommandError(f"--lr is {lr}, expected a positive number")
    lr = lr if lr is not None else 0.001 if optimizer.startswith("adam") else 0.01
    if threads is not None:
        corten.set_num_threads(threads)
    corten.manual_seed(seed)

    name, train_set, test_set = _load(data, console)
    height, width = train_set.size
    description = Description(name, train_set.classes, height, width, train_set.white, 0.0, 1.0, widths)
    model = build(description.widths)
    optim = _optimizer(optimizer, model, lr)
    parameters = sum(p.numel() for p in model.parameters())
    console.print(f"model     {'-'.join(map(str, description.widths))}, {parameters:,} parameters")
    console.print(f"training  {optimizer}, lr {lr:g} {schedule}, batch {batch_size}, {epochs} epochs, seed {seed}")

    settings = {"data": name, "hidden": list(widths), "epochs": epochs, "batch_size": batch_size, "lr": lr,
                "schedule": schedule, "optimizer": optimizer, "seed": seed}  # fmt: skip
    folder, undo = _claim(out, name, overwrite, settings)
    history: list[Epoch] = []

    def finished(epoch: Epoch) -> None:
        training = settings | {"epoch": epoch.number, "test_accuracy": epoch.test.accuracy}
        with _uninterrupted():  # the file and the history say the same
            save(folder / MODEL, model, replace(description, training=training))
            history.append(epoch)
        console.print(
            f"epoch {epoch.number:>3}/{epochs}  loss {epoch.train.loss:.4f}  train {100 * epoch.train.accuracy:.2f} %"
            f"  test {100 * epoch.test.accuracy:.2f} %  {epoch.seconds:.1f} s"
        )

    interrupted = False
    try:
        with _progress(console, epochs, -(-len(train_set) // batch_size)) as on_progress:
            fit(model, optim, train_set, test_set, classes=len(train_set.classes), epochs=epochs,
                batch_size=batch_size, schedule=_schedule(schedule, lr, epochs), on_progress=on_progress,
                on_epoch=finished)  # fmt: skip
    except KeyboardInterrupt:
        interrupted = True
        console = Console(stderr=as_json, highlight=False, soft_wrap=True)  # the other may hold half a line for ever
    except BaseException:
        if history:
            console.print(f"the model of epoch {history[-1].number} is kept in {folder / MODEL}")
        raise
    finally:
        if not history:
            undo()
    if interrupted and not history:
        console.print("interrupted in the first epoch: nothing was saved")
        raise typer.Exit(INTERRUPTED)

    peak = peak_rss_mb()  # before the picture is drawn: matplotlib is not part of the training
    _write_metrics(folder / METRICS, settings, history)
    drawn = _draw(folder / PICTURE, history, train_set.classes, name, description.widths, console)
    console.print(f"saved     {folder / MODEL}{f', {PICTURE}' if drawn else ''}, {METRICS}")
    if interrupted:
        console.print(f"interrupted: this is the model of epoch {history[-1].number}")
    if as_json:
        line = {
            "data": name,
            "test_accuracy": history[-1].test.accuracy,
            "train_seconds": round(sum(e.seconds for e in history), 3),
            "epochs": len(history),
            "peak_rss_mb": peak,
            "model": str(folder / MODEL),
        }
        print(json.dumps(line), flush=True)
    if interrupted:
        raise typer.Exit(INTERRUPTED)


def _widths(hidden: str) -> tuple[int, ...]:
    try:
        widths = tuple(int(w) for w in hidden.split(",")) if hidden.strip() != "0" else ()
    except ValueError:
        widths = (0,)
    if any(not 0 < w <= 65536 for w in widths):
        raise CommandError(f"--hidden is {hidden!r}, expected widths from 1 to 65536 such as 64 or 128,64, or 0")
    return widths


def _load(data: str, console: Console) -> tuple[str, Any, Any]:
    """The data set's name, training and test part. 'auto' is MNIST, else the embedded digits."""
    name, reason = data, ""
    if data == "auto":
        name = "mnist"
    started = time.perf_counter()
    try:
        sets = [CATALOGUE[name].kind(train=part, flatten=True) for part in (True, False)]
    except DatasetUnavailableError as error:
        if data != "auto":
            raise
        reason = str(error)
        name = "digits"
        sets = [CATALOGUE[name].kind(train=part, flatten=True) for part in (True, False)]
    if reason:
        console.print(reason, markup=False)
        console.print("Training on the embedded digits instead.")
    train_set, test_set = sets
    console.print(
        f"data      {name}: {len(train_set):,} training and {len(test_set):,} test images of {train_set.size[0]} x "
        f"{train_set.size[1]}, {where(CATALOGUE[name])} ({time.perf_counter() - started:.1f} s)", markup=False,
    )  # fmt: skip
    return name, train_set, test_set


def _optimizer(name: str, model: Any, lr: float) -> Any:
    optim = corten.optim
    if name == "adam":
        return optim.Adam(model.parameters(), lr=lr)
    if name == "adamw":
        return optim.AdamW(model.parameters(), lr=lr)
    return optim.SGD(model.parameters(), lr=lr, momentum=0.9 if name == "momentum" else 0.0)


def _schedule(name: str, lr: float, epochs: int) -> Callable[[int], float]:
    """The learning rate after so many epochs; cosine: Loshchilov and Hutter (2017), equation 5, without restarts."""
    if name == "constant":
        return lambda done: lr
    return lambda done: 0.5 * lr * (1 + math.cos(math.pi * done / epochs))


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until the block has ended."""
    caught: list[Any] = []
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: caught.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if caught:
        raise KeyboardInterrupt


def _claim(out: Path | None, name: str, overwrite: bool, settings: dict[str, Any]) -> tuple[Path, Callable[[], None]]:
    """Take a folder for this run alone. Returns it, and what gives it back when nothing came of the run."""
    made: list[Path] = []
    if out is None:
        base = Path("runs")
        if not base.exists():
            base.mkdir()
            made.append(base)
        number = 1
        while True:  # two commands at the same time get two folders
            folder = base / f"{name}-{number:03d}"
            try:
                folder.mkdir()
                break
            except FileExistsError:
                number += 1
        made.append(folder)
    else:
        folder = out
        missing = [p for p in (folder, *folder.parents) if not p.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        made += reversed(missing)
    claim = folder / CLAIM
    before = claim.read_bytes() if overwrite and claim.exists() else None
    if overwrite:
        with atomic_write(claim) as file:
            file.write(_json(settings))
    else:
        taken = next((f for f in (CLAIM, MODEL, METRICS, PICTURE) if (folder / f).exists()), None)
        try:
            if taken:
                raise FileExistsError
            with open(claim, "xb") as file:
                file.write(_json(settings))
        except FileExistsError:
            raise CommandError(
                f"{folder} has a run already ({taken or CLAIM}): give another --out, or --overwrite"
            ) from None
        except OSError:
            _undo(claim, None, made)
            raise
    return folder, lambda: _undo(claim, before, made)


def _undo(claim: Path, before: bytes | None, made: list[Path]) -> None:
    with contextlib.suppress(OSError):
        if before is None:
            claim.unlink()
        else:
            claim.write_bytes(before)
    for folder in reversed(made):
        with contextlib.suppress(OSError):  # something else is in it
            folder.rmdir()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _write_metrics(path: Path, settings: dict[str, Any], history: list[Epoch]) -> None:
    epochs = [
        {
            "epoch": e.number,
            "running_loss": e.running_loss,
            "train_loss": e.train.loss,
            "train_accuracy": e.train.accuracy,
            "test_loss": e.test.loss,
            "test_accuracy": e.test.accuracy,
            "seconds": e.seconds,
        }
        for e in history
    ]
    content = settings | {"history": epochs, "confusion": history[-1].test.confusion.tolist()}
    with atomic_write(path) as file:
        file.write(_json(content))


def _draw(
    path: Path, history: list[Epoch], classes: tuple[str, ...], name: str, widths: tuple[int, ...], console: Console
) -> bool:
    from corten.train.pictures import draw_training

    try:
        draw_training(path, history, classes, f"{name}, {'-'.join(map(str, widths))}")
    except ImportError:
        console.print(f"no {path.name}: matplotlib is not installed", markup=False)
        return False
    return True


@contextlib.contextmanager
def _progress(console: Console, epochs: int, steps: int) -> Iterator[Callable[[int, int, float], None] | None]:
    """A bar that is drawn some ten times a second by the training itself: no thread takes time from it."""
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn(), TimeRemainingColumn())
    drawn = 0.0
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as bar:
        task = bar.add_task("", total=epochs * steps)

        def update(epoch: int, done: int, loss: float) -> None:
            nonlocal drawn
            now = time.monotonic()
            if now - drawn >= 0.1:
                drawn = now
                text = f"epoch {epoch}/{epochs}  loss {loss:.4f}"
                bar.update(task, completed=(epoch - 1) * steps + done, description=text, refresh=True)

        yield update


def peak_rss_mb() -> float | None:
    """The most memory that this process has had, in MB (10^6 bytes); None where the system does not say."""
    if sys.platform == "win32":
        return None
    if os.path.exists("/proc/self/status"):  # ru_maxrss would start with what the parent had before exec
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return round(int(line.split()[1]) * 1024 / 1e6, 1)
    import resource

    return round(
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6, 1
    )
