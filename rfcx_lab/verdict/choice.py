"""Which rung to use, and how long to train it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rfcx_lab.verdict.rungs import JudgedRung, RungVerdict
from rfcx_lab.verdict.turning import FEWEST_REPEATS


@dataclass(frozen=True)
class Recommendation:
    """The rung to use and how long to train it; None throughout where no fit is usable or none has learnt."""

    rung: str | None
    index: int | None
    epochs: int | None  # rounded median of the best epochs
    rule: str


def recommend(
    summaries: Sequence[RungVerdict], rungs: Sequence[JudgedRung], *, planned: int | None = None
) -> Recommendation:
    """Choose by the one-standard-error rule (Breiman et al. 1984).

    Of the rungs whose mean best validation loss lies within one standard error of the lowest, the one with
    the fewest trainable parameters; of equals, as a remedy and its twin are, the one with the lower mean. A rung that
    never learnt, or of which too few fits are left where others have enough, is not chosen. `planned` is how many fits
    each was to have, where some were given more on purpose; by default all were to have as many.
    """
    known = _eligible(summaries, rungs, planned=planned)
    if not known:
        usable = any(rung.fits for rung in rungs)
        nothing = "No rung is recommended: none has learnt." if usable else "No fit of any rung is usable."
        return Recommendation(None, None, None, nothing)
    (lowest, error), best = known[0]
    close = [item for item in known if item[0][0] <= lowest + (error or 0.0)]
    _, chosen = min(close, key=lambda item: (item[1].trainable_parameters, item[0][0]))
    epochs = float(np.median([fit.raw_best_epoch for fit in rungs[chosen.index].fits.values()]))
    rule = (
        "One standard error: the fewest trainable parameters among the rungs whose mean best validation loss "
        f"lies within one standard error of the lowest, that of {best.name}."
    )
    return Recommendation(chosen.name, chosen.index, math.floor(epochs + 0.5), rule)


def find_lowest(
    summaries: Sequence[RungVerdict], rungs: Sequence[JudgedRung], *, planned: int | None = None
) -> int | None:
    """Index of the rung with the lowest mean best validation loss, of those that `recommend` chooses from."""
    return next((summary.index for _, summary in _eligible(summaries, rungs, planned=planned)), None)


def _eligible(
    summaries: Sequence[RungVerdict], rungs: Sequence[JudgedRung], *, planned: int | None
) -> list[tuple[tuple[float, float | None], RungVerdict]]:
    """The rungs that may be chosen, with mean and standard error of their best loss; the lowest mean first."""
    most = max((len(rung.fits) for rung in rungs), default=0)
    enough = min(FEWEST_REPEATS, most, planned or most)
    known = [
        (pair, summary)
        for summary, rung in zip(summaries, rungs, strict=True)
        if (pair := summary.val_loss_best) is not None and rung.learnt and len(rung.fits) >= enough
    ]
    return sorted(known, key=lambda item: item[0][0])
