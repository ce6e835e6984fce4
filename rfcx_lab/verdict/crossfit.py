"""Choose on some repeats, measure on the one held out.

A rise measured from a curve's own minimum is never negative, and the best of several rungs is flattered by
having been chosen: either would look significant on noise alone. Choosing without the repeat that is measured
takes that away, and errs on the low side: what was chosen is not quite the best there is. That is right for the lower
end of an interval, from which something is claimed to be there. The upper end, from which it is claimed not to be,
must not rest on it: it allows for every choice that comes into question (an intersection-union test, Berger 1982).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import special

from rfcx_lab.verdict.intervals import OpenInterval, corrected_reach, mean_interval
from rfcx_lab.verdict.smoothing import Series


def rises_to_the_end(levels: Sequence[Series]) -> list[float]:
    """Per repeat, log of the last smoothed loss over that at the minimum of the *other* repeats' mean.

    `levels` are smoothed validation losses above 0, `(epochs,)` each, of one length. Empty for fewer than 2.
    """
    if len(levels) < 2:
        return []
    logs = np.log(np.array(levels))
    others = (logs.sum(axis=0) - logs) / (len(logs) - 1)
    minima = others.shape[1] - 1 - np.argmin(others[:, ::-1], axis=1)
    return [float(log[-1] - log[minimum]) for log, minimum in zip(logs, minima, strict=True)]


def rise_interval(levels: Sequence[Series], *, validation_fraction: float, confidence: float) -> OpenInterval | None:
    """Mean rise to the end, a log ratio: point and lower end cross-fitted, upper end over all plausible minima.

    A minimum is plausible at every epoch from the earliest to the latest minimum of single repeats. The upper end
    is the highest mean rise from one of them, and its error is not taken for smaller than that of all of
    them together: repeats that happen to have no rise at all have no spread either. It is never below the point.
    None for fewer than 2 repeats.
    """
    lower = mean_interval(rises_to_the_end(levels), validation_fraction=validation_fraction, confidence=confidence)
    if lower is None:
        return None
    logs = np.log(np.array(levels))
    rises = logs[:, -1:] - logs
    means, deviations = rises.mean(axis=0), rises.std(axis=0, ddof=1)
    minima = [*np.argmin(logs, axis=1), int(np.argmin(logs.mean(axis=0)))]
    plausible = slice(min(minima), max(minima) + 1)
    highest = plausible.start + int(np.argmax(means[plausible]))
    deviation = max(float(deviations[highest]), math.sqrt(float(np.mean(deviations[plausible] ** 2))))
    reach = corrected_reach(len(logs), validation_fraction=validation_fraction, confidence=confidence)
    return lower[0], lower[1], float(means[highest]) + reach * deviation


def excess_over_best_lower(rung: Mapping[int, float], lower: Sequence[Mapping[int, float]]) -> list[float]:
    """Per repeat, log of the rung's best loss over that of the lower rung best in the *other* repeats.

    Each mapping holds a rung's best validation loss (above 0) by repeat. Lower rungs are compared with the rung itself
    over the repeats both have, so that one that lacks a hard repeat is not taken for better. A repeat without a
    lower rung to compare with is left out.
    """
    excesses = []
    for repeat in rung:
        choices = []
        for losses in lower:
            shared = _log_ratios(rung, losses)
            others = [ratio for other, ratio in shared.items() if other != repeat]
            if others and repeat in shared:
                choices.append((float(np.mean(others)), shared[repeat]))
        if choices:
            excesses.append(max(choices)[1])
    return excesses


def excess_interval(
    rung: Mapping[int, float],
    lower: Sequence[Mapping[int, float]],
    *,
    validation_fraction: float,
    confidence: float,
) -> OpenInterval | None:
    """Mean excess over the best rung below, a log ratio: point and lower end cross-fitted, upper end over all below.

    The upper end is the highest of those against each single lower rung, over the repeats both have; None where one
    of them shares fewer than 2, as it might be the best. It is never below the point. The lower end is lowered by what
    the choice of the best may owe to the recordings that all repeats share, which cross-fitting does not see.
    """
    options = {"validation_fraction": validation_fraction, "confidence": confidence}
    found = mean_interval(excess_over_best_lower(rung, lower), **options)
    if found is None:
        return None
    ends = [mean_interval(list(_log_ratios(rung, losses).values()), **options) for losses in lower]
    known = [end[2] for end in ends if end is not None and end[2] is not None]
    luck = _shared_luck(lower, **options)
    low = None if found[1] is None else found[1] - luck
    return found[0], low, max(found[0], *known) if len(known) == len(ends) else None


def _shared_luck(rungs: Sequence[Mapping[int, float]], *, validation_fraction: float, confidence: float) -> float:
    """How much better the best of equal rungs is expected to look by what all repeats have in common.

    Rungs not credibly worse than the best count as its equals. Of their differences over repeats, half the variance is
    either's own, and what repeats share is `overlap` times that (Nadeau and Bengio 2003). The highest of k normal
    values is expected at the quantile (k - 3/8) / (k + 1/4) (Blom 1958).
    """
    best = min(rungs, key=lambda losses: float(np.mean(np.log(list(losses.values())))) if losses else math.inf)
    variances = []
    for losses in rungs:
        against = list(_log_ratios(losses, best).values())
        interval = mean_interval(against, validation_fraction=validation_fraction, confidence=confidence)
        if losses is not best and interval is not None and interval[1] is not None and interval[1] <= 0:
            variances.append(float(np.var(against, ddof=1)) / 2)
    if not variances:
        return 0.0
    equals = len(variances) + 1
    overlap = validation_fraction / (1 - validation_fraction)
    return float(special.ndtri((equals - 0.375) / (equals + 0.25))) * math.sqrt(overlap * float(np.mean(variances)))


def _log_ratios(rung: Mapping[int, float], other: Mapping[int, float]) -> dict[int, float]:
    return {repeat: math.log(loss / other[repeat]) for repeat, loss in rung.items() if repeat in other}
