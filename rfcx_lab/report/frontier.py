"""Depth against width, with the frontier between architectures that overfit and those that don't: `frontier.png`."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.verdict.frontier import ALL_OVERFIT, FOUND, NONE_OVERFITS, OPEN
from rfcx_lab.verdict.frontier_sentence import name_axis, name_column, title_frontier

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

SOUND, MIDDLE, OVERFIT = "#0072B2", "#FFFFFF", "#D55E00"  # Okabe and Ito: told apart by any eye
TRIED = "tried, with its repeats"
MARKS = (  # key, marker, colour, shift, size, label
    ("best", "*", "#F0E442", -0.3, 17, "lowest validation loss"),
    ("recommended", "D", "#009E73", 0.3, 11, "recommended"),
)
NOTHING = "has learnt nothing"
_HATCHED: dict[str, Any] = {
    "fc": "0.85",
    "hatch": "xx",
    "ec": "0.55",
    "lw": 0,
    "zorder": 2.5,
    "label": NOTHING,
}
_FONT = 13  # points; at half the width they are still read
_CELL = 0.85  # inches
_COLUMNS = 3
_MOST_PANELS = 12

Document = Mapping[str, Any]
Values = Mapping[str, float]


def draw_frontier(document: Document, *, paths: Sequence[Path]) -> None:
    """Write `frontier_figure` to every path, each in the format that its ending names."""
    figure = frontier_figure(document)
    for path in paths:
        figure.savefig(path, dpi=150)


@dataclass(frozen=True)
class Panel:
    """What one panel shows: cells, and a frontier per row. Places count the values of an axis from 0."""

    along: Document
    across: Document | None
    chosen: Values  # on the axes that are neither
    cells: Mapping[tuple[int, int], Document]  # by place along and across
    rows: tuple[int, ...]  # with a frontier
    line: tuple[float, ...]  # where it runs, per row; at the edge where it runs beyond, NaN where it is nowhere
    band: tuple[tuple[float, float], ...]  # where it may run

    @property
    def probability(self) -> NDArray[np.float64]:
        """That a cell overfits, `(across, along)`; NaN where there is none, or one that has learnt nothing."""
        table = np.full((len(self.across["values"]) if self.across else 1, len(self.along["values"])), np.nan)
        for (x, y), cell in self.cells.items():
            if cell.get("learnt") is not False:
                table[y, x] = cell["overfit_probability"]
        return table

    @property
    def not_learnt(self) -> list[tuple[int, int]]:
        """Places of the cells that lie on neither side."""
        return [place for place, cell in self.cells.items() if cell.get("learnt") is False]

    def place(self, values: Values) -> tuple[int, int] | None:
        """Of an architecture that belongs in the panel."""
        if not _fits(values, self.chosen):
            return None
        return self.along["values"].index(values[self.along["name"]]), _row(values, self.across)


def frontier_figure(document: Document) -> Figure:
    """A panel per combination of the axes that are neither depth nor width. `document` is a `frontier.json`."""
    from matplotlib import rc_context

    with rc_context({"font.size": _FONT, "hatch.linewidth": 1.0}):
        return _frontier_figure(document)


def _frontier_figure(document: Document) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = panels_of(document)
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    deep, wide = panels[0].probability.shape
    width = max(columns * (wide * _CELL + 1.2) + 0.8, 8.5)
    figure = Figure(figsize=(width, rows * (max(deep, 2) * _CELL + 1.1) + 2.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in axes[len(panels) :]:
        spare.remove()
    for place, panel in zip(axes, panels, strict=False):
        mesh = _draw_panel(place, panel, document)
    bar = figure.colorbar(mesh, ax=axes[: len(panels)], shrink=0.9, ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.set_label(f"probability of overfitting\n(trained for {document['epochs']} epochs)")
    figure.suptitle(textwrap.fill(title_frontier(document), int(width * 8)), x=0.01, ha="left")
    entries: dict[Any, Any] = {}
    for place in axes[: len(panels)]:
        handles, labels = place.get_legend_handles_labels()
        entries.update(zip(labels, handles, strict=True))
    figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=3, frameon=False)
    return figure


def panels_of(document: Document) -> list[Panel]:
    """The panels that a `frontier.json` takes, at most 12 of them.

    Across stands the number of dense layers, or else the first of the other axes.
    """
    axes = document["space"]["axes"]
    along = next(axis for axis in axes if axis["name"] == document["space"]["along"])
    rest = [axis for axis in axes if axis is not along]
    rest.sort(key=lambda axis: (axis["name"] != "dense_layers", axis["parent"] is not None))
    across, others = (rest[0], rest[1:]) if rest else (None, [])
    names = [axis["name"] for axis in others]
    combinations = list(product(*(axis["values"] for axis in others)))[:_MOST_PANELS]
    return [_panel(document, along, across, dict(zip(names, each, strict=True))) for each in combinations]


def label_axis(axis: Document) -> str:
    """Name and unit."""
    name = name_axis(axis["name"])
    units = {"layers": "number", "width": "units", "taper": "ratio of widths", "dropout": "share"}
    return f"{name} ({units[axis['name'].split('_')[1]]})"


def _panel(document: Document, along: Document, across: Document | None, chosen: Values) -> Panel:
    wide, beyond = along["values"], len(along["values"]) - 0.5
    cells = {
        (wide.index(cell["values"][along["name"]]), _row(cell["values"], across)): cell
        for cell in document["architectures"]
        if _fits(cell["values"], chosen)
    }
    own = [crossing for crossing in document["crossings"] if _fits(crossing["column"], chosen)]
    own.sort(key=lambda crossing: _row(crossing["column"], across))
    return Panel(
        along=along,
        across=across,
        chosen=chosen,
        cells=cells,
        rows=tuple(_row(crossing["column"], across) for crossing in own),
        line=tuple(
            _edge(crossing, cells, row=_row(crossing["column"], across))
            if crossing["position"] is None
            else crossing["position"]
            for crossing in own
        ),
        band=tuple(
            (
                -0.5 if crossing["none_up_to"] is None else wide.index(crossing["none_up_to"]),
                beyond if crossing["all_from"] is None else wide.index(crossing["all_from"]),
            )
            for crossing in own
        ),
    )


def _edge(crossing: Document, cells: Mapping[tuple[int, int], Document], *, row: int) -> float:
    """Where a frontier stands that does not cross a row: at that end of it, among what has learnt; NaN: nowhere."""
    places = [x for (x, y), cell in cells.items() if y == row and cell.get("learnt") is not False]
    if crossing["status"] == NONE_OVERFITS:
        return max(places) + 0.5
    return min(places) - 0.5 if crossing["status"] == ALL_OVERFIT else math.nan


def _draw_panel(axes: Axes, panel: Panel, document: Document) -> QuadMesh:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle

    colours = LinearSegmentedColormap.from_list("overfit", [SOUND, MIDDLE, OVERFIT])
    colours.set_bad("0.85")
    deep, wide = panel.probability.shape
    edges_x, edges_y = np.arange(wide + 1) - 0.5, np.arange(deep + 1) - 0.5
    mesh = axes.pcolormesh(
        edges_x, edges_y, np.ma.masked_invalid(panel.probability), cmap=colours, vmin=0, vmax=1, edgecolor="white", lw=1
    )
    _draw_frontier(axes, panel, status=document["status"])
    for x, y in panel.not_learnt:
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **_HATCHED))
    for (x, y), cell in panel.cells.items():
        if cell["trials"]:
            repeats = cell["observed"]["repeats"] if cell["observed"] else 0
            axes.plot(x, y - 0.08, "o", color="white", mec="black", ms=17, ls="", zorder=4, label=TRIED)
            axes.text(x, y - 0.09, str(repeats), ha="center", va="center", fontsize=_FONT - 2, zorder=5)
    for key, marker, colour, shift, size, label in MARKS:
        values = document[key]["values"]
        place = None if values is None else panel.place(values)
        if place is not None:
            x, y = place
            axes.plot(x + shift, y + 0.28, marker, color=colour, mec="black", ms=size, ls="", zorder=6, label=label)
    axes.set_xticks(range(wide), [f"{value:g}" for value in panel.along["values"]])
    axes.set_yticks(range(deep), [f"{value:g}" for value in panel.across["values"]] if panel.across else [""])
    axes.set_xlim(-0.5, wide - 0.5)
    axes.set_ylim(-0.5, deep - 0.5)
    axes.set_xlabel(label_axis(panel.along))
    axes.set_ylabel(label_axis(panel.across) if panel.across else "")
    axes.set_title(name_column(panel.chosen), fontsize=_FONT)
    return mesh


def name_line(status: str) -> str:
    """What a legend calls the line of the frontier."""
    return {OPEN: "frontier, not established", FOUND: "frontier"}.get(status, "any frontier lies beyond")


def _draw_frontier(axes: Axes, panel: Panel, *, status: str) -> None:
    from matplotlib.patches import Rectangle

    may: dict[str, Any] = {"hatch": "////", "ec": "0.35", "lw": 0, "zorder": 2, "label": "where it may run"}
    for y, (low, high) in zip(panel.rows, panel.band, strict=True):
        axes.add_patch(Rectangle((low, y - 0.5), max(high - low, 0.0), 1, fill=False, **may))
    xs = [x for x in panel.line for _ in range(2)]
    ys = [y + side for y in panel.rows for side in (-0.5, 0.5)]
    dash = "--" if status == OPEN else "-"
    axes.plot(xs, ys, dash, color="black", lw=3, zorder=3, clip_on=False, label=name_line(status))


def _fits(values: Values, chosen: Values) -> bool:
    """Whether an architecture belongs in a panel; one that lacks an axis belongs in all of them."""
    return all(values.get(axis, value) == value for axis, value in chosen.items())


def _row(values: Values, across: Document | None) -> int:
    if across is None or across["name"] not in values:
        return 0
    return int(across["values"].index(values[across["name"]]))
