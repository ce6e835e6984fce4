"""What stands on two sides of a split: rows that share a recording, a source or their very sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.data.splits import Split

SIDES = ("training", "validation", "test")


@dataclass(frozen=True)
class Crossing:
    """A row that is held out from training (index `row`, on `side`) and one of another side that shares its value."""

    repeat: int
    row: int
    side: str
    other_row: int
    other_side: str


def find_crossings(values: NDArray[np.str_], splits: Sequence[Split]) -> list[Crossing]:
    """Every held-out row of every repeat whose value, of `[N]`, stands on another side too, with one such row.

    The empty text is no value: rows without one share nothing.
    """
    codes = np.unique(values, return_inverse=True)[1]
    found: list[Crossing] = []
    for split in splits:
        # A row on each side per value, the first one; -1 where there is none.
        first = np.full((codes.max() + 1, len(SIDES)), -1)
        parts = (split.train, split.validation, split.test)
        for side, rows in enumerate(parts):
            first[codes[rows[::-1]], side] = rows[::-1]
        for side in (1, 2):
            others = [other for other in range(len(SIDES)) if other != side]  # training is named where it can be
            for row in parts[side][(first[codes[parts[side]]][:, others] >= 0).any(axis=1)]:
                if values[row] == "":
                    continue
                other = next(o for o in others if first[codes[row], o] >= 0)
                met = int(first[codes[row], other])
                found.append(Crossing(split.repeat, int(row), SIDES[side], met, SIDES[other]))
    return found
