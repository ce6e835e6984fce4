"""The ladder's verdict in words, to be read aloud."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from rfcx_lab.verdict.choice import Recommendation
from rfcx_lab.verdict.intervals import OpenInterval
from rfcx_lab.verdict.onset import NOT_LEARNING, STILL_IMPROVING, UNDETERMINED
from rfcx_lab.verdict.rungs import JudgedRung
from rfcx_lab.verdict.turning import (
    ABOVE,
    AT_OR_BELOW,
    EXACT,
    FEWEST_REPEATS,
    NO,
    OPEN,
    YES,
    Evaluation,
    Place,
    TurningPoint,
)


@dataclass(frozen=True)
class Question:
    """How one of the two questions is spoken of."""

    yes: str
    no: str
    measure: str


AT_THE_END = Question(yes="overfits", no="does not overfit", measure="validation loss at the end against its minimum")
AT_BEST = Question(
    yes="is worse than the best rung below it",
    no="is not worse than the best rung below it",
    measure="lowest validation loss against that of the best rung below",
)


def explain(evaluations: Sequence[Evaluation], place: Place, question: Question, capacity: Sequence[JudgedRung]) -> str:
    """Say what the turning point rests on, or which rungs are open and what would settle them."""
    if not place.established or place.position is None:
        return _explain_open(evaluations, question)
    rung = evaluations[place.position]
    measured = f"({question.measure}: {_percent(rung.interval)})"
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


def _name_censored(rungs: Sequence[JudgedRung]) -> str:
    """Name the rungs of which the budget may not have shown all: some fits had not turned yet."""
    names = [rung.info.name for rung in rungs if rung.statuses.get(STILL_IMPROVING, 0)]
    if not names:
        return ""
    return f" More epochs may change this: some fits were still improving at {', '.join(names)}."


def _explain_open(evaluations: Sequence[Evaluation], question: Question) -> str:
    unsettled = [evaluation for evaluation in evaluations if evaluation.state == OPEN]
    parts = []
    if unsettled:
        listed = ", ".join(f"{rung.name}{_in_brackets(rung.interval)}" for rung in unsettled)
        parts.append(f"Open: {listed} ({question.measure}). {_advise(unsettled)}")
    settled = [evaluation for evaluation in evaluations if evaluation.state != OPEN]
    for below, above in itertools.pairwise(settled):
        if below.state == YES and above.state == NO:
            contrast = f"{below.name} {question.yes} but {above.name}, above it, {question.no}"
            parts.append(f"{contrast}: there is no single point.")
    return " ".join(parts)


def _advise(unsettled: Sequence[Evaluation]) -> str:
    if any(rung.repeats < FEWEST_REPEATS for rung in unsettled):
        return f"Fewer than {FEWEST_REPEATS} usable repeats establish nothing: run at least 6."
    wanted = [rung.wanted for rung in unsettled]
    if any(count is None for count in wanted):
        return "More repeats alone would hardly settle it: more recordings are needed."
    return f"About {max(count for count in wanted if count is not None)} repeats would settle it."


def write_answer(
    *,
    end: TurningPoint,
    best: TurningPoint,
    recommended: Recommendation,
    rungs: Sequence[JudgedRung],
    epochs: int,
    confidence: float,
) -> str:
    """Answer the ladder's question in a few sentences; the first one stands alone."""
    repeats = max(rung.repeats for rung in rungs)
    over = f"{repeats} repeat{'' if repeats == 1 else 's'}"
    parts = [
        _answer_end(end, over=over, epochs=epochs, confidence=confidence),
        _answer_best(best),
        _recommend(recommended),
        _name_not_learning(rungs),
        _count_left_out(rungs),
    ]
    return " ".join(part for part in parts if part)


def _answer_end(point: TurningPoint, *, over: str, epochs: int, confidence: float) -> str:
    when = _onset(point.epoch, epochs=epochs, confidence=confidence)
    if not point.established:
        where = f": at rung {point.rung}{when} or at one below" if point.bound == AT_OR_BELOW else ""
        return (
            f"Where the model begins to overfit, trained for {epochs} epochs, is not established by "
            f"{over}{where}. {point.reason}"
        )
    if point.bound == ABOVE:
        return (
            f"Trained for {epochs} epochs, the model does not overfit on any rung up to {point.rung}: "
            f"established over {over}. Overfitting begins above that rung, or later."
        )
    if point.bound == AT_OR_BELOW:
        return (
            f"Trained for {epochs} epochs, the model overfits already at the lowest rung, "
            f"{point.rung}{when}: established over {over}. Overfitting begins at or below that rung; "
            "smaller rungs must be added to find the point."
        )
    return (
        f"Trained for {epochs} epochs, the model begins to overfit at rung {point.rung}{when}: established over {over}."
    )


def _answer_best(point: TurningPoint) -> str:
    if not point.established:
        where = f" (at rung {point.rung} or at one below)" if point.rung is not None else ""
        return f"From which rung on the best checkpoint gets worse is not established{where}."
    if point.bound == ABOVE:
        return f"With the best checkpoint kept, no rung up to {point.rung} is worse than a smaller one."
    return f"With the best checkpoint kept, the model gets worse from rung {point.rung} on."


def _recommend(choice: Recommendation) -> str:
    if choice.rung is None:
        return choice.rule
    return f"Recommended: {choice.rung}, {choice.epochs} epochs."


def _name_not_learning(rungs: Sequence[JudgedRung]) -> str:
    """Warn of rungs whose loss may rise without anything having been learnt first."""
    names = [rung.info.name for rung in rungs if 2 * rung.statuses.get(NOT_LEARNING, 0) > rung.repeats]
    if not names:
        return ""
    return (
        f"At {', '.join(names)} most fits were never credibly better than at their first epoch: "
        "a loss that rises there shows no point at which learning turned."
    )


def _count_left_out(rungs: Sequence[JudgedRung]) -> str:
    total = sum(rung.repeats for rung in rungs)
    left_out = sum(rung.left_out for rung in rungs)
    noisy = sum(rung.statuses.get(UNDETERMINED, 0) for rung in rungs) - left_out
    parts = []
    if left_out:
        parts.append(f"{left_out} of {total} fits failed or became unstable and are left out.")
    if noisy:
        parts.append(f"{noisy} of {total} fits are too noisy for an onset of their own.")
    return " ".join(parts)


def _onset(epoch: OpenInterval | None, *, epochs: int, confidence: float) -> str:
    if epoch is None:
        return ""
    point, low, high = epoch
    if low is None:
        return f", from about epoch {point:g} on (too few repeats for an interval)"
    upper = f"{high:g}" if high is not None else f"beyond {epochs}"
    return f", from about epoch {point:g} on ({100 * confidence:g} % interval {low:g} to {upper})"


def _in_brackets(interval: OpenInterval | None) -> str:
    return f" ({_percent(interval)})" if interval is not None else ""


def _percent(interval: OpenInterval | None) -> str:
    """Write a log ratio as a change in percent."""
    if interval is None:
        return "not measured"
    point, low, high = (None if value is None else 100 * math.expm1(value) for value in interval)
    if low is None or high is None:
        return f"{point:+.1f} %, no interval"
    return f"{point:+.1f} %, {low:+.1f} to {high:+.1f}"
