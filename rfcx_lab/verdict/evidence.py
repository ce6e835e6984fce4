"""What a pair of learning curves shows: measured here, judged in `onset`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rfcx_lab.verdict.config import OnsetConfig
from rfcx_lab.verdict.smoothing import Series, bend_noise, noise_scale, smooth, smoothing_window

# However low a loss falls, a change below this share of the way it has come is not asked about.
_SCALE_FLOOR = 0.05
_FEWEST_EARLY = 9  # epochs: fewer tell little of the noise
# `bend_noise` shows about 0.6 of noise that is correlated by .5; with this factor 3 in 100 such curves, and no white
# one, pass for learning (300 flat curves of 50 epochs each).
_NEIGHBOURS = 1.4


@dataclass(frozen=True)
class Evidence:
    """Measures of one pair of curves in which lower is better; differences in the metric's unit."""

    minimum_epoch: int  # 1-based, last minimiser of the smoothed validation curve
    rise: float  # smoothed last - smoothed minimum
    sustained_rise: float  # the same for the lowest of the last epochs, see `measure`
    training_rise: float  # smoothed training curve, last - at minimum_epoch
    improvement: float  # first validation value - smoothed minimum
    late_improvement: float  # smoothed validation curve a quarter of the epochs ago - its minimum
    level_noise: float  # standard deviation of the smoothed validation curve
    early_noise: float  # standard deviation of a single validation value around the descent
    scale: float  # what shares are taken of


def measure(train: Series, validation: Series, *, config: OnsetConfig) -> Evidence:
    """Measure two finite curves of `(epochs,)`, lower is better, at least 3 epochs."""
    epochs = len(validation)
    window = smoothing_window(epochs, share=config.smoothing)
    level = smooth(validation, window=window)
    training_level = smooth(train, window=window)
    minimum = epochs - 1 - int(np.argmin(level[::-1]))
    lowest = float(level[minimum])
    quarter_ago = max(0, epochs - 1 - max(config.persistence, epochs // 4))
    lasting = max(window, config.persistence)  # a rise must outlast what the smoothing smears
    improvement = float(validation[0]) - lowest
    return Evidence(
        minimum_epoch=minimum + 1,
        rise=float(level[-1]) - lowest,
        sustained_rise=float(np.min(level[-lasting:])) - lowest,
        training_rise=float(training_level[-1] - training_level[minimum]),
        improvement=improvement,
        late_improvement=float(level[quarter_ago]) - lowest,
        # Values nearer than the windows' width share epochs, which would hide the noise.
        level_noise=noise_scale(level, lag=window + 1),
        # A curve that overfits grows noisier: what it learnt before must not be doubted for that.
        early_noise=_NEIGHBOURS * bend_noise(validation[: max(minimum + 1 + config.persistence, _FEWEST_EARLY)]),
        scale=metric_scale(lowest, improvement=improvement),
    )


def metric_scale(lowest: float, *, improvement: float) -> float:
    """Give what a relative rise is relative to, in the metric's unit.

    A positive loss is compared with its minimum, as is usual (but never with less than 5 % of what was
    learnt: a loss close to zero makes any rise look large). Where zero means nothing (a loss that may be
    negative, or a metric turned upside down), it is compared with what was learnt.
    """
    learnt = max(improvement, 0.0)
    return max(lowest, _SCALE_FLOOR * learnt) if lowest > 0 else learnt
