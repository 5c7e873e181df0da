"""A report of a training: one HTML page that needs nothing else, and its pictures as PNGs."""

from __future__ import annotations

import base64
import html
import io
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import corten
from corten.atomic import atomic_write
from corten.train import report_pictures as pictures
from corten.train.charts import save_figure
from corten.train.metrics.classification import F1, ConfusionMatrix, LogLoss, Precision, Recall
from corten.train.metrics.metric import Array, array, log_softmax
from corten.train.metrics.ranking import AUROC, AveragePrecision
from corten.train.metrics.regression import MAE, MSE, R2
from corten.train.trainer import Run

MOST_CLASSES = 40  # a larger confusion matrix cannot be read
MOST_CURVES = 10


@dataclass(frozen=True)
class Judged:
    """What a report says of data: inputs, outputs, targets, and the loss of each sample."""

    inputs: Array
    outputs: Array
    targets: Array
    losses: Array
    probabilities: Array | None  # (N, classes) of a classifier


def report(run: Run, data: Any = None, folder: str | os.PathLike[str] | None = None, *, classes: Sequence[str] | None = None,
           title: str = "Training report", draw: Callable[[Any], Any] | None = None, examples: int = 12) -> Path:  # fmt: skip
    """Write ``report.html``, which holds its pictures, and these as PNGs beside it. Needs matplotlib.

    Curves of all figures over the epochs; for a classifier the confusion matrix, ROC and precision-recall curves, calibration;
    for a regressor predictions against targets and the errors; and the examples with the highest and the lowest loss.

    Parameters
    ----------
    run : Run
        What ``fit`` returned.
    data : iterable of batches (input, target), optional
        What to judge; the run's validation data when absent. Without any the report has curves alone.
    folder : path, optional
        Made when absent; ``report`` in the working folder by default.
    classes : sequence of str, optional
        Names of the classes.
    title : str
    draw : callable, optional
        From an input (an array) to the image (H, W) or (H, W, 3) that shows it. Square rows of at least 64 numbers that lie
        in [-1, 1] or [0, 1] are shown as images without it, other inputs as numbers.
    examples : int
        How many of the worst and of the best to show.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    ImportError
        When matplotlib is not installed.
    OSError
        When the folder cannot be written.
    """
    target = Path(folder if folder is not None else "report")
    target.mkdir(parents=True, exist_ok=True)
    data = data if data is not None else run.valid
    page = _Page(target, title)
    page.header(run)
    if run.history:
        page.picture("curves", "Learning curves", pictures.curves(run.history))
    if data is not None:
        judged = judge(run, data)
        if judged.probabilities is not None:
            _classifier(page, judged, classes)
        else:
            _regressor(page, judged)
        if examples:
            _examples(page, judged, classes, draw, examples)
    if run.history:
        page.table(run.history)
    return page.write()


def judge(run: Run, data: Any) -> Judged:
    """Run the model over data, once."""
    inputs, outputs, targets = [], [], []
    for batch in data:
        if not isinstance(batch, (list, tuple)) or len(batch) < 2:
            raise ValueError("[report] got a batch without a target, expected (input, target)")
        inputs.append(array(batch[0]))
        targets.append(array(batch[-1]))
        outputs.append(array(run.trainer.predict([batch])))
    if not inputs:
        raise ValueError("[report] got no batches, expected at least one")
    x, z, y = (np.concatenate(parts) for parts in (inputs, outputs, targets))
    if y.dtype.kind in "iub" and y.ndim == 1:
        if z.ndim == 1 or z.shape[1] == 1:  # one logit for two classes
            z = np.stack([np.zeros(len(z)), z.reshape(-1)], 1)
        logs = log_softmax(z)
        losses = -logs[np.arange(len(y)), y.astype(np.int64)]
        return Judged(x, z, y.astype(np.int64), losses, np.exp(logs))
    z = z.reshape(y.shape)
    losses = ((z - y).astype(np.float64) ** 2).reshape(len(y), -1).mean(1)
    return Judged(x, z, y, losses, None)


