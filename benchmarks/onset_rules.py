"""Rules to compare the detector with, each written anew from its source: when to stop, and whether a fit overfits.

A rule takes training and validation loss, `(epochs,)` each, lower is better, and gives the first epoch (1-based)
at which it would stop, None for never, and whether it calls the whole history overfit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Series = NDArray[np.float64]


@dataclass(frozen=True)
class Ruling:
    """What a rule says of one history."""

    overfit: bool
    alarm: int | None  # 1-based epoch; None: never stopped


Rule = Callable[[Series, Series], Ruling]


def patience(epochs: int) -> Rule:
    """Stop once so many epochs have brought no new lowest validation loss. Overfit is what it stops."""

    def judge(train: Series, val: Series) -> Ruling:
        best, since = np.inf, 0
        for i, loss in enumerate(val):
            best, since = (loss, 0) if loss < best else (best, since + 1)
            if since >= epochs:
                return Ruling(True, i + 1)
        return Ruling(False, None)

    return judge


def generalisation_loss(alpha: float) -> Rule:
    """GL of Prechelt (Early stopping - but when?, 1998): 100 (E_va / E_opt - 1) above `alpha`."""

    def judge(train: Series, val: Series) -> Ruling:
        return _first(100 * (val / np.minimum.accumulate(val) - 1) > alpha)

    return judge


def progress_quotient(alpha: float, *, strip: int = 5) -> Rule:
    """PQ of Prechelt: GL over the progress of training, 1000 (mean / min of the strip - 1), at strips' ends."""

    def judge(train: Series, val: Series) -> Ruling:
        loss = 100 * (val / np.minimum.accumulate(val) - 1)
        fires = np.zeros(len(val), dtype=bool)
        for end in range(strip, len(val) + 1, strip):
            last = train[end - strip : end]
            progress = 1000 * (last.mean() / last.min() - 1) if last.min() > 0 else np.inf
            fires[end - 1] = progress > 0 and loss[end - 1] / progress > alpha
        return _first(fires)

    return judge


def successive_rises(strips: int, *, strip: int = 5) -> Rule:
    """UP of Prechelt: validation rose from strip's end to strip's end so many times in a row."""

    def judge(train: Series, val: Series) -> Ruling:
        ends = np.arange(strip - 1, len(val), strip)
        in_a_row = 0
        for before, after in pairwise(ends):
            in_a_row = in_a_row + 1 if val[after] > val[before] else 0
            if in_a_row >= strips:
                return Ruling(True, int(after) + 1)
        return Ruling(False, None)

    return judge


def spearman(threshold: float, *, window: int | None = None) -> Rule:
    """Rank correlation of training and validation loss below `threshold`; over all epochs, or the last `window`.

    Going apart is correlating negatively. Stops at the first such window; of the whole history, all epochs decide.
    """

    def judge(train: Series, val: Series) -> Ruling:
        width = window or 20
        alarm = next(
            (
                end
                for end in range(width, len(val) + 1)
                if _rank_correlation(train[end - width : end], val[end - width : end]) < threshold
            ),
            None,
        )
        whole = _rank_correlation(train, val) < threshold
        return Ruling(alarm is not None if window else whole, alarm)

    return judge


def final_rise(share: float) -> Rule:
    """The last validation loss stands above the lowest by more than this share of it; stops at the first such epoch."""

    def judge(train: Series, val: Series) -> Ruling:
        fires = val > (1 + share) * np.minimum.accumulate(val)
        return Ruling(bool(fires[-1]), _first(fires).alarm)

    return judge


def _first(fires: NDArray[np.bool_]) -> Ruling:
    return Ruling(bool(fires.any()), int(np.argmax(fires)) + 1 if fires.any() else None)


def _rank_correlation(a: Series, b: Series) -> float:
    ranks = stats.rankdata(np.stack([a, b]), axis=1)
    left, right = ranks - ranks.mean(axis=1, keepdims=True)
    size = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / size if size > 0 else 0.0


RULES: dict[str, Rule] = {
    **{f"patience {epochs}": patience(epochs) for epochs in (5, 10, 20, 50, 100)},
    **{f"GL {alpha}": generalisation_loss(alpha) for alpha in (1, 2, 5)},
    **{f"PQ {alpha}": progress_quotient(alpha) for alpha in (0.5, 1, 3)},
    **{f"UP {strips}": successive_rises(strips) for strips in (2, 4, 8)},
    "Spearman < 0": spearman(0.0),
    "Spearman < -0.5, last 20": spearman(-0.5, window=20),
    **{f"final rise > {share:.0%}": final_rise(share) for share in (0.02, 0.05, 0.1, 0.2)},
}
