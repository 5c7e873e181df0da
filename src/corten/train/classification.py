"""Training a classifier: the ordinary loop, with its metrics, progress and interruption."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

import corten
from corten.data import DataLoader

from .errors import DivergedError

EVALUATION_BATCH = 1000


@dataclass(frozen=True)
class Evaluation:
    """What a classifier does on a data set.

    Attributes
    ----------
    loss : float
        Mean cross-entropy, in nats.
    confusion : numpy.ndarray
        int64, shape (classes, classes): how many samples of the row's class were taken for the column's.
    """

    loss: float
    confusion: np.ndarray[Any, Any]

    @property
    def accuracy(self) -> float:
        """The share of samples whose class was found, from 0 to 1."""
        return float(np.trace(self.confusion)) / max(1, int(self.confusion.sum()))


@dataclass(frozen=True)
class Epoch:
    """One epoch's metrics.

    Attributes
    ----------
    number : int
        From 1.
    running_loss : float
        Mean loss of the epoch's steps, each before its update.
    train, test : Evaluation
        After the epoch.
    seconds : float
        Wall time of the epoch's steps.
    """

    number: int
    running_loss: float
    train: Evaluation
    test: Evaluation
    seconds: float


def evaluate(model: Any, dataset: Any, classes: int, batch_size: int = EVALUATION_BATCH) -> Evaluation:
    """Loss and confusion matrix of ``model`` on ``dataset``, without gradients and in evaluation mode.

    Parameters
    ----------
    model : Module
        From (B, ...) to logits (B, classes).
    dataset : Dataset
        Samples (x, class).
    classes : int
    batch_size : int

    Returns
    -------
    Evaluation
    """
    criterion = corten.nn.CrossEntropyLoss(reduction="sum")
    total, count = 0.0, 0
    confusion = np.zeros((classes, classes), np.int64)
    was_training = model.training
    model.eval()
    try:
        with corten.no_grad():
            for x, y in DataLoader(dataset, batch_size=batch_size):
                logits = model(x)
                total += float(criterion(logits, y).item())
                pairs = y.numpy() * classes + logits.argmax(1).numpy()
                confusion += np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
                count += len(y)
    finally:
        model.train(was_training)
    return Evaluation(total / max(1, count), confusion)


def train_epoch(
    model: Any,
    criterion: Any,
    optimizer: Any,
    batches: Iterable[Any],
    on_progress: Callable[[int, float], None] | None = None,
    every_seconds: float = 0.05,
) -> float:
    """Take one step for each batch, the way one writes it by hand.

    Parameters
    ----------
    model, criterion, optimizer
        ``criterion(model(x), y)`` is the loss of a batch (x, y).
    batches : iterable of (x, y)
    on_progress : callable, optional
        Called with the number of steps done and the mean loss so far, about every ``every_seconds``. The loop between
        two calls knows nothing of it, so it costs nothing where a step takes microseconds.
    every_seconds : float

    Returns
    -------
    float
        Mean loss of the steps.
    """
    steps = iter(batches)
    done, total, stride = 0, 0.0, 1
    while True:
        started, before = time.perf_counter(), done
        for x, y in itertools.islice(steps, stride):
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item()
            done += 1
        if done == before:
            return total / max(1, done)
        if on_progress is not None:
            on_progress(done, total / done)
        took = time.perf_counter() - started
        stride = max(1, min(2 * stride, int(stride * every_seconds / max(took, 1e-9))))


def fit(
    model: Any,
    optimizer: Any,
    train: Any,
    test: Any,
    *,
    classes: int,
    epochs: int,
    batch_size: int,
    schedule: Callable[[int], float] | None = None,
    generator: Any = None,
    on_progress: Callable[[int, int, float], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> list[Epoch]:
    """Train ``model`` with cross-entropy on shuffled batches and evaluate it after each epoch.

    Parameters
    ----------
    model : Module
        From (B, ...) to logits (B, classes).
    optimizer : Optimizer
    train, test : Dataset
        Samples (x, class).
    classes, epochs, batch_size : int
    schedule : callable, optional
        From the number of epochs done, 0 ... epochs - 1, to the learning rate of the next one.
    generator : Generator, optional
        Source of the order of the samples.
    on_progress : callable, optional
        Called with the epoch, the steps done in it, and their mean loss, some twenty times a second.
    on_epoch : callable, optional
        Called with each finished :class:`Epoch`.

    Returns
    -------
    list of Epoch

    Raises
    ------
    DivergedError
        When the loss of an epoch is not finite. ``on_epoch`` is not called for it.
    """
    loader: DataLoader[Any] = DataLoader(train, batch_size=batch_size, shuffle=True, generator=generator)
    criterion = corten.nn.CrossEntropyLoss()
    history: list[Epoch] = []
    for number in range(1, epochs + 1):

        def report(done: int, loss: float, number: int = number) -> None:
            if on_progress is not None:
                on_progress(number, done, loss)

        if schedule is not None:
            for group in optimizer.param_groups:
                group["lr"] = schedule(number - 1)
        model.train()
        started = time.perf_counter()
        running_loss = train_epoch(model, criterion, optimizer, loader, report)
        seconds = time.perf_counter() - started
        if not math.isfinite(running_loss):
            raise DivergedError(f"[train] the loss is {running_loss} in epoch {number}, expected a finite one; "
                                "a lower learning rate may help")  # fmt: skip
        epoch = Epoch(number, running_loss, evaluate(model, train, classes), evaluate(model, test, classes), seconds)
        history.append(epoch)
        if on_epoch is not None:
            on_epoch(epoch)
    return history
