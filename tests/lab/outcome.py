"""What a toy study leaves, for tests to look at: its document, and its runs in MLflow."""

from __future__ import annotations

from collections import Counter

from mlflow import MlflowClient
from mlflow.entities import Run

METRICS = ("loss/train", "loss/val", "accuracy/train", "accuracy/val")
RUNGS = ["LSTM 8", "LSTM 32", "+ Dense 48"]


def runs_of(uri: str, experiment: str = "smoke") -> list[Run]:
    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    return list(client.search_runs([found.experiment_id], max_results=1000))


def by_level(runs: list[Run], level: str) -> list[Run]:
    return [run for run in runs if run.data.tags["level"] == level]


def assert_view_is_whole(
    uri: str, *, repeats: int, epochs: int, rungs: int = len(RUNGS), experiment: str = "smoke"
) -> None:
    """Every run once and ended; every epoch of every fit once, and its picture; the data named once."""
    runs, client = runs_of(uri, experiment), MlflowClient(tracking_uri=uri)
    counts = {"study": 1, "rung": rungs, "fit": repeats * rungs}
    assert Counter(run.data.tags["level"] for run in runs) == counts
    assert len({run.data.tags["node"] for run in runs}) == len(runs)
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in by_level(runs, "fit"):
        for key in METRICS:
            steps = sorted(metric.step for metric in client.get_metric_history(run.info.run_id, key))
            assert steps == list(range(1, epochs + 1)), (run.info.run_name, key)
        assert len(client.get_metric_history(run.info.run_id, "best_epoch")) == 1
        assert [file.path for file in client.list_artifacts(run.info.run_id) if file.file_size] == ["curves.svg"]
    [study] = by_level(runs, "study")
    assert len(study.inputs.dataset_inputs) == 1


def assert_one_model_is_registered(uri: str, experiment: str = "smoke") -> None:
    """Once, whole, recommended, and shown once on the study and on the fit it is of."""
    client = MlflowClient(tracking_uri=uri)
    name = f"rfcx_lab-{experiment}"
    [version] = client.search_model_versions(f"name = '{name}'")
    assert client.get_model_version_by_alias(name, "recommended").version == version.version
    found = client.get_experiment_by_name(experiment)
    [logged] = client.search_logged_models([found.experiment_id])
    assert (logged.status, logged.model_id) == ("READY", version.tags["model_id"])
    shown = [run for run in runs_of(uri, experiment) if client.get_run(run.info.run_id).outputs.model_outputs]
    assert Counter(run.data.tags["level"] for run in shown) == {"study": 1, "fit": 1}
    for run in shown:
        [output] = client.get_run(run.info.run_id).outputs.model_outputs
        assert output.model_id == logged.model_id


def without_root(document: dict) -> dict:
    return {**document, "data": {**document["data"], "root": None}}
