"""Where along the ladder a property that capacity brings begins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from rfcx_lab.verdict.intervals import OpenInterval, mean_interval

EXACT, AT_OR_BELOW, ABOVE, NONE = "exact", "at_or_below", "above", "none"
YES, NO, OPEN = "yes", "no", "open"
FEWEST_REPEATS = 3
_MOST_REPEATS = 200  # nobody waits for more


@dataclass(frozen=True)
class Evaluation:
    """Whether one rung has the property, from a log ratio per repeat."""

    name: str
    index: int  # place in the ladder
    state: str  # YES, NO or OPEN
    interval: OpenInterval | None  # mean log ratio; None where nothing was or could be tested
    repeats: int
    wanted: int | None  # repeats that would settle an open one; None where no number of them would


@dataclass(frozen=True)
class Place:
    """Position among the evaluations, how it bounds the point, and whether that is established."""

    position: int | None
    bound: str
    established: bool


@dataclass(frozen=True)
class TurningPoint:
    """Where overfitting begins, as far as is known. `bound` says how the point lies to `rung`."""

    rung: str | None
    index: int | None  # 0-based place in the ladder
    bound: str  # "exact", "at_or_below", "above" or "none"
    epoch: OpenInterval | None  # the rung's median onset; None where it has none or the point lies above
    established: bool
    reason: str
    repeats_wanted: int | None  # None: established, or no number of repeats would do


def evaluate(
    ratios: Sequence[float],
    *,
    name: str,
    index: int,
    yes_above: float,
    no_below: float,
    validation_fraction: float,
    confidence: float,
) -> Evaluation:
    """Test a mean by its t interval: YES where that lies above `yes_above`, NO where below `no_below`."""
    interval = mean_interval(ratios, validation_fraction=validation_fraction, confidence=confidence)
    state = OPEN
    if interval is not None and len(ratios) >= FEWEST_REPEATS:
        _, low, high = interval
        if low is not None and low > yes_above:
            state = YES
        elif high is not None and high < no_below:
            state = NO
    distance = 0.0 if interval is None else max(interval[0] - yes_above, no_below - interval[0])
    wanted = _repeats_wanted(
        interval,
        len(ratios),
        distance=distance,
        validation_fraction=validation_fraction,
        confidence=confidence,
    )
    return Evaluation(name, index, state, interval, len(ratios), wanted)


def locate(evaluations: Sequence[Evaluation]) -> Place:
    """Find the lowest rung with the property, by two fixed sequences of tests (Maurer et al. 1995).

    From the top down for as long as rungs have it, from the bottom up for as long as they have it not. Each
    sequence stops at its first failure, so each keeps its one-sided level (half of 1 - confidence) without a
    correction.
    """
    states = [evaluation.state for evaluation in evaluations]
    with_it = _leading(states[::-1], YES)
    without_it = _leading(states, NO)
    if with_it == len(states):
        return Place(0, AT_OR_BELOW, True)
    if without_it == len(states):
        return Place(len(states) - 1, ABOVE, True)
    if with_it and with_it + without_it == len(states):
        return Place(without_it, EXACT, True)
    if with_it:
        return Place(len(states) - with_it, AT_OR_BELOW, False)
    return Place(None, NONE, False)


def wanted_repeats(evaluations: Sequence[Evaluation]) -> int | None:
    """Repeats that would settle every open rung, if means and spread stay; None where none is open or none would do."""
    wanted = [rung.wanted for rung in evaluations if rung.state == OPEN]
    known = [count for count in wanted if count is not None]
    return max(known) if known and len(known) == len(wanted) else None


def _leading(states: Sequence[str], state: str) -> int:
    return next((i for i, other in enumerate(states) if other != state), len(states))


def _repeats_wanted(
    interval: OpenInterval | None,
    count: int,
    *,
    distance: float,
    validation_fraction: float,
    confidence: float,
) -> int | None:
    """Repeats at which an interval of the same spread would no longer reach over `distance`.

    Overlap of the training sets keeps the error from vanishing however many repeats there are.
    """
    if interval is None or interval[1] is None:
        return FEWEST_REPEATS
    overlap = validation_fraction / (1 - validation_fraction)
    error = (interval[0] - interval[1]) / float(stats.t.ppf((1 + confidence) / 2, df=count - 1))
    deviation = error / math.sqrt(1 / count + overlap)
    for repeats in range(max(count + 1, FEWEST_REPEATS), _MOST_REPEATS + 1):
        reach = float(stats.t.ppf((1 + confidence) / 2, df=repeats - 1)) * deviation
        if reach * math.sqrt(1 / repeats + overlap) < distance:
            return repeats
    return None
