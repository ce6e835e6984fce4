"""Where along the ladder a property that capacity brings begins."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from rfcx_lab.verdict.intervals import OpenInterval

EXACT, AT_OR_BELOW, ABOVE, NONE = "exact", "at_or_below", "above", "none"
YES, NO, OPEN, NOT_LEARNT = "yes", "no", "open", "not_learnt"
FEWEST_REPEATS = 3
ENOUGH_REPEATS = 6  # from here on a median has a 95 % interval
_MOST_REPEATS = 200  # nobody waits for more


@dataclass(frozen=True)
class Evaluation:
    """Whether one rung, taken alone, has the property."""

    name: str
    index: int  # place in the ladder
    state: str  # YES, NO, OPEN, or NOT_LEARNT: not asked
    interval: OpenInterval | None  # log ratio, at the level of the tests; None where nothing was or could be tested
    repeats: int
    wanted: int | None  # repeats that would settle an open one; None where no number of them would


@dataclass(frozen=True)
class Place:
    """What the two sequences of tests come to. Positions are those among the evaluations."""

    position: int | None  # of the rung named
    bound: str  # how the point lies to it
    established: bool
    claims: tuple[str, ...]  # per rung: YES, NO, NOT_LEARNT, or OPEN, also where a sequence stopped before it
    candidates: tuple[int, int | None] | None  # lowest and highest that can be the point; None: beyond the top


@dataclass(frozen=True)
class TurningPoint:
    """Where overfitting begins, as far as is known. `bound` says how the point lies to `rung`."""

    rung: str | None
    index: int | None  # 0-based place in the ladder
    bound: str  # "exact", "at_or_below", "above" or "none"
    epoch: OpenInterval | None  # the rung's median onset; None where it has none or the point lies above
    established: bool
    reason: str
    between: tuple[str, str | None] | None  # lowest and highest candidate where not established; None: beyond the top
    repeats_wanted: int | None  # None: established, or no number of repeats would do


def evaluate(
    interval: OpenInterval | None,
    repeats: int,
    *,
    name: str,
    index: int,
    yes_above: float,
    no_below: float,
    validation_fraction: float,
    alpha: float,
) -> Evaluation:
    """Two one-sided tests, each at half of `alpha`, by an interval whose level is 1 - `alpha`.

    YES where it lies above `yes_above`, NO where below `no_below`.
    """
    state = OPEN
    if interval is not None and repeats >= FEWEST_REPEATS:
        _, low, high = interval
        if low is not None and low > yes_above:
            state = YES
        elif high is not None and high < no_below:
            state = NO
    wanted = None
    if state == OPEN:
        wanted = _repeats_wanted(
            interval,
            repeats,
            yes_above=yes_above,
            no_below=no_below,
            validation_fraction=validation_fraction,
            alpha=alpha,
        )
    return Evaluation(name, index, state, interval, repeats, wanted)


def locate(evaluations: Sequence[Evaluation]) -> Place:
    """Find the lowest rung with the property, by two fixed sequences of tests (Maurer et al. 1995).

    From the top down for as long as rungs have it, from the bottom up for as long as they have it not. Each
    sequence stops at its first failure and claims nothing of what comes after: so each keeps its one-sided level, half
    of alpha, without a correction, and both together keep alpha. A rung that never learnt stops both.

    Rungs that have it below rungs that have it not leave no point to find: then none is named.
    """
    states = [evaluation.state for evaluation in evaluations]
    count = len(states)
    with_it = _leading(states[::-1], YES)
    without_it = _leading(states, NO)
    between = [NOT_LEARNT if state == NOT_LEARNT else OPEN for state in states[without_it : count - with_it]]
    claims = (*[NO] * without_it, *between, *[YES] * with_it)
    if with_it == count:
        return Place(0, AT_OR_BELOW, True, claims, None)
    if without_it == count:
        return Place(count - 1, ABOVE, True, claims, None)
    if with_it + without_it == count:
        return Place(without_it, EXACT, True, claims, None)
    if find_reversal(evaluations) is not None or all(state == NOT_LEARNT for state in states):
        return Place(None, NONE, False, claims, None)
    if with_it:
        highest = count - with_it
        return Place(highest, AT_OR_BELOW, False, claims, (without_it, highest))
    return Place(None, NONE, False, claims, (without_it, None))


def find_reversal(evaluations: Sequence[Evaluation]) -> tuple[Evaluation, Evaluation] | None:
    """A rung that has the property and the next one above it that has it not, each taken alone; None without such."""
    settled = [evaluation for evaluation in evaluations if evaluation.state in (YES, NO)]
    pairs = itertools.pairwise(settled)
    return next(((below, above) for below, above in pairs if (below.state, above.state) == (YES, NO)), None)


def _leading(states: Sequence[str], state: str) -> int:
    return next((i for i, other in enumerate(states) if other != state), len(states))


def _repeats_wanted(
    interval: OpenInterval | None,
    count: int,
    *,
    yes_above: float,
    no_below: float,
    validation_fraction: float,
    alpha: float,
) -> int | None:
    """Repeats at which an interval around the same point, of the same spread, would clear one of the limits.

    Overlap of the training sets keeps the error from vanishing however many repeats there are.
    """
    if interval is None or count < FEWEST_REPEATS or interval[1] is None or interval[2] is None:
        return ENOUGH_REPEATS
    point, below, above = interval[0], interval[0] - interval[1], interval[2] - interval[0]
    counts = np.arange(count, _MOST_REPEATS + 1)
    overlap = validation_fraction / (1 - validation_fraction)
    reach = special.stdtrit(counts - 1, 1 - alpha / 2) * np.sqrt(1 / counts + overlap)
    shrunk = reach / reach[:1]
    settled = counts[(point - shrunk * below > yes_above) | (point + shrunk * above < no_below)]
    return int(settled[0]) if len(settled) else None
