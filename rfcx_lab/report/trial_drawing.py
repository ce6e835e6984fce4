"""A trial's learning curves as a small SVG of its own, for the Optuna dashboard to show beside the trial.

A template writes it: what matplotlib would take for it is longer than a small architecture's epoch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rfcx_lab.report.exhibit import Tick, round_values
from rfcx_lab.report.figure import TRAINING, VALIDATION
from rfcx_lab.report.mean_curve import mean_over_repeats
from rfcx_lab.report.page import render
from rfcx_lab.verdict import Curves

WIDTH, HEIGHT = 460, 250  # of the whole drawing
LEFT, TOP, RIGHT, BOTTOM = 50, 44, 14, 40  # around the plot
_SHOWN = 0.995  # share of the values that are sure to lie within: one spike must not flatten the rest


@dataclass(frozen=True)
class Line:
    """One fit's curve, or the mean of several, as an SVG path."""

    path: str
    colour: str
    dashed: bool
    mean: bool


def draw_trial(name: str, curves: Sequence[Curves], *, onset: float | None) -> str:
    """The SVG: training and validation loss of every fit, their means, and the median onset epoch."""
    losses = [loss for fit in curves for loss in (*fit.train_loss, *fit.val_loss) if math.isfinite(loss)]
    epochs = max((fit.epochs for fit in curves), default=0)
    top = 1.06 * float(np.quantile(losses, _SHOWN)) if losses else 1.0
    last = max(epochs, 2)
    lines = []
    for part, colour in (("train_loss", TRAINING), ("val_loss", VALIDATION)):
        series = [getattr(fit, part) for fit in curves if fit.epochs]
        means = [mean_over_repeats(curves, part)] if len(series) > 1 else []
        for values, is_mean in [*((each, len(series) == 1) for each in series), *((each, True) for each in means)]:
            lines.append(Line(_path(values, top=top, last=last), colour, part == "train_loss", is_mean))
    return render(
        "trial.svg",
        title=name,
        lines=sorted(lines, key=lambda line: line.mean),
        onset=None if onset is None else _across(onset, last),
        epochs=[Tick(_across(value, last), f"{value:g}") for value in round_values(1, last) if value >= 1],
        losses=[Tick(_up(value, top), f"{value:g}") for value in round_values(0, top)],
        colours={"training": TRAINING, "validation": VALIDATION},
        box={"x": LEFT, "y": TOP, "width": WIDTH - LEFT - RIGHT, "height": HEIGHT - TOP - BOTTOM},
        size=(WIDTH, HEIGHT),
    )


def _path(values: Sequence[float], *, top: float, last: int) -> str:
    """Torn where a loss is not finite."""
    parts, torn = [], True
    for epoch, value in enumerate(values, start=1):
        if math.isfinite(value):
            parts.append(f"{'M' if torn else 'L'}{_across(epoch, last):.1f} {_up(value, top):.1f}")
        torn = not math.isfinite(value)
    return "".join(parts)


def _across(epoch: float, last: int) -> float:
    return LEFT + (epoch - 1) / (last - 1) * (WIDTH - LEFT - RIGHT)


def _up(loss: float, top: float) -> float:
    return HEIGHT - BOTTOM - loss / top * (HEIGHT - TOP - BOTTOM)
