"""What the Optuna dashboard shows: the frontier, the answer, and what each trial is, has come to, and where it is."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna

from rfcx_lab.report.frontier_plot import frontier_plot
from rfcx_lab.report.notes import set_out
from rfcx_lab.search.artifacts import keep_artifact
from rfcx_lab.search.database import address, is_server

CURVES = "curves.svg"  # of a trial
_VALUE = "lowest validation loss (nats)"
_OTHER_IMPORTANCE = (
    "The graph *Hyperparameter Importance* says what the lowest validation loss depends on, and not, as the answer "
    "does, how far a model overfits: the two may differ."
)
_FRONTIER = "frontier"  # its graph, which a later run replaces


def name_value(study: optuna.Study) -> None:
    """Have the axes of a study's graphs name what its trials are compared by."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if study.metric_names != [_VALUE]:
            study.set_metric_names([_VALUE])


def note_trial(trial: optuna.Trial, name: str, *, standing: str, run: str | None, link: str | None) -> None:
    """Have a trial tell its architecture, how it stands, and where in MLflow its fits are: `run` is the run's id."""
    from optuna_dashboard import get_note, save_note

    place = f"\n\n[Its fits in MLflow]({link}): run *{name}*, `{run}`" if link else ""
    note = f"**{name}**\n\n{standing}{place}"
    if get_note(trial) != note:
        save_note(trial, note)


def show_curves(trial: optuna.Trial, drawing: str, *, folder: Path) -> None:
    """Have a trial that is not told yet show its fits' curves, an SVG."""
    keep_artifact(trial, CURVES, drawing.encode(), folder=folder)


def show_frontier(
    study: optuna.Study, document: Mapping[str, Any], *, figures: Sequence[Path] = (), folder: Path
) -> None:
    """Have a study show the answer of a `frontier.json` with `figures` below it, and its graph among the others."""
    from optuna_dashboard import get_note, save_note, save_plotly_graph_object
    from optuna_dashboard.artifact import get_artifact_path

    pictures = []
    for figure in figures:
        identity = keep_artifact(study, figure.name, figure.read_bytes(), folder=folder)
        pictures.append(f"![{figure.stem}]({get_artifact_path(study, identity)})")  # no page lists a study's artifacts
    apart = [_OTHER_IMPORTANCE] if len(document.get("importance", {})) > 1 else []
    note = "\n\n".join([*set_out(document["answer"]), *apart, *pictures])
    if get_note(study) != note:
        save_note(study, note)
    save_plotly_graph_object(study, frontier_plot(document), graph_object_id=_FRONTIER)


def make_app(storage: str, folder: Path) -> Callable[..., Any]:
    """The dashboard as a WSGI application, with the artifacts in `folder`.

    Raises:
        Exception: the storage can't be read; each kind raises its own.
    """
    from optuna.artifacts import FileSystemArtifactStore
    from optuna_dashboard import wsgi
    from optuna_dashboard._storage_url import get_storage

    opened = get_storage(address(storage) if is_server(storage) else storage)
    opened.get_all_studies()
    app: Callable[..., Any] = wsgi(opened, artifact_store=FileSystemArtifactStore(folder))
    return app
