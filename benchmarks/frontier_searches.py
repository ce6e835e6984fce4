"""Ways to choose the next trial, for `frontier.py`: each is handed what was observed and yields cells one by one."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np
import optuna
from frontier_surfaces import REPEATS
from numpy.typing import NDArray
from scipy.special import log_ndtr

from rfcx_lab.search.sampler import make_sampler
from rfcx_lab.search.space import Axis, Space
from rfcx_lab.search.trials import DIRECTION, tell_margins
from rfcx_lab.verdict.acquisition import next_cells
from rfcx_lab.verdict.level_set import Grid, Observation

Array = NDArray[np.float64]
Search = Generator[int, Observation, None]
"""Yields a cell, is sent its observation; never by `yield from`, as ranges and lists can't be sent anything."""

BATCH = 4


def frontier(grid: Grid, rng: np.random.Generator, *, batch: int = 1) -> Search:
    """This project's search; with `batch`, so many trials are asked for before the first of them is told."""
    observed: list[Observation] = []
    while True:
        told = []
        for cell in next_cells(grid, observed, count=batch, repeats=REPEATS):
            told.append((yield cell))
        observed += told


def frontier_in_batches(grid: Grid, rng: np.random.Generator) -> Search:
    """The same for `BATCH` workers."""
    return frontier(grid, rng, batch=BATCH)


def rows(grid: Grid, rng: np.random.Generator) -> Search:
    """Grid search: cell by cell, column by column."""
    for cell in range(len(grid.points)):  # noqa: UP028
        yield cell


def random(grid: Grid, rng: np.random.Generator) -> Search:
    """Any cell, none twice."""
    for cell in rng.permutation(len(grid.points)):
        yield int(cell)


def tpe(grid: Grid, rng: np.random.Generator) -> Search:
    """Optuna's TPE on the distance from the frontier."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    deep, wide = len(grid.columns), len(grid.columns[0])
    space = Space((Axis("depth", tuple(range(deep))), Axis("width", tuple(range(wide)))), along="width")
    study = optuna.create_study(
        direction=DIRECTION, sampler=make_sampler("tpe", space, seed=int(rng.integers(2**31)), repeats=REPEATS)
    )
    while True:
        trial = study.ask()
        cell = space.find(space.suggest(trial))
        assert cell is not None
        tell_margins(study, trial, (yield cell).margins)


def bisection(grid: Grid, rng: np.random.Generator) -> Search:
    """Bisect every column, in turn, by the sign of what was observed; then what is left, nearest to that first."""
    low = [-1] * len(grid.columns)
    high = [len(column) for column in grid.columns]
    seen = set()
    while any(b - a > 1 for a, b in zip(low, high, strict=True)):
        for place, column in enumerate(grid.columns):
            if high[place] - low[place] > 1:
                middle = (low[place] + high[place]) // 2
                seen.add(column[middle])
                if np.mean((yield column[middle]).margins) > 0:
                    high[place] = middle
                else:
                    low[place] = middle
    gaps = {
        cell: abs(at - high[place] + 0.5)
        for place, column in enumerate(grid.columns)
        for at, cell in enumerate(column)
        if cell not in seen
    }
    for cell in sorted(gaps, key=lambda cell: gaps[cell]):  # noqa: UP028
        yield cell


def staircase(grid: Grid, rng: np.random.Generator) -> Search:
    """The cell whose sign is least sure under the exact posterior over staircases that only go down with depth.

    A prior that is uniform over all such staircases; each observation speaks for its own cell's sign. The noise is
    pooled from the repeats, as `frontier` does it.
    """
    deep, wide = len(grid.columns), len(grid.columns[0])
    values: dict[int, list[float]] = {}
    while len(values) < len(grid.points):
        doubt = 0.5 - np.abs(_over_stairs(values, deep, wide) - 0.5)
        doubt[list(values)] = -1.0
        best = np.flatnonzero(doubt >= doubt.max() - 1e-12)
        cell = int(rng.choice(best))
        values[cell] = list((yield cell).margins)


def _over_stairs(values: dict[int, list[float]], deep: int, wide: int) -> Array:
    """Probability that a cell lies beyond the staircase, `(cells,)`, by forward and backward sums over columns."""
    spread = np.sqrt(np.mean([np.var(v, ddof=1) for v in values.values()])) if values else 1.0
    beyond, before = np.zeros((2, deep, wide))  # log likelihood of a cell's observation by its side
    for cell, margins in values.items():
        score = np.mean(margins) / (spread / np.sqrt(len(margins)))
        beyond.flat[cell], before.flat[cell] = log_ndtr(score), log_ndtr(-score)
    steps = np.arange(wide + 1)[:, None] <= np.arange(wide)[None, :]  # (threshold, cell): beyond
    logs = (steps @ beyond[:, :, None] + ~steps @ before[:, :, None])[..., 0]  # (column, threshold)
    likelihood = np.exp(np.maximum(logs - logs.max(axis=1, keepdims=True), -50.0))
    forward, backward = likelihood.copy(), np.ones_like(likelihood)
    for place in range(1, deep):  # a deeper column's threshold is no higher
        forward[place] *= np.cumsum(forward[place - 1][::-1])[::-1]
        forward[place] /= forward[place].sum()
    for place in range(deep - 2, -1, -1):
        backward[place] = np.cumsum(backward[place + 1] * likelihood[place + 1])
        backward[place] /= backward[place].sum()
    thresholds = forward * backward
    thresholds /= thresholds.sum(axis=1, keepdims=True)
    return np.asarray((thresholds @ steps).ravel())


SEARCHES: dict[str, Callable[[Grid, np.random.Generator], Search]] = {
    "frontier": frontier,
    f"frontier, {BATCH} at a time": frontier_in_batches,
    "grid": rows,
    "random": random,
    "TPE": tpe,
    "staircase": staircase,
    "bisection": bisection,
}


def run_search(search: Search, observe: Callable[[int], Observation], *, trials: int) -> list[Observation]:
    """So many trials of a search, or as many as it has."""
    observed: list[Observation] = []
    cell = next(search, None)
    while cell is not None and len(observed) < trials:
        observed.append(observe(cell))
        try:
            cell = search.send(observed[-1])
        except StopIteration:
            break
    return observed
