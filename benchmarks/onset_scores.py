"""How a rule's alarms and calls are counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onset_curves import History
from onset_rules import Ruling

DETECTION = ["macro-F1", "accuracy", "overfit: precision", "recall", "F1", "not: precision", "recall", "F1"]
STOPPING = ["best kept", "median delay", "of stopped", "stopped"]


@dataclass(frozen=True)
class Outcome:
    """What a rule made of one history."""

    history: History
    ruling: Ruling

    @property
    def right(self) -> bool:
        """Whether the label is met."""
        return self.ruling.overfit == self.history.overfit

    @property
    def best(self) -> int:
        """Epoch of the lowest validation loss, from 1."""
        return int(np.argmin(self.history.val)) + 1

    @property
    def kept_best(self) -> bool:
        """Whether the lowest validation loss before the stop is the lowest of all."""
        return self.ruling.alarm is None or self.best <= self.ruling.alarm

    @property
    def delay(self) -> int:
        """Epochs from the best to the stop, or to the end of a curve that was not stopped."""
        return (self.ruling.alarm or len(self.history.val)) - self.best


def wilson_interval(hits: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    z, share = 1.96, hits / total
    centre = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    reach = z * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2)) / (1 + z**2 / total)
    return max(centre - reach, 0.0), min(centre + reach, 1.0)


def wilson(hits: int, total: int) -> str:
    """Format a share with its 95 % interval."""
    if not total:
        return "–"
    low, high = wilson_interval(hits, total)
    return f"{hits / total:.3f} [{low:.3f}, {high:.3f}]"


def confusion(outcomes: Sequence[Outcome], *, overfit: bool) -> tuple[int, int, int]:
    """True positives, false positives, false negatives of one class."""
    said = [outcome for outcome in outcomes if outcome.ruling.overfit == overfit]
    hits = sum(outcome.right for outcome in said)
    return hits, len(said) - hits, sum(outcome.history.overfit == overfit for outcome in outcomes) - hits


def f1(outcomes: Sequence[Outcome], *, overfit: bool) -> float:
    """F1 of one class; 0 where neither occurs."""
    hits, false, missed = confusion(outcomes, overfit=overfit)
    return 2 * hits / max(2 * hits + false + missed, 1)


def macro_f1(outcomes: Sequence[Outcome]) -> float:
    """Mean of both classes' F1."""
    return (f1(outcomes, overfit=True) + f1(outcomes, overfit=False)) / 2


def detection_row(outcomes: Sequence[Outcome]) -> list[str]:
    """Macro-F1, accuracy, then precision, recall and F1 of overfit and of not overfit."""
    row = [f"{macro_f1(outcomes):.3f}", wilson(sum(outcome.right for outcome in outcomes), len(outcomes))]
    for overfit in (True, False):
        hits, false, missed = confusion(outcomes, overfit=overfit)
        row += [wilson(hits, hits + false), wilson(hits, hits + missed), f"{f1(outcomes, overfit=overfit):.3f}"]
    return row


def stopping_row(outcomes: Sequence[Outcome]) -> list[str]:
    """Share that kept its best, median delay of all and of those stopped, number stopped."""
    stopped = [outcome.delay for outcome in outcomes if outcome.ruling.alarm is not None]
    return [
        wilson(sum(outcome.kept_best for outcome in outcomes), len(outcomes)),
        f"{np.median([outcome.delay for outcome in outcomes]):g}",
        f"{np.median(stopped):g}" if stopped else "–",
        f"{len(stopped)} of {len(outcomes)}",
    ]
