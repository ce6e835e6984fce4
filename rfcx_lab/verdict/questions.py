"""The two questions asked of a ladder, and their tests: trained to the end, and at the best checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rfcx_lab.verdict.config import JudgeConfig
from rfcx_lab.verdict.crossfit import excess_interval, excess_over_best_lower, rise_interval
from rfcx_lab.verdict.rungs import JudgedRung
from rfcx_lab.verdict.turning import NO, NOT_LEARNT, OPEN, YES, Evaluation, evaluate


@dataclass(frozen=True)
class Question:
    """How one of the two questions is spoken of."""

    yes: str
    no: str
    measure: str
    states: Mapping[str, str]  # by YES, NO, OPEN and NOT_LEARNT, as `verdict.json` has them


def at_the_end(config: JudgeConfig) -> Question:
    """Does a rung overfit if trained to the end?"""
    return Question(
        yes="overfits",
        no="does not overfit",
        measure=f"validation loss at the end against its minimum, {_level(config)} intervals",
        states={YES: "overfits", NO: "does_not", OPEN: OPEN, NOT_LEARNT: NOT_LEARNT},
    )


def at_the_best(config: JudgeConfig) -> Question:
    """Is a rung worse than a smaller one, each at its best checkpoint?"""
    return Question(
        yes="is worse than the best rung below it",
        no=f"is less than {100 * config.margin:g} % worse than the best rung below it",
        measure=f"lowest validation loss against that of the best rung below, {_level(config)} intervals",
        states={YES: "worse", NO: "not_worse", OPEN: OPEN, NOT_LEARNT: NOT_LEARNT},
    )


def evaluate_ends(
    capacity: Sequence[JudgedRung], *, config: JudgeConfig, validation_fraction: float
) -> list[Evaluation]:
    """Test whether a rung's validation loss ends above its minimum by more than the margin."""
    threshold = math.log1p(config.margin)

    def test(rung: JudgedRung) -> Evaluation:
        levels = [fit.level for fit in rung.fits.values()]
        interval = rise_interval(levels, validation_fraction=validation_fraction, confidence=1 - config.alpha)
        return evaluate(
            interval,
            len(levels),
            name=rung.info.name,
            index=rung.index,
            yes_above=threshold,
            no_below=threshold,
            validation_fraction=validation_fraction,
            alpha=config.alpha,
        )

    return [_if_learnt(rung, test(rung)) for rung in capacity]


def evaluate_checkpoints(
    capacity: Sequence[JudgedRung], *, config: JudgeConfig, validation_fraction: float
) -> list[Evaluation]:
    """Test whether a rung's best validation loss is worse than that of the best rung below.

    Worse at all counts; that it is not counts as shown once it can be worse by less than the margin only. The lowest
    rung is not worse than one below it, as there is none; unless no rung has learnt anything.
    """
    best = [rung.best_losses() for rung in capacity]

    def test(position: int, rung: JudgedRung) -> Evaluation:
        interval = excess_interval(
            best[position], best[:position], validation_fraction=validation_fraction, confidence=1 - config.alpha
        )
        return evaluate(
            interval,
            len(excess_over_best_lower(best[position], best[:position])),
            name=rung.info.name,
            index=rung.index,
            yes_above=0.0,
            no_below=math.log1p(config.margin),
            validation_fraction=validation_fraction,
            alpha=config.alpha,
        )

    lowest = capacity[0]
    below_none = NO if any(rung.learnt for rung in capacity) else NOT_LEARNT
    return [
        Evaluation(lowest.info.name, lowest.index, below_none, None, len(lowest.fits), None),
        *[_if_learnt(rung, test(i, rung)) for i, rung in enumerate(capacity) if i > 0],
    ]


def _if_learnt(rung: JudgedRung, evaluation: Evaluation) -> Evaluation:
    return evaluation if rung.learnt else replace(evaluation, state=NOT_LEARNT, wanted=None)


def _level(config: JudgeConfig) -> str:
    return f"{100 * (1 - config.alpha):.6g} %"
