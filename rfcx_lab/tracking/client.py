"""MLflow's client, started quietly and without telemetry, and the metrics of an epoch."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from rfcx_lab.verdict.curves import Curves

_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}  # of its own it has minutes
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
for _name, _value in {**_QUIET, **_PATIENCE}.items():
    os.environ.setdefault(_name, _value)

METRICS = {
    "loss/train": "train_loss",
    "loss/val": "val_loss",
    "accuracy/train": "train_accuracy",
    "accuracy/val": "val_accuracy",
}


def start_mlflow() -> None:
    """Import MLflow, which takes a second."""
    import mlflow  # noqa: F401


def open_client(uri: str) -> Any:
    """MLflow's client of a store, and MLflow kept from telling its troubles in its own words."""
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic", "urllib3"):  # after the import, which sets its own levels
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is told in a sentence
    return MlflowClient(tracking_uri=uri)


def epoch_metrics(number: int, curves: Curves) -> list[Any]:
    """What was measured at the end of epoch `number`, from 1."""
    from mlflow.entities import Metric

    at, every = now(), {key: getattr(curves, field) for key, field in METRICS.items()}
    return [Metric(key, values[number - 1], at, number) for key, values in every.items() if values is not None]


def logged_steps(client: Any, run_id: str) -> set[int]:
    """Epochs of which a run has the metrics."""
    return {metric.step for metric in client.get_metric_history(run_id, "loss/val")}


def write_text(artifacts: str, name: str, *, text: str, uri: str) -> None:
    """Keep a text as the file `name` of a run whose `artifacts` are there, at a URI that the store `uri` has given it.

    As `MlflowClient.log_text` does, which reads the whole run anew in order to know where.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from mlflow.utils.uri import add_databricks_profile_info_to_artifact_uri

    place = add_databricks_profile_info_to_artifact_uri(artifacts, uri)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8")
        get_artifact_repository(place, tracking_uri=uri).log_artifact(str(path))


def now() -> int:
    """Milliseconds, as MLflow counts time."""
    return int(time.time() * 1000)
