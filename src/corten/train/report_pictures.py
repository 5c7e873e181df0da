"""The pictures of a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from corten.train.charts import COLORS, GRID, INK, MUTED, new_figure
from corten.train.metrics.metric import Array
from corten.train.metrics.ranking import area_under_roc, mean_precision, precision_recall_points, roc_points

BINS = 10


def curves(history: Sequence[dict[str, Any]]) -> Any:
    """All figures over the epochs: training and validation of one kind in one plot."""
    from matplotlib.ticker import MaxNLocator

    names = [n for n in dict.fromkeys(n for r in history for n in r) if n not in ("epoch", "steps", "seconds")]
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.removeprefix("valid_").split("/")[0], []).append(name)
    columns = min(3, len(groups))
    rows = -(-len(groups) // columns)
    figure = new_figure(4.3 * columns + (2.0 if columns == 1 else 0), 3.2 * rows)
    plots = np.ravel(np.asarray(figure.subplots(rows, columns, squeeze=False)))
    epochs = [r["epoch"] for r in history]
    for axes, (group, members) in zip(plots, groups.items(), strict=False):
        shown = members[:8]
        for i, name in enumerate(shown):
            color = COLORS[1] if name.startswith("valid_") and len(shown) <= 2 else COLORS[i % len(COLORS)]
            label = "validation" if name == f"valid_{group}" else "training" if name == group else name
            axes.plot(epochs, [r.get(name, math.nan) for r in history], "o-", ms=3, lw=1.8, color=color, label=label)
        axes.set(title=group, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(shown) > 1 or shown[0] != group:
            axes.legend(frameon=False, fontsize=9)
    for axes in plots[len(groups) :]:
        axes.remove()
    return figure


def confusion(counts: Array, names: Sequence[str]) -> Any:
    """Counts in each cell, colour by the share of the row."""
    n = len(names)
    size = min(11.0, max(4.6, 0.55 * n + 1.4))
    figure = new_figure(size + 0.6, size)
    axes = figure.subplots()
    shares = counts / counts.sum(1, keepdims=True).clip(min=1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    slant = 45 if max(map(len, names)) > 3 else 0
    axes.set_xticks(range(n), names, rotation=slant, ha="right" if slant else "center", fontsize=9)
    axes.set_yticks(range(n), names, fontsize=9)
    axes.set_xlabel("predicted", color=MUTED)
    axes.set_ylabel("true", color=MUTED)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xticks(np.arange(-0.5, n), minor=True)
    axes.set_yticks(np.arange(-0.5, n), minor=True)
    axes.grid(which="minor", color="white", lw=1.5)
    axes.tick_params(which="minor", length=0)
    if n <= 25:
        for i, j in np.ndindex(n, n):
            if counts[i, j]:
                axes.text(j, i, f"{counts[i, j]:,}", ha="center", va="center", fontsize=8.5 if n <= 12 else 6,
                          color="white" if shares[i, j] > 0.5 else INK)  # fmt: skip
    return figure


def roc_and_precision_recall(p: Array, y: Array, names: Sequence[str], shown: Sequence[int]) -> Any:
    """Both curves, one for each class against the rest."""
    figure = new_figure(11, 4.8)
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], ls="--", lw=1, color=MUTED)
    for k, c in enumerate(shown):
        positive = y == c
        if positive.all() or not positive.any():
            continue
        color = COLORS[k % len(COLORS)]
        false, true = roc_points(p[:, c], positive)
        left.plot(false, true, lw=1.6, color=color, label=f"{names[c]}   {area_under_roc(p[:, c], positive):.4f}")
        precision, recall = precision_recall_points(p[:, c], positive)
        right.step(np.append(0, recall), np.append(precision[0], precision), where="pre", lw=1.6, color=color,
                   label=f"{names[c]}   {mean_precision(p[:, c], positive):.4f}")  # fmt: skip
    left.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    right.set(xlabel="recall", ylabel="precision", title="Precision-recall", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    left.legend(frameon=False, fontsize=8.5, title="class, area", title_fontsize=8.5, loc="lower right")
    right.legend(frameon=False, fontsize=8.5, title="class, average precision", title_fontsize=8.5, loc="lower left")
    return figure


def calibration_points(p: Array, y: Array) -> tuple[Array, Array, Array, float]:
    """Mean confidence and accuracy of ten bins of confidence, their sizes, and the expected calibration error.

    The error is :math:`\\sum_b |B_b| / N \\, |acc(B_b) - conf(B_b)|` (Guo et al., arXiv:1706.04599).
    """
    confidence, right = p.max(1), p.argmax(1) == y
    at = np.minimum((confidence * BINS).astype(int), BINS - 1)
    size = np.bincount(at, minlength=BINS)
    filled = size > 0
    mean = np.bincount(at, confidence, BINS)[filled] / size[filled]
    accuracy = np.bincount(at, right.astype(np.float64), BINS)[filled] / size[filled]
    error = float((size[filled] * np.abs(accuracy - mean)).sum() / max(1, len(y)))
    return mean, accuracy, size, error


def calibration(p: Array, y: Array) -> Any:
    """How often the model is right where it is so sure, and how sure it is how often."""
    mean, accuracy, size, error = calibration_points(p, y)
    figure = new_figure(11, 4.2)
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], ls="--", lw=1, color=MUTED, label="perfect")
    left.plot(mean, accuracy, "o-", color=COLORS[0], lw=1.8, label="model")
    left.set(xlabel="confidence", ylabel="share that is right", title=f"Reliability, expected calibration error {error:.4f}",
             xlim=(0, 1.02), ylim=(0, 1.04))  # fmt: skip
    left.legend(frameon=False, fontsize=9, loc="upper left")
    right.bar((np.arange(BINS) + 0.5) / BINS, size, width=0.9 / BINS, color=COLORS[0])
    right.set(xlabel="confidence", ylabel="samples", title="How sure the model is", xlim=(0, 1))
    return figure


def predictions(outputs: Array, targets: Array) -> Any:
    """Predictions against targets, and the distribution of the errors."""
    figure = new_figure(11, 4.8)
    left, right = figure.subplots(1, 2)
    out, truth = outputs.reshape(len(outputs), -1), targets.reshape(len(targets), -1)
    step = max(1, len(out) // 5000)  # more points hide each other
    for k in range(min(out.shape[1], len(COLORS))):
        left.scatter(truth[::step, k], out[::step, k], s=9, alpha=0.35, color=COLORS[k], lw=0)
        right.hist((out - truth)[:, k], bins=60, color=COLORS[k], alpha=0.75)
    low, high = float(min(truth.min(), out.min())), float(max(truth.max(), out.max()))
    left.plot([low, high], [low, high], ls="--", lw=1, color=MUTED)
    left.set(xlabel="target", ylabel="prediction", title="Predictions")
    right.axvline(0, color=MUTED, lw=1, ls="--")
    right.set(xlabel="prediction - target", ylabel="samples", title="Errors")
    return figure


def gallery(images: Sequence[Array], captions: Sequence[str]) -> Any:
    """Images in rows of six, each with what was found."""
    columns = min(6, max(1, len(images)))
    rows = max(1, -(-len(images) // columns))
    figure = new_figure(1.8 * columns, 2.25 * rows)
    plots = np.ravel(np.asarray(figure.subplots(rows, columns, squeeze=False)))
    for axes in plots:
        axes.axis("off")
    for axes, image, caption in zip(plots, images, captions, strict=False):
        axes.imshow(image, cmap="gray_r" if image.ndim == 2 else None, vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(caption, fontsize=8.5, color=INK)
        axes.add_patch(_frame(axes))
    return figure


def _frame(axes: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, ec=GRID, lw=1)
