"""The verdict on one fit: does it overfit, and from which epoch on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.config import OnsetConfig
from rfcx_lab.verdict.evidence import RiseTrack
from rfcx_lab.verdict.smoothing import Series, smooth, smoothing_window

Values = Sequence[float] | NDArray[np.floating]

UNDETERMINED = "undetermined"
NOT_LEARNING = "not_learning"
OVERFIT = "overfit"
STILL_IMPROVING = "still_improving"
NOT_OVERFIT = "not_overfit"
STATUSES = (UNDETERMINED, NOT_LEARNING, OVERFIT, STILL_IMPROVING, NOT_OVERFIT)

TOO_SHORT = "too_short"
NOT_FINITE = "not_finite"
TOO_NOISY = "too_noisy"
UNSTABLE = "unstable"  # training and validation worsen together


@dataclass(frozen=True)
class Verdict:
    """What `find_onset` says. Epochs count from 1; differences are positive where validation is worse."""

    status: str  # one of STATUSES
    onset_epoch: int | None  # last minimiser of the smoothed validation curve; None unless overfit
    best_epoch: int | None  # the raw minimum; None without a finite value
    rise: float | None  # smoothed last - smoothed minimum, in the metric's unit; None if not measurable
    gap: float | None  # validation - training at the last epoch, in the metric's unit
    first_alarm: int | None  # first epoch at which the status was overfit; never retracted
    confirmed_epoch: int | None  # since which epoch it has been overfit; None unless it is
    reason: str  # a sentence
    cause: str | None = None  # why undetermined: TOO_SHORT, NOT_FINITE, TOO_NOISY or UNSTABLE; else None


@dataclass(frozen=True)
class _Levels:
    """The smoothed validation curve in short; differences in the metric's unit."""

    trough_epoch: int  # 1-based, last minimiser of the level
    minimum_epoch: int  # the same, located more narrowly
    rise: float  # last - minimum
    sustained_rise: float  # the same for the lowest of the last epochs
    late_improvement: float  # a quarter of the epochs ago - minimum
    window: int


@dataclass(frozen=True)
class _Ruling:
    status: str
    reason: str
    cause: str | None = None


def find_onset(
    train_loss: Values, val_loss: Values, config: OnsetConfig | None = None, *, chance: float | None = None
) -> Verdict:
    """Judge a fit by its two curves, one value per epoch, both measured in evaluation mode.

    Overfitting is a lasting rise of the validation loss over its lowest level, larger than the curve's own noise allows
    and large enough in the plot (`config.min_rise`), while the training loss does not rise with it. The gap between
    the curves is reported and never decides. Only what was learnt can be overfit: validation must once have been
    credibly better than `chance`, the best that a constant guess comes to on the same rows in the same metric (for a
    loss `verdict.chance`, or ln K of K equally frequent classes); where that is None, than at the first epoch.

    Raises:
        LabError: the curves differ in length, or `chance` is not finite.
    """
    if len(train_loss) != len(val_loss):
        raise LabError(
            f"The two curves must have one length: {len(train_loss)} training and {len(val_loss)} validation values."
        )
    monitor = OnsetMonitor(config, chance=chance)
    for train, validation in zip(train_loss, val_loss, strict=True):
        monitor.advance(float(train), float(validation))
    return monitor.judge()


class OnsetMonitor:
    """`find_onset` while the fit goes on: after epoch n, exactly its verdict on the first n epochs."""

    def __init__(self, config: OnsetConfig | None = None, *, chance: float | None = None) -> None:
        """Start with no epochs; `chance` as in `find_onset`, and LabError where it is not finite."""
        if chance is not None and not math.isfinite(chance):
            raise LabError(f"The level of chance must be a finite number, not {chance}.")
        self._config = config or OnsetConfig()
        self._sign = 1.0 if self._config.mode == "min" else -1.0
        self._train: list[float] = []
        self._validation: list[float] = []
        level = None if chance is None else self._sign * chance
        self._track: RiseTrack | None = RiseTrack(self._config, chance=level)  # None once a value is not finite
        self._first_alarm: int | None = None
        self._since: int | None = None

    def update(self, train_loss: float, val_loss: float) -> Verdict:
        """Take in one epoch's values and judge all so far."""
        self.advance(float(train_loss), float(val_loss))
        return self.judge()

    def advance(self, train_loss: float, val_loss: float) -> None:
        """Take in one epoch's values. The cost does not grow with the epochs."""
        self._train.append(self._sign * train_loss)
        self._validation.append(self._sign * val_loss)
        if not (math.isfinite(train_loss) and math.isfinite(val_loss)):
            self._track = None
        if self._track is not None:
            self._track.update(self._train[-1], self._validation[-1])
        epoch = len(self._validation)
        overfit = self._track is not None and self._track.overfit and not self._track.unstable
        self._since = (self._since or epoch) if overfit else None
        self._first_alarm = self._first_alarm or self._since

    def judge(self) -> Verdict:
        """Judge the epochs so far."""
        validation = np.array(self._validation)
        finite = np.isfinite(validation)
        best = int(np.argmin(np.where(finite, validation, np.inf))) + 1 if finite.any() else None
        gap = self._validation[-1] - self._train[-1] if self._validation else math.nan
        levels = None
        if self._track is not None and len(validation):
            levels = _measure(validation, persistence=self._track.persistence, config=self._config)
        ruling = _decide(
            self._track, levels, epochs=len(validation), first_alarm=self._first_alarm, config=self._config
        )
        overfit = ruling.status == OVERFIT
        return Verdict(
            status=ruling.status,
            onset_epoch=levels.minimum_epoch if levels is not None and overfit else None,
            best_epoch=best,
            rise=levels.rise if levels is not None else None,
            gap=gap if math.isfinite(gap) else None,
            first_alarm=self._first_alarm,
            confirmed_epoch=self._since,
            reason=ruling.reason,
            cause=ruling.cause,
        )


