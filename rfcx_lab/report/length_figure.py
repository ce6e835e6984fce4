"""Is it the length? True, swapped and noise-only boxes for each pipeline, and how it learns on noise. `length.png`."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rfcx_lab.report.figure import BEST, TRAINING, VALIDATION
from rfcx_lab.verdict import Curves
from rfcx_lab.verdict.length import on_noise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (11.5, 5.2)  # inches
_RESOLUTION = 150  # dots per inch of the PNG
_NAME = 18  # letters of a pipeline's name in a line
_STYLE: dict[Any, Any] = {"font.size": 10, "svg.hashsalt": "rfcx_lab"}  # the same figure gives the same bytes
_CHANCE = "0.45"
_LINES = ("-", "--", ":", "-.")
_BARS = (
    ("true", "true boxes", TRAINING, True),
    ("swapped", "lengths swapped", VALIDATION, True),
    ("donor_swapped", "swapped: named as the length's species", VALIDATION, False),
    ("noise", "noise under the boxes", BEST, True),
)  # key, label, colour, filled


def draw_length(curves: Mapping[str, Sequence[Curves]], document: Mapping[str, Any], *, paths: Sequence[Path]) -> None:
    """Write `length_figure` to each of `paths`, in the format its suffix names."""
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        figure = length_figure(curves, document)
        for path in paths:
            dateless = {"Date": None} if path.suffix == ".svg" else None
            figure.savefig(path, dpi=_RESOLUTION, metadata=dateless)


def length_figure(curves: Mapping[str, Sequence[Curves]], document: Mapping[str, Any]) -> Figure:
    """Left every pipeline's accuracies with their intervals, right its way on noise. `document` is a `length.json`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1.0])
    _draw_accuracies(left, document)
    _draw_noise(right, curves, document)
    figure.suptitle(_title(document), x=0.01, ha="left", fontsize=10.5)
    return figure


def _title(document: Mapping[str, Any]) -> str:
    confidence = document["judge"]["confidence"]
    return (
        f"Test accuracy of {document['rung']}: means over repeats, bars are {100 * confidence:.0f} % intervals. "
        "Dotted: chance; short lines: the most frequent species in noise."
    )


def _draw_accuracies(panel: Axes, document: Mapping[str, Any]) -> None:
    pipelines, width = document["pipelines"], 0.19
    for place, one in enumerate(pipelines):
        for number, (key, label, colour, filled) in enumerate(_BARS):
            interval = one["noise"] if key == "noise" else one["shares"][key]
            if interval is None:
                continue
            point, (low, high) = 100 * interval[0], interval[1:]
            across = place + (number - (len(_BARS) - 1) / 2) * width
            face = colour if filled else "white"
            shown = label if place == 0 else None
            panel.bar(across, point, width * 0.9, color=face, edgecolor=colour, label=shown, alpha=0.85)
            if low is not None and high is not None:
                panel.plot([across, across], [max(100 * low, 0.0), 100 * high], color="black", lw=1.2)
            if key == "noise":
                reach = width / 2
                panel.plot([across - reach, across + reach], [100 * one["majority"]] * 2, color="black", lw=1.2)
    panel.axhline(100 * document["chance"], color=_CHANCE, lw=0.9, ls=":")
    panel.set_xticks(range(len(pipelines)), [textwrap.fill(one["name"], _NAME) for one in pipelines])
    panel.set_ylabel("% of the test calls")
    panel.set_ylim(0, 100)
    panel.grid(axis="y", alpha=0.25)
    panel.legend(loc="best", fontsize=9)


def _draw_noise(panel: Axes, curves: Mapping[str, Sequence[Curves]], document: Mapping[str, Any]) -> None:
    for number, one in enumerate(document["pipelines"]):
        fits = [fit.val_accuracy for fit in curves[on_noise(one["name"])] if fit.failure is None]
        series = [100 * np.array(values) for values in fits if values is not None]
        style = _LINES[number % len(_LINES)]
        for values in series:
            panel.plot(range(1, len(values) + 1), values, style, color=BEST, lw=0.5, alpha=0.35)
        if series and len({len(values) for values in series}) == 1:
            mean = np.mean(series, axis=0)
            panel.plot(range(1, len(mean) + 1), mean, style, color=BEST, lw=1.8, label=one["name"])
    panel.axhline(100 * document["pipelines"][0]["majority"], color="black", lw=0.9)
    panel.set_title("white noise under the boxes", fontsize=10)
    panel.set_xlabel("epoch")
    panel.set_ylabel("% of the validation calls")
    panel.set_ylim(bottom=0)
    panel.grid(alpha=0.25)
    panel.legend(loc="best", fontsize=9)
