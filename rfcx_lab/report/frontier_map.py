"""The frontier as a page draws it: a cell per architecture, and the line where models begin to overfit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rfcx_lab.report.exhibit import Tick
from rfcx_lab.report.frontier import Panel, label_axis, name_line, panels_of
from rfcx_lab.verdict.frontier import OPEN
from rfcx_lab.verdict.frontier_sentence import name_column

CELL_WIDTH, CELL_HEIGHT = 58, 50  # units of the drawing
LEFT, RIGHT, TOP, BOTTOM = 48, 8, 6, 42  # units around the cells
_LEAST_WIDTH = 260.0  # of a drawing, for its axis' name to fit under it


@dataclass(frozen=True)
class Cell:
    """An architecture: its place, in units from the upper left corner, and what stands there."""

    x: float
    y: float
    name: str
    parameters: int
    probability: float | None  # none where nothing was learnt
    repeats: int  # with which it was tried
    tried: bool
    marks: tuple[str, ...]  # "best", "recommended"


@dataclass(frozen=True)
class Map:
    """One panel, with the path of its frontier and the boxes in which it may run, `(x, y, width)`; ticks in units."""

    title: str
    width: float
    height: float
    cells: tuple[Cell, ...]
    path: str
    known: bool
    line: str  # what the path is
    band: tuple[tuple[float, float, float], ...]
    along: str
    across: str
    along_ticks: tuple[Tick, ...]
    across_ticks: tuple[Tick, ...]


def draw_maps(document: Mapping[str, Any]) -> list[Map]:
    """A map per panel of `rfcx_lab.report.frontier`. `document` is a `frontier.json`."""
    return [_draw(panel, document) for panel in panels_of(document)]


def _draw(panel: Panel, document: Mapping[str, Any]) -> Map:
    deep, wide = panel.probability.shape
    across = panel.across["values"] if panel.across else [""]
    return Map(
        title=name_column(panel.chosen),
        width=max(LEFT + wide * CELL_WIDTH + RIGHT, _LEAST_WIDTH),
        height=TOP + deep * CELL_HEIGHT + BOTTOM,
        cells=tuple(
            Cell(
                x=_x(x - 0.5),
                y=_y(y + 0.5, deep),
                name=cell["name"],
                parameters=cell["trainable_parameters"],
                probability=None if cell.get("learnt") is False else cell["overfit_probability"],
                repeats=cell["observed"]["repeats"] if cell["observed"] else 0,
                tried=bool(cell["trials"]),
                marks=tuple(key for key in ("best", "recommended") if document[key]["values"] == cell["values"]),
            )
            for (x, y), cell in panel.cells.items()
        ),
        path=_path(panel, deep),
        known=document["status"] != OPEN,
        line=name_line(document["status"]),
        band=tuple(
            (_x(low), _y(row + 0.5, deep), max(_x(high) - _x(low), 0.0))
            for row, (low, high) in zip(panel.rows, panel.band, strict=True)
        ),
        along=label_axis(panel.along),
        across=label_axis(panel.across) if panel.across else "",
        along_ticks=tuple(Tick(_x(place), f"{value:g}") for place, value in enumerate(panel.along["values"])),
        across_ticks=tuple(
            Tick(_y(place, deep), f"{value:g}" if panel.across else "") for place, value in enumerate(across)
        ),
    )


def _path(panel: Panel, deep: int) -> str:
    """Up through the rows; torn where it is nowhere."""
    strokes: list[str] = []
    torn = True
    for row, place in zip(panel.rows, panel.line, strict=True):
        if math.isnan(place):
            torn = True
            continue
        begin, end = (f"{_x(place):.1f} {_y(row + side, deep):.1f}" for side in (-0.5, 0.5))
        strokes += [f"{'M' if torn else 'L'}{begin}", f"L{end}"]
        torn = False
    return "".join(strokes)


def _x(place: float) -> float:
    return LEFT + (place + 0.5) * CELL_WIDTH


def _y(place: float, deep: int) -> float:
    return TOP + (deep - place - 0.5) * CELL_HEIGHT


def star(x: float, y: float, *, size: float) -> str:
    """An SVG path of a star with five points around `(x, y)`."""
    turns: Sequence[tuple[float, float]] = [(math.pi * i / 5, size if i % 2 == 0 else size * 0.45) for i in range(10)]
    points = [f"{x + radius * math.sin(turn):.1f} {y - radius * math.cos(turn):.1f}" for turn, radius in turns]
    return f"M{'L'.join(points)}Z"