def _measure(validation: Series, *, persistence: int, config: OnsetConfig) -> _Levels:
    epochs = len(validation)
    window = smoothing_window(epochs, share=config.smoothing)
    level = smooth(validation, window=window)
    trough = _last_lowest(level)
    quarter_ago = max(0, epochs - 1 - max(config.persistence, epochs // 4))
    lowest = float(level[trough])
    return _Levels(
        trough_epoch=trough + 1,
        minimum_epoch=_locate_minimum(validation, near=trough, window=window) + 1,
        rise=float(level[-1]) - lowest,
        sustained_rise=float(level[-max(window, persistence) :].min()) - lowest,
        late_improvement=float(level[quarter_ago]) - lowest,
        window=window,
    )


def _locate_minimum(validation: Series, *, near: int, window: int) -> int:
    """Find where in the trough around `near` the minimum stands.

    A running mean shifts a minimum to its flatter side, after a steep descent by up to half the mean's width. To find
    the trough it takes the whole width; to find the place in it half of that does, and shifts it half as far.
    """
    half = window // 2
    first = max(near - half, 0)
    narrow = smooth(validation, window=max(2 * (half // 2) + 1, 3))
    return first + _last_lowest(narrow[first : near + half + 1])


def _last_lowest(level: Series) -> int:
    return len(level) - 1 - int(np.argmin(level[::-1]))


def _decide(
    track: RiseTrack | None, levels: _Levels | None, *, epochs: int, first_alarm: int | None, config: OnsetConfig
) -> _Ruling:
    """Apply the rules, most binding first."""
    if track is None:
        return _Ruling(UNDETERMINED, "A value is not finite: the fit has failed.", NOT_FINITE)
    if epochs < config.min_epochs or levels is None:
        sentence = f"{epochs} epochs are too few to judge: {config.min_epochs} are needed."
        return _Ruling(UNDETERMINED, sentence if epochs else "There are no epochs.", TOO_SHORT)
    if track.unstable:
        sentence = "Training and validation have worsened together: the training is unstable, which is not overfitting."
        return _Ruling(UNDETERMINED, sentence, UNSTABLE)
    if not track.has_learnt():
        return _Ruling(NOT_LEARNING, _describe_no_learning(track, levels, config))
    if track.overfit:
        return _Ruling(OVERFIT, _describe_overfit(track, levels))
    hidden = track.hidden_rise()
    if hidden > config.max_noise * track.height:
        size = _percent(hidden, track.height)
        sentence = f"The noise of the curve could hide a worsening by {size} of the plot's height."
        return _Ruling(UNDETERMINED, sentence, TOO_NOISY)
    if levels.sustained_rise > config.min_rise * track.height:
        size = _percent(levels.rise, track.height)
        sentence = f"Validation stands {size} of the plot's height above its best, but its noise could lift it so far."
        return _Ruling(UNDETERMINED, sentence, TOO_NOISY)
    back = "" if first_alarm is None else f" It had worsened by epoch {first_alarm} and has come back."
    if _is_still_improving(track, levels, epochs=epochs, config=config):
        return _Ruling(STILL_IMPROVING, f"Validation was still improving at the last epoch, {epochs}.{back}")
    size = _percent(levels.rise, track.height)
    return _Ruling(NOT_OVERFIT, f"Validation has levelled off, {size} of the plot's height above its best.{back}")


def _describe_no_learning(track: RiseTrack, levels: _Levels, config: OnsetConfig) -> str:
    if track.chance is not None:
        chance = track.chance if config.mode == "min" else -track.chance
        return f"Validation was never credibly better than a constant guess, {chance:.4g}: nothing was learnt."
    if levels.rise > max(config.min_rise * track.height, track.hidden_rise()):
        return (
            "Validation worsens while training does not, and was never credibly better than at the first epoch: what "
            "generalises was learnt before the first measurement, or not at all."
        )
    return "Validation was never credibly better than at the first epoch."


def _describe_overfit(track: RiseTrack, levels: _Levels) -> str:
    return (
        f"Validation has risen from its best, around epoch {levels.minimum_epoch}, by "
        f"{_percent(levels.rise, track.height)} of the plot's height and stays up; training has not risen with it."
    )


def _is_still_improving(track: RiseTrack, levels: _Levels, *, epochs: int, config: OnsetConfig) -> bool:
    """Whether the best stands at the end and is credibly better than a quarter of the epochs ago."""
    near_end = epochs - levels.trough_epoch < max(config.persistence, epochs // 10)
    error = track.noise * math.sqrt(2 / levels.window)
    return near_end and levels.late_improvement > max(config.min_improvement * track.height, 2 * error)


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole > 0 else "0 %"
