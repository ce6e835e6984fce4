"""The ladder at a glance: for every rung how far each repeat's loss rises again, and when it turns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rfcx_lab.report.exhibit import Tick, round_values
from rfcx_lab.report.page import interval
from rfcx_lab.verdict import Curves, OnsetConfig, find_onset

_BOUNDS = {
    "exact": "at rung {rung}",
    "at_or_below": "at rung {rung} or at one below",
    "above": "above rung {rung}, the highest",
}


@dataclass(frozen=True)
class Strip:
    """Values on one axis, all as places from 0 to 1: a dot per repeat, their median, and an interval."""

    dots: tuple[float, ...]
    median: float | None
    band: tuple[float, float] | None
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
    """Rungs bottom to top, the ticks of both axes, and where the margin stands on that of the rise."""

    rows: tuple[Row, ...]
    rise_ticks: tuple[Tick, ...]
    onset_ticks: tuple[Tick, ...]
    margin: float


def headline(document: Mapping[str, Any]) -> str:
    """The answer to the first question in one line."""
    answer = document["begins_to_overfit"]["trained_to_the_end"]
    opening = "Overfitting begins" if answer["established"] else "Where overfitting begins is not established"
    if answer["rung"] is None:
        return opening
    place = _BOUNDS[answer["bound"]].format(rung=answer["rung"])
    epoch = "" if answer["epoch"] is None else f", from about epoch {answer['epoch'][0]:g} on"
    return f"{opening}{' ' if answer['established'] else ': '}{place}{epoch}"


def place_in_words(answer: Mapping[str, Any]) -> str:
    """Where one of the two answers lies, and from which epoch on."""
    if answer["rung"] is None:
        return "not established"
    place = _BOUNDS[answer["bound"]].format(rung=answer["rung"])
    return place if answer["epoch"] is None else f"{place}, from epoch {interval(answer['epoch'])} on"


def look_at_ladder(curves: Mapping[str, Sequence[Curves]], document: Mapping[str, Any]) -> Glance:
    """Lay the ladder out. A rise is the last validation loss over the lowest one, minus 1, of each repeat."""
    rises = {name: [r for fit in fits if (r := _rise(fit)) is not None] for name, fits in curves.items()}
    margin = document["judge"]["margin"]
    top = max([*(value for values in rises.values() for value in values), 2 * margin])
    rise_ticks = tuple(Tick(value / 100 / top, f"{value:g} %") for value in round_values(0, 100 * top))
    last = max(document["epochs"], 2)
    epochs = sorted({1, *(int(v) for v in round_values(0, last) if 1 <= v <= last)})
    rows = tuple(
        Row(
            name=rung["name"],
            role=rung["role"],
            parameters=rung["trainable_parameters"],
            overfit=f"{rung['statuses'].get('overfit', 0)} of {rung['repeats']}",
            rise=_rise_strip(rises[rung["name"]], top=top),
            onset=_onset_strip(curves[rung["name"]], rung, OnsetConfig(**document["judge"]["onset"]), last=last),
            marks=_marks(rung["index"], document),
        )
        for rung in document["rungs"]
    )
    return Glance(rows, rise_ticks, tuple(Tick(_epoch_place(e, last), f"{e}") for e in epochs), margin / top)


def _rise(fit: Curves) -> float | None:
    losses = [loss for loss in fit.val_loss if math.isfinite(loss)]
    whole = fit.failure is None and len(losses) == fit.epochs > 0 and min(losses) > 0
    return losses[-1] / min(losses) - 1 if whole else None


def _rise_strip(rises: Sequence[float], *, top: float) -> Strip:
    if not rises:
        return Strip((), None, None, "no fit of full length")
    median = float(np.median(rises))
    spread = f", {min(rises):.0%} to {max(rises):.0%}" if len(rises) > 1 else ""
    return Strip(tuple(rise / top for rise in rises), median / top, None, f"{median:.0%}{spread}".replace("%", " %"))


def _onset_strip(fits: Sequence[Curves], rung: Mapping[str, Any], config: OnsetConfig, *, last: int) -> Strip:
    verdicts = [find_onset(fit.train_loss, fit.val_loss, config) for fit in fits if fit.failure is None]
    onsets = [verdict.onset_epoch for verdict in verdicts if verdict.onset_epoch is not None]
    dots = tuple(_epoch_place(epoch, last) for epoch in onsets)
    if rung["onset_epoch"] is None:
        return Strip(dots, None, None, f"in {len(dots)} of {len(fits)}: no median" if dots else "no onset")
    point, low, high = rung["onset_epoch"]
    band = None
    if low is not None or high is not None:
        band = (_epoch_place(1 if low is None else low, last), _epoch_place(last if high is None else high, last))
    return Strip(dots, _epoch_place(point, last), band, f"epoch {interval(rung['onset_epoch'])}")


def _epoch_place(epoch: float, last: int) -> float:
    return (epoch - 1) / (last - 1)


def _marks(index: int, document: Mapping[str, Any]) -> tuple[str, ...]:
    answer = document["begins_to_overfit"]["trained_to_the_end"]
    marks = []
    if answer["index"] == index and answer["bound"] != "above":
        marks.append("begins here" if answer["bound"] == "exact" else "begins here or below")
    if document["recommended"]["index"] == index:
        marks.append("recommended")
    return tuple(marks)
