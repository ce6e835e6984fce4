"""The MLflow view of a study: study → rung → fit, nested.

MLflow shows what the fit store holds, and nothing depends on it: a fit whose curve could not be streamed is completed
from the store. A rerun finds the runs of its study by tag and goes on under the same run ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rfcx_lab.errors import LabError, hide_password
from rfcx_lab.report.notes import experiment_note
from rfcx_lab.tracking.client import epoch_metrics, logged_steps, now, open_client, write_text
from rfcx_lab.tracking.models import ModelCard, register_model
from rfcx_lab.tracking.shown import Shown
from rfcx_lab.tracking.store import (
    Rested,
    answering,
    artifact_folder,
    check_unlocked,
    ready_store,
)
from rfcx_lab.tracking.tables import PAGES, saved_views, table_addresses
from rfcx_lab.verdict.curves import Curves

_BATCH = 900  # metrics per call; the server takes 1000
NOTE = "mlflow.note.content"  # a description in Markdown
_NOTE_WRITTEN = "rfcx_lab.note"  # of an experiment's description: which one was written here
EXPERIMENT = {"mlflow.experimentKind": "custom_model_development"}  # or the UI shows pages made for language models
_SOURCE = {"mlflow.source.name": "rfcx_lab", "mlflow.source.type": "LOCAL"}
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
        runs: dict[str, Shown] = {}
        for run in sorted(self._search(), key=lambda run: (-len(run.data.metrics), run.info.start_time)):
            if run.data.tags["node"] in runs:
                self._client.delete_run(run.info.run_id)
            else:
                runs[run.data.tags["node"]] = Shown.of(run)
        self._runs = runs

    def open_run(
        self, node: str, *, name: str, parent: str | None = None, tags: Mapping[str, Any], place: int = 0
    ) -> str:
        """The id of the study's run `node`, created if it is not there yet.

        The UI lists the latest first: of runs opened in one go, a higher `place` stands further down.
        """
        self._opened.add(node)
        if node not in self._runs:
            check_unlocked(self._uri)
            every = {**_SOURCE, **tags, "node": node, "study_key": self._study_key}
            if parent is not None:
                every["mlflow.parentRunId"] = parent
            every = {key: str(value) for key, value in every.items()}
            begun = now() - 1000 * place
            self._runs[node] = Shown.of(
                self._client.create_run(self._experiment, start_time=begun, tags=every, run_name=name)
            )
        return self._runs[node].run_id

    def finish(
        self,
        node: str,
        *,
        status: str | None = "FINISHED",
        metrics: Mapping[str, float | None],
        tags: Mapping[str, Any],
        params: Mapping[str, Any] | None = None,
        curves: Curves | None = None,
        texts: Mapping[str, str] | None = None,
    ) -> None:
        """Put on a run what of this does not stand there yet (None is left out), and end it; with no status, don't.

        `texts` are files by name; they are written where anything else is.
        """
        there = self._runs[node]
        new_params = {k: str(v) for k, v in (params or {}).items() if k not in there.params}
        new_metrics = {k: float(v) for k, v in metrics.items() if v is not None and there.metrics.get(k) != v}
        new_tags = {k: str(v) for k, v in tags.items() if there.tags.get(k) != str(v)}
        ends = status not in (there.status, None)  # once, or it would seem to have run until now
        if not (ends or new_metrics or new_tags or new_params):
            return
        check_unlocked(self._uri)
        if curves is not None:
            self._complete_curves(there.run_id, curves)
        for name, text in (texts or {}).items():
            self._client.attempt(write_text, there.artifacts, name, text=text, uri=self._uri)
        self._log(there.run_id, metrics=new_metrics, tags=new_tags, params=new_params)
        if ends:
            self._client.set_terminated(there.run_id, status)
        self._runs[node] = replace(
            there,
            status=status or there.status,
            metrics={**there.metrics, **new_metrics},
            tags={**there.tags, **new_tags},
            params={**there.params, **new_params},
        )

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

    def describe_experiment(self, note: str) -> None:
        """Give the experiment a description that begins with `note`, its latest study's, and tables to open.

        A description that a person has written stays.
        """
        check_unlocked(self._uri)
        there = self._client.get_experiment(self._experiment).tags
        tags = EXPERIMENT | saved_views(there, now=now())
        if NOTE not in there or there.get(_NOTE_WRITTEN) == _digest(there[NOTE]):
            text = experiment_note(note, tables=table_addresses(self._experiment))
            tags |= {NOTE: text, _NOTE_WRITTEN: _digest(text)}
        for key, value in tags.items():
            if there.get(key) != value:
                self._client.set_experiment_tag(self._experiment, key, value)

    def register(self, model: ModelCard, *, node: str, fit_node: str) -> None:
        """Make a fit's model the recommended version of its name, shown on its own run and on the run `node`."""
        check_unlocked(self._uri)
        runs = [self._runs[each].run_id for each in (fit_node, node)]
        register_model(self._client, model, experiment=self._experiment, runs=runs)

    def link(self, run_id: str) -> str:
        """Where the MLflow UI shows a run; where the store is no server, the UI that `make ui` opens."""
        server = self._uri if self._uri.startswith("http") else "http://127.0.0.1:5000"
        return f"{server.rstrip('/')}/#/experiments/{self._experiment}/runs/{run_id}?{PAGES}"

    def log_files(self, run_id: str, paths: Sequence[Path], *, folder: str | None = None) -> None:
        """Keep files as artifacts of a run."""
        for path in paths:
            self._client.log_artifact(run_id, str(path), folder)

    def log_text(self, run_id: str, name: str, text: str) -> None:
        """Keep a text as the artifact `name` of a run."""
        self._client.log_text(run_id, text, name)

    def _complete_curves(self, run_id: str, curves: Curves) -> None:
        """Log the epochs that were not streamed."""
        logged = logged_steps(self._client, run_id)
        steps = [n for n in range(1, curves.epochs + 1) if n not in logged]
        metrics = [metric for n in steps for metric in epoch_metrics(n, curves)]
        for start in range(0, len(metrics), _BATCH):
            self._client.log_batch(run_id, metrics=metrics[start : start + _BATCH])

    def _log(
        self, run_id: str, *, metrics: Mapping[str, float], tags: Mapping[str, str], params: Mapping[str, str]
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        at = now()
        self._client.log_batch(
            run_id,
            metrics=[Metric(key, value, at, 0) for key, value in metrics.items()],
            params=[Param(key, value) for key, value in params.items()],
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
            place = artifact_folder(uri, name)
            return str(self._client.create_experiment(name, artifact_location=place, tags=EXPERIMENT))
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


def artifact_address(run_id: str, path: str) -> str:
    """Where a page of the UI finds an artifact of a run."""
    return f"get-artifact?path={quote(path)}&run_uuid={run_id}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