def _classifier(page: _Page, judged: Judged, classes: Sequence[str] | None) -> None:
    p, y = judged.probabilities, judged.targets
    assert p is not None
    count = p.shape[1]
    names = [str(c) for c in classes] if classes is not None else [str(i) for i in range(count)]
    if len(names) != count:
        raise ValueError(f"[report] got {len(names)} names of classes for {count} outputs")
    found = p.argmax(1)
    matrix = ConfusionMatrix(count)
    matrix.update(found, y)
    counts = matrix.compute()
    figures = {"accuracy": float((found == y).mean())}
    for metric, name in ((Precision(), "precision, macro"), (Recall(), "recall, macro"), (F1(), "F1, macro")):
        metric.update(found, y)
        figures[name] = metric.compute()
    loss = LogLoss()
    loss.update(judged.outputs, y)
    figures["log loss"] = loss.compute()
    for area, name in ((AUROC(logits=False), "ROC AUC"), (AveragePrecision(logits=False), "average precision")):
        area.update(p, y)
        if not math.isnan(value := area.compute()):
            figures[name] = value
    figures["calibration error"] = pictures.calibration_points(p, y)[3]
    page.figures(figures, f"On {len(y):,} samples")
    if count <= MOST_CLASSES:
        page.picture("confusion", "Confusion matrix", pictures.confusion(counts, names))
    shown = [1] if count == 2 else list(np.argsort(-np.bincount(y, minlength=count), kind="stable")[:MOST_CURVES])
    page.picture("roc_pr", "ROC and precision-recall curves", pictures.roc_and_precision_recall(p, y, names, sorted(shown)))
    page.picture("calibration", "Calibration", pictures.calibration(p, y))


def _regressor(page: _Page, judged: Judged) -> None:
    figures = {}
    for metric, name in ((R2(), "R2"), (MSE(), "mean squared error"), (MAE(), "mean absolute error")):
        metric.update(judged.outputs, judged.targets)
        figures[name] = metric.compute()
    page.figures(figures, f"On {len(judged.targets):,} samples")
    page.picture("predictions", "Predictions and errors", pictures.predictions(judged.outputs, judged.targets))


def _examples(page: _Page, judged: Judged, classes: Sequence[str] | None, draw: Any, examples: int) -> None:
    order = np.argsort(-judged.losses, kind="stable")
    groups = (("worst", "Highest loss", order[:examples]), ("best", "Lowest loss", order[::-1][:examples]))
    for key, heading, chosen in groups:
        texts = [_caption(judged, int(i), classes) for i in chosen]
        images = [image_of(judged.inputs[i], draw) for i in chosen]
        if all(image is not None for image in images):
            page.picture(key, heading, pictures.gallery([i for i in images if i is not None], texts))
        else:
            page.rows(heading, [f"{text} - {_numbers(judged.inputs[i])}" for text, i in zip(texts, chosen, strict=True)])


def _caption(judged: Judged, i: int, classes: Sequence[str] | None) -> str:
    loss = f"loss {judged.losses[i]:.3g}"
    if judged.probabilities is None:
        return f"{_short(judged.outputs[i])} for {_short(judged.targets[i])}, {loss}"
    found, truth = int(judged.probabilities[i].argmax()), int(judged.targets[i])
    name = (lambda c: str(classes[c])) if classes is not None else str
    share = judged.probabilities[i, found]
    return f"{name(found)} ({100 * share:.0f} %)\ntrue {name(truth)}, {loss}"


def _short(value: Any) -> str:
    return ", ".join(f"{v:.4g}" for v in np.ravel(value)[:3]) + (" ..." if np.size(value) > 3 else "")


def _numbers(value: Array) -> str:
    flat = np.ravel(value)
    return "[" + ", ".join(f"{v:.4g}" for v in flat[:8]) + (", ..." if flat.size > 8 else "") + "]"


def image_of(value: Array, draw: Callable[[Any], Any] | None) -> Array | None:
    """The image that shows an input, in [0, 1], or None."""
    if draw is not None:
        return np.asarray(array(draw(value)), np.float64)
    x = value.astype(np.float64)
    if x.ndim == 3 and x.shape[0] in (1, 3):
        x = x.transpose(1, 2, 0)
    side = math.isqrt(x.size)
    if x.ndim == 1 and side * side == x.size and side >= 8 and x.min() >= -1 and x.max() <= 1:
        x = x.reshape(side, side)
    if x.ndim == 3 and x.shape[2] == 1:
        x = x[..., 0]
    if x.ndim not in (2, 3) or x.ndim == 3 and x.shape[2] != 3 or min(x.shape[:2]) < 4:
        return None
    low, high = x.min(), x.max()
    return (x - low) / (high - low) if high > low else np.zeros_like(x)


