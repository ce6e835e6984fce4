"""When a ladder is judged while repeats still come in, and at which level each time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.config import JudgeConfig
from rfcx_lab.verdict.turning import FEWEST_REPEATS

if TYPE_CHECKING:
    from rfcx_lab.verdict.ladder import LadderVerdict

ALPHA = 0.05
"""What all looks of a plan spend together."""

_ADD_SMALLER, _NOTHING_SMALLER = "smaller rungs must be added", "no smaller rung can be built"
_SHARES = {1: (ALPHA,), 2: (0.010, 0.040), 3: (0.010, 0.015, 0.025)}  # by number of looks


@dataclass(frozen=True)
class Look:
    """Judge after so many repeats, at this level."""

    repeats: int
    alpha: float


def plan_looks(minimum: int, maximum: int) -> tuple[Look, ...]:
    """Plan when to judge a ladder of at least `minimum` and at most `maximum` repeats, each time to stop if settled.

    Three looks, evenly spaced: 4, 8 and 12 repeats for 4 to 12. Between neighbours as 4 and 5 there is none in the
    middle: two looks. Where both are equal it is one, at the whole level.

    Whoever tests again and again as data come in, and stops at the first success, is wrong more often than the level of
    each test says (Armitage, McPherson and Rowe 1969). So the looks share one level of .05: .010, .015 and .025; of
    two, .010 and .040. That any of them errs is no more probable than the sum, whatever ties them to one another
    (Bonferroni's inequality). Sharper plans (Pocock 1977, O'Brien and Fleming 1979, Lan and DeMets 1983) take the
    repeats added between two looks for independent of those before, which repeats drawn from one set of recordings
    are not. As theirs do, the shares rise: early on few repeats show little but what is plain, and the last look,
    which every open case comes to, keeps half.

    Raises:
        LabError: there is no such plan.
    """
    if minimum < 1:
        raise LabError(f"At least {minimum} repeats: must be 1 or more.")
    if maximum < minimum:
        raise LabError(f"At least {minimum} and at most {maximum} repeats: the most must not be fewer than the least.")
    if minimum < min(maximum, FEWEST_REPEATS):
        raise LabError(
            f"At least {minimum} and at most {maximum} repeats: a look at fewer than {FEWEST_REPEATS} establishes "
            f"nothing; begin with {FEWEST_REPEATS} or more."
        )
    repeats = sorted({minimum, (minimum + maximum) // 2, maximum})
    return tuple(Look(*look) for look in zip(repeats, _SHARES[len(repeats)], strict=True))


def is_settled(verdict: LadderVerdict, *, first: bool) -> bool:
    """Whether to stop here: where overfitting begins, trained to the end, is established, or won't be by more repeats.

    That it won't counts from the second look on. At the first one the spread of the repeats is known too badly for it.
    To stop for want of hope costs no false answer, and so no level. The question of the best checkpoint is answered at
    the same look and level, but does not decide on going on.
    """
    point = verdict.begins_to_overfit.trained_to_the_end
    return point.established or (point.repeats_wanted is None and not first)


def tell_plan(verdict: LadderVerdict, config: JudgeConfig) -> LadderVerdict:
    """Put into a verdict's words what curves don't show: how far its plan went, and whether a smaller rung is left."""
    answer, end = verdict.answer, verdict.begins_to_overfit.trained_to_the_end
    if config.nothing_smaller:
        answer = answer.replace(_ADD_SMALLER, _NOTHING_SMALLER)
        end = replace(end, reason=end.reason.replace(_ADD_SMALLER, _NOTHING_SMALLER))
    if config.planned_repeats is not None:
        repeats = max(rung.repeats for rung in verdict.rungs)
        went = f"Stopped after {repeats} of at most {config.planned_repeats} planned repeats"
        if repeats >= config.planned_repeats:
            went = f"All {repeats} planned repeats were run"
        answer = f"{answer} {went}, and judged at alpha = {config.alpha:g}."
    return replace(verdict, answer=answer, begins_to_overfit=replace(verdict.begins_to_overfit, trained_to_the_end=end))
