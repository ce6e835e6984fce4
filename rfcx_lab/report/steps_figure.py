"""A pipeline mended step by step: every step's learning curves beside what it comes to. `mended.png`, `mended.svg`."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rfcx_lab.report.figure import BEST, TRAINING, VALIDATION
from rfcx_lab.report.mean_curve import mean_over_repeats
from rfcx_lab.verdict import Curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _ROW = 12.0, 1.15  # inches
_LETTERS = 140  # of the title's line
_NAME = 22  # letters of a step's name in a line
_RESOLUTION = 150  # dots per inch of the PNG
_STYLE: dict[Any, Any] = {"font.size": 10, "svg.hashsalt": "rfcx_lab"}  # the same figure gives the same bytes
Interval = Sequence[float | None]


def draw_steps(curves: Mapping[str, Sequence[Curves]], document: Mapping[str, Any], *, paths: Sequence[Path]) -> None:
    """Write `steps_figure` to each of `paths`, in the format its suffix names."""
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        figure = steps_figure(curves, document)
        for path in paths:
            dateless = {"Date": None} if path.suffix == ".svg" else None
            figure.savefig(path, dpi=_RESOLUTION, metadata=dateless)


def steps_figure(curves: Mapping[str, Sequence[Curves]], document: Mapping[str, Any]) -> Figure:
    """A row per step, the first on top. `document` is a `mended.json`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps = document["steps"]
    figure = Figure(figsize=(_WIDTH, len(steps) * _ROW + 2.0), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(steps), 4, width_ratios=[1.5, 1.2, 1.1, 1.1])
    figure.suptitle(textwrap.fill(_title(document), _LETTERS), x=0.01, ha="left", fontsize=10.5)
    first: Axes | None = None
    for row, step in enumerate(steps):
        panel = figure.add_subplot(grid[row, 0], sharex=first, sharey=first)
        _draw_curves(panel, curves[step["name"]], chance=document["chance"])
        _name(panel, step, row)
        panel.tick_params(labelbottom=row == len(steps) - 1)
        first = first or panel
    assert first is not None
    _limit(first, curves, chance=document["chance"])
    panel.set_xlabel("epoch")
    first.set_title("training (- -) and validation loss, nats", fontsize=10)
    chance = 1 / document["data"]["classes"]
    loss, gap, accuracy = (figure.add_subplot(grid[:, column]) for column in (1, 2, 3))
    _draw_values(loss, steps, [("val_loss_best", VALIDATION, "")], differences="loss_difference")
    loss.axvline(document["chance"], color="0.45", lw=0.9, ls=":")
    loss.set_title("best validation loss, nats", fontsize=10)
    _draw_values(gap, steps, [("gap", TRAINING, "")], differences="gap_difference")
    gap.axvline(0, color="0.45", lw=0.9, ls=":")
    gap.set_title("final gap, nats", fontsize=10)
    entries = [("val_accuracy_best", VALIDATION, "validation"), ("test_accuracy", BEST, "test")]
    _draw_values(accuracy, steps, entries, differences=None)
    accuracy.axvline(chance, color="0.45", lw=0.9, ls=":")
    accuracy.set_title("accuracy at the best epoch", fontsize=10)
    accuracy.legend(loc="best", fontsize=9)
    return figure


def _title(document: Mapping[str, Any]) -> str:
    told = document["answer"].split(" On the last step:")[0]
    level = f"p ≤ {document['judge']['alpha']:g}, Holm"
    key = f"● established change from the step before ({level}), ○ not; dotted: chance."
    return f"{told} Gap: validation less training loss. {key}"


def _name(panel: Axes, step: Mapping[str, Any], row: int) -> None:
    text = f"{row}. " + "\n".join(textwrap.wrap(step["name"], _NAME))
    panel.set_ylabel(
        text,
        rotation=0,
        ha="right",
        va="center",
        labelpad=12,
        fontsize=10,
        fontweight="bold" if step["matters"] else None,
    )


def _draw_curves(panel: Axes, fits: Sequence[Curves], *, chance: float) -> None:
    for name, colour, style in (("train_loss", TRAINING, "--"), ("val_loss", VALIDATION, "-")):
        series = [getattr(fit, name) for fit in fits if fit.epochs]
        for values in series:
            panel.plot(range(1, len(values) + 1), values, style, color=colour, lw=0.5, alpha=0.4)
        mean = mean_over_repeats(fits, name)
        panel.plot(range(1, len(mean) + 1), mean, style, color=colour, lw=1.8)
    panel.axhline(chance, color="0.45", lw=0.9, ls=":")
    panel.grid(alpha=0.25)


def _draw_values(
    panel: Axes, steps: Sequence[Mapping[str, Any]], entries: Sequence[tuple[str, str, str]], *, differences: str | None
) -> None:
    for shift, (key, colour, label) in zip((-0.1, 0.1), entries, strict=False):
        for row, step in enumerate(steps):
            if step[key] is None:
                continue
            point, low, high = step[key]
            place = row + (shift if len(entries) > 1 else 0)
            if low is not None:
                panel.plot([low, high], [place, place], "-", color=colour, lw=1.2)
            difference = step[differences] if differences else None
            filled = differences is None or (difference is not None and difference["established"])
            face = colour if filled else "white"
            panel.plot([point], [place], "o", ms=7, mfc=face, mec=colour, label=label if row == 0 else "")
    panel.set_ylim(len(steps) - 0.5, -0.5)
    panel.set_yticks(range(len(steps)), [str(row) for row in range(len(steps))])
    panel.grid(alpha=0.25)


def _limit(panel: Axes, curves: Mapping[str, Sequence[Curves]], *, chance: float) -> None:
    """Keep one spike from flattening every panel."""
    values = np.array([v for fits in curves.values() for fit in fits for v in (*fit.val_loss, *fit.train_loss)])
    finite = values[np.isfinite(values)]
    if finite.size:
        panel.set_ylim(0, max(1.15 * chance, 1.1 * float(np.quantile(finite, 0.99))))
