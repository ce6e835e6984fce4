"""What optuna-dashboard shows beside the trials: the frontier, the answer, and where each trial's fits are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna

from rfcx_lab.report.frontier_plot import frontier_plot

_FRONTIER = "frontier"  # its graph, which a later run replaces


def note_trial(trial: optuna.Trial, name: str, *, link: str) -> None:
    """Have a trial tell its architecture, and link to its run in MLflow."""
    from optuna_dashboard import save_note

    save_note(trial, f"{name}\n\n[Its fits in MLflow]({link})")


def show_frontier(study: optuna.Study, document: Mapping[str, Any]) -> None:
    """Have a study show the figure and the answer of a `frontier.json`."""
    from optuna_dashboard import save_note, save_plotly_graph_object

    save_note(study, str(document["answer"]))
    save_plotly_graph_object(study, frontier_plot(document), graph_object_id=_FRONTIER)
