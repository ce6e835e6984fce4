"""A study's description in MLflow, with its figure as wide as the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rfcx_lab.report.commands import Next
from rfcx_lab.report.notes import narrow, study_note
from rfcx_lab.tracking.tracker import Tracker, artifact_address

_FIGURE = "description.svg"


def describe(tracker: Tracker, run: str, answer: str, *, files: Sequence[Path], following: Next | None) -> str:
    """The answer, what to run next, and the figure and the page among `files`, which are artifacts of `run`."""
    figure = next((path for path in files if path.suffix == ".svg"), None)
    report = next((path for path in files if path.suffix == ".html"), None)
    if figure is not None:
        tracker.log_text(run, _FIGURE, narrow(figure.read_text(encoding="utf-8")))
    return study_note(
        answer,
        figure=artifact_address(run, _FIGURE) if figure else None,
        report=artifact_address(run, report.name) if report else None,
        following=following,
    )
