"""One fit's learning curves as an SVG picture: losses and accuracies side by side, and where its loss turns.

Written by a template and not by Matplotlib: a study has one for every fit, drawn while others are being trained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rfcx_lab.report.exhibit import Tick, round_values
from rfcx_lab.report.figure import TRAINING, VALIDATION
from rfcx_lab.report.page import render
from rfcx_lab.verdict import Curves, Verdict

WIDTH, HEIGHT = 270, 170  # of a panel, in units of the picture


@dataclass(frozen=True)
class _Panel:
    """A metric's two curves. Places run from 0 to 1, up and to the right."""

    name: str
    training: str  # an SVG path
    validation: str
    epochs: tuple[Tick, ...]
    values: tuple[Tick, ...]


def draw_fit(curves: Curves, verdict: Verdict, *, name: str) -> str:
    """The picture's SVG. What is not finite is a gap; a fit without any epoch has empty panels."""
    panels = [
        _lay_out("loss: cross-entropy (nats)", curves.train_loss, curves.val_loss),
        _lay_out("accuracy", curves.train_accuracy or (), curves.val_accuracy or ()),
    ]
    marks = [
        (label, _across(epoch, curves.epochs), epoch)
        for label, epoch in (("best", verdict.best_epoch), ("onset", verdict.onset_epoch))
        if epoch is not None
    ]
    return render(
        "fit.svg",
        name=name,
        status="failed" if curves.failure else verdict.status.replace("_", " "),
        panels=panels,
        marks=marks,
        width=WIDTH,
        height=HEIGHT,
        colours=(TRAINING, VALIDATION),
        dashes={"best": "1 4", "onset": "7 4"},
    )


def _lay_out(name: str, training: Sequence[float], validation: Sequence[float]) -> _Panel:
    finite = [value for value in (*training, *validation) if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    margin = 0.05 * (high - low) or 0.5
    low, high = low - margin, high + margin
    epochs = max(len(training), len(validation), 1)
    return _Panel(
        name=name,
        training=_path(training, low=low, high=high),
        validation=_path(validation, low=low, high=high),
        epochs=tuple(
            Tick(_across(epoch, epochs), str(epoch))
            for epoch in sorted({1, *(int(value) for value in round_values(1, epochs))})
        ),
        values=tuple(Tick((value - low) / (high - low), f"{value:g}") for value in round_values(low, high)),
    )


def _path(series: Sequence[float], *, low: float, high: float) -> str:
    """Lines between neighbours; a value that has none is a dot, which a round cap makes of a line without length."""
    steps, pen_down = [], False
    for epoch, value in enumerate(series, start=1):
        if not math.isfinite(value):
            pen_down = False
            continue
        place = f"{WIDTH * _across(epoch, len(series)):.1f},{HEIGHT * (1 - (value - low) / (high - low)):.1f}"
        steps.append(f"L{place}" if pen_down else f"M{place}L{place}")
        pen_down = True
    return "".join(steps)


def _across(epoch: int, epochs: int) -> float:
    return (epoch - 1) / (epochs - 1) if epochs > 1 else 0.5
