"""Logged fits, a panel per group: every training and validation curve, and where overfitting begins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rfcx_lab.errors import LabError, reason
from rfcx_lab.report.figure import ONSET, RESOLUTION, STYLE, TRAINING, VALIDATION, show_end
from rfcx_lab.verdict.groups import GroupVerdict, JudgedLog

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Group = tuple[GroupVerdict, Sequence[JudgedLog]]

_COLUMNS = 3
_PANEL = (3.5, 2.7)  # inches
_NARROWEST = 5.2


def draw_fits(groups: Sequence[Group], *, path: Path) -> None:
    """Write `fits_figure` to `path`, in the format its ending names.

    Raises:
        LabError: the file can't be written, or matplotlib knows no such format.
    """
    import matplotlib

    try:
        with matplotlib.rc_context(STYLE):  # ticks are made while it is written
            fits_figure(groups).savefig(path, dpi=RESOLUTION)
    except (OSError, ValueError) as error:
        raise LabError(
            f"{path} can't be written ({reason(error)}); name a .png, .svg or .pdf on which you may."
        ) from error


def fits_figure(groups: Sequence[Group]) -> Figure:
    """One panel per group. A dot marks a fit's own onset, a line their median, a band its 95 % interval."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        return _lay_out(groups)


def _lay_out(groups: Sequence[Group]) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(groups))
    rows = math.ceil(len(groups) / columns)
    width = max(columns * _PANEL[0], _NARROWEST)
    figure = Figure(figsize=(width, rows * _PANEL[1] + 0.9), layout="constrained")
    FigureCanvasAgg(figure)
    entries: dict[Any, Any] = {}
    for i, (group, logs) in enumerate(groups):
        panel = figure.add_subplot(rows, columns, i + 1)
        _draw_group(panel, group, logs)
        handles, labels = panel.get_legend_handles_labels()
        entries.update(zip(labels, handles, strict=True))
    figure.legend(
        list(entries.values()), list(entries), loc="outside lower center", ncols=3 if columns > 1 else 2, frameon=False
    )
    return figure


def _draw_group(panel: Axes, group: GroupVerdict, logs: Sequence[JudgedLog]) -> None:
    many = len(logs) > 1
    look: dict[str, Any] = {"lw": 1.0 if many else 2.0, "alpha": max(0.25, 0.8 / len(logs) ** 0.3) if many else 1.0}
    for log in logs:
        fit, onset = log.fit, log.verdict.onset_epoch
        mark = "o" if len(fit.epochs) == 1 else ""  # one epoch makes no line
        panel.plot(fit.epochs, fit.train, "--", marker=mark, color=TRAINING, label="training", **look)
        panel.plot(fit.epochs, fit.val, "-", marker=mark, color=VALIDATION, label="validation", **look)
        if onset is not None:
            height = fit.val[fit.epochs.index(onset)]
            panel.plot([onset], [height], "o", color=ONSET, ms=5, label="onset of a fit", zorder=3)
    if group.onset_epoch is not None:
        point, low, high = group.onset_epoch
        panel.axvline(point, color=ONSET, lw=1.3, ls="-.", label="onset (median)")
        if low is not None:  # a missing upper end lies beyond the last epoch
            end = high if high is not None else max(log.fit.epochs[-1] for log in logs)
            panel.axvspan(low, end, color=ONSET, alpha=0.12, lw=0, label="its 95 % interval")
    panel.set_title(f"{group.name}\n{_note(group, logs)}")
    panel.set_xlabel("epoch")
    panel.set_ylabel(f"{logs[0].fit.val_name} (as logged)")
    panel.grid(alpha=0.25)
    _limit(panel, logs)


def _note(group: GroupVerdict, logs: Sequence[JudgedLog]) -> str:
    if len(logs) == 1:
        verdict = logs[0].verdict
        onset = f", onset at epoch {verdict.onset_epoch}" if verdict.onset_epoch is not None else ""
        return verdict.status.replace("_", " ") + onset
    overfit = f"{group.statuses.get('overfit', 0)} of {group.fits} overfit"
    if group.onset_epoch is None:
        return overfit
    point, low, high = group.onset_epoch
    spread = "" if low is None and high is None else f" [{show_end(low)}, {show_end(high)}]"
    return f"{overfit}, median onset {point:g}{spread}"


def _limit(panel: Axes, logs: Sequence[JudgedLog]) -> None:
    """Keep one spike from flattening the panel: 99 % of the values are sure to be shown."""
    values = np.array([value for log in logs for value in (*log.fit.train, *log.fit.val)])
    finite = values[np.isfinite(values)]
    if finite.size:
        low, high = (float(q) for q in np.quantile(finite, (0.005, 0.995)))
        reach = 0.08 * (high - low)
        if reach > 0:
            panel.set_ylim(max(low - 2 * reach, finite.min() - reach), min(high + 2 * reach, finite.max() + reach))
