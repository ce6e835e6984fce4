"""Every rung's learning curves with its onset, and what the losses of each come to: `ladder.png` and `ladder.svg`.

Made to be printed: drawn for a page's width, and still legible at half of it.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.verdict import Curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAINING, VALIDATION, ONSET = "#0072B2", "#D55E00", "#000000"  # Okabe and Ito: told apart by any eye
BEST, FINAL = "#009E73", "#D55E00"
_COLUMNS = 4
_PANEL = (2.6, 2.2)  # inches
_FONT = 12  # points: 6 where the figure stands in one of two columns
_SMALL = 10.5
_LETTERS_PER_INCH = 11.0
_RESOLUTION = 200  # dots per inch of the PNG
_STYLE: dict[Any, Any] = {
    "font.size": _FONT,
    "axes.titlesize": _FONT,
    "axes.labelsize": _FONT,
    "xtick.labelsize": _SMALL,
    "ytick.labelsize": _SMALL,
    "legend.fontsize": _SMALL,
    "svg.hashsalt": "rfcx_lab",  # the same figure gives the same bytes
}


def draw_ladder(curves: Mapping[str, Sequence[Curves]], document: Mapping[str, Any], *, paths: Sequence[Path]) -> None:
    """Write `ladder_figure` to each of `paths`, in the format its suffix names."""
    import matplotlib

    figure = ladder_figure(curves, document)
    with matplotlib.rc_context(_STYLE):
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # it would place everything once more, and slightly differently, per format
        for path in paths:
            dateless = {"Date": None} if path.suffix == ".svg" else None
            figure.savefig(path, dpi=_RESOLUTION, metadata=dateless)


def ladder_figure(curves: Mapping[str, Sequence[Curves]], document: Mapping[str, Any]) -> Figure:
    """One panel per rung over one of best and final losses, under the answer. `document` is a verdict."""
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        return _lay_out(curves, document)


def _lay_out(curves: Mapping[str, Sequence[Curves]], document: Mapping[str, Any]) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rungs = document["rungs"]
    columns = min(_COLUMNS, len(rungs))
    rows = math.ceil(len(rungs) / columns)
    width = max(columns * _PANEL[0], 7.5)
    figure = Figure(figsize=(width, (rows + 1.4) * _PANEL[1] + 1.6), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(rows + 1, columns, height_ratios=[*[1.0] * rows, 1.15])
    _title(figure, document["answer"], width=width)
    chance = math.log(document["data"]["classes"])
    panels: list[Axes] = []
    for i, rung in enumerate(rungs):
        shared = panels[0] if panels else None
        panel = figure.add_subplot(grid[i // columns, i % columns], sharex=shared, sharey=shared)
        _draw_rung(panel, curves[rung["name"]], rung, chance=chance)
        panel.tick_params(labelleft=i % columns == 0)
        if i % columns == 0:
            panel.set_ylabel("cross-entropy (nats)")
        if i + columns >= len(rungs):
            panel.set_xlabel("epoch")
        panels.append(panel)
    _limit_losses(panels[0], curves, chance=chance)
    entries: dict[Any, Any] = {}
    for panel in panels:
        handles, labels = panel.get_legend_handles_labels()
        entries.update(zip(labels, handles, strict=True))
    figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=3, frameon=False)
    _draw_losses(figure.add_subplot(grid[rows, :]), rungs, chance=chance)
    return figure


def _title(figure: Figure, answer: str, *, width: float) -> None:
    figure.suptitle(textwrap.fill(answer, int(width * _LETTERS_PER_INCH)), fontsize=_FONT, x=0.01, ha="left")


def _draw_rung(panel: Axes, fits: Sequence[Curves], rung: Mapping[str, Any], *, chance: float) -> None:
    for name, colour, style in (("train_loss", TRAINING, "--"), ("val_loss", VALIDATION, "-")):
        series = [getattr(fit, name) for fit in fits if fit.epochs]
        label = {"train_loss": "training", "val_loss": "validation"}[name]
        for values in series:
            panel.plot(range(1, len(values) + 1), values, style, color=colour, lw=0.6, alpha=0.4)
        mean = _mean_over_repeats(series)
        panel.plot(range(1, len(mean) + 1), mean, style, color=colour, lw=2.2, label=f"{label} (mean of repeats)")
    panel.axhline(chance, color="0.45", lw=0.9, ls=":", label="chance")
    onset = rung["onset_epoch"]
    longest = max((fit.epochs for fit in fits), default=1)
    overfitting, repeats = rung["statuses"].get("overfit", 0), rung["repeats"]
    if onset is not None:
        point, low, high = onset
        if low is not None:  # a missing upper end lies beyond the budget
            end = high if high is not None else longest
            panel.axvspan(low, end, color=ONSET, alpha=0.12, lw=0, label="its 95 % interval")
        panel.axvline(point, color=ONSET, lw=1.3, ls="-.", label="onset (median)")
        note = f"onset {point:g} · {overfitting}/{repeats} overfit"
    else:
        note = f"no onset · {overfitting}/{repeats} overfit"
    panel.text(0.97, 0.96, note, transform=panel.transAxes, ha="right", va="top", fontsize=_SMALL,
               bbox={"facecolor": "white", "alpha": 0.8, "lw": 0, "pad": 1.5})  # fmt: skip
    remedy = " (remedy)" if rung["role"] == "remedy" else ""
    panel.set_title(f"{rung['name']}{remedy}")
    panel.grid(alpha=0.25)


def _draw_losses(panel: Axes, rungs: Sequence[Mapping[str, Any]], *, chance: float) -> None:
    places = np.arange(len(rungs))
    for key, colour, marker, shift, label in (
        ("val_loss_best", BEST, "o", -0.1, "at its best epoch"),
        ("val_loss_final", FINAL, "s", 0.1, "after the last epoch"),
    ):
        known = [i for i, rung in enumerate(rungs) if rung[key] is not None]
        means = [rungs[i][key][0] for i in known]
        errors = [rungs[i][key][1] or 0.0 for i in known]  # of one repeat there is no standard error
        panel.errorbar(places[known] + shift, means, yerr=errors, fmt=marker, color=colour, capsize=4, label=label)
    panel.axhline(chance, color="0.45", lw=0.9, ls=":", label="chance")
    panel.set_xticks(places, [rung["name"] for rung in rungs])
    panel.set_xlim(-0.5, len(rungs) - 0.5)
    panel.set_ylabel("validation loss (nats)")
    panel.set_title("What each rung comes to (mean ± standard error over repeats)")
    panel.grid(alpha=0.25, axis="y")
    panel.legend(loc="best")


def _limit_losses(panel: Axes, curves: Mapping[str, Sequence[Curves]], *, chance: float) -> None:
    """Keep one spike from flattening every panel."""
    values = [v for fits in curves.values() for fit in fits for v in (*fit.val_loss, *fit.train_loss)]
    finite = np.array([v for v in values if math.isfinite(v)])
    if finite.size:
        panel.set_ylim(0, max(chance * 1.15, float(np.quantile(finite, 0.995)) * 1.1))


def _mean_over_repeats(series: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    table = np.array(list(zip_longest(*series, fillvalue=math.nan)), dtype=float)
    known = np.isfinite(table).any(axis=1) if table.size else np.array([], dtype=bool)
    return np.nanmean(table[known], axis=1) if known.any() else np.array([])
