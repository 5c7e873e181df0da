"""Pictures of a training. Needs matplotlib."""

from __future__ import annotations

import os
from collections.abc import Sequence

from corten.atomic import atomic_write

from .charts import new_figure
from .classification import Epoch


def draw_training(path: str | os.PathLike[str], history: Sequence[Epoch], classes: Sequence[str], title: str) -> None:
    """Write a PNG with the learning curve and the confusion matrix of the test set.

    Parameters
    ----------
    path : path-like
    history : sequence of Epoch
        At least one.
    classes : sequence of str
    title : str

    Raises
    ------
    ImportError
        When matplotlib is not installed.
    OSError
        When the file cannot be written.
    """
    from matplotlib.ticker import MaxNLocator

    if not history:
        raise ValueError("[draw_training] got no epochs, expected at least one")
    figure = new_figure(12, 5.4, dpi=110)
    figure.suptitle(title)
    curve, matrix = figure.subplots(1, 2)

    numbers = [epoch.number for epoch in history]
    curve.plot(numbers, [e.train.loss for e in history], "o-", color="tab:blue", label="training loss")
    curve.plot(numbers, [e.test.loss for e in history], "o--", color="tab:orange", label="test loss")
    curve.set(xlabel="epoch", ylabel="cross-entropy (nats)", title="Learning curve")
    curve.set_ylim(bottom=0)
    curve.xaxis.set_major_locator(MaxNLocator(integer=True))
    accuracy = curve.twinx()
    accuracy.plot(numbers, [100 * e.train.accuracy for e in history], "s-", ms=4, color="tab:green",
                  label="training accuracy")  # fmt: skip
    accuracy.plot(
        numbers, [100 * e.test.accuracy for e in history], "s--", ms=4, color="tab:red", label="test accuracy"
    )
    accuracy.set_ylabel("accuracy (%)")
    lines = curve.get_lines() + accuracy.get_lines()
    labels = [str(line.get_label()) for line in lines]
    curve.legend(
        lines, labels, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=4, fontsize="small", frameon=False
    )
    curve.grid(alpha=0.3)

    last = history[-1].test
    counts = last.confusion
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    matrix.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(classes))
    slant = 45 if max(map(len, classes)) > 2 else 0
    matrix.set_xticks(ticks, classes, rotation=slant, ha="right" if slant else "center")
    matrix.set_yticks(ticks, classes)
    matrix.set(xlabel="predicted", ylabel="true",
               title=f"Test set after epoch {history[-1].number}: {100 * last.accuracy:.2f} %")  # fmt: skip
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            if count:
                color = "white" if shares[i, j] > 0.5 else "black"
                matrix.text(j, i, str(count), ha="center", va="center", color=color, fontsize=8)
    with atomic_write(path) as file:
        figure.savefig(file, format="png")
