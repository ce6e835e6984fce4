"""What the remedies buy: a later onset, a lower final loss, measured against the full stack."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rfcx_lab.verdict.intervals import OpenInterval, holm, mean_interval, mean_p_value, median_interval, to_ratio
from rfcx_lab.verdict.onset import NOT_LEARNING, UNDETERMINED
from rfcx_lab.verdict.rungs import JudgedFit, JudgedRung
from rfcx_lab.verdict.turning import FEWEST_REPEATS

# With 6 repeats no sign, sign-flip or Wilcoxon test comes below 2 / 64 = .031, which no correction for two remedies and
# two measures leaves below .05. Student's t has no such floor; Nadeau and Bengio's variance knows the overlap.
_TEST = (
    "Corrected resampled t test (Nadeau and Bengio 2003), two-sided, paired over repeats; Holm over all remedies and "
    "both measures. An onset beyond the budget counts as its last epoch."
)
_ROUNDING = 1 / 6  # variance of a difference of two epochs, each rounded to a whole one


@dataclass(frozen=True)
class RemedyEffect:
    """A remedy against the highest capacity rung, paired by repeat. A ratio below 1 is a gain.

    The two p-values are adjusted: each may be held against alpha as it stands. None for fewer than 3 pairs.
    """

    name: str
    index: int
    against: str
    best_loss_ratio: OpenInterval | None  # geometric mean over repeats
    final_loss_ratio: OpenInterval | None
    onset_shift: OpenInterval | None  # median, in epochs; a null end where an onset lies beyond the budget
    final_loss_p: float | None
    onset_shift_p: float | None
    test: str


@dataclass(frozen=True)
class _Pairs:
    remedy: JudgedRung
    against: JudgedRung
    fits: Sequence[tuple[JudgedFit, JudgedFit]]

    def log_ratios(self, loss: Callable[[JudgedFit], float]) -> list[float]:
        return [math.log(loss(fit) / loss(other)) for fit, other in self.fits]

    def with_onsets(self) -> list[tuple[JudgedFit, JudgedFit]]:
        """Pairs of which both have an onset, or none within the budget; a fit that learnt nothing has neither."""
        unknown = (UNDETERMINED, NOT_LEARNING)
        return [pair for pair in self.fits if all(fit.verdict.status not in unknown for fit in pair)]

    def onset_shifts(self) -> list[float]:
        """Differences in epochs; infinite where only one of the two came within the budget."""
        return [
            fit.onset - other.onset
            for fit, other in self.with_onsets()
            if math.isfinite(fit.onset) or math.isfinite(other.onset)
        ]

    def restricted_shifts(self) -> list[float]:
        """The same with the budget's last epoch for an onset beyond it: a shift is made smaller, never larger."""
        return [
            min(fit.onset, len(fit.level)) - min(other.onset, len(other.level)) for fit, other in self.with_onsets()
        ]


def compare_remedies(
    remedies: Sequence[JudgedRung], *, against: JudgedRung, validation_fraction: float, confidence: float
) -> tuple[RemedyEffect, ...]:
    """Compare each remedy with the full stack over the repeats both have: one family of tests."""
    compared = [
        _Pairs(
            remedy,
            against,
            [(fit, against.fits[repeat]) for repeat, fit in remedy.fits.items() if repeat in against.fits],
        )
        for remedy in remedies
    ]
    adjusted = holm(
        [
            p
            for pairs in compared
            for p in (
                _p_value(pairs.log_ratios(_final), validation_fraction),
                _p_value(pairs.restricted_shifts(), validation_fraction, least_variance=_ROUNDING),
            )
        ]
    )

    def ratio(logs: Sequence[float]) -> OpenInterval | None:
        return to_ratio(mean_interval(logs, validation_fraction=validation_fraction, confidence=confidence))

    return tuple(
        RemedyEffect(
            name=pairs.remedy.info.name,
            index=pairs.remedy.index,
            against=against.info.name,
            best_loss_ratio=ratio(pairs.log_ratios(lambda fit: fit.best)),
            final_loss_ratio=ratio(pairs.log_ratios(_final)),
            onset_shift=median_interval(pairs.onset_shifts(), confidence=confidence),
            final_loss_p=adjusted[2 * i],
            onset_shift_p=adjusted[2 * i + 1],
            test=_TEST,
        )
        for i, pairs in enumerate(compared)
    )


def _final(fit: JudgedFit) -> float:
    return float(fit.level[-1])


def _p_value(values: Sequence[float], validation_fraction: float, *, least_variance: float = 0.0) -> float | None:
    if len(values) < FEWEST_REPEATS:
        return None
    return mean_p_value(values, validation_fraction=validation_fraction, least_variance=least_variance)
