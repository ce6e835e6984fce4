"""The ladder at a glance: for every rung how far its loss rises again, and when it turns.

Dots are the repeats as they were measured; bar and band are what the verdict was read from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rfcx_lab.report.exhibit import Tick, round_values
from rfcx_lab.report.page import interval, signed_percent, thousands
from rfcx_lab.report.strips import Axis, Column, Row, Strip, Strips
from rfcx_lab.verdict import Curves, OnsetConfig, find_onset
from rfcx_lab.verdict.rungs import REMEDY

_BEGINS = "begins"  # what the mark of the rung begins with at which overfitting does

_BOUNDS = {
    "exact": "at rung {rung}",
    "at_or_below": "at rung {rung} or at one below",
    "above": "above rung {rung}, the highest",
}


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


def look_at_ladder(curves: Mapping[str, Sequence[Curves]], document: Mapping[str, Any]) -> Strips:
    """Lay the ladder out. A dot's rise is the last validation loss over the lowest one, minus 1, of one repeat."""
    rises = {name: [r for fit in fits if (r := _rise(fit)) is not None] for name, fits in curves.items()}
    margin = document["judge"]["margin"]
    across = _rise_axis([value for values in rises.values() for value in values], document)
    along = Axis(1, max(document["epochs"], 2))
    epochs = sorted({1, *(int(v) for v in round_values(0, along.high) if 1 <= v <= along.high)})
    config = OnsetConfig(**document["judge"]["onset"])
    rows = []
    for rung in document["rungs"]:
        name, marks = rung["name"], _marks(rung["index"], document)
        rise, onset = (
            _rise_strip(rises[name], rung.get("rise"), across),
            _onset_strip(curves[name], rung, config, along),
        )
        rows.append(
            Row(
                name=name,
                note=f"{thousands(rung['trainable_parameters'])} parameters{', remedy' * (rung['role'] == REMEDY)}",
                marks=marks,
                strips=(rise, onset),
                last=f"{rung['statuses'].get('overfit', 0)} of {rung['repeats']}",
                stands_out=any(mark.startswith(_BEGINS) for mark in marks),
            )
        )
    columns = (
        Column(
            "Rise of the validation loss from its minimum to the end (%)",
            "Rise (%)",
            across.ticks(times=100),
            (("zero", across.place(0)), ("margin", across.place(margin))),
        ),
        Column(
            "Onset of overfitting (epoch)",
            "Onset (epoch)",
            tuple(Tick(along.place(epoch), f"{epoch}") for epoch in epochs),
        ),
    )
    return Strips("Rung", columns, tuple(rows), "Overfit")


def _rise_axis(rises: Sequence[float], document: Mapping[str, Any]) -> Axis:
    """Wide enough for every dot and interval; an end far beyond all dots is cut, for the dots to be told apart."""
    margin = document["judge"]["margin"]
    top = max([*rises, 2 * margin])
    ends = [end for rung in document["rungs"] for end in rung.get("rise") or () if end is not None]
    low = max(min([0.0, *ends]), -0.5 * top)
    return Axis(low, min(max([top, *ends]), 1.5 * top))


def _rise(fit: Curves) -> float | None:
    losses = [loss for loss in fit.val_loss if math.isfinite(loss)]
    whole = fit.failure is None and len(losses) == fit.epochs > 0 and min(losses) > 0
    return losses[-1] / min(losses) - 1 if whole else None


def _rise_strip(rises: Sequence[float], judged: Sequence[float | None] | None, axis: Axis) -> Strip:
    if judged is None or judged[0] is None:
        return axis.strip(rises, None, "too few fits for an interval" if rises else "no fit of full length")
    return axis.strip(rises, judged, signed_percent([None if value is None else 1 + value for value in judged]))


def _onset_strip(fits: Sequence[Curves], rung: Mapping[str, Any], config: OnsetConfig, axis: Axis) -> Strip:
    verdicts = [
        find_onset(fit.train_loss, fit.val_loss, config, chance=fit.chance_loss) for fit in fits if fit.failure is None
    ]
    onsets = [verdict.onset_epoch for verdict in verdicts if verdict.onset_epoch is not None]
    judged = rung["onset_epoch"]
    if judged is None:
        return axis.strip(onsets, None, f"in {len(onsets)} of {len(fits)}: no median" if onsets else "no onset")
    return axis.strip(onsets, judged, f"epoch {interval(judged)}")


def _marks(index: int, document: Mapping[str, Any]) -> tuple[str, ...]:
    answer = document["begins_to_overfit"]["trained_to_the_end"]
    marks = []
    if answer["index"] == index and answer["bound"] != "above":
        marks.append(f"{_BEGINS} here" if answer["bound"] == "exact" else f"{_BEGINS} here or below")
    if document["recommended"]["index"] == index:
        marks.append("recommended")
    return tuple(marks)
