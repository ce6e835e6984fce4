"""Intervals for shares, medians and means over few, overlapping repeats."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special, stats

from rfcx_lab.errors import LabError

Interval = tuple[float, float, float]  # point, low, high
OpenInterval = tuple[float, float | None, float | None]  # None: that end is not known


def share_interval(hits: int, *, total: int, confidence: float) -> Interval | None:
    """Share of `hits` with its exact interval (Clopper and Pearson 1934); None for a total of 0."""
    if not 0 <= hits <= total:
        raise LabError(f"{hits} of {total} is no share.")
    if total == 0:
        return None
    tail = (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, hits, total - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, total - hits)) if hits < total else 1.0
    return hits / total, low, high


def median_interval(values: Sequence[float], *, confidence: float) -> OpenInterval | None:
    """Median with its distribution-free interval between two order statistics (David and Nagaraja 2003, 7.1).

    A value known only to lie beyond what was observed is given as infinite. An end that falls on such a
    value, or that too few values can bound (fewer than 6 at 95 %), is None; so is the whole where the median
    itself is unknown.
    """
    ordered = sorted(values)
    count = len(ordered)
    if count == 0:
        return None
    lower, upper = ordered[(count - 1) // 2], ordered[count // 2]
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return None
    # The largest k with P(fewer than k of n lie below the median) <= (1 - confidence) / 2.
    k = int(stats.binom.ppf((1 - confidence) / 2, count, 0.5))
    if k == 0:
        return (lower + upper) / 2, None, None
    return (lower + upper) / 2, _finite_or_none(ordered[k - 1]), _finite_or_none(ordered[count - k])


def mean_and_error(values: Sequence[float], *, validation_fraction: float) -> tuple[float, float | None] | None:
    """Mean over repeats and its standard error; the error is None for one repeat, the whole for none.

    Training sets of repeated splits overlap, so the repeats are not independent. Nadeau and Bengio (2003)
    correct the variance of the mean from s^2 / n to s^2 (1 / n + n_validation / n_training).
    """
    if not 0 < validation_fraction < 1:
        raise LabError(f"validation_fraction must lie in (0, 1), not {validation_fraction}.")
    count = len(values)
    if count == 0:
        return None
    mean = float(np.mean(values))
    if count == 1:
        return mean, None
    overlap = validation_fraction / (1 - validation_fraction)
    return mean, float(np.sqrt(np.var(values, ddof=1) * (1 / count + overlap)))


def mean_interval(values: Sequence[float], *, validation_fraction: float, confidence: float) -> OpenInterval | None:
    """Mean over repeats with Student's t interval from `mean_and_error`; None as there."""
    summary = mean_and_error(values, validation_fraction=validation_fraction)
    if summary is None:
        return None
    mean, error = summary
    if error is None:
        return mean, None, None
    reach = float(special.stdtrit(len(values) - 1, (1 + confidence) / 2)) * error
    return mean, mean - reach, mean + reach


def corrected_reach(count: int, *, validation_fraction: float, confidence: float) -> float:
    """Half the width of `mean_interval`, in standard deviations of the values; at least 2 of them."""
    overlap = validation_fraction / (1 - validation_fraction)
    return float(special.stdtrit(count - 1, (1 + confidence) / 2)) * math.sqrt(1 / count + overlap)


def mean_p_value(values: Sequence[float], *, validation_fraction: float, least_variance: float = 0.0) -> float | None:
    """Two-sided p-value of the hypothesis that the mean is 0: the corrected t test whose interval is `mean_interval`.

    A variance below `least_variance`, that of how the values are rounded, is raised to it. None for fewer than 2.
    """
    count = len(values)
    if count < 2:
        return None
    variance = max(float(np.var(values, ddof=1)), least_variance)
    mean = float(np.mean(values))
    if variance == 0:
        return 1.0 if mean == 0 else 0.0
    error = math.sqrt(variance * (1 / count + validation_fraction / (1 - validation_fraction)))
    return float(2 * stats.t.sf(abs(mean) / error, df=count - 1))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust the p-values of one family (Holm 1979): each may be held against alpha as it stands. None stays None."""
    known = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (value, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * value))
        adjusted[place] = highest
    return adjusted


def to_ratio(logs: OpenInterval | None) -> OpenInterval | None:
    """Turn an interval of a log ratio into one of the ratio."""
    if logs is None:
        return None
    point, low, high = logs
    return math.exp(point), None if low is None else math.exp(low), None if high is None else math.exp(high)


def to_share(logs: OpenInterval | None) -> OpenInterval | None:
    """Turn an interval of a log ratio into one of the relative change: .1 is a tenth more."""
    if logs is None:
        return None
    point, low, high = logs
    return math.expm1(point), None if low is None else math.expm1(low), None if high is None else math.expm1(high)


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
