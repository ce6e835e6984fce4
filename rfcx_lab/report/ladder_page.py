"""`report.html` of a ladder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rfcx_lab.report.glance import headline, look_at_ladder, place_in_words
from rfcx_lab.report.study_page import Chart, Circumstances, Evidence, render_study, spell
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
        evidence=evidence,
        headline=headline(document),
        established=answers["trained_to_the_end"]["established"],
        place_in_words=place_in_words,
        end=answers["trained_to_the_end"],
        best=answers["at_best_checkpoint"],
        repeats=max(rung["repeats"] for rung in document["rungs"]),
        left_out=sum(rung["left_out"] for rung in document["rungs"]),
        glance=look_at_ladder(curves, document),
        recommended_command=spell(_recommended(document, circumstances.command)),
    )


def _recommended(document: Mapping[str, Any], command: Sequence[str]) -> list[str]:
    """Overrides that train the recommended rung alone, for as long as recommended."""
    rungs = [document["recommended"]["rung"]]
    # A ladder needs a rung that can be the answer: a remedy is trained beside what it is compared with.
    rungs += [remedy["against"] for remedy in document["remedies"] if remedy["name"] == rungs[0]]
    own = {"ladder.only": f"[{','.join(map(str, rungs))}]", "training.epochs": document["recommended"]["epochs"]}
    kept = [override for override in command if override.split("=")[0] not in own]
    return [*kept, *(f"{key}={value}" for key, value in own.items())]
