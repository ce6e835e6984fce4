"""The verdict on one fit: does it overfit, and from which epoch on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.config import OnsetConfig
from rfcx_lab.verdict.evidence import Evidence, measure

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
class _Ruling:
    status: str
    reason: str
    cause: str | None = None


def find_onset(train_loss: Values, val_loss: Values, config: OnsetConfig | None = None) -> Verdict:
    """Judge a fit by its two curves, one value per epoch, both measured in evaluation mode.

    Overfitting is a lasting rise of the smoothed validation loss over its minimum, larger than
    `config.min_rise` and than the curve's own noise, while the training loss does not rise with it. The gap
    between the curves is reported and never decides.

    Raises:
        LabError: the curves differ in length.
    """
    if len(train_loss) != len(val_loss):
        raise LabError(
            f"The two curves must have one length: {len(train_loss)} training and {len(val_loss)} validation values."
        )
    monitor = OnsetMonitor(config)
    for train, validation in zip(train_loss, val_loss, strict=True):
        monitor.update(train, validation)
    return monitor.verdict


class OnsetMonitor:
    """`find_onset` while the fit goes on: after epoch n, exactly its verdict on the first n epochs."""

    def __init__(self, config: OnsetConfig | None = None) -> None:
        """Start with no epochs."""
        self._config = config or OnsetConfig()
        self._train: list[float] = []
        self._validation: list[float] = []
        self.verdict = Verdict(
            UNDETERMINED, None, None, None, None, None, None, "There are no epochs.", cause=TOO_SHORT
        )

    def update(self, train_loss: float, val_loss: float) -> Verdict:
        """Take in one epoch's values and judge all so far; the cost grows linearly with the epochs."""
        sign = 1.0 if self._config.mode == "min" else -1.0
        self._train.append(sign * float(train_loss))
        self._validation.append(sign * float(val_loss))
        self.verdict = self._judge(first_alarm=self.verdict.first_alarm, since=self.verdict.confirmed_epoch)
        return self.verdict

    def _judge(self, *, first_alarm: int | None, since: int | None) -> Verdict:
        train, validation = np.array(self._train), np.array(self._validation)
        finite = np.isfinite(validation)
        best = int(np.argmin(np.where(finite, validation, np.inf))) + 1 if finite.any() else None
        gap = self._validation[-1] - self._train[-1]
        evidence = None
        if finite.all() and np.isfinite(train).all():
            evidence = measure(train, validation, config=self._config)
        epoch = len(validation)
        ruling = _decide(evidence, epochs=epoch, first_alarm=first_alarm, config=self._config)
        overfit = ruling.status == OVERFIT
        return Verdict(
            status=ruling.status,
            onset_epoch=evidence.minimum_epoch if evidence is not None and overfit else None,
            best_epoch=best,
            rise=evidence.rise if evidence is not None else None,
            gap=gap if math.isfinite(gap) else None,
            first_alarm=epoch if overfit and first_alarm is None else first_alarm,
            confirmed_epoch=(since or epoch) if overfit else None,
            reason=ruling.reason,
            cause=ruling.cause,
        )


def _decide(evidence: Evidence | None, *, epochs: int, first_alarm: int | None, config: OnsetConfig) -> _Ruling:
    """Apply the rules, most binding first."""
    if evidence is None:
        return _Ruling(UNDETERMINED, "A value is not finite: the fit has failed.", NOT_FINITE)
    if epochs < config.min_epochs:
        sentence = f"{epochs} epochs are too few to judge: {config.min_epochs} are needed."
        return _Ruling(UNDETERMINED, sentence, TOO_SHORT)
    noise = config.noise_factor * evidence.level_noise
    lasting = evidence.sustained_rise > config.min_rise * evidence.scale
    credible = lasting and evidence.sustained_rise > noise
    if credible and evidence.training_rise > config.training_share * evidence.rise:
        sentence = (
            f"Training and validation worsen together after epoch {evidence.minimum_epoch}: "
            "the training is unstable, which is not overfitting."
        )
        return _Ruling(UNDETERMINED, sentence, UNSTABLE)
    if not _is_learning(evidence, config):
        return _Ruling(NOT_LEARNING, _NEVER_LEARNT[credible])
    if credible:
        return _Ruling(OVERFIT, _describe_overfit(evidence))
    if lasting or noise > config.max_noise * evidence.scale:
        size = _percent(noise, evidence.scale)
        return _Ruling(UNDETERMINED, f"The noise of the curve hides a worsening of up to {size}.", TOO_NOISY)
    back = "" if first_alarm is None else f" It had worsened by epoch {first_alarm} and has come back."
    if _is_still_improving(evidence, epochs=epochs, config=config):
        return _Ruling(STILL_IMPROVING, f"Validation was still improving at the last epoch, {epochs}.{back}")
    size = _percent(evidence.rise, evidence.scale)
    return _Ruling(NOT_OVERFIT, f"Validation has levelled off, {size} above its best.{back}")


_NEVER_LEARNT = {
    False: "Validation was never credibly better than at the first epoch.",
    True: (
        "Validation worsens while training does not, and was never credibly better than at the first epoch: what "
        "generalises was learnt before the first measurement, or not at all."
    ),
}


def _describe_overfit(evidence: Evidence) -> str:
    return (
        f"Validation is {_percent(evidence.rise, evidence.scale)} worse than at its best, around epoch "
        f"{evidence.minimum_epoch}, and stays so, while training has not worsened with it."
    )


def _is_learning(evidence: Evidence, config: OnsetConfig) -> bool:
    threshold = max(config.min_improvement * evidence.scale, config.noise_factor * evidence.early_noise)
    return evidence.improvement > threshold


def _is_still_improving(evidence: Evidence, *, epochs: int, config: OnsetConfig) -> bool:
    """Whether the best stands at the end and is credibly better than a quarter of the epochs ago."""
    near_end = epochs - evidence.minimum_epoch < max(config.persistence, epochs // 10)
    threshold = max(config.min_improvement * evidence.scale, 0.5 * config.noise_factor * evidence.level_noise)
    return near_end and evidence.late_improvement > threshold


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole > 0 else "immeasurably"
