"""A learning curve's level and its noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]


# Noise changes from epoch to epoch: a mean of 25 leaves a fifth of it, a wider one begins to blur the trend.
_WIDEST = 25


def smoothing_window(epochs: int, *, share: float) -> int:
    """Width of the running mean: an odd number of epochs, `share` of all, from 3 to 25."""
    return min(max(3, 2 * int(share * epochs / 2) + 1), _WIDEST)


def smooth(values: Series, *, window: int) -> Series:
    """Take the running median of 3, then a centred running mean; `(epochs,)` in and out.

    The median removes spikes of one epoch, also at the ends, where it looks inward. The mean shrinks there,
    so that the last value of a growing curve stays close to what was measured last.
    """
    if len(values) < 3:
        return values.copy()
    despiked = _median_of_three(values)
    kernel = np.ones(min(window, len(values)))
    counts = np.convolve(np.ones(len(values)), kernel, mode="same")
    return np.convolve(despiked, kernel, mode="same") / counts


def _median_of_three(values: Series) -> Series:
    left, centre, right = values[:-2], values[1:-1], values[2:]
    inner = np.maximum(np.minimum(left, centre), np.minimum(np.maximum(left, centre), right))
    return np.concatenate([inner[:1], inner, inner[-1:]])


def midmean(values: Sequence[float]) -> float:
    """Mean without the lowest and the highest quarter: a spike in it leaves no trace, a trend does."""
    ordered = sorted(values)
    cut = max(len(ordered) // 4, 1) if len(ordered) > 2 else 0
    kept = ordered[cut : len(ordered) - cut]
    return sum(kept) / len(kept)


def bend_noise(values: Sequence[float]) -> float:
    """Robust standard deviation of single values about a trend, in the curve's unit.

    From how far each value stands from the middle of its neighbours: a straight descent leaves nothing of itself.
    Correlated noise is underrated.
    """
    return _spread([_bend(values, i, lag=1) for i in range(2, len(values))])


def _bend(values: Sequence[float], last: int, *, lag: int) -> float:
    return abs(values[last - lag] - (values[last - 2 * lag] + values[last]) / 2)


def _spread(bends: Sequence[float]) -> float:
    """Standard deviation of uncorrelated values whose absolute bends these are; 0 for none."""
    if not bends:
        return 0.0
    ordered, half = sorted(bends), len(bends) // 2
    middle = ordered[half] if len(bends) % 2 else (ordered[half - 1] + ordered[half]) / 2
    # 1.4826: from the median absolute deviation to a normal's standard deviation; 1.5 = 1 + 1/4 + 1/4.
    return 1.4826 * middle / math.sqrt(1.5)


class NoiseTrack:
    """Noise of a growing curve: the standard deviation that the mean of many values has, times their square root.

    Noise that is correlated from epoch to epoch averages out more slowly than it scatters. It is taken for AR(1): the
    bends over 3 epochs hold more of it than those over 1, by 1 + 2 phi of variance (to 5 % of phi up to .5), which
    gives the correlation phi, and sigma * sqrt((1 + phi) / (1 - phi)) the noise wanted. Few epochs tell nothing of phi;
    until about `_ENOUGH` of them stand, it leans on `_CORRELATION`, the middle of what the ladders on record show.
    """

    _NEAR, _FAR = 40, 120  # epochs: the noise of now, steadied by that of longer
    _FARTHEST = 1.25
    _CORRELATION = 0.2
    _ENOUGH = 60
    _STRONGEST = 0.8
    _STRAIGHT = 12.0  # a parabola bends 9 times as far over 3 epochs; more: points read off a figure, joined by lines

    def __init__(self) -> None:
        """Start with no epochs."""
        self._values: list[float] = []
        self._short: list[float] = []  # bends over 1 epoch
        self._long: list[float] = []  # bends over 3 epochs

    def update(self, value: float) -> float:
        """Take in a value, give the noise of the curve so far, in its unit; 0 where too few values tell."""
        self._values.append(value)
        epochs = len(self._values)
        if epochs >= 3:
            self._short.append(_bend(self._values, epochs - 1, lag=1))
        if epochs >= 7:
            self._long.append(_bend(self._values, epochs - 1, lag=3))
        if epochs < 5:
            return 0.0
        near, far = _spread(self._short[-self._NEAR :]), _spread(self._short[-self._FAR :])
        near_long, far_long = _spread(self._long[-self._NEAR :]), _spread(self._long[-self._FAR :])
        share = min(epochs, self._FAR) ** 3
        trust = share / (share + self._ENOUGH**3) if epochs >= 9 else 0.0
        if near_long > self._STRAIGHT * near and epochs >= self._NEAR / 2:
            trust = 1.0
        shown = ((far_long / far) ** 2 - 1) / 2 if far > 0 else 0.0
        correlation = trust * min(max(shown, 0.0), self._STRONGEST) + (1 - trust) * self._CORRELATION
        short = self._steady(near, far) * _whole(correlation)
        long = self._steady(near_long, far_long) * _whole(correlation**3)
        return short ** (1 - trust) * long**trust * math.sqrt((1 + correlation) / (1 - correlation))

    def _steady(self, near: float, far: float) -> float:
        """Draw the noise of now to that of longer, but by little: a lower learning rate makes it smaller for good."""
        return near * min(max(math.sqrt(far / near), 1 / self._FARTHEST), self._FARTHEST) if near > 0 else 0.0


def _whole(correlation: float) -> float:
    """What the bends lose when neighbours are so correlated, made good."""
    return math.sqrt(1.5 / (1.5 - 2 * correlation + correlation**2 / 2))
