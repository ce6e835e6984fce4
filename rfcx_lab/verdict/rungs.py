"""What the repeats of one rung come to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rfcx_lab.errors import LabError
from rfcx_lab.verdict import intervals
from rfcx_lab.verdict.config import JudgeConfig
from rfcx_lab.verdict.crossfit import rise_interval
from rfcx_lab.verdict.curves import Curves
from rfcx_lab.verdict.onset import (
    NOT_LEARNING,
    OVERFIT,
    STATUSES,
    STILL_IMPROVING,
    TOO_NOISY,
    UNDETERMINED,
    Verdict,
    find_onset,
)
from rfcx_lab.verdict.smoothing import Series, smooth, smoothing_window

CAPACITY = "capacity"
REMEDY = "remedy"
# A settled fit rises on with this power of the epochs since its minimum; rises on record go with .4 to 1. Carried on
# as it stood instead, it moves the frontier towards larger models: benchmarks/epochs_saved.md.
_PACE = 0.5


@dataclass(frozen=True)
class RungInfo:
    """A rung's place in the ladder.

    Raises:
        LabError: the role is unknown.
    """

    name: str
    role: str  # "capacity": can be the answer; "remedy": compared with the full stack
    trainable_parameters: int

    def __post_init__(self) -> None:
        """Check the role."""
        if self.role not in (CAPACITY, REMEDY):
            raise LabError(f'Rung {self.name}: role must be "capacity" or "remedy", not {self.role!r}.')


@dataclass(frozen=True)
class JudgedFit:
    """A fit of full length, or settled before, and finite losses, with its verdict and its smoothed validation loss."""

    curves: Curves
    verdict: Verdict
    level: Series  # (epochs,); of a settled fit, from where it ended, as its rise goes on
    window: int = 1  # epochs that it is smoothed over

    @property
    def best(self) -> float:
        """Lowest validation loss: what the best checkpoint reaches."""
        return min(self.curves.val_loss)

    @property
    def onset(self) -> float:
        """Onset epoch; infinite where none came within the budget."""
        return math.inf if self.verdict.onset_epoch is None else self.verdict.onset_epoch

    @property
    def best_epoch(self) -> float:
        """Epoch of the lowest validation loss; infinite where the budget ended first."""
        return math.inf if self.verdict.status == STILL_IMPROVING else self.raw_best_epoch

    @property
    def raw_best_epoch(self) -> int:
        """Epoch of the lowest validation loss within the budget, from 1."""
        return int(np.argmin(self.curves.val_loss)) + 1


@dataclass(frozen=True)
class JudgedRung:
    """A rung's fits. Only `fits` enter means; those left out are counted in `statuses`."""

    info: RungInfo
    index: int  # 0-based place in the ladder, bottom to top, remedies included
    fits: Mapping[int, JudgedFit]  # by repeat
    statuses: Mapping[str, int]
    repeats: int  # all of them, those left out too

    @property
    def left_out(self) -> int:
        """Number of fits that failed, stopped early or became unstable."""
        return self.repeats - len(self.fits)

    @property
    def learnt(self) -> bool:
        """Whether more than half of the fits were ever credibly better than the `bar`, or none is usable.

        Where nothing was learnt there is nothing to overfit from: a loss that rises from chance shows no turn, and one
        that stays there no absence of it. Fits are counted, not averaged: the mean of many that stand a hair below
        chance is credibly below it, and still a hair; each has to leave it by a share that matters.
        """
        learnt = len(self.fits) - self.statuses.get(NOT_LEARNING, 0)
        return not self.fits or 2 * learnt > len(self.fits)

    @property
    def bar(self) -> str:
        """What a fit must have been credibly better than to have learnt: chance, where it is known of all of them."""
        known = all(fit.curves.chance_loss is not None for fit in self.fits.values())
        return "a constant guess" if known else "at the first epoch"

    def best_losses(self) -> dict[int, float]:
        """Lowest validation loss by repeat."""
        return {repeat: fit.best for repeat, fit in self.fits.items()}


@dataclass(frozen=True)
class RungVerdict:
    """Summary of a rung, as in `verdict.json`. Intervals are `(point, low, high)`, pairs `(mean, standard error)`.

    None stands where there is nothing to summarise; an end is None where censored or beyond what so few
    repeats can bound; a standard error is None for one repeat.
    """

    name: str
    index: int
    role: str
    trainable_parameters: int
    repeats: int
    left_out: int
    statuses: dict[str, int]
    overfit_share: intervals.Interval | None  # of the fits that are not undetermined
    onset_epoch: intervals.OpenInterval | None
    best_epoch: intervals.OpenInterval | None
    val_loss_best: tuple[float, float | None] | None
    val_loss_final: tuple[float, float | None] | None
    val_accuracy_best: tuple[float, float | None] | None  # at the epoch of the lowest validation loss
    rise: intervals.OpenInterval | None  # of the validation loss over its minimum at the end, a share of it
    excess: intervals.OpenInterval | None = None  # of the best loss over that of the best rung below, a share of it
    state: str | None = (
        None  # claimed of a capacity rung trained to the end: "overfits", "does_not", "open", "not_learnt"
    )
    state_at_best: str | None = None  # claimed of it at its best checkpoint: "worse", "not_worse", "open", "not_learnt"


