"""`report.html`: what a finished study says, whether to believe it, and why. What the pages of all studies share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rfcx_lab.report.commands import spell
from rfcx_lab.report.exhibit import Exhibit
from rfcx_lab.report.mean_curve import counted
from rfcx_lab.report.page import render
from rfcx_lab.report.scores import Mistake, Scores, confusions
from rfcx_lab.verdict import Curves

_CONFUSIONS = 5
_DIGITS = 4


@dataclass(frozen=True)
class Evidence:
    """What the page shows beside the verdict: the test part's scores, and its worst mistakes with their windows."""

    scores: Scores
    mistakes: Sequence[tuple[Mistake, Exhibit]]


@dataclass(frozen=True)
class Circumstances:
    """How the study was run: its name, the resolved config in YAML, and the overrides of its command."""

    name: str
    config: str
    command: Sequence[str]
    sample_rate: int
    source: str | None = None  # of the recordings, where it has a better name than its folder


@dataclass(frozen=True)
class Chart:
    """The curves of one architecture, by repeat; `onset` with its interval, as far as these are known."""

    title: str
    curves: Sequence[Curves]
    onset: Sequence[float | None] | None
    anchor: str | None = None  # what a link leads to
    epochs: int | None = None  # where the study's budget is not that of all its charts
    classes: int | None = None  # where they are not those of the study's data


def render_study(
    template: str,
    document: Mapping[str, Any],
    charts: Sequence[Chart],
    *,
    circumstances: Circumstances,
    **own: Any,
) -> str:
    """A page made of `template`, which fills in what `study.html` leaves open; `own` is what it needs for it."""
    return render(
        template,
        document=document,
        name=circumstances.name,
        source_of_data=circumstances.source or document["data"]["root"],
        charts=charts,
        curves={"rungs": [_numbers(chart, document) for chart in charts]},
        config=circumstances.config,
        command=spell(circumstances.command),
        **own,
    )


def shown_on_test(
    document: Mapping[str, Any], evidence: Evidence | None, circumstances: Circumstances
) -> dict[str, Any]:
    """What a page that shows the test part needs for it."""
    return {
        "names": [species["name"] for species in document["data"]["species"]],
        "test": document.get("test"),
        "scores": evidence.scores if evidence else None,
        "confused": confusions(evidence.scores, most=_CONFUSIONS) if evidence else [],
        "mistakes": evidence.mistakes if evidence else [],
        "sample_rate": circumstances.sample_rate,
    }


def _numbers(chart: Chart, document: Mapping[str, Any]) -> dict[str, Any]:
    """The curves of a chart, for the page's script to draw."""
    classes = chart.classes or document["data"]["classes"]
    return {
        "name": chart.title,
        "onset": chart.onset,
        "epochs": max([chart.epochs or document["epochs"], 1, *(fit.epochs for fit in chart.curves)]),
        "chance": {"loss": math.log(classes), "accuracy": 1 / classes},
        "loss": _series(chart.curves, "loss"),
        "accuracy": _series(chart.curves, "accuracy"),
        "counted": [fit in counted(chart.curves) for fit in chart.curves],
    }


def _series(fits: Sequence[Curves], metric: str) -> dict[str, list[list[float | None]]]:
    return {
        name: [
            [
                round(value, _DIGITS) if math.isfinite(value) else None
                for value in getattr(fit, f"{part}_{metric}") or ()
            ]
            for fit in fits
        ]
        for name, part in (("train", "train"), ("validation", "val"))
    }
