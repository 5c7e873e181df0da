"""Figures of matplotlib in one look, drawn without a display and without pyplot's global state."""

from __future__ import annotations

from typing import IO, Any

INK, MUTED, GRID = "#22252a", "#6b7280", "#e5e7eb"
COLORS = ["#2f6f9f", "#b5541c", "#4c8c4a", "#8a5a9e", "#b08a1e", "#3a9a97", "#a8434f", "#6b7280", "#7a6a4f", "#4a5fa8"]


def new_figure(width: float, height: float, dpi: int = 130) -> Any:
    """An empty figure of so many inches. Raises ImportError when matplotlib is not installed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def style(axes: Any) -> Any:
    """Light grid, no box."""
    from cycler import cycler

    axes.set_prop_cycle(cycler(color=COLORS))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#9ca3af")
    axes.grid(color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelsize=9)
    axes.title.set_color(INK)
    axes.title.set_fontsize(11)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(MUTED)
        label.set_fontsize(9.5)
    return axes


def save_figure(figure: Any, file: IO[bytes]) -> None:
    """Write it as a PNG."""
    for axes in figure.axes:
        if not axes.images:
            style(axes)
    figure.savefig(file, format="png", facecolor="white")
