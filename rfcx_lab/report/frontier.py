"""Depth against width, with the frontier between architectures that overfit and those that don't: `frontier.png`."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.verdict.frontier import ALL_OVERFIT, NONE_OVERFITS
from rfcx_lab.verdict.frontier_sentence import name_axis, name_column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

SOUND, MIDDLE, OVERFIT = "#0072B2", "#FFFFFF", "#D55E00"  # Okabe and Ito: told apart by any eye
_BEST, _RECOMMENDED = "#F0E442", "#009E73"
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


def frontier_figure(document: Document) -> Figure:
    """A panel per combination of the axes that are neither depth nor width. `document` is a `frontier.json`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    along, across, others = choose_axes(document["space"])
    panels = list(product(*(axis["values"] for axis in others)))[:_MOST_PANELS]
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    wide, high = len(along["values"]), len(across["values"]) if across else 1
    width = max(columns * (wide * _CELL + 1.2) + 0.8, 8.5)
    figure = Figure(figsize=(width, rows * (max(high, 2) * _CELL + 1.1) + 2.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in axes[len(panels) :]:
        spare.remove()
    for panel, values in zip(axes, panels, strict=False):
        chosen = dict(zip((axis["name"] for axis in others), values, strict=True))
        mesh = _draw_panel(panel, document, chosen)
        if chosen:
            panel.set_title(name_column(chosen), fontsize=10)
    bar = figure.colorbar(mesh, ax=axes[: len(panels)], shrink=0.9, ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.set_label(f"probability of overfitting\n(trained for {document['epochs']} epochs)")
    figure.suptitle(textwrap.fill(document["answer"], int(width * 11)), fontsize=10, x=0.01, ha="left")
    entries: dict[Any, Any] = {}
    for panel in axes[: len(panels)]:
        handles, labels = panel.get_legend_handles_labels()
        entries.update(zip(labels, handles, strict=True))
    figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def choose_axes(space: Document) -> tuple[Document, Document | None, list[Document]]:
    """The axis along which the frontier is sought, the one across it (dense layers if it can be), and the others."""
    along = next(axis for axis in space["axes"] if axis["name"] == space["along"])
    rest = [axis for axis in space["axes"] if axis is not along]
    rest.sort(key=lambda axis: (axis["name"] != "dense_layers", axis["parent"] is not None))
    return along, rest[0] if rest else None, rest[1:]


def _draw_panel(panel: Axes, document: Document, chosen: Values) -> QuadMesh:
    from matplotlib.colors import LinearSegmentedColormap

    along, across, _ = choose_axes(document["space"])
    wide, deep = along["values"], across["values"] if across else [0]
    cells = {_place(cell["values"], along, across): cell for cell in _fitting(document["architectures"], chosen)}
    probability = np.full((len(deep), len(wide)), np.nan)
    for (x, y), cell in cells.items():
        probability[y, x] = cell["overfit_probability"]
    colours = LinearSegmentedColormap.from_list("overfit", [SOUND, MIDDLE, OVERFIT])
    colours.set_bad("0.85")
    edges_x, edges_y = np.arange(len(wide) + 1) - 0.5, np.arange(len(deep) + 1) - 0.5
    mesh = panel.pcolormesh(
        edges_x, edges_y, np.ma.masked_invalid(probability), cmap=colours, vmin=0, vmax=1, edgecolor="white", lw=1
    )
    _draw_frontier(panel, document["crossings"], chosen, along, across)
    for (x, y), cell in cells.items():
        if cell["trials"]:
            _draw_tried(panel, x, y, cell)
    for key, marker, colour, shift, label in (
        ("best", "*", _BEST, -0.3, "lowest validation loss"),
        ("recommended", "D", _RECOMMENDED, 0.3, "recommended"),
    ):
        values = document[key]["values"]
        if values is not None and _fits(values, chosen):
            x, y = _place(values, along, across)
            panel.plot(x + shift, y + 0.28, marker, color=colour, mec="black", ms=12 if marker == "*" else 8, ls="",
                       zorder=6, label=label)  # fmt: skip
    panel.set_xticks(range(len(wide)), [f"{value:g}" for value in wide])
    panel.set_yticks(range(len(deep)), [f"{value:g}" for value in deep] if across else [""])
    panel.set_xlim(-0.5, len(wide) - 0.5)
    panel.set_ylim(-0.5, len(deep) - 0.5)
    panel.set_xlabel(_label(along))
    if across:
        panel.set_ylabel(_label(across))
    return mesh


def _draw_tried(panel: Axes, x: int, y: int, cell: Document) -> None:
    repeats = cell["observed"]["repeats"] if cell["observed"] else 0
    panel.plot(x, y - 0.08, "o", color="white", mec="black", ms=15, ls="", zorder=4, label="tried, with its repeats")
    panel.text(x, y - 0.09, str(repeats), ha="center", va="center", fontsize=9, zorder=5)


def _draw_frontier(
    panel: Axes, crossings: Sequence[Document], chosen: Values, along: Document, across: Document | None
) -> None:
    from matplotlib.patches import Rectangle

    wide, line = along["values"], []
    own = sorted(_fitting(crossings, chosen, key="column"), key=lambda c: _row(c["column"], across))
    for crossing in own:
        y = _row(crossing["column"], across)
        low, high = crossing["none_up_to"], crossing["all_from"]
        start = -0.5 if low is None else wide.index(low)
        end = len(wide) - 0.5 if high is None else wide.index(high)
        panel.add_patch(
            Rectangle(
                (start, y - 0.5),
                max(end - start, 0.0),
                1,
                fill=False,
                hatch="////",
                ec="0.35",
                lw=0,
                zorder=2,
                label="where it may run",
            )
        )
        ends = {NONE_OVERFITS: len(wide) - 0.5, ALL_OVERFIT: -0.5}
        x = crossing["position"] if crossing["position"] is not None else ends.get(crossing["status"], np.nan)
        line += [(x, y - 0.5), (x, y + 0.5)]
    if line:
        path: NDArray[np.float64] = np.array(line)
        panel.plot(path[:, 0], path[:, 1], "-", color="black", lw=3, zorder=3, clip_on=False, label="frontier")


def _fitting(items: Sequence[Document], chosen: Values, *, key: str = "values") -> list[Document]:
    return [item for item in items if _fits(item[key], chosen)]


def _fits(values: Values, chosen: Values) -> bool:
    """Whether an architecture belongs in a panel; one that lacks an axis belongs in all of them."""
    return all(values.get(axis, value) == value for axis, value in chosen.items())


def _place(values: Values, along: Document, across: Document | None) -> tuple[int, int]:
    return along["values"].index(values[along["name"]]), _row(values, across)


def _row(values: Values, across: Document | None) -> int:
    if across is None or across["name"] not in values:
        return 0
    return int(across["values"].index(values[across["name"]]))


def _label(axis: Document) -> str:
    name = name_axis(axis["name"])
    unit = "number" if name.endswith("layers") else "units" if name.endswith("width") else "share"
    return f"{name} ({'width ratio' if name.endswith('taper') else unit})"
