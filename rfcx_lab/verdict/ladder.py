"""The verdict on a ladder: at which rung overfitting begins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rfcx_lab.errors import LabError
from rfcx_lab.verdict import sentence
from rfcx_lab.verdict.choice import Recommendation, RemedyEffect, compare_remedy, recommend
from rfcx_lab.verdict.config import JudgeConfig
from rfcx_lab.verdict.crossfit import excess_over_best_lower, rises_to_the_end
from rfcx_lab.verdict.curves import Curves
from rfcx_lab.verdict.looks import tell_plan
from rfcx_lab.verdict.rungs import (
    CAPACITY,
    REMEDY,
    JudgedRung,
    RungInfo,
    RungVerdict,
    judge_rung,
    median_onset,
    summarise_rung,
)
from rfcx_lab.verdict.turning import ABOVE, NO, Evaluation, TurningPoint, evaluate, locate, wanted_repeats


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
        for point in document["begins_to_overfit"].values():
            del point["repeats_wanted"]  # the reason says it in words
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
    split. The longest curve is the epoch budget. `validation_fraction` is the share of validation rows among
    those that are not test rows: repeats overlap in the rest, and every interval is widened for it (Nadeau
    and Bengio 2003).

    Raises:
        LabError: there is no capacity rung, `order` and `curves` name different rungs, a repeat occurs twice, a loss
            is not above 0, or `config.onset` judges by a maximum.
    """
    judge = config or JudgeConfig()
    _check(curves, order, judge)
    finished = [curve.epochs for fits in curves.values() for curve in fits if curve.failure is None]
    epochs = max(finished, default=0)
    rungs = [
        judge_rung(curves[info.name], info, index=index, epochs=epochs, config=judge)
        for index, info in enumerate(order)
    ]
    options = {"validation_fraction": validation_fraction, "confidence": judge.confidence}
    summaries = [summarise_rung(rung, **options) for rung in rungs]
    capacity = [rung for rung in rungs if rung.info.role == CAPACITY]
    turning = BeginsToOverfit(
        trained_to_the_end=_turning_point(
            _evaluate_ends(capacity, judge, validation_fraction), capacity, sentence.AT_THE_END, judge
        ),
        at_best_checkpoint=_turning_point(
            _evaluate_checkpoints(capacity, judge, validation_fraction), capacity, sentence.AT_BEST, judge
        ),
    )
    recommended = recommend(summaries, rungs)
    answer = sentence.write_answer(
        end=turning.trained_to_the_end,
        best=turning.at_best_checkpoint,
        recommended=recommended,
        rungs=rungs,
        epochs=epochs,
        confidence=judge.confidence,
    )
    remedies = tuple(
        compare_remedy(rung, against=capacity[-1], **options) for rung in rungs if rung.info.role == REMEDY
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


def _evaluate_ends(capacity: Sequence[JudgedRung], config: JudgeConfig, validation_fraction: float) -> list[Evaluation]:
    """Test whether a rung's validation loss ends above its minimum by more than the margin."""
    threshold = math.log1p(config.margin)
    return [
        evaluate(
            rises_to_the_end([fit.level for fit in rung.fits.values()]),
            name=rung.info.name,
            index=rung.index,
            yes_above=threshold,
            no_below=threshold,
            validation_fraction=validation_fraction,
            confidence=config.confidence,
        )
        for rung in capacity
    ]


def _evaluate_checkpoints(
    capacity: Sequence[JudgedRung], config: JudgeConfig, validation_fraction: float
) -> list[Evaluation]:
    """Test whether a rung's best validation loss is worse than that of the best rung below.

    Worse at all counts; that it is not counts as shown once it can be worse by less than the margin only.
    """
    losses = [{repeat: fit.best for repeat, fit in rung.fits.items()} for rung in capacity]
    lowest = Evaluation(capacity[0].info.name, capacity[0].index, NO, None, len(losses[0]), None)
    return [lowest] + [
        evaluate(
            excess_over_best_lower(losses[position], losses[:position]),
            name=rung.info.name,
            index=rung.index,
            yes_above=0.0,
            no_below=math.log1p(config.margin),
            validation_fraction=validation_fraction,
            confidence=config.confidence,
        )
        for position, rung in enumerate(capacity)
        if position > 0
    ]


def _turning_point(
    evaluations: Sequence[Evaluation],
    capacity: Sequence[JudgedRung],
    question: sentence.Question,
    config: JudgeConfig,
) -> TurningPoint:
    place = locate(evaluations)
    reason = sentence.explain(evaluations, place, question, capacity)
    wanted = wanted_repeats(evaluations)
    if place.position is None:
        return TurningPoint(None, None, place.bound, None, place.established, reason, wanted)
    rung = capacity[place.position]
    epoch = None if place.bound == ABOVE else median_onset(rung, confidence=config.confidence)
    return TurningPoint(rung.info.name, rung.index, place.bound, epoch, place.established, reason, wanted)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