class _Page:
    """The page as it grows."""

    def __init__(self, folder: Path, title: str) -> None:
        self.folder, self.title = folder, title
        self.parts: list[str] = []

    def header(self, run: Run) -> None:
        model = run.trainer.model
        size = sum(p.numel() for p in model.parameters())
        optimizer = type(run.trainer.optimizer).__name__ if run.trainer.optimizer is not None else "none"
        facts = {"model": f"{type(model).__name__}, {size:,} parameters", "optimizer": optimizer,
                 "epochs": f"{len(run.history)}", "steps": f"{run.steps:,}",
                 "time of training": f"{sum(r['seconds'] for r in run.history):.1f} s"}  # fmt: skip
        if run.stopped:
            facts["stopped early"] = run.stopped
        items = "".join(f"<div><dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd></div>" for k, v in facts.items())
        self.parts.append(f"<header><h1>{html.escape(self.title)}</h1><dl>{items}</dl></header>")

    def figures(self, figures: dict[str, float], heading: str) -> None:
        tiles = "".join(f'<div class="tile"><b>{value:.4f}</b><span>{html.escape(name)}</span></div>' for name, value in figures.items())
        self.parts.append(f'<section><h2>{html.escape(heading)}</h2><div class="tiles">{tiles}</div></section>')

    def picture(self, name: str, heading: str, figure: Any) -> None:
        buffer = io.BytesIO()
        save_figure(figure, buffer)
        with atomic_write(self.folder / f"{name}.png") as file:
            file.write(buffer.getvalue())
        data = base64.b64encode(buffer.getvalue()).decode()
        self.parts.append(f'<section id="{name}"><h2>{html.escape(heading)}</h2>'
                          f'<img alt="{html.escape(heading)}" src="data:image/png;base64,{data}"></section>')  # fmt: skip

    def rows(self, heading: str, lines: list[str]) -> None:
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        self.parts.append(f"<section><h2>{html.escape(heading)}</h2><ol>{items}</ol></section>")

    def table(self, history: list[dict[str, Any]]) -> None:
        names = list(dict.fromkeys(n for r in history for n in r))
        head = "".join(f"<th>{html.escape(n)}</th>" for n in names)
        body = "".join("<tr>" + "".join(f"<td>{_cell(r.get(n))}</td>" for n in names) + "</tr>" for r in history)
        self.parts.append(f"<section><h2>All epochs</h2><div class='scroll'><table><thead><tr>{head}</tr></thead>"
                          f"<tbody>{body}</tbody></table></div></section>")  # fmt: skip

    def write(self) -> Path:
        path = self.folder / "report.html"
        text = (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
                f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{html.escape(self.title)}</title>'
                f"<style>{STYLE}</style></head>\n<body><main>\n" + "\n".join(self.parts)
                + f"\n<footer>Corten {corten.__version__}</footer></main></body></html>\n")  # fmt: skip
        with atomic_write(path) as file:
            file.write(text.encode())
        return path


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else html.escape(str(value))


STYLE = """
:root { --ink: #22252a; --muted: #6b7280; --line: #e5e7eb; --rust: #b5541c; --paper: #faf9f7; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 36px 24px 60px; }
header { border-top: 5px solid var(--rust); padding-top: 18px; margin-bottom: 24px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 14px; letter-spacing: -0.01em; }
h2 { font-size: 17px; margin: 0 0 14px; }
dl { display: flex; flex-wrap: wrap; gap: 10px 34px; margin: 0; }
dt { color: var(--muted); font-size: 12.5px; }
dd { margin: 0; font-weight: 600; }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 20px 22px; margin-bottom: 18px; }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
#confusion img { max-width: min(100%, 640px); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); gap: 12px; }
.tile { background: var(--paper); border-radius: 8px; padding: 12px 14px; }
.tile b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; }
.tile span { color: var(--muted); font-size: 12.5px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 13.5px; }
th, td { text-align: right; padding: 5px 12px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--muted); font-weight: 600; }
ol { margin: 0; padding-left: 26px; }
li { font-variant-numeric: tabular-nums; white-space: pre-wrap; margin-bottom: 4px; }
footer { color: var(--muted); font-size: 12.5px; text-align: center; padding-top: 8px; }
"""
