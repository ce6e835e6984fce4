"""Whether the verdict on a fit is settled: training on would hardly change its status or its best loss.

For a search, which asks of a fit on which side of the margin it ends. The price of ending it there is that its last
loss is not seen: the rise is known from below only (right-censored), and `rungs.judge_rung` projects it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.config import OnsetConfig, SettledConfig
from rfcx_lab.verdict.onset import OVERFIT, OnsetMonitor
from rfcx_lab.verdict.smoothing import smooth, smoothing_window


@dataclass(frozen=True)
class SettledRule:
    """All that decides when a fit is settled.

    It has been `overfit` for `config.after` epochs on end since its alarm, and its smoothed validation loss stands
    above its lowest level by more than `margin` and `config.clearance` together: what decides the status, and the side
    of the margin, is behind it. A rise near the margin never settles, and trains to the end.

    Raises:
        LabError: `onset` judges by a maximum: a rise is measured as a ratio of losses.
    """

    margin: float  # a rise by less than this share is no overfitting
    config: SettledConfig
    onset: OnsetConfig

    def __post_init__(self) -> None:
        """Check the mode."""
        if self.onset.mode != "min":
            raise LabError(f'A fit is settled by its losses: onset.mode must be "min", not {self.onset.mode!r}.')

    def follow(self, budget: int, *, chance: float | None = None) -> SettledMonitor:
        """A monitor of one fit, which is to have `budget` epochs, and at `chance` has nothing settled about it."""
        return SettledMonitor(self, budget, chance=chance)


class SettledMonitor:
    """Follows one fit. What it says after epoch n follows from the first n epochs, and the budget, alone."""

    def __init__(self, rule: SettledRule, budget: int, *, chance: float | None = None) -> None:
        """Start with no epochs."""
        self._rule = rule
        self._monitor = OnsetMonitor(rule.onset, chance=chance)
        self._budget = budget
        self._window = smoothing_window(budget, share=rule.onset.smoothing)  # as the whole curve will be smoothed
        self._least = math.log1p(rule.margin) + math.log1p(rule.config.clearance)
        self._validation: list[float] = []
        self._settled = False

    def update(self, train_loss: float, val_loss: float) -> bool:
        """Take in one epoch's losses; whether the verdict is settled by now. Once it is, it stays so.

        The last epoch of the budget settles nothing: there is none left to save.
        """
        verdict = self._monitor.update(train_loss, val_loss)
        self._validation.append(float(val_loss))
        epoch = len(self._validation)
        if verdict.status == OVERFIT and verdict.confirmed_epoch is not None and epoch < self._budget:
            lasted = epoch - verdict.confirmed_epoch
            self._settled = self._settled or (lasted >= self._rule.config.after and self._rise() > self._least)
        return self._settled

    def _rise(self) -> float:
        """Log of the last smoothed loss over the lowest; 0 where losses are not above 0, and have no ratio."""
        level = smooth(np.array(self._validation), window=self._window)
        lowest = float(level.min())
        return math.log(float(level[-1]) / lowest) if lowest > 0 else 0.0


def settled_epoch(
    train_loss: Sequence[float],
    val_loss: Sequence[float],
    *,
    rule: SettledRule,
    budget: int | None = None,
    chance: float | None = None,
) -> int | None:
    """The epoch, from 1, after which a fit may end; None where it has to go through all of them.

    `budget` is how many epochs the fit was to have; as many as there are if it isn't given. `chance` as in
    `find_onset`.
    """
    monitor = rule.follow(budget or len(val_loss), chance=chance)
    for epoch, (train, val) in enumerate(zip(train_loss, val_loss, strict=True), start=1):
        if monitor.update(train, val):
            return epoch
    return None
