"""`report.html` of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rfcx_lab.report import frontier_map
from rfcx_lab.report.commands import next_of_sweep, spell
from rfcx_lab.report.page import DASH
from rfcx_lab.report.study_page import Chart, Circumstances, Evidence, render_study, shown_on_test
from rfcx_lab.verdict import Curves
from rfcx_lab.verdict.frontier import ALL_OVERFIT, FOUND, NONE_OVERFITS
from rfcx_lab.verdict.frontier_sentence import name_axis, name_column
from rfcx_lab.verdict.turning import NOT_LEARNT

Document = Mapping[str, Any]

_NOT_CROSSED = {
    ALL_OVERFIT: "at or below the smallest",
    NONE_OVERFITS: "beyond the largest",
    NOT_LEARNT: "nowhere: none has learnt",
}
_NOT_ESTABLISHED = "Where overfitting begins is not established"


@dataclass(frozen=True)
class TrialRow:
    """A trial in the table: what was fitted, and what it came to."""

    number: int
    name: str
    parameters: int
    fits: int
    statuses: str
    failed: bool
    rise: float | None
    loss: float | None
    anchor: str


@dataclass(frozen=True)
class Crossing:
    """Where the frontier runs in one column of the space, in words."""

    column: str
    place: str
    none_up_to: str
    all_from: str


def sweep_page(
    document: Document,
    curves: Mapping[int, Sequence[Curves]],
    *,
    circumstances: Circumstances,
    evidence: Evidence | None,
    recommended: Sequence[str] | None,
) -> str:
    """The page's HTML. `document` is a `frontier.json`, `curves` are those of its trials, by number.

    `recommended` is the overrides that train the recommended architecture alone.
    """
    rows = [_row(trial, document) for trial in document["trials"]]
    charts = [
        Chart(
            title=f"Trial {row.number}: {row.name}",
            curves=curves.get(row.number, ()),
            onset=None if trial["onset"] is None else [trial["onset"], None, None],
            anchor=row.anchor,
        )
        for row, trial in zip(rows, document["trials"], strict=True)
    ]
    return render_study(
        "sweep.html",
        document,
        charts,
        circumstances=circumstances,
        **shown_on_test(document, evidence, circumstances),
        headline=headline(document),
        established=document["established"],
        maps=frontier_map.draw_maps(document),
        geometry=frontier_map,
        trials=rows,
        along=name_axis(document["space"]["along"]),
        crossings=[_cross(crossing) for crossing in document["crossings"]],
        importance=[(name_axis(axis), share) for axis, share in document.get("importance", {}).items()],
        nothing=any(cell.get("learnt") is False for cell in document["architectures"]),
        doubtful=sum(cell["in_doubt"] for cell in document["architectures"]),
        recommended_command=None if recommended is None else spell(recommended),
        following=next_of_sweep(document, circumstances.command, alone=recommended),
    )


def headline(document: Document) -> str:
    """The answer in one line."""
    status = document["status"]
    count = sum(cell.get("learnt") is not False for cell in document["architectures"])
    if status == ALL_OVERFIT:
        return f"All {count} architectures overfit: the frontier lies below them"
    if status == NONE_OVERFITS:
        return f"None of the {count} architectures overfits: the frontier lies beyond them"
    along = name_axis(document["space"]["along"])
    places = [crossing for crossing in document["crossings"] if crossing["value"] is not None]
    known = status == FOUND
    if not places:
        return "The frontier beyond which models overfit is known" if known else _NOT_ESTABLISHED
    first, last = places[0], places[-1]
    opening = "Overfitting begins" if known else f"{_NOT_ESTABLISHED}: as far as is known,"
    begin = f"{opening} at {along} {first['value']:.2g}"
    if first is last:
        return begin + (f" with {name_column(first['column'])}" if first["column"] else "")
    return f"{begin} with {name_column(first['column'])}, at {last['value']:.2g} with {name_column(last['column'])}"


def _row(trial: Document, document: Document) -> TrialRow:
    cell = next(cell for cell in document["architectures"] if cell["values"] == trial["values"])
    statuses = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in trial["statuses"].items())
    failed = trial["state"] == "failed"
    reason = f"failed: {trial['reason'] or 'no fit is usable'}" if failed else ""
    if not trial.get("learnt", True):
        reason = f"learnt nothing: {statuses}"
    return TrialRow(
        number=trial["number"],
        name=cell["name"],
        parameters=cell["trainable_parameters"],
        fits=len(trial["repeats"]),
        statuses=reason or statuses,
        failed=failed,
        rise=trial["rise"],
        loss=trial["value"],
        anchor=f"trial-{trial['number']}",
    )


def _cross(crossing: Document) -> Crossing:
    elsewhere = _NOT_CROSSED.get(crossing["status"], "at no one place")
    return Crossing(
        column=name_column(crossing["column"]) or "all",
        place=elsewhere if crossing["value"] is None else f"about {crossing['value']:.3g}",
        none_up_to=DASH if crossing["none_up_to"] is None else f"{crossing['none_up_to']:g}",
        all_from=DASH if crossing["all_from"] is None else f"{crossing['all_from']:g}",
    )
