"""`report.html` of the study of the boxes' length: which pipelines read it, and what shows that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rfcx_lab.report.commands import Next
from rfcx_lab.report.page import percent
from rfcx_lab.report.strips import Axis, Column, Row, Strips
from rfcx_lab.report.study_page import Chart, Circumstances, render_study
from rfcx_lab.report.table import LENGTH_HEADER, length_rows
from rfcx_lab.verdict import Curves
from rfcx_lab.verdict.length import CLAIMS, READS, SHOWN, on_noise

Document = Mapping[str, Any]
_SHORT = {"swap_costs": "swapping costs", "follows_length": "follows the length", "beats_majority": "learns from noise"}
_SHARES = (
    ("true", "With their own boxes (%)", "Own boxes (%)"),
    ("swapped", "With lengths of other species (%)", "Other lengths (%)"),
    ("donor_swapped", "Then named as the length's species (%)", "Length's species (%)"),
)


def length_page(
    document: Document,
    curves: Mapping[str, Sequence[Curves]],
    *,
    circumstances: Circumstances,
    following: Next | None,
) -> str:
    """The page's HTML. `document` is a `length.json`, `curves` are those of its pipelines, on data and on noise."""
    pipelines = document["pipelines"]
    charts = []
    for one in pipelines:
        for title, epochs, data in (
            (one["name"], one["epochs"], "data"),
            (on_noise(one["name"]), one["noise_epochs"], "noise_data"),
        ):
            classes = document[data]["classes"]
            charts.append(Chart(title, curves[title], onset=None, epochs=epochs, classes=classes))
    return render_study(
        "length.html",
        document,
        charts,
        circumstances=circumstances,
        headline=headline(document),
        reading=len(_reading(document)),
        glance=look_at_pipelines(document),
        header=LENGTH_HEADER,
        rows=length_rows(document),
        claims=[(SHOWN[name], [one["claims"][name] for one in pipelines]) for name in CLAIMS],
        milestones=_milestones(pipelines),
        following=following,
    )


def headline(document: Document) -> str:
    """Which pipelines are shown to read the length, in one line."""
    reading = _reading(document)
    if not reading:
        return "No pipeline is shown to read the length of the box"
    others = [one["name"] for one in document["pipelines"] if one["name"] not in reading]
    spared = f". Not shown to: {'; '.join(others)}" if others else ""
    return f"Shown to read the length of the box: {'; '.join(reading)}{spared}"


def _reading(document: Document) -> list[str]:
    """The pipelines of which a claim is established that shows it."""
    pipelines = document["pipelines"]
    return [one["name"] for one in pipelines if any(one["claims"][name]["established"] for name in READS)]


def look_at_pipelines(document: Document) -> Strips:
    """Lay the pipelines out: shares of the test calls, of every repeat and their mean."""
    share = Axis(0, 1)
    chance = ("margin", document["chance"])
    columns = [Column(title, short, share.ticks(times=100), (chance,)) for _, title, short in _SHARES]
    columns.append(Column("On white noise under boxes (%)", "White noise (%)", share.ticks(times=100), (chance,)))
    rows = []
    for one in document["pipelines"]:
        measured, shown = one["measured"], [name for name in CLAIMS if one["claims"][name]["established"]]
        strips = [
            share.strip(measured["shares"][key], one["shares"][key], _told(one["shares"][key])) for key, *_ in _SHARES
        ]
        noise = f"{_told(one['noise'])}; {percent(one['majority'], 1)} by the most frequent species"
        strips.append(share.strip(measured["noise"], one["noise"], noise))
        rows.append(
            Row(
                name=one["name"],
                note=f"{one['epochs']} epochs, on noise {one['noise_epochs']}",
                marks=tuple(_SHORT[name] for name in shown),
                strips=tuple(strips),
                last=f"{len(shown)} of {len(CLAIMS)}",
                stands_out=bool(shown),
            )
        )
    return Strips("Pipeline", tuple(columns), tuple(rows), "Shown")


def _milestones(pipelines: Sequence[Document]) -> list[tuple[str, list[tuple[int, str]]]]:
    """Of each pipeline, the epochs on noise at which its validation accuracy is told, and what that is."""
    return [(one["name"], [(epoch, _told(share)) for epoch, share in one["on_the_way"]]) for one in pipelines]


def _told(share: Sequence[float | None] | None) -> str:
    """`12.3 % (10.0 to 14.6)`."""
    if share is None or share[0] is None:
        return percent(None)
    point, low, high = share
    between = "" if low is None or high is None else f" ({100 * low:.1f} to {100 * high:.1f})"
    return f"{percent(point, 1)}{between}"
