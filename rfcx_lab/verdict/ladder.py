"""The verdict on a ladder: at which rung overfitting begins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.choice import Recommendation, recommend
from rfcx_lab.verdict.config import JudgeConfig
from rfcx_lab.verdict.crossfit import excess_interval
from rfcx_lab.verdict.curves import Curves
from rfcx_lab.verdict.intervals import to_share
from rfcx_lab.verdict.looks import tell_plan
from rfcx_lab.verdict.questions import Question, at_the_best, at_the_end, evaluate_checkpoints, evaluate_ends
from rfcx_lab.verdict.reason import explain, wanted_repeats
from rfcx_lab.verdict.remedies import RemedyEffect, compare_remedies
from rfcx_lab.verdict.rungs import (
    CAPACITY,
    REMEDY,
    JudgedRung,
    RungInfo,
    RungVerdict,
    epoch_budget,
    judge_rung,
    median_onset,
    summarise_rung,
)
from rfcx_lab.verdict.sentence import write_answer
from rfcx_lab.verdict.turning import ABOVE, Evaluation, Place, TurningPoint, locate


@dataclass(frozen=True)
class BeginsToOverfit:
    """Two questions: every epoch of the budget trained, or the best checkpoint kept."""

    trained_to_the_end: TurningPoint
    at_best_checkpoint: TurningPoint


@dataclass(frozen=True)
class LadderVerdict:
    """What a ladder comes to. `to_dict` gives the keys of `verdict.json` that follow from curves alone."""

    answer: str
    epochs: int  # the budget
    rungs: tuple[RungVerdict, ...]
    begins_to_overfit: BeginsToOverfit
    recommended: Recommendation
    remedies: tuple[RemedyEffect, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give dicts, lists and scalars that strict JSON can hold."""
        document = _plain(asdict(self))
        assert isinstance(document, dict)
        return document


def judge_ladder(
    curves: Mapping[str, Sequence[Curves]],
    *,
    order: Sequence[RungInfo],
    validation_fraction: float,
    config: JudgeConfig | None = None,
) -> LadderVerdict:
    """Say at which rung, and from which epoch on, overfitting begins.

    `curves` holds the fits of each rung of `order` (bottom to top); fits of the same `Curves.repeat` shared a
    split. The epoch budget is what the curves say, else the longest of them. `validation_fraction` is the share of
    validation rows among those that are not test rows: repeats overlap in the rest, and every interval is widened for
    it (Nadeau and Bengio 2003).

    Raises:
        LabError: there is no capacity rung, `order` and `curves` name different rungs, a repeat occurs twice, a loss
            is not above 0, or `config.onset` judges by a maximum.
    """
    judge = config or JudgeConfig()
    _check(curves, order, judge)
    epochs = epoch_budget(curve for fits in curves.values() for curve in fits)
    rungs = [
        judge_rung(curves[info.name], info, index=index, epochs=epochs, config=judge)
        for index, info in enumerate(order)
    ]
    options = {"validation_fraction": validation_fraction, "confidence": judge.confidence}
    capacity = [rung for rung in rungs if rung.info.role == CAPACITY]
    ends = evaluate_ends(capacity, config=judge, validation_fraction=validation_fraction)
    checkpoints = evaluate_checkpoints(capacity, config=judge, validation_fraction=validation_fraction)
    end, best = locate(ends), locate(checkpoints)
    about_end, about_best = at_the_end(judge), at_the_best(judge)
    turning = BeginsToOverfit(
        trained_to_the_end=_turning_point(ends, end, capacity, about_end, confidence=judge.confidence),
        at_best_checkpoint=_turning_point(checkpoints, best, capacity, about_best, confidence=judge.confidence),
    )
    summaries = [summarise_rung(rung, **options) for rung in rungs]
    for position, rung in enumerate(capacity):
        lower = [other.best_losses() for other in capacity[:position]]
        summaries[rung.index] = replace(
            summaries[rung.index],
            state=about_end.states[end.claims[position]],
            state_at_best=about_best.states[best.claims[position]],
            excess=to_share(excess_interval(rung.best_losses(), lower, **options)),
        )
    remedies = compare_remedies([rung for rung in rungs if rung.info.role == REMEDY], against=capacity[-1], **options)
    recommended = recommend(summaries, rungs)
    answer = write_answer(
        end=turning.trained_to_the_end,
        best=turning.at_best_checkpoint,
        recommended=recommended,
        remedies=remedies,
        rungs=rungs,
        epochs=epochs,
        confidence=judge.confidence,
    )
    return tell_plan(LadderVerdict(answer, epochs, tuple(summaries), turning, recommended, remedies), judge)


def _check(curves: Mapping[str, Sequence[Curves]], order: Sequence[RungInfo], config: JudgeConfig) -> None:
    names = [info.name for info in order]
    if len(set(names)) < len(names) or set(names) != set(curves):
        raise LabError(f"The rungs in order, {names}, are not those that have curves, {list(curves)}.")
    if all(info.role != CAPACITY for info in order):
        raise LabError("A ladder needs a capacity rung: only such a rung can be where overfitting begins.")
    if config.onset.mode != "min":
        raise LabError('A ladder is judged by losses: onset.mode must be "min".')


def _turning_point(
    evaluations: Sequence[Evaluation],
    place: Place,
    capacity: Sequence[JudgedRung],
    question: Question,
    *,
    confidence: float,
) -> TurningPoint:
    rung = None if place.position is None else capacity[place.position]
    between = None
    if place.candidates is not None:
        low, high = place.candidates
        between = (evaluations[low].name, None if high is None else evaluations[high].name)
    return TurningPoint(
        rung=None if rung is None else rung.info.name,
        index=None if rung is None else rung.index,
        bound=place.bound,
        epoch=None if rung is None or place.bound == ABOVE else median_onset(rung, confidence=confidence),
        established=place.established,
        reason=explain(evaluations, place, question, capacity),
        between=between,
        repeats_wanted=wanted_repeats(evaluations),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
