"""Reading MLflow runs from a real SQLite store, written by MLflow's own client."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.tracking import runs as tracking_runs
from rfcx_lab.tracking.client import open_client
from rfcx_lab.tracking.runs import read_runs
from rfcx_lab.verdict.__main__ import main
from rfcx_lab.verdict.epochs import read_fit
from tests.verdict.synthetic import Truth

RISING, FLAT = Truth(rise=0.3, epochs=40), Truth(rise=0.0, epochs=40)
Points = Sequence[tuple[int, int, float]]  # timestamp, step, value


class Store:
    """A store in a file, with a shorthand for what a user's training writes."""

    def __init__(self, folder: Path) -> None:
        self.uri = f"sqlite:///{folder}/mlflow.db"
        self.client = open_client(self.uri)
        self._names = iter(f"experiment {i}" for i in range(99))

    def experiment(self) -> tuple[str, str]:
        name = next(self._names)
        return name, self.client.create_experiment(name)

    def run(
        self,
        experiment: str,
        metrics: Mapping[str, Points],
        *,
        status: str = "FINISHED",
        tags: Any = None,
        **params: str,
    ) -> str:
        from mlflow.entities import Metric, Param

        run_id = str(self.client.create_run(experiment, run_name="fit", tags=tags).info.run_id)
        logged = [Metric(name, value, time, step) for name, points in metrics.items() for time, step, value in points]
        self.client.log_batch(run_id, metrics=logged, params=[Param(key, value) for key, value in params.items()])
        if status != "RUNNING":
            self.client.set_terminated(run_id, status)
        return run_id


