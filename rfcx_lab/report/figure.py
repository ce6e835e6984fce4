"""Every rung's learning curves with its onset, and what the losses of each come to: `ladder.png` and `ladder.svg`.

Made to be printed: drawn for a page's width, and still legible at half of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rfcx_lab.report.headline import Headline
from rfcx_lab.report.mean_curve import mean_over_repeats
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
_MOST_LEVEL = 8  # names of rungs that stand side by side
RESOLUTION = 200  # dots per inch of the PNG
STYLE: dict[Any, Any] = {
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
    with matplotlib.rc_context(STYLE):
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # it would place everything once more, and slightly differently, per format
        for path in paths:
            dateless = {"Date": None} if path.suffix == ".svg" else None
            figure.savefig(path, dpi=RESOLUTION, metadata=dateless)


def ladder_figure(curves: Mapping[str, Sequence[Curves]], document: Mapping[str, Any]) -> Figure:
    """One panel per rung over one of best and final losses, under the answer. `document` is a verdict.

    The rung at which the model begins to overfit when trained to the end stands in a heavy frame.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        return _lay_out(curves, document)


def _lay_out(curves: Mapping[str, Sequence[Curves]], document: Mapping[str, Any]) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rungs = document["rungs"]
    columns = min(_COLUMNS, len(rungs))
    rows = math.ceil(len(rungs) / columns)
    width = max(columns * _PANEL[0], 7.5)
    answer = Headline(document["answer"], width=width, sizes=(_FONT, _SMALL))
    figure = Figure(figsize=(width, answer.height + (rows + 1.4) * _PANEL[1] + 1.1), layout="constrained")
    FigureCanvasAgg(figure)
    heights = [answer.height, *[_PANEL[1]] * rows, 1.15 * _PANEL[1]]
    grid = figure.add_gridspec(rows + 2, columns, height_ratios=heights)
    chance = math.log(document["data"]["classes"])
    found = document["begins_to_overfit"]["trained_to_the_end"]
    panels: list[Axes] = []
    for i, rung in enumerate(rungs):
        shared = panels[0] if panels else None
        panel = figure.add_subplot(grid[1 + i // columns, i % columns], sharex=shared, sharey=shared)
        _draw_rung(panel, curves[rung["name"]], rung, chance=chance)
        if found["established"] and found["bound"] != "above" and found["rung"] == rung["name"]:
            _frame(panel)
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
    _draw_losses(figure.add_subplot(grid[rows + 1, :]), document, chance=chance)
    answer.draw(figure.add_subplot(grid[0, :]))
    return figure


def _frame(panel: Axes) -> None:
    for spine in panel.spines.values():
        spine.set_linewidth(2.5)
    panel.title.set_fontweight("bold")


def _draw_rung(panel: Axes, fits: Sequence[Curves], rung: Mapping[str, Any], *, chance: float) -> None:
    for name, colour, style in (("train_loss", TRAINING, "--"), ("val_loss", VALIDATION, "-")):
        series = [getattr(fit, name) for fit in fits if fit.epochs]
        label = {"train_loss": "training", "val_loss": "validation"}[name]
        for values in series:
            panel.plot(range(1, len(values) + 1), values, style, color=colour, lw=0.6, alpha=0.4)
        mean = mean_over_repeats(fits, name)
        panel.plot(
            range(1, len(mean) + 1), mean, style, color=colour, lw=2.2, label=f"{label} (thick: mean of repeats)"
        )
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
        spread = "" if low is None and high is None else f" [{show_end(low)}, {show_end(high)}]"
        note = f"{overfitting}/{repeats} overfit from {point:g}{spread}"
    else:
        note = f"{overfitting}/{repeats} overfit"
    beside = panel.text(0.5, 1.03, note, transform=panel.transAxes, ha="center", va="bottom", fontsize=_SMALL)
    beside.set_in_layout(False)  # the title keeps its place free
    remedy = " (remedy)" if rung["role"] == "remedy" else ""
    panel.set_title(f"{rung['name']}{remedy}", pad=1.7 * _SMALL)
    panel.grid(alpha=0.25)


def show_end(epoch: float | None) -> str:
    """An end of an interval that so few repeats can't bound is an ellipsis, as in the terminal."""
    return "…" if epoch is None else f"{epoch:g}"


def _draw_losses(panel: Axes, document: Mapping[str, Any], *, chance: float) -> None:
    rungs = document["rungs"]
    places = np.arange(len(rungs))
    for key, colour, marker, shift, label in (
        ("val_loss_best", BEST, "o", -0.1, "at its best epoch"),
        ("val_loss_final", FINAL, "s", 0.1, "after the last epoch"),
    ):
        known = [i for i, rung in enumerate(rungs) if rung[key] is not None]
        means = [rungs[i][key][0] for i in known]
        errors = [rungs[i][key][1] or 0.0 for i in known]  # of one repeat there is no standard error
        face = "white" if key == "val_loss_best" else colour  # told apart in grey, too
        panel.errorbar(
            places[known] + shift,
            means,
            yerr=errors,
            fmt=marker,
            color=colour,
            mfc=face,
            mew=1.6,
            capsize=4,
            label=label,
        )
    panel.axhline(chance, color="0.45", lw=0.9, ls=":")
    _mark_beginning(panel, document["begins_to_overfit"]["trained_to_the_end"], [rung["name"] for rung in rungs])
    kept = document["recommended"]["rung"]
    panel.set_xticks(places, [rung["name"] + "\nrecommended" * (rung["name"] == kept) for rung in rungs])
    if len(rungs) > _MOST_LEVEL:
        panel.tick_params("x", rotation=20)
    panel.set_xlim(-0.5, len(rungs) - 0.5)
    panel.set_ylabel("validation loss (nats)")
    panel.set_title("What each rung comes to (mean ± standard error over repeats)")
    panel.grid(alpha=0.25, axis="y")
    panel.legend(loc="best")


def _mark_beginning(panel: Axes, found: Mapping[str, Any], names: Sequence[str]) -> None:
    """A line before the rung at which the model begins to overfit, or the rungs among which that stays open."""
    if found["established"] and found["bound"] != "above":
        panel.axvline(names.index(found["rung"]) - 0.5, color=ONSET, lw=1.3, ls="--", label="begins to overfit")
    elif found["between"]:
        low, high = found["between"]
        end = len(names) - 0.5 if high is None else names.index(high)
        label = "begins to overfit in here: not established"
        panel.axvspan(names.index(low), end, color=ONSET, alpha=0.12, lw=0, label=label)


def _limit_losses(panel: Axes, curves: Mapping[str, Sequence[Curves]], *, chance: float) -> None:
    """Keep one spike of one fit from flattening every panel."""
    values = [v for fits in curves.values() for fit in fits for v in (*fit.val_loss, *fit.train_loss)]
    finite = np.array([v for v in values if math.isfinite(v)])
    if finite.size:
        means = [mean_over_repeats(fits, "val_loss") for fits in curves.values()]
        highest = max([float(mean.max()) for mean in means if mean.size], default=0.0)
        panel.set_ylim(0, max(chance * 1.1, float(np.quantile(finite, 0.995)) * 1.05, highest * 1.05))
