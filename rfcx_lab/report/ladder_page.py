"""`report.html` of a ladder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rfcx_lab.report.commands import recommended_command, settling_command
from rfcx_lab.report.glance import headline, look_at_ladder, place_in_words
from rfcx_lab.report.study_page import Chart, Circumstances, Evidence, render_study, shown_on_test
from rfcx_lab.verdict import Curves
from rfcx_lab.verdict.rungs import REMEDY


def ladder_page(
    document: Mapping[str, Any],
    curves: Mapping[str, Sequence[Curves]],
    *,
    circumstances: Circumstances,
    evidence: Evidence | None,
) -> str:
    """The page's HTML. `document` is a verdict, `curves` are those of its rungs, by name."""
    answers = document["begins_to_overfit"]
    charts = [
        Chart(
            title=rung["name"] + (" (remedy)" if rung["role"] == REMEDY else ""),
            curves=curves[rung["name"]],
            onset=rung["onset_epoch"],
        )
        for rung in document["rungs"]
    ]
    return render_study(
        "ladder.html",
        document,
        charts,
        circumstances=circumstances,
        **shown_on_test(document, evidence, circumstances),
        headline=headline(document),
        established=answers["trained_to_the_end"]["established"],
        place_in_words=place_in_words,
        end=answers["trained_to_the_end"],
        best=answers["at_best_checkpoint"],
        repeats=max(rung["repeats"] for rung in document["rungs"]),
        left_out=sum(rung["left_out"] for rung in document["rungs"]),
        glance=look_at_ladder(curves, document),
        recommended_command=recommended_command(document, circumstances.command),
        settling=settling_command(document, circumstances.command),
    )
