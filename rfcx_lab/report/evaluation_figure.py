"""One fit by itself: its loss and its accuracy, side by side as the article plots them, and its confusion matrix."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rfcx_lab.report.figure import TRAINING, VALIDATION
from rfcx_lab.verdict import Curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RESOLUTION = 150  # dots per inch of the PNG
_LETTERS = 130  # of the title's line
_STYLE: dict[Any, Any] = {"font.size": 11, "svg.hashsalt": "rfcx_lab"}  # the same figure gives the same bytes


def draw_evaluation(curves: Curves, document: Mapping[str, Any], *, paths: Sequence[Path]) -> None:
    """Write the two panels to each of `paths`, in the format its suffix names."""
    _write(lambda: evaluation_figure(curves, document), paths)


def draw_confusion(document: Mapping[str, Any], *, paths: Sequence[Path]) -> None:
    """Write the matrix to each of `paths`."""
    _write(lambda: confusion_figure(document), paths)


def evaluation_figure(curves: Curves, document: Mapping[str, Any]) -> Figure:
    """Training as dots, validation as a line: loss on the left, accuracy on the right, what chance gives dotted."""
    figure = _blank((15, 5.4))
    loss, accuracy = figure.subplots(1, 2)
    _draw(loss, curves.train_loss, curves.val_loss, "loss", chance=document["chance"]["loss"])
    _draw(accuracy, curves.train_accuracy, curves.val_accuracy, "accuracy", chance=document["chance"]["accuracy"])
    parts = ", ".join(
        f"{name} {part['loss']:.3f} ({part['accuracy']:.1%})" for name, part in document["parts"].items()
    ).replace("%", " %")
    status = document["verdict"]["status"].replace("_", " ")
    title = f"{document['rung']}: {status}. At epoch {document['epoch']}, evaluated: {parts}."
    figure.suptitle(textwrap.fill(title, _LETTERS), x=0.01, ha="left", fontsize=11)
    return figure


def confusion_figure(document: Mapping[str, Any]) -> Figure:
    """Counts of test calls: a row per true species, a column per species that was said."""
    counts = np.array(document["confusion"])
    size = 2.4 + 0.3 * len(counts)
    figure = _blank((size + 1.2, size + 0.4))
    panel = figure.add_subplot()
    panel.imshow(counts, cmap="Blues", vmin=0, vmax=max(1, counts.max()))
    for row, column in zip(*np.nonzero(counts), strict=True):
        shade = "white" if counts[row, column] > 0.6 * counts.max() else "black"
        panel.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=8, color=shade)
    places = range(len(counts))
    panel.set_xticks(places, document["species"], rotation=90, fontsize=8)
    panel.set_yticks(places, document["species"], fontsize=8)
    panel.set_xlabel("said")
    panel.set_ylabel("true")
    panel.set_title(f"{document['rung']}, {counts.sum()} test calls", fontsize=11)
    return figure


def _draw(
    panel: Axes, train: Sequence[float] | None, validation: Sequence[float] | None, name: str, *, chance: float
) -> None:
    for values, style, colour, label in (
        (train, "o", TRAINING, f"training {name}"),
        (validation, "-", VALIDATION, f"validation {name}"),
    ):
        if values is not None:
            panel.plot(range(1, len(values) + 1), values, style, color=colour, ms=5, label=label)
    panel.axhline(chance, color="0.45", lw=0.9, ls=":", label="chance")
    panel.set_title(f"Training and validation {name}")
    panel.set_xlabel("epoch")
    panel.set_ylabel("cross-entropy (nats)" if name == "loss" else name)
    panel.grid(alpha=0.25)
    panel.legend()


def _blank(size: tuple[float, float]) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _write(make: Any, paths: Sequence[Path]) -> None:
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        figure = make()
        for path in paths:
            dateless = {"Date": None} if path.suffix == ".svg" else None
            figure.savefig(path, dpi=_RESOLUTION, metadata=dateless)