def epoch_budget(curves: Iterable[Curves]) -> int:
    """Epochs that fits of one study were to have: what they say, or the longest of those that did not fail."""
    return max((curve.budget or curve.epochs for curve in curves if curve.failure is None), default=0)


def judge_rung(curves: Sequence[Curves], info: RungInfo, *, index: int, epochs: int, config: JudgeConfig) -> JudgedRung:
    """Judge every fit of a rung. A curve shorter than `epochs` is censored and left out, unless it is settled.

    Of a settled one the rise is known from below only, so it is projected: as the square root of the epochs since its
    minimum, a slower pace than that of most rises. So all repeats have one length, whenever they ended.

    A curve too noisy for a verdict of its own stays in the means: leaving out the doubtful ones would leave
    the mean to the clear ones.

    Raises:
        LabError: a repeat occurs twice, or a loss is not above 0.
    """
    statuses = Counter[str]()
    fits: dict[int, JudgedFit] = {}
    seen = {curve.repeat for curve in curves}
    if len(seen) < len(curves):
        raise LabError(f"Rung {info.name}: the same repeat occurs twice.")
    for curve in curves:
        verdict = find_onset(curve.train_loss, curve.val_loss, config.onset, chance=curve.chance_loss)
        complete = curve.failure is None and (curve.epochs == epochs or curve.settled)
        statuses[verdict.status if complete else UNDETERMINED] += 1
        if complete and verdict.cause in (None, TOO_NOISY):
            window = smoothing_window(epochs, share=config.onset.smoothing)
            level = _positive_level(curve, info, window=window)
            fits[curve.repeat] = JudgedFit(curve, verdict, _go_on(level, epochs), window)
    ordered = {status: statuses[status] for status in STATUSES if statuses[status]}
    return JudgedRung(info, index, dict(sorted(fits.items())), ordered, len(curves))


def _positive_level(curves: Curves, info: RungInfo, *, window: int) -> Series:
    values = np.array(curves.val_loss)
    if values.min() <= 0:
        raise LabError(f"Rung {info.name}: a ladder is judged by ratios of losses, which must be above 0.")
    return smooth(values, window=window)


def _go_on(level: Series, epochs: int) -> Series:
    """A level over all `epochs`: where it is shorter, as its rise so far would go on."""
    if len(level) >= epochs:
        return level
    ended, logs = len(level), np.log(level)
    lowest = ended - 1 - int(np.argmin(level[::-1]))
    after = np.arange(ended, epochs) - lowest
    rise = logs[-1] - logs[lowest]
    return np.concatenate([level, np.exp(logs[lowest] + rise * (after / max(ended - 1 - lowest, 1)) ** _PACE)])


def summarise_rung(rung: JudgedRung, *, validation_fraction: float, confidence: float) -> RungVerdict:
    """Summarise a rung's fits."""
    fits = rung.fits.values()
    decided = [fit for fit in fits if fit.verdict.status != UNDETERMINED]
    overfit = sum(fit.verdict.status == OVERFIT for fit in decided)

    def mean(values: Iterable[float]) -> tuple[float, float | None] | None:
        return intervals.mean_and_error(list(values), validation_fraction=validation_fraction)

    return RungVerdict(
        name=rung.info.name,
        index=rung.index,
        role=rung.info.role,
        trainable_parameters=rung.info.trainable_parameters,
        repeats=rung.repeats,
        left_out=rung.left_out,
        statuses=dict(rung.statuses),
        overfit_share=intervals.share_interval(overfit, total=len(decided), confidence=confidence),
        onset_epoch=median_onset(rung, confidence=confidence),
        best_epoch=intervals.median_interval([fit.best_epoch for fit in fits], confidence=confidence),
        val_loss_best=mean(fit.best for fit in fits),
        val_loss_final=mean(fit.curves.val_loss[-1] for fit in fits),
        val_accuracy_best=mean(
            fit.curves.val_accuracy[fit.raw_best_epoch - 1] for fit in fits if fit.curves.val_accuracy is not None
        ),
        rise=intervals.to_share(
            rise_interval([fit.level for fit in fits], validation_fraction=validation_fraction, confidence=confidence)
        ),
    )


def median_onset(rung: JudgedRung, *, confidence: float) -> intervals.OpenInterval | None:
    """Median onset epoch over the fits that are not undetermined.

    A minimum of a smoothed curve lies up to half the smoothing window off that of the curve, to the side that is
    flatter, and in all fits to the same: the interval is wider by so much at either end.
    """
    fits = [fit for fit in rung.fits.values() if fit.verdict.status != UNDETERMINED]
    interval = intervals.median_interval([fit.onset for fit in fits], confidence=confidence)
    if interval is None:
        return None
    middle, low, high = interval
    half = (fits[0].window - 1) / 2
    last = float(len(fits[0].level))
    return middle, None if low is None else max(low - half, 1.0), None if high is None else min(high + half, last)
