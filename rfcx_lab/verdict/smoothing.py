"""A learning curve's level and its noise."""

from __future__ import annotations

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


def noise_scale(values: Series, *, lag: int) -> float:
    """Robust standard deviation of what is not trend, in the curve's unit; 0 where too few values tell.

    From the third differences over `lag` epochs: a parabola leaves nothing of itself, and noise correlated
    over fewer epochs than the lag stays whole. Their median is unmoved by the few that straddle a steep
    start.
    """
    lag = min(lag, (len(values) - 2) // 5)
    if lag < 1:
        return 0.0
    inner = values[2 * lag : -lag] - values[lag : -2 * lag]
    difference = values[3 * lag :] - values[: -3 * lag] - 3 * inner
    # 1.4826: from the median absolute deviation to a normal's standard deviation; 20 = 1 + 9 + 9 + 1.
    return float(1.4826 * np.median(np.abs(difference)) / np.sqrt(20))


def bend_noise(values: Series) -> float:
    """Robust standard deviation of single values, in the curve's unit, for stretches of a dozen epochs.

    From the second differences: a straight descent leaves nothing of itself, and their median is steadier over few
    values than that of `noise_scale`. Correlated noise is underrated.
    """
    if len(values) < 3:
        return 0.0
    bends = values[2:] - 2 * values[1:-1] + values[:-2]
    return float(1.4826 * np.median(np.abs(bends)) / np.sqrt(6))  # 6 = 1 + 4 + 1
