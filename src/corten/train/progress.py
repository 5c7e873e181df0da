"""Progress of a training: live bars and a table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from corten.train.callback import Callback, Record

if TYPE_CHECKING:
    from corten.train.trainer import Trainer


class Progress(Callback):
    """Show how far a training is: a live bar and a table at the end, or a line an epoch where there is no terminal.

    The bar is drawn by the training itself, some ten times a second: no thread takes time from it.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to; standard output when absent.
    every : float
        Seconds between two drawings.
    """

    order = 90

    def __init__(self, console: Any = None, every: float = 0.1) -> None:
        from rich.console import Console

        self.console = console if console is not None else Console(highlight=False, soft_wrap=True)
        self.every = every
        self._bar: Any = None
        self._next = 0.0
        if self.console.is_terminal:
            self.on_step = self._draw  # type: ignore[method-assign]

    def on_fit_start(self, trainer: Trainer) -> None:
        """Begin the bar."""
        if not self.console.is_terminal:
            return
        from rich import progress

        columns = (progress.TextColumn("{task.description}"), progress.BarColumn(None), progress.MofNCompleteColumn(),
                   progress.TimeElapsedColumn(), progress.TimeRemainingColumn())  # fmt: skip
        self._bar = progress.Progress(*columns, console=self.console, auto_refresh=False, transient=True)
        steps = self._steps(trainer)
        self._task = self._bar.add_task("", total=None if steps is None else steps * trainer.epochs)
        self._bar.start()

    def _steps(self, trainer: Trainer) -> int | None:
        try:
            return len(trainer.loader)
        except TypeError:
            return None

    def _draw(self, trainer: Trainer) -> None:
        now = time.monotonic()
        if now < self._next or self._bar is None:
            return
        self._next = now + self.every
        text = f"epoch {trainer.epoch + 1}/{trainer.epochs}  loss {trainer.loss_sum / max(1, trainer.batches):.4f}"
        done = trainer.epoch * (self._steps(trainer) or 0) + trainer.batches
        self._bar.update(self._task, completed=done, description=text, refresh=True)

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        """A line, where there is no terminal."""
        if self._bar is None:
            self.console.print(line_of(record, trainer.epochs), markup=False)

    def on_fit_end(self, trainer: Trainer) -> None:
        """The table."""
        if self._bar is not None:
            self._close()
            self.console.print(table_of(trainer.history))
        if trainer.stopped:
            self.console.print(f"stopped: {trainer.stopped}", markup=False)

    def on_exception(self, trainer: Trainer, error: BaseException) -> None:
        """Say where it ended."""
        self._close()
        what = "interrupted" if isinstance(error, KeyboardInterrupt) else f"ended by {type(error).__name__}"
        self.console.print(f"{what} in epoch {trainer.epoch + 1} after {trainer.steps} steps", markup=False)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def line_of(record: Record, epochs: int) -> str:
    """One epoch's figures as a line."""
    parts = [f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}"]
    parts += [f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
              for name, value in record.items() if name not in ("epoch", "seconds")]  # fmt: skip
    return "  ".join([*parts, f"{record['seconds']:.1f} s"])


def table_of(history: list[Record]) -> Any:
    """All epochs as a table of rich; of many, the first and the last."""
    from rich.table import Table

    names = list(dict.fromkeys(name for record in history for name in record))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, justify="right")
    shown = history if len(history) <= 20 else [*history[:5], None, *history[-14:]]
    for record in shown:
        if record is None:
            table.add_row(*["..."] * len(names))
            continue
        table.add_row(*(f"{record[n]:.4g}" if isinstance(record.get(n), float) else str(record.get(n, "")) for n in names))
    return table
