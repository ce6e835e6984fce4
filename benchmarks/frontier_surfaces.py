"""Overfit margins over depth and width with a known frontier, or recorded ones, for `frontier.py`."""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from rfcx_lab.verdict.level_set import Grid, Observation

Array = NDArray[np.float64]

REPEATS = 3  # of one trial
FAMILIES = ("straight", "bent", "noisy", "noisy and bent", "non-monotone", "jump at depth 0")
NONE = "no frontier"
WRONG = 0.05  # share of the observations beside the frontier with the wrong sign
WRONG_NOISY = 0.2
_FEWEST_CROSSED = 0.6  # share of the columns that a drawn frontier must run through


@dataclass(frozen=True, eq=False)
class Surface:
    """A truth to be found: the margin in every cell, and what a trial there would observe."""

    name: str
    grid: Grid
    margins: Array  # (cells,)
    sd: float  # of one observation, the mean of `REPEATS` repeats
    place: Array | None = None  # (cells,), where on the width axis the cell's column is crossed, if that is known
    recorded: tuple[Array, ...] | None = None  # per cell the repeats on record; none: normal noise

    def observe(self, cell: int, rng: np.random.Generator) -> Observation:
        """One trial: `REPEATS` repeats of a cell."""
        if self.recorded is not None:
            values = rng.choice(self.recorded[cell], REPEATS, replace=len(self.recorded[cell]) < REPEATS)
        else:
            values = self.margins[cell] + rng.normal(0, self.sd * REPEATS**0.5, REPEATS)
        return Observation(cell, tuple(map(float, values)))

    @property
    def overfit(self) -> NDArray[np.bool_]:
        """Where models truly overfit, `(cells,)`."""
        return self.margins > 0

    @property
    def flanking(self) -> NDArray[np.bool_]:
        """The two cells beside the frontier of each column, `(cells,)`."""
        return flanking(self.grid, self.margins)

    @property
    def by_the_edge(self) -> NDArray[np.bool_]:
        """The last cells before a frontier that runs less than a step outside the grid, `(cells,)`."""
        beside = np.zeros(len(self.margins), bool)
        if self.place is None:
            return beside
        width = self.grid.points[:, -1]
        for column in map(np.array, self.grid.columns):
            step = width[column[1]] - width[column[0]]
            for end in (column[0], column[-1]):
                beside[end] = not 0 <= self.place[end] <= 1 and abs(self.place[end] - width[end]) < step
        return beside

    @property
    def clear(self) -> NDArray[np.bool_]:
        """Cells whose margin exceeds one observation's standard deviation, `(cells,)`."""
        return np.abs(self.margins) > self.sd


def flanking(grid: Grid, margins: Array) -> NDArray[np.bool_]:
    """Cells next to one of the other sign in their column, `(cells,)`."""
    beside = np.zeros(len(margins), bool)
    for column in map(np.array, grid.columns):
        change = np.diff(margins[column] > 0)
        beside[column[:-1][change]] = beside[column[1:][change]] = True
    return beside


def draw_surface(name: str, grid: Grid, *, rng: np.random.Generator) -> Surface:
    """A surface of one family, drawn anew: place, slope, bend, steepness and height of the frontier all vary."""
    depth, width = grid.points.T
    while True:
        place = _place(name, depth, rng)
        margins = _rise(width - place, rng)
        crossed = np.mean([len(set(margins[list(column)] > 0)) > 1 for column in grid.columns])
        if crossed >= _FEWEST_CROSSED or (name == NONE and crossed == 0):
            break
    beside = np.abs(margins[flanking(grid, margins)])
    if name == NONE:
        sd = float(np.abs(margins).min()) / 1.64
    else:
        wrong = WRONG_NOISY if name.startswith("noisy") else WRONG
        sd = brentq(lambda s: float(np.mean(ndtr(-beside / s))) - wrong, 1e-6, 100.0)
    return Surface(name, grid, margins, sd, place)


def _place(name: str, depth: Array, rng: np.random.Generator) -> Array:
    """Width at which a model of each depth begins to overfit, `(cells,)` on the unit axis; may leave it."""
    start, drop = rng.uniform(0.35, 1.05), rng.uniform(0.2, 0.9)
    if name in ("bent", "noisy and bent"):
        bend = rng.uniform(2, 6)
        curve = np.expm1(-bend * depth) / np.expm1(-bend)
        return start - drop * (curve if rng.random() < 0.5 else 1 - curve[::-1])
    if name == "non-monotone":
        turn = rng.uniform(0.3, 0.7)
        return start - drop * (1 - ((depth - turn) / max(turn, 1 - turn)) ** 2)
    if name == "jump at depth 0":
        return start - 0.5 * drop * depth - rng.uniform(0.2, 0.4) * (depth > 0)
    if name == NONE:
        outside = 1 + rng.uniform(0.15, 0.4) if rng.random() < 0.5 else -rng.uniform(0.15, 0.4)
        return outside + rng.uniform(-0.1, 0.1) * depth
    return start - drop * depth


def _rise(distance: Array, rng: np.random.Generator) -> Array:
    """Margin at a distance from the frontier: flatter before it and steeper beyond, as rises of a loss are."""
    warp = rng.uniform(0.1, 3.0)
    return rng.uniform(0.3, 1.0) * np.expm1(warp * distance) / warp


def read_surface(path: Path) -> Surface:
    """A recorded grid: a CSV with the columns `depth, width, margin`, one line per fit.

    Raises:
        SystemExit: the file holds no whole grid of two fits or more per cell.
    """
    fits: dict[tuple[float, float], list[float]] = defaultdict(list)
    try:
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                fits[float(row["depth"]), float(row["width"])].append(float(row["margin"]))
    except (OSError, KeyError, ValueError, TypeError) as error:
        sys.exit(f"{path} is no grid with the columns depth, width and margin: {error!r}.")
    depths, widths = sorted({depth for depth, _ in fits}), sorted({width for _, width in fits})
    if not fits or len(fits) < len(depths) * len(widths) or min(map(len, fits.values())) < 2:
        sys.exit(f"{path} must hold two fits or more for each of {len(depths)} depths x {len(widths)} widths.")
    recorded = tuple(np.array(fits[depth, width]) for depth in depths for width in widths)
    pooled = np.sum([len(v) * np.var(v) for v in recorded]) / np.sum([len(v) - 1 for v in recorded])
    margins = np.array([values.mean() for values in recorded])
    grid = Grid.regular(len(depths), len(widths))
    return Surface(path.stem, grid, margins, float(np.sqrt(pooled / REPEATS)), recorded=recorded)
