"""When a ladder is judged while repeats still come in, and at which level each time."""

from __future__ import annotations

from dataclasses import dataclass

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.turning import FEWEST_REPEATS

ALPHA = 0.05
"""What all looks of a plan spend together."""

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
