"""Is it the length? True, swapped and noise-only boxes for each pipeline, and how it learns on noise. `length.png`."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.report.figure import BEST, TRAINING, VALIDATION
from rfcx_lab.report.mean_curve import counted, mean_over_repeats
from rfcx_lab.verdict import Curves
from rfcx_lab.verdict.length import on_noise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (11.0, 5.8)  # inches
_RESOLUTION = 150  # dots per inch of the PNG
_LETTERS = 125  # of the title's line
_NAME = 18  # letters of a pipeline's name in a line
_STYLE: dict[Any, Any] = {"font.size": 11, "svg.hashsalt": "rfcx_lab"}  # the same figure gives the same bytes
_CHANCE = "0.45"
_PIPELINES = (("#CC79A7", "-"), ("#000000", "--"), ("#56B4E9", "-"), ("#E69F00", "-."))  # Okabe and Ito's, too
_BARS = (
    ("within_true", "true boxes", TRAINING, True, None),
    ("within_swapped", "lengths swapped", VALIDATION, True, "swap_costs"),
    ("donor_swapped", "swapped, named as the length's species", VALIDATION, False, "follows_length"),
    ("noise", "white noise under the boxes", BEST, True, "beats_majority"),
)  # key, label, colour, filled, claim


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
    figure.suptitle(_title(document), x=0.01, ha="left", fontsize=11)
    return figure


def _title(document: Mapping[str, Any]) -> str:
    confidence = document["judge"]["confidence"]
    told = (
        f"Test accuracy of {document['rung']}: means over repeats, {100 * confidence:.0f} % intervals, * established. "
        "Blue and orange: of calls that lose no sound by the swap. Dotted: chance. "
        "Short lines: always naming the most frequent species of the noise."
    )
    return textwrap.fill(told, _LETTERS)


def _draw_accuracies(panel: Axes, document: Mapping[str, Any]) -> None:
    pipelines, width = document["pipelines"], 0.19
    for place, one in enumerate(pipelines):
        for number, (key, label, colour, filled, claim) in enumerate(_BARS):
            interval = one["noise"] if key == "noise" else one["shares"][key]
            if interval is None:
                continue
            point, (low, high) = 100 * interval[0], (None if end is None else 100 * end for end in interval[1:])
            across = place + (number - (len(_BARS) - 1) / 2) * width
            face = colour if filled else "white"
            shown = label if place == 0 else None
            panel.bar(across, point, width * 0.9, color=face, edgecolor=colour, label=shown, alpha=0.85)
            if low is not None and high is not None:
                panel.plot([across, across], [low, high], color="black", lw=1.2)
            if claim is not None and one["claims"][claim]["established"]:
                above = point if high is None else high
                panel.annotate("*", (across, above), (0, -2), textcoords="offset points", ha="center", fontsize=15)
            if key == "noise":
                reach = width / 2
                panel.plot([across - reach, across + reach], [100 * one["majority"]] * 2, color="black", lw=1.2)
    panel.axhline(100 * document["chance"], color=_CHANCE, lw=1.2, ls=":")
    panel.set_xticks(range(len(pipelines)), [textwrap.fill(one["name"], _NAME) for one in pipelines])
    panel.set_ylabel("test calls (%)")
    panel.set_ylim(0, 105)
    panel.grid(axis="y", alpha=0.25)
    panel.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=10, frameon=False)


def _draw_noise(panel: Axes, curves: Mapping[str, Sequence[Curves]], document: Mapping[str, Any]) -> None:
    for one, (colour, style) in zip(document["pipelines"], itertools.cycle(_PIPELINES), strict=False):
        fits = curves[on_noise(one["name"])]
        for fit in counted(fits):
            panel.plot(*_percent(fit.val_accuracy or ()), style, color=colour, lw=0.5, alpha=0.3)
        panel.plot(*_percent(mean_over_repeats(fits, "val_accuracy")), style, color=colour, lw=2, label=one["name"])
    panel.axhline(100 * document["pipelines"][0]["majority"], color=_CHANCE, lw=1.2, label="the most frequent species")
    panel.set_xlabel("epoch, on white noise")
    panel.set_ylabel("validation calls named rightly (%)")
    panel.set_ylim(bottom=0)
    panel.grid(alpha=0.25)
    panel.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=10, frameon=False)


def _percent(shares: Sequence[float] | NDArray[np.float64]) -> tuple[range, NDArray[np.float64]]:
    return range(1, len(shares) + 1), 100 * np.asarray(shares)