def curves(truth: Truth, seed: int = 0, *, first: int = 1) -> dict[str, Points]:
    train, val = truth.curves(seed)
    return {
        name: [(i, i + first, float(v)) for i, v in enumerate(s)] for name, s in (("loss", train), ("val_loss", val))
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Iterator[Store]:
    yield Store(tmp_path_factory.mktemp("store"))


def only_fit(store: Store, reference: str, **options: str):
    [run] = read_runs(reference, uri=store.uri, **options).runs
    return read_fit(run.table)


def test_every_page_is_read(store, monkeypatch):
    from mlflow.tracking._tracking_service import client

    name, experiment = store.experiment()
    ids = [store.run(experiment, curves(FLAT, seed)) for seed in range(5)]
    monkeypatch.setattr(client, "GET_METRIC_HISTORY_MAX_RESULTS", 7)
    monkeypatch.setattr(tracking_runs, "_PAGE", 2)
    found = read_runs(name, uri=store.uri)
    assert [run.table.source for run in found.runs] == [f"fit ({run_id})" for run_id in ids]
    for seed, run in enumerate(found.runs):
        assert read_fit(run.table).val == pytest.approx(FLAT.curves(seed)[1], rel=1e-15)


def test_a_run_is_found_by_id_and_an_experiment_by_name_and_id(store):
    name, experiment = store.experiment()
    run_id = store.run(experiment, curves(RISING, first=0))
    for reference in (run_id, name, experiment):
        fit = only_fit(store, reference)
        assert (fit.epochs, fit.source) == (tuple(range(1, 41)), f"fit ({run_id})")


def test_runs_without_both_metrics_are_counted(store):
    name, experiment = store.experiment()
    store.run(experiment, curves(FLAT))
    store.run(experiment, {"loss": [(0, 1, 1.0)]})
    store.run(experiment, {})
    deleted = store.run(experiment, curves(FLAT))
    store.client.delete_run(deleted)
    found = read_runs(name, uri=store.uri)
    assert (len(found.runs), found.notes) == (1, ("2 of 3 runs have not both metrics and are left out.",))
    with pytest.raises(LabError, match=f"run {deleted} was deleted"):
        read_runs(deleted, uri=store.uri)
    with pytest.raises(LabError, match=r"none of the 3 runs .* \(accuracy\)"):
        read_runs(name, uri=store.uri, train="accuracy")


def test_of_values_of_one_step_the_latest_counts(store):
    _, experiment = store.experiment()
    run_id = store.run(
        experiment,
        {"loss": [(1, 1, 3.0), (2, 2, 2.0)], "val_loss": [(9, 1, 4.0), (1, 1, 5.0), (2, 2, 6.0), (3, 2, 1.0)]},
    )
    fit = only_fit(store, run_id)
    assert (fit.train, fit.val) == ((3.0, 2.0), (4.0, 1.0))
    assert "val_loss was logged more than once per step, 2 values too many: the latest counts." in fit.notes


def test_what_is_not_finite_comes_back(store):
    _, experiment = store.experiment()
    values = [(0, 0, math.nan), (1, 1, math.inf), (2, 2, -math.inf), (3, 3, 1.0)]
    fit = only_fit(store, store.run(experiment, {"loss": values, "val_loss": values}))
    assert str(fit.val) == "(nan, inf, -inf, 1.0)"


def test_a_parent_without_curves_stands_for_the_runs_below_it(store, capsys):
    name, experiment = store.experiment()
    parent = store.run(experiment, {"best": [(0, 0, 1.0)]}, status="RUNNING")
    child = store.run(experiment, {}, tags={"mlflow.parentRunId": parent})
    for seed in range(3):
        store.run(experiment, curves(RISING, seed), tags={"mlflow.parentRunId": child}, model="large")
    store.run(experiment, curves(FLAT), status="RUNNING", model="small")
    assert [len(read_runs(reference, uri=store.uri).runs) for reference in (parent, child, name)] == [3, 3, 4]
    assert main(["--mlflow", name, "--tracking-uri", store.uri, "--by", "model", "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert {group["name"]: group["statuses"] for group in document["groups"]} == {
        "large": {"overfit": 3},
        "small": {"not_overfit": 1},
    }
    assert document["notes"] == ["2 of 6 runs have not both metrics and are left out."]
    assert document["fits"][-1]["notes"] == ["MLflow calls the run running: the curves may not be all."]
    assert main(["--mlflow", name, "--tracking-uri", store.uri, "--by", "size"]) == 1
    assert "has no parameter or tag size" in capsys.readouterr().err


def test_steps_are_epochs_unless_the_run_logs_epochs(store):
    _, experiment = store.experiment()
    train = [(i, 10 * i + 9, 9.0 - i) for i in range(6)]
    val = [(i, 20 * i + 19, 9.5 - i) for i in range(3)]
    epoch = [(i, 10 * i + 9, float(i // 2)) for i in range(6)]
    fit = only_fit(store, store.run(experiment, {"train_loss_step": train, "val_loss": val}))
    assert (fit.epochs, fit.train) == ((19, 39, 59), (8.0, 6.0, 4.0))
    fit = only_fit(store, store.run(experiment, {"train_loss_step": train, "val_loss": val, "epoch": epoch}))
    assert (fit.epochs, fit.train, fit.val) == ((1, 2, 3), (8.5, 6.5, 4.5), (9.5, 8.5, 7.5))


def test_what_keras_autologging_adds_is_no_second_candidate(store):
    _, experiment = store.experiment()
    logged = curves(FLAT)
    logged["validation_loss"] = [(time, 0, value) for time, _, value in logged["val_loss"]]
    assert only_fit(store, store.run(experiment, logged)).val_name == "val_loss"
    logged["validation_loss"] = logged["val_loss"]
    with pytest.raises(LabError, match="loss with val_loss, loss with validation_loss"):
        only_fit(store, store.run(experiment, logged))


def test_what_is_not_there_is_said_and_not_made(store, tmp_path):
    name, experiment = store.experiment()
    with pytest.raises(LabError, match=f"no run and no experiment {name}0 \\(nearest: {name}\\)"):
        read_runs(f"{name}0", uri=store.uri)
    for nothing in ("f" * 32, "12345"):
        with pytest.raises(LabError, match=f"no run and no experiment {nothing}"):
            read_runs(nothing, uri=store.uri)
    with pytest.raises(LabError, match=f"none of the 0 runs of {name}"):
        read_runs(name, uri=store.uri)
    with pytest.raises(LabError, match="has no pair of columns"):
        read_runs(store.run(experiment, {}), uri=store.uri)
    with pytest.raises(LabError, match=r"none\.db does not exist"):
        read_runs(name, uri=f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []
    other = tmp_path / "other.db"
    for content in (b"", b"no database " * 99):
        other.write_bytes(content)
        with pytest.raises(LabError, match=r"other\.db can't be read \((no such table|file is not a database)"):
            read_runs(name, uri=f"sqlite:///{other}")
        assert other.read_bytes() == content
    with pytest.raises(LabError, match=r"http://127\.0\.0\.1:1 can't be read \(Connection refused\)"):
        read_runs(name, uri="http://127.0.0.1:1")
    store.client.delete_experiment(experiment)
    with pytest.raises(LabError, match=f"the experiment {name} was deleted"):
        read_runs(name, uri=store.uri)
