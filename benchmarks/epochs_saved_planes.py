"""Simulated planes of architectures whose frontier is known, searched with whole fits and with fits that end early."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from epochs_saved_truth import MARGIN, end_early, margins_of
from known_truth import CHANCE, DESCENT_POWER, Noise, descent_shape, draw_training, rise_shape
from numpy.typing import NDArray

from rfcx_lab.verdict import Curves
from rfcx_lab.verdict.config import SettledConfig
from rfcx_lab.verdict.frontier import FrontierConfig, estimate_frontier
from rfcx_lab.verdict.level_set import Grid, Observation

DEPTHS, WIDTHS, REPEATS, TRIALS = 4, 6, 3, 13
_OVERLAP = 1 / 3  # validation rows over training rows
_STEEPNESS = (0.04, 0.12)  # log rise that a cell more along an axis brings
_HIGHEST = 0.7  # log
_NOISE = Noise(0.02, 0.2)  # about that of the ladders on record
_POWERS = (0.4, 1.0)  # with which rises go on: those of the curves on record
_DEPTH = 0.3  # log
_SPREADS = (0.05, 0.25, 0.04)  # between repeats: of the level, of the logarithm of the onset, of the rise


@dataclass(frozen=True)
class _Count:
    """How one plane came out."""

    right: int  # cells on the true side
    same: int  # cells on the side that whole fits give
    crossing: float  # mean distance from the true frontier, in cells along the width; of columns that both cross
    saved: float


def compare_planes(
    rules: Sequence[SettledConfig], *, count: int, epochs: int, seed: int
) -> tuple[Sequence[str], list[list[str]]]:
    """A table: how often a cell's side is right, with whole fits and by every rule. 13 of 24 cells are tried."""
    planes = [_Plane(seed + number, epochs=epochs) for number in range(count)]
    rows = [_row("whole fits", [plane.count(None) for plane in planes])]
    for rule in rules:
        rows.append(_row(f"{rule.after}, {rule.clearance:g}", [plane.count(rule) for plane in planes]))
        stood = [plane.count(rule, projected=False) for plane in planes]
        rows.append(_row(f"{rule.after}, {rule.clearance:g}, carried on as it stood", stood))
    return ("after, clearance", "cells on the true side", "on the side of whole fits", "frontier off by", "saved"), rows


def _row(name: str, counts: Sequence[_Count]) -> list[str]:
    cells = len(counts) * DEPTHS * WIDTHS
    right, same = sum(count.right for count in counts), sum(count.same for count in counts)
    off = [count.crossing for count in counts if math.isfinite(count.crossing)]
    return [
        name,
        f"{right} of {cells} ({100 * right / cells:.1f} %)",
        f"{same} of {cells} ({100 * same / cells:.1f} %)",
        f"{np.mean(off):+.2f} cells",
        f"{100 * np.mean([count.saved for count in counts]):.0f} %",
    ]


class _Plane:
    """One plane and its fits: the rise grows with depth and width, from below the margin to far above it."""

    def __init__(self, seed: int, *, epochs: int) -> None:
        rng = np.random.default_rng([seed, epochs])
        self._grid, self._epochs = Grid.regular(DEPTHS, WIDTHS), epochs
        slope, tilt = rng.uniform(*_STEEPNESS), rng.uniform(0.3, 1.2)
        place = rng.uniform(1, WIDTHS - 1)  # where the frontier crosses the lowest column
        depth, width = np.divmod(np.arange(DEPTHS * WIDTHS), WIDTHS)
        beyond = (width - place) + tilt * depth
        self.rises = np.clip(math.log1p(MARGIN) + slope * beyond, 0, _HIGHEST)
        self.overfit = self.rises > math.log1p(MARGIN)
        self._tried = rng.permutation(DEPTHS * WIDTHS)[:TRIALS]
        self._power = rng.uniform(*_POWERS)
        self._fits = [
            [self._draw(rng, *cell, repeat=r) for r in range(REPEATS)] for cell in zip(self.rises, beyond, strict=True)
        ]
        self._whole = self._sides(self._fits)

    def _draw(self, rng: np.random.Generator, rise: float, beyond: float, *, repeat: int) -> Curves:
        """One fit: the further beyond the frontier, the earlier it turns."""
        level, onset, more = rng.normal(size=3) * _SPREADS
        at = np.array([float(np.clip((12 - beyond) * np.exp(onset), 4, 0.7 * self._epochs))])
        trend = CHANCE - _DEPTH + level + _DEPTH * descent_shape(at, self._epochs, power=DESCENT_POWER)[0]
        trend = trend + (rise + more) * rise_shape(at, self._epochs, power=self._power)[0]
        val = np.exp(trend + _NOISE.draw(rng, self._epochs))
        train = draw_training(rng, epochs=self._epochs, noise=_NOISE)
        return Curves(tuple(train), tuple(val), None, None, repeat=repeat)

    def count(self, rule: SettledConfig | None, *, projected: bool = True) -> _Count:
        """Compare the sides that fits under `rule` give with the true ones, and with those of whole fits."""
        fits = self._fits if rule is None else [[end_early(fit, rule) for fit in cell] for cell in self._fits]
        told = fits if projected else [[_carry_on(fit, self._epochs) for fit in cell] for cell in fits]
        mean = self._whole if rule is None else self._sides(told)
        tried = [fit for cell in self._tried for fit in fits[cell]]
        return _Count(
            right=int(((mean > 0) == self.overfit).sum()),
            same=int(((mean > 0) == (self._whole > 0)).sum()),
            crossing=_shift(mean, self.rises - math.log1p(MARGIN)),
            saved=1 - sum(fit.epochs for fit in tried) / (len(tried) * self._epochs),
        )

    def _sides(self, fits: Sequence[Sequence[Curves]]) -> NDArray[np.float64]:
        told = [Observation(int(cell), margins_of(fits[cell], epochs=self._epochs)) for cell in self._tried]
        return estimate_frontier(self._grid, told, config=FrontierConfig(overlap=_OVERLAP)).posterior.mean


def _carry_on(curves: Curves, epochs: int) -> Curves:
    """A curve of full length that stands still where the fit has ended."""
    left = epochs - curves.epochs
    train, val = (series + left * (float(np.mean(series[-3:])),) for series in (curves.train_loss, curves.val_loss))
    return replace(curves, train_loss=train, val_loss=val, settled=False)


def _shift(mean: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """How far the estimated frontier lies beyond the true one, in cells, averaged over columns that both cross."""
    shifts = []
    for row, truth in zip(mean.reshape(DEPTHS, WIDTHS), true.reshape(DEPTHS, WIDTHS), strict=True):
        places = [_crossing(values) for values in (row, truth)]
        if None not in places:
            shifts.append(places[0] - places[1])  # type: ignore[operator]
    return float(np.mean(shifts)) if shifts else math.nan


def _crossing(values: NDArray[np.float64]) -> float | None:
    over = values > 0
    before = np.flatnonzero(~over[:-1] & over[1:])
    if not len(before):
        return None
    first = int(before[0])
    return first + float(values[first] / (values[first] - values[first + 1]))
