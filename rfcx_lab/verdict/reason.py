"""What a turning point rests on, or what keeps it from being established, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rfcx_lab.verdict.intervals import OpenInterval
from rfcx_lab.verdict.onset import STILL_IMPROVING
from rfcx_lab.verdict.questions import Question
from rfcx_lab.verdict.rungs import JudgedRung
from rfcx_lab.verdict.turning import (
    AT_OR_BELOW,
    ENOUGH_REPEATS,
    EXACT,
    FEWEST_REPEATS,
    NOT_LEARNT,
    OPEN,
    Evaluation,
    Place,
    find_reversal,
)

_MANY_REPEATS = 30


def explain(evaluations: Sequence[Evaluation], place: Place, question: Question, capacity: Sequence[JudgedRung]) -> str:
    """Say what the turning point rests on, or which rungs are open and what would settle them."""
    if not place.established or place.position is None:
        return _explain_open(evaluations, place, question, capacity)
    rung = evaluations[place.position]
    measured = f"({question.measure}: {percent(rung.interval)})"
    if place.bound == EXACT:
        below = evaluations[place.position - 1]
        contrast = f"{below.name} {question.no}{_in_brackets(below.interval)}"
        if below.interval is None:
            contrast = f"{below.name} is the lowest rung, below which none was tried"
        censored = _name_censored(capacity[: place.position])
        return f"{rung.name} {question.yes} {measured}; {contrast}.{censored}"
    if place.bound == AT_OR_BELOW:
        return (
            f"Even the lowest rung, {rung.name}, {question.yes} {measured}: the point lies at or below it, "
            "and smaller rungs must be added to find it."
        )
    if rung.interval is None:
        return f"{rung.name} is the only rung: there is none below to compare it with; add rungs."
    return (
        f"No rung up to the highest, {rung.name}, {question.yes} {measured}: "
        f"the point lies above it, and larger rungs must be added to find it.{_name_censored(capacity)}"
    )


def wanted_repeats(evaluations: Sequence[Evaluation]) -> int | None:
    """Repeats that would settle every open rung, if means and spread stay; None where none is open or none would do."""
    wanted = [rung.wanted for rung in evaluations if rung.state == OPEN]
    known = [count for count in wanted if count is not None]
    return max(known) if known and len(known) == len(wanted) else None


def percent(interval: OpenInterval | None) -> str:
    """Write a log ratio as a change in percent."""
    if interval is None:
        return "not measured"
    point, low, high = (None if value is None else 100 * math.expm1(value) for value in interval)
    if low is None or high is None:
        return f"{point:+.1f} %, no interval"
    return f"{point:+.1f} %, {low:+.1f} to {high:+.1f}"


def _name_censored(rungs: Sequence[JudgedRung]) -> str:
    """Name the rungs of which the budget may not have shown all: some fits had not turned yet."""
    names = [rung.info.name for rung in rungs if rung.statuses.get(STILL_IMPROVING, 0)]
    if not names:
        return ""
    return f" More epochs may change this: some fits were still improving at {', '.join(names)}."


def _explain_open(
    evaluations: Sequence[Evaluation], place: Place, question: Question, capacity: Sequence[JudgedRung]
) -> str:
    parts = []
    reversal = find_reversal(evaluations)
    if reversal is not None:
        below, above = reversal
        parts.append(
            f"Each taken alone, {below.name} {question.yes}{_in_brackets(below.interval)} but {above.name}, above it, "
            f"{question.no}{_in_brackets(above.interval)}: there is no single point."
        )
    unsettled = [evaluation for evaluation in evaluations if evaluation.state == OPEN]
    if unsettled:
        listed = ", ".join(f"{rung.name}{_in_brackets(rung.interval)}" for rung in unsettled)
        parts.append(f"Open: {listed} ({question.measure}).")
    never = [evaluation.name for evaluation in evaluations if evaluation.state == NOT_LEARNT]
    if never:
        parts.append(
            f"Not judged: {', '.join(never)}, where half of the fits or more were never credibly better than "
            f"{capacity[0].bar}; a loss that rises there shows no point at which learning turned. More repeats won't "
            "change it, more epochs or another learning rate may."
        )
    passed = [
        evaluation.name
        for evaluation, claim in zip(evaluations, place.claims, strict=True)
        if claim == OPEN and evaluation.state != OPEN
    ]
    if passed and reversal is None:
        parts.append(
            f"The tests stopped before {', '.join(passed)}: no claim is made of what lies beyond an open rung."
        )
    if unsettled:
        parts.append(_advise(unsettled))
    return " ".join(parts)


def _advise(unsettled: Sequence[Evaluation]) -> str:
    if any(rung.repeats < FEWEST_REPEATS for rung in unsettled):
        return f"Fewer than {FEWEST_REPEATS} usable repeats establish nothing: run at least {ENOUGH_REPEATS}."
    count = wanted_repeats(unsettled)
    if count is None:
        return "More repeats alone would hardly settle it: more recordings are needed."
    if count > _MANY_REPEATS:
        return f"It would take about {count} repeats: more recordings settle it sooner."
    return f"About {count} repeats would settle it, if means and spread stay as they are."


def _in_brackets(interval: OpenInterval | None) -> str:
    return f" ({percent(interval)})" if interval is not None else ""
