"""Shares of one test part that several fits were measured on.

All repeats share the draw of those calls: their spread says how fits differ, and nothing of how other calls would have
come out. So the variance of a mean has two parts, which add up: that between repeats, corrected for the overlap of
their training sets (Nadeau and Bengio 2003), and that of the draw, over recordings, which no further repeat makes
smaller. Degrees of freedom are Satterthwaite's (1946).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import special, stats

from rfcx_lab.verdict.intervals import OpenInterval, mean_and_error


@dataclass(frozen=True)
class Draw:
    """Of a mean over test calls: its variance by which of them were drawn, from so many recordings."""

    variance: float
    recordings: int

    @property
    def at_least(self) -> float:
        """The variance, and never less than what one recording that goes the other way would move the mean by."""
        return max(self.variance, 1 / self.recordings**2)

    def of_share(self, share: float) -> float:
        """The same of a share: never more than were each recording all or none of it, which the floor can be."""
        whole = share * (1 - share) / self.recordings
        return max(self.variance, min(self.at_least, whole)) if whole else self.at_least


def mean_share(
    values: Sequence[float], draw: Draw, *, rows: int, validation_fraction: float, confidence: float
) -> OpenInterval | None:
    """Mean over repeats of a share of `rows` calls, with its interval; None for no repeat.

    The exact binomial interval for so many independent calls as have the mean's variance (Korn and Graubard 1998), so
    it lies in [0, 1]. Its ends are None for one repeat or one recording.
    """
    if not values:
        return None
    mean = sum(values) / len(values)
    _, variance, freedom = _spread(values, draw, draw.of_share(mean), validation_fraction)
    if freedom is None:
        return mean, None, None
    spread, tail = mean * (1 - mean), (1 - confidence) / 2
    effective = min(float(rows), spread / variance) if spread > 0 else float(draw.recordings)
    effective *= float(special.ndtri(tail) / special.stdtrit(freedom, tail)) ** 2
    some, none = mean * effective, (1 - mean) * effective
    low = float(stats.beta.ppf(tail, some, none + 1)) if some > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, some + 1, none)) if none > 0 else 1.0
    return mean, low, high


def mean_difference(
    values: Sequence[float], draw: Draw, *, validation_fraction: float, confidence: float
) -> tuple[OpenInterval | None, float | None]:
    """Mean over repeats of a difference of two shares, with its t interval and the two-sided p of a mean of 0."""
    if not values:
        return None, None
    mean, variance, freedom = _spread(values, draw, draw.at_least, validation_fraction)
    if freedom is None:
        return (mean, None, None), None
    error = math.sqrt(variance)
    reach = float(special.stdtrit(freedom, (1 + confidence) / 2)) * error
    return (mean, mean - reach, mean + reach), float(2 * stats.t.sf(abs(mean) / error, df=freedom))


def _spread(values: Sequence[float], draw: Draw, drawn: float, fraction: float) -> tuple[float, float, float | None]:
    """The mean, its variance, and the degrees of freedom of that; None where one of its parts is not known."""
    mean, error = mean_and_error(values, validation_fraction=fraction) or (math.nan, None)
    if error is None or draw.recordings < 2:
        return mean, math.nan, None
    parts = ((error**2, len(values) - 1), (drawn, draw.recordings - 1))
    total = sum(part for part, _ in parts)
    return mean, total, total**2 / sum(part**2 / freedom for part, freedom in parts)
