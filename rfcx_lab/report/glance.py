"""The ladder at a glance: for every rung how far its loss rises again, and when it turns.

Dots are the repeats as they were measured; bar and band are what the verdict was read from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rfcx_lab.report.exhibit import Tick, round_values
from rfcx_lab.report.page import interval, signed_percent
from rfcx_lab.verdict import Curves, OnsetConfig, find_onset

_BOUNDS = {
    "exact": "at rung {rung}",
    "at_or_below": "at rung {rung} or at one below",
    "above": "above rung {rung}, the highest",
}


@dataclass(frozen=True)
class Strip:
    """Values on one axis, all as places from 0 to 1: a dot per repeat, and the judge's point and interval."""

    dots: tuple[float, ...]
    point: float | None
    band: tuple[float, float] | None  # to the axis' end where it has none of its own
    text: str


@dataclass(frozen=True)
class Row:
    """A rung of the ladder."""

    name: str
    role: str
    parameters: int
    overfit: str
    rise: Strip
    onset: Strip
    marks: tuple[str, ...]


@dataclass(frozen=True)
class Glance:
    """Rungs bottom to top, the ticks of both axes, and where no rise and the margin stand on that of the rise."""

    rows: tuple[Row, ...]
    rise_ticks: tuple[Tick, ...]
    onset_ticks: tuple[Tick, ...]
    zero: float
    margin: float


@dataclass(frozen=True)
class _Axis:
    """From the lowest to the highest of what is drawn; a value has a place from 0 to 1."""

    low: float
    high: float

    def place(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    def band(self, low: float | None, high: float | None) -> tuple[float, float] | None:
        if low is None and high is None:
            return None
        return (
            0.0 if low is None else _within(self.place(low)),
            1.0 if high is None else _within(self.place(high)),
        )


def headline(document: Mapping[str, Any]) -> str:
    """The answer to the first question in one line."""
    answer = document["begins_to_overfit"]["trained_to_the_end"]
    opening = "Overfitting begins" if answer["established"] else "Where overfitting begins is not established"
    if answer["rung"] is None:
        return opening
    place = _place(answer, document)
    epoch = "" if answer["epoch"] is None else f", from about epoch {answer['epoch'][0]:g} on"
    return f"{opening}{' ' if answer['established'] else ': '}{place}{epoch}"


def place_in_words(answer: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Where one of the two answers of a verdict lies, and from which epoch on."""
    if answer["rung"] is None:
        return "not established"
    place = _place(answer, document)
    return place if answer["epoch"] is None else f"{place}, from epoch {interval(answer['epoch'])} on"


def _place(answer: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """The rung, or the two between which it lies: an open stretch that ends above the lowest rung has a lower end."""
    low, high = answer.get("between") or (None, None)
    if not answer["established"] and high is not None and low != document["rungs"][0]["name"]:
        return f"between {low} and {high}"
    return _BOUNDS[answer["bound"]].format(rung=answer["rung"])


def look_at_ladder(curves: Mapping[str, Sequence[Curves]], document: Mapping[str, Any]) -> Glance:
    """Lay the ladder out. A dot's rise is the last validation loss over the lowest one, minus 1, of one repeat."""
    rises = {name: [r for fit in fits if (r := _rise(fit)) is not None] for name, fits in curves.items()}
    margin = document["judge"]["margin"]
    across = _rise_axis([value for values in rises.values() for value in values], document)
    rise_ticks = tuple(
        Tick(across.place(value / 100), f"{value:g}".replace("-", "−"))
        for value in round_values(100 * across.low, 100 * across.high)
    )
    along = _Axis(1, max(document["epochs"], 2))
    epochs = sorted({1, *(int(v) for v in round_values(0, along.high) if 1 <= v <= along.high)})
    rows = tuple(
        Row(
            name=rung["name"],
            role=rung["role"],
            parameters=rung["trainable_parameters"],
            overfit=f"{rung['statuses'].get('overfit', 0)} of {rung['repeats']}",
            rise=_rise_strip(rises[rung["name"]], rung.get("rise"), across),
            onset=_onset_strip(curves[rung["name"]], rung, OnsetConfig(**document["judge"]["onset"]), along),
            marks=_marks(rung["index"], document),
        )
        for rung in document["rungs"]
    )
    onset_ticks = tuple(Tick(along.place(epoch), f"{epoch}") for epoch in epochs)
    return Glance(rows, rise_ticks, onset_ticks, zero=across.place(0), margin=across.place(margin))


def _rise_axis(rises: Sequence[float], document: Mapping[str, Any]) -> _Axis:
    """Wide enough for every dot and interval; an end far beyond all dots is cut, for the dots to be told apart."""
    margin = document["judge"]["margin"]
    top = max([*rises, 2 * margin])
    ends = [end for rung in document["rungs"] for end in rung.get("rise") or () if end is not None]
    low = max(min([0.0, *ends]), -0.5 * top)
    return _Axis(low, min(max([top, *ends]), 1.5 * top))


def _rise(fit: Curves) -> float | None:
    losses = [loss for loss in fit.val_loss if math.isfinite(loss)]
    whole = fit.failure is None and len(losses) == fit.epochs > 0 and min(losses) > 0
    return losses[-1] / min(losses) - 1 if whole else None


def _rise_strip(rises: Sequence[float], judged: Sequence[float | None] | None, axis: _Axis) -> Strip:
    dots = tuple(axis.place(rise) for rise in rises)
    if judged is None or judged[0] is None:
        return Strip(dots, None, None, "too few fits for an interval" if rises else "no fit of full length")
    text = signed_percent([None if value is None else 1 + value for value in judged])
    return Strip(dots, _within(axis.place(judged[0])), axis.band(judged[1], judged[2]), text)


def _onset_strip(fits: Sequence[Curves], rung: Mapping[str, Any], config: OnsetConfig, axis: _Axis) -> Strip:
    verdicts = [
        find_onset(fit.train_loss, fit.val_loss, config, chance=fit.chance_loss) for fit in fits if fit.failure is None
    ]
    onsets = [verdict.onset_epoch for verdict in verdicts if verdict.onset_epoch is not None]
    dots = tuple(axis.place(epoch) for epoch in onsets)
    if rung["onset_epoch"] is None:
        return Strip(dots, None, None, f"in {len(dots)} of {len(fits)}: no median" if dots else "no onset")
    point, low, high = rung["onset_epoch"]
    return Strip(dots, axis.place(point), axis.band(low, high), f"epoch {interval(rung['onset_epoch'])}")


def _within(place: float) -> float:
    return min(max(place, 0.0), 1.0)


def _marks(index: int, document: Mapping[str, Any]) -> tuple[str, ...]:
    answer = document["begins_to_overfit"]["trained_to_the_end"]
    marks = []
    if answer["index"] == index and answer["bound"] != "above":
        marks.append("begins here" if answer["bound"] == "exact" else "begins here or below")
    if document["recommended"]["index"] == index:
        marks.append("recommended")
    return tuple(marks)
