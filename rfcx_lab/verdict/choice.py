"""Which rung to use, and what the remedies change."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rfcx_lab.verdict.intervals import OpenInterval, mean_interval, median_interval
from rfcx_lab.verdict.onset import UNDETERMINED
from rfcx_lab.verdict.rungs import JudgedFit, JudgedRung, RungVerdict


@dataclass(frozen=True)
class Recommendation:
    """The rung to use and how long to train it; None throughout where no fit is usable."""

    rung: str | None
    index: int | None
    epochs: int | None  # rounded median of the best epochs
    rule: str


@dataclass(frozen=True)
class RemedyEffect:
    """A remedy against the highest capacity rung, paired by repeat. A ratio below 1 is a gain."""

    name: str
    index: int
    against: str
    best_loss_ratio: OpenInterval | None  # geometric mean over repeats
    final_loss_ratio: OpenInterval | None
    onset_shift: OpenInterval | None  # median, in epochs; a null end where an onset lies beyond the budget


def recommend(summaries: Sequence[RungVerdict], rungs: Sequence[JudgedRung]) -> Recommendation:
    """Choose by the one-standard-error rule (Breiman et al. 1984).

    Of the rungs whose mean best validation loss lies within one standard error of the lowest, the one with
    the fewest trainable parameters; of equals, as a remedy and its twin are, the one with the lower mean.
    """
    means = {summary.index: summary.val_loss_best for summary in summaries}
    known = [(pair, summary) for summary in summaries if (pair := means[summary.index]) is not None]
    if not known:
        return Recommendation(None, None, None, "No fit of any rung is usable.")
    (lowest, error), best = min(known, key=lambda item: item[0][0])
    close = [item for item in known if item[0][0] <= lowest + (error or 0.0)]
    _, chosen = min(close, key=lambda item: (item[1].trainable_parameters, item[0][0]))
    epochs = float(np.median([fit.raw_best_epoch for fit in rungs[chosen.index].fits.values()]))
    rule = (
        "One standard error: the fewest trainable parameters among the rungs whose mean best validation loss "
        f"lies within one standard error of the lowest, that of {best.name}."
    )
    return Recommendation(chosen.name, chosen.index, math.floor(epochs + 0.5), rule)


def compare_remedy(
    remedy: JudgedRung, *, against: JudgedRung, validation_fraction: float, confidence: float
) -> RemedyEffect:
    """Compare a remedy with the full stack over the repeats both have."""
    pairs = [(fit, against.fits[repeat]) for repeat, fit in remedy.fits.items() if repeat in against.fits]

    def ratio(loss: Callable[[JudgedFit], float]) -> OpenInterval | None:
        logs = [math.log(loss(fit) / loss(other)) for fit, other in pairs]
        return to_ratio(mean_interval(logs, validation_fraction=validation_fraction, confidence=confidence))

    return RemedyEffect(
        name=remedy.info.name,
        index=remedy.index,
        against=against.info.name,
        best_loss_ratio=ratio(lambda fit: fit.best),
        final_loss_ratio=ratio(lambda fit: float(fit.level[-1])),
        onset_shift=median_interval(_onset_shifts(pairs), confidence=confidence),
    )


def _onset_shifts(pairs: Sequence[tuple[JudgedFit, JudgedFit]]) -> list[float]:
    """Differences in epochs; infinite where only one of the two came within the budget."""
    return [
        fit.onset - other.onset
        for fit, other in pairs
        if UNDETERMINED not in (fit.verdict.status, other.verdict.status)
        and (math.isfinite(fit.onset) or math.isfinite(other.onset))
    ]


def to_ratio(logs: OpenInterval | None) -> OpenInterval | None:
    """Turn an interval of a log ratio into one of the ratio."""
    if logs is None:
        return None
    point, low, high = logs
    return math.exp(point), None if low is None else math.exp(low), None if high is None else math.exp(high)
