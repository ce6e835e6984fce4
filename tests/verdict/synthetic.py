"""Learning curves of known truth, and ladders of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.verdict import Curves, LadderVerdict, RungInfo, judge_ladder

Series = NDArray[np.float64]

SEEDS = range(20)
"""What a statement about curves is tried on."""


def noise(rng: np.random.Generator, epochs: int, *, scale: float, correlation: float = 0.5) -> Series:
    """AR(1) noise of standard deviation `scale`."""
    shocks = rng.normal(size=epochs)
    values = shocks.copy()
    for i in range(1, epochs):
        values[i] = correlation * values[i - 1] + np.sqrt(1 - correlation**2) * shocks[i]
    return scale * values


@dataclass(frozen=True)
class Truth:
    """A loss that falls from `start` to `lowest`, then rises by the share `rise` of it from epoch `onset` on."""

    epochs: int = 50
    start: float = 3.2
    lowest: float = 2.4
    rise: float = 0.0
    onset: int = 20
    scale: float = 0.01  # standard deviation of the noise, as a share of `lowest`

    def curves(self, seed: int) -> tuple[Series, Series]:
        """Training and validation loss; the gap between them grows whether validation rises or not."""
        rng = np.random.default_rng(seed)
        epoch = np.arange(1, self.epochs + 1)
        fall = np.exp(-6 * (epoch - 1) / self.onset)
        after = np.clip(epoch - self.onset, 0, None) / (self.epochs - self.onset)
        validation = self.lowest + (self.start - self.lowest) * fall + self.rise * self.lowest * after
        floor = 0.4 * self.lowest
        train = floor + (self.start - floor) * np.exp(-3 * (epoch - 1) / self.onset)
        scale = self.scale * self.lowest
        return (
            train + noise(rng, self.epochs, scale=scale / 2),
            validation + noise(rng, self.epochs, scale=scale),
        )


def fits(truth: Truth, *, repeats: int, rung: int) -> list[Curves]:
    """One fit per repeat; a repeat's split shifts its losses alike on every rung."""
    made = []
    for repeat in range(repeats):
        train, validation = truth.curves(100 * rung + repeat)
        split = np.exp(0.05 * np.random.default_rng(repeat).normal())
        accuracy = np.full(truth.epochs, 0.3)
        made.append(Curves(train * split, validation * split, accuracy, accuracy, repeat=repeat))
    return made


def ladder(truths: Sequence[Truth], *, repeats: int = 6) -> LadderVerdict:
    """Judge a ladder of capacity rungs `rung 0`, `rung 1` and so on."""
    curves = {f"rung {i}": fits(truth, repeats=repeats, rung=i) for i, truth in enumerate(truths)}
    order = [RungInfo(name, "capacity", 100 * (i + 1)) for i, name in enumerate(curves)]
    return judge_ladder(curves, order=order, validation_fraction=0.25)
