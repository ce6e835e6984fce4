"""The MLflow view of a study: study → rung → fit, nested. The only owner of mlflow.

MLflow shows what the fit store holds, and nothing depends on it: a fit whose curve could not be streamed is completed
from the store. A rerun finds the runs of its study by tag and goes on under the same run ids.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rfcx_lab.errors import LabError, hide_password
from rfcx_lab.lab.tracking_store import (
    Rested,
    answering,
    artifact_folder,
    check_unlocked,
    ready_store,
    stops_waiting,
)
from rfcx_lab.verdict.curves import Curves

_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}  # of its own it has minutes
for _name, _value in {"MLFLOW_DISABLE_TELEMETRY": "true", **_PATIENCE}.items():
    os.environ.setdefault(_name, _value)

_METRICS = {
    "loss/train": "train_loss",
    "loss/val": "val_loss",
    "accuracy/train": "train_accuracy",
    "accuracy/val": "val_accuracy",
}
_BATCH = 900  # metrics per call; the server takes 1000
_PARAM_LENGTH = 500


class Tracker:
    """The runs of one study. Opened by the driver, before any worker starts: a fresh SQLite store is made here."""

    def __init__(self, *, uri: str, experiment: str, study_key: str) -> None:
        """Connect to `uri` and find what an earlier run of the same study has left.

        Raises:
            LabError: the store can't be opened.
        """
        self._uri, self._study_key = uri, study_key
        with answering(uri), ready_store(uri, fill=lambda beside: open_client(beside).search_experiments()):
            self._client = Rested(open_client(uri))
            self._experiment = self._find_or_create_experiment(uri, experiment)
            self._opened: set[str] = set()  # nodes
            self.refresh()

    def refresh(self) -> None:
        """Find the study's runs anew, as others open some; of one that a broken call has made twice, keep one."""
        self._client.rouse()
        runs: dict[str, Any] = {}
        for run in sorted(self._search(), key=lambda run: (-len(run.data.metrics), run.info.start_time)):
            if runs.setdefault(run.data.tags["node"], run) is not run:
                self._client.delete_run(run.info.run_id)
        self._runs = runs

    def open_run(self, node: str, *, name: str, parent: str | None = None, tags: Mapping[str, Any]) -> str:
        """The id of the study's run `node`, created if it is not there yet."""
        self._opened.add(node)
        if node not in self._runs:
            check_unlocked(self._uri)
            every = {**tags, "node": node, "study_key": self._study_key}
            if parent is not None:
                every["mlflow.parentRunId"] = parent
            every = {key: str(value) for key, value in every.items()}
            self._runs[node] = self._client.create_run(self._experiment, tags=every, run_name=name)
        return str(self._runs[node].info.run_id)

    def finish(
        self,
        node: str,
        *,
        status: str | None = "FINISHED",
        metrics: Mapping[str, float | None],
        tags: Mapping[str, Any],
        curves: Curves | None = None,
    ) -> None:
        """Put on a run what of this does not stand there yet (None is left out), and end it; with no status, don't."""
        run = self._runs[node]
        run_id, there = run.info.run_id, run.data
        new_metrics = {k: float(v) for k, v in metrics.items() if v is not None and there.metrics.get(k) != v}
        new_tags = {k: str(v) for k, v in tags.items() if there.tags.get(k) != str(v)}
        if status in (run.info.status, None) and not new_metrics and not new_tags:
            return
        check_unlocked(self._uri)
        if curves is not None:
            self._complete_curves(run_id, curves)
        self._log(run_id, metrics=new_metrics, tags=new_tags)
        if status is not None:
            self._client.set_terminated(run_id, status)
        self._runs[node] = self._client.get_run(run_id)

    def abandon(self, status: str, *, keep: str | None = None) -> None:
        """Mark every open run as FAILED or KILLED; if other drivers go on, own ones but the `keep` they share."""
        check_unlocked(self._uri)
        for run in self._search():
            theirs = keep is not None and run.data.tags["node"] not in self._opened - {keep}
            if run.info.status == "RUNNING" and not theirs:
                self._client.set_terminated(run.info.run_id, status)

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Log parameters; those that stand there already stay (a study's never change: its key holds them)."""
        from mlflow.entities import Param

        there = self._client.get_run(run_id).data.params
        new = [Param(k, hide_password(str(v))[:_PARAM_LENGTH]) for k, v in params.items() if k not in there]
        for start in range(0, len(new), 100):
            self._client.log_batch(run_id, params=new[start : start + 100])

    def log_dataset(self, run_id: str, *, name: str, fingerprint: str, source: str) -> None:
        """Name the data a run was fed with."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(name=name, digest=fingerprint, source_type="local", source=source)
        self._client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])

    def link(self, run_id: str) -> str:
        """Where the MLflow UI shows a run; where the store is no server, the UI that `make ui` opens."""
        server = self._uri if self._uri.startswith("http") else "http://127.0.0.1:5000"
        return f"{server.rstrip('/')}/#/experiments/{self._experiment}/runs/{run_id}"

    def log_files(self, run_id: str, paths: Sequence[Path], *, folder: str | None = None) -> None:
        """Keep files as artifacts of a run."""
        for path in paths:
            self._client.log_artifact(run_id, str(path), folder)

    def _complete_curves(self, run_id: str, curves: Curves) -> None:
        """Log the epochs that were not streamed."""
        logged = _logged_steps(self._client, run_id)
        steps = [n for n in range(1, curves.epochs + 1) if n not in logged]
        metrics = [metric for n in steps for metric in _epoch_metrics(n, curves)]
        for start in range(0, len(metrics), _BATCH):
            self._client.log_batch(run_id, metrics=metrics[start : start + _BATCH])

    def _log(self, run_id: str, *, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        from mlflow.entities import Metric, RunTag

        now = _now()
        self._client.log_batch(
            run_id,
            metrics=[Metric(key, value, now, 0) for key, value in metrics.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )

    def _find_or_create_experiment(self, uri: str, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            if found.lifecycle_stage != "active":
                raise LabError(
                    f"The MLflow experiment {name} was deleted: bring it back there, or set tracking.experiment to "
                    "another name."
                )
            return str(found.experiment_id)
        try:
            return str(self._client.create_experiment(name, artifact_location=artifact_folder(uri, name)))
        except Exception:
            made = self._client.get_experiment_by_name(name)  # by another driver, just now
            if made is None:
                raise
            return str(made.experiment_id)

    def _search(self) -> list[Any]:
        runs, token = [], None
        while True:
            page = self._client.search_runs(
                [self._experiment], f"tags.study_key = '{self._study_key}'", page_token=token
            )
            runs.extend(page)
            token = page.token
            if not token:
                return runs


class CurveStream:
    """Sends a fit's epochs to its run while it trains. Lives in the worker.

    A store that does not answer ends the stream, not the fit: the driver completes the curve afterwards.
    """

    def __init__(self, *, uri: str, run_id: str) -> None:
        """Connect; epochs that an earlier, interrupted try has logged are not logged twice.

        An empty `run_id` is that of a run which could not be opened.
        """
        self._uri, self._run_id = uri, run_id
        self._alive = bool(run_id)
        self._logged: set[int] = set()
        if self._alive:
            self._guarded(self._connect)

    def __call__(self, number: int, epoch: Any) -> None:
        """Log epoch `number` (from 1)."""
        from mlflow.entities import Metric

        if number in self._logged or not self._alive:
            return
        now = _now()
        metrics = [Metric(key, getattr(epoch, field), now, number) for key, field in _METRICS.items()]
        self._guarded(lambda: self._client.log_batch(self._run_id, metrics=metrics))

    def _connect(self) -> None:
        check_unlocked(self._uri)
        self._client = open_client(self._uri)
        self._logged |= _logged_steps(self._client, self._run_id)

    def _guarded(self, call: Any) -> None:
        try:
            with stops_waiting():
                call()
        except Exception:  # whatever the store's trouble is, it must not cost the fit
            self._alive = False


def _epoch_metrics(number: int, curves: Curves) -> list[Any]:
    from mlflow.entities import Metric

    now, every = _now(), {key: getattr(curves, field) for key, field in _METRICS.items()}
    return [Metric(key, values[number - 1], now, number) for key, values in every.items() if values is not None]


def start_mlflow() -> None:
    """Import MLflow, which takes a second."""
    import mlflow  # noqa: F401


def _logged_steps(client: Any, run_id: str) -> set[int]:
    return {metric.step for metric in client.get_metric_history(run_id, "loss/val")}


def open_client(uri: str) -> Any:
    """MLflow's client of a store, and MLflow kept from telling its troubles in its own words."""
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic", "urllib3"):  # after the import, which sets its own levels
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is told in a sentence
    return MlflowClient(tracking_uri=uri)


def _now() -> int:
    return int(time.time() * 1000)
