"""Climbing look by look: fit the repeats of a look, judge, add rungs below where they are called for, stop if settled.

All of it follows from the config and from what the fit store holds: a run that was killed comes by the same looks to
the same verdict, with whatever fits it finds. Only a fit that failed without leaving a result, as one that ran out of
memory, is tried again by the next run, which judges that look with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rfcx_lab.config import Config
from rfcx_lab.console import say
from rfcx_lab.engine.estimate import Cost, describe_plan
from rfcx_lab.errors import LabError
from rfcx_lab.lab.checks import judge_config, plan_of
from rfcx_lab.lab.extension import overfits_throughout, rung_below
from rfcx_lab.lab.fitting import Fitter
from rfcx_lab.lab.study import Study
from rfcx_lab.lab.view import StudyView
from rfcx_lab.tracking.store import forgiving
from rfcx_lab.verdict import Curves, JudgeConfig, LadderVerdict, judge_ladder
from rfcx_lab.verdict.looks import Look, is_settled
from rfcx_lab.verdict.record import LadderRecord


@dataclass(frozen=True)
class Judged:
    """A ladder after a look: its rungs and the repeats it was judged on, their curves, and what they come to."""

    study: Study
    record: LadderRecord
    verdict: LadderVerdict
    judge: JudgeConfig


@dataclass(frozen=True)
class Climbed(Judged):
    """A ladder after its last look. `looks` holds every planned one; `established` is None for those not needed."""

    looks: list[dict[str, int | float | bool | None]]


def climb_looks(study: Study, fitter: Fitter, view: StudyView, config: Config) -> Climbed:
    """Go from look to look until the ladder is settled (`verdict.looks.is_settled`) or the last one is through.

    Raises:
        LabError: every fit failed.
    """
    plan = plan_of(config)
    cost = Cost(study.input_shape, config.engine, workers=fitter.engine.workers)
    say(describe_plan([fitter.missing(study.up_to(look.repeats).fits) for look in plan], study.fits, cost=cost))
    looks: list[dict[str, int | float | bool | None]] = []
    for look in plan:
        study, judged = _judge(study, look, fitter, view, config, cost)
        established = judged.verdict.begins_to_overfit.trained_to_the_end.established
        looks.append({**asdict(look), "established": established})
        if look == plan[-1] or is_settled(judged.verdict, first=look == plan[0]):
            break
        after = plan[len(looks)]
        missing = fitter.missing(study.up_to(after.repeats).fits)
        say(
            f"Look {len(looks)} of {len(plan)}, after {look.repeats} repeats (alpha = {look.alpha:g}): not settled. "
            f"On to {after.repeats} repeats, {cost.describe(missing)}."
        )
    looks += [{**asdict(look), "established": None} for look in plan[len(looks) :]]
    return Climbed(**vars(judged), looks=looks)


def _judge(
    study: Study, look: Look, fitter: Fitter, view: StudyView, config: Config, cost: Cost
) -> tuple[Study, Judged]:
    """Judge a look's repeats, with rungs added below for as long as the lowest one overfits."""
    while True:
        part = study.up_to(look.repeats)
        below = rung_below(part.climbed, known=config.ladder.rungs)
        record = _record(part, fitter.fit(part.fits))
        judge = judge_config(config, look, nothing_smaller=below is None)
        verdict = judge_ladder(
            record.curves, order=record.order, validation_fraction=record.validation_fraction, config=judge
        )
        if below is None or not config.ladder.extend or not overfits_throughout(verdict):
            return study, Judged(part, record, verdict, judge)
        overfits = verdict.begins_to_overfit.trained_to_the_end.rung
        study = study.with_rung_below(below)
        missing = fitter.missing(study.up_to(look.repeats).fits)
        say(f"Even {overfits}, the lowest rung, overfits: {below.name} is added below it, {cost.describe(missing)}.")
        with forgiving():
            view.show_rungs(study.rungs)


def _record(study: Study, fitted: Sequence[Curves]) -> LadderRecord:
    """The curves of the study's fits per rung, in the order of the repeats."""
    curves = defaultdict(list)
    for spec, each in zip(study.fits, fitted, strict=True):
        curves[spec.rung.name].append(each)
    if all(each.failure for each in fitted):
        raise LabError(f"Every fit failed, the first one because: {fitted[0].failure}.")
    return LadderRecord(curves, study.rungs, study.validation_fraction)
