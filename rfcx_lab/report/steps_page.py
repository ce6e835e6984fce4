"""`report.html` of a pipeline that is mended: which corrections matter, and the ladder on the last step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rfcx_lab.report.commands import Next, spell_change
from rfcx_lab.report.glance import look_at_ladder
from rfcx_lab.report.page import interval
from rfcx_lab.report.strips import Axis, Column, Row, Strip, Strips
from rfcx_lab.report.study_page import Chart, Circumstances, render_study
from rfcx_lab.report.table import STEPS_HEADER, steps_rows
from rfcx_lab.verdict import Curves
from rfcx_lab.verdict.statements import split_answer

Document = Mapping[str, Any]
_NAMED = 2  # corrections that a headline has room for


@dataclass(frozen=True)
class Ladder:
    """The ladder on the last step: its verdict and curves, and where its own page lies, beside this one."""

    document: Document
    curves: Mapping[str, Sequence[Curves]]
    page: str


@dataclass(frozen=True)
class Audited:
    """What the audit says of neighbouring steps to which it says the same."""

    steps: str
    status: str
    sentence: str


def steps_page(
    document: Document,
    curves: Mapping[str, Sequence[Curves]],
    *,
    ladder: Ladder,
    circumstances: Circumstances,
    following: Next | None,
) -> str:
    """The page's HTML. `document` is a `mended.json`, `curves` are those of its steps, by name."""
    steps = document["steps"]
    charts = [
        Chart(title=name_step(step), curves=curves[step["name"]], onset=step["onset_epoch"], anchor=f"step-{index}")
        for index, step in enumerate(steps)
    ]
    return render_study(
        "steps.html",
        document,
        charts,
        circumstances=circumstances,
        headline=headline(document),
        said=_said(document),
        matter=sum(step["matters"] for step in steps),
        glance=look_at_steps(document, curves),
        header=STEPS_HEADER,
        rows=steps_rows(document),
        audits=_audits(steps),
        ladder=ladder,
        climbed=look_at_ladder(ladder.curves, ladder.document),
        following=following,
    )


def _said(document: Document) -> list[str]:
    """The answer's statements, but of the ladder's the first one alone: the others stand where the ladder does."""
    climbed = document["ladder"]["answer"]
    first, *_ = split_answer(climbed)
    return split_answer(document["answer"].removesuffix(climbed) + first)


def headline(document: Document) -> str:
    """Which corrections matter, in one line."""
    corrections = document["steps"][1:]
    matter = [step["name"] for step in corrections if step["matters"]]
    if not matter:
        return f"None of {len(corrections)} corrections is established to matter"
    count = (
        f"{len(matter)} of {len(corrections)} corrections {'is' if len(matter) == 1 else 'are'} established to matter"
    )
    return f"{count}: {'; '.join(matter)}" if len(matter) <= _NAMED else count


def name_step(step: Document) -> str:
    """`3. shuffled`."""
    return f"{step['index']}. {step['name']}"


def look_at_steps(document: Document, curves: Mapping[str, Sequence[Curves]]) -> Strips:
    """Lay the steps out: of every repeat the lowest validation loss, the final gap and the test accuracy."""
    steps, chance = document["steps"], document["chance"]
    fits = {step["name"]: _values(curves[step["name"]]) for step in steps}
    loss = _axis([0.0, chance, *(v for best, _ in fits.values() for v in best)], steps, "val_loss_best")
    gap = _axis([0.0, *(v for _, gaps in fits.values() for v in gaps)], steps, "gap")
    share = Axis(0, 1)
    rows = tuple(
        Row(
            name=name_step(step),
            note=", ".join(f"{key}={value}" for key, value in spell_change(step["change"]).items()),
            marks=("matters",) if step["matters"] else (),
            strips=(
                _strip(loss, fits[step["name"]][0], step["val_loss_best"], step["loss_difference"]),
                _strip(gap, fits[step["name"]][1], step["gap"], step["gap_difference"]),
                share.strip(step["test_accuracies"], step["test_accuracy"], _percent(step["test_accuracy"])),
            ),
            last=f"{step['statuses'].get('overfit', 0)} of {step['repeats']}",
            stands_out=step["matters"],
        )
        for step in steps
    )
    columns = (
        Column("Lowest validation loss (nats)", "Lowest loss (nats)", loss.ticks(), (("margin", loss.place(chance)),)),
        Column("Gap at the end (nats)", "Gap (nats)", gap.ticks(), (("zero", gap.place(0)),)),
        Column(
            "Test calls named rightly (%)",
            "Test calls (%)",
            share.ticks(times=100),
            (("margin", 1 / document["data"]["classes"]),),
        ),
    )
    return Strips("Step, and what it sets", columns, rows, "Overfit")


def _values(fits: Sequence[Curves]) -> tuple[list[float], list[float]]:
    """The lowest validation losses and the final gaps of fits that went to their end."""
    whole = [fit for fit in fits if fit.failure is None and fit.epochs and all(map(math.isfinite, fit.val_loss))]
    return [min(fit.val_loss) for fit in whole], [fit.val_loss[-1] - fit.train_loss[-1] for fit in whole]


def _axis(values: Sequence[float], steps: Sequence[Document], key: str) -> Axis:
    """Wide enough for every dot and mean; an interval's end far beyond them is cut."""
    low, high = min(values), max(values)
    ends = [end for step in steps for end in step[key] or () if end is not None]
    room = 0.25 * (high - low)
    return Axis(max(min([low, *ends]), low - room), min(max([high, *ends]), high + room))


def _strip(
    axis: Axis, dots: Sequence[float], judged: Sequence[float | None] | None, difference: Document | None
) -> Strip:
    told = interval(judged, ".2f")
    if difference is not None and difference["change"] is not None:
        told += f"; change {difference['change'][0]:+.2f}".replace("-", "−")
        told += ", established" if difference["established"] else ""
    return axis.strip(dots, judged, told)


def _percent(share: Sequence[float | None] | None) -> str:
    return interval(None if share is None else [None if v is None else 100 * v for v in share], ".0f")


def _audits(steps: Sequence[Document]) -> list[Audited]:
    audits = []
    for (status, sentence), same in groupby(
        steps, key=lambda step: (step["audit"]["status"], step["audit"]["sentence"])
    ):
        places = [step["index"] for step in same]
        named = f"Step {places[0]}" if len(places) == 1 else f"Steps {places[0]} to {places[-1]}"
        audits.append(Audited(named, status, sentence))
    return audits
