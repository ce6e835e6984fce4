"""The signals an audit measures: things that are not sound, each judged on the rows of one table and its splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rfcx_lab.data.crossings import Crossing, find_crossings
from rfcx_lab.data.splits import ROW, Split
from rfcx_lab.data.telling import Told, clustered_interval, majority, told_by_company, told_by_value

GREEN, AMBER, RED = STATUSES = ("green", "amber", "red")
"""Nothing there; there but not visible to the model, or undecided; visible to the model and credibly telling."""

_SHOWN_PAIRS = 20


@dataclass(frozen=True)
class Pair:
    """Two rows, by their lines in `train_tp.csv`, that share something across the split of one repeat."""

    repeat: int
    line: int
    side: str
    other_line: int
    other_side: str


@dataclass(frozen=True)
class Signal:
    """One thing that is not sound, and what it tells.

    `accuracy` is the share of rows whose species it names, with its 95 % interval; none where rows are only counted.
    `rows` counts those with company on another side of a split, `pairs` are the first of them.
    """

    name: str
    status: str
    visible: bool
    accuracy: Told | None
    rows: int
    pairs: tuple[Pair, ...]
    sentence: str


class Judge:
    """The rows under audit, and what a signal on them is judged by."""

    def __init__(
        self, table: pd.DataFrame, splits: Sequence[Split], *, window: str, split_by: str, margin: float
    ) -> None:
        """Take `table`'s rows in the order that `splits` counts them in."""
        self.recordings = table["recording_id"].to_numpy(dtype=str)
        self._labels = table["label"].to_numpy(dtype=np.int64)
        self._lines = table["line"].to_numpy(dtype=np.int64)
        self._box_seconds = (table["t_max"] - table["t_min"]).to_numpy(dtype=np.float64)
        self._splits, self._window, self._split_by = splits, window, split_by
        self.majority = majority(self._labels)[1]
        # Where the most frequent species leaves less room than twice the margin, half of what it leaves.
        self._bar = self.majority + min(margin, (1 - self.majority) / 2)

    def lengths(self, frames: NDArray[np.int64]) -> tuple[Signal, Signal]:
        """The length of the box in seconds, and as the model sees it: in frames `[N]` before the padding begins."""
        seen = self._told_by(frames)
        visible = len(np.unique(frames)) > 1
        if visible:
            status = self._status(seen)
            what = {RED: "The model can learn that without hearing a call: window=fixed hides it."}
            said = (
                f"{self._guessed('how many frames of the window are sound', seen)} {what.get(status, self._or(status))}"
            )
        else:
            status = GREEN
            said = f"Every clip shows the model {frames[0]} frames of sound, however long its box."
        return self._seconds(seen=status if visible else None), Signal(
            "visible_frames", status, visible, seen, 0, (), said
        )

    def _seconds(self, *, seen: str | None) -> Signal:
        """Of the seconds the model sees the frames alone, whose status is `seen`, or nothing: they are no redder."""
        told = self._told_by(self._box_seconds)
        own = self._status(told)
        if own == RED and seen == RED:
            status, what = RED, "The model sees it in the padding: window=fixed hides it."
        elif own == RED:
            status, what = AMBER, f"It is in the data, but window={self._window} hides it from the model."
        else:
            # What is not shown to be there and can't be seen either is nothing to wait for.
            status = own if seen is not None else GREEN
            what = self._or(own) + ("" if seen is not None else f" Besides, window={self._window} hides it.")
        said = f"{self._guessed('how long the box is', told)} {what}"
        return Signal("box_seconds", status, seen is not None, told, 0, (), said)

    def origin(self, name: str, values: NDArray[np.str_], *, column: str) -> Signal:
        """What several rows come from, `[N]`: does it stand on two sides of a split, and does it tell the species?"""
        crossings = find_crossings(values, self._splits)
        if not crossings:
            more = "" if column == self._split_by else f", which keeps every {column} on one side"
            return Signal(name, GREEN, False, None, 0, (), f"Not visible: the split is by {self._split_by}{more}.")
        exposed = np.zeros(len(values), dtype=bool)
        exposed[[crossing.row for crossing in crossings]] = True
        hits = told_by_company(values, self._labels, among=exposed)
        told = clustered_interval(hits, [self.recordings, values])
        # A few rows can't lift the whole: whether their company tells anything is judged by themselves.
        alone = clustered_interval(hits[exposed], [self.recordings[exposed], values[exposed]])
        status = RED if self._status(told) == RED else GREEN if self._status(alone) == GREEN else AMBER
        remedy = f"set split.group={column}"
        if column == self._split_by:
            remedy = f"one sound stands under two names of {column}, drop one of them"
        what = {
            RED: f"What is measured is in part how well a {column} is remembered: {remedy}.",
            AMBER: f"So few calls can't show whether that matters; to be sure, {remedy}.",
            GREEN: self._or(GREEN),
        }[status]
        of_all = "" if status == AMBER else f"; with a guess at the rest, {self._share(told, 'do')}"
        if status == GREEN and self._split_by == ROW and column == "recording_id":
            # The recording need not tell the species to help a model that has heard its background with this very call.
            status, what = AMBER, f"{what} But the same background stands on both sides; {remedy}."
        said = (
            f"{self._counted(crossings, f'have the same {column}')}: a model might recognise that, and not the call. "
            f"If each is named after the others of its {column}, {100 * alone[0]:.1f} % of them get their right "
            f"species{of_all}. {what}"
        )
        return Signal(name, status, True, told, int(exposed.sum()), self._pairs(crossings), said)

    def duplicates(self, prints: NDArray[np.str_] | None) -> Signal:
        """Windows that are the same number for number, by their hashes `[N]`: one across a split is one too many."""
        name = "duplicate_windows"
        if prints is None:
            said = "Undecided: without the recordings no windows can be compared."
            return Signal(name, AMBER, False, None, 0, (), said)
        crossings = find_crossings(prints, self._splits)
        if crossings:
            counted = self._counted(crossings, "show the model the same window, number for number,")
            said = f"{counted}. What is tested there was seen in training: leave one of each pair out."
            rows = len({crossing.row for crossing in crossings})
            return Signal(name, RED, True, None, rows, self._pairs(crossings), said)
        twins = len(prints) - len(np.unique(prints))
        said = f"{twins} windows repeat another one, each on its own side." if twins else "No two windows are the same."
        return Signal(name, GREEN, False, None, 0, (), said)

    def _told_by(self, values: NDArray[Any]) -> Told:
        return clustered_interval(told_by_value(values, self._labels, recordings=self.recordings), [self.recordings])

    def _status(self, told: Told) -> str:
        _, low, high = told
        return RED if low > self._bar else GREEN if high <= self._bar else AMBER

    def _guessed(self, known: str, told: Told) -> str:
        """How often the species is named by whoever knows one thing, and no sound."""
        return f"Told by nothing but {known}, {self._share(told, 'get their right species')}."

    def _share(self, told: Told, does: str) -> str:
        point, low, high = (f"{100 * share:.1f}" for share in told)
        return (
            f"{point} % of all calls {does} (95 % interval {low} to {high}; {100 * self.majority:.1f} % if all are "
            "given the most frequent one)"
        )

    def _or(self, status: str) -> str:
        """What a status that is not red means."""
        points = f"{100 * (self._bar - self.majority):.3g} percentage points better"
        return (
            f"That is less than {points}." if status == GREEN else f"Too few recordings to say whether it is {points}."
        )

    def _counted(self, crossings: Sequence[Crossing], verb: str) -> str:
        """`12 of 960 calls have the same … as`, and where the first pair of them stands."""
        rows, first = len({crossing.row for crossing in crossings}), self._pairs(crossings)[0]
        one, other = f"line {first.line} in {first.side}", f"line {first.other_line} in {first.other_side}"
        return (
            f"{rows} of {len(self._labels)} calls {verb} as a call on another side of the split (the first: {one} and "
            f"{other}, repeat {first.repeat})"
        )

    def _pairs(self, crossings: Sequence[Crossing]) -> tuple[Pair, ...]:
        """The first crossing of each row, in the order of the rows."""
        first = {crossing.row: crossing for crossing in reversed(crossings)}
        return tuple(
            Pair(c.repeat, int(self._lines[c.row]), c.side, int(self._lines[c.other_row]), c.other_side)
            for _, c in sorted(first.items())[:_SHOWN_PAIRS]
        )
