"""Anyone's MLflow runs, read as training logs: a run, the runs below it, or an experiment's."""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rfcx_lab.errors import LabError, hide_password, reason
from rfcx_lab.tracking.client import open_client
from rfcx_lab.verdict.columns import AmbiguousError, choose_columns, is_epoch
from rfcx_lab.verdict.logs import LogTable

_SQLITE = "sqlite:///"
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_PAGE = 1000  # runs per call
_HUGE = 1.7e308  # MLflow's database keeps an infinite value as the largest finite one
_PARENT = "mlflow.parentRunId"
_TWICE = "validation_"
_Names = tuple[str | None, str | None]  # the training and the validation metric, where they are told


@dataclass(frozen=True)
class TrackedRun:
    """A run's curves as a log, and what it is called by."""

    table: LogTable
    labels: Mapping[str, str]  # parameters and tags


@dataclass(frozen=True)
class TrackedRuns:
    """The runs that a name stands for. Those without both metrics are left out and told in `notes`."""

    name: str
    runs: Sequence[TrackedRun]
    notes: tuple[str, ...]


def read_runs(reference: str, *, uri: str, train: str | None = None, val: str | None = None) -> TrackedRuns:
    """Read the run with the id `reference`, those nested below it where it has no curves, or an experiment's runs.

    An experiment is named by its name or id; its deleted runs don't count. Of values logged for the same step the one
    with the latest timestamp counts. An epoch is a step, unless the run logs a metric `epoch` beside the two.

    Raises:
        LabError: the store can't be read, there is no such run or experiment, it has no run with both metrics, or they
            can't be told.
    """
    told = (train, val)
    with _reading(uri):
        client = open_client(uri)
        name, found, single = _find(client, reference, uri, told)
        runs = [_read_run(client, run, told) for run in found if single or _has_both(run, told)]
    if not runs:
        wanted = " and ".join(metric for metric in told if metric) or "a training and a validation loss"
        raise LabError(
            f"MLflow: none of the {len(found)} runs of {name} has both metrics ({wanted}): name them with --train and "
            "--val."
        )
    left_out = len(found) - len(runs)
    notes = (f"{left_out} of {len(found)} runs have not both metrics and are left out.",) if left_out else ()
    return TrackedRuns(name, runs, notes)


@contextmanager
def _reading(uri: str) -> Iterator[None]:
    """Say in a sentence what MLflow, its database or its server raise. An SQLite file is not made, nor made a store."""
    try:
        if uri.startswith(_SQLITE):
            path = Path(uri.removeprefix(_SQLITE))
            if not path.is_file():
                raise LabError(f"MLflow: {path} does not exist; name the store with --tracking-uri.")
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
                database.execute("SELECT 1 FROM runs")
        yield
    except LabError:
        raise
    except Exception as error:
        why = f"{hide_password(uri)} can't be read ({reason(error)})"
        raise LabError(f"MLflow: {why}; name the store with --tracking-uri.") from error


def _find(client: Any, reference: str, uri: str, told: _Names) -> tuple[str, list[Any], bool]:
    """The name, the runs, and whether it is a single run that was asked for."""
    if _RUN_ID.fullmatch(reference):
        run = _or_none(lambda: client.get_run(reference))
        if run is not None:
            _check_active(run.info.lifecycle_stage, f"run {reference}")
            below = [] if _has_both(run, told) else _search_below(client, run)
            return run.info.run_name or reference, below or [run], not below
    experiment = client.get_experiment_by_name(reference)
    if experiment is None and reference.isdecimal():
        experiment = _or_none(lambda: client.get_experiment(reference))
    if experiment is None:
        names = [known.name for known in client.search_experiments()]
        near = get_close_matches(reference, names, n=1)
        hint = f"nearest: {near[0]}" if near else f"experiments there: {', '.join(names[:10]) or 'none'}"
        raise LabError(f"MLflow: {uri} has no run and no experiment {reference} ({hint}).")
    _check_active(experiment.lifecycle_stage, f"the experiment {reference}")
    return experiment.name, _search(client, experiment.experiment_id), False


def _check_active(stage: str, what: str) -> None:
    if stage != "active":
        raise LabError(f"MLflow: {what} was deleted; bring it back there, or name another.")


def _or_none(get: Callable[[], Any]) -> Any:
    """What `get` gives; None where MLflow knows no such thing."""
    try:
        return get()
    except Exception as error:
        if getattr(error, "error_code", "") != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _search(client: Any, experiment: str, query: str = "") -> list[Any]:
    runs, token = [], None
    while True:
        page = client.search_runs(
            [experiment], query, max_results=_PAGE, page_token=token, order_by=["attributes.start_time ASC"]
        )
        runs.extend(page)
        token = page.token
        if not token:
            return runs


def _search_below(client: Any, run: Any) -> list[Any]:
    """Every run nested below one, at any depth."""
    children = _search(client, run.info.experiment_id, f"tags.`{_PARENT}` = '{run.info.run_id}'")
    return [each for child in children for each in (child, *_search_below(client, child))]


def _has_both(run: Any, told: _Names) -> bool:
    try:
        choose_columns(list(run.data.metrics), source="", train=told[0], val=told[1])
    except AmbiguousError:
        return True
    except LabError:
        return False
    return True


def _read_run(client: Any, run: Any, told: _Names) -> TrackedRun:
    """A run's two curves, by step."""
    run_id = run.info.run_id
    notes: list[str] = []
    metrics = [name for name in run.data.metrics if not _is_autologged_twice(client, run, name)]
    source = f"{run.info.run_name} ({run_id})"
    names = choose_columns(metrics, source=f"MLflow: run {source}", train=told[0], val=told[1])
    train, val = (_by_step(client, run_id, name, notes) for name in names)
    steps = sorted({*train, *val})
    numbered_by = next((name for name in metrics if is_epoch(name)), None)
    numbers = {} if numbered_by is None else _by_step(client, run_id, numbered_by, [])
    if not all(step in numbers for step in steps):
        numbers = {step: float(step) for step in steps}
    if run.info.status != "FINISHED":
        notes.append(f"MLflow calls the run {run.info.status.lower()}: the curves may not be all.")
    columns: dict[str, Sequence[Any]] = {
        "epoch": [numbers[step] for step in steps],
        names[0]: [train.get(step) for step in steps],
        names[1]: [val.get(step) for step in steps],
    }
    table = LogTable(source, columns, [f"step {step}" for step in steps], named=names, notes=tuple(notes))
    return TrackedRun(table, {**run.data.params, **run.data.tags})


def _is_autologged_twice(client: Any, run: Any, name: str) -> bool:
    """Whether `name` is what MLflow's Keras autologging adds to `val_…`: every epoch's value, all at step 0."""
    if not name.startswith(_TWICE) or f"val_{name.removeprefix(_TWICE)}" not in run.data.metrics:
        return False
    return {metric.step for metric in client.get_metric_history(run.info.run_id, name)} == {0}


def _by_step(client: Any, run_id: str, name: str, notes: list[str]) -> dict[int, float]:
    """The last value by timestamp of every step. The client turns the pages."""
    history = sorted(client.get_metric_history(run_id, name), key=lambda metric: metric.timestamp)
    values = {metric.step: _finite_or_infinite(metric.value) for metric in history}
    if len(values) < len(history):
        again = len(history) - len(values)
        notes.append(f"{name} was logged more than once per step, {again} values too many: the latest counts.")
    return values


def _finite_or_infinite(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) > _HUGE else value
