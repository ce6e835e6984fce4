"""The ladder's verdict in words, to be read aloud."""

from __future__ import annotations

from collections.abc import Sequence

from rfcx_lab.verdict.choice import Recommendation
from rfcx_lab.verdict.intervals import OpenInterval
from rfcx_lab.verdict.onset import UNDETERMINED
from rfcx_lab.verdict.remedies import RemedyEffect
from rfcx_lab.verdict.rungs import CAPACITY, JudgedRung
from rfcx_lab.verdict.turning import ABOVE, AT_OR_BELOW, TurningPoint


def write_answer(
    *,
    end: TurningPoint,
    best: TurningPoint,
    recommended: Recommendation,
    remedies: Sequence[RemedyEffect],
    rungs: Sequence[JudgedRung],
    epochs: int,
    confidence: float,
) -> str:
    """Answer the ladder's question in a few sentences; the first one stands alone."""
    repeats = max(rung.repeats for rung in rungs)
    over = f"{repeats} repeat{'' if repeats == 1 else 's'}"
    capacity = [rung for rung in rungs if rung.info.role == CAPACITY]
    if len(rungs) == 1:
        answers = [_answer_single(end, rungs[0], over=over, epochs=epochs, confidence=confidence)]
    elif any(rung.learnt for rung in capacity):
        answers = [
            _answer_end(end, over=over, epochs=epochs, confidence=confidence, lowest=capacity[0]),
            _answer_best(best),
        ]
    else:
        answers = [_answer_nothing_learnt(over=over, epochs=epochs, bar=capacity[0].bar)]
    parts = [*answers, _recommend(recommended), *map(_tell_remedy, remedies), _count_left_out(rungs)]
    return " ".join(part for part in parts if part)


def _answer_single(point: TurningPoint, rung: JudgedRung, *, over: str, epochs: int, confidence: float) -> str:
    """Of one rung there is no ladder to speak of: whether it overfits by itself."""
    name, statuses = rung.info.name, ", ".join(f"{status.replace('_', ' ')} {n}" for status, n in rung.statuses.items())
    if not rung.learnt:
        fits = "its one fit was" if rung.repeats == 1 else f"of its {rung.repeats} fits half or more were"
        return (
            f"Trained for {epochs} epochs, {name} has learnt nothing that could be overfit: {fits} never credibly "
            f"better on the validation part than {rung.bar}. Check labels, features and the learning rate."
        )
    if not point.established:
        return (
            f"Whether {name} overfits, trained for {epochs} epochs, is not established by {over} (fits by themselves: "
            f"{statuses}). {point.reason}"
        )
    if point.bound == ABOVE:
        return f"Trained for {epochs} epochs, {name} does not overfit: established over {over}."
    when = _onset(point.epoch, epochs=epochs, confidence=confidence)
    return (
        f"Trained for {epochs} epochs, {name} overfits{f', {when}' if when else ''}: established over {over}. Where "
        "overfitting begins is at or below that rung; smaller rungs must be added to find the point."
    )


def _answer_nothing_learnt(*, over: str, epochs: int, bar: str) -> str:
    return (
        f"Trained for {epochs} epochs, no rung has learnt anything that could be overfit, over {over}: on each, half "
        f"of the fits or more were never credibly better on the validation part than {bar}. Where "
        "overfitting begins is not established, and a loss that rises from there shows no point at which learning "
        "turned; check labels, features and the learning rate."
    )


def _answer_end(point: TurningPoint, *, over: str, epochs: int, confidence: float, lowest: JudgedRung) -> str:
    when = _onset(point.epoch, epochs=epochs, confidence=confidence)
    if not point.established:
        where = _locate(point, when, lowest)
        return (
            f"Where the model begins to overfit, trained for {epochs} epochs, is not established by "
            f"{over}{where}. {point.reason}"
        )
    if point.bound == ABOVE:
        return (
            f"Trained for {epochs} epochs, the model does not overfit on any rung up to {point.rung}: "
            f"established over {over}. Overfitting begins above that rung, or later."
        )
    when = f", {when}" if when else ""
    if point.bound == AT_OR_BELOW:
        return (
            f"Trained for {epochs} epochs, the model overfits already at the lowest rung, "
            f"{point.rung}{when}: established over {over}. Overfitting begins at or below that rung; "
            "smaller rungs must be added to find the point."
        )
    return (
        f"Trained for {epochs} epochs, the model begins to overfit at rung {point.rung}{when}: established over {over}."
    )


def _locate(point: TurningPoint, when: str, lowest: JudgedRung) -> str:
    """Name the rungs between which the point lies, as far as they are known."""
    if point.between is None:
        return ""
    low, high = point.between
    if high is None:
        if low == lowest.info.name:
            return ""
        return f": at {low}, above it, or nowhere on this ladder, but not below"
    overfits = f", which overfits {when}," if when else ""
    if low == lowest.info.name:
        return f": at rung {high}{overfits} or below it, where no rung is shown not to"
    return f": between {low} and {high}{overfits.removesuffix(',')}"


def _answer_best(point: TurningPoint) -> str:
    if not point.established:
        where = ""
        if point.between is not None and point.between[1] is not None:
            where = f" (between {point.between[0]} and {point.between[1]})"
        return f"From which rung on the best checkpoint gets worse is not established{where}."
    if point.bound == ABOVE:
        return f"With the best checkpoint kept, no rung up to {point.rung} is worse than a smaller one."
    return f"With the best checkpoint kept, the model gets worse from rung {point.rung} on."


def _recommend(choice: Recommendation) -> str:
    if choice.rung is None:
        return choice.rule
    return f"Recommended: {choice.rung}, {choice.epochs} epochs."


def _tell_remedy(effect: RemedyEffect) -> str:
    """Say what a remedy changes, with the adjusted p-values."""
    parts = []
    if effect.onset_shift is not None and effect.onset_shift_p is not None:  # none: its median is beyond the budget
        parts.append(f"onset {effect.onset_shift[0]:+g} epochs (p {_p(effect.onset_shift_p)})")
    if effect.final_loss_ratio is not None and effect.final_loss_p is not None:
        change = 100 * (effect.final_loss_ratio[0] - 1)
        parts.append(f"final loss {change:+.0f} % (p {_p(effect.final_loss_p)})")
    return f"{effect.name} against {effect.against}: {', '.join(parts)}." if parts else ""


def _p(value: float) -> str:
    return f"= {value:.2g}" if value >= 0.001 else "< 0.001"


def _count_left_out(rungs: Sequence[JudgedRung]) -> str:
    total = sum(rung.repeats for rung in rungs)
    left_out = sum(rung.left_out for rung in rungs)
    noisy = sum(rung.statuses.get(UNDETERMINED, 0) for rung in rungs) - left_out
    parts = []
    if left_out:
        parts.append(f"{left_out} of {total} fits failed, ended early or became unstable and are left out.")
    if noisy:
        parts.append(f"{noisy} of {total} fits are too noisy for an onset of their own.")
    return " ".join(parts)


def _onset(epoch: OpenInterval | None, *, epochs: int, confidence: float) -> str:
    if epoch is None:
        return ""
    point, low, high = epoch
    if low is None:
        return f"from about epoch {point:g} on (too few repeats for an interval)"
    upper = f"{high:g}" if high is not None else f"beyond {epochs}"
    return f"from about epoch {point:g} on ({100 * confidence:g} % interval {low:g} to {upper})"
