"""`report.html`: what a finished study says, whether to believe it, and why."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rfcx_lab.report.exhibit import Exhibit
from rfcx_lab.report.glance import headline, look_at_ladder, place_in_words
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


def study_page(
    document: Mapping[str, Any],
    curves: Mapping[str, Sequence[Curves]],
    *,
    name: str,
    config: str,
    sample_rate: int,
    command: Sequence[str],
    evidence: Evidence | None,
) -> str:
    """The page's HTML. `document` is a verdict, `config` the resolved config in YAML, `command` the overrides."""
    answers = document["begins_to_overfit"]
    return render(
        "study.html",
        name=name,
        document=document,
        headline=headline(document),
        place_in_words=place_in_words,
        end=answers["trained_to_the_end"],
        best=answers["at_best_checkpoint"],
        repeats=max(rung["repeats"] for rung in document["rungs"]),
        left_out=sum(rung["left_out"] for rung in document["rungs"]),
        glance=look_at_ladder(curves, document),
        curves=_numbers(curves, document),
        names=[species["name"] for species in document["data"]["species"]],
        scores=evidence.scores if evidence else None,
        confused=confusions(evidence.scores, most=_CONFUSIONS) if evidence else [],
        mistakes=evidence.mistakes if evidence else [],
        sample_rate=sample_rate,
        config=config,
        command=_spelt(command),
        recommended_command=_spelt(_recommended(document, command)),
    )


def _numbers(curves: Mapping[str, Sequence[Curves]], document: Mapping[str, Any]) -> dict[str, Any]:
    """Every curve, for the page's script to draw."""
    return {
        "epochs": max([document["epochs"], 1, *(fit.epochs for fits in curves.values() for fit in fits)]),
        "classes": document["data"]["classes"],
        "chance": math.log(document["data"]["classes"]),
        "rungs": [
            {
                "name": rung["name"],
                "onset": rung["onset_epoch"],
                "loss": _series(curves[rung["name"]], "loss"),
                "accuracy": _series(curves[rung["name"]], "accuracy"),
            }
            for rung in document["rungs"]
        ],
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


def _recommended(document: Mapping[str, Any], command: Sequence[str]) -> list[str]:
    """Overrides that train the recommended rung alone, for as long as recommended."""
    rungs = [document["recommended"]["rung"]]
    # A ladder needs a rung that can be the answer: a remedy is trained beside what it is compared with.
    rungs += [remedy["against"] for remedy in document["remedies"] if remedy["name"] == rungs[0]]
    own = {"ladder.only": f"[{','.join(map(str, rungs))}]", "training.epochs": document["recommended"]["epochs"]}
    kept = [override for override in command if override.split("=")[0] not in own]
    return [*kept, *(f"{key}={value}" for key, value in own.items())]


def _spelt(command: Sequence[str]) -> str:
    return shlex.join(["python", "-m", "rfcx_lab", *command])
