"""What the fits of one architecture come to: the margin by which each repeat overfits, and a summary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rfcx_lab.config import Config
from rfcx_lab.lab.checks import judge_config
from rfcx_lab.verdict import Curves, RungInfo
from rfcx_lab.verdict.crossfit import rises_to_the_end
from rfcx_lab.verdict.rungs import JudgedRung, RungVerdict, judge_rung, summarise_rung

_NOTHING_LEARNT = (
    "it has learnt nothing that could be overfit: half of its fits or more were never credibly better on the "
    "validation part than {bar}"
)


@dataclass(frozen=True)
class Outcome:
    """An architecture's fits, judged."""

    judged: JudgedRung
    summary: RungVerdict
    margins: tuple[float, ...]  # per usable repeat; none where fewer than two are usable, or it has learnt nothing
    threshold: float  # log of the rise that is no overfitting yet
    failure: str | None  # the first one's reason

    @property
    def value(self) -> float | None:
        """Best validation loss in nats, mean over repeats."""
        return self.summary.val_loss_best[0] if self.summary.val_loss_best else None

    @property
    def learnt(self) -> bool:
        """Whether there is something that could be overfit, as a ladder sees it; so too where no fit is usable."""
        return self.judged.learnt

    @property
    def notes(self) -> dict[str, Any]:
        """What a person wants to see beside a trial: short, and by the names that `frontier.json` has."""
        notes: dict[str, Any] = {"statuses": self.summary.statuses, "parameters": self.summary.trainable_parameters}
        if self.summary.onset_epoch is not None:
            notes["onset"] = self.summary.onset_epoch[0]
        if self.margins:
            notes["rise"] = round(math.exp(self._mean + self.threshold) - 1, 4)
            notes["margin"] = round(self._mean, 4)
        if early := sum(fit.curves.settled for fit in self.judged.fits.values()):
            notes["ended_early"] = early
        if self.failure is not None:
            notes["reason"] = self.failure
        elif not self.learnt:
            notes["reason"] = _NOTHING_LEARNT.format(bar=self.judged.bar)
        return notes

    @property
    def _mean(self) -> float:
        return float(np.mean(self.margins))


def judge_architecture(
    curves: Sequence[Curves], info: RungInfo, *, index: int, validation_fraction: float, config: Config
) -> Outcome:
    """Judge the fits of one architecture.

    A repeat's margin is the log of the rise of its smoothed validation loss from the minimum of the other repeats' mean
    to the end, as a ladder measures it, less the log of the rise that is no overfitting yet: above 0 it overfits. Of a
    fit that ended early the end is projected: see `judge_rung`. Of an architecture that has learnt nothing a rise says
    nothing (`JudgedRung.learnt`): it has no margin.

    Raises:
        LabError: a loss is not above 0.
    """
    judge = judge_config(config)
    judged = judge_rung(curves, info, index=index, epochs=config.training.epochs, config=judge)
    threshold = math.log1p(judge.margin)
    rises = rises_to_the_end([fit.level for fit in judged.fits.values()])
    return Outcome(
        judged=judged,
        summary=summarise_rung(judged, validation_fraction=validation_fraction, confidence=judge.confidence),
        margins=tuple(rise - threshold for rise in rises) if judged.learnt else (),
        threshold=threshold,
        failure=next((each.failure for each in curves if each.failure), None),
    )
